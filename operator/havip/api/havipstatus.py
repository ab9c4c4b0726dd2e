"""What the controller reports about a HaVip."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from havip.api.base import Model
from havip.api.conditions import Condition

Id = Annotated[str, Field(max_length=64)]
NodeName = Annotated[str, Field(max_length=253)]
Text = Annotated[str, Field(max_length=32768)]
Millis = Annotated[int, Field(ge=0)]

CONDITIONS_EXTRA = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}


class MemberState(StrEnum):
    """How far a node is on its way to be a member."""

    ASSOCIATED = "Associated"
    ASSOCIATING = "Associating"
    UNASSOCIATING = "Unassociating"
    REFUSED = "Refused"
    LEAVING = "Leaving"
    FENCED = "Fenced"


class RouteState(StrEnum):
    """How far a route is."""

    BOUND = "Bound"
    CREATING = "Creating"
    DELETING = "Deleting"
    REFUSED = "Refused"


class Holder(Model):
    """The node that owns the address, as the register says."""

    node: Annotated[NodeName, Field(description="Name of the node.")]
    instance_id: Annotated[Id, Field(description="Its instance in the cloud.")] = ""
    epoch: Annotated[int, Field(ge=0, description="How many ownerships there were so far.")] = 0
    since: Annotated[
        datetime | None, Field(description="When this ownership began, as its node says.")
    ] = None


class MemberStatus(Model):
    """A node that the HaVip's selector takes, and whether it can own the address."""

    node: Annotated[NodeName, Field(description="Name of the node.")]
    instance_id: Annotated[Id, Field(description="Its instance in the cloud, once known.")] = ""
    network_interface_id: Annotated[
        Id, Field(description="Its network interface, for members of type NetworkInterface.")
    ] = ""
    state: Annotated[
        MemberState,
        Field(
            description="Associated: may own the address. Associating, Unassociating, Leaving: on"
            " the way. Refused: cannot be a member; reason says why. Fenced: kept out, since it is"
            " taken for dead.",
        ),
    ]
    healthy: Annotated[
        bool | None,
        Field(description="Whether its checks pass, as its agent says; absent if unknown."),
    ] = None
    priority: Annotated[
        int, Field(ge=1, le=255, description="Priority that election.priorities gives it.")
    ] = 100
    reason: Annotated[
        Text, Field(description="Why the state is what it is, and what to do about it.")
    ] = ""


class FailoverPhases(Model):
    """Milliseconds from when the outage was noticed to each step; absent if it is not known."""

    detected: Annotated[Millis | None, Field(description="The owner was believed lost.")] = None
    acquired: Annotated[Millis | None, Field(description="The register named the new owner.")] = (
        None
    )
    address_set: Annotated[Millis | None, Field(description="The new owner had the address.")] = (
        None
    )
    announced: Annotated[Millis | None, Field(description="It had announced the address.")] = None
    cloud_moved: Annotated[
        Millis | None, Field(description="The cloud named it as the master instance.")
    ] = None


class LastFailover(Model):
    """The last time the address went from one node to another."""

    from_: Annotated[
        NodeName,
        Field(alias="from", description="Node that owned the address before, if any."),
    ] = ""
    to: Annotated[NodeName, Field(description="Node that owns it since.")]
    reason: Annotated[Text, Field(description="Why it moved.")] = ""
    at: Annotated[datetime, Field(description="When it moved.")]
    phases: Annotated[
        FailoverPhases, Field(description="Where the time went, in milliseconds.")
    ] = FailoverPhases()


class EipStatus(Model):
    """The EIP that spec.eip stands for."""

    allocation_id: Annotated[
        Id, Field(description="Id of the EIP; empty until the first is there.")
    ] = ""
    address: Annotated[
        Annotated[str, Field(max_length=15)], Field(description="The public address.")
    ] = ""
    former: Annotated[
        Id, Field(description="Id of the EIP before it: should it turn up bound, it is unbound.")
    ] = ""
    allocating: Annotated[
        bool, Field(description="Whether another was asked for that was not seen yet.")
    ] = False
    allocated: Annotated[
        bool, Field(description="Whether it was made for this HaVip, and goes with it.")
    ] = False


class RouteStatus(Model):
    """A route that spec.routes asks for, or asked for and that is not gone yet."""

    route_table_id: Annotated[Id, Field(description="The route table.")]
    destination: Annotated[
        Annotated[str, Field(max_length=18)], Field(description="The block that is routed.")
    ]
    state: Annotated[RouteState, Field(description="Bound, Creating, Deleting or Refused.")]
    reason: Annotated[Text, Field(description="Why it is not bound, and what to do about it.")] = ""


