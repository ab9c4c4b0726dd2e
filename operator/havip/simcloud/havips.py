"""Create, describe, modify and delete HaVips: what each asks for, refuses, and lets happen.

A code that public documents do not give is marked; a client should treat any 4xx it does not know
as final.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from typing import Any

from . import tags
from .calls import VPC, Action, Call, numbered_page, timestamp
from .model import HaVip, HaVipStatus
from .topology import DEFAULT_RESOURCE_GROUP, VSwitch
from .wire import ApiError, invalid

MAX_FILTERS = 5
MAX_FILTER_VALUES = 5


def find(call: Call, ha_vip_id: str) -> HaVip:
    """Give a HaVip of the caller's account, or raise InvalidHaVipId.NotFound."""
    ha_vip = call.cloud.ha_vips.get(ha_vip_id)
    if ha_vip is None or ha_vip.account_id != call.account.account_id:
        raise ApiError(404, "InvalidHaVipId.NotFound", "The specified HaVip does not exist.")
    return ha_vip


def find_v_switch(call: Call, v_switch_id: str) -> VSwitch:
    """Give a vSwitch that the caller sees, or raise InvalidVSwitch.NotFound (a 400, as there)."""
    switch = call.cloud.v_switches.get(v_switch_id)
    if switch is None or not call.cloud.sees_vpc(call.account.account_id, switch.vpc_id):
        raise ApiError(400, "InvalidVSwitch.NotFound", "The specified vSwitch does not exist.")
    return switch


def begin_change(call: Call) -> None:
    """Refuse a change of HaVips in another region, or by an account that may have none."""
    call.check_region()
    if not call.account.may_create_ha_vips:
        raise ApiError(400, "Forbidden.HaVip", "The account has no privilege to use HaVips.")


def _check_texts(call: Call) -> None:
    for name, longest, code in (
        ("Name", 128, "Abs.Vpc.InvalidName.Malformed"),
        ("Description", 255, "InvalidDescription.Malformed"),
    ):
        text = call.parameters.text(name)
        if len(text) > longest or text.startswith(("http://", "https://")):
            raise ApiError(400, code, f"The specified {name} is not valid.")


def _create(call: Call) -> dict[str, Any]:
    begin_change(call)
    switch = find_v_switch(call, call.parameters.required("VSwitchId"))
    _check_texts(call)
    new_tags = tags.from_structures(call.parameters.structures("Tag"))
    tags.check_number(call, new_tags)
    _check_room(call, switch)
    address = _choose_address(call, switch)
    ha_vip = HaVip(
        ha_vip_id=call.cloud.new_id("havip"),
        account_id=call.account.account_id,
        address=address,
        vpc_id=switch.vpc_id,
        v_switch_id=switch.v_switch_id,
        created_at=call.now,
        name=call.parameters.text("Name"),
        description=call.parameters.text("Description"),
        resource_group_id=call.parameters.text("ResourceGroupId") or DEFAULT_RESOURCE_GROUP,
        tags=new_tags,
    )
    call.cloud.ha_vips[ha_vip.ha_vip_id] = ha_vip
    call.afterwards(call.cloud.profile.create, ha_vip.settle_status)
    return {"HaVipId": ha_vip.ha_vip_id, "IpAddress": str(address)}


def _check_room(call: Call, switch: VSwitch) -> None:
    quotas = call.cloud.profile.quotas
    own = sum(1 for _ in call.cloud.ha_vips_of(call.account.account_id))
    in_vpc = sum(1 for vip in call.cloud.ha_vips.values() if vip.vpc_id == switch.vpc_id)
    if own >= quotas.ha_vips_per_account or in_vpc >= quotas.ha_vips_per_vpc:
        # The code is not documented.
        raise ApiError(400, "QuotaExceeded.HaVip", "The quota of HaVips is used up.")


def _choose_address(call: Call, switch: VSwitch) -> IPv4Address:
    wanted = call.parameters.text("IpAddress")
    if not wanted:
        free = call.cloud.free_address(switch.v_switch_id)
        if free is None:
            raise ApiError(400, "InvalidIPAddress.NotAvailable", "No address is left.")
        return free
    try:
        address = IPv4Address(wanted)
    except AddressValueError:
        raise ApiError(
            400, "InvalidIPAddress.Malformed", "The specified IpAddress is malformed."
        ) from None
    if address not in switch.cidr_block:
        raise ApiError(
            400, "InvalidIPAddress.OutOfRange", "The specified IpAddress is out of the vSwitch."
        )
    if address in call.cloud.system_addresses(switch.v_switch_id):
        raise ApiError(400, "InvalidIPAddress.NotAvailable", "The specified IpAddress is reserved.")
    if address in call.cloud.used_addresses(switch.v_switch_id):
        raise ApiError(
            400, "InvalidIPAddress.AlreadyUsed", "The specified IpAddress is already used."
        )
    return address


