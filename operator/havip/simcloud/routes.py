"""Create and delete route entries. A table takes one change at a time."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from .calls import VPC, Action, Call
from .havips import check_settled
from .havips import find as find_ha_vip
from .routing import SERVICE_BLOCK, RouteEntry, RouteEntryStatus, RouteTable
from .wire import ApiError

HA_VIP = "HaVip"


def find_table(call: Call, route_table_id: str) -> RouteTable:
    """Give a table of a VPC that the caller sees, or raise InvalidRouteTableId.NotFound."""
    table = call.cloud.route_tables.get(route_table_id)
    if table is None or not call.cloud.sees_vpc(call.account.account_id, table.vpc_id):
        raise ApiError(
            404, "InvalidRouteTableId.NotFound", "The specified route table does not exist."
        )
    return table


def read_destination(text: str) -> IPv4Network:
    """Read a destination: a block, or an address that stands for itself."""
    try:
        return IPv4Network(text)
    except ValueError:
        raise ApiError(
            400, "InvalidCidrBlock.Malformed", "The specified CIDR block is not valid."
        ) from None


def _check_destination(call: Call, table: RouteTable, destination: IPv4Network) -> None:
    switches = call.cloud.v_switches.values()
    blocks = [each.cidr_block for each in switches if each.vpc_id == table.vpc_id]
    if any(destination.subnet_of(block) for block in (*blocks, SERVICE_BLOCK)):
        raise ApiError(
            400, "InvalidCidrBlock", "The destination lies in a vSwitch or in 100.64.0.0/10."
        )
    if any(entry.destination == destination for entry in table.entries.values()):
        raise ApiError(400, "InvalidCIDRBlock.Duplicate", "The route table leads there already.")


def _check_next_hop(call: Call, table: RouteTable, kind: str, next_hop_id: str) -> None:
    cloud = call.cloud
    if kind == HA_VIP:
        ha_vip = find_ha_vip(call, next_hop_id)
        if ha_vip.vpc_id != table.vpc_id:
            raise ApiError(
                400,
                "Mismatch.HaVipIdAndRouteTableId",
                "The HaVip and the route table are not in the same VPC.",
            )
        check_settled(ha_vip, "IncorrectHaVipStatus")
        return
    if kind not in {"Instance", "NetworkInterface"}:
        raise ApiError(400, "InvalidNextHopType", "The specified NextHopType is not valid.")
    instance = cloud.instances.get(next_hop_id) if kind == "Instance" else None
    card = instance.primary if instance else cloud.network_interfaces.get(next_hop_id)
    if card is None or cloud.vpc_of(card.v_switch_id) != table.vpc_id:
        raise ApiError(404, "InvalidNextHopId.NotFound", "The specified next hop does not exist.")
    if instance is not None and not instance.status.settled:
        raise ApiError(403, "IncorrectInstanceStatus", f"The instance is {instance.status}.")


def _check_room(call: Call, table: RouteTable, kind: str) -> None:
    quotas = call.cloud.profile.quotas
    if sum(1 for _ in table.custom_entries) >= quotas.routes_per_table:
        raise ApiError(400, "QuotaExceeded", "The route table is full.")
    if kind != HA_VIP:
        return
    if _ha_vip_entries(table) >= quotas.ha_vip_routes_per_table:
        raise ApiError(
            400, "CountLimitExceed.HaVipRouteEntry", "The table has all its routes to HaVips."
        )
    tables = call.cloud.route_tables_of(table.vpc_id)
    if sum(_ha_vip_entries(each) for each in tables) >= quotas.ha_vip_routes_per_vpc:
        raise ApiError(
            400, "QuotaExceeded.HaVipRouteEntry", "The VPC has all its routes to HaVips."
        )


def _ha_vip_entries(table: RouteTable) -> int:
    return sum(1 for entry in table.entries.values() if entry.next_hop_type == HA_VIP)


def _create(call: Call) -> dict[str, Any]:
    call.check_region(required=False)
    parameters = call.parameters
    table = find_table(call, parameters.required("RouteTableId"))
    destination = read_destination(parameters.required("DestinationCidrBlock"))
    kind = parameters.text("NextHopType") or "Instance"
    next_hop_id = parameters.required("NextHopId")
    if table.in_transition:
        raise ApiError(
            400, "IncorrectRouteEntryStatus", "An entry of the table is in transition; try later."
        )
    _check_destination(call, table, destination)
    _check_next_hop(call, table, kind, next_hop_id)
    _check_room(call, table, kind)
    call.end_dry_run()
    entry = RouteEntry(
        call.cloud.new_id("rte"),
        destination,
        kind,
        next_hop_id,
        status=RouteEntryStatus.PENDING,
        name=parameters.text("RouteEntryName"),
        description=parameters.text("Description"),
        modified_at=call.now,
    )
    table.add(entry)

    def made() -> None:
        entry.status = RouteEntryStatus.AVAILABLE

    call.afterwards(call.cloud.profile.create_route, made)
    return {"RouteEntryId": entry.route_entry_id}


def _find_entry(call: Call) -> tuple[RouteTable, RouteEntry]:
    """Give the entry that is meant by its id, or by its table, destination and next hop."""
    parameters = call.parameters
    entry_id = parameters.text("RouteEntryId")
    if entry_id:
        for table in call.cloud.route_tables.values():
            seen = call.cloud.sees_vpc(call.account.account_id, table.vpc_id)
            if seen and entry_id in table.entries:
                return table, table.entries[entry_id]
    else:
        table = find_table(call, parameters.required("RouteTableId"))
        destination = read_destination(parameters.required("DestinationCidrBlock"))
        for entry in table.entries.values():
            if entry.destination == destination and (
                entry.system or entry.next_hop_id == _next_hop(call)
            ):
                return table, entry
    raise ApiError(400, "InvalidRouteEntry.NotFound", "The specified route entry does not exist.")


def _next_hop(call: Call) -> str:
    next_hop_id = call.parameters.text("NextHopId")
    if not next_hop_id:
        raise ApiError(400, "InvalidNextHop", "The next hop must be given.")
    return next_hop_id


def _delete(call: Call) -> dict[str, Any]:
    call.check_region(required=False)
    table, entry = _find_entry(call)
    if entry.system:
        raise ApiError(400, "OperationDenied", "A system route entry cannot be deleted.")
    if entry.status is not RouteEntryStatus.AVAILABLE:
        raise ApiError(
            400, "IncorrectRouteEntryStatus", f"The route entry is {entry.status}; try later."
        )
    if table.in_transition:
        raise ApiError(400, "TaskConflict", "Another entry of the table is in transition.")
    ha_vip = call.cloud.ha_vips.get(entry.next_hop_id)
    if ha_vip is not None:
        check_settled(ha_vip, "IncorrectHaVipStatus")
    call.end_dry_run()
    entry.status = RouteEntryStatus.DELETING

    def gone() -> None:
        del table.entries[entry.route_entry_id]

    call.afterwards(call.cloud.profile.delete_route, gone)
    return {}


ACTIONS = (
    Action(VPC, "CreateRouteEntry", _create, changes=True, tokens=True),
    Action(VPC, "DeleteRouteEntry", _delete, changes=True),
)
