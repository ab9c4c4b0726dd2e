"""The port: what the controller needs of a cloud, in its own words.

An implementation speaks for one account in one region. All methods are coroutines and raise only
the errors of ``havip.api.errors``: ``UserError`` when the user must act, ``CloudError`` when
waiting helps (``outcome_unknown`` when a change may have been made), ``BugError`` otherwise.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class InstanceType(StrEnum):
    """What a HaVip may have as members; one HaVip has members of one type."""

    ECS_INSTANCE = "EcsInstance"
    NETWORK_INTERFACE = "NetworkInterface"


class ResourceType(StrEnum):
    """What bears tags and belongs to a resource group."""

    HA_VIP = "HaVip"
    EIP = "Eip"


SETTLED_STATES = frozenset({"available", "inuse"})
"""The only states, in lower case, in which the cloud takes a change. All others are passing."""


@dataclass(frozen=True, slots=True)
class HaVipFacts:
    """A HaVip as the cloud describes it."""

    ha_vip_id: str
    address: str
    status: str
    v_switch_id: str
    vpc_id: str = ""
    name: str = ""
    description: str = ""
    resource_group_id: str = ""
    master_instance_id: str = ""
    """Member that announced the address last; empty when none ever did."""
    associated_type: str = ""
    """Type of the members, as in ``InstanceType``; empty without any."""
    associated_instances: frozenset[str] = frozenset()
    """Ids of the members: instances or network interfaces."""
    associated_eip_addresses: frozenset[str] = frozenset()
    tags: Mapping[str, str] = field(default_factory=dict)
    create_time: str = ""

    @property
    def settled(self) -> bool:
        """Whether the cloud takes a change now. Unknown states count as passing."""
        return self.status.lower() in SETTLED_STATES


@dataclass(frozen=True, slots=True)
class EipFacts:
    """An EIP as the cloud describes it."""

    allocation_id: str
    address: str
    status: str
    instance_id: str = ""
    """What it is bound to; empty when it is bound to nothing."""
    instance_type: str = ""
    """``HaVip``, ``EcsInstance``, ``Nat``, ...; empty when it is bound to nothing."""
    name: str = ""
    description: str = ""
    bandwidth_mbps: int = 0
    charge_type: str = ""
    """``PostPaid`` (as it is used) or ``PrePaid``: the latter cannot be released."""
    business_status: str = ""
    """``Normal``, or ``FinancialLocked`` when the account owes money."""
    deletion_protection: bool = False
    service_managed: bool = False
    """Whether another product of the cloud made it and keeps it."""
    resource_group_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether the cloud takes a change now. Unknown states count as passing."""
        return self.status.lower() in SETTLED_STATES


@dataclass(frozen=True, slots=True)
class NewEip:
    """What to allocate, paid as it is used. The tags go with it, as with a HaVip."""

    bandwidth_mbps: int
    internet_charge_type: str
    isp: str
    public_ip_pool: str
    """Empty takes one of the cloud's own."""
    name: str
    description: str
    resource_group_id: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """An entry of a route table."""

    route_entry_id: str
    route_table_id: str
    destination: str
    next_hop_type: str
    next_hop_id: str
    status: str
    name: str = ""
    description: str = ""

    @property
    def settled(self) -> bool:
        """Whether it is in force, and the cloud takes a change of its table."""
        return self.status.lower() == "available"


@dataclass(frozen=True, slots=True)
class NewRoute:
    """A route to make, whose next hop is a HaVip."""

    route_table_id: str
    destination: str
    ha_vip_id: str
    name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class NetworkInterfaceFacts:
    """A network interface (ENI)."""

    network_interface_id: str
    instance_id: str
    """What it is attached to; empty when it is attached to nothing."""
    v_switch_id: str
    primary: bool
    status: str
    mac: str = ""
    address: str = ""
    service_managed: bool = False
    """Whether another product of the cloud made it and keeps it."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """An ECS instance as far as it matters for being a member."""

    instance_id: str
    status: str
    vpc_id: str
    v_switch_id: str
    deployment_set_id: str = ""
    """Empty for an instance that the cloud may place anywhere."""
    deployment_set_group: int = 0
    """Number of its group in the deployment set; 0 where the set has no groups."""
    dedicated_host_id: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the credentials stand for."""

    account_id: str
    arn: str


@dataclass(frozen=True, slots=True)
class VSwitchFacts:
    """A vSwitch: one subnet in one zone."""

    v_switch_id: str
    vpc_id: str
    zone_id: str
    cidr_block: str
    available_addresses: int


