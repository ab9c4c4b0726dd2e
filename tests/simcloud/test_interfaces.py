"""Network interfaces: listing, attaching, detaching, and being members of HaVips."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs

from havip.simcloud.server import RunningCloud
from havip.simcloud.topology import NetworkInterface, Topology, Vpc, VSwitch, sample
from tests.simcloud.conftest import SLOW, Clock, Start
from tests.simcloud.sdk import REGION, Sdk, refusal


def interface(name: str, last: int, *, switch: str = "vsw-sim", **more: Any) -> NetworkInterface:
    blocks = {"vsw-sim": "10.77.0", "vsw-far": "10.77.1", "vsw-foreign": "10.99.0"}
    return NetworkInterface(
        network_interface_id=f"eni-{name}",
        v_switch_id=switch,
        private_ip_address=IPv4Address(f"{blocks[switch]}.{last}"),
        mac_address=f"02:00:00:00:00:{last:02x}",
        **more,
    )


def topology() -> Topology:
    """Give the sample with interfaces: two more of i-node1, and loose ones here and elsewhere."""
    plain = sample()
    far = VSwitch(
        v_switch_id="vsw-far",
        vpc_id="vpc-sim",
        cidr_block=IPv4Network("10.77.1.0/24"),
        zone_id="cn-hangzhou-b",
    )
    foreign = far.model_copy(
        update={
            "v_switch_id": "vsw-foreign",
            "vpc_id": "vpc-foreign",
            "cidr_block": IPv4Network("10.99.0.0/24"),
        }
    )
    return plain.model_copy(
        update={
            "vpcs": (
                *plain.vpcs,
                Vpc(vpc_id="vpc-foreign", cidr_block=IPv4Network("10.99.0.0/16")),
            ),
            "v_switches": (*plain.v_switches, far, foreign),
            "network_interfaces": (
                interface("red", 61, instance_id="i-node1", tags={"colour": "red"}),
                interface("blue", 62, instance_id="i-node1", tags={"colour": "blue"}),
                interface("loose", 63),
                interface("far", 64, switch="vsw-far"),
                interface("foreign", 65, switch="vsw-foreign"),
            ),
        }
    )


@pytest.fixture
def cloud(start: Start) -> RunningCloud:
    return start(topology())


@pytest.fixture
def slow_sdk(start: Start) -> Sdk:
    return Sdk(start(topology(), SLOW).endpoint)


def interfaces(sdk: Sdk, **request: Any) -> list[Any]:
    body = sdk.ecs.describe_network_interfaces(
        ecs.DescribeNetworkInterfacesRequest(region_id=REGION, **request)
    ).body
    found: list[Any] = body.network_interface_sets.network_interface_set
    return found


def found(sdk: Sdk, interface_id: str) -> Any:
    (only,) = interfaces(sdk, network_interface_id=[interface_id])
    return only


def ids(sdk: Sdk, **request: Any) -> list[str]:
    return [each.network_interface_id for each in interfaces(sdk, **request)]


def delete(sdk: Sdk, interface_id: str) -> None:
    sdk.ecs.delete_network_interface(
        ecs.DeleteNetworkInterfaceRequest(region_id=REGION, network_interface_id=interface_id)
    )


def join(sdk: Sdk, ha_vip: str, *interface_ids: str) -> None:
    for interface_id in interface_ids:
        sdk.associate(ha_vip, interface_id, instance_type="NetworkInterface")


def members(sdk: Sdk, ha_vip: str) -> list[str]:
    given: list[str] = sdk.item(ha_vip).associated_instances.associated_instance
    return given


def colour(value: str) -> list[ecs.DescribeNetworkInterfacesRequestTag]:
    return [ecs.DescribeNetworkInterfacesRequestTag(key="colour", value=value)]


@pytest.mark.parametrize(
    ("request_fields", "answer"),
    [
        ({"instance_id": "i-node1"}, ["eni-node1", "eni-red", "eni-blue"]),
        ({"instance_id": "i-node1", "type": "Secondary"}, ["eni-red", "eni-blue"]),
        ({"network_interface_id": ["eni-blue", "eni-nobody"]}, ["eni-blue"]),
        ({"v_switch_id": "vsw-far"}, ["eni-far"]),
        ({"vpc_id": "vpc-foreign"}, ["eni-foreign"]),
        ({"status": "Available"}, ["eni-loose", "eni-far", "eni-foreign"]),
        ({"tag": colour("red")}, ["eni-red"]),
        ({"tag": colour("")}, ["eni-red", "eni-blue"]),
    ],
)
def test_interfaces_are_found_by(
    cloud: RunningCloud, sdk: Sdk, request_fields: dict[str, Any], answer: list[str]
) -> None:
    assert ids(sdk, **request_fields) == answer


def test_an_interface_tells_its_place_and_its_tags(sdk: Sdk) -> None:
    item = found(sdk, "eni-blue")
    assert (item.type, item.status, item.zone_id) == ("Secondary", "InUse", "cn-hangzhou-a")
    assert (item.private_ip_address, item.mac_address) == ("10.77.0.62", "02:00:00:00:00:3e")
    assert (item.attachment.instance_id, item.attachment.device_index) == ("i-node1", 2)
    assert [(tag.tag_key, tag.tag_value) for tag in item.tags.tag] == [("colour", "blue")]
    assert found(sdk, "eni-loose").instance_id == ""


def test_an_instance_lists_its_interfaces_the_primary_one_first(sdk: Sdk) -> None:
    (instance,) = sdk.instances(instance_ids='["i-node1"]').instances.instance
    assert [
        (each.network_interface_id, each.type)
        for each in instance.network_interfaces.network_interface
    ] == [("eni-node1", "Primary"), ("eni-red", "Secondary"), ("eni-blue", "Secondary")]


@pytest.mark.parametrize(("asked", "given"), [(3, 10), (12, 12), (501, 20), (None, 10)])
def test_a_page_of_interfaces_has_ten_to_five_hundred(
    start: Start, asked: int | None, given: int
) -> None:
    sdk = Sdk(start(sample(20)).endpoint)
    request = ecs.DescribeNetworkInterfacesRequest(region_id=REGION, max_results=asked)
    first = sdk.ecs.describe_network_interfaces(request).body
    assert len(first.network_interface_sets.network_interface_set) == given
    assert first.total_count == 20
    if given < 20:
        rest = ids(sdk, max_results=asked, next_token=first.next_token)
        assert rest[0] == f"eni-node{given + 1}"


def test_attaching_and_detaching_take_their_time(slow_sdk: Sdk, clock: Clock) -> None:
    def status() -> tuple[str, str]:
        item = found(slow_sdk, "eni-loose")
        return item.status, item.instance_id

    slow_sdk.attach_interface("eni-loose", "i-node2")
    assert status() == ("Attaching", "i-node2")
    clock.advance(5)
    assert status() == ("InUse", "i-node2")
    slow_sdk.detach_interface("eni-loose", "i-node2")
    assert status() == ("Detaching", "i-node2")
    clock.advance(5)
    assert status() == ("Available", "")


BAD_STATE = (400, "InvalidOperation.InvalidEniState")


@pytest.mark.parametrize(
    ("interface_id", "instance_id", "answer"),
    [
        ("eni-nobody", "i-node1", (404, "InvalidEniId.NotFound")),
        ("eni-loose", "i-nobody", (404, "InvalidEcsId.NotFound")),
        ("eni-red", "i-node2", BAD_STATE),
        ("eni-far", "i-node1", (403, "InvalidOperation.AvailabilityZoneMismatch")),
        ("eni-foreign", "i-node1", (403, "InvalidOperation.VpcMismatch")),
    ],
)
def test_an_interface_is_not_attached(
    sdk: Sdk, interface_id: str, instance_id: str, answer: tuple[int, str]
) -> None:
    assert refusal(lambda: sdk.attach_interface(interface_id, instance_id)) == answer


def test_an_instance_in_transition_takes_no_interface(slow_sdk: Sdk) -> None:
    slow_sdk.stop("i-node1")
    wrong = (400, "InvalidOperation.InvalidEcsState")
    assert refusal(lambda: slow_sdk.attach_interface("eni-loose", "i-node1")) == wrong
    assert refusal(lambda: slow_sdk.detach_interface("eni-red", "i-node1")) == wrong


@pytest.mark.parametrize(
    ("interface_id", "instance_id", "answer"),
    [
        ("eni-node1", "i-node1", (400, "InvalidOperation.DetachPrimaryEniNotAllowed")),
        ("eni-loose", "i-node1", BAD_STATE),
        ("eni-red", "i-node2", (400, "InvalidParameter")),
    ],
)
def test_an_interface_is_not_detached(
    sdk: Sdk, interface_id: str, instance_id: str, answer: tuple[int, str]
) -> None:
    assert refusal(lambda: sdk.detach_interface(interface_id, instance_id)) == answer


def test_the_interfaces_of_a_released_instance_stay(slow_sdk: Sdk, clock: Clock) -> None:
    slow_sdk.attach_interface("eni-loose", "i-node1")
    slow_sdk.release_instance("i-node1")
    clock.advance(5)
    assert ids(slow_sdk, status="Available", v_switch_id="vsw-sim") == [
        "eni-red",
        "eni-blue",
        "eni-loose",
    ]


def test_interfaces_of_one_instance_may_be_members_together(cloud: RunningCloud, sdk: Sdk) -> None:
    created = sdk.create()
    join(sdk, created.ha_vip_id, "eni-red", "eni-blue", "eni-node2")
    assert members(sdk, created.ha_vip_id) == ["eni-red", "eni-blue", "eni-node2"]
    assert cloud.control.announce(created.ip_address, "02:00:00:00:00:3e")
    assert sdk.item(created.ha_vip_id).master_instance_id == "eni-blue"
    # Of the same instance, but not bound.
    assert not cloud.control.announce(created.ip_address, "02:00:0a:4d:00:0b")


def test_an_interface_joins_once_it_is_attached(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    slow_sdk.attach_interface("eni-loose", "i-node2")
    assert refusal(lambda: join(slow_sdk, ha_vip, "eni-loose")) == (
        400,
        "InvalidStatus.EniStatusNotSupport",
    )
    clock.advance(5)
    join(slow_sdk, ha_vip, "eni-loose")


def test_a_detached_member_stays_and_is_heard_again_once_it_is_attached_elsewhere(
    cloud: RunningCloud, sdk: Sdk
) -> None:
    created = sdk.create()
    join(sdk, created.ha_vip_id, "eni-red")
    sdk.detach_interface("eni-red", "i-node1")
    assert members(sdk, created.ha_vip_id) == ["eni-red"]
    assert not cloud.control.announce(created.ip_address, "02:00:00:00:00:3d")
    sdk.attach_interface("eni-red", "i-node2")
    assert found(sdk, "eni-red").instance_id == "i-node2"
    assert cloud.control.announce(created.ip_address, "02:00:00:00:00:3d")
    sdk.unassociate(created.ha_vip_id, "eni-red", instance_type="NetworkInterface", force="True")
    assert members(sdk, created.ha_vip_id) == []


def test_a_deleted_interface_leaves_its_havips_by_itself(sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    join(sdk, ha_vip, "eni-red")
    assert refusal(lambda: delete(sdk, "eni-red")) == BAD_STATE
    sdk.detach_interface("eni-red", "i-node1")
    delete(sdk, "eni-red")
    assert (sdk.item(ha_vip).status, members(sdk, ha_vip)) == ("Available", [])
    assert refusal(lambda: delete(sdk, "eni-red")) == (404, "InvalidEniId.NotFound")


def test_interfaces_and_instances_are_tagged_by_ecs(sdk: Sdk) -> None:
    def tag(kind: str, resource_id: str) -> None:
        sdk.ecs.tag_resources(
            ecs.TagResourcesRequest(
                region_id=REGION,
                resource_type=kind,
                resource_id=[resource_id],
                tag=[ecs.TagResourcesRequestTag(key="role", value="vip")],
            )
        )

    tag("eni", "eni-loose")
    tag("instance", "i-node2")
    role = [ecs.DescribeNetworkInterfacesRequestTag(key="role", value="vip")]
    assert ids(sdk, tag=role) == ["eni-loose"]
    wanted = [ecs.DescribeInstancesRequestTag(key="role", value="vip")]
    (instance,) = sdk.instances(tag=wanted).instances.instance
    assert (instance.instance_id, instance.tags.tag[0].tag_key) == ("i-node2", "role")
    listed = sdk.ecs.list_tag_resources(
        ecs.ListTagResourcesRequest(
            region_id=REGION, resource_type="eni", resource_id=["eni-loose"]
        )
    ).body
    assert [each.tag_value for each in listed.tag_resources.tag_resource] == ["vip"]
    sdk.ecs.untag_resources(
        ecs.UntagResourcesRequest(
            region_id=REGION, resource_type="eni", resource_id=["eni-loose"], tag_key=["role"]
        )
    )
    assert ids(sdk, tag=role) == []
    assert refusal(lambda: tag("HAVIP", "havip-x")) == (404, "InvalidResourceType.NotFound")
