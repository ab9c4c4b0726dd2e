"""What the simulated cloud refuses, and with which code."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from alibabacloud_vpc20160428 import models as vpc

from havip.simcloud.profiles import INSTANT, Quotas
from havip.simcloud.server import RunningCloud
from havip.simcloud.topology import Account, NetworkInterface, Topology, VSwitch, sample
from tests.simcloud.conftest import SLOW, Clock, Start
from tests.simcloud.sdk import REGION, Sdk, refusal


def with_second_v_switch(topology: Topology) -> Topology:
    """Add a vSwitch with a detached interface, and a secondary interface of i-node1 at home."""
    return topology.model_copy(
        update={
            "v_switches": (
                *topology.v_switches,
                VSwitch(
                    v_switch_id="vsw-other",
                    vpc_id="vpc-sim",
                    cidr_block=IPv4Network("10.77.1.0/24"),
                    zone_id="cn-hangzhou-b",
                ),
            ),
            "network_interfaces": (
                NetworkInterface(
                    network_interface_id="eni-second",
                    v_switch_id="vsw-sim",
                    private_ip_address=IPv4Address("10.77.0.61"),
                    mac_address="02:00:0a:4d:00:3d",
                    instance_id="i-node1",
                ),
                NetworkInterface(
                    network_interface_id="eni-loose",
                    v_switch_id="vsw-sim",
                    private_ip_address=IPv4Address("10.77.0.62"),
                    mac_address="02:00:0a:4d:00:3e",
                ),
            ),
        }
    )


@pytest.mark.parametrize(
    ("request_fields", "answer"),
    [
        ({"ip_address": "10.99.0.5"}, (400, "InvalidIPAddress.OutOfRange")),
        ({"ip_address": "10.77.0.0"}, (400, "InvalidIPAddress.NotAvailable")),
        ({"ip_address": "10.77.0.253"}, (400, "InvalidIPAddress.NotAvailable")),
        ({"ip_address": "10.77.0.254"}, (400, "InvalidIPAddress.NotAvailable")),
        ({"ip_address": "10.77.0.255"}, (400, "InvalidIPAddress.NotAvailable")),
        ({"ip_address": "10.77.0.11"}, (400, "InvalidIPAddress.AlreadyUsed")),
        ({"ip_address": "10.77.0"}, (400, "InvalidIPAddress.Malformed")),
        ({"ip_address": "fd00::1"}, (400, "InvalidIPAddress.Malformed")),
        ({"v_switch_id": "vsw-nobody"}, (400, "InvalidVSwitch.NotFound")),
        ({"v_switch_id": None}, (400, "MissingParameter")),
        ({"region_id": None}, (400, "MissingParameter")),
        ({"region_id": "cn-mars"}, (404, "InvalidRegionId.NotFound")),
        ({"name": "http://x"}, (400, "Abs.Vpc.InvalidName.Malformed")),
        ({"name": "x" * 129}, (400, "Abs.Vpc.InvalidName.Malformed")),
        ({"description": "https://x"}, (400, "InvalidDescription.Malformed")),
        ({"description": "x" * 256}, (400, "InvalidDescription.Malformed")),
        ({"tags": {"aliyun-x": "1"}}, (400, "InvalidTagKey")),
        ({"tags": {"acs:x": "1"}}, (400, "InvalidTagKey")),
        ({"client_token": "x" * 65}, (400, "InvalidClientToken")),
    ],
)
def test_a_bad_create_is_refused(
    sdk: Sdk, request_fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert refusal(lambda: sdk.create(**request_fields)) == answer
    assert sdk.items() == []


def test_an_address_belongs_to_one_havip(sdk: Sdk) -> None:
    sdk.create(ip_address="10.77.0.99")
    assert refusal(lambda: sdk.create(ip_address="10.77.0.99")) == (
        400,
        "InvalidIPAddress.AlreadyUsed",
    )


Change = Callable[[Sdk, str], Any]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda sdk, vip: sdk.associate(vip, "i-node1"), "InvalidVip.Status"),
        (lambda sdk, vip: sdk.unassociate(vip, "i-node1"), "IncorrectHaVipStatus"),
        (lambda sdk, vip: sdk.modify(vip, name="x"), "IncorrectStatus"),
        (lambda sdk, vip: sdk.delete(vip), "IncorrectHaVipStatus"),
    ],
    ids=["associate", "unassociate", "modify", "delete"],
)
def test_a_havip_in_transition_takes_no_change(slow_sdk: Sdk, change: Change, code: str) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    assert refusal(lambda: change(slow_sdk, ha_vip)) == (400, code)


@pytest.mark.parametrize(
    "change",
    [
        lambda sdk: sdk.associate("havip-nobody", "i-node1"),
        lambda sdk: sdk.unassociate("havip-nobody", "i-node1"),
        lambda sdk: sdk.modify("havip-nobody", name="x"),
        lambda sdk: sdk.delete("havip-nobody"),
    ],
    ids=["associate", "unassociate", "modify", "delete"],
)
def test_an_unknown_havip_is_not_found(sdk: Sdk, change: Callable[[Sdk], Any]) -> None:
    assert refusal(lambda: change(sdk)) == (404, "InvalidHaVipId.NotFound")


def test_a_havip_with_members_is_not_deleted(sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    sdk.associate(ha_vip, "i-node1")
    assert refusal(lambda: sdk.delete(ha_vip)) == (400, "IncorrectStatus.HaVip")


def test_who_is_no_member_cannot_leave(sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    assert refusal(lambda: sdk.unassociate(ha_vip, "i-node1")) == (400, "ResourceNotAssociated")


def test_an_unknown_instance_cannot_join(sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    assert refusal(lambda: sdk.associate(ha_vip, "i-nobody")) == (404, "InvalidInstanceId.NotFound")


def test_a_member_cannot_join_twice(sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    sdk.associate(ha_vip, "i-node1")
    assert refusal(lambda: sdk.associate(ha_vip, "i-node1")) == (
        400,
        "InvalidAssociation.Duplicated",
    )


def test_an_instance_of_another_vswitch_cannot_join(start: Start) -> None:
    sdk = Sdk(start(with_second_v_switch(sample())).endpoint)
    ha_vip = sdk.create(v_switch_id="vsw-other").ha_vip_id
    assert refusal(lambda: sdk.associate(ha_vip, "i-node1")) == (
        400,
        "Mismatch.HaVipIdAndInstanceId",
    )


def test_instances_and_interfaces_are_never_mixed(start: Start) -> None:
    sdk = Sdk(start(with_second_v_switch(sample())).endpoint)
    ha_vip = sdk.create().ha_vip_id
    sdk.associate(ha_vip, "eni-second", instance_type="NetworkInterface")
    assert sdk.item(ha_vip).associated_instance_type == "NetworkInterface"
    refused = (400, "InvalidInstanceType.ValueNotSupported")
    assert refusal(lambda: sdk.associate(ha_vip, "i-node2")) == refused
    sdk.unassociate(ha_vip, "eni-second", instance_type="NetworkInterface")
    sdk.associate(ha_vip, "i-node2")
    assert sdk.item(ha_vip).associated_instance_type == "EcsInstance"


def test_the_master_of_interfaces_is_an_interface(start: Start) -> None:
    cloud = start(with_second_v_switch(sample()))
    sdk = Sdk(cloud.endpoint)
    created = sdk.create()
    sdk.associate(created.ha_vip_id, "eni-second", instance_type="NetworkInterface")
    assert not cloud.control.announce(created.ip_address, "02:00:0a:4d:00:0b")
    assert cloud.control.announce(created.ip_address, "02:00:0a:4d:00:3d")
    assert sdk.item(created.ha_vip_id).master_instance_id == "eni-second"


def test_an_interface_that_no_instance_has_cannot_join(start: Start) -> None:
    sdk = Sdk(start(with_second_v_switch(sample())).endpoint)
    ha_vip = sdk.create().ha_vip_id
    assert refusal(
        lambda: sdk.associate(ha_vip, "eni-loose", instance_type="NetworkInterface")
    ) == (400, "InvalidStatus.EniStatusNotSupport")


def test_an_unknown_kind_of_member_is_refused(sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    assert refusal(lambda: sdk.associate(ha_vip, "i-node1", instance_type="Pod")) == (
        400,
        "InvalidInstanceType.ValueNotSupported",
    )


def test_an_instance_has_at_most_five_havips(sdk: Sdk) -> None:
    for _ in range(5):
        sdk.associate(sdk.create().ha_vip_id, "i-node1")
    sixth = sdk.create().ha_vip_id
    assert refusal(lambda: sdk.associate(sixth, "i-node1")) == (
        400,
        "CountLimitExceed.HaVipOnInstance",
    )
    sdk.associate(sixth, "i-node2")


def test_an_association_under_way_counts_for_the_instance(start: Start, clock: Clock) -> None:
    profile = replace(SLOW, create=(0.0, 0.0))
    sdk = Sdk(start(profile=profile).endpoint)
    ha_vips = [sdk.create().ha_vip_id for _ in range(6)]
    for ha_vip in ha_vips[:5]:
        sdk.associate(ha_vip, "i-node1")
    assert refusal(lambda: sdk.associate(ha_vips[5], "i-node1")) == (
        400,
        "CountLimitExceed.HaVipOnInstance",
    )


def test_a_havip_has_at_most_ten_members(start: Start) -> None:
    sdk = Sdk(start(sample(instances=11)).endpoint)
    ha_vip = sdk.create().ha_vip_id
    for number in range(1, 11):
        sdk.associate(ha_vip, f"i-node{number}")
    assert refusal(lambda: sdk.associate(ha_vip, "i-node11")) == (
        400,
        "CountLimitExceeded.HaVipOnECSInstance",
    )


def test_an_account_has_at_most_fifty_havips(sdk: Sdk) -> None:
    for _ in range(50):
        sdk.create()
    assert refusal(sdk.create) == (400, "QuotaExceeded.HaVip")


def two_accounts(**second: Any) -> Topology:
    """Give the sample with a second account that sees the same VPC."""
    topology = sample()
    other = Account(account_id="2", access_key_id="AK-TWO", access_key_secret="SK-TWO", **second)
    return topology.model_copy(update={"accounts": (*topology.accounts, other)})


def test_a_vpc_has_its_own_limit_over_all_accounts(start: Start) -> None:
    profile = replace(INSTANT, quotas=Quotas(ha_vips_per_vpc=2))
    cloud = start(two_accounts(), profile)
    one, two = Sdk(cloud.endpoint), Sdk(cloud.endpoint, "AK-TWO", "SK-TWO")
    one.create()
    two.create()
    assert refusal(two.create) == (400, "QuotaExceeded.HaVip")


def test_an_account_does_not_see_the_havips_of_another(start: Start) -> None:
    cloud = start(two_accounts())
    one, two = Sdk(cloud.endpoint), Sdk(cloud.endpoint, "AK-TWO", "SK-TWO")
    ha_vip = one.create().ha_vip_id
    assert two.items() == []
    assert refusal(lambda: two.delete(ha_vip)) == (404, "InvalidHaVipId.NotFound")


def test_an_account_without_the_privilege_creates_nothing(start: Start) -> None:
    cloud = start(two_accounts(may_create_ha_vips=False))
    sdk = Sdk(cloud.endpoint, "AK-TWO", "SK-TWO")
    assert refusal(sdk.create) == (400, "Forbidden.HaVip")


def test_an_action_that_the_policy_denies_is_refused(start: Start) -> None:
    cloud = start(two_accounts(denied_actions=("CreateHaVip",)))
    sdk = Sdk(cloud.endpoint, "AK-TWO", "SK-TWO")
    assert refusal(sdk.create) == (403, "Forbidden.RAM")
    assert sdk.items() == []


def test_a_released_instance_leaves_its_havips_by_itself(cloud: RunningCloud, sdk: Sdk) -> None:
    created = sdk.create()
    for member in ("i-node1", "i-node2"):
        sdk.associate(created.ha_vip_id, member)
    cloud.control.announce(created.ip_address, "02:00:0a:4d:00:0b")
    sdk.release_instance("i-node1")
    item = sdk.item(created.ha_vip_id)
    assert item.associated_instances.associated_instance == ["i-node2"]
    assert item.master_instance_id == ""
    sdk.release_instance("i-node2")
    assert sdk.item(created.ha_vip_id).status == "Available"


def test_an_instance_released_while_it_joins_is_no_member(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    slow_sdk.associate(ha_vip, "i-node1")
    slow_sdk.release_instance("i-node1")
    clock.advance(5)
    item = slow_sdk.item(ha_vip)
    assert (item.status, item.associated_instances.associated_instance) == ("Available", [])


def test_a_detached_interface_stays_a_member(start: Start) -> None:
    sdk = Sdk(start(with_second_v_switch(sample())).endpoint)
    ha_vip = sdk.create().ha_vip_id
    sdk.associate(ha_vip, "eni-second", instance_type="NetworkInterface")
    sdk.detach_interface("eni-second", "i-node1")
    assert sdk.item(ha_vip).associated_instances.associated_instance == ["eni-second"]


def test_an_action_that_does_not_exist_is_not_found(sdk: Sdk) -> None:
    assert refusal(lambda: sdk.vpc.describe_vpcs(vpc.DescribeVpcsRequest(region_id=REGION))) == (
        404,
        "InvalidAction.NotFound",
    )
