"""The ECS actions that the operator, the lab or a user's hand makes on instances."""

from __future__ import annotations

import json
from typing import Any

from .calls import ECS, Action, Call, numbered_page, token_page
from .model import Instance, InstanceStatus, NetworkInterface
from .wire import ApiError, invalid


def _visible(call: Call, card: NetworkInterface) -> bool:
    cloud = call.cloud
    return cloud.sees_vpc(call.account.account_id, cloud.vpc_of(card.v_switch_id))


def _find(call: Call) -> Instance:
    instance = call.cloud.instances.get(call.parameters.required("InstanceId"))
    if instance is None or not _visible(call, instance.primary):
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
    addresses = _json_list(call, "PrivateIpAddresses")
    found = [
        instance
        for instance in call.cloud.instances.values()
        if _visible(call, instance.primary)
        and (not parameters.text("InstanceIds") or instance.instance_id in ids)
        and (not addresses or str(instance.primary.address) in addresses)
        and parameters.text("VSwitchId") in {"", instance.v_switch_id}
        and parameters.text("VpcId") in {"", call.cloud.vpc_of(instance.v_switch_id)}
        and parameters.text("Status") in {"", instance.status}
        and parameters.text("InstanceName") in {"", instance.name}
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
    cards = [
        card
        for card in cloud.network_interfaces.values()
        if card.instance_id == instance.instance_id
    ]
    return {
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
                    "PrivateIpSets": _addresses(card),
                }
                for card in cards
            ]
        },
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required" if instance.require_metadata_token else "optional",
        },
        "SecurityGroupIds": {"SecurityGroupId": []},
        "Tags": {"Tag": []},
    }


def _addresses(card: NetworkInterface) -> dict[str, Any]:
    return {"PrivateIpSet": [{"PrivateIpAddress": str(card.address), "Primary": True}]}


def _describe_interfaces(call: Call) -> dict[str, Any]:
    call.check_region()
    parameters = call.parameters
    ids = parameters.texts("NetworkInterfaceId")
    if len(ids) > 100:
        raise invalid("NetworkInterfaceId")
    items = [
        _interface(call, card)
        for card in call.cloud.network_interfaces.values()
        if _visible(call, card) and (not ids or card.network_interface_id in ids)
    ]
    keys = ("InstanceId", "VSwitchId", "VpcId", "Type", "Status")
    found = [item for item in items if all(parameters.text(key) in {"", item[key]} for key in keys)]
    page, paging = token_page(call, found, default=10, maximum=500)
    return {
        **paging,
        "TotalCount": len(found),
        "NetworkInterfaceSets": {"NetworkInterfaceSet": list(page)},
    }


def _interface(call: Call, card: NetworkInterface) -> dict[str, Any]:
    attachment = {"InstanceId": card.instance_id, "DeviceIndex": 0 if card.primary else 1}
    return {
        "NetworkInterfaceId": card.network_interface_id,
        "InstanceId": card.instance_id or "",
        "Status": "InUse" if card.instance_id else "Available",
        "Type": "Primary" if card.primary else "Secondary",
        "VSwitchId": card.v_switch_id,
        "VpcId": call.cloud.vpc_of(card.v_switch_id),
        "ZoneId": call.cloud.v_switches[card.v_switch_id].zone_id,
        "MacAddress": card.mac,
        "PrivateIpAddress": str(card.address),
        "PrivateIpSets": _addresses(card),
        "Attachment": attachment if card.instance_id else {},
        "ServiceManaged": False,
        "Tags": {"Tag": []},
    }


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
            card.instance_id = None
    for eip in cloud.eips_at(instance.instance_id):
        eip.free()
    for ha_vip in cloud.ha_vips.values():
        for gone in (instance.instance_id, instance.primary.network_interface_id):
            ha_vip.lose(gone)
        if ha_vip.status.settled:
            ha_vip.settle_status()
    call.changed()
    return {}


def _detach_interface(call: Call) -> dict[str, Any]:
    """Take a secondary interface from its instance. Its HaVips keep it as a member."""
    card = call.cloud.network_interfaces.get(call.parameters.required("NetworkInterfaceId"))
    if card is None or not _visible(call, card):
        raise ApiError(404, "InvalidEniId.NotFound", "The specified interface does not exist.")
    if card.primary or card.instance_id is None:
        raise ApiError(400, "InvalidEniType.NotSupport", "The interface cannot be detached.")
    card.instance_id = None
    call.changed()
    return {}


ACTIONS = (
    Action(ECS, "DescribeInstances", _describe),
    Action(ECS, "DescribeNetworkInterfaces", _describe_interfaces),
    Action(ECS, "StopInstance", _stop, changes=True),
    Action(ECS, "StartInstance", _start, changes=True),
    Action(ECS, "DeleteInstance", _delete, changes=True),
    Action(ECS, "DetachNetworkInterface", _detach_interface, changes=True),
)
