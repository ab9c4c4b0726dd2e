"""What a user would want to hear of, told once: from two statuses, or from a step that was done.

Pure. Kubernetes keeps events for an hour; what must be known later is in the status.
"""

from dataclasses import dataclass

from havip.api.conditions import ConditionType, Reason, find_condition
from havip.api.havip import HaVip, HaVipStatus, MemberState
from havip.cloud.port import ResourceType
from havip.controller.plan.steps import (
    AllocateEip,
    Create,
    Modify,
    ModifyEip,
    Move,
    ReleaseEip,
    Step,
    Tag,
    Unassociate,
    Untag,
)
from havip.controller.status import UNACCEPTABLE

DRIFT_MENDED = "DriftMended"
NOTABLE = UNACCEPTABLE | {
    Reason.QUOTA_EXCEEDED,
    Reason.ADDRESS_TAKEN,
    Reason.CLOUD_UNAVAILABLE,
    Reason.SEVERAL_OWNERS,
    Reason.HEARTBEATS_MISSING,
}


@dataclass(frozen=True, slots=True)
class News:
    """An event to post."""

    reason: str
    message: str
    warning: bool = False


def news(before: HaVipStatus, after: HaVipStatus) -> tuple[News, ...]:
    """Tell what changed from one status to the next."""
    told: list[News] = []
    if after.ha_vip_id and after.ha_vip_id != before.ha_vip_id:
        told.append(News("Provisioned", f"{after.ha_vip_id} has the address {after.address}."))
    states = {each.node: each for each in before.members}
    for each in after.members:
        was = states.get(each.node)
        if was is not None and was.state is each.state:
            continue
        if each.state is MemberState.ASSOCIATED:
            told.append(News("MemberJoined", f"{each.node} ({each.instance_id}) is a member."))
        elif each.state is MemberState.REFUSED:
            told.append(
                News("MemberRefused", f"{each.node} cannot be a member: {each.reason}", True)
            )
    if after.holder and before.holder and after.holder.node != before.holder.node:
        told.append(
            News(
                "FailedOver", f"The address went from {before.holder.node} to {after.holder.node}."
            )
        )
    for type_ in (ConditionType.READY, ConditionType.PEERS_HEARD):
        past, now = (find_condition(each.conditions, type_) for each in (before, after))
        if now and now.reason in NOTABLE and (past is None or past.reason != now.reason):
            told.append(News(now.reason, now.message, True))
    return tuple(told)


def mended(havip: HaVip, step: Step) -> News | None:
    """Tell of a step that put right what somebody else had changed, and of what costs money."""
    match step:
        case AllocateEip(instead_of=lost) if not lost:
            return News("EipAllocated", "An EIP was allocated; it is paid for from now on.")
        case ReleaseEip(allocation_id):
            return News("EipReleased", f"{allocation_id} was released.")
        case Untag(ResourceType.EIP, allocation_id):
            return News(
                "EipGivenUp",
                f"{allocation_id}, which was allocated for this HaVip, is left in the cloud and is"
                " not released by us any more: it goes on being paid for.",
                True,
            )
        case Unassociate(node=node, member_id=member_id, fencing=True):
            return News("Fenced", f"{member_id} of {node} was taken out by force.", True)
    known = havip.status.observed_generation == havip.metadata.generation
    settled = find_condition(havip.status.conditions, ConditionType.PROVISIONED)
    return _drift(step) if known and settled is not None else None


def _drift(step: Step) -> News | None:
    match step:
        case Create(instead_of=lost) if lost:
            return News(DRIFT_MENDED, f"{lost} is gone from the cloud: made it anew.", True)
        case AllocateEip(instead_of=lost) if lost:
            return News(
                DRIFT_MENDED,
                f"{lost} is gone from the cloud: allocated another, with another address.",
                True,
            )
        case Modify() | ModifyEip():
            return News(DRIFT_MENDED, "Name, description or bandwidth differed: put right.")
        case Tag(_, resource_id, tags, adopting=False):
            return News(DRIFT_MENDED, f"Tags of {resource_id} differed: set {', '.join(tags)}.")
        case Move(_, resource_id, group):
            return News(DRIFT_MENDED, f"Moved {resource_id} back to resource group {group}.")
        case Unassociate(member_id=member_id, node=node) if not node:
            return News(DRIFT_MENDED, f"{member_id} was a member but is no node: took it out.")
    return None
