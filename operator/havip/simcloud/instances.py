"""The ECS actions that the operator, the lab or a user's hand makes on instances."""

from __future__ import annotations

import json
from typing import Any

from . import tags
from .calls import ECS, Action, Call, numbered_page, token_page
from .interfaces import addresses, visible
from .machines import Instance, InstanceStatus
from .wire import ApiError, invalid


def _find(call: Call) -> Instance:
    instance = call.cloud.instances.get(call.parameters.required("InstanceId"))
    if instance is None or not visible(call, instance.primary):
        raise ApiError(404, "InvalidInstanceId.NotFound", "The specified instance does not exist.")
    return instance


def _require(instance: Instance, status: InstanceStatus) -> None:
    if instance.status is not status:
        raise ApiError(
            403, "IncorrectInstanceStatus", f"The instance is {instance.status}, not {status}."
        )


def _json_list(call: Call, name: str) -> list[str]:
    """Read a list that ECS takes as one string of JSON."""
    text = call.parameters.text(name)
    if not text:
        return []
    try:
        values = json.loads(text)
    except ValueError:
        raise invalid(name) from None
    if not isinstance(values, list) or len(values) > 100:
        raise invalid(name)
    return [str(value) for value in values]


def _describe(call: Call) -> dict[str, Any]:
    call.check_region()
    parameters = call.parameters
    ids = _json_list(call, "InstanceIds")
    wanted = _json_list(call, "PrivateIpAddresses")
    wanted_tags = tags.from_structures(parameters.structures("Tag"))
    found = [
        instance
        for instance in call.cloud.instances.values()
        if visible(call, instance.primary)
        and (not parameters.text("InstanceIds") or instance.instance_id in ids)
        and (not wanted or str(instance.primary.address) in wanted)
        and parameters.text("VSwitchId") in {"", instance.v_switch_id}
        and parameters.text("VpcId") in {"", call.cloud.vpc_of(instance.v_switch_id)}
        and parameters.text("Status") in {"", instance.status}
        and parameters.text("InstanceName") in {"", instance.name}
        and tags.match(instance.tags, wanted_tags)
    ]
    paging: dict[str, Any] = {"TotalCount": len(found)}
    if "MaxResults" in parameters.flat or "NextToken" in parameters.flat:
        page, more = token_page(call, found, default=10, maximum=100)
        paging |= more
    else:
        page, numbers = numbered_page(call, found, maximum=100)
        paging |= numbers
    return {**paging, "Instances": {"Instance": [_instance(call, each) for each in page]}}


def _instance(call: Call, instance: Instance) -> dict[str, Any]:
    cloud, primary = call.cloud, instance.primary
    item: dict[str, Any] = {
        "InstanceId": instance.instance_id,
        "InstanceName": instance.name,
        "HostName": instance.name,
        "Status": str(instance.status),
        "StoppedMode": (
            instance.stopped_mode if instance.status is InstanceStatus.STOPPED else "Not-applicable"
        ),
        "RegionId": cloud.region,
        "ZoneId": cloud.v_switches[instance.v_switch_id].zone_id,
        "InstanceNetworkType": "vpc",
        "VpcAttributes": {
            "VpcId": cloud.vpc_of(instance.v_switch_id),
            "VSwitchId": instance.v_switch_id,
            "PrivateIpAddress": {"IpAddress": [str(primary.address)]},
            "NatIpAddress": "",
        },
        "NetworkInterfaces": {
            "NetworkInterface": [
                {
                    "NetworkInterfaceId": card.network_interface_id,
                    "MacAddress": card.mac,
                    "PrimaryIpAddress": str(card.address),
                    "Type": "Primary" if card.primary else "Secondary",
                    "PrivateIpSets": addresses(card),
                }
                for card in cloud.interfaces_of(instance.instance_id)
            ]
        },
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required" if instance.require_metadata_token else "optional",
        },
        "SecurityGroupIds": {"SecurityGroupId": []},
        "ResourceGroupId": instance.resource_group_id,
        "DeploymentSetId": instance.deployment_set_id,
        "DedicatedHostAttribute": {
            "DedicatedHostId": instance.dedicated_host_id,
            "DedicatedHostName": "",
            "DedicatedHostClusterId": "",
        },
        "Tags": tags.ecs_item(instance.tags),
    }
    if instance.deployment_set_group_no is not None:
        item["DeploymentSetGroupNo"] = instance.deployment_set_group_no
    return item


def _stop(call: Call) -> dict[str, Any]:
    instance = _find(call)
    _require(instance, InstanceStatus.RUNNING)
    instance.status = InstanceStatus.STOPPING
    instance.stopped_mode = call.parameters.text("StoppedMode", "KeepCharging")
    call.afterwards(call.cloud.profile.stop, lambda: _become(instance, InstanceStatus.STOPPED))
    return {}


def _start(call: Call) -> dict[str, Any]:
    instance = _find(call)
    _require(instance, InstanceStatus.STOPPED)
    instance.status = InstanceStatus.STARTING
    call.afterwards(call.cloud.profile.start, lambda: _become(instance, InstanceStatus.RUNNING))
    return {}


def _become(instance: Instance, status: InstanceStatus) -> None:
    instance.status = status


def _delete(call: Call) -> dict[str, Any]:
    """Release an instance: it leaves its HaVips by itself, its other interfaces stay."""
    instance = _find(call)
    if not call.parameters.flag("Force"):
        _require(instance, InstanceStatus.STOPPED)
    cloud = call.cloud
    del cloud.instances[instance.instance_id]
    del cloud.network_interfaces[instance.primary.network_interface_id]
    for card in cloud.network_interfaces.values():
        if card.instance_id == instance.instance_id:
            card.leave()
    for eip in cloud.eips_at(instance.instance_id):
        eip.free()
    for gone in (instance.instance_id, instance.primary.network_interface_id):
        cloud.forget_member(gone)
    call.changed()
    return {}


ACTIONS = (
    Action(ECS, "DescribeInstances", _describe),
    Action(ECS, "StopInstance", _stop, changes=True),
    Action(ECS, "StartInstance", _start, changes=True),
    Action(ECS, "DeleteInstance", _delete, changes=True),
)
