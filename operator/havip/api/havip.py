"""HaVip: one virtual IP of a vSwitch, owned by one of several nodes at a time."""

from typing import Annotated, ClassVar

from pydantic import Field

from havip.api import names
from havip.api.base import Model, Rule
from havip.api.election import (
    DEFAULT_PRIORITY,
    ElectionSpec,
    Failback,
    PriorityRule,
    Timings,
)
from havip.api.exposure import EipAllocation, EipSpec, InternetChargeType, Route
from havip.api.fields import (
    DeletionPolicy,
    Description,
    HaVipId,
    InterfaceName,
    IPv4Address,
    Name,
    Profile,
    ResourceGroupId,
    Tags,
)
from havip.api.havipstatus import (
    AdoptedState,
    AnnounceRequest,
    EipStatus,
    FailoverPhases,
    FencedMember,
    HaVipStatus,
    Holder,
    LastFailover,
    MemberState,
    MemberStatus,
    RouteState,
    RouteStatus,
)
from havip.api.health import (
    EndpointsCheck,
    ExecCheck,
    HealthCheck,
    HttpCheck,
    InterfaceCheck,
    Scheme,
    TcpCheck,
)
from havip.api.members import (
    MEMBERS_LIMIT,
    MembersSpec,
    MemberType,
    NetworkInterfaceSelector,
    TaintEffect,
    Toleration,
    TolerationOperator,
)
from havip.api.metadata import ObjectMeta

__all__ = [
    "DEFAULT_PRIORITY",
    "MEMBERS_LIMIT",
    "Adopt",
    "AdoptedState",
    "Announce",
    "AnnounceRequest",
    "DeletionPolicy",
    "EipAllocation",
    "EipSpec",
    "EipStatus",
    "ElectionSpec",
    "EndpointsCheck",
    "ExecCheck",
    "Failback",
    "FailoverPhases",
    "FencedMember",
    "HaVip",
    "HaVipSpec",
    "HaVipStatus",
    "HealthCheck",
    "Holder",
    "HttpCheck",
    "InterfaceCheck",
    "InternetChargeType",
    "LastFailover",
    "MemberState",
    "MemberStatus",
    "MemberType",
    "MembersSpec",
    "NetworkInterfaceSelector",
    "PriorityRule",
    "Profile",
    "Route",
    "RouteState",
    "RouteStatus",
    "Scheme",
    "TaintEffect",
    "TcpCheck",
    "Timings",
    "Toleration",
    "TolerationOperator",
]


