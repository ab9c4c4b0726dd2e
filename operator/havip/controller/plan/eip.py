"""What becomes of the EIP: which one is wanted, and the next step towards it.

Pure. A HaVip takes one EIP. What others bound is left bound while the object lives; what others own
is never released.
"""

from dataclasses import replace

from havip.api.conditions import ConditionStatus, Reason
from havip.api.errors import UserError
from havip.api.havip import EipAllocation, EipStatus, HaVip
from havip.cloud.port import EipFacts, HaVipFacts, NewEip, ResourceType
from havip.controller.cloudview import EipView, owner_of, wanted_tags
from havip.controller.needs import EIPS, HA_VIPS
from havip.controller.observe import Observation
from havip.controller.plan.outcome import NOT_WANTED_EIP, EipPart, Verdict
from havip.controller.plan.owned import (
    dispose,
    found_before,
    give_up,
    is_ours,
    lingers,
    newest,
    nothing_left,
    ours_bound,
    owned_eips,
    still_allocating,
)
from havip.controller.plan.steps import (
    EIP,
    AllocateEip,
    AssociateEip,
    ModifyEip,
    Move,
    Step,
    Tag,
    UnassociateEip,
)

TRUE, FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE


def eip_part(seen: Observation, mine: HaVipFacts) -> EipPart | None:
    """Decide on the EIP of a living HaVip; None while the EIPs have not been seen."""
    before = seen.havip.status.eip
    if seen.havip.spec.eip is None and before is None:
        return EipPart(_foreign_note(mine))
    # What was listed before our last change would put the wrong one on record.
    error, view = seen.setbacks.get(EIP), None if EIPS in seen.stale else seen.eips
    for_user = isinstance(error, UserError)
    if view is None and not for_user:
        return None
    part = EipPart(status=before)
    if view is not None:
        part = replace(_part(seen, mine, view), last_allocated=newest(seen, view))
    if error is None or (part.step is None and view is not None):
        return part
    # What only has to be waited for does not unsay what works.
    told = FALSE if for_user else part.verdict.status
    return replace(part, verdict=Verdict(told, error.reason, str(error)))


def _part(seen: Observation, mine: HaVipFacts, view: EipView) -> EipPart:
    spec = seen.havip.spec.eip
    if spec is None:
        return _nothing_wanted(seen, mine, view)
    if spec.allocate is not None:
        return _allocated(seen, mine, view, spec.allocate)
    return _named(seen, mine, view, spec.allocation_id or "")


def _foreign_note(mine: HaVipFacts) -> Verdict:
    if not mine.associated_eip_addresses:
        return NOT_WANTED_EIP
    bound = ", ".join(sorted(mine.associated_eip_addresses))
    return Verdict(
        TRUE,
        Reason.NOT_WANTED,
        f"spec.eip is not set; {bound}, which others bound, is left alone.",
    )


# -- what is wanted


def _nothing_wanted(seen: Observation, mine: HaVipFacts, view: EipView) -> EipPart:
    """``spec.eip`` was taken away: unbind what we bound, release what we allocated.

    What goes is not wanted, so nothing is missing meanwhile.
    """
    bound = ours_bound(seen, mine.ha_vip_id, view)
    if bound is not None and not found_before(seen.havip, bound):
        part = _unbind(seen, mine, view, bound)
        return replace(part, verdict=part.verdict._replace(status=TRUE))
    if _in_doubt(seen, mine):
        part = _lingering(seen, view)
        return replace(part, verdict=part.verdict._replace(status=TRUE))
    step, passing = dispose(seen, owned_eips(seen, view))
    if step is None and not passing and nothing_left(seen, view):
        return EipPart(_foreign_note(mine))
    verdict = Verdict(TRUE, Reason.UNBINDING, "The EIP that was allocated is being given back.")
    return EipPart(verdict, _as_before(seen, view), step, watch=frozenset({EIPS}))


def _named(seen: Observation, mine: HaVipFacts, view: EipView, wanted: str) -> EipPart:
    before = _as_before(seen, view)
    target = view.facts.get(wanted)
    if target is None:
        told = f"There is no EIP {wanted} in this region of the account: correct"
        verdict = Verdict(FALSE, Reason.EIP_NOT_FOUND, f"{told} spec.eip.allocationId.")
        return EipPart(_with_what_stays(seen, view, verdict), before)
    objection = _objection(seen, mine, target)
    if objection is not None:
        return EipPart(_with_what_stays(seen, view, objection), before)
    part = _bind(seen, mine, view, target, allocated=False)
    if part.step is None and target.settled and is_ours(seen, target):
        # The user names what we allocated: from now on it is theirs.
        return replace(part, step=give_up(target))
    return part