def _delete(call: Call) -> dict[str, Any]:
    begin_change(call)
    ha_vip = find(call, call.parameters.required("HaVipId"))
    if ha_vip.eip_addresses:
        raise ApiError(
            400, "DependencyViolation.HaVipAssociatedWithEIP", "An EIP is bound to the HaVip."
        )
    if ha_vip.status is HaVipStatus.IN_USE:
        raise ApiError(400, "IncorrectStatus.HaVip", "The HaVip still has instances.")
    check_settled(ha_vip, "IncorrectHaVipStatus")
    ha_vip.status = HaVipStatus.DELETING

    def gone() -> None:
        del call.cloud.ha_vips[ha_vip.ha_vip_id]

    call.afterwards(call.cloud.profile.delete, gone)
    return {}


def check_settled(ha_vip: HaVip, code: str) -> None:
    """Refuse a change of a HaVip in transition, with the code that the action has for it."""
    if not ha_vip.status.settled:
        raise ApiError(400, code, f"The HaVip is {ha_vip.status}; try again later.")


def _modify(call: Call) -> dict[str, Any]:
    begin_change(call)
    ha_vip = find(call, call.parameters.required("HaVipId"))
    _check_texts(call)
    check_settled(ha_vip, "IncorrectStatus")
    given = call.parameters.flat
    ha_vip.name = given.get("Name", ha_vip.name)
    ha_vip.description = given.get("Description", ha_vip.description)
    call.changed()
    return {}


def _describe(call: Call) -> dict[str, Any]:
    call.check_region()
    filters = _filters(call)
    wanted_tags = tags.from_structures(call.parameters.structures("Tags"))
    group = call.parameters.text("ResourceGroupId")
    found = [
        ha_vip
        for ha_vip in call.cloud.ha_vips_of(call.account.account_id)
        if (not group or ha_vip.resource_group_id == group)
        and tags.match(ha_vip.tags, wanted_tags)
        and all(_field(ha_vip, key) in values for key, values in filters.items())
    ]
    page, paging = numbered_page(call, found)
    return {**paging, "HaVips": {"HaVip": [_item(call, ha_vip) for ha_vip in page]}}


def _filters(call: Call) -> dict[str, list[str]]:
    given = call.parameters.structures("Filter")
    if len(given) > MAX_FILTERS:
        raise invalid("Filter")
    filters: dict[str, list[str]] = {}
    for entry in given:
        key, values = entry.text("Key"), entry.texts("Value")
        if not key:
            # The cloud ignores a filter without a key, and lists everything.
            continue
        if key not in {"VpcId", "VSwitchId", "Status", "HaVipId", "HaVipAddress"}:
            raise ApiError(
                404,
                "InvalidFilterKey.ValueNotSupported",
                f"The specified filter key {key} is not supported.",
            )
        if len(values) > MAX_FILTER_VALUES:
            raise invalid("Filter")
        filters.setdefault(key, []).extend(values)
    return filters


def _field(ha_vip: HaVip, key: str) -> str:
    return {
        "VpcId": ha_vip.vpc_id,
        "VSwitchId": ha_vip.v_switch_id,
        "Status": str(ha_vip.status),
        "HaVipId": ha_vip.ha_vip_id,
        "HaVipAddress": str(ha_vip.address),
    }[key]


def _item(call: Call, ha_vip: HaVip) -> dict[str, Any]:
    return {
        "HaVipId": ha_vip.ha_vip_id,
        "IpAddress": str(ha_vip.address),
        "Status": str(ha_vip.status),
        "VpcId": ha_vip.vpc_id,
        "VSwitchId": ha_vip.v_switch_id,
        "RegionId": call.cloud.region,
        "ResourceGroupId": ha_vip.resource_group_id,
        "Name": ha_vip.name,
        "Description": ha_vip.description,
        "CreateTime": timestamp(ha_vip.created_at),
        "MasterInstanceId": ha_vip.master,
        "AssociatedInstanceType": str(ha_vip.member_kind) if ha_vip.members else "",
        # The lower case and the missing letter are the cloud's own.
        "AssociatedInstances": {"associatedInstance": list(ha_vip.members)},
        "AssociatedEipAddresses": {"associatedEipAddresse": list(ha_vip.eip_addresses)},
        "Tags": {"Tag": [{"Key": k, "Value": v} for k, v in ha_vip.tags.items()]},
    }


ACTIONS = (
    Action(VPC, "CreateHaVip", _create, changes=True, tokens=True),
    Action(VPC, "DeleteHaVip", _delete, changes=True, tokens=True),
    Action(VPC, "ModifyHaVipAttribute", _modify, changes=True, tokens=True),
    Action(VPC, "DescribeHaVips", _describe),
)
