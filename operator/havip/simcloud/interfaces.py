"""The ECS actions on network interfaces (ENIs): list, attach, detach and delete them."""

from __future__ import annotations

from typing import Any

from . import tags
from .calls import ECS, Action, Call, token_page
from .machines import Instance, InterfaceStatus, NetworkInterface
from .wire import ApiError, invalid


def visible(call: Call, card: NetworkInterface) -> bool:
    """Tell whether the caller sees an interface: whether it sees its VPC."""
    cloud = call.cloud
    return cloud.sees_vpc(call.account.account_id, cloud.vpc_of(card.v_switch_id))


def addresses(card: NetworkInterface) -> dict[str, Any]:
    """Give the list of an interface's addresses as answers have it."""
    return {"PrivateIpSet": [{"PrivateIpAddress": str(card.address), "Primary": True}]}


def _find(call: Call) -> NetworkInterface:
    card = call.cloud.network_interfaces.get(call.parameters.required("NetworkInterfaceId"))
    if card is None or not visible(call, card):
        raise ApiError(404, "InvalidEniId.NotFound", "The specified interface does not exist.")
    return card


def _find_instance(call: Call) -> Instance:
    instance = call.cloud.instances.get(call.parameters.required("InstanceId"))
    if instance is None or not visible(call, instance.primary):
        raise ApiError(404, "InvalidEcsId.NotFound", "The specified EcsId is not found.")
    if not instance.status.settled:
        raise ApiError(
            400, "InvalidOperation.InvalidEcsState", f"The instance is {instance.status}."
        )
    return instance


def _require(card: NetworkInterface, status: InterfaceStatus) -> None:
    if card.status is not status:
        raise ApiError(
            400,
            "InvalidOperation.InvalidEniState",
            "The operation is not allowed in the current ENI state."
            f" Expecting status is {status} while current status is {card.status}.",
        )


def _describe(call: Call) -> dict[str, Any]:
    call.check_region()
    parameters = call.parameters
    ids = parameters.texts("NetworkInterfaceId")
    if len(ids) > 100:
        raise invalid("NetworkInterfaceId")
    wanted_tags = tags.from_structures(parameters.structures("Tag"))
    items = [
        _item(call, card)
        for card in call.cloud.network_interfaces.values()
        if visible(call, card)
        and (not ids or card.network_interface_id in ids)
        and tags.match(card.tags, wanted_tags)
    ]
    keys = ("InstanceId", "VSwitchId", "VpcId", "Type", "Status", "ResourceGroupId")
    found = [item for item in items if all(parameters.text(key) in {"", item[key]} for key in keys)]
    page, paging = token_page(call, found, default=10, minimum=10, maximum=500)
    return {
        **paging,
        "TotalCount": len(found),
        "NetworkInterfaceSets": {"NetworkInterfaceSet": list(page)},
    }


def _item(call: Call, card: NetworkInterface) -> dict[str, Any]:
    return {
        "NetworkInterfaceId": card.network_interface_id,
        "InstanceId": card.instance_id or "",
        "Status": str(card.status),
        "Type": "Primary" if card.primary else "Secondary",
        "VSwitchId": card.v_switch_id,
        "VpcId": call.cloud.vpc_of(card.v_switch_id),
        "ZoneId": call.cloud.v_switches[card.v_switch_id].zone_id,
        "MacAddress": card.mac,
        "PrivateIpAddress": str(card.address),
        "PrivateIpSets": addresses(card),
        "Attachment": _attachment(call, card),
        "ResourceGroupId": card.resource_group_id,
        "SecurityGroupIds": {"SecurityGroupId": []},
        "ServiceManaged": False,
        "Tags": tags.ecs_item(card.tags),
    }


def _attachment(call: Call, card: NetworkInterface) -> dict[str, Any]:
    if card.instance_id is None:
        return {}
    siblings = (
        each.network_interface_id
        for each in call.cloud.network_interfaces.values()
        if each.instance_id == card.instance_id
    )
    return {
        "InstanceId": card.instance_id,
        "DeviceIndex": list(siblings).index(card.network_interface_id),
    }


def _attach(call: Call) -> dict[str, Any]:
    call.check_region()
    card, instance = _find(call), _find_instance(call)
    _require(card, InterfaceStatus.AVAILABLE)
    cloud = call.cloud
    here, there = (cloud.v_switches[each.v_switch_id] for each in (card, instance))
    if here.vpc_id != there.vpc_id:
        raise ApiError(
            403, "InvalidOperation.VpcMismatch", "The interface and the instance differ in VPC."
        )
    if here.zone_id != there.zone_id:
        raise ApiError(
            403,
            "InvalidOperation.AvailabilityZoneMismatch",
            "The interface and the instance are not in the same zone.",
        )
    card.instance_id, card.status = instance.instance_id, InterfaceStatus.ATTACHING

    def attached() -> None:
        # Otherwise the instance was released meanwhile.
        if (card.instance_id, card.status) == (instance.instance_id, InterfaceStatus.ATTACHING):
            card.status = InterfaceStatus.IN_USE

    call.afterwards(cloud.profile.attach, attached)
    return {}


def _detach(call: Call) -> dict[str, Any]:
    """Take a secondary interface from its instance. Its HaVips keep it as a member."""
    call.check_region()
    card, instance = _find(call), _find_instance(call)
    if card.primary:
        raise ApiError(
            400,
            "InvalidOperation.DetachPrimaryEniNotAllowed",
            "Detaching primary ENI from ECS instance is not allowed.",
        )
    _require(card, InterfaceStatus.IN_USE)
    if card.instance_id != instance.instance_id:
        raise invalid("InstanceId")
    card.status = InterfaceStatus.DETACHING

    def detached() -> None:
        if card.status is InterfaceStatus.DETACHING:
            card.leave()

    call.afterwards(call.cloud.profile.detach, detached)
    return {}


def _delete(call: Call) -> dict[str, Any]:
    """Release an interface that no instance has: it leaves its HaVips by itself."""
    call.check_region()
    card = _find(call)
    _require(card, InterfaceStatus.AVAILABLE)
    del call.cloud.network_interfaces[card.network_interface_id]
    call.cloud.forget_member(card.network_interface_id)
    call.changed()
    return {}


ACTIONS = (
    Action(ECS, "DescribeNetworkInterfaces", _describe),
    Action(ECS, "AttachNetworkInterface", _attach, changes=True),
    Action(ECS, "DetachNetworkInterface", _detach, changes=True),
    Action(ECS, "DeleteNetworkInterface", _delete, changes=True),
)
