"""Who is a member, who becomes one, who ceases to be, and the next steps towards it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from havip.api.errors import UserError
from havip.api.havip import MemberState, MemberType
from havip.cloud.port import HaVipFacts, InstanceType
from havip.controller.observe import NodeFacts, Observation
from havip.controller.plan.outcome import Member
from havip.controller.plan.quota import instance_is_full
from havip.controller.plan.steps import Associate, Step, Unassociate
from havip.controller.selection import Candidate, Ground, Selection, select

NOBODY = NodeFacts("")
"""Stands for the node of a member that is none of the cluster's."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The members and how many there should be."""

    members: tuple[Member, ...]
    """By node, one for each."""
    wanted: int
    kept: tuple[str, ...]
    """What is associated, is none of ours, and is left alone."""
    goers: Mapping[str, Member]
    """What is to be taken out, by id."""
    joiners: tuple[Candidate, ...]


def membership(seen: Observation, barred: Mapping[str, str]) -> Membership | None:
    """Work out the state of each node; None while not all is seen that it depends on.

    The nodes go by what is said here: a HaVip that is missing from a listing has its members.
    ``barred`` are nodes that are taken for dead, and why.
    """
    klass, cloud, mine = seen.klass, seen.cloud, seen.mine
    spec = seen.havip.spec
    by_card = spec.members.type is MemberType.NETWORK_INTERFACE
    if klass is None or cloud is None or (by_card and seen.network_interfaces is None):
        return None
    if mine is None and not cloud.absent:
        return None
    present = mine.associated_instances if mine else frozenset()
    # Members of another type all go before one of this type comes.
    associated = frozenset() if mine and _other_type(seen, mine) else present
    ours = _nodes_behind(seen)
    dead = frozenset[str]().union(*(seen.ids_of(name) for name in barred))
    full = _full(seen, associated)
    ground = Ground(
        region=klass.spec.region,
        v_switch_id=klass.spec.v_switch_id,
        members=associated,
        room=klass.spec.limits.members_per_ha_vip,
        refused=_refused(seen) | full,
        barred=barred,
        network_interfaces=seen.network_interfaces.facts if seen.network_interfaces else (),
    )
    selection, kept = _select(seen, ground, _left_alone(seen, present, ours) - dead)
    chosen = {each.member_id: each for each in selection.chosen if each.member_id in associated}
    staying = {each.node.name for each in chosen.values()}
    reasons = {node.name: reason for node, reason in selection.refused}
    goers: dict[str, Member] = {}
    # What is known by its record alone comes first, so that it stays on record.
    recorded = {each.network_interface_id or each.instance_id for each in seen.havip.status.members}
    for member_id in sorted(present - chosen.keys() - kept, key=lambda e: (e not in recorded, e)):
        node = ours.get(member_id, NOBODY)
        if node.name in staying:
            told = "Another of what the node has is the member."
            goers[member_id] = Member(node, MemberState.UNASSOCIATING, told, member_id)
        else:
            goers[member_id] = _goer(seen, node, member_id, reasons, barred)
    joiners = [
        each
        for each in (*selection.chosen, *selection.again)
        if each.member_id not in associated and each.member_id not in full
    ]
    others = _others(mine, kept) if mine and present != associated else ("", "")
    return Membership(
        _by_node(selection, associated, goers, barred, others),
        selection.wanted,
        tuple(sorted(kept)),
        goers,
        tuple(joiners),
    )


def _select(
    seen: Observation, ground: Ground, left_alone: frozenset[str]
) -> tuple[Selection, frozenset[str]]:
    """Choose among the nodes; what is left alone may be chosen too, else it takes up room."""
    spec, limit = seen.havip.spec, ground.room
    kept: frozenset[str] = frozenset()
    while True:
        room = min(spec.members.max, max(0, limit - len(kept)))
        selection = select(spec, seen.nodes, replace(ground, room=room, kept=kept))
        rest = left_alone - {each.member_id for each in selection.chosen}
        if rest <= kept:
            return selection, rest
        kept |= rest


def _by_node(
    selection: Selection,
    associated: frozenset[str],
    goers: Mapping[str, Member],
    barred: Mapping[str, str],
    others: tuple[str, str],
) -> tuple[Member, ...]:
    """Tell of each node what matters most: that it is a member, ceases to be or becomes one.

    ``others`` says why one cannot join, and what it waits for.
    """
    told: dict[str, Member] = {}
    joining: list[Member] = []
    ids = {each.node.name: each.member_id for each in selection.again}
    for each in selection.chosen:
        if each.member_id in associated:
            told[each.node.name] = Member(each.node, MemberState.ASSOCIATED, "", each.member_id)
        elif others[0]:
            joining.append(Member(each.node, MemberState.REFUSED, others[0]))
        else:
            joining.append(Member(each.node, MemberState.ASSOCIATING, others[1], each.member_id))
    refused = (
        Member(node, MemberState.REFUSED, reason, ids.get(node.name, ""))
        for node, reason in selection.refused
    )
    fenced = (Member(each, MemberState.FENCED, barred[each.name]) for each in selection.barred)
    for member in (*goers.values(), *joining, *fenced, *refused):
        if member.node.name:
            told.setdefault(member.node.name, member)
    return tuple(told[name] for name in sorted(told))


