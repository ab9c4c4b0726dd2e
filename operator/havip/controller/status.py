"""What a HaVip reports: worked out from what was seen and what is planned. Pure.

Every condition says, when it is not True, what to do or what is being done about it. A status
equal to the stored one is not written, so nothing in it changes by itself with time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from havip.api.conditions import (
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    set_condition,
)
from havip.api.errors import NotFound, UserError
from havip.api.havip import HaVipStatus, Holder, LastFailover, MemberState, MemberStatus
from havip.api.havipnode import Fence, Hold
from havip.controller.observe import NodeFacts, Observation
from havip.controller.plan import Associate, Create, Member, Plan, Tag, ever_tried

AGENT_SILENT_AFTER = timedelta(seconds=90)
"""An agent writes at least each 30 s; one that missed three is taken for dead."""
CLOUD_MOVED_WITHIN = timedelta(seconds=60)
"""A master seen later than this after a failover says nothing about the failover."""
LISTED_REFUSALS = 50

UNACCEPTABLE = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.NOT_FOUND,
        Reason.CLASS_NOT_FOUND,
        Reason.CREDENTIALS_MISSING,
        Reason.CREDENTIALS_REFUSED,
        Reason.V_SWITCH_NOT_FOUND,
        Reason.ADOPTED_NOT_FOUND,
        Reason.OWNED_BY_ANOTHER,
    }
)
"""Errors that speak of the object or what it names; the others speak of the cloud."""

SUMMARISED = (
    ConditionType.ACCEPTED,
    ConditionType.PROVISIONED,
    ConditionType.MEMBERS_READY,
    ConditionType.HELD,
    ConditionType.CONSISTENT,
)

Verdict = tuple[ConditionStatus, Reason | str, str]

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


def status(seen: Observation, planned: Plan) -> HaVipStatus:
    """Return the status to report."""
    before = seen.havip.status
    mine = seen.cloud.mine if seen.cloud and not seen.cloud.foreign else None
    members = _members(seen, planned)
    ready = sum(1 for each in members if _is_ready(seen, each))
    holder = _holder(seen)
    known = seen.cloud is not None and seen.klass is not None and not _deleting(seen)
    wanted = planned.wanted if known else before.wanted_members
    after = HaVipStatus(
        ha_vip_id=mine.ha_vip_id if mine else before.ha_vip_id,
        address=mine.address if mine else before.address,
        eip_address=before.eip_address,
        holder=holder,
        cloud_master=(mine.master_instance_id or None) if mine else before.cloud_master,
        members=members,
        wanted_members=wanted,
        ready_members=ready,
        members_summary=f"{ready}/{wanted or 0}",
        last_failover=_last_failover(seen, holder),
        observed_generation=seen.havip.metadata.generation,
        conditions=before.conditions,
    )
    verdicts: list[tuple[ConditionType, Verdict]] = [
        (ConditionType.ACCEPTED, _accepted(seen, planned))
    ]
    if _provisioned_is_known(seen, planned):
        verdicts.append((ConditionType.PROVISIONED, _provisioned(seen, planned)))
    verdicts += [
        (ConditionType.MEMBERS_READY, _members_ready(after, ready, wanted or 0)),
        (ConditionType.HELD, _held(seen, holder)),
        (ConditionType.CONSISTENT, _consistent(seen, after)),
    ]
    verdicts.append((ConditionType.READY, _ready(seen, planned, dict(verdicts))))
    conditions = after.conditions
    for type_, (value, reason, message) in verdicts:
        conditions = set_condition(
            conditions,
            type_,
            value,
            reason,
            message,
            now=seen.now,
            observed_generation=seen.havip.metadata.generation,
        )
    return after.model_copy(update={"conditions": conditions})


def _deleting(seen: Observation) -> bool:
    return seen.havip.metadata.deletion_timestamp is not None


# -- members, holder, failover


def _members(seen: Observation, planned: Plan) -> tuple[MemberStatus, ...]:
    if _deleting(seen) and seen.cloud is not None:
        left = seen.cloud.mine.associated_instances if seen.cloud.mine else frozenset()
        return tuple(
            each.model_copy(update={"state": MemberState.UNASSOCIATING})
            for each in seen.havip.status.members
            if each.instance_id in left
        )
    if seen.cloud is None or seen.klass is None or _deleting(seen):
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
    node = member.node
    agent = node.agent
    healthy = agent.healthy.get(seen.havip.metadata.uid) if agent else None
    reason = member.reason
    if not reason and member.state is MemberState.ASSOCIATED:
        if agent is None:
            reason = "No agent reports from this node: see that the DaemonSet runs there."
        elif _silent(node, seen.now):
            reason = "Its agent is silent: see whether the node and the agent's pod run."
        elif healthy is False:
            failed = [
                f"{each.name}: {each.message}"
                for each in agent.health
                if each.uid == seen.havip.metadata.uid and not each.healthy
            ]
            reason = "; ".join(failed) or "A health check fails."
    return MemberStatus(
        node=node.name,
        instance_id=node.instance_id,
        state=member.state,
        healthy=healthy,
        priority=seen.havip.spec.election.priority_of(dict(node.labels)),
        reason=reason,
    )


def _silent(node: NodeFacts, now: datetime) -> bool:
    heard = node.agent.heartbeat_at if node.agent else None
    return heard is None or now - heard > AGENT_SILENT_AFTER


def _before(node: NodeFacts, holder: Holder | None) -> bool:
    """Whether the node's report is from before another took the address: a dead one's last word."""
    if holder is None or holder.since is None or node.name == holder.node:
        return False
    heard = node.agent.heartbeat_at if node.agent else None
    return heard is not None and heard < holder.since


def _is_ready(seen: Observation, member: MemberStatus) -> bool:
    return (
        member.state is MemberState.ASSOCIATED and member.healthy is not False and not member.reason
    )


def _agents_hold(seen: Observation, holder: Holder) -> Hold | None:
    """Return what the holder's own agent says about this very ownership."""
    node = _node(seen, holder.node)
    if node is None or node.agent is None:
        return None
    uid = seen.havip.metadata.uid
    return next(
        (each for each in node.agent.holds if each.uid == uid and each.epoch == holder.epoch),
        None,
    )


