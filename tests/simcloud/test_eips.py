"""Elastic IP addresses: their life, what they may be bound to, and what is refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from alibabacloud_vpc20160428 import models as vpc

from havip.simcloud.profiles import INSTANT, Quotas
from havip.simcloud.server import RunningCloud
from havip.simcloud.topology import Account, Eip, Topology, sample
from tests.simcloud.conftest import SLOW, Clock, Start
from tests.simcloud.sdk import REGION, Sdk, refusal


def eip(allocation_id: str, **fields: Any) -> Eip:
    last = sum(allocation_id.encode()) % 250
    return Eip(allocation_id=allocation_id, ip_address=IPv4Address(f"198.51.100.{last}"), **fields)


def with_eips(*eips: Eip) -> Topology:
    return sample().model_copy(update={"eips": eips})


def bound(sdk: Sdk) -> tuple[str, str]:
    """Bind a new EIP to a new HaVip; give their ids."""
    ha_vip, allocation = sdk.create().ha_vip_id, sdk.allocate_eip().allocation_id
    sdk.bind_eip(allocation, ha_vip)
    return ha_vip, allocation


# Life


def test_an_allocated_eip_is_as_it_was_asked_for(sdk: Sdk) -> None:
    allocated = sdk.allocate_eip(
        name="web",
        description="front door",
        bandwidth="7",
        internet_charge_type="PayByTraffic",
        isp="BGP_PRO",
        public_ip_address_pool_id="pippool-1",
        resource_group_id="rg-x",
        tags={"team": "a"},
    )
    found = sdk.eip(allocated.allocation_id)
    assert found.ip_address == allocated.eip_address
    assert (found.name, found.description, found.bandwidth) == ("web", "front door", "7")
    assert (found.internet_charge_type, found.isp) == ("PayByTraffic", "BGP_PRO")
    assert (found.public_ip_address_pool_id, found.resource_group_id) == ("pippool-1", "rg-x")
    assert [(tag.key, tag.value) for tag in found.tags.tag] == [("team", "a")]
    assert (found.status, found.charge_type) == ("Available", "PostPaid")
    assert (found.business_status, found.deletion_protection) == ("Normal", False)
    assert (found.instance_id, found.instance_type) == ("", "")


def test_a_prepaid_eip_comes_with_an_order(sdk: Sdk) -> None:
    allocated = sdk.allocate_eip(instance_charge_type="PrePaid")
    assert allocated.order_id
    assert sdk.eip(allocated.allocation_id).charge_type == "PrePaid"
    assert sdk.allocate_eip().order_id is None


def test_an_eip_goes_through_its_states(slow_sdk: Sdk, clock: Clock) -> None:
    sdk = slow_sdk
    ha_vip = sdk.create()
    allocation = sdk.allocate_eip().allocation_id
    clock.advance(5)

    def seen() -> tuple[str, str, list[str]]:
        found, item = sdk.eip(allocation), sdk.item(ha_vip.ha_vip_id)
        return (
            found.status,
            found.instance_id,
            item.associated_eip_addresses.associated_eip_addresse,
        )

    address = sdk.eip(allocation).ip_address
    sdk.bind_eip(allocation, ha_vip.ha_vip_id)
    assert seen() == ("Associating", ha_vip.ha_vip_id, [])
    clock.advance(5)
    assert seen() == ("InUse", ha_vip.ha_vip_id, [address])
    sdk.unbind_eip(allocation)
    assert seen() == ("Unassociating", ha_vip.ha_vip_id, [address])
    clock.advance(5)
    assert seen() == ("Available", "", [])
    sdk.release_eip(allocation)
    assert sdk.eip(allocation).status == "Releasing"
    clock.advance(5)
    assert sdk.eips(allocation_id=allocation) == []


def test_binding_an_eip_leaves_the_status_of_the_havip(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip, allocation = slow_sdk.create().ha_vip_id, slow_sdk.allocate_eip().allocation_id
    clock.advance(5)
    slow_sdk.bind_eip(allocation, ha_vip)
    assert slow_sdk.item(ha_vip).status == "Available"
    slow_sdk.associate(ha_vip, "i-node1")


def test_modify_changes_what_it_is_given_and_nothing_else(sdk: Sdk) -> None:
    allocation = sdk.allocate_eip(name="old", bandwidth="3").allocation_id
    sdk.modify_eip(allocation, bandwidth="9")
    assert (sdk.eip(allocation).name, sdk.eip(allocation).bandwidth) == ("old", "9")
    sdk.modify_eip(allocation, name="new", description="said")
    found = sdk.eip(allocation)
    assert (found.name, found.description, found.bandwidth) == ("new", "said", "9")


def test_an_instance_may_take_an_eip_and_frees_it_when_released(sdk: Sdk) -> None:
    allocation = sdk.allocate_eip().allocation_id
    sdk.bind_eip(allocation, "i-node1", instance_type=None)
    found = sdk.eip(allocation)
    assert (found.status, found.instance_type) == ("InUse", "EcsInstance")
    sdk.release_instance("i-node1")
    assert (sdk.eip(allocation).status, sdk.eip(allocation).instance_id) == ("Available", "")


def test_an_instance_released_while_it_takes_an_eip_frees_it(slow_sdk: Sdk, clock: Clock) -> None:
    allocation = slow_sdk.allocate_eip().allocation_id
    slow_sdk.bind_eip(allocation, "i-node1", instance_type="EcsInstance")
    slow_sdk.release_instance("i-node1")
    clock.advance(5)
    assert slow_sdk.eip(allocation).status == "Available"


# What is refused


@pytest.mark.parametrize(
    ("request_fields", "answer"),
    [
        ({"region_id": None}, (400, "MissingParameter")),
        ({"region_id": "cn-mars"}, (404, "InvalidRegionId.NotFound")),
        ({"bandwidth": "0"}, (400, "InvalidParameter")),
        ({"bandwidth": "wide"}, (400, "InvalidParameter")),
        ({"bandwidth": "501"}, (400, "InvalidParameter")),
        (
            {"bandwidth": "201", "internet_charge_type": "PayByTraffic"},
            (400, "InvalidParameter"),
        ),
        ({"internet_charge_type": "PayByLuck"}, (400, "InvalidParameter")),
        ({"instance_charge_type": "Free"}, (400, "InvalidParameter")),
        ({"isp": "Pigeon"}, (400, "InvalidParameter")),
        ({"name": "http://x"}, (400, "Abs.Vpc.InvalidName.Malformed")),
        ({"description": "x" * 256}, (400, "InvalidDescription.Malformed")),
        ({"tags": {"acs:x": "1"}}, (400, "InvalidTagKey")),
    ],
)
def test_a_bad_allocation_is_refused(
    sdk: Sdk, request_fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert refusal(lambda: sdk.allocate_eip(**request_fields)) == answer
    assert sdk.eips() == []


def test_an_account_has_so_many_eips(start: Start) -> None:
    sdk = Sdk(start(profile=replace(INSTANT, quotas=Quotas(eips_per_account=2))).endpoint)
    for _ in range(2):
        sdk.allocate_eip()
    assert refusal(sdk.allocate_eip) == (400, "QuotaExceeded.Eip")


Change = Callable[[Sdk, str], Any]


@pytest.mark.parametrize(
    "change",
    [
        lambda sdk: sdk.release_eip("eip-nobody"),
        lambda sdk: sdk.modify_eip("eip-nobody", name="x"),
        lambda sdk: sdk.bind_eip("eip-nobody", "i-node1"),
        lambda sdk: sdk.unbind_eip("eip-nobody"),
    ],
    ids=["release", "modify", "associate", "unassociate"],
)
def test_an_unknown_eip_is_not_found(sdk: Sdk, change: Callable[[Sdk], Any]) -> None:
    assert refusal(lambda: change(sdk)) == (404, "InvalidAllocationId.NotFound")
    assert sdk.eips(allocation_id="eip-nobody") == []


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"charge_type": "PrePaid"}, (400, "Forbidden.ChargeTypeIsPrepaid")),
        ({"deletion_protection": True}, (400, "InvalidOperation.DeletionProtection")),
        ({"service_managed": True}, (400, "OperationUnsupported.ServiceManaged")),
        (
            {"instance_type": "EcsInstance", "instance_id": "i-node1"},
            (400, "IncorrectEipStatus"),
        ),
        ({"instance_type": "Nat", "instance_id": "ngw-1"}, (400, "IncorrectEipStatus")),
    ],
)
def test_an_eip_of_before_that_may_not_be_released_stays(
    start: Start, fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    sdk = Sdk(start(with_eips(eip("eip-old", **fields))).endpoint)
    assert refusal(lambda: sdk.release_eip("eip-old")) == answer
    assert sdk.eip("eip-old").status != "Releasing"


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"business_status": "FinancialLocked"}, (400, "Forbidden.FinancialLocked")),
        ({"service_managed": True}, (400, "OperationUnsupported.ServiceManaged")),
        (
            {"instance_type": "EcsInstance", "instance_id": "i-node1"},
            (400, "IncorrectEipStatus"),
        ),
    ],
)
def test_an_eip_of_before_that_may_not_be_bound_is_refused(
    start: Start, fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    sdk = Sdk(start(with_eips(eip("eip-old", **fields))).endpoint)
    ha_vip = sdk.create().ha_vip_id
    assert refusal(lambda: sdk.bind_eip("eip-old", ha_vip)) == answer


def test_prepaid_and_protected_eips_may_be_bound(start: Start) -> None:
    sdk = Sdk(
        start(with_eips(eip("eip-a", charge_type="PrePaid", deletion_protection=True))).endpoint
    )
    sdk.bind_eip("eip-a", sdk.create().ha_vip_id)
    assert sdk.eip("eip-a").status == "InUse"


@pytest.mark.parametrize(
    ("request_fields", "answer"),
    [
        ({"holder": "havip-nobody"}, (404, "InvalidInstanId.NotFound")),
        ({"holder": "i-node1"}, (404, "InvalidInstanId.NotFound")),
        (
            {"holder": "i-nobody", "instance_type": "EcsInstance"},
            (404, "InvalidInstanId.NotFound"),
        ),
        (
            {"holder": "i-node1", "instance_type": "Pod"},
            (400, "InvalidInstanceType.ValueNotSupported"),
        ),
        ({"holder": None}, (400, "MissingParameter")),
        ({"holder": "i-node1", "region_id": "cn-mars"}, (404, "InvalidRegionId.NotFound")),
        (
            {"holder": "i-node1", "instance_region_id": "cn-mars"},
            (400, "InvalidParameter.Mismatch"),
        ),
    ],
)
def test_a_bad_binding_is_refused(
    sdk: Sdk, request_fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    allocation = sdk.allocate_eip().allocation_id
    assert refusal(lambda: sdk.bind_eip(allocation, **request_fields)) == answer
    assert sdk.eip(allocation).status == "Available"


def test_a_havip_takes_one_eip(sdk: Sdk) -> None:
    ha_vip, _ = bound(sdk)
    second = sdk.allocate_eip().allocation_id
    assert refusal(lambda: sdk.bind_eip(second, ha_vip)) == (400, "InvalidAssociation.Duplicated")


def test_an_eip_has_one_holder(sdk: Sdk) -> None:
    _, allocation = bound(sdk)
    other = sdk.create().ha_vip_id
    assert refusal(lambda: sdk.bind_eip(allocation, other)) == (400, "IncorrectEipStatus")


def test_a_havip_in_transition_takes_and_loses_no_eip(start: Start, clock: Clock) -> None:
    profile = replace(SLOW, associate_eip=(0.0, 0.0))
    sdk = Sdk(start(profile=profile).endpoint)
    ha_vip, allocation = sdk.create().ha_vip_id, sdk.allocate_eip().allocation_id
    assert refusal(lambda: sdk.bind_eip(allocation, ha_vip)) == (400, "IncorrectHaVipStatus")
    clock.advance(5)
    sdk.bind_eip(allocation, ha_vip)
    sdk.associate(ha_vip, "i-node1")
    assert refusal(lambda: sdk.unbind_eip(allocation)) == (400, "IncorrectHaVipStatus")


@pytest.mark.parametrize(
    "change",
    [
        lambda sdk, eip: sdk.release_eip(eip),
        lambda sdk, eip: sdk.modify_eip(eip, name="x"),
        lambda sdk, eip: sdk.bind_eip(eip, "i-node1", instance_type="EcsInstance"),
        lambda sdk, eip: sdk.unbind_eip(eip),
    ],
    ids=["release", "modify", "associate", "unassociate"],
)
def test_an_eip_in_transition_takes_no_change(slow_sdk: Sdk, clock: Clock, change: Change) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    allocation = slow_sdk.allocate_eip().allocation_id
    slow_sdk.bind_eip(allocation, ha_vip)
    assert refusal(lambda: change(slow_sdk, allocation)) == (400, "IncorrectEipStatus")


def test_a_havip_whose_eip_is_in_transition_takes_no_other(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    one, two = (slow_sdk.allocate_eip().allocation_id for _ in range(2))
    slow_sdk.bind_eip(one, ha_vip)
    assert refusal(lambda: slow_sdk.bind_eip(two, ha_vip)) == (400, "TaskConflict")


def test_an_eip_is_not_taken_from_somebody_else(sdk: Sdk) -> None:
    ha_vip, allocation = bound(sdk)
    wrong = (400, "InvalidBindingStatus")
    assert refusal(lambda: sdk.unbind_eip(allocation, instance_id="havip-other")) == wrong
    assert refusal(lambda: sdk.unbind_eip(allocation, instance_type="EcsInstance")) == wrong
    sdk.unbind_eip(allocation, instance_id=ha_vip, instance_type="HaVip")
    assert refusal(lambda: sdk.unbind_eip(allocation)) == (400, "IncorrectEipStatus")


def test_a_havip_with_an_eip_is_not_deleted(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip, allocation = slow_sdk.create().ha_vip_id, slow_sdk.allocate_eip().allocation_id
    clock.advance(5)
    refused = (400, "DependencyViolation.HaVipAssociatedWithEIP")
    slow_sdk.bind_eip(allocation, ha_vip)
    assert refusal(lambda: slow_sdk.delete(ha_vip)) == refused
    clock.advance(5)
    assert refusal(lambda: slow_sdk.delete(ha_vip)) == refused
    slow_sdk.unbind_eip(allocation)
    assert refusal(lambda: slow_sdk.delete(ha_vip)) == refused
    clock.advance(5)
    slow_sdk.delete(ha_vip)


def test_an_account_does_not_see_the_eips_of_another(start: Start) -> None:
    other = Account(account_id="2", access_key_id="AK-TWO", access_key_secret="SK-TWO")
    topology = sample()
    cloud = start(topology.model_copy(update={"accounts": (*topology.accounts, other)}))
    one, two = Sdk(cloud.endpoint), Sdk(cloud.endpoint, "AK-TWO", "SK-TWO")
    allocation, ha_vip = one.allocate_eip().allocation_id, one.create().ha_vip_id
    assert two.eips() == []
    assert refusal(lambda: two.release_eip(allocation)) == (404, "InvalidAllocationId.NotFound")
    own = two.allocate_eip().allocation_id
    assert refusal(lambda: two.bind_eip(own, ha_vip)) == (404, "InvalidInstanId.NotFound")


# Races and tokens


def test_of_many_that_bind_at_the_same_time_one_does(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    allocations = [slow_sdk.allocate_eip().allocation_id for _ in range(8)]

    def bind(allocation: str) -> str:
        try:
            slow_sdk.bind_eip(allocation, ha_vip)
        except Exception as error:
            return str(getattr(error, "code", error))
        return "bound"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(bind, allocations))
    assert sorted(outcomes) == ["TaskConflict"] * 7 + ["bound"]


def test_an_allocation_repeated_with_its_token_is_the_same_eip(sdk: Sdk) -> None:
    first = sdk.allocate_eip(client_token="t1", name="web")
    assert sdk.allocate_eip(client_token="t1", name="web").to_map() == first.to_map()
    assert refusal(lambda: sdk.allocate_eip(client_token="t1", name="other")) == (
        400,
        "IdempotentParameterMismatch",
    )
    assert len(sdk.eips()) == 1


def test_a_binding_repeated_with_its_token_is_answered_well(sdk: Sdk) -> None:
    ha_vip, allocation = sdk.create().ha_vip_id, sdk.allocate_eip().allocation_id
    for _ in range(2):
        sdk.bind_eip(allocation, ha_vip, client_token="t1")
    for _ in range(2):
        sdk.unbind_eip(allocation, client_token="t2")
    assert sdk.eip(allocation).status == "Available"


def test_a_binding_told_to_try_later_may_keep_its_token(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    one, two = (slow_sdk.allocate_eip().allocation_id for _ in range(2))
    assert refusal(lambda: slow_sdk.bind_eip(one, ha_vip, client_token="t1")) == (
        400,
        "IncorrectHaVipStatus",
    )
    clock.advance(5)
    slow_sdk.bind_eip(two, ha_vip)
    assert refusal(lambda: slow_sdk.bind_eip(one, ha_vip, client_token="t1")) == (
        400,
        "TaskConflict",
    )
    clock.advance(5)
    slow_sdk.unbind_eip(two)
    clock.advance(5)
    slow_sdk.bind_eip(one, ha_vip, client_token="t1")


def test_a_release_has_no_token_and_is_not_repeated(slow_sdk: Sdk, clock: Clock) -> None:
    allocation = slow_sdk.allocate_eip().allocation_id
    slow_sdk.release_eip(allocation)
    assert refusal(lambda: slow_sdk.release_eip(allocation)) == (400, "IncorrectEipStatus")
    clock.advance(5)
    assert refusal(lambda: slow_sdk.release_eip(allocation)) == (
        404,
        "InvalidAllocationId.NotFound",
    )


# Lists


def test_eips_are_found_by_what_they_are(start: Start) -> None:
    topology = with_eips(
        eip("eip-a", charge_type="PrePaid", resource_group_id="rg-x", tags={"colour": "red"}),
        eip("eip-b", isp="BGP_PRO", name="web", tags={"colour": "blue"}),
        eip("eip-c", instance_type="EcsInstance", instance_id="i-node1"),
        eip("eip-d", instance_type="Nat", instance_id="ngw-1"),
    )
    sdk = Sdk(start(topology).endpoint)

    def ids(**request: Any) -> str:
        return "".join(each.allocation_id[-1] for each in sdk.eips(**request))

    addresses = {each.allocation_id: each.ip_address for each in sdk.eips()}
    assert ids() == "abcd"
    assert ids(allocation_id="eip-a,eip-d,eip-nobody") == "ad"
    assert ids(eip_address=f"{addresses['eip-b']},{addresses['eip-c']}") == "bc"
    assert ids(allocation_id="eip-a,eip-b", eip_address=addresses["eip-b"]) == "b"
    assert ids(status="InUse") == "cd"
    assert ids(associated_instance_type="EcsInstance") == "c"
    assert ids(associated_instance_type="Nat", associated_instance_id="ngw-1") == "d"
    assert ids(charge_type="PrePaid") == "a"
    assert ids(isp="BGP_PRO") == "b"
    assert ids(eip_name="web") == "b"
    assert ids(resource_group_id="rg-x") == "a"
    assert ids(tags={"colour": "red"}) == "a"
    assert ids(tags={"colour": ""}) == "ab"


def test_a_page_of_eips_has_at_most_a_hundred(start: Start) -> None:
    sdk = Sdk(start(profile=replace(INSTANT, quotas=Quotas(eips_per_account=30))).endpoint)
    ids = [sdk.allocate_eip().allocation_id for _ in range(25)]
    assert len(sdk.eips()) == 10
    assert [each.allocation_id for each in sdk.eips(page_size=100)] == ids
    pages = [sdk.eips(page_size=10, page_number=number) for number in (1, 2, 3)]
    assert [each.allocation_id for page in pages for each in page] == ids
    assert refusal(lambda: sdk.eips(page_size=101)) == (400, "InvalidParameter")


def test_at_most_fifty_eips_are_asked_for(sdk: Sdk) -> None:
    ids = [f"eip-{number}" for number in range(51)]
    assert sdk.eips(allocation_id=",".join(ids[:50])) == []
    assert refusal(lambda: sdk.eips(allocation_id=",".join(ids))) == (400, "InvalidParameter")


def test_a_dry_run_of_a_description_ends_as_an_error(sdk: Sdk) -> None:
    assert refusal(lambda: sdk.eips(dry_run=True)) == (400, "DryRunOperation")


def test_eips_have_tags_and_a_resource_group_like_havips(sdk: Sdk) -> None:
    allocation = sdk.allocate_eip(tags={"a": "1"}).allocation_id
    sdk.vpc.tag_resources(
        vpc.TagResourcesRequest(
            region_id=REGION,
            resource_type="EIP",
            resource_id=[allocation],
            tag=[vpc.TagResourcesRequestTag(key="b", value="2")],
        )
    )
    sdk.vpc.move_resource_group(
        vpc.MoveResourceGroupRequest(
            region_id=REGION,
            resource_type="Eip",
            resource_id=allocation,
            new_resource_group_id="rg-other",
        )
    )
    found = sdk.eip(allocation)
    assert {tag.key: tag.value for tag in found.tags.tag} == {"a": "1", "b": "2"}
    assert found.resource_group_id == "rg-other"


# By other hands


def test_what_no_action_sets_can_be_set(cloud: RunningCloud, sdk: Sdk) -> None:
    allocation = sdk.allocate_eip().allocation_id
    cloud.control.set_eip(allocation, business_status="FinancialLocked", deletion_protection=True)
    found = sdk.eip(allocation)
    assert (found.business_status, found.deletion_protection) == ("FinancialLocked", True)
    assert [lock.lock_reason for lock in found.operation_locks.lock_reason] == ["financial"]
    cloud.control.set_eip(allocation, charge_type="PrePaid")
    assert sdk.eip(allocation).charge_type == "PrePaid"
    with pytest.raises(ValueError, match="no EIP"):
        cloud.control.set_eip("eip-nobody", charge_type="PrePaid")
    with pytest.raises(ValueError, match="business_status"):
        cloud.control.set_eip(allocation, business_status="Rich")


def test_the_state_tells_of_eips(cloud: RunningCloud, sdk: Sdk) -> None:
    ha_vip, allocation = bound(sdk)
    (found,) = cloud.control.eips()
    assert (found["allocationId"], found["instanceId"]) == (allocation, ha_vip)
    assert cloud.control.ha_vips()[0]["eipAddresses"] == [found["address"]]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (eip("eip-a", instance_type="HaVip", instance_id="havip-1"), "no HaVip before"),
        (eip("eip-a", instance_type="EcsInstance", instance_id="i-x"), "unknown instance i-x"),
        (eip("eip-a", account_id="9"), "unknown account 9"),
    ],
)
def test_an_eip_that_does_not_fit_the_topology_is_refused(given: Eip, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Topology.model_validate_json(with_eips(given).to_json())
