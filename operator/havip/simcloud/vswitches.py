"""What a client asks of a vSwitch: which there are, and whether an address in one is free."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from typing import Any

from .calls import VPC, Action, Call, numbered_page
from .havips import find_v_switch
from .topology import VSwitch
from .wire import ApiError


def _describe(call: Call) -> dict[str, Any]:
    cloud, parameters = call.cloud, call.parameters
    if parameters.text("RegionId") or not parameters.text("VpcId"):
        call.check_region()
    wanted = {
        "VpcId": parameters.text("VpcId"),
        "VSwitchId": parameters.text("VSwitchId"),
        "ZoneId": parameters.text("ZoneId"),
    }
    items = [
        _item(call, switch)
        for switch in cloud.v_switches.values()
        if cloud.sees_vpc(call.account.account_id, switch.vpc_id)
    ]
    found = [item for item in items if all(v in {"", item[k]} for k, v in wanted.items())]
    page, paging = numbered_page(call, found)
    return {**paging, "VSwitches": {"VSwitch": list(page)}}


def _item(call: Call, switch: VSwitch) -> dict[str, Any]:
    cloud = call.cloud
    taken = cloud.used_addresses(switch.v_switch_id) | cloud.system_addresses(switch.v_switch_id)
    return {
        "VSwitchId": switch.v_switch_id,
        "VpcId": switch.vpc_id,
        "ZoneId": switch.zone_id,
        "CidrBlock": str(switch.cidr_block),
        "AvailableIpAddressCount": switch.cidr_block.num_addresses - len(taken),
        "Status": "Available",
        "IsDefault": False,
        "VSwitchName": "",
        "Description": "",
        "ResourceGroupId": "",
        "ShareType": "",
        "Tags": {"Tag": []},
    }


def _check_address(call: Call) -> dict[str, Any]:
    call.check_region()
    switch = find_v_switch(call, call.parameters.required("VSwitchId"))
    try:
        address = IPv4Address(call.parameters.required("PrivateIpAddress"))
    except AddressValueError:
        raise ApiError(
            400, "InvalidIPAddress.Malformed", "The specified PrivateIpAddress is malformed."
        ) from None
    taken = call.cloud.used_addresses(switch.v_switch_id)
    kept = call.cloud.system_addresses(switch.v_switch_id)
    return {"CanAllocate": address in switch.cidr_block and address not in taken | kept}


ACTIONS = (
    Action(VPC, "DescribeVSwitches", _describe),
    Action(VPC, "CheckCanAllocateVpcPrivateIpAddress", _check_address),
)
