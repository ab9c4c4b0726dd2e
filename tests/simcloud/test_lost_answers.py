"""Injected faults that spoil the answer of any call, before or after its effect."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alibabacloud_tea_openapi.exceptions import ServerException
from darabonba.exceptions import RetryError, UnretryableException

from havip.simcloud.faults import FaultKind
from havip.simcloud.server import RunningCloud
from tests.simcloud.conftest import Clock
from tests.simcloud.sdk import Sdk, eventually, refusal

Make = Callable[[Sdk, str], Any]

MAKES: dict[str, Make] = {
    "CreateHaVip": lambda sdk, _: sdk.create(client_token="t1"),
    "AllocateEipAddress": lambda sdk, _: sdk.allocate_eip(client_token="t1"),
    "CreateRouteEntry": lambda sdk, vip: sdk.route("192.168.7.0/24", vip, client_token="t1"),
}


def made(cloud: RunningCloud) -> int:
    """Count what a call of any of the above would add to."""
    routes = cloud.control.route_entries("vtb-sim")
    return len(cloud.control.ha_vips()) + len(cloud.control.eips()) + len(routes)


@pytest.mark.parametrize("action", MAKES)
@pytest.mark.parametrize(
    ("kind", "effect"),
    [
        (FaultKind.TIMEOUT_BEFORE, False),
        (FaultKind.TIMEOUT_AFTER, True),
        (FaultKind.RESET_BEFORE, False),
        (FaultKind.RESET_AFTER, True),
        (FaultKind.DROP_BEFORE, False),
        (FaultKind.DROP_AFTER, True),
        (FaultKind.EMPTY_BODY, True),
        (FaultKind.TRUNCATED, True),
        (FaultKind.GARBLED, True),
    ],
)
def test_a_client_without_an_answer_learns_by_its_token(
    cloud: RunningCloud, action: str, kind: FaultKind, effect: bool
) -> None:
    sdk = Sdk(cloud.endpoint, read_timeout=200)
    ha_vip = sdk.create().ha_vip_id
    before = made(cloud)
    cloud.control.fault(action, kind)
    with pytest.raises(UnretryableException):
        MAKES[action](sdk, ha_vip)
    assert made(cloud) - before == effect
    call = cloud.control.calls(action)[-1]
    assert (call.code, call.effect) == (kind, effect)
    MAKES[action](Sdk(cloud.endpoint), ha_vip)
    assert made(cloud) - before == 1


def cause(call: Callable[[], Any]) -> str:
    """Make a call that must end without an answer; give what the sockets' library saw."""
    with pytest.raises(UnretryableException) as caught:
        call()
    inner = caught.value.inner_exception
    assert isinstance(inner, RetryError)
    return str(inner)


@pytest.mark.parametrize("kind", [FaultKind.TIMEOUT_BEFORE, FaultKind.TIMEOUT_AFTER])
def test_a_withheld_answer_is_the_clients_own_timeout(cloud: RunningCloud, kind: FaultKind) -> None:
    cloud.control.fault("DescribeHaVips", kind)
    assert "Read timed out" in cause(Sdk(cloud.endpoint, read_timeout=100).describe)
    # And the one who held it is free again: it noticed that the client is gone.
    eventually(lambda: cloud.control.calls()[-1].status is None)


@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER])
def test_a_reset_connection_is_reset(cloud: RunningCloud, sdk: Sdk, kind: FaultKind) -> None:
    cloud.control.fault("*", kind)
    assert "reset by peer" in cause(sdk.describe)