def _node(seen: Observation, name: str) -> NodeFacts | None:
    return next((each for each in seen.nodes if each.name == name), None)


def _holder(seen: Observation) -> Holder | None:
    if seen.register is None or not seen.register.holder:
        return None
    node = _node(seen, seen.register.holder)
    holder = Holder(
        node=seen.register.holder,
        instance_id=node.instance_id if node else "",
        epoch=seen.register.epoch,
    )
    hold = _agents_hold(seen, holder)
    before = seen.havip.status.holder
    if hold is not None:
        since: datetime | None = hold.since
    elif before and (before.node, before.epoch) == (holder.node, holder.epoch):
        since = before.since
    else:
        since = None
    return holder.model_copy(update={"since": since})


def _last_failover(seen: Observation, holder: Holder | None) -> LastFailover | None:
    before = seen.havip.status.last_failover
    hold = _agents_hold(seen, holder) if holder else None
    if holder is None or hold is None or hold.failover is None or not hold.failover.from_:
        return before
    told = hold.failover
    moved = told.phases.cloud_moved
    if moved is None and before and (before.to, before.at) == (holder.node, told.at):
        moved = before.phases.cloud_moved
    if moved is None and seen.cloud_moved_at is not None:
        taken = seen.cloud_moved_at - told.at
        if taken <= CLOUD_MOVED_WITHIN:
            # ``at`` is when it was acquired; the phases count from when the outage was noticed.
            acquired = told.phases.acquired or 0
            moved = acquired + max(0, round(taken / timedelta(milliseconds=1)))
    return LastFailover(
        from_=told.from_,
        to=holder.node,
        reason=told.reason,
        at=told.at,
        phases=told.phases.model_copy(update={"cloud_moved": moved}),
    )


# -- conditions


def _accepted(seen: Observation, planned: Plan) -> Verdict:
    trouble = planned.trouble
    if isinstance(trouble, UserError) and trouble.reason in UNACCEPTABLE:
        return FALSE, trouble.reason, str(trouble)
    if seen.havip.spec.suspend:
        return TRUE, Reason.SUSPENDED, "spec.suspend is set: nothing is changed in the cloud."
    return TRUE, Reason.ACCEPTED, "The object and all it names can work."


def _provisioned_is_known(seen: Observation, planned: Plan) -> bool:
    """Tell whether to speak of the cloud at all; see ``plan.ever_tried``."""
    if ever_tried(seen.havip) or planned.step is not None:
        return True
    return seen.cloud is not None and seen.cloud.mine is not None and not seen.cloud.foreign


def _provisioned(seen: Observation, planned: Plan) -> Verdict:
    before = find_condition(seen.havip.status.conditions, ConditionType.PROVISIONED)
    if _deleting(seen):
        return FALSE, Reason.DELETING, _why(planned)
    trouble = planned.trouble
    mine = seen.cloud.mine if seen.cloud and not seen.cloud.foreign else None
    if trouble is not None:
        gone = isinstance(trouble, NotFound) and mine is None and seen.cloud is not None
        there = before is not None and before.status is TRUE
        if there and not isinstance(trouble, UserError) and not gone:
            return TRUE, trouble.reason, f"It was so when last seen. {trouble}"
        return FALSE, trouble.reason, str(trouble)
    if seen.cloud is None:
        if before is not None:
            return before.status, before.reason, before.message
        return UNKNOWN, Reason.PENDING, "The cloud has not been seen yet."
    if mine is None:
        if isinstance(planned.step, Create):
            return FALSE, Reason.CREATING, "The HaVip is being created."
        return FALSE, Reason.CREATING, _why(planned)
    if mine.status.lower() == "creating":
        return FALSE, Reason.CREATING, "The HaVip is being created."
    name = f"{mine.ha_vip_id} has the address {mine.address}."
    if planned.step is None or isinstance(planned.step, Associate) or _is_membership(planned):
        return TRUE, Reason.PROVISIONED, name
    if isinstance(planned.step, Tag) and planned.step.adopting:
        return FALSE, Reason.UPDATING, f"{mine.ha_vip_id} is being adopted."
    return FALSE, Reason.UPDATING, f"{mine.ha_vip_id} is being changed to what the spec says."


