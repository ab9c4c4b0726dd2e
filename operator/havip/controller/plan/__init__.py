"""What to do next for one HaVip: at most one change in the cloud. Pure.

The cloud takes one change of a HaVip at a time, and everything else is worked out anew from what
it then shows. So a plan has no memory and no second step. Each part (members, EIP, routes) says
which step it would take; what one part is refused does not hold up the others.
"""

from collections.abc import Iterable
from dataclasses import replace

from havip.api.conditions import ConditionType, Reason, find_condition
from havip.api.errors import HaVipError, InvalidSpec, NotFound, OwnedByAnother
from havip.api.havip import HaVip, Holder, MemberState
from havip.api.names import TAG_CLUSTER, TAG_UID
from havip.cloud.port import HaVipFacts, NewHaVip, ResourceType
from havip.controller.cloudview import known_id_of, owner_of, wanted_tags
from havip.controller.needs import HA_VIPS
from havip.controller.observe import Observation
from havip.controller.plan.announcing import announcing
from havip.controller.plan.eip import eip_part
from havip.controller.plan.fencing import as_before, fencing
from havip.controller.plan.hearing import LOOK_AGAIN_SECONDS, hearing
from havip.controller.plan.members import Membership, membership, membership_steps
from havip.controller.plan.outcome import EipPart, Member, Plan, RoutesPart, Verdict
from havip.controller.plan.quota import vpc_is_full
from havip.controller.plan.routes import routes_part
from havip.controller.plan.steps import (
    HA_VIP,
    Associate,
    Create,
    Modify,
    Move,
    Step,
    Tag,
    needs_rest,
    rests_on,
    subject,
)
from havip.controller.plan.teardown import dismantle, teardown

__all__ = ["EipPart", "Member", "Plan", "RoutesPart", "Verdict", "ever_tried", "plan"]


def plan(seen: Observation, holder: Holder | None = None) -> Plan:
    """Decide on the next step. ``holder`` is who owns the address, by the register."""
    if seen.deleting:
        return teardown(seen) if ever_tried(seen.havip) else Plan(done=True)
    objection = _objection(seen)
    if objection is None:
        seen = _with_record(seen)
    idle = seen.havip.spec.suspend or objection is not None
    guarded = as_before(seen) if idle else fencing(seen)
    # Of what cannot be used nothing is said of its members, since the nodes go by that.
    now = membership(seen, guarded.barred) if objection is None else None
    base = Plan(
        members=now.members if now else (),
        wanted=now.wanted if now else None,
        kept=now.kept if now else (),
        adopted=seen.havip.status.adopted,
        fenced=guarded.fenced,
        announce=seen.havip.status.announce_request,
        trouble=seen.trouble,
        followers=guarded.followers,
    )
    if seen.trouble is not None:
        return base
    if seen.havip.spec.suspend:
        waiting = "spec.suspend is set: nothing is changed in the cloud."
        return replace(base, members=_as_they_are(seen, base.members), waiting=waiting)
    if seen.klass is None or seen.cloud is None:
        return replace(base, waiting="The cloud has not been seen yet.")
    if seen.cloud.mine is None:
        return _absent(seen, base)
    if objection is not None:
        return replace(base, trouble=objection)
    if seen.havip.spec.adopt and seen.havip.status.adopted is None:
        return replace(base, waiting="Looking at what the adopted HaVip has.")
    return _next(seen, base, seen.cloud.mine, now, holder)


def ever_tried(havip: HaVip) -> bool:
    """Tell whether the cloud may have something of this object.

    The condition Provisioned is written before the first change is asked for, and never taken
    away; an object without it left nothing behind.
    """
    return find_condition(havip.status.conditions, ConditionType.PROVISIONED) is not None


def _with_record(seen: Observation) -> Observation:
    """Take what an adopted HaVip was found to have for the record that it becomes."""
    if seen.havip.spec.adopt is None or seen.havip.status.adopted or seen.found is None:
        return seen
    status = seen.havip.status.model_copy(update={"adopted": seen.found})
    return replace(seen, havip=seen.havip.model_copy(update={"status": status}))