def _with_what_stays(seen: Observation, view: EipView, verdict: Verdict) -> Verdict:
    """Say what we allocated and keep: a mistake in the name must not cost the address in use."""
    kept = [f"{key} ({each.address})" for key, each in owned_eips(seen, view).items()]
    if not kept:
        return verdict
    told = f"{verdict.message} What was allocated stays meanwhile: {', '.join(kept)}."
    return verdict._replace(message=told)


def _objection(seen: Observation, mine: HaVipFacts, eip: EipFacts) -> Verdict | None:
    """Say why an EIP cannot be ours to bind. What is bound now stays bound meanwhile."""
    owner = owner_of(eip.tags, seen.cluster_id, seen.havip.metadata.uid)
    name = f"{eip.allocation_id} ({eip.address})"
    if owner not in ("", "us"):
        return Verdict(
            FALSE,
            Reason.OWNED_BY_ANOTHER,
            f"{name} was allocated for {owner}: name another EIP in spec.eip.",
        )
    if eip.instance_id and eip.instance_id != mine.ha_vip_id:
        return Verdict(
            FALSE,
            Reason.EIP_ELSEWHERE,
            f"{name} is bound to {eip.instance_type} {eip.instance_id}: unbind it there, or name"
            " another EIP in spec.eip.",
        )
    if eip.service_managed:
        return Verdict(
            FALSE,
            Reason.EIP_UNUSABLE,
            f"{name} belongs to another product of the cloud: name another EIP in spec.eip.",
        )
    if eip.business_status.lower() not in ("", "normal"):
        return Verdict(
            FALSE,
            Reason.EIP_UNUSABLE,
            f"{name} is locked ({eip.business_status}): settle the account's bill.",
        )
    return None


def _allocated(seen: Observation, mine: HaVipFacts, view: EipView, wish: EipAllocation) -> EipPart:
    havip = seen.havip
    before = havip.status.eip
    owned = owned_eips(seen, view)
    known = before.allocation_id if before else ""
    target = owned.get(known) or next(iter(owned.values()), None)
    if target is None:
        # Bound by now is the one before it, if any: it is unbound when there is another.
        last = havip.status.last_allocated_eip
        unsure = before is not None and before.allocated and not view.sure
        if last and (view.early or unsure):
            told = f"{last} is missing from the last listing; looking again."
            verdict = Verdict(FALSE, Reason.ALLOCATING, told)
            return EipPart(verdict, before, watch=frozenset({EIPS}))
        new = _new_eip(havip, seen.cluster_id, wish)
        step = AllocateEip(new, instead_of=havip.status.last_allocated_eip or "")
        on_record = (before or EipStatus()).model_copy(update={"allocating": True})
        verdict = Verdict(FALSE, Reason.ALLOCATING, "An EIP is being allocated.")
        return EipPart(verdict, on_record, step)
    objection = _objection(seen, mine, target)
    if objection is not None:
        return EipPart(objection, _status(seen, view, target, allocated=True))
    part = _bind(seen, mine, view, target, allocated=True)
    if part.step is not None or not target.settled:
        return part
    return replace(part, step=_mend(seen, target, wish))


def _new_eip(havip: HaVip, cluster_id: str, wish: EipAllocation) -> NewEip:
    return NewEip(
        bandwidth_mbps=wish.bandwidth_mbps,
        internet_charge_type=str(wish.internet_charge_type),
        isp=wish.isp,
        public_ip_pool=wish.public_ip_pool or "",
        name=wish.name or havip.cloud_name,
        description=wish.description,
        resource_group_id=wish.resource_group_id or "",
        tags=wanted_tags(havip, cluster_id, wish.tags),
    )


