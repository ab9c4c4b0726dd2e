"""The state of the simulated cloud. Pure: time and chance are passed in, nothing runs by itself.

What happens later (a HaVip turns Available, an instance stops) waits in a queue by time. Whoever
looks at the state calls `Cloud.settle(now)` first, which lets everything due happen, in order.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address
from itertools import count

from .addresses import Eip, draw_address
from .machines import Instance, InstanceStatus, InterfaceStatus, NetworkInterface
from .profiles import Profile, Span
from .routing import RouteTable, tables
from .topology import DEFAULT_RESOURCE_GROUP, Account, Role, Topology, Vpc, VSwitch

_ID_CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


class HaVipStatus(StrEnum):
    """Life of a HaVip."""

    CREATING = "Creating"
    AVAILABLE = "Available"
    ASSOCIATING = "Associating"
    IN_USE = "InUse"
    UNASSOCIATING = "Unassociating"
    DELETING = "Deleting"

    @property
    def settled(self) -> bool:
        """Whether the HaVip takes calls that change it."""
        return self in {HaVipStatus.AVAILABLE, HaVipStatus.IN_USE}


class MemberKind(StrEnum):
    """What a HaVip's members are; never both kinds at once."""

    INSTANCE = "EcsInstance"
    NETWORK_INTERFACE = "NetworkInterface"


@dataclass
class HaVip:
    """A virtual address of a vSwitch."""

    ha_vip_id: str
    account_id: str
    address: IPv4Address
    vpc_id: str
    v_switch_id: str
    created_at: float
    name: str = ""
    description: str = ""
    resource_group_id: str = DEFAULT_RESOURCE_GROUP
    status: HaVipStatus = HaVipStatus.CREATING
    tags: dict[str, str] = field(default_factory=dict)
    member_kind: MemberKind = MemberKind.INSTANCE
    members: list[str] = field(default_factory=list)
    """Ids of what is associated and may use the address."""
    joining: str = ""
    """The id that is being associated."""
    master: str = ""
    """The member that last announced the address, or nobody."""

    def settle_status(self) -> None:
        """Leave a transition: InUse with members, Available without."""
        self.status = HaVipStatus.IN_USE if self.members else HaVipStatus.AVAILABLE

    def lose(self, member: str) -> None:
        """Forget a member, also as the master."""
        if member in self.members:
            self.members.remove(member)
        if self.joining == member:
            self.joining = ""
        if self.master == member:
            self.master = ""