@dataclass(frozen=True, slots=True)
class NewHaVip:
    """What to create. The tags go with the creation, so that a lost answer leaves no orphan."""

    v_switch_id: str
    address: str
    """Empty lets the cloud choose."""
    name: str
    description: str
    resource_group_id: str
    tags: Mapping[str, str]


class HaVipCalls(Protocol):
    """HaVips and their members."""

    async def describe_ha_vips(self) -> tuple[HaVipFacts, ...]:
        """List all HaVips of the region, page by page, in no particular order."""

    async def create_ha_vip(self, new: NewHaVip, token: str) -> str:
        """Create a HaVip and return its id."""

    async def delete_ha_vip(self, ha_vip_id: str, token: str) -> None:
        """Delete a HaVip without members. One that is gone already counts as deleted."""

    async def modify_ha_vip(self, ha_vip_id: str, name: str, description: str, token: str) -> None:
        """Set name and description."""

    async def associate(
        self, ha_vip_id: str, instance_id: str, instance_type: InstanceType, token: str
    ) -> None:
        """Make the instance or network interface a member."""

    async def unassociate(
        self,
        ha_vip_id: str,
        instance_id: str,
        instance_type: InstanceType,
        token: str,
        *,
        force: bool,
    ) -> None:
        """End the membership; ``force`` is needed for the master. A stranger counts as done."""


class EipCalls(Protocol):
    """Public addresses."""

    async def describe_eips(
        self,
        *,
        tags: Mapping[str, str],
        ids: Collection[str],
        addresses: Collection[str] = (),
    ) -> tuple[EipFacts, ...]:
        """List the EIPs that have all these tags (none: no such listing), and those named.

        What does not exist is missing from the answer.
        """

    async def allocate_eip(self, new: NewEip, token: str) -> str:
        """Allocate an EIP, paid as it is used, and return its id."""

    async def release_eip(self, allocation_id: str) -> None:
        """Release an EIP that is bound to nothing. One that is gone already counts as released."""

    async def modify_eip(
        self, allocation_id: str, *, name: str, description: str, bandwidth_mbps: int
    ) -> None:
        """Set name, description and bandwidth."""

    async def associate_eip(self, allocation_id: str, ha_vip_id: str, token: str) -> None:
        """Bind an EIP to a HaVip."""

    async def unassociate_eip(self, allocation_id: str, ha_vip_id: str, token: str) -> None:
        """Unbind an EIP from a HaVip. One that is not bound to it counts as unbound."""


class RouteCalls(Protocol):
    """Routes whose next hop is a HaVip."""

    async def describe_route_tables(self, vpc_id: str) -> tuple[str, ...]:
        """List the ids of the route tables of a VPC."""

    async def describe_routes(self, route_table_id: str) -> tuple[RouteFacts, ...]:
        """List the entries of a table that lead to HaVips, of anybody.

        Raises ``NotFound`` where there is no such table.
        """

    async def find_route(self, route_table_id: str, destination: str) -> RouteFacts | None:
        """Look up the entry of a table for exactly this block, wherever it leads."""

    async def create_route(self, new: NewRoute, token: str) -> None:
        """Add an entry that leads to a HaVip."""

    async def delete_route(self, route_entry_id: str) -> None:
        """Delete an entry. One that is gone already counts as deleted."""


class EcsCalls(Protocol):
    """Instances and their network interfaces: looked at, never changed."""

    async def describe_instances(self, ids: Collection[str]) -> tuple[InstanceFacts, ...]:
        """Look up instances; the ones that do not exist are missing from the answer."""

    async def describe_network_interfaces(
        self, v_switch_id: str
    ) -> tuple[NetworkInterfaceFacts, ...]:
        """List the network interfaces in a vSwitch."""


class Cloud(HaVipCalls, EipCalls, RouteCalls, EcsCalls, Protocol):
    """One account in one region."""

    async def identify(self) -> Identity:
        """Ask whom the credentials stand for; every key may ask that."""

    async def describe_v_switch(self, v_switch_id: str) -> VSwitchFacts | None:
        """Look up a vSwitch, None if there is none of that id."""

    async def tag(self, kind: ResourceType, resource_id: str, tags: Mapping[str, str]) -> None:
        """Add tags or change their values."""

    async def untag(self, kind: ResourceType, resource_id: str, keys: Collection[str]) -> None:
        """Remove tags."""

    async def move_resource_group(
        self, kind: ResourceType, resource_id: str, resource_group_id: str
    ) -> None:
        """Move a resource to another resource group."""
