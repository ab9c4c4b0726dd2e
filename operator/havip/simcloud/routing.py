"""Route tables and their entries, and what a table may hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network

from .topology import RouteTableType, Topology

SERVICE_BLOCK = IPv4Network("100.64.0.0/10")
"""Where the cloud's own services are: every table leads there, and no custom entry may."""


class RouteEntryStatus(StrEnum):
    """Life of a route entry."""

    PENDING = "Pending"
    AVAILABLE = "Available"
    DELETING = "Deleting"


@dataclass
class RouteEntry:
    """Where traffic for a destination goes."""

    route_entry_id: str
    destination: IPv4Network
    next_hop_type: str
    next_hop_id: str
    system: bool = False
    """Made by the cloud, which then also deletes it."""
    status: RouteEntryStatus = RouteEntryStatus.AVAILABLE
    name: str = ""
    description: str = ""
    modified_at: float = 0.0
    """Seconds since 1970."""


@dataclass
class RouteTable:
    """The routes of a VPC's vSwitches: the system table's, unless a custom one has them."""

    route_table_id: str
    vpc_id: str
    kind: RouteTableType
    name: str = ""
    v_switch_ids: tuple[str, ...] = ()
    entries: dict[str, RouteEntry] = field(default_factory=dict)

    @property
    def in_transition(self) -> bool:
        """Whether an entry is on its way in or out; then the table takes no other change."""
        return any(e.status is not RouteEntryStatus.AVAILABLE for e in self.entries.values())

    @property
    def custom_entries(self) -> Iterator[RouteEntry]:
        """Entries that are not the cloud's own."""
        return (entry for entry in self.entries.values() if not entry.system)

    def entries_to(self, next_hop_id: str) -> Iterator[RouteEntry]:
        """Entries that lead to a resource."""
        return (e for e in self.entries.values() if e.next_hop_id == next_hop_id)

    def add(self, entry: RouteEntry) -> None:
        """Take in an entry."""
        self.entries[entry.route_entry_id] = entry


def tables(topology: Topology) -> dict[str, RouteTable]:
    """Make the tables of a topology. A VPC for which it has no system table gets one.

    That one is called as the VPC is, with `vtb-` for `vpc-`.
    """
    made = {
        given.route_table_id: RouteTable(
            given.route_table_id,
            given.vpc_id,
            given.route_table_type,
            given.name,
            given.v_switch_ids,
            {
                (entry_id := entry.route_entry_id or _id(given.route_table_id, number)): RouteEntry(
                    entry_id,
                    entry.destination_cidr_block,
                    entry.next_hop_type,
                    entry.next_hop_id,
                )
                for number, entry in enumerate(given.entries, start=1)
            },
        )
        for given in topology.route_tables
    }
    with_system = {table.vpc_id for table in made.values() if table.kind == "System"}
    for vpc in topology.vpcs:
        if vpc.vpc_id not in with_system:
            table_id = "vtb-" + vpc.vpc_id.removeprefix("vpc-")
            made[table_id] = RouteTable(table_id, vpc.vpc_id, "System")
    for table in made.values():
        _add_system_entries(table, topology)
    return made


def _add_system_entries(table: RouteTable, topology: Topology) -> None:
    blocks = [s.cidr_block for s in topology.v_switches if s.vpc_id == table.vpc_id]
    for number, block in enumerate((*blocks, SERVICE_BLOCK), start=1):
        hop = "service" if block is SERVICE_BLOCK else "local"
        table.add(RouteEntry(_id(table.route_table_id, f"s{number}"), block, hop, "", system=True))


def _id(table_id: str, mark: int | str) -> str:
    return f"rte-{table_id.removeprefix('vtb-')}-{mark}"