def test_a_truncated_answer_promises_more_than_comes(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("*", FaultKind.TRUNCATED)
    assert "IncompleteRead" in cause(sdk.describe)
    assert sdk.describe().total_count == 0


def test_an_error_after_the_effect_hides_it(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("AllocateEipAddress", FaultKind.ERROR_500_AFTER)
    with pytest.raises(ServerException) as caught:
        sdk.allocate_eip(client_token="t1")
    assert (caught.value.status_code, caught.value.code) == (500, "InternalError")
    (eip,) = cloud.control.eips()
    assert sdk.allocate_eip(client_token="t1").allocation_id == eip["allocationId"]


def test_a_lost_answer_to_a_call_without_a_token_cannot_be_asked_for(
    cloud: RunningCloud, sdk: Sdk
) -> None:
    allocation = sdk.allocate_eip().allocation_id
    cloud.control.fault("ReleaseEipAddress", FaultKind.RESET_AFTER)
    with pytest.raises(UnretryableException):
        sdk.release_eip(allocation)
    assert refusal(lambda: sdk.release_eip(allocation)) == (404, "InvalidAllocationId.NotFound")


# Answers of another form


def test_an_answer_may_lack_its_ids_and_counts(cloud: RunningCloud, sdk: Sdk) -> None:
    sdk.allocate_eip(name="web")
    cloud.control.fault("*read", FaultKind.MISSING_KEYS)
    (eip,) = sdk.eips()
    assert (eip.allocation_id, eip.status, eip.name) == (None, None, "web")
    cloud.control.fault("CreateHaVip", FaultKind.MISSING_KEYS)
    created = sdk.create()
    assert (created.ha_vip_id, bool(created.ip_address)) == (None, True)


def test_an_answer_may_have_values_of_other_types(cloud: RunningCloud, sdk: Sdk) -> None:
    sdk.create()
    cloud.control.fault("DescribeHaVips", FaultKind.WRONG_TYPES)
    body = sdk.describe()
    assert body.total_count == "about 1"
    assert isinstance(body.ha_vips.ha_vip[0].status, int)


def test_an_answer_of_another_shape_reads_as_none_at_all(cloud: RunningCloud, sdk: Sdk) -> None:
    sdk.create()
    cloud.control.fault("DescribeHaVips", FaultKind.WRONG_SHAPES)
    assert sdk.describe() is None


# Answers from a while ago


def test_a_stale_list_is_that_of_a_while_ago(cloud: RunningCloud, sdk: Sdk, clock: Clock) -> None:
    first = sdk.create().ha_vip_id
    clock.advance(10)
    sdk.associate(first, "i-node1")
    second = sdk.create().ha_vip_id
    clock.advance(10)

    def listed(seconds: float) -> list[tuple[str, str]]:
        cloud.control.fault("DescribeHaVips", FaultKind.STALE, seconds=seconds)
        return [(item.ha_vip_id, item.status) for item in sdk.items()]

    assert listed(0) == [(first, "InUse"), (second, "Available")]
    assert listed(15) == [(first, "Available")]
    assert listed(25) == []
    assert listed(1e6) == []
    assert [item.ha_vip_id for item in sdk.items()] == [first, second]


def test_what_happens_by_itself_has_its_time_in_stale_lists(
    slow: RunningCloud, slow_sdk: Sdk, clock: Clock
) -> None:
    slow_sdk.create()
    clock.advance(20)

    def status(seconds: float) -> str:
        slow.control.fault("DescribeHaVips", FaultKind.STALE, seconds=seconds)
        (item,) = slow_sdk.items()
        return str(item.status)

    assert status(17) == "Creating"
    assert status(12) == "Available"


def test_routes_and_eips_may_be_stale_too(cloud: RunningCloud, sdk: Sdk, clock: Clock) -> None:
    ha_vip, allocation = sdk.create().ha_vip_id, sdk.allocate_eip().allocation_id
    clock.advance(10)
    sdk.bind_eip(allocation, ha_vip)
    sdk.route("192.168.7.0/24", ha_vip)
    cloud.control.fault("*read", FaultKind.STALE, seconds=5, count=2)
    assert sdk.eip(allocation).status == "Available"
    assert sdk.routes(next_hop_id=ha_vip) == []
    assert sdk.eip(allocation).status == "InUse"
    assert len(sdk.routes(next_hop_id=ha_vip)) == 1


def test_changes_are_never_made_to_what_is_past(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("*", FaultKind.STALE, seconds=60)
    ha_vip = sdk.create().ha_vip_id
    sdk.associate(ha_vip, "i-node1")
    assert sdk.items() == []
    assert sdk.item(ha_vip).status == "InUse"


# Which calls, and for how long


def test_a_fault_may_be_for_reads_or_for_changes(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("*write", FaultKind.ERROR_500)
    cloud.control.fault("*read", FaultKind.ERROR_503)
    assert refusal(sdk.describe) == (503, "ServiceUnavailable")
    assert sdk.describe().total_count == 0
    assert refusal(sdk.create) == (500, "InternalError")
    sdk.create()


def test_the_nth_change_may_fail_whatever_it_is(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("*write", FaultKind.ERROR_500, skip=2)
    ha_vip, allocation = sdk.create().ha_vip_id, sdk.allocate_eip().allocation_id
    sdk.items()
    assert refusal(lambda: sdk.bind_eip(allocation, ha_vip)) == (500, "InternalError")
    sdk.bind_eip(allocation, ha_vip)


def test_a_region_may_be_throttled_for_a_time(cloud: RunningCloud, sdk: Sdk, clock: Clock) -> None:
    cloud.control.throttle_region(30)
    for call in (sdk.describe, sdk.create, sdk.eips, sdk.routes, sdk.instances) * 2:
        assert refusal(call) == (400, "Throttling.User")
    clock.advance(29)
    assert refusal(sdk.describe) == (400, "Throttling.User")
    clock.advance(2)
    sdk.describe()
    assert cloud.control.ha_vips() == []


def test_a_region_may_be_throttled_until_it_is_told_otherwise(
    cloud: RunningCloud, sdk: Sdk, clock: Clock
) -> None:
    cloud.control.throttle_region()
    for _ in range(3):
        clock.advance(200)
        assert refusal(sdk.describe) == (400, "Throttling.User")
    cloud.control.clear_faults()
    sdk.describe()


# Starting anew


def test_a_reset_leaves_what_the_topology_has(cloud: RunningCloud, sdk: Sdk) -> None:
    before = cloud.control.state()
    ha_vip, allocation = sdk.create(client_token="t1").ha_vip_id, sdk.allocate_eip().allocation_id
    sdk.bind_eip(allocation, ha_vip)
    sdk.route("192.168.7.0/24", ha_vip)
    sdk.associate(ha_vip, "i-node1")
    sdk.stop("i-node2")
    sdk.release_instance("i-node3")
    cloud.control.fault("*", FaultKind.ERROR_500, lasts=0)
    cloud.control.reset()
    assert cloud.control.state() == before
    assert cloud.control.calls() == []
    assert sdk.create(client_token="t1").ha_vip_id != ha_vip
    assert [call.number for call in cloud.control.calls()] == [1]


def test_a_reset_ends_what_was_under_way(slow: RunningCloud, slow_sdk: Sdk, clock: Clock) -> None:
    before = slow.control.state()
    slow_sdk.create()
    slow_sdk.stop("i-node1")
    slow.control.reset()
    clock.advance(60)
    assert slow.control.state() == before


def test_a_call_that_waits_for_its_effect_has_none_after_a_reset(cloud: RunningCloud) -> None:
    sdk = Sdk(cloud.endpoint)
    cloud.control.fault("CreateHaVip", FaultKind.LATENCY, seconds=0.5)
    with ThreadPoolExecutor() as pool:
        late = pool.submit(sdk.create, client_token="t1")
        eventually(lambda: cloud.control.calls("CreateHaVip"))
        cloud.control.reset()
        with pytest.raises(UnretryableException):
            late.result()
    assert cloud.control.ha_vips() == []
    sdk.create(client_token="t1")


def test_with_a_seed_lives_are_alike(cloud: RunningCloud, sdk: Sdk) -> None:
    def life(seed: int) -> tuple[str, str, str]:
        cloud.control.reset(seed)
        return (sdk.create().ha_vip_id, sdk.allocate_eip().eip_address, sdk.create().ip_address)

    assert life(3) == life(3)
    assert life(3) != life(4)