def _other_type(seen: Observation, mine: HaVipFacts) -> bool:
    return mine.associated_type not in ("", str(seen.havip.spec.members.type))


def _others(mine: HaVipFacts, kept: frozenset[str]) -> tuple[str, str]:
    """Say why members of the other type keep ours from joining, or what has to be waited for."""
    if not kept:
        return "", "Waits for the members of the other type to go."
    return (
        f"The HaVip keeps {', '.join(sorted(kept))} of type {mine.associated_type}, and the cloud"
        f" takes members of one type: set spec.members.type to {mine.associated_type}, or"
        " spec.members.exclusive to true.",
        "",
    )


def _left_alone(
    seen: Observation, present: frozenset[str], ours: Mapping[str, NodeFacts]
) -> frozenset[str]:
    """Members that are no node's of the cluster, or that an adopted HaVip had already."""
    if seen.havip.spec.exclusive_members:
        return frozenset()
    adopted = seen.havip.status.adopted
    return (present - set(ours)) | (present & set(adopted.members if adopted else ()))


def _nodes_behind(seen: Observation) -> dict[str, NodeFacts]:
    """Return the node behind each id that we know of, also where the Node is gone by now."""
    nodes = {each.name: each for each in seen.nodes}
    known: dict[str, NodeFacts] = {}
    for each in seen.havip.status.members:
        # Another instance may bear the name by now.
        node = replace(nodes.get(each.node, NodeFacts(each.node)), instance_id=each.instance_id)
        known |= dict.fromkeys((each.instance_id, each.network_interface_id), node)
    by_instance = {each.instance_id: each for each in seen.nodes if each.instance_id}
    known |= by_instance
    if seen.network_interfaces is not None:
        known |= {
            each.network_interface_id: by_instance[each.instance_id]
            for each in seen.network_interfaces.facts
            if each.instance_id in by_instance
        }
    known.pop("", None)
    return known


def _refused(seen: Observation) -> dict[str, str]:
    """Return what the cloud would not take when it was asked."""
    return {
        subject: str(error)
        for subject, error in seen.setbacks.items()
        if isinstance(error, UserError)
    }


def _full(seen: Observation, associated: frozenset[str]) -> dict[str, str]:
    """Return what is not even offered to the cloud, since it would go over a limit."""
    return {
        node.instance_id: full
        for node in seen.nodes
        if node.instance_id
        and node.instance_id not in associated
        and (full := instance_is_full(seen, node.instance_id))
    }


def _goer(
    seen: Observation,
    node: NodeFacts,
    member_id: str,
    reasons: Mapping[str, str],
    barred: Mapping[str, str],
) -> Member:
    if node.name in barred:
        return Member(node, MemberState.FENCED, barred[node.name], member_id)
    present = seen.node(node.name)
    if present is None:
        return Member(node, MemberState.UNASSOCIATING, "Its Node is gone.", member_id)
    if present.instance_id != node.instance_id:
        told = f"The Node is another instance now, {present.instance_id}."
        return Member(node, MemberState.UNASSOCIATING, told, member_id)
    holds = seen.register is not None and seen.register.holder == node.name
    goes = holds and node.name not in seen.waited_for
    state = MemberState.LEAVING if goes else MemberState.UNASSOCIATING
    reason = reasons.get(node.name) or "spec.members does not select it any more."
    return Member(node, state, reason, member_id)


# -- steps


def membership_steps(seen: Observation, mine: HaVipFacts, now: Membership) -> Iterator[Step]:
    """Let leavers go, then take joiners: the first step that can be taken is the next."""
    type_ = InstanceType(mine.associated_type or str(seen.havip.spec.members.type))
    for member_id in backups_first(mine):
        goer = now.goers.get(member_id)
        if goer is not None and goer.state is not MemberState.LEAVING:
            fenced = goer.state is MemberState.FENCED
            force = fenced or member_id == mine.master_instance_id
            yield Unassociate(mine.ha_vip_id, member_id, type_, goer.node.name, force, fenced)
    if not _other_type(seen, mine):
        wanted = InstanceType(str(seen.havip.spec.members.type))
        for each in now.joiners:
            yield Associate(mine.ha_vip_id, each.member_id, wanted, each.node.name)


def backups_first(facts: HaVipFacts) -> list[str]:
    """Return the members, the cloud's master last: what it has keeps working longest."""
    return sorted(
        facts.associated_instances, key=lambda each: (each == facts.master_instance_id, each)
    )
