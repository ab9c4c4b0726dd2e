"""Which nodes are members of a HaVip. Pure.

A node that is a member stays one while it fits, whatever its health: taking it out of the cloud
because it is ill would make every failover wait for the controller twice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from havip.api.havip import HaVipSpec, MemberType, Toleration, TolerationOperator
from havip.cloud.port import NetworkInterfaceFacts
from havip.controller.observe import NodeFacts, Taint

CONDITION_TAINTS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""Taints that tell how a node is, not what it is for."""
EXCLUDING_LABELS = (
    "service.alibabacloud.com/exclude-node",
    "node.kubernetes.io/exclude-from-external-load-balancers",
)
"""Respected when no nodeSelector names the nodes."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node, and what the cloud would have of it as a member."""

    node: NodeFacts
    member_id: str
    """Its instance, or one of its network interfaces."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome: members by rank, and the nodes that the selector takes but that cannot be."""

    chosen: tuple[Candidate, ...]
    refused: tuple[tuple[NodeFacts, str], ...]
    wanted: int
    """How many members there should be."""
    again: tuple[Candidate, ...] = ()
    """Those for whom the cloud must change its mind; there is room for them."""
    barred: tuple[NodeFacts, ...] = ()
    """Those that would be members but must stay out."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the choice depends on besides the spec and the nodes."""

    region: str
    v_switch_id: str
    members: Collection[str]
    """What is associated now; it is kept before others are taken."""
    room: int
    """How many members the HaVip may have of the cluster's nodes."""
    refused: Mapping[str, str]
    """What the cloud would not take, and why: another node may have its place."""
    barred: Mapping[str, str]
    """Nodes by name that must stay out, and why."""
    network_interfaces: Collection[NetworkInterfaceFacts] = ()
    """Those of the vSwitch, for members of that type."""
    kept: Collection[str] = ()
    """Members that are none of the cluster's; they have their part of what may be."""


def select(spec: HaVipSpec, nodes: Collection[NodeFacts], ground: Ground) -> Selection:
    """Choose the members."""
    fitting: list[Candidate] = []
    rejected: list[tuple[NodeFacts, str]] = []
    turned_down: list[Candidate] = []
    barred: list[NodeFacts] = []
    for node in sorted(nodes, key=lambda each: each.name):
        if not _selected(spec, node):
            continue
        member_id, reason = member_of(spec, node, ground)
        if node.name in ground.barred:
            barred.append(node)
            continue
        member = member_id in ground.members
        reason = reason or _taint_objection(spec.members.tolerations, node, member=member)
        if reason:
            rejected.append((node, reason))
        elif member_id in ground.refused and not member:
            turned_down.append(Candidate(node, member_id))
        else:
            fitting.append(Candidate(node, member_id))

    def rank(each: Candidate) -> tuple[bool, int, str]:
        priority = spec.election.priority_of(dict(each.node.labels))
        return each.member_id not in ground.members, -priority, each.node.name

    fitting.sort(key=rank)
    turned_down.sort(key=rank)
    chosen, over = fitting[: ground.room], fitting[ground.room :]
    return Selection(
        chosen=tuple(chosen),
        refused=(
            *((each.node, ground.refused[each.member_id]) for each in turned_down),
            *rejected,
            *((each.node, _too_many(ground)) for each in over),
        ),
        wanted=min(ground.room, len(fitting) + len(turned_down) + len(barred)),
        again=tuple(turned_down[: max(0, ground.room - len(chosen))]),
        barred=tuple(barred),
    )


def _too_many(ground: Ground) -> str:
    if not ground.kept:
        return f"There are {ground.room} members already, as many as there may be."
    return (
        f"There are {ground.room} members already beside {', '.join(sorted(ground.kept))}, which"
        " the adopted HaVip keeps, as many as there may be: take those out, or set"
        " spec.members.exclusive to true."
    )


def member_of(spec: HaVipSpec, node: NodeFacts, ground: Ground) -> tuple[str, str]:
    """Return what the cloud would have of a node as a member, or why there is nothing."""
    if not node.instance_id:
        return "", (
            "Its instance is not known: run the agent there, or set spec.providerID of the Node"
            " to <region>.<instance-id>."
        )
    if node.region and node.region != ground.region:
        return "", f"It is in region {node.region}, the HaVip in {ground.region}."
    if spec.members.type is MemberType.NETWORK_INTERFACE:
        return _network_interface_of(spec, node, ground)
    return node.instance_id, _v_switch_objection(node, ground)


def _v_switch_objection(node: NodeFacts, ground: Ground) -> str:
    if not node.v_switch_id and node.instance_id not in ground.members:
        return "Its vSwitch is not known: the cloud does not know its instance."
    if node.v_switch_id and node.v_switch_id != ground.v_switch_id:
        return (
            f"It is in vSwitch {node.v_switch_id}, the HaVip in {ground.v_switch_id}:"
            " a HaVip cannot leave its vSwitch."
        )
    return ""


def _network_interface_of(spec: HaVipSpec, node: NodeFacts, ground: Ground) -> tuple[str, str]:
    """Choose by tags, or any in the HaVip's vSwitch: one that is a member, else the primary."""
    wish = spec.members.network_interface
    tags = wish.tags if wish else {}
    fitting = [
        each
        for each in ground.network_interfaces
        if each.instance_id == node.instance_id
        and not each.service_managed
        and tags.items() <= each.tags.items()
    ]
    fitting.sort(
        key=lambda each: (
            each.network_interface_id not in ground.members,
            not each.primary,
            each.network_interface_id,
        )
    )
    if fitting:
        return fitting[0].network_interface_id, ""
    if tags:
        told = ", ".join(f"{key}={value}" for key, value in sorted(tags.items()))
        return "", (
            f"None of its network interfaces in vSwitch {ground.v_switch_id} has the tags {told}:"
            " tag the one to use, or correct spec.members.networkInterface."
        )
    return "", (
        f"None of its network interfaces is in vSwitch {ground.v_switch_id}: attach one that is."
    )


def _selected(spec: HaVipSpec, node: NodeFacts) -> bool:
    selector = spec.members.node_selector
    if selector:
        return selector.items() <= node.labels.items()
    if node.labels.get("type") == "virtual-kubelet":
        return False
    return not any(node.labels.get(each, "false") != "false" for each in EXCLUDING_LABELS)


def _taint_objection(tolerations: Collection[Toleration], node: NodeFacts, *, member: bool) -> str:
    for taint in node.taints:
        if taint.key.startswith(CONDITION_TAINTS):
            continue
        if not any(tolerates(each, taint) for each in tolerations):
            return f"It has the taint {taint.key}, which spec.members.tolerations does not name."
    if node.ready is False and not member:
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
