"""ECS instances: what the SDK reads of them, and what stopping one does."""

import json

import pytest
from alibabacloud_ecs20140526 import models as ecs

from havip.simcloud.server import RunningCloud
from havip.simcloud.topology import sample
from tests.simcloud.conftest import Clock, Start
from tests.simcloud.sdk import REGION, V_SWITCH, Sdk, refusal


def test_an_instance_tells_its_place_in_the_network(sdk: Sdk) -> None:
    body = sdk.instances(instance_ids=json.dumps(["i-node2"]))
    (instance,) = body.instances.instance
    assert (instance.instance_id, instance.status) == ("i-node2", "Running")
    assert instance.vpc_attributes.v_switch_id == V_SWITCH
    assert instance.vpc_attributes.private_ip_address.ip_address == ["10.77.0.12"]
    (card,) = instance.network_interfaces.network_interface
    assert (card.network_interface_id, card.type) == ("eni-node2", "Primary")
    assert card.mac_address == "02:00:0a:4d:00:0c"


def test_an_instance_tells_the_hardware_it_runs_on(start: Start) -> None:
    plain = sample()
    placed = plain.instances[0].model_copy(
        update={
            "deployment_set_id": "ds-1",
            "deployment_set_group_no": 2,
            "dedicated_host_id": "dh-1",
        }
    )
    cloud = start(plain.model_copy(update={"instances": (placed, *plain.instances[1:])}))
    first, second, _ = Sdk(cloud.endpoint).instances().instances.instance
    assert (first.deployment_set_id, first.deployment_set_group_no) == ("ds-1", 2)
    assert first.dedicated_host_attribute.dedicated_host_id == "dh-1"
    assert (second.deployment_set_id, second.deployment_set_group_no) == ("", None)
    assert second.dedicated_host_attribute.dedicated_host_id == ""


@pytest.mark.parametrize(
    ("request_fields", "ids"),
    [
        ({"instance_ids": '["i-node1","i-nobody"]'}, ["i-node1"]),
        ({"instance_ids": "[]"}, []),
        ({"private_ip_addresses": '["10.77.0.13"]'}, ["i-node3"]),
        ({"v_switch_id": "vsw-other"}, []),
        ({"vpc_id": "vpc-sim"}, ["i-node1", "i-node2", "i-node3"]),
        ({"status": "Stopped"}, []),
    ],
)
def test_instances_are_found_by(sdk: Sdk, request_fields: dict[str, str], ids: list[str]) -> None:
    body = sdk.instances(**request_fields)
    assert [each.instance_id for each in body.instances.instance] == ids
    assert body.total_count == len(ids)


def test_instances_come_in_pages_by_token_or_by_number(sdk: Sdk) -> None:
    first = sdk.instances(max_results=2)
    second = sdk.instances(max_results=2, next_token=first.next_token)
    assert [each.instance_id for each in second.instances.instance] == ["i-node3"]
    assert second.next_token == ""
    numbered = sdk.instances(page_size=2, page_number=2)
    assert [each.instance_id for each in numbered.instances.instance] == ["i-node3"]


def test_ids_that_are_no_json_are_refused(sdk: Sdk) -> None:
    assert refusal(lambda: sdk.instances(instance_ids="i-node1")) == (400, "InvalidParameter")


def test_interfaces_are_found_by_instance(sdk: Sdk) -> None:
    body = sdk.ecs.describe_network_interfaces(
        ecs.DescribeNetworkInterfacesRequest(region_id=REGION, instance_id="i-node1")
    ).body
    (card,) = body.network_interface_sets.network_interface_set
    assert (card.network_interface_id, card.status) == ("eni-node1", "InUse")
    assert card.attachment.instance_id == "i-node1"


def test_stopping_and_starting_take_their_time(slow_sdk: Sdk, clock: Clock) -> None:
    def status() -> str:
        (instance,) = slow_sdk.instances(instance_ids='["i-node1"]').instances.instance
        return str(instance.status)

    slow_sdk.stop("i-node1")
    assert status() == "Stopping"
    assert refusal(lambda: slow_sdk.start("i-node1")) == (403, "IncorrectInstanceStatus")
    clock.advance(5)
    assert status() == "Stopped"
    slow_sdk.start("i-node1")
    assert status() == "Starting"
    clock.advance(5)
    assert status() == "Running"
    assert refusal(lambda: slow_sdk.start("i-node1")) == (403, "IncorrectInstanceStatus")


def test_a_stopped_instance_may_join_and_a_stopping_one_may_not(
    slow_sdk: Sdk, clock: Clock
) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    slow_sdk.stop("i-node1")
    assert refusal(lambda: slow_sdk.associate(ha_vip, "i-node1")) == (
        400,
        "IncorrectInstanceStatus",
    )
    clock.advance(5)
    slow_sdk.associate(ha_vip, "i-node1")
    clock.advance(5)
    assert slow_sdk.item(ha_vip).associated_instances.associated_instance == ["i-node1"]


def test_a_stopped_master_stays_the_master_until_another_announces(
    cloud: RunningCloud, sdk: Sdk
) -> None:
    created = sdk.create()
    for member in ("i-node1", "i-node2"):
        sdk.associate(created.ha_vip_id, member)
    cloud.control.announce(created.ip_address, "02:00:0a:4d:00:0b")
    sdk.stop("i-node1")
    assert sdk.item(created.ha_vip_id).master_instance_id == "i-node1"
    assert not cloud.control.announce(created.ip_address, "02:00:0a:4d:00:0b")
    cloud.control.announce(created.ip_address, "02:00:0a:4d:00:0c")
    assert sdk.item(created.ha_vip_id).master_instance_id == "i-node2"


def test_an_unknown_instance_cannot_be_stopped(sdk: Sdk) -> None:
    assert refusal(lambda: sdk.stop("i-nobody")) == (404, "InvalidInstanceId.NotFound")
