"""The changes that can be asked of the cloud: one call each, and what each is about. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from havip.cloud.port import InstanceType, NewEip, NewHaVip, NewRoute, ResourceType
from havip.controller.needs import EIPS, HA_VIPS, Listing, routes

HA_VIP = "havip"
"""Subject of what is done to the HaVip itself."""
TEXTS = "name and description"
TAGS = "tags"
RESOURCE_GROUP = "resource group"
"""Subjects of what else of the HaVip is mended: its members do not wait for a better name."""
EIP = "eip"
"""Subject of what is done with an EIP."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make the HaVip. ``instead_of`` is the id of one that was lost, empty for the first."""

    new: NewHaVip
    instead_of: str


@dataclass(frozen=True, slots=True)
class Tag:
    """Add or mend tags."""

    kind: ResourceType
    resource_id: str
    tags: Mapping[str, str]
    adopting: bool = False


@dataclass(frozen=True, slots=True)
class Untag:
    """Take tags off."""

    kind: ResourceType
    resource_id: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Modify:
    """Mend name and description of the HaVip."""

    ha_vip_id: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Move:
    """Move to another resource group."""

    kind: ResourceType
    resource_id: str
    resource_group_id: str


@dataclass(frozen=True, slots=True)
class Associate:
    """Make an instance or a network interface a member."""

    ha_vip_id: str
    member_id: str
    type: InstanceType
    node: str


@dataclass(frozen=True, slots=True)
class Unassociate:
    """End a membership. ``fencing`` says that it is done since the node is taken for dead."""

    ha_vip_id: str
    member_id: str
    type: InstanceType
    node: str
    force: bool
    fencing: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the HaVip."""

    ha_vip_id: str


@dataclass(frozen=True, slots=True)
class AllocateEip:
    """Make an EIP. ``instead_of`` is the id of the one allocated before, empty for the first."""

    new: NewEip
    instead_of: str


@dataclass(frozen=True, slots=True)
class ModifyEip:
    """Mend name, description and bandwidth of an EIP."""

    allocation_id: str
    name: str
    description: str
    bandwidth_mbps: int


@dataclass(frozen=True, slots=True)
class AssociateEip:
    """Bind an EIP to the HaVip."""

    allocation_id: str
    ha_vip_id: str


@dataclass(frozen=True, slots=True)
class UnassociateEip:
    """Unbind an EIP from the HaVip."""

    allocation_id: str
    ha_vip_id: str


@dataclass(frozen=True, slots=True)
class ReleaseEip:
    """Give an EIP back, which ends what it costs."""

    allocation_id: str


@dataclass(frozen=True, slots=True)
class CreateRoute:
    """Add an entry to a route table that leads to the HaVip."""

    new: NewRoute

    @property
    def route_table_id(self) -> str:
        """The table that is changed."""
        return self.new.route_table_id


@dataclass(frozen=True, slots=True)
class DeleteRoute:
    """Delete an entry of a route table."""

    route_table_id: str
    destination: str
    route_entry_id: str


HaVipStep = Create | Modify | Associate | Unassociate | Delete
EipStep = AllocateEip | ModifyEip | AssociateEip | UnassociateEip | ReleaseEip
RouteStep = CreateRoute | DeleteRoute
Step = HaVipStep | EipStep | RouteStep | Tag | Untag | Move


def route_subject(route_table_id: str, destination: str) -> str:
    """Return the subject of what is done with one route."""
    return f"route {route_table_id} {destination}"


def subject(step: Step) -> str:
    """Tell what a step is about: what was refused for one subject does not hold up another."""
    if _is_about_eip(step):
        return EIP
    match step:
        case Associate(member_id=member_id):
            return member_id
        case Unassociate(member_id=member_id):
            return f"{member_id} going"
        case CreateRoute(new):
            return route_subject(new.route_table_id, new.destination)
        case DeleteRoute(table, destination):
            return route_subject(table, destination)
        case Modify():
            return TEXTS
        case Tag() | Untag():
            return TAGS
        case Move():
            return RESOURCE_GROUP
    return HA_VIP


def _is_about_eip(step: Step) -> bool:
    match step:
        case Tag(kind=kind) | Untag(kind=kind) | Move(kind=kind):
            return kind is ResourceType.EIP
    return isinstance(step, EipStep)


def touches(step: Step) -> frozenset[Listing[Any]]:
    """Tell which listings show what a step did: older ones are of no use after it."""
    match step:
        case AssociateEip() | UnassociateEip():
            return frozenset({EIPS, HA_VIPS})
        case CreateRoute(route_table_id=table) | DeleteRoute(route_table_id=table):
            return frozenset({routes(table)})
    return frozenset({EIPS if _is_about_eip(step) else HA_VIPS})


def rests_on(step: Step) -> frozenset[Listing[Any]]:
    """Tell which listings must be younger than our last change for a step to be decided by them."""
    return touches(step) | ({HA_VIPS} if needs_rest(step) else frozenset())


def needs_rest(step: Step) -> bool:
    """Tell whether the cloud takes a step only while the HaVip is in no transition."""
    return isinstance(step, AssociateEip | UnassociateEip) or not _is_about_eip(step)
