"""Describe route tables and route entries, with the names that only these two actions have."""

from __future__ import annotations

from typing import Any

from .calls import VPC, Action, Call, numbered_page, timestamp, token_page
from .routes import find_table, read_destination
from .routing import RouteEntry, RouteTable


def _entries(call: Call) -> dict[str, Any]:
    call.check_region()
    parameters = call.parameters
    table = find_table(call, parameters.required("RouteTableId"))
    destination = parameters.text("DestinationCidrBlock")
    wanted = {
        "DestinationCidrBlock": str(read_destination(destination)) if destination else "",
        "Type": parameters.text("RouteEntryType"),
        **{name: parameters.text(name) for name in ("RouteEntryId", "RouteEntryName", "IpVersion")},
    }
    next_hop = (parameters.text("NextHopType"), parameters.text("NextHopId"))
    found = [
        item
        for entry in table.entries.values()
        if next_hop[0] in {"", entry.next_hop_type} and next_hop[1] in {"", entry.next_hop_id}
        for item in [_entry(call, table, entry)]
        if all(value in {"", item[key]} for key, value in wanted.items())
    ]
    # The singular is the cloud's own, and so is the spelling of the list.
    page, paging = token_page(call, found, default=10, maximum=100, sized_by="MaxResult")
    return {**paging, "TotalCount": len(found), "RouteEntrys": {"RouteEntry": list(page)}}


def _entry(call: Call, table: RouteTable, entry: RouteEntry) -> dict[str, Any]:
    return {
        "RouteEntryId": entry.route_entry_id,
        "RouteEntryName": entry.name,
        "Description": entry.description,
        "RouteTableId": table.route_table_id,
        "DestinationCidrBlock": str(entry.destination),
        "Type": "System" if entry.system else "Custom",
        "Status": str(entry.status),
        "Origin": "RouteTable",
        "IpVersion": "IPv4",
        "GmtModified": timestamp(entry.modified_at),
        "ServiceType": "",
        "NextHops": {
            "NextHop": [
                {
                    "NextHopType": entry.next_hop_type,
                    "NextHopId": entry.next_hop_id,
                    "NextHopRegionId": call.cloud.region,
                    "Enabled": 1,
                    "Weight": 0,
                }
            ]
        },
    }


def _tables(call: Call) -> dict[str, Any]:
    call.check_region()
    names = ("VpcId", "RouteTableId", "RouteTableName", "RouteTableType", "RouterType")
    wanted = {name: call.parameters.text(name) for name in names}
    items = [
        _table(table)
        for table in call.cloud.route_tables.values()
        if call.cloud.sees_vpc(call.account.account_id, table.vpc_id)
    ]
    found = [item for item in items if all(v in {"", item[k]} for k, v in wanted.items())]
    page, paging = numbered_page(call, found)
    return {**paging, "RouterTableList": {"RouterTableListType": list(page)}}


def _table(table: RouteTable) -> dict[str, Any]:
    return {
        "RouteTableId": table.route_table_id,
        "RouteTableName": table.name,
        "RouteTableType": table.kind,
        "VpcId": table.vpc_id,
        "VSwitchIds": {"VSwitchId": list(table.v_switch_ids)},
        "RouterType": "VRouter",
        "RouterId": "vrt-" + table.vpc_id.removeprefix("vpc-"),
        "AssociateType": "VSwitch",
        "Status": "Pending" if table.in_transition else "Available",
        "Description": "",
        "Tags": {"Tag": []},
    }


ACTIONS = (
    Action(VPC, "DescribeRouteEntryList", _entries),
    Action(VPC, "DescribeRouteTableList", _tables),
)
