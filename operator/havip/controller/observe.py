"""What one reconcile looks at: a frozen picture of the object, its nodes, the register, the cloud.

Only here are Kubernetes' and the cloud's answers put side by side. What follows (plan, status)
decides on this picture alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from havip.api.errors import HaVipError
from havip.api.havip import HaVip
from havip.api.havipclass import HaVipClass
from havip.api.havipnode import HaVipNodeStatus
from havip.api.names import TAG_CLUSTER, TAG_UID
from havip.cloud.port import HaVipFacts


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
    ready: bool = True
    provider_id: str = ""
    instance_id: str = ""
    region: str = ""
    v_switch_id: str = ""
    """Empty when nobody knows it."""
    agent: HaVipNodeStatus | None = None


@dataclass(frozen=True, slots=True)
class RegisterFacts:
    """The Lease of a HaVip: who owns the address."""

    holder: str
    epoch: int
    resource_version: str = ""
    body: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False)


@dataclass(frozen=True, slots=True)
class CloudView:
    """What the last listing says about one HaVip.

    ``mine`` is its counterpart in the cloud; ``surplus`` are others that carry its tags too.
    ``absent`` is set only when the listings leave no doubt that there is none.
    ``foreign`` tells who owns the counterpart if that is somebody else.
    """

    mine: HaVipFacts | None = None
    surplus: tuple[HaVipFacts, ...] = ()
    absent: bool = False
    foreign: str = ""


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
    """Why the cloud cannot be asked, or what it said to the last change."""
    nodes: tuple[NodeFacts, ...] = ()
    register: RegisterFacts | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    """Instances that the cloud would not take, by id, with what it said."""
    waited_for: frozenset[str] = frozenset()
    """Leaving nodes that had their time to hand the address over."""
    cloud_moved_at: datetime | None = None
    """When the cloud was first seen to name the present holder as its master."""


def ownership(cluster_id: str, uid: str) -> dict[str, str]:
    """Tags without which nothing is ever deleted."""
    return {TAG_CLUSTER: cluster_id, TAG_UID: uid}


def owner_of(facts: HaVipFacts, cluster_id: str, uid: str) -> str:
    """Tell who owns a cloud HaVip: ``""`` nobody, ``"us"``, or words that name the owner."""
    cluster, owner = facts.tags.get(TAG_CLUSTER, ""), facts.tags.get(TAG_UID, "")
    if not cluster and not owner:
        return ""
    if (cluster, owner) == (cluster_id, uid):
        return "us"
    return f"object {owner or 'unknown'} of cluster {cluster or 'unknown'}"


def view(
    havip: HaVip, cluster_id: str, listed: Mapping[str, HaVipFacts], *, unseen: int
) -> CloudView:
    """Find the counterpart of a HaVip among all of the region.

    ``unseen`` is the number of listings in a row that did not have it. One listing proves little,
    since the cloud may be late: it is enough for a creation, which the ClientToken makes safe to
    repeat, not for giving up what we had or for ending a deletion.
    """
    uid = havip.metadata.uid
    known_id = havip.spec.adopt.ha_vip_id if havip.spec.adopt else havip.status.ha_vip_id
    tagged = sorted(
        (each for each in listed.values() if owner_of(each, cluster_id, uid) == "us"),
        key=lambda each: (each.ha_vip_id != known_id, each.create_time, each.ha_vip_id),
    )
    mine = listed.get(known_id or "")
    if mine is None and not havip.spec.adopt and tagged:
        mine = tagged[0]
    if mine is None:
        enough = 2 if known_id or havip.metadata.deletion_timestamp else 1
        return CloudView(absent=unseen >= enough)
    owner = owner_of(mine, cluster_id, uid)
    if owner not in ("", "us"):
        return CloudView(mine=mine, foreign=owner)
    surplus = tuple(each for each in tagged if each.ha_vip_id != mine.ha_vip_id)
    return CloudView(mine=mine, surplus=surplus)


def node_facts(node: Mapping[str, Any], agent: HaVipNodeStatus | None) -> NodeFacts:
    """Read a Node; the agent's word on its instance counts before ``spec.providerID``."""
    metadata, spec = node["metadata"], node.get("spec") or {}
    provider_id = spec.get("providerID") or ""
    region, instance_id = parse_provider_id(provider_id)
    if agent and agent.instance_id:
        region, instance_id = agent.region or region, agent.instance_id
    conditions = (node.get("status") or {}).get("conditions") or []
    return NodeFacts(
        name=metadata["name"],
        labels=dict(metadata.get("labels") or {}),
        taints=tuple(
            Taint(each["key"], each.get("value") or "", each.get("effect") or "")
            for each in spec.get("taints") or []
        ),
        # A node whose kubelet never said anything is given the benefit of the doubt.
        ready=all(each["status"] == "True" for each in conditions if each["type"] == "Ready"),
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
