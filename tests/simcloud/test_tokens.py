"""ClientToken: the same call twice has its effect once."""

from concurrent.futures import ThreadPoolExecutor

from havip.simcloud.server import RunningCloud
from tests.simcloud.conftest import Clock
from tests.simcloud.sdk import Sdk, eventually, refusal


def test_a_repeated_call_gets_the_first_answer(sdk: Sdk) -> None:
    first = sdk.create(client_token="t1")
    again = sdk.create(client_token="t1")
    assert again.to_map() == first.to_map()
    assert sdk.describe().total_count == 1


def test_without_a_token_nothing_is_idempotent(sdk: Sdk) -> None:
    assert sdk.create().ha_vip_id != sdk.create().ha_vip_id


def test_another_token_is_another_call(sdk: Sdk) -> None:
    assert sdk.create(client_token="t").ha_vip_id != sdk.create(client_token="T").ha_vip_id


def test_other_parameters_under_a_used_token_are_a_mistake(sdk: Sdk) -> None:
    ha_vip = sdk.create(client_token="t1").ha_vip_id
    mismatch = (400, "IdempotentParameterMismatch")
    assert refusal(lambda: sdk.create(client_token="t1", name="other")) == mismatch
    assert refusal(lambda: sdk.delete(ha_vip, client_token="t1")) == mismatch


def test_a_token_that_was_refused_for_good_stays_refused(sdk: Sdk) -> None:
    taken = sdk.create(ip_address="10.77.0.99").ha_vip_id
    refused = (400, "InvalidIPAddress.AlreadyUsed")
    assert refusal(lambda: sdk.create(ip_address="10.77.0.99", client_token="t1")) == refused
    sdk.delete(taken)
    assert refusal(lambda: sdk.create(ip_address="10.77.0.99", client_token="t1")) == refused
    sdk.create(ip_address="10.77.0.99", client_token="t2")


def test_a_token_told_to_try_later_may_try_later(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    assert refusal(lambda: slow_sdk.associate(ha_vip, "i-node1", client_token="t1")) == (
        400,
        "InvalidVip.Status",
    )
    clock.advance(5)
    slow_sdk.associate(ha_vip, "i-node1", client_token="t1")
    clock.advance(5)
    assert slow_sdk.item(ha_vip).associated_instances.associated_instance == ["i-node1"]


def test_a_repeated_associate_is_answered_well_after_its_transition(
    slow_sdk: Sdk, clock: Clock
) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    slow_sdk.associate(ha_vip, "i-node1", client_token="t1")
    slow_sdk.associate(ha_vip, "i-node1", client_token="t1")
    clock.advance(5)
    slow_sdk.associate(ha_vip, "i-node1", client_token="t1")
    assert slow_sdk.item(ha_vip).associated_instances.associated_instance == ["i-node1"]


def test_a_token_whose_first_call_still_runs_is_processing(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("CreateHaVip", "latency", seconds=2.0)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(sdk.create, client_token="t1")
        eventually(lambda: cloud.control.calls("CreateHaVip"))
        assert refusal(lambda: sdk.create(client_token="t1")) == (400, "LastTokenProcessing")
        created = first.result()
    assert sdk.create(client_token="t1").ha_vip_id == created.ha_vip_id
