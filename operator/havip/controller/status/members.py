"""What is reported of the members, and what ``MembersReady`` says of them. Pure."""

from collections.abc import Sequence

from havip.api.conditions import ConditionStatus, Reason
from havip.api.errors import HaVipError
from havip.api.havip import HaVipStatus, MemberState, MemberStatus
from havip.controller.observe import Observation
from havip.controller.plan.outcome import Member, Plan, Verdict

LISTED_REFUSALS = 50

TRUE, FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE


def members_of(seen: Observation, planned: Plan) -> tuple[MemberStatus, ...]:
    """Return the members to report."""
    if seen.deleting and seen.cloud is not None:
        left = seen.cloud.mine.associated_instances if seen.cloud.mine else frozenset()
        if seen.cloud.mine is None and not seen.cloud.absent:
            return seen.havip.status.members
        # One that a listing does not show may be late, and must be known for ours when it appears.
        return tuple(
            each.model_copy(update={"state": MemberState.UNASSOCIATING})
            if (each.network_interface_id or each.instance_id) in left
            else each
            for each in seen.havip.status.members
            if each.state is not MemberState.REFUSED
        )
    if planned.wanted is None:
        return seen.havip.status.members
    shown: list[MemberStatus] = []
    refusals = 0
    for each in planned.members:
        if each.state is MemberState.REFUSED:
            refusals += 1
            if refusals > LISTED_REFUSALS:
                continue
        shown.append(_member(seen, each))
    return tuple(shown)


def _member(seen: Observation, member: Member) -> MemberStatus:
    node, uid = member.node, seen.havip.metadata.uid
    agent = node.agent
    healthy = agent.healthy.get(uid) if agent else None
    reason = member.reason
    if not reason and member.state is MemberState.ASSOCIATED:
        if agent is None:
            reason = "No agent reports from this node: see that the DaemonSet runs there."
        elif seen.silent(node):
            reason = "Its agent is silent: see whether the node and the agent's pod run."
        elif healthy is False:
            failed = [
                f"{each.name}: {each.message}"
                for each in agent.health
                if each.uid == uid and not each.healthy
            ]
            reason = "; ".join(failed) or "A health check fails."
    by_card = member.member_id != node.instance_id
    return MemberStatus(
        node=node.name,
        instance_id=node.instance_id,
        network_interface_id=member.member_id if by_card else "",
        state=member.state,
        healthy=healthy,
        priority=seen.havip.spec.election.priority_of(dict(node.labels)),
        reason=reason,
    )


def is_ready(member: MemberStatus) -> bool:
    """Whether a member can own the address."""
    return (
        member.state is MemberState.ASSOCIATED and member.healthy is not False and not member.reason
    )


def members_ready(
    after: HaVipStatus, ready: int, wanted: int, trouble: HaVipError | None
) -> Verdict:
    """Return what ``MembersReady`` says; ``trouble`` is what keeps members from joining."""
    states = [each.state for each in after.members]
    refused = [each for each in after.members if each.state is MemberState.REFUSED]
    fenced = [each for each in after.members if each.state is MemberState.FENCED]
    if wanted == 0:
        why = _reasons([*refused, *fenced])
        return Verdict(
            FALSE,
            Reason.NO_MEMBERS,
            f"No node can be a member. {why}"
            if why
            else "The selector takes no node: correct"
            " spec.members.nodeSelector or label the nodes.",
        )
    counts = f"{ready} of {wanted} members are ready."
    if ready >= wanted:
        return Verdict(TRUE, Reason.ALL_MEMBERS_READY, f"{counts} {_reasons(fenced)}".strip())
    if MemberState.ASSOCIATING in states:
        if trouble is not None:
            return Verdict(FALSE, trouble.reason, f"{counts} {trouble}")
        told = f"{counts} The others are being associated."
        return Verdict(FALSE, Reason.MEMBERS_JOINING, told)
    ill = [each for each in after.members if each.state is MemberState.ASSOCIATED and each.reason]
    associated = states.count(MemberState.ASSOCIATED)
    if associated < wanted and refused:
        return Verdict(FALSE, Reason.MEMBER_REFUSED, f"{counts} {_reasons(refused)}")
    why = _reasons([*ill, *fenced]) or "Those that go make room for the others first."
    return Verdict(FALSE, Reason.MEMBERS_MISSING, f"{counts} {why}")


def _reasons(members: Sequence[MemberStatus]) -> str:
    """Why the first few of these are not ready, as one sentence."""
    told = "; ".join(f"{each.node}: {each.reason.rstrip('.')}" for each in members[:3])
    return f"{told}." if told else ""
