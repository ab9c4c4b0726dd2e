"""What leads traffic from elsewhere to a HaVip: a public address (EIP) and routes."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from havip.api.base import Model, Rule
from havip.api.fields import (
    CloudText,
    Description,
    Name,
    ResourceGroupId,
    Tags,
    begins_with,
)


class InternetChargeType(StrEnum):
    """How the traffic of an EIP is paid for."""

    PAY_BY_TRAFFIC = "PayByTraffic"
    PAY_BY_BANDWIDTH = "PayByBandwidth"


class EipAllocation(Model):
    """An EIP to be made for this HaVip, paid as it is used."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.isp == oldSelf.isp && self.internetChargeType == oldSelf.internetChargeType"
            " && has(self.publicIpPool) == has(oldSelf.publicIpPool)"
            " && (!has(self.publicIpPool) || self.publicIpPool == oldSelf.publicIpPool)",
            "isp, internetChargeType and publicIpPool cannot change, since that would be another"
            " public address: remove eip, wait until status.eip is gone, and add it again",
        ),
        Rule(
            "self.internetChargeType != 'PayByTraffic' || self.bandwidthMbps <= 200",
            "an EIP that is paid by traffic has at most 200 Mbit/s: lower bandwidthMbps, or choose"
            " PayByBandwidth (at most 500)",
            ".bandwidthMbps",
        ),
    )

    name: Annotated[Name | None, Field(description="Name of the EIP in the cloud.")] = None
    description: Annotated[Description, Field(description="Description in the cloud.")] = ""
    bandwidth_mbps: Annotated[
        int,
        Field(
            ge=1, le=500, description="Most bandwidth, in Mbit/s; 200 is the most of PayByTraffic."
        ),
    ] = 5
    internet_charge_type: Annotated[
        InternetChargeType,
        Field(description="Pay for the traffic (PayByTraffic) or the bandwidth (PayByBandwidth)."),
    ] = InternetChargeType.PAY_BY_TRAFFIC
    isp: Annotated[
        str,
        Field(max_length=32, description="Kind of line, as in BGP or BGP_PRO."),
        Rule(
            "self.matches('^[A-Za-z0-9_]+$')",
            "this is no kind of line: give one such as BGP or BGP_PRO",
        ),
    ] = "BGP"
    public_ip_pool: Annotated[
        Annotated[str, Field(max_length=64), begins_with("pippool-", "a public address pool")]
        | None,
        Field(description="Pool of public addresses to take it from; the cloud's if left out."),
    ] = None
    resource_group_id: Annotated[
        ResourceGroupId | None, Field(description="Resource group of the EIP.")
    ] = None
    tags: Annotated[Tags, Field(description="Tags of the EIP.")] = Field(default_factory=dict)


class EipSpec(Model):
    """The public address: one that exists, or one to be made."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.allocationId) != has(self.allocate)",
            "give either allocationId (an EIP that exists) or allocate (one to be made)",
        ),
    )

    allocation_id: Annotated[
        Annotated[str, Field(max_length=64), begins_with("eip-", "an EIP")] | None,
        Field(description="Id of an EIP that exists. It is bound, and never released."),
    ] = None
    allocate: Annotated[
        EipAllocation | None,
        Field(
            description="Make an EIP. It is released when eip goes or names another, and with the"
            " HaVip, unless deletionPolicy is Retain.",
        ),
    ] = None


class Route(Model):
    """A route whose next hop is the HaVip."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.name) == has(oldSelf.name) && (!has(self.name) || self.name == oldSelf.name)"
            " && has(self.description) == has(oldSelf.description)"
            " && (!has(self.description) || self.description == oldSelf.description)",
            "name and description of a route cannot change: remove the route, and add it again"
            " when status.routes shows it no more",
        ),
    )

    route_table_id: Annotated[
        str,
        Field(max_length=64, description="Route table that gets the route."),
        begins_with("vtb-", "a route table"),
    ]
    destination: Annotated[
        str,
        Field(max_length=18, description="IPv4 block to route to the HaVip, as in 10.9.0.0/16."),
        Rule(
            "isCIDR(self) && cidr(self).ip().family() == 4",
            "this is not an IPv4 block: give one such as 10.9.0.0/16, or 10.9.0.1/32 for one"
            " address",
        ),
        Rule(
            "!isCIDR(self) || cidr(self) == cidr(self).masked()",
            "the block has bits set behind its prefix: clear them, as in 10.9.0.0/16",
        ),
        Rule(
            "!isCIDR(self) || !cidr('100.64.0.0/10').containsCIDR(cidr(self))",
            "the cloud keeps 100.64.0.0/10 for itself: route another block",
        ),
        Rule(
            "!isCIDR(self) || !(cidr('224.0.0.0/3').containsCIDR(cidr(self))"
            " || cidr('127.0.0.0/8').containsCIDR(cidr(self)))",
            "a HaVip is sent no multicast, broadcast or loopback traffic: route another block",
        ),
    ]
    name: Annotated[
        Annotated[CloudText, Field(min_length=2, max_length=128)] | None,
        Field(description="Name of the route in the cloud."),
    ] = None
    description: Annotated[
        Annotated[CloudText, Field(min_length=2, max_length=255)] | None,
        Field(description="Description in the cloud; the HaVip's namespace and name if left out."),
    ] = None
