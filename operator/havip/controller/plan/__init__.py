"""What to do next for one HaVip: at most one change in the cloud. Pure.

The cloud takes one change of a HaVip at a time, and everything else is worked out anew from what
it then shows. So a plan has no memory and no second step. Each part (members, EIP, routes) says
which step it would take; what one part is refused does not hold up the others.
"""

from collections.abc import Iterable
from dataclasses import replace

from havip.api.conditions import ConditionType, Reason, find_condition
from havip.api.errors import HaVipError, InvalidSpec, NotFound, OwnedByAnother
from havip.api.havip import AdoptedState, HaVip, Holder, MemberState
from havip.api.names import TAG_CLUSTER, TAG_UID
from havip.cloud.port import HaVipFacts, NewHaVip, ResourceType
from havip.controller.cloudview import known_id_of, owner_of, wanted_tags
from havip.controller.needs import HA_VIPS
from havip.controller.observe import Observation
from havip.controller.plan.announcing import announcing
from havip.controller.plan.eip import eip_part
from havip.controller.plan.fencing import Fencing, fencing
from havip.controller.plan.members import Membership, membership, membership_step
from havip.controller.plan.outcome import EipPart, Member, Plan, RoutesPart, Verdict
from havip.controller.plan.quota import vpc_is_full
from havip.controller.plan.routes import routes_part
from havip.controller.plan.steps import (
    HA_VIP,
    Create,
    Modify,
    Move,
    Step,
    Tag,
    needs_rest,
    subject,
)
from havip.controller.plan.teardown import dismantle, teardown

__all__ = ["EipPart", "Member", "Plan", "RoutesPart", "Verdict", "ever_tried", "plan"]


def plan(seen: Observation, holder: Holder | None = None) -> Plan:
    """Decide on the next step. ``holder`` is who owns the address, by the register."""
    if seen.deleting:
        if not ever_tried(seen.havip):
            return Plan(done=True)
        return teardown(seen)
    guarded = fencing(seen)
    now = membership(seen, guarded.barred)
    base = Plan(
        members=now.members if now else (),
        wanted=now.wanted if now else None,
        kept=now.kept if now else (),
        adopted=seen.havip.status.adopted,
        fenced=guarded.fenced,
    )
    return _next(seen, base, now, guarded, holder)


def ever_tried(havip: HaVip) -> bool:
    """Tell whether the cloud may have something of this object.

    The condition Provisioned is written before the first change is asked for, and never taken
    away; an object without it left nothing behind.
    """
    return find_condition(havip.status.conditions, ConditionType.PROVISIONED) is not None


def _next(
    seen: Observation, base: Plan, now: Membership | None, guarded: Fencing, holder: Holder | None
) -> Plan:
    if seen.trouble is not None:
        return replace(base, trouble=seen.trouble)
    if seen.havip.spec.suspend:
        waiting = "spec.suspend is set: nothing is changed in the cloud."
        return replace(base, fenced=seen.havip.status.fenced, waiting=waiting)
    cloud = seen.cloud
    if seen.klass is None or cloud is None:
        return replace(base, waiting="The cloud has not been seen yet.")
    mine = cloud.mine
    if mine is None:
        return _absent(seen, base)
    objection = _objection(seen, mine)
    if objection is not None:
        return replace(base, trouble=objection)
    if seen.havip.spec.adopt and seen.havip.status.adopted is None:
        if seen.found is None:
            return replace(base, waiting="Looking at what the adopted HaVip has.")
        base = replace(base, adopted=seen.found)
        seen = replace(seen, havip=_with_record(seen.havip, seen.found))
    eip, routes = eip_part(seen, mine), routes_part(seen, mine)
    step, held_up = _choose(
        seen,
        mine,
        (
            _mend(seen, mine),
            *(dismantle(seen, each) for each in cloud.surplus if each.settled),
            membership_step(seen, mine, now) if now else None,
            eip.step if eip else None,
            routes.step if routes else None,
        ),
    )
    watch = (eip.watch if eip else frozenset()) | (routes.watch if routes else frozenset())
    if any(not each.settled for each in (mine, *cloud.surplus)):
        watch |= {HA_VIPS}
    leaving = [each.node.name for each in base.members if each.state is MemberState.LEAVING]
    request, again = announcing(seen, holder)
    if leaving and step is None:
        again = min(again, 1.0)
    waiting = f"Waiting for {', '.join(leaving)} to hand the address over." if leaving else ""
    if not mine.settled:
        waiting = f"The cloud says {mine.status}."
    return replace(
        base,
        step=step,
        eip=eip,
        routes=routes,
        trouble=held_up,
        announce=request,
        waiting=waiting,
        followers=guarded.followers,
        watch=watch,
        retry_seconds=again if again < float("inf") else None,
    )


