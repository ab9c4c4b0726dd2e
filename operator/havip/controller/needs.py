"""What is listed of the cloud, and what of it a HaVip needs. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from havip.api.havip import HaVip, MemberState, MemberType
from havip.cloud.port import (
    EipFacts,
    HaVipFacts,
    InstanceFacts,
    NetworkInterfaceFacts,
    RouteFacts,
)

T = TypeVar("T")


ALL = frozenset({"*"})
"""Wanted of a listing in place of ids: all that the account has, or has for this cluster."""


class Kind(StrEnum):
    """What is listed."""

    HA_VIPS = "HaVips"
    EIPS = "EIPs"
    ROUTES = "routes"
    NETWORK_INTERFACES = "network interfaces"
    INSTANCES = "instances"


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """Names a listing: what is listed and, of some kinds, where."""

    kind: Kind
    where: str = ""

    def __str__(self) -> str:
        return f"{self.kind} of {self.where}" if self.where else str(self.kind)


HA_VIPS: Listing[HaVipFacts] = Listing(Kind.HA_VIPS)
"""All HaVips of the region, by id."""
EIPS: Listing[EipFacts] = Listing(Kind.EIPS)
"""The EIPs that bear this cluster's tag, if anybody allocates, and those named; by id."""
INSTANCES: Listing[InstanceFacts] = Listing(Kind.INSTANCES)
"""The instances named, by id."""


def routes(route_table_id: str) -> Listing[RouteFacts]:
    """Name the listing of a table's entries that lead to HaVips, of anybody; by destination."""
    return Listing(Kind.ROUTES, route_table_id)


def network_interfaces(v_switch_id: str) -> Listing[NetworkInterfaceFacts]:
    """Name the listing of the network interfaces in a vSwitch, by id."""
    return Listing(Kind.NETWORK_INTERFACES, v_switch_id)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a HaVip has to know of the cloud besides the HaVips."""

    eips: frozenset[str] = frozenset()
    """Ids of EIPs, by whomever they were made."""
    eip_addresses: frozenset[str] = frozenset()
    """Public addresses of EIPs whose ids are not known."""
    allocates: bool = False
    """Whether an EIP that was made for it may be there: found by this cluster's tag."""
    route_tables: frozenset[str] = frozenset()
    v_switches: frozenset[str] = frozenset()
    """vSwitches whose network interfaces matter."""
    instances: frozenset[str] = frozenset()

    def of(self, listing: Listing[Any]) -> frozenset[str]:
        """Return what is wanted of a listing, ids or ``ALL``; empty when it is not needed."""
        match listing.kind:
            case Kind.HA_VIPS:
                return ALL
            case Kind.EIPS:
                return self.eips | self.eip_addresses | (ALL if self.allocates else frozenset())
            case Kind.INSTANCES:
                return self.instances
            case Kind.ROUTES:
                return self.route_tables & {listing.where}
            case Kind.NETWORK_INTERFACES:
                return self.v_switches & {listing.where}

    @property
    def listings(self) -> frozenset[Listing[Any]]:
        """All listings that are needed."""
        possible: set[Listing[Any]] = {HA_VIPS, EIPS, INSTANCES}
        possible |= {routes(each) for each in self.route_tables}
        possible |= {network_interfaces(each) for each in self.v_switches}
        return frozenset(each for each in possible if self.of(each))


def needs_of(
    havip: HaVip,
    mine: HaVipFacts | None,
    v_switch_id: str,
    *,
    unplaced: frozenset[str],
    tables: frozenset[str],
) -> Needs:
    """Tell what a HaVip needs, of its counterpart ``mine`` in the cloud too.

    ``unplaced`` are instances whose vSwitch nobody knows, ``tables`` route tables that it needs
    besides those that it names.
    """
    spec, status = havip.spec, havip.status
    deleting = havip.metadata.deletion_timestamp is not None
    eips = {status.eip.allocation_id} if status.eip and status.eip.allocation_id else set()
    if status.eip and status.eip.former:
        eips.add(status.eip.former)
    if spec.eip and spec.eip.allocation_id:
        eips.add(spec.eip.allocation_id)
    named = {each.route_table_id for each in spec.routes}
    named |= {each.route_table_id for each in status.routes}
    if status.adopted and deleting:
        named |= {each.split(" ")[0] for each in status.adopted.routes}
    by_card = spec.members.type is MemberType.NETWORK_INTERFACE
    members = {each.instance_id for each in status.members if each.state is MemberState.ASSOCIATED}
    return Needs(
        eips=frozenset(eips),
        eip_addresses=mine.associated_eip_addresses if mine and deleting else frozenset(),
        allocates=bool((spec.eip and spec.eip.allocate) or status.eip),
        route_tables=tables | named,
        v_switches=frozenset({v_switch_id} if by_card else ()),
        instances=(unplaced | members) - {""},
    )