def _is_membership(planned: Plan) -> bool:
    return type(planned.step).__name__ == "Unassociate"


def _why(planned: Plan) -> str:
    return (
        " ".join(part for part in (planned.waiting, str(planned.trouble or "")) if part)
        or "It is under way."
    )


def _members_ready(after: HaVipStatus, ready: int, wanted: int) -> Verdict:
    states = [each.state for each in after.members]
    refused = [each for each in after.members if each.state is MemberState.REFUSED]
    if wanted == 0:
        why = _reasons(refused)
        return (
            FALSE,
            Reason.NO_MEMBERS,
            f"No node can be a member. {why}"
            if why
            else "The selector takes no node: correct"
            " spec.members.nodeSelector or label the nodes.",
        )
    if ready >= wanted:
        return TRUE, Reason.ALL_MEMBERS_READY, f"{ready} of {wanted} members are ready."
    counts = f"{ready} of {wanted} members are ready."
    if MemberState.ASSOCIATING in states:
        return FALSE, Reason.MEMBERS_JOINING, counts
    ill = [each for each in after.members if each.state is MemberState.ASSOCIATED and each.reason]
    associated = states.count(MemberState.ASSOCIATED)
    if associated < wanted and refused:
        return FALSE, Reason.MEMBER_REFUSED, f"{counts} {_reasons(refused)}"
    return FALSE, Reason.MEMBERS_MISSING, f"{counts} {_reasons(ill)}".strip()


def _reasons(members: Sequence[MemberStatus]) -> str:
    """Why the first few of these are not ready, as one sentence."""
    told = "; ".join(f"{each.node}: {each.reason.rstrip('.')}" for each in members[:3])
    return f"{told}." if told else ""


def _held(seen: Observation, holder: Holder | None) -> Verdict:
    if holder is None:
        if seen.register is None:
            return FALSE, Reason.ELECTION_PENDING, "There is no register yet to elect a holder in."
        return FALSE, Reason.NO_HOLDER, "No node holds the address."
    node = _node(seen, holder.node)
    if node and node.agent and node.agent.fence is Fence.COARSE:
        return (
            TRUE,
            Reason.FENCE_COARSE,
            f"{holder.node} holds the address, but its kernel has no exact fence: a frozen agent"
            " may keep it for 2 s. Install nftables in its kernel.",
        )
    return TRUE, Reason.HELD, f"{holder.node} holds the address."


def _consistent(seen: Observation, after: HaVipStatus) -> Verdict:
    """Compare the register's holder, the kernels' addresses and the cloud's master."""
    address, holder = after.address, after.holder
    kernels = sorted(
        each.name
        for each in seen.nodes
        if each.agent
        and address
        and address in each.agent.kernel_addresses
        and not _silent(each, seen.now)
        and not _before(each, holder)
    )
    if len(kernels) > 1:
        return (
            FALSE,
            Reason.SEVERAL_OWNERS,
            f"{address} is on {', '.join(kernels)} at once; the register says"
            f" {holder.node if holder else 'nobody'}.",
        )
    if holder is None:
        if kernels:
            return (
                FALSE,
                Reason.KERNEL_DIFFERS,
                f"{address} is on {kernels[0]}, but the register names no holder.",
            )
        return UNKNOWN, Reason.NO_HOLDER, "Nobody holds the address."
    node = _node(seen, holder.node)
    if node is None or node.agent is None or _silent(node, seen.now):
        return UNKNOWN, Reason.HOLDER_UNKNOWN, f"The agent of {holder.node} does not report."
    if kernels != [holder.node]:
        where = f"on {kernels[0]}" if kernels else "on no node"
        return (
            FALSE,
            Reason.KERNEL_DIFFERS,
            f"The register says {holder.node}, but {address} is {where}.",
        )
    if after.cloud_master != holder.instance_id:
        return (
            FALSE,
            Reason.CLOUD_DIFFERS,
            f"{holder.node} ({holder.instance_id}) holds the address, but the cloud sends its"
            f" traffic to {after.cloud_master or 'nobody'}.",
        )
    return (
        TRUE,
        Reason.VIEWS_AGREE,
        f"The register, the kernels and the cloud all say {holder.node}.",
    )


def _ready(seen: Observation, planned: Plan, verdicts: dict[ConditionType, Verdict]) -> Verdict:
    if _deleting(seen):
        return FALSE, Reason.DELETING, _why(planned)
    unseen: Verdict = (UNKNOWN, Reason.PENDING, "The cloud has not been seen yet.")
    if planned.trouble is not None:
        unseen = (UNKNOWN, planned.trouble.reason, str(planned.trouble))
    for type_ in SUMMARISED:
        value, reason, message = verdicts.get(type_, unseen)
        if value is not TRUE:
            return FALSE, reason, message
    return TRUE, Reason.READY, "Traffic to the address is answered."