def _with_record(havip: HaVip, found: AdoptedState) -> HaVip:
    return havip.model_copy(update={"status": havip.status.model_copy(update={"adopted": found})})


def _choose(
    seen: Observation, mine: HaVipFacts, candidates: Iterable[Step | None]
) -> tuple[Step | None, HaVipError | None]:
    """Return the first step that can be taken now, and what the HaVip itself was refused last."""
    error = seen.setbacks.get(HA_VIP)
    for each in candidates:
        if each is None or subject(each) in seen.resting:
            continue
        if needs_rest(each) and (not mine.settled or HA_VIP in seen.resting):
            continue
        return each, error
    return None, error if HA_VIP in seen.resting else None


def _objection(seen: Observation, mine: HaVipFacts) -> HaVipError | None:
    """Say why the counterpart cannot be used."""
    if seen.cloud is not None and seen.cloud.foreign:
        return OwnedByAnother(
            f"{mine.ha_vip_id} belongs to {seen.cloud.foreign}: delete the object there, or take"
            f" the tags {TAG_CLUSTER} and {TAG_UID} off the HaVip."
        )
    if seen.klass is not None and mine.v_switch_id != seen.klass.spec.v_switch_id:
        return InvalidSpec(
            f"{mine.ha_vip_id} is in vSwitch {mine.v_switch_id}, the class"
            f" {seen.klass.metadata.name} in {seen.klass.spec.v_switch_id}: name a class of"
            " that vSwitch."
        )
    return None


def _absent(seen: Observation, base: Plan) -> Plan:
    havip, cloud, klass = seen.havip, seen.cloud, seen.klass
    if cloud is None or klass is None or not cloud.absent:
        waiting = "The HaVip is missing from one listing; looking again."
        return replace(base, waiting=waiting, watch=frozenset({HA_VIPS}))
    adopt = havip.spec.adopt
    if adopt is not None:
        named = known_id_of(havip) or f"A HaVip with the address {adopt.address}"
        return replace(
            base,
            trouble=NotFound(
                f"{named} is not in region {klass.spec.region} of this account: correct"
                " spec.adopt or the class.",
                reason=Reason.ADOPTED_NOT_FOUND,
            ),
        )
    refusal = seen.setbacks.get(HA_VIP) or vpc_is_full(seen)
    if HA_VIP in seen.resting or (refusal is not None and HA_VIP not in seen.setbacks):
        return replace(base, trouble=refusal)
    new = NewHaVip(
        v_switch_id=klass.spec.v_switch_id,
        # One that was lost comes back with the address its clients know.
        address=havip.spec.address or havip.status.address or "",
        name=havip.cloud_name,
        description=havip.spec.description,
        resource_group_id=havip.spec.resource_group_id or "",
        tags=wanted_tags(havip, seen.cluster_id, havip.spec.tags),
    )
    step = Create(new, instead_of=havip.status.ha_vip_id or "")
    return replace(base, step=step, trouble=refusal)


def _mend(seen: Observation, mine: HaVipFacts) -> Step | None:
    """Mend what somebody changed, or what the user wants otherwise now.

    An adopted HaVip keeps the texts that it has unless the spec gives others.
    """
    havip = seen.havip
    wanted = wanted_tags(havip, seen.cluster_id, havip.spec.tags)
    missing = {key: value for key, value in wanted.items() if mine.tags.get(key) != value}
    if missing:
        adopting = owner_of(mine.tags, seen.cluster_id, havip.metadata.uid) == ""
        adopting = adopting and havip.spec.adopt is not None
        return Tag(ResourceType.HA_VIP, mine.ha_vip_id, missing, adopting=adopting)
    name, description = havip.cloud_name, havip.spec.description
    if havip.spec.adopt is not None:
        name, description = havip.spec.name or mine.name, description or mine.description
    if (mine.name, mine.description) != (name, description):
        return Modify(mine.ha_vip_id, name, description)
    group = havip.spec.resource_group_id
    if group and group != mine.resource_group_id:
        return Move(ResourceType.HA_VIP, mine.ha_vip_id, group)
    return None
