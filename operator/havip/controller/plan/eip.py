"""What becomes of the EIP: which one is wanted, which is ours, and the next step between the two.

Pure. A HaVip takes one EIP. Ours is what we bound by ``spec.eip.allocationId``, and what we
allocated, which carries our tags. What others bound is left bound while the object lives; what
others own is never released.
"""

from collections.abc import Mapping
from dataclasses import replace

from havip.api.conditions import ConditionStatus, Reason
from havip.api.havip import EipAllocation, EipStatus, HaVip
from havip.cloud.port import EipFacts, HaVipFacts, NewEip, ResourceType
from havip.controller.cloudview import OWNERSHIP_TAGS, EipView, owner_of, wanted_tags
from havip.controller.needs import EIPS, HA_VIPS
from havip.controller.observe import Observation
from havip.controller.plan.outcome import NOT_WANTED_EIP, EipPart, Verdict
from havip.controller.plan.steps import (
    EIP,
    AllocateEip,
    AssociateEip,
    ModifyEip,
    Move,
    ReleaseEip,
    Step,
    Tag,
    UnassociateEip,
    Untag,
)

TRUE, FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE
POST_PAID = "postpaid"


def eip_part(seen: Observation, mine: HaVipFacts) -> EipPart | None:
    """Decide on the EIP of a living HaVip; None while the EIPs have not been seen."""
    before = seen.havip.status.eip
    if seen.havip.spec.eip is None and before is None:
        return EipPart(_foreign_note(mine))
    refusal = seen.refusal(EIP)
    part = _part(seen, mine, seen.eips) if seen.eips is not None else EipPart(status=before)
    if refusal is not None and (part.step is not None or seen.eips is None):
        return replace(part, verdict=Verdict(FALSE, refusal.reason, str(refusal)))
    return part if seen.eips is not None else None


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


# -- which are ours


def owned_eips(seen: Observation, view: EipView) -> dict[str, EipFacts]:
    """Return the EIPs that we allocated for this HaVip, by id.

    One that lost our tags counts while its id is on record, so that they are put on again; it is
    not released without them.
    """
    before = seen.havip.status.eip
    on_record = before.allocation_id if before and before.allocated else ""
    uid = seen.havip.metadata.uid
    return {
        each.allocation_id: each
        for each in sorted(view.facts.values(), key=lambda facts: facts.allocation_id)
        if (owner := owner_of(each.tags, seen.cluster_id, uid)) == "us"
        or (not owner and each.allocation_id == on_record)
    }


def ours_bound(
    seen: Observation, mine_id: str, owned: Mapping[str, EipFacts], view: EipView
) -> EipFacts | None:
    """Return the EIP that we bound to the HaVip, if it is still bound to it."""
    before = seen.havip.status.eip
    for each in view.facts.values():
        ours = each.allocation_id in owned or (
            before is not None and each.allocation_id == before.allocation_id
        )
        if each.instance_id == mine_id and ours and not found_before(seen.havip, each):
            return each
    return None


def lingers(seen: Observation, mine: HaVipFacts) -> bool:
    """Whether the HaVip shows the EIP on record, whatever the listing of EIPs says.

    One of the two listings is late then, and what is on record may still have to be unbound.
    """
    before, adopted = seen.havip.status.eip, seen.havip.status.adopted
    if before is None or before.address not in mine.associated_eip_addresses:
        return False
    return adopted is None or before.address not in adopted.eip_addresses


def found_before(havip: HaVip, eip: EipFacts) -> bool:
    """Whether an adopted HaVip had this EIP already."""
    return havip.status.adopted is not None and eip.address in havip.status.adopted.eip_addresses


def dispose(
    seen: Observation, owned: Mapping[str, EipFacts], *, but: str = "", release: bool = True
) -> tuple[Step | None, bool]:
    """Return the step that rids us of an EIP of ours, and whether one is in transition.

    One that cannot be released by us any more (prepaid, protected, bound elsewhere by somebody)
    is given up: our tags come off, and it is whose it became.
    """
    passing = False
    for each in owned.values():
        if each.allocation_id == but:
            continue
        if not each.settled:
            passing = True
        elif step := _ending(seen, each, release=release):
            return step, passing
    return None, passing


def _ending(seen: Observation, eip: EipFacts, *, release: bool) -> Step | None:
    if not _is_ours(seen, eip):
        return None
    mortal = eip.charge_type.lower() == POST_PAID and not eip.deletion_protection
    if release and mortal and not eip.instance_id:
        return ReleaseEip(eip.allocation_id)
    return _give_up(eip)


def _give_up(eip: EipFacts) -> Step:
    ours = tuple(key for key in OWNERSHIP_TAGS if key in eip.tags)
    return Untag(ResourceType.EIP, eip.allocation_id, ours)


def _is_ours(seen: Observation, eip: EipFacts) -> bool:
    return owner_of(eip.tags, seen.cluster_id, seen.havip.metadata.uid) == "us"


# -- what is wanted