def _mend(seen: Observation, eip: EipFacts, wish: EipAllocation) -> Step | None:
    """Mend what somebody changed of an EIP that we allocated, or what is wanted otherwise now."""
    new = _new_eip(seen.havip, seen.cluster_id, wish)
    missing = {key: value for key, value in new.tags.items() if eip.tags.get(key) != value}
    if missing:
        return Tag(ResourceType.EIP, eip.allocation_id, missing)
    wanted = (new.name, new.description, new.bandwidth_mbps)
    if (eip.name, eip.description, eip.bandwidth_mbps) != wanted:
        return ModifyEip(eip.allocation_id, *wanted)
    group = new.resource_group_id
    if group and group != eip.resource_group_id:
        return Move(ResourceType.EIP, eip.allocation_id, group)
    return None


# -- bind and unbind


def _bind(
    seen: Observation, mine: HaVipFacts, view: EipView, target: EipFacts, *, allocated: bool
) -> EipPart:
    """Have this EIP bound, after whichever of ours is bound, and be rid of what it replaces."""
    bound = ours_bound(seen, mine.ha_vip_id, view)
    if bound is not None and bound.allocation_id != target.allocation_id:
        return _unbind(seen, mine, view, bound)
    before = seen.havip.status.eip
    if before and before.allocation_id != target.allocation_id and _in_doubt(seen, mine):
        return _lingering(seen, view)
    after = _status(seen, view, target, allocated=allocated)
    name = f"{target.allocation_id} ({target.address})"
    here = target.instance_id == mine.ha_vip_id
    if not here and (others := _foreign(mine, view)):
        told = (
            f"{', '.join(others)}, which others bound, is bound to the HaVip, and it takes one EIP:"
            " unbind it, or name it in spec.eip.allocationId."
        )
        return EipPart(Verdict(FALSE, Reason.FOREIGN_EIP, told), after)
    if not target.settled:
        verdict = Verdict(FALSE, Reason.BINDING, f"The cloud says {target.status} of {name}.")
        return EipPart(verdict, after, watch=frozenset({EIPS}))
    if not here:
        step = AssociateEip(target.allocation_id, mine.ha_vip_id)
        return EipPart(Verdict(FALSE, Reason.BINDING, f"{name} is being bound."), after, step)
    rest, passing = dispose(seen, owned_eips(seen, view), but=target.allocation_id)
    watch = frozenset({EIPS}) if passing else frozenset()
    return EipPart(Verdict(TRUE, Reason.BOUND, f"{name} is bound."), after, rest, watch=watch)


def _foreign(mine: HaVipFacts, view: EipView) -> list[str]:
    """Return the addresses bound to the HaVip while none of ours is.

    By two listings that may differ by a moment: what we just unbound is no stranger's.
    """
    known = {each.address for each in view.facts.values()}
    bound = {each.address for each in view.facts.values() if each.instance_id == mine.ha_vip_id}
    return sorted(bound | (mine.associated_eip_addresses - known))


def _unbind(seen: Observation, mine: HaVipFacts, view: EipView, eip: EipFacts) -> EipPart:
    before = _as_before(seen, view)
    name = f"{eip.allocation_id} ({eip.address})"
    verdict = Verdict(FALSE, Reason.UNBINDING, f"{name} is being unbound.")
    if not eip.settled:
        return EipPart(verdict, before, watch=frozenset({EIPS}))
    return EipPart(verdict, before, UnassociateEip(eip.allocation_id, mine.ha_vip_id))


def _in_doubt(seen: Observation, mine: HaVipFacts) -> bool:
    """Whether the EIP on record may be bound, though the listing of EIPs does not show it.

    While the listings are older than what we did they prove nothing, and the record must stay.
    """
    return lingers(seen, mine) or bool(seen.stale & {EIPS, HA_VIPS})


def _lingering(seen: Observation, view: EipView) -> EipPart:
    told = "Whether the EIP on record is bound is not sure; looking again."
    verdict = Verdict(FALSE, Reason.UNBINDING, told)
    return EipPart(verdict, _as_before(seen, view), watch=frozenset({EIPS, HA_VIPS}))


def _status(seen: Observation, view: EipView, eip: EipFacts, *, allocated: bool) -> EipStatus:
    before = seen.havip.status.eip or EipStatus()
    same = before.allocation_id == eip.allocation_id
    return EipStatus(
        allocation_id=eip.allocation_id,
        address=eip.address,
        former=before.former if same else before.allocation_id,
        allocated=allocated,
        allocating=still_allocating(seen, view),
    )


def _as_before(seen: Observation, view: EipView) -> EipStatus | None:
    before = seen.havip.status.eip
    if before is None:
        return None
    return before.model_copy(update={"allocating": still_allocating(seen, view)})