def _as_they_are(seen: Observation, members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Leave those members that would have to go: nobody takes them out."""
    there = {e.node for e in seen.havip.status.members if e.state is MemberState.ASSOCIATED}
    going = (MemberState.LEAVING, MemberState.UNASSOCIATING)
    return tuple(
        replace(each, state=MemberState.ASSOCIATED, reason="")
        if each.state in going and each.node.name in there
        else each
        for each in members
    )


def _next(
    seen: Observation,
    base: Plan,
    mine: HaVipFacts,
    now: Membership | None,
    holder: Holder | None,
) -> Plan:
    surplus = seen.cloud.surplus if seen.cloud else ()
    eip, routes = eip_part(seen, mine), routes_part(seen, mine)
    mends = _mends(seen, mine)
    own: tuple[Step, ...] = (
        *mends,
        *(dismantle(seen, each) for each in surplus if each.settled),
        *(membership_steps(seen, mine, now) if now else ()),
    )
    if mends and isinstance(mends[0], Tag) and mends[0].adopting:
        own = (mends[0],)  # before it is ours, nothing else of it is changed
        step = _choose(seen, mine, own)
    else:
        parts = (routes.step if routes else None, eip.step if eip else None)
        # A route and an EIP need the HaVip for as long as a call takes, a joiner for seconds.
        joiners = tuple(each for each in own if isinstance(each, Associate))
        others = tuple(each for each in own if not isinstance(each, Associate))
        step = _choose(seen, mine, (*others, *parts, *joiners))
    watch = (eip.watch if eip else frozenset()) | (routes.watch if routes else frozenset())
    if any(not each.settled for each in (mine, *surplus)):
        watch |= {HA_VIPS}
    leaving = [each.node.name for each in base.members if each.state is MemberState.LEAVING]
    request, again = announcing(seen, holder)
    if leaving and step is None:
        again = min(again, 1.0)
    if hearing(seen, base.members) is None:
        again = min(again, LOOK_AGAIN_SECONDS)
    waiting = f"Waiting for {', '.join(leaving)} to hand the address over." if leaving else ""
    if not mine.settled:
        waiting = f"The cloud says {mine.status}."
    return replace(
        base,
        step=step,
        mend=mends[0] if mends else None,
        eip=eip,
        routes=routes,
        trouble=_held_up(seen, own),
        announce=request,
        waiting=waiting,
        watch=watch,
        retry_seconds=again if again < float("inf") else None,
    )


def _choose(seen: Observation, mine: HaVipFacts, candidates: Iterable[Step | None]) -> Step | None:
    """Return the first step that can be taken now."""
    for each in candidates:
        if each is None or subject(each) in seen.resting:
            continue
        if seen.stale & rests_on(each):
            continue
        if needs_rest(each) and (not mine.settled or HA_VIP in seen.resting):
            continue
        return each
    return None


def _held_up(seen: Observation, own: tuple[Step, ...]) -> HaVipError | None:
    """Return what was said to the last try of what the HaVip itself still needs.

    EIP and routes have conditions of their own, and a member that is refused a reason.
    """
    subjects = [subject(each) for each in own if not isinstance(each, Associate)]
    if own:
        subjects.insert(0, HA_VIP)
    return next((seen.setbacks[each] for each in subjects if each in seen.setbacks), None)


def _objection(seen: Observation) -> HaVipError | None:
    """Say why the counterpart cannot be used."""
    mine = seen.cloud.mine if seen.cloud else None
    if seen.cloud is None or mine is None:
        return None
    if seen.cloud.foreign:
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
    if cloud is None or klass is None or not cloud.absent or cloud.early:
        waiting = "The HaVip is missing from the last listing; looking again."
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


def _mends(seen: Observation, mine: HaVipFacts) -> list[Step]:
    """Mend what somebody changed, or what the user wants otherwise now.

    An adopted HaVip keeps the texts that it has unless the spec gives others.
    """
    havip = seen.havip
    steps: list[Step] = []
    wanted = wanted_tags(havip, seen.cluster_id, havip.spec.tags)
    missing = {key: value for key, value in wanted.items() if mine.tags.get(key) != value}
    if missing:
        adopting = owner_of(mine.tags, seen.cluster_id, havip.metadata.uid) == ""
        adopting = adopting and havip.spec.adopt is not None
        steps.append(Tag(ResourceType.HA_VIP, mine.ha_vip_id, missing, adopting=adopting))
    name, description = havip.cloud_name, havip.spec.description
    if havip.spec.adopt is not None:
        name, description = havip.spec.name or mine.name, description or mine.description
    if (mine.name, mine.description) != (name, description):
        steps.append(Modify(mine.ha_vip_id, name, description))
    group = havip.spec.resource_group_id
    if group and group != mine.resource_group_id:
        steps.append(Move(ResourceType.HA_VIP, mine.ha_vip_id, group))
    return steps