class Cloud:
    """Everything there is, in one region."""

    def __init__(self, topology: Topology, profile: Profile, chance: random.Random) -> None:
        self._topology = topology
        self.before_change: Callable[[float], None] = lambda _at: None
        """Told the time of each change that no call makes, just before it."""
        self.region = topology.region
        self.profile = profile
        self.accounts: dict[str, Account] = {
            account.access_key_id: account for account in topology.accounts
        }
        self.roles: dict[str, Role] = {role.arn: role for role in topology.roles}
        self.vpcs: dict[str, Vpc] = {vpc.vpc_id: vpc for vpc in topology.vpcs}
        self.v_switches: dict[str, VSwitch] = {
            switch.v_switch_id: switch for switch in topology.v_switches
        }
        self.instances: dict[str, Instance] = {}
        self.network_interfaces: dict[str, NetworkInterface] = {}
        self.ha_vips: dict[str, HaVip] = {}
        self.eips: dict[str, Eip] = {
            eip.allocation_id: Eip.given(eip, topology.accounts[0].account_id)
            for eip in topology.eips
        }
        self.route_tables: dict[str, RouteTable] = tables(topology)
        self._chance = chance
        self._order = count()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        for given in topology.instances:
            instance = Instance.given(given)
            self.instances[instance.instance_id] = instance
            self.network_interfaces[instance.primary.network_interface_id] = instance.primary
        for card in topology.network_interfaces:
            self.network_interfaces[card.network_interface_id] = NetworkInterface.given(card)

    def reset(self, seed: int | None = None) -> None:
        """Be as the topology has it; with `seed`, chance starts anew too."""
        if seed is not None:
            self._chance.seed(seed)
        Cloud.__init__(self, self._topology, self.profile, self._chance)

    # Time and chance

    def draw(self, span: Span) -> float:
        """Draw a duration in seconds."""
        return self._chance.uniform(*span)

    def text(self, length: int) -> str:
        """Draw a text of letters and digits."""
        return "".join(self._chance.choices(_ID_CHARACTERS, k=length))

    def new_id(self, prefix: str) -> str:
        """Make an id in the cloud's form."""
        return f"{prefix}-{self.text(21)}"

    def later(self, at: float, effect: Callable[[], None]) -> None:
        """Let something happen at a time to come. Effects must bear that their object is gone."""
        heapq.heappush(self._later, (at, next(self._order), effect))

    def settle(self, now: float) -> None:
        """Let everything happen that is due by `now`."""
        while self._later and self._later[0][0] <= now:
            at, _, effect = heapq.heappop(self._later)
            self.before_change(at)
            effect()

    @property
    def next_change(self) -> float | None:
        """When the next thing is due, if anything is."""
        return self._later[0][0] if self._later else None

    # Look-ups

    def sees_vpc(self, account_id: str, vpc_id: str) -> bool:
        """Tell whether a VPC belongs to an account, or to all."""
        return self.vpcs[vpc_id].account_id in {None, account_id}

    def vpc_of(self, v_switch_id: str) -> str:
        """Give the VPC that a vSwitch lies in."""
        return self.v_switches[v_switch_id].vpc_id

    def ha_vips_of(self, account_id: str) -> Iterator[HaVip]:
        """Give an account's HaVips, oldest first."""
        return (ha_vip for ha_vip in self.ha_vips.values() if ha_vip.account_id == account_id)

    def eips_at(self, holder_id: str) -> list[Eip]:
        """Give the EIPs that something holds, or is about to hold or to lose."""
        return [eip for eip in self.eips.values() if eip.holder_id == holder_id]

    def eip_addresses_at(self, holder_id: str) -> list[str]:
        """Give the public addresses that something's own description names."""
        return [str(eip.address) for eip in self.eips_at(holder_id) if eip.shown_at_holder]

    def route_tables_of(self, vpc_id: str) -> Iterator[RouteTable]:
        """Give the route tables of a VPC."""
        return (table for table in self.route_tables.values() if table.vpc_id == vpc_id)

    def free_public_address(self) -> IPv4Address:
        """Pick a public address that no EIP has."""
        return draw_address({eip.address for eip in self.eips.values()}, self._chance)

    def used_addresses(self, v_switch_id: str) -> set[IPv4Address]:
        """Give the addresses of a vSwitch that something has."""
        cards = self.network_interfaces.values()
        return (
            set(self.v_switches[v_switch_id].reserved_addresses)
            | {card.address for card in cards if card.v_switch_id == v_switch_id}
            | {vip.address for vip in self.ha_vips.values() if vip.v_switch_id == v_switch_id}
        )

    def system_addresses(self, v_switch_id: str) -> set[IPv4Address]:
        """Give the addresses that the cloud keeps for itself: the first and the last three."""
        block = self.v_switches[v_switch_id].cidr_block
        return {block[0], *(block[-back] for back in (1, 2, 3))}

    def free_address(self, v_switch_id: str) -> IPv4Address | None:
        """Pick an address that nobody has, from the middle of the vSwitch upwards."""
        block = self.v_switches[v_switch_id].cidr_block
        taken = self.used_addresses(v_switch_id) | self.system_addresses(v_switch_id)
        size = block.num_addresses
        for step in range(size):
            address = block[(size // 2 + step) % size]
            if address not in taken:
                return address
        return None

    def interfaces_of(self, instance_id: str) -> Iterator[NetworkInterface]:
        """Give the interfaces that an instance has, its primary one first."""
        cards = self.network_interfaces.values()
        return (
            card
            for card in cards
            if card.instance_id == instance_id and card.status is InterfaceStatus.IN_USE
        )

    def forget_member(self, member: str) -> None:
        """Take what is released from its HaVips."""
        for ha_vip in self.ha_vips.values():
            ha_vip.lose(member)
            if ha_vip.status.settled:
                ha_vip.settle_status()

    # What the network sees

    def linked(self, card: NetworkInterface) -> bool:
        """Tell whether an interface belongs to an instance that runs."""
        instance = self.instances.get(card.instance_id or "")
        return (
            instance is not None
            and instance.status is InstanceStatus.RUNNING
            and card.status is InterfaceStatus.IN_USE
        )

    def may_use(self, ha_vip: HaVip, card: NetworkInterface) -> bool:
        """Tell whether an interface is one of those that a HaVip's address is bound to."""
        if ha_vip.member_kind is MemberKind.NETWORK_INTERFACE:
            return card.network_interface_id in ha_vip.members
        return card.primary and card.instance_id in ha_vip.members

    def announce(self, address: IPv4Address, mac: str) -> bool:
        """Take an ARP announcement: the bound interface that sends it becomes the master.

        Returns whether it counted. One from an interface that is not bound, or whose instance
        does not run, changes nothing.
        """
        card = next((c for c in self.network_interfaces.values() if c.mac == mac.lower()), None)
        if card is None or card.instance_id is None or not self.linked(card):
            return False
        for ha_vip in self.ha_vips.values():
            if (
                ha_vip.address == address
                and ha_vip.v_switch_id == card.v_switch_id
                and self.may_use(ha_vip, card)
            ):
                by_card = ha_vip.member_kind is MemberKind.NETWORK_INTERFACE
                ha_vip.master = card.network_interface_id if by_card else card.instance_id
                return True
        return False
