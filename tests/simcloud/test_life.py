"""The life of a HaVip, as the official SDK sees it."""

import json
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from havip.simcloud.server import RunningCloud
from tests.simcloud.conftest import Clock, Start
from tests.simcloud.sdk import V_SWITCH, Sdk, refusal

MAC1 = "02:00:0a:4d:00:0b"
MAC2 = "02:00:0a:4d:00:0c"


def test_a_created_havip_has_an_address_of_its_vswitch(sdk: Sdk) -> None:
    created = sdk.create(name="web", description="two words & more ~ü", tags={"team": "a b"})
    item = sdk.item(created.ha_vip_id)
    assert IPv4Address(created.ip_address) in IPv4Network("10.77.0.0/24")
    assert item.ip_address == created.ip_address
    assert (item.name, item.description) == ("web", "two words & more ~ü")
    assert [(tag.key, tag.value) for tag in item.tags.tag] == [("team", "a b")]
    assert (item.v_switch_id, item.vpc_id, item.region_id) == (V_SWITCH, "vpc-sim", "cn-hangzhou")
    assert item.status == "Available"
    assert item.master_instance_id == ""
    assert item.resource_group_id == "rg-default"


def test_a_havip_gets_the_address_it_asks_for(sdk: Sdk) -> None:
    assert sdk.create(ip_address="10.77.0.99").ip_address == "10.77.0.99"


def test_each_havip_gets_its_own_address(sdk: Sdk) -> None:
    assert len({sdk.create().ip_address for _ in range(20)}) == 20


def test_callers_at_the_same_time_get_different_addresses(sdk: Sdk) -> None:
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda _: sdk.create().ip_address, range(40)))
    assert len(set(created)) == 40


def test_creating_takes_its_time(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    assert slow_sdk.item(ha_vip).status == "Creating"
    clock.advance(5)
    assert slow_sdk.item(ha_vip).status == "Available"


def test_a_member_is_listed_when_its_association_is_over(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    slow_sdk.associate(ha_vip, "i-node1")
    item = slow_sdk.item(ha_vip)
    assert item.status == "Associating"
    assert item.associated_instances.associated_instance == []
    clock.advance(5)
    item = slow_sdk.item(ha_vip)
    assert item.status == "InUse"
    assert item.associated_instance_type == "EcsInstance"
    assert item.associated_instances.associated_instance == ["i-node1"]


def test_the_last_member_that_leaves_makes_a_havip_available(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    for member in ("i-node1", "i-node2"):
        clock.advance(5)
        slow_sdk.associate(ha_vip, member)
    clock.advance(5)
    slow_sdk.unassociate(ha_vip, "i-node1")
    assert slow_sdk.item(ha_vip).status == "Unassociating"
    clock.advance(5)
    assert slow_sdk.item(ha_vip).status == "InUse"
    slow_sdk.unassociate(ha_vip, "i-node2")
    clock.advance(5)
    assert slow_sdk.item(ha_vip).status == "Available"


def test_a_deleted_havip_ends_as_an_empty_list_and_not_as_an_error(
    slow_sdk: Sdk, clock: Clock
) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    slow_sdk.delete(ha_vip)
    assert slow_sdk.item(ha_vip).status == "Deleting"
    clock.advance(5)
    assert slow_sdk.items(filters={"HaVipId": [ha_vip]}) == []
    assert refusal(lambda: slow_sdk.delete(ha_vip)) == (404, "InvalidHaVipId.NotFound")


def test_a_freed_address_can_be_had_again(sdk: Sdk) -> None:
    sdk.delete(sdk.create(ip_address="10.77.0.99").ha_vip_id)
    assert sdk.create(ip_address="10.77.0.99").ip_address == "10.77.0.99"


def test_modify_changes_what_it_is_given_and_nothing_else(sdk: Sdk) -> None:
    ha_vip = sdk.create(name="web", description="old").ha_vip_id
    sdk.modify(ha_vip, description="new")
    item = sdk.item(ha_vip)
    assert (item.name, item.description) == ("web", "new")


def test_the_last_announcer_is_the_master(cloud: RunningCloud, sdk: Sdk) -> None:
    created = sdk.create()
    for member in ("i-node1", "i-node2"):
        sdk.associate(created.ha_vip_id, member)
    assert cloud.control.announce(created.ip_address, MAC1)
    assert sdk.item(created.ha_vip_id).master_instance_id == "i-node1"
    assert cloud.control.announce(created.ip_address, MAC2)
    assert sdk.item(created.ha_vip_id).master_instance_id == "i-node2"


def test_an_announcement_of_an_instance_that_is_no_member_does_not_count(
    cloud: RunningCloud, sdk: Sdk
) -> None:
    created = sdk.create()
    sdk.associate(created.ha_vip_id, "i-node1")
    assert not cloud.control.announce(created.ip_address, MAC2)
    assert not cloud.control.announce(created.ip_address, "02:00:00:00:00:99")
    assert sdk.item(created.ha_vip_id).master_instance_id == ""


def test_the_master_leaves_only_by_force_and_then_there_is_none(
    cloud: RunningCloud, sdk: Sdk
) -> None:
    created = sdk.create()
    for member in ("i-node1", "i-node2"):
        sdk.associate(created.ha_vip_id, member)
    cloud.control.announce(created.ip_address, MAC1)
    assert refusal(lambda: sdk.unassociate(created.ha_vip_id, "i-node1")) == (
        400,
        "Forbidden.UnassociateMaster",
    )
    sdk.unassociate(created.ha_vip_id, "i-node1", force="True")
    assert sdk.item(created.ha_vip_id).master_instance_id == ""


def test_the_state_can_be_read_and_dumped(cloud: RunningCloud, sdk: Sdk, tmp_path: Path) -> None:
    created = sdk.create(name="web")
    sdk.associate(created.ha_vip_id, "i-node3")
    (ha_vip,) = cloud.control.ha_vips()
    assert ha_vip["address"] == created.ip_address
    assert ha_vip["members"] == ["i-node3"]
    cloud.control.dump(str(tmp_path / "state.json"))
    assert json.loads((tmp_path / "state.json").read_text()) == cloud.control.state()


def test_every_call_is_logged_with_what_came_of_it(cloud: RunningCloud, sdk: Sdk) -> None:
    created = sdk.create()
    sdk.describe()
    refusal(lambda: sdk.delete("havip-nobody"))
    assert [(c.number, c.action, c.status, c.code, c.effect) for c in cloud.control.calls()] == [
        (1, "CreateHaVip", 200, "", True),
        (2, "DescribeHaVips", 200, "", False),
        (3, "DeleteHaVip", 404, "InvalidHaVipId.NotFound", False),
    ]
    assert cloud.control.calls("CreateHaVip")[0].parameters["VSwitchId"] == V_SWITCH
    cloud.control.clear_calls()
    sdk.delete(created.ha_vip_id)
    assert [call.number for call in cloud.control.calls()] == [4]


@pytest.mark.parametrize("profile", ["lab", "realistic"])
def test_the_slower_profiles_answer_too(start: Start, profile: str) -> None:
    assert Sdk(start(profile=profile).endpoint).describe().total_count == 0