class Adopt(Model):
    """A HaVip that the cloud has already, named by its id or by its address."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.haVipId) != has(self.address)",
            "name the HaVip to adopt by haVipId or by address (in the class's vSwitch): one of the"
            " two",
        ),
    )

    ha_vip_id: Annotated[HaVipId | None, Field(description="Id of the HaVip to take over.")] = None
    address: Annotated[
        IPv4Address | None,
        Field(description="Address of the HaVip to take over, in the class's vSwitch."),
    ] = None


class Announce(Model):
    """How the owner tells the network where the address is (gratuitous ARP)."""

    interface: Annotated[
        InterfaceName | None,
        Field(
            description="Interface that the address goes on; the one with an address of the"
            " same subnet if left out.",
        ),
    ] = None
    burst: Annotated[
        int,
        Field(ge=1, le=20, description="Announcements in the first second of an ownership."),
    ] = 5
    refresh_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=60,
            description="Seconds between announcements after that, for as long as the node owns"
            " the address (keepalived's garp_master_refresh).",
        ),
    ] = 5


class HaVipSpec(Model):
    """What the user wants."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.adopt) || !has(self.address)",
            "an adopted HaVip has its address already: remove either address or adopt",
        ),
        Rule(
            "has(self.adopt) == has(oldSelf.adopt)"
            " && (!has(self.adopt) || self.adopt == oldSelf.adopt)",
            "adopt cannot change: delete this object and make a new one",
            ".adopt",
        ),
        Rule(
            "!has(self.address) || !has(self.routes)"
            " || self.routes.all(route, route.destination != self.address + '/32')",
            "a route cannot lead to the HaVip's own address, which its vSwitch has already: route"
            " another block",
            ".routes",
        ),
    )

    class_name: Annotated[
        str,
        Field(
            max_length=253,
            description="Name of the HaVipClass: region, vSwitch and credentials. Cannot change.",
        ),
        Rule(
            "!format.dns1123Subdomain().validate(self).hasValue()",
            "this is not the name of a HaVipClass: give one that kubectl get havipclasses shows",
        ),
        Rule(
            "self == oldSelf",
            "className cannot change: delete this object and make a new one in the other class",
        ),
    ]
    address: Annotated[
        IPv4Address | None,
        Field(
            description="IPv4 address of the vSwitch to have; the cloud chooses one if left out."
            " Cannot change once status.address shows it.",
        ),
    ] = None
    adopt: Annotated[
        Adopt | None,
        Field(description="Take over a HaVip that the cloud has already. Cannot change."),
    ] = None
    name: Annotated[
        Name | None,
        Field(description="Name in the cloud; the namespace, - and the name if left out."),
    ] = None
    description: Annotated[Description, Field(description="Description in the cloud.")] = ""
    resource_group_id: Annotated[
        ResourceGroupId | None,
        Field(description="Resource group; the account's default one if left out."),
    ] = None
    tags: Annotated[Tags, Field(description="Tags in the cloud, beside the operator's own.")] = (
        Field(default_factory=dict)
    )
    deletion_policy: Annotated[
        DeletionPolicy | None,
        Field(
            description="What becomes of the cloud's HaVip when this object is deleted. Delete: it"
            " goes, and what is bound to it is unbound first. Retain: all of it stays as it is, an"
            " allocated EIP included. Left out: Delete; for an adopted one, what was added to it"
            " goes and what was found stays.",
        ),
    ] = None
    members: Annotated[MembersSpec, Field(description="Which nodes may own the address.")] = (
        MembersSpec()
    )
    election: Annotated[ElectionSpec, Field(description="How the nodes choose the owner.")] = (
        ElectionSpec()
    )
    announce: Annotated[
        Announce, Field(description="How the owner announces the address (gratuitous ARP).")
    ] = Announce()
    health: Annotated[
        tuple[HealthCheck, ...],
        Field(
            max_length=8,
            description="Checks that a node passes to be healthy: all of them, at once.",
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = ()
    eip: Annotated[
        EipSpec | None,
        Field(description="Public address (EIP) to bind to the HaVip."),
    ] = None
    routes: Annotated[
        tuple[Route, ...],
        Field(
            max_length=32,
            description="Routes whose next hop is the HaVip; the cloud allows five to a table.",
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["routeTableId", "destination"],
            },
        ),
    ] = ()
    suspend: Annotated[
        bool,
        Field(
            description="Change nothing in the cloud until this is false again. The nodes go on"
            " as they are.",
        ),
    ] = False

    @property
    def exclusive_members(self) -> bool:
        """Whether members that are no nodes of the cluster are taken out."""
        if self.members.exclusive is not None:
            return self.members.exclusive
        return self.adopt is None


class HaVip(Model):
    """A highly available virtual IP: an address of a vSwitch that moves between nodes."""

    rules: ClassVar[tuple[Rule, ...]] = (
        # The name goes into the cloud's name and into a tag, with a namespace of up to 63
        # characters and a character between; the cloud takes 128.
        Rule(
            "self.metadata.name.size() <= 63",
            "the name of a HaVip has at most 63 characters: shorten metadata.name",
        ),
        # Only a change is judged: were this also a statement about spec and status, then a spec
        # changed just before the first status write would make every later status write fail.
        Rule(
            "(has(self.spec.address) ? self.spec.address : '')"
            " == (has(oldSelf.spec.address) ? oldSelf.spec.address : '')"
            " || !has(oldSelf.status) || !has(oldSelf.status.address)"
            " || (has(self.spec.address) && self.spec.address == oldSelf.status.address)",
            "the address is allocated and cannot change: put back the one of status.address (or"
            " none, if none was given), or delete this object and make a new one",
            ".spec.address",
        ),
    )

    api_version: str = names.API_VERSION
    kind: str = names.HAVIP_KIND
    metadata: ObjectMeta
    spec: Annotated[HaVipSpec, Field(description="What the user wants.")]
    status: Annotated[
        HaVipStatus, Field(description="What the controller saw; it alone writes this.")
    ] = HaVipStatus()

    @property
    def cloud_name(self) -> str:
        """Name that the HaVip bears in the cloud."""
        return self.spec.name or names.cloud_name(self.metadata.namespace, self.metadata.name)
