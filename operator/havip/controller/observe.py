"""What one reconcile looks at: a frozen picture of the object, its nodes, the register, the cloud.

Only here are Kubernetes' and the cloud's answers put side by side. What follows (plan, status)
decides on this picture alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from havip.api.errors import HaVipError, UserError
from havip.api.havip import AdoptedState, HaVip, MemberType
from havip.api.havipclass import HaVipClass
from havip.api.havipnode import HaVipNodeStatus
from havip.cloud.port import HaVipFacts, InstanceFacts
from havip.controller.cloudview import CloudView, EipView, NetworkInterfaceView, RouteView
from havip.controller.needs import Listing

AGENT_SILENT_AFTER = timedelta(seconds=90)
"""An agent writes at least each 30 s; one that missed three is taken for dead."""


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of a node."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node of the cluster, with what its agent and the cloud know of its instance."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    ready: bool | None = None
    """What its kubelet says; None when it never said anything."""
    provider_id: str = ""
    instance_id: str = ""
    region: str = ""
    v_switch_id: str = ""
    """Empty when nobody knows it."""
    agent: HaVipNodeStatus | None = None


@dataclass(frozen=True, slots=True)
class RegisterFacts:
    """The Lease of a HaVip: who owns the address, and whose promises the holder counts.

    Without a holder, ``members`` are those that may follow.
    """

    holder: str
    epoch: int
    members: tuple[str, ...] = ()
    given: bool = False
    """Whether the holder before let go by itself."""
    resource_version: str = ""
    body: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False)


@dataclass(frozen=True, slots=True)
class Observation:
    """All that a reconcile of one HaVip knows."""

    now: datetime
    cluster_id: str
    havip: HaVip
    klass: HaVipClass | None = None
    cloud: CloudView | None = None
    """None until the cloud was seen."""
    trouble: HaVipError | None = None
    """Why the cloud cannot be asked at all."""
    setbacks: Mapping[str, HaVipError] = field(default_factory=dict)
    """What the cloud said to the last tries that failed, by subject, until one succeeds."""
    resting: frozenset[str] = frozenset()
    """Subjects that are not to be tried again just now."""
    stale: frozenset[Listing[Any]] = frozenset()
    """Listings from before our last change of what they list: nothing is decided by them."""
    listed: Mapping[str, HaVipFacts] = field(default_factory=dict)
    """All HaVips of the region, of anybody."""
    eips: EipView | None = None
    """None while they are not needed, or not seen yet."""
    routes: Mapping[str, RouteView] = field(default_factory=dict)
    """By route table; a table that was not seen yet is missing."""
    network_interfaces: NetworkInterfaceView | None = None
    """None while they are not needed, or not seen yet."""
    instances: Mapping[str, InstanceFacts] | None = None
    """Members' instances, as the cloud knows them; None where it would not say."""
    found: AdoptedState | None = None
    """What a HaVip that is about to be adopted has."""
    nodes: tuple[NodeFacts, ...] = ()
    register: RegisterFacts | None = None
    register_still: float = 0.0
    """Seconds for which nobody has written the register, as far as we saw."""
    still_enough: float = 20.0
    """Seconds after which a register that nobody writes is taken for left alone."""
    silent_after: timedelta = AGENT_SILENT_AFTER
    """How long an agent may say nothing."""
    waited_for: frozenset[str] = frozenset()
    """Leaving nodes that had their time to hand the address over."""
    cloud_moved_at: datetime | None = None
    """When the cloud was first seen to name the present holder as its master."""

    @property
    def deleting(self) -> bool:
        """Whether the object is being deleted."""
        return self.havip.metadata.deletion_timestamp is not None

    @property
    def mine(self) -> HaVipFacts | None:
        """The counterpart in the cloud, unless it is somebody else's."""
        return self.cloud.mine if self.cloud and not self.cloud.foreign else None

    def node(self, name: str) -> NodeFacts | None:
        """Return the node of this name."""
        return next((each for each in self.nodes if each.name == name), None)

    def silent(self, node: NodeFacts) -> bool:
        """Whether nothing was heard of a node's agent for long, or ever."""
        heard = node.agent.heartbeat_at if node.agent else None
        return heard is None or self.now - heard > self.silent_after

    def refusal(self, subject: str) -> UserError | None:
        """Return why the cloud refuses this, where the user must act on it."""
        error = self.setbacks.get(subject)
        return error if isinstance(error, UserError) else None

    def ids_of(self, node: str) -> frozenset[str]:
        """Ids of all that the HaVip may have of a node, whatever it has now.

        A Node may bear another instance's name since, an instance other network interfaces, and
        the members may be of the type before.
        """
        status, found = self.havip.status, self.node(node)
        ids = {found.instance_id} if found else set()
        for member in status.members:
            if member.node == node:
                ids |= {member.instance_id, member.network_interface_id}
        ids |= {each.member_id for each in status.fenced if each.node == node}
        if status.holder and status.holder.node == node:
            ids.add(status.holder.instance_id)
        view = self.network_interfaces
        moved = {
            each.network_interface_id
            for each in (view.facts if view else ())
            if each.instance_id and each.instance_id not in ids
        }
        return frozenset(ids | set(self._cards_of(node))) - moved - {""}

    def _cards_of(self, node: str) -> list[str]:
        """Ids of the network interfaces that a node's instance has in the vSwitch."""
        found, view = self.node(node), self.network_interfaces
        if found is None or not found.instance_id or view is None:
            return []
        of = found.instance_id
        return sorted(each.network_interface_id for each in view.facts if each.instance_id == of)

    def member_id_of(self, node: str) -> str:
        """Id of what the HaVip has of a node, or would have; empty if that is not known."""
        present = self.mine.associated_instances if self.mine else frozenset()
        master = self.mine.master_instance_id if self.mine else ""
        here = sorted(self.ids_of(node) & present, key=lambda each: (each != master, each))
        if here:
            return here[0]
        if self.havip.spec.members.type is MemberType.NETWORK_INTERFACE:
            return next(iter(self._cards_of(node)), "")
        found = self.node(node)
        return found.instance_id if found else ""


def node_facts(node: Mapping[str, Any], agent: HaVipNodeStatus | None) -> NodeFacts:
    """Read a Node; the agent's word on its instance counts before ``spec.providerID``."""
    metadata, spec = node["metadata"], node.get("spec") or {}
    provider_id = spec.get("providerID") or ""
    region, instance_id = parse_provider_id(provider_id)
    if agent and agent.instance_id:
        region, instance_id = agent.region or region, agent.instance_id
    conditions = (node.get("status") or {}).get("conditions") or []
    ready = [each["status"] == "True" for each in conditions if each["type"] == "Ready"]
    return NodeFacts(
        name=metadata["name"],
        labels=dict(metadata.get("labels") or {}),
        taints=tuple(
            Taint(each["key"], each.get("value") or "", each.get("effect") or "")
            for each in spec.get("taints") or []
        ),
        ready=ready[0] if ready else None,
        provider_id=provider_id,
        instance_id=instance_id,
        region=region,
        v_switch_id=agent.v_switch_id if agent else "",
        agent=agent,
    )


def parse_provider_id(provider_id: str) -> tuple[str, str]:
    """Split ``<region>.<instance-id>`` (also behind ``alicloud://``); anything else is empty."""
    region, dot, instance_id = provider_id.removeprefix("alicloud://").partition(".")
    if not dot or not region or not instance_id.startswith("i-") or "/" in provider_id[11:]:
        return "", ""
    return region, instance_id
