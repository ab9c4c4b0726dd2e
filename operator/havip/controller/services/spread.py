"""Which hosts a new HaVip prefers as owners, so that owners are spread over the members. Pure.

Chosen once, when the HaVip is made: the hosts that own the fewest HaVips come first; among equals a
hash decides that differs from HaVip to HaVip, so that those of a host that dies go to several
others. It is a priority and no more. With failback Never a running owner is not moved for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from hashlib import sha256

from havip.api.election import DEFAULT_PRIORITY
from havip.api.havip import HaVip, HaVipSpec, MemberType
from havip.api.havipclass import HaVipClass
from havip.api.names import ANNOTATION_PREFERRED
from havip.controller.observe import NodeFacts
from havip.controller.selection import Ground, select

LABEL_HOST = "kubernetes.io/hostname"
CHOICES = 3
"""Hosts that are put in order; after them all are equal."""


def preferred_hosts(
    identity: str, candidates: Collection[str], owned: Counter[str]
) -> tuple[str, ...]:
    """Choose among hosts. ``owned`` counts the HaVips that each owns or is to own first."""

    def rank(host: str) -> tuple[int, bytes]:
        return owned[host], sha256(f"{identity}/{host}".encode()).digest()

    return tuple(sorted(candidates, key=rank)[:CHOICES])


def priorities(hosts: Collection[str]) -> list[dict[str, object]]:
    """Return the entries of ``election.priorities`` that prefer these hosts, the first most."""
    return [
        {"nodeSelector": {LABEL_HOST: host}, "priority": DEFAULT_PRIORITY + len(hosts) - place}
        for place, host in enumerate(hosts)
    ]


def candidates(spec: HaVipSpec, klass: HaVipClass, nodes: Collection[NodeFacts]) -> list[str]:
    """Return the hosts that would be members."""
    # The network interfaces are not known here; that the node is right is enough.
    by_instance = spec.members.model_copy(update={"type": MemberType.ECS_INSTANCE})
    ground = Ground(
        region=klass.spec.region,
        v_switch_id=klass.spec.v_switch_id,
        members=(),
        room=len(nodes),
        refused={},
        barred={},
    )
    chosen = select(spec.model_copy(update={"members": by_instance}), nodes, ground).chosen
    hosts = (each.node.labels.get(LABEL_HOST, "") for each in chosen)
    return [each for each in hosts if each]


def owned_by_host(havips: Collection[HaVip], nodes: Collection[NodeFacts]) -> Counter[str]:
    """Count the HaVips that each host owns, or is to own first while nobody does."""
    hosts = {node.name: node.labels.get(LABEL_HOST, "") for node in nodes}
    counted: Counter[str] = Counter()
    for havip in havips:
        if havip.metadata.deletion_timestamp is not None:
            continue
        if havip.status.holder is not None:
            counted[hosts.get(havip.status.holder.node, "")] += 1
        else:
            counted[preferences_of(havip)[0] if preferences_of(havip) else ""] += 1
    return counted


def preferences_of(havip: HaVip) -> tuple[str, ...]:
    """Return the hosts that were chosen for a HaVip when it was made."""
    text = havip.metadata.annotations.get(ANNOTATION_PREFERRED, "")
    return tuple(each for each in text.split(",") if each)
