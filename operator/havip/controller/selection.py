"""Which nodes are members of a HaVip. Pure.

A node that is a member stays one while it fits, whatever its health: taking it out of the cloud
because it is ill would make every failover wait for the controller twice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from havip.api.havip import HaVipSpec, Toleration, TolerationOperator
from havip.controller.observe import NodeFacts, Taint

CONDITION_TAINTS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""Taints that tell how a node is, not what it is for."""
EXCLUDING_LABELS = (
    "service.alibabacloud.com/exclude-node",
    "node.kubernetes.io/exclude-from-external-load-balancers",
)
"""Respected when no nodeSelector names the nodes."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome: members by rank, and the nodes that the selector takes but that cannot be."""

    chosen: tuple[NodeFacts, ...]
    refused: tuple[tuple[NodeFacts, str], ...]
    wanted: int
    """How many members there should be."""


def select(
    spec: HaVipSpec,
    nodes: Collection[NodeFacts],
    *,
    region: str,
    v_switch_id: str,
    members: Collection[str],
    refused: Mapping[str, str] | None = None,
) -> Selection:
    """Choose the members.

    ``members`` are the instances that are associated now; they are kept before others are taken.
    ``refused`` are instances that the cloud would not take just now: another node may have their
    place.
    """
    refused = refused or {}
    fitting: list[NodeFacts] = []
    rejected: list[tuple[NodeFacts, str]] = []
    turned_down: list[tuple[NodeFacts, str]] = []
    for node in sorted(nodes, key=lambda each: each.name):
        if not _selected(spec, node):
            continue
        member = node.instance_id in members
        reason = _objection(node, region, v_switch_id, member=member) or _taint_objection(
            spec.members.tolerations, node, member=member
        )
        if reason:
            rejected.append((node, reason))
        elif node.instance_id in refused and not member:
            turned_down.append((node, refused[node.instance_id]))
        else:
            fitting.append(node)
    fitting.sort(
        key=lambda each: (
            each.instance_id not in members,
            -spec.election.priority_of(dict(each.labels)),
            each.name,
        )
    )
    chosen, over = fitting[: spec.members.max], fitting[spec.members.max :]
    too_many = f"There are {spec.members.max} members already, as many as spec.members.max allows."
    return Selection(
        chosen=tuple(chosen),
        refused=(*turned_down, *rejected, *((node, too_many) for node in over)),
        wanted=min(spec.members.max, len(fitting) + len(turned_down)),
    )


def _selected(spec: HaVipSpec, node: NodeFacts) -> bool:
    selector = spec.members.node_selector
    if selector:
        return selector.items() <= node.labels.items()
    if node.labels.get("type") == "virtual-kubelet":
        return False
    return not any(node.labels.get(each, "false") != "false" for each in EXCLUDING_LABELS)


def _objection(node: NodeFacts, region: str, v_switch_id: str, *, member: bool) -> str:
    if not node.instance_id:
        return (
            "Its instance is not known: run the agent there, or set spec.providerID of the Node"
            " to <region>.<instance-id>."
        )
    if node.region and node.region != region:
        return f"It is in region {node.region}, the HaVip in {region}."
    if not node.v_switch_id and not member:
        return "Its vSwitch is not known: the cloud does not know its instance."
    if node.v_switch_id and node.v_switch_id != v_switch_id:
        return (
            f"It is in vSwitch {node.v_switch_id}, the HaVip in {v_switch_id}:"
            " a HaVip cannot leave its vSwitch."
        )
    return ""


def _taint_objection(tolerations: Collection[Toleration], node: NodeFacts, *, member: bool) -> str:
    for taint in node.taints:
        if taint.key.startswith(CONDITION_TAINTS):
            continue
        if not any(tolerates(each, taint) for each in tolerations):
            return f"It has the taint {taint.key}, which spec.members.tolerations does not name."
    if not node.ready and not member:
        return "It is not ready."
    return ""


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Tell whether a toleration covers a taint, as for pods."""
    if toleration.effect is not None and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == TolerationOperator.EXISTS or (
        toleration.key == taint.key and toleration.value == taint.value
    )
