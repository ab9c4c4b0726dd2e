"""Elastic IP addresses (EIPs): what one is and how it changes hands."""

from __future__ import annotations

import random
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from . import topology

PUBLIC_BLOCK = IPv4Network("198.18.0.0/15")
"""Where new EIPs come from: the block for benchmarks, which the internet does not route."""


class EipStatus(StrEnum):
    """Life of an EIP."""

    AVAILABLE = "Available"
    ASSOCIATING = "Associating"
    IN_USE = "InUse"
    UNASSOCIATING = "Unassociating"
    RELEASING = "Releasing"

    @property
    def settled(self) -> bool:
        """Whether the EIP takes calls that change it."""
        return self in {EipStatus.AVAILABLE, EipStatus.IN_USE}


@dataclass
class Eip:
    """A public address of an account, and what holds it."""

    allocation_id: str
    account_id: str
    address: IPv4Address
    allocated_at: float
    """Seconds since 1970."""
    name: str = ""
    description: str = ""
    bandwidth: int = 5
    """Mbit/s."""
    isp: str = "BGP"
    charge_type: topology.ChargeType = "PostPaid"
    internet_charge_type: topology.InternetChargeType = "PayByBandwidth"
    public_ip_address_pool_id: str = ""
    resource_group_id: str = topology.DEFAULT_RESOURCE_GROUP
    tags: dict[str, str] = field(default_factory=dict)
    status: EipStatus = EipStatus.AVAILABLE
    holder_type: str = ""
    """`HaVip`, `EcsInstance`, or a kind that is no part of the simulated cloud."""
    holder_id: str = ""
    business_status: topology.BusinessStatus = "Normal"
    deletion_protection: bool = False
    service_managed: bool = False

    @classmethod
    def given(cls, part: topology.Eip, owner: str) -> Eip:
        """Make the EIP that a topology tells of; `owner` has it where none is named."""
        fields = dict(part)
        fields["address"] = fields.pop("ip_address")
        fields["holder_type"] = fields.pop("instance_type")
        fields["holder_id"] = fields.pop("instance_id")
        fields["tags"] = dict(part.tags)
        fields["account_id"] = part.account_id or owner
        status = EipStatus.IN_USE if part.instance_id else EipStatus.AVAILABLE
        return cls(**fields, allocated_at=0.0, status=status)

    @property
    def shown_at_holder(self) -> bool:
        """Whether the holder's own description names the EIP."""
        return self.status in {EipStatus.IN_USE, EipStatus.UNASSOCIATING}

    def free(self) -> None:
        """Be held by nothing."""
        self.holder_type = self.holder_id = ""
        self.status = EipStatus.AVAILABLE


def draw_address(taken: AbstractSet[IPv4Address], chance: random.Random) -> IPv4Address:
    """Draw a public address that is not taken."""
    while True:
        address = PUBLIC_BLOCK[chance.randrange(PUBLIC_BLOCK.num_addresses)]
        if address not in taken:
            return address