class AdoptedState(Model):
    """What an adopted HaVip had before anything of it was changed."""

    name: Annotated[Text, Field(description="Its name in the cloud.")] = ""
    description: Annotated[Text, Field(description="Its description in the cloud.")] = ""
    resource_group_id: Annotated[Id, Field(description="Its resource group.")] = ""
    tags: Annotated[
        dict[str, Annotated[str, Field(max_length=128)]],
        Field(max_length=20, description="Its tags."),
    ] = Field(default_factory=dict)
    members: Annotated[
        tuple[Id, ...],
        Field(max_length=100, description="Instances or network interfaces that were members."),
    ] = ()
    eip_addresses: Annotated[
        tuple[Annotated[str, Field(max_length=15)], ...],
        Field(max_length=16, description="Public addresses that were bound to it."),
    ] = ()
    routes: Annotated[
        tuple[Annotated[str, Field(max_length=128)], ...],
        Field(
            max_length=100,
            description="Routes that led to it: table and destination, with a blank between.",
        ),
    ] = ()


class FencedMember(Model):
    """A member that was taken out by force, since its node is dead or declared so."""

    node: Annotated[NodeName, Field(description="Name of the node.")]
    member_id: Annotated[
        Id, Field(description="Its instance, or its network interface, in the cloud.")
    ]
    at: Annotated[datetime, Field(description="When it was decided.")]
    reason: Annotated[Text, Field(description="What proved it, and what brings it back.")]


class AnnounceRequest(Model):
    """A wish to the holder: announce the address again, since the cloud does not follow."""

    epoch: Annotated[int, Field(ge=0, description="The ownership that is meant.")]
    number: Annotated[int, Field(ge=1, description="How often it was asked in this ownership.")]


class HaVipStatus(Model):
    """What the controller saw."""

    ha_vip_id: Annotated[Id | None, Field(description="Id of the HaVip in the cloud.")] = None
    address: Annotated[
        Annotated[str, Field(max_length=15)] | None,
        Field(description="The virtual IP, once the cloud has allocated it."),
    ] = None
    eip_address: Annotated[
        Annotated[str, Field(max_length=15)] | None,
        Field(description="The public address bound to it."),
    ] = None
    holder: Annotated[
        Holder | None, Field(description="The node that owns the address, by the register.")
    ] = None
    cloud_master: Annotated[
        Id | None, Field(description="Instance that the cloud sends the traffic to.")
    ] = None
    members: Annotated[
        tuple[MemberStatus, ...],
        Field(
            max_length=1000,
            description="The nodes that the selector takes.",
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["node"],
            },
        ),
    ] = ()
    wanted_members: Annotated[
        int | None, Field(ge=0, description="Members that there should be.")
    ] = None
    ready_members: Annotated[
        int | None, Field(ge=0, description="Members that may own the address.")
    ] = None
    members_summary: Annotated[
        Annotated[str, Field(max_length=32)] | None,
        Field(description="Ready and wanted members, as in 3/3."),
    ] = None
    eip: Annotated[
        EipStatus | None, Field(description="The EIP of spec.eip, while there is one.")
    ] = None
    last_allocated_eip: Annotated[
        Id | None,
        Field(description="The EIP that was allocated last, also when it is released since."),
    ] = None
    routes: Annotated[
        tuple[RouteStatus, ...],
        Field(
            max_length=64,
            description="The routes of spec.routes.",
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["routeTableId", "destination"],
            },
        ),
    ] = ()
    adopted: Annotated[
        AdoptedState | None,
        Field(description="What an adopted HaVip had before anything of it was changed."),
    ] = None
    fenced: Annotated[
        tuple[FencedMember, ...],
        Field(max_length=100, description="Members kept out, since their nodes are dead."),
    ] = ()
    announce_request: Annotated[
        AnnounceRequest | None,
        Field(description="Asks the holder to announce again, while the cloud does not follow."),
    ] = None
    last_failover: Annotated[
        LastFailover | None, Field(description="The last time the address moved.")
    ] = None
    observed_generation: Annotated[
        int | None, Field(ge=0, description="Generation of the spec that this is about.")
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=32,
            description="What is true of the HaVip; Ready is the summary.",
            json_schema_extra=CONDITIONS_EXTRA,
        ),
    ] = ()
