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
    associated_instances: frozenset[str] = frozenset()
    associated_eip_addresses: frozenset[str] = frozenset()
    tags: Mapping[str, str] = field(default_factory=dict)
    create_time: str = ""

    @property
    def settled(self) -> bool:
        """Whether the cloud takes a change now. Unknown states count as passing."""
        return self.status.lower() in SETTLED_STATES


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """An ECS instance as far as it matters for being a member."""

    instance_id: str
    status: str
    vpc_id: str
    v_switch_id: str


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


class Cloud(Protocol):
    """One account in one region."""

    async def describe_ha_vips(self) -> tuple[HaVipFacts, ...]:
        """List all HaVips of the region, page by page, in no particular order."""

    async def describe_instances(self, ids: Collection[str]) -> tuple[InstanceFacts, ...]:
        """Look up instances; the ones that do not exist are missing from the answer."""

    async def describe_v_switch(self, v_switch_id: str) -> VSwitchFacts | None:
        """Look up a vSwitch, None if there is none of that id."""

    async def create_ha_vip(self, new: NewHaVip, token: str) -> str:
        """Create a HaVip and return its id."""

    async def delete_ha_vip(self, ha_vip_id: str, token: str) -> None:
        """Delete a HaVip without members. One that is gone already counts as deleted."""

    async def modify_ha_vip(self, ha_vip_id: str, name: str, description: str, token: str) -> None:
        """Set name and description."""

    async def associate(
        self, ha_vip_id: str, instance_id: str, instance_type: InstanceType, token: str
    ) -> None:
        """Make the instance a member."""

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

    async def tag(self, ha_vip_id: str, tags: Mapping[str, str]) -> None:
        """Add tags or change their values."""

    async def untag(self, ha_vip_id: str, keys: Collection[str]) -> None:
        """Remove tags."""

    async def move_resource_group(self, ha_vip_id: str, resource_group_id: str) -> None:
        """Move the HaVip to another resource group."""