def _nothing_wanted(seen: Observation, mine: HaVipFacts, view: EipView) -> EipPart:
    """``spec.eip`` was taken away: unbind what we bound, release what we allocated."""
    before = seen.havip.status.eip
    owned = owned_eips(seen, view)
    bound = ours_bound(seen, mine.ha_vip_id, owned, view)
    if bound is not None:
        return _unbind(seen, mine, bound)
    if lingers(seen, mine):
        return _lingering(seen)
    step, passing = dispose(seen, owned)
    if step is None and not passing and nothing_left(seen, view):
        return EipPart(_foreign_note(mine))
    verdict = Verdict(FALSE, Reason.UNBINDING, "The EIP that was allocated is being released.")
    return EipPart(verdict, before, step, frozenset({EIPS}))


def nothing_left(seen: Observation, view: EipView) -> bool:
    """Whether the cloud surely has no EIP of ours, nor will have one that we asked for."""
    before = seen.havip.status.eip
    asked = before is not None and (before.allocated or before.allocating)
    left = any(_is_ours(seen, each) for each in view.facts.values())
    return not left and (view.sure or not asked)


def _named(seen: Observation, mine: HaVipFacts, view: EipView, wanted: str) -> EipPart:
    before = seen.havip.status.eip
    target = view.facts.get(wanted)
    if target is None:
        return EipPart(
            Verdict(
                FALSE,
                Reason.EIP_NOT_FOUND,
                f"There is no EIP {wanted} in this region of the account: correct"
                " spec.eip.allocationId.",
            ),
            before,
        )
    objection = _objection(seen, mine, target)
    if objection is not None:
        return EipPart(objection, before)
    part = _bind(seen, mine, view, target, allocated=False)
    if part.step is None and target.settled and _is_ours(seen, target):
        # The user names what we allocated: from now on it is theirs.
        return replace(part, step=_give_up(target))
    return part


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
        if before is not None and before.allocated and before.allocation_id and not view.sure:
            return EipPart(
                Verdict(FALSE, Reason.ALLOCATING, "The EIP is missing from one listing."),
                before,
                watch=frozenset({EIPS}),
            )
        new = _new_eip(havip, seen.cluster_id, wish)
        step = AllocateEip(new, instead_of=havip.status.last_allocated_eip or "")
        on_record = (before or EipStatus()).model_copy(update={"allocating": True})
        verdict = Verdict(FALSE, Reason.ALLOCATING, "An EIP is being allocated.")
        return EipPart(verdict, on_record, step)
    objection = _objection(seen, mine, target)
    if objection is not None:
        return EipPart(objection, _status(target, allocated=True))
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
    owned = owned_eips(seen, view)
    bound = ours_bound(seen, mine.ha_vip_id, owned, view)
    if bound is not None and bound.allocation_id != target.allocation_id:
        return _unbind(seen, mine, bound)
    before = seen.havip.status.eip
    if before and before.allocation_id != target.allocation_id and lingers(seen, mine):
        return _lingering(seen)
    after = _status(target, allocated=allocated)
    name = f"{target.allocation_id} ({target.address})"
    if target.instance_id != mine.ha_vip_id:
        # By two listings that may differ by a moment: what we just unbound is no stranger's.
        known = {each.address for each in view.facts.values()}
        if others := mine.associated_eip_addresses - known:
            return EipPart(
                Verdict(
                    FALSE,
                    Reason.FOREIGN_EIP,
                    f"{', '.join(sorted(others))}, which others bound, is bound to the HaVip, and"
                    " it takes one EIP: unbind it, or name it in spec.eip.allocationId.",
                ),
                seen.havip.status.eip,
            )
    if not target.settled:
        return EipPart(
            Verdict(FALSE, Reason.BINDING, f"The cloud says {target.status} of {name}."),
            after,
            watch=frozenset({EIPS}),
        )
    if target.instance_id != mine.ha_vip_id:
        step = AssociateEip(target.allocation_id, mine.ha_vip_id)
        return EipPart(Verdict(FALSE, Reason.BINDING, f"{name} is being bound."), after, step)
    rest, passing = dispose(seen, owned, but=target.allocation_id)
    watch = frozenset({EIPS}) if passing else frozenset()
    return EipPart(Verdict(TRUE, Reason.BOUND, f"{name} is bound."), after, rest, watch)


def _unbind(seen: Observation, mine: HaVipFacts, eip: EipFacts) -> EipPart:
    before = seen.havip.status.eip
    name = f"{eip.allocation_id} ({eip.address})"
    verdict = Verdict(FALSE, Reason.UNBINDING, f"{name} is being unbound.")
    if not eip.settled:
        return EipPart(verdict, before, watch=frozenset({EIPS}))
    return EipPart(verdict, before, UnassociateEip(eip.allocation_id, mine.ha_vip_id))


def _lingering(seen: Observation) -> EipPart:
    told = "One listing shows the EIP bound and another does not; looking again."
    verdict = Verdict(FALSE, Reason.UNBINDING, told)
    return EipPart(verdict, seen.havip.status.eip, watch=frozenset({EIPS, HA_VIPS}))


def _status(eip: EipFacts, *, allocated: bool) -> EipStatus:
    return EipStatus(allocation_id=eip.allocation_id, address=eip.address, allocated=allocated)
