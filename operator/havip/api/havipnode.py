"""HaVipNode: what the agent of a node sees there. Only that agent writes it."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from havip.api import names
from havip.api.base import Model
from havip.api.havipstatus import FailoverPhases, Id, NodeName, Text
from havip.api.metadata import ObjectMeta

Address = Annotated[str, Field(max_length=45)]
Uid = Annotated[str, Field(max_length=64)]
ObjectName = Annotated[str, Field(max_length=253)]

REPORTED_WITHIN: Final = timedelta(seconds=30)
"""An agent that runs and reaches the API server writes at least this often."""


class Fence(StrEnum):
    """How exactly the node's kernel ends an ownership by itself."""

    EXACT = "Exact"
    COARSE = "Coarse"


class NodeInterface(Model):
    """A network interface of the node."""

    name: Annotated[str, Field(max_length=15, description="Name, as in eth0.")]
    mac: Annotated[str, Field(max_length=17, description="MAC address.")] = ""
    network_interface_id: Annotated[
        Id | None, Field(description="Id of the network interface (ENI) in the cloud.")
    ] = None
    addresses: Annotated[
        tuple[Annotated[str, Field(max_length=49)], ...],
        Field(max_length=256, description="Addresses with their prefix length."),
    ] = ()


class HoldFailover(Model):
    """How an ownership began."""

    from_: Annotated[
        NodeName, Field(alias="from", description="Node that owned the address before, if any.")
    ] = ""
    reason: Annotated[Text, Field(description="Why the address moved.")] = ""
    at: Annotated[datetime, Field(description="When it moved.")]
    phases: Annotated[
        FailoverPhases, Field(description="Where the time went, in milliseconds.")
    ] = FailoverPhases()


class Hold(Model):
    """A HaVip that this node owns."""

    uid: Annotated[Uid, Field(description="Uid of the HaVip.")]
    namespace: Annotated[ObjectName, Field(description="Namespace of the HaVip.")]
    name: Annotated[ObjectName, Field(description="Name of the HaVip.")]
    address: Annotated[Address, Field(description="The virtual IP.")]
    epoch: Annotated[int, Field(ge=0, description="Number of this ownership.")]
    since: Annotated[datetime, Field(description="When this ownership began.")]
    failover: Annotated[
        HoldFailover | None,
        Field(description="Where the address came from, and how long that took."),
    ] = None


class CheckResult(Model):
    """What a check of a HaVip says on this node."""

    uid: Annotated[Uid, Field(description="Uid of the HaVip.")]
    name: Annotated[str, Field(max_length=63, description="Name of the check.")]
    healthy: Annotated[bool, Field(description="Whether it passes.")]
    message: Annotated[Text, Field(description="What the last run said.")] = ""


class Unheard(Model):
    """A peer whose datagrams do not arrive here."""

    node: Annotated[NodeName, Field(description="Name of the peer's node.")]
    since: Annotated[
        datetime,
        Field(description="When it was last heard, or first expected if it never was."),
    ]


class HaVipNodeStatus(Model):
    """What the agent saw."""

    instance_id: Annotated[Id, Field(description="The node's instance in the cloud.")] = ""
    region: Annotated[Id, Field(description="Region of the instance.")] = ""
    vpc_id: Annotated[Id, Field(description="VPC of the instance.")] = ""
    v_switch_id: Annotated[Id, Field(description="vSwitch of the instance.")] = ""
    node_address: Annotated[
        Address, Field(description="Address that the other agents send to.")
    ] = ""
    peer_port: Annotated[
        int | None, Field(ge=1, le=65535, description="UDP port that they send to.")
    ] = None
    interfaces: Annotated[
        tuple[NodeInterface, ...],
        Field(max_length=256, description="Network interfaces of the node."),
    ] = ()
    fence: Annotated[
        Fence | None,
        Field(
            description="How the kernel ends an ownership when the agent cannot: Exact (to the"
            " millisecond, by nftables) or Coarse (within 2 s, by the address's lifetime).",
        ),
    ] = None
    kernel_addresses: Annotated[
        tuple[Address, ...],
        Field(max_length=256, description="Virtual IPs of ours that are on an interface now."),
    ] = ()
    holds: Annotated[
        tuple[Hold, ...], Field(max_length=256, description="HaVips that the node owns.")
    ] = ()
    health: Annotated[
        tuple[CheckResult, ...], Field(max_length=2048, description="Results of the checks.")
    ] = ()
    healthy: Annotated[
        dict[str, bool],
        Field(max_length=256, description="By uid of the HaVip: whether all its checks pass."),
    ] = Field(default_factory=dict)
    findings: Annotated[
        tuple[Text, ...],
        Field(
            max_length=64,
            description="What of the node's settings may do harm, and what to change.",
        ),
    ] = ()
    unheard: Annotated[
        tuple[Unheard, ...],
        Field(
            max_length=64,
            description="Other members of the node's HaVips of which nothing has arrived by UDP"
            " for 10 s or more.",
        ),
    ] = ()
    agent_version: Annotated[str, Field(max_length=64, description="Version of the agent.")] = ""
    heartbeat_at: Annotated[
        datetime | None,
        Field(description="When the agent last wrote this; at least each 30 s while it runs."),
    ] = None
    reporting_since: Annotated[
        datetime | None,
        Field(description="Since when the agent has written this without a gap of over 30 s."),
    ] = None


class HaVipNode(Model):
    """What a node sees of its HaVips; written by the node's agent, deleted with the Node."""

    api_version: str = names.API_VERSION
    kind: str = names.HAVIPNODE_KIND
    metadata: ObjectMeta
    status: Annotated[
        HaVipNodeStatus, Field(description="What the agent saw; it alone writes this.")
    ] = HaVipNodeStatus()
