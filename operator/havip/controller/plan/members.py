"""Who is a member, who becomes one, who ceases to be, and the next step towards it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from havip.api.errors import UserError
from havip.api.havip import MemberState, MemberType
from havip.cloud.port import HaVipFacts, InstanceType
from havip.controller.observe import NodeFacts, Observation
from havip.controller.plan.outcome import Member
from havip.controller.plan.quota import instance_is_full
from havip.controller.plan.steps import Associate, Step, Unassociate
from havip.controller.selection import Ground, select


@dataclass(frozen=True, slots=True)
class Membership:
    """The members and how many there should be."""

    members: tuple[Member, ...]
    wanted: int
    kept: tuple[str, ...]
    """What is associated, is none of ours, and is left alone."""


def membership(seen: Observation, barred: Mapping[str, str]) -> Membership | None:
    """Work out the state of each node; None while not all is seen that it depends on.

    ``barred`` are nodes that are taken for dead, and why.
    """
    klass, mine = seen.klass, seen.mine
    by_card = seen.havip.spec.members.type is MemberType.NETWORK_INTERFACE
    if klass is None or seen.cloud is None or (by_card and seen.network_interfaces is None):
        return None
    present = mine.associated_instances if mine else frozenset()
    # Members of another type all go before one of this type comes.
    associated = frozenset() if mine and _other_type(seen, mine) else present
    ours = _nodes_behind(seen)
    strangers = _strangers(seen, present, ours)
    limit = min(seen.havip.spec.members.max, klass.spec.limits.members_per_ha_vip)
    selection = select(
        seen.havip.spec,
        seen.nodes,
        Ground(
            region=klass.spec.region,
            v_switch_id=klass.spec.v_switch_id,
            members=associated,
            room=max(0, limit - len(strangers)),
            refused=_refused(seen, associated),
            barred=barred,
            network_interfaces=seen.network_interfaces.facts if seen.network_interfaces else (),
        ),
    )
    chosen = {each.member_id for each in selection.chosen} & associated
    kept = tuple(sorted((strangers | (_found_before(seen) & present)) - chosen))
    reasons = {node.name: reason for node, reason in selection.refused}
    by_node: dict[str, Member] = {}
    for member_id in sorted(present - chosen - set(kept)):
        if node := ours.get(member_id):
            by_node[node.name] = _goer(seen, node, member_id, reasons.get(node.name, ""), barred)
    waits = "Waits for the members of the other type to go." if present != associated else ""
    for each in selection.chosen:
        there = each.member_id in chosen
        state = MemberState.ASSOCIATED if there else MemberState.ASSOCIATING
        member = Member(each.node, state, "" if there else waits, each.member_id)
        by_node.setdefault(each.node.name, member)
    for node in seen.nodes:
        if node.name in barred:
            fenced = Member(node, MemberState.FENCED, barred[node.name])
            by_node.setdefault(node.name, fenced)
    for node in seen.nodes:
        if node.name in reasons:
            refused = Member(node, MemberState.REFUSED, reasons[node.name])
            by_node.setdefault(node.name, refused)
    return Membership(tuple(by_node.values()), selection.wanted, kept)


def _other_type(seen: Observation, mine: HaVipFacts) -> bool:
    return mine.associated_type not in ("", str(seen.havip.spec.members.type))


def _found_before(seen: Observation) -> frozenset[str]:
    """Members that an adopted HaVip had already and that are to be left alone."""
    adopted = seen.havip.status.adopted
    if adopted is None or seen.havip.spec.exclusive_members:
        return frozenset()
    return frozenset(adopted.members)


def _strangers(
    seen: Observation, present: frozenset[str], ours: Mapping[str, NodeFacts]
) -> frozenset[str]:
    """Members that are no node's of the cluster, where those are to be left alone."""
    return frozenset() if seen.havip.spec.exclusive_members else present - set(ours)


def _nodes_behind(seen: Observation) -> dict[str, NodeFacts]:
    """Return the node behind each member that we know of, also where the Node is gone by now."""
    nodes = {each.name: each for each in seen.nodes}
    known = {
        each.network_interface_id or each.instance_id: nodes.get(
            each.node, NodeFacts(each.node, instance_id=each.instance_id)
        )
        for each in seen.havip.status.members
        if each.state not in (MemberState.REFUSED, MemberState.ASSOCIATING)
    }
    by_instance = {each.instance_id: each for each in seen.nodes}
    if seen.havip.spec.members.type is MemberType.ECS_INSTANCE:
        known |= by_instance
    elif seen.network_interfaces is not None:
        known |= {
            each.network_interface_id: by_instance[each.instance_id]
            for each in seen.network_interfaces.facts
            if each.instance_id in by_instance
        }
    known.pop("", None)
    return known


def _refused(seen: Observation, associated: frozenset[str]) -> dict[str, str]:
    """What the cloud would not take, and what is not even offered to it."""
    said = {
        subject: str(error)
        for subject, error in seen.setbacks.items()
        if isinstance(error, UserError) and subject in seen.resting
    }
    for node in seen.nodes:
        member_id = node.instance_id
        if (
            member_id
            and member_id not in associated
            and (full := instance_is_full(seen, member_id))
        ):
            said[member_id] = full
    return said


def _goer(
    seen: Observation, node: NodeFacts, member_id: str, reason: str, barred: Mapping[str, str]
) -> Member:
    if node.name in barred:
        return Member(node, MemberState.FENCED, barred[node.name], member_id)
    if seen.node(node.name) is None:
        return Member(node, MemberState.UNASSOCIATING, "Its Node is gone.", member_id)
    holds = seen.register is not None and seen.register.holder == node.name
    goes = holds and node.name not in seen.waited_for
    state = MemberState.LEAVING if goes else MemberState.UNASSOCIATING
    reason = reason or "spec.members does not select it any more."
    return Member(node, state, reason, member_id)


# -- steps


def membership_step(seen: Observation, mine: HaVipFacts, now: Membership) -> Step | None:
    """Let leavers go, then take joiners, one at a time."""
    type_ = InstanceType(mine.associated_type or str(seen.havip.spec.members.type))
    staying = set(now.kept) | {
        each.member_id
        for each in now.members
        if each.state in (MemberState.ASSOCIATED, MemberState.LEAVING)
    }
    names = {each.member_id: each.node.name for each in now.members}
    for member_id in backups_first(mine):
        if member_id not in staying:
            fenced = any(
                each.member_id == member_id and each.state is MemberState.FENCED
                for each in now.members
            )
            force = fenced or member_id == mine.master_instance_id
            name = names.get(member_id, "")
            return Unassociate(mine.ha_vip_id, member_id, type_, name, force, fenced)
    if _other_type(seen, mine):
        return None
    for each in now.members:
        if each.state is MemberState.ASSOCIATING:
            wanted = InstanceType(str(seen.havip.spec.members.type))
            return Associate(mine.ha_vip_id, each.member_id, wanted, each.node.name)
    return None


def backups_first(facts: HaVipFacts) -> list[str]:
    """Return the members, the cloud's master last: what it has keeps working longest."""
    return sorted(
        facts.associated_instances, key=lambda each: (each == facts.master_instance_id, each)
    )
