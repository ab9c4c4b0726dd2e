"""Which EIPs are ours, and how we are rid of them. Pure.

Ours is what we bound by ``spec.eip.allocationId``, and what we allocated, which carries our tags.
What we allocated is released; not what the user named since, and not what was taken out of our
hands: prepaid, protected, or bound elsewhere. That is given up: our tags come off, and it is whose
it became.
"""

from collections.abc import Mapping

from havip.api.havip import HaVip
from havip.cloud.port import EipFacts, HaVipFacts, ResourceType
from havip.controller.cloudview import OWNERSHIP_TAGS, EipView, owner_of
from havip.controller.observe import Observation
from havip.controller.plan.steps import ReleaseEip, Step, Untag

POST_PAID = "postpaid"


def is_ours(seen: Observation, eip: EipFacts) -> bool:
    """Whether an EIP carries our tags."""
    return owner_of(eip.tags, seen.cluster_id, seen.havip.metadata.uid) == "us"


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


def ours_bound(seen: Observation, mine_id: str, view: EipView) -> EipFacts | None:
    """Return the EIP that we bound to the HaVip, if it is still bound to it.

    That may be the former one: late listings may have shown it unbound.
    """
    before = seen.havip.status.eip
    on_record = {before.allocation_id, before.former} if before else set()
    owned = owned_eips(seen, view)
    for each in view.facts.values():
        ours = each.allocation_id in owned or each.allocation_id in on_record
        if each.instance_id == mine_id and ours:
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


def newest(seen: Observation, view: EipView) -> str:
    """Return the id of the EIP that was allocated last, as far as it was ever seen.

    The next allocation is in place of that one. It counts also if it is not wanted any more by the
    time it is seen: else the next one would be the same call, and give this one again.
    """
    status = seen.havip.status
    last = status.last_allocated_eip or ""
    new = sorted(each.allocation_id for each in view.facts.values() if is_ours(seen, each))
    if last and not (status.eip and status.eip.allocating):
        return last
    return next((each for each in new if each != last), last)


def still_allocating(seen: Observation, view: EipView) -> bool:
    """Whether an EIP that was asked for may still appear."""
    status = seen.havip.status
    asked = status.eip is not None and status.eip.allocating
    return asked and not view.sure and newest(seen, view) == (status.last_allocated_eip or "")


def nothing_left(seen: Observation, view: EipView) -> bool:
    """Whether the cloud surely has no EIP of ours, nor will have one that we asked for."""
    status = seen.havip.status
    ever = bool(status.last_allocated_eip) or (status.eip is not None and status.eip.allocating)
    left = any(is_ours(seen, each) for each in view.facts.values())
    return not left and (view.sure or not ever)


def dispose(
    seen: Observation, owned: Mapping[str, EipFacts], *, but: str = "", release: bool = True
) -> tuple[Step | None, bool]:
    """Return the step that rids us of an EIP of ours, and whether one is in transition."""
    passing = False
    for each in owned.values():
        if each.allocation_id == but or not is_ours(seen, each):
            continue
        if not each.settled:
            passing = True
        elif release and _is_releasable(seen, each):
            return ReleaseEip(each.allocation_id), passing
        else:
            return give_up(each), passing
    return None, passing


def _is_releasable(seen: Observation, eip: EipFacts) -> bool:
    mortal = eip.charge_type.lower() == POST_PAID and not eip.deletion_protection
    return mortal and not eip.instance_id and not _is_named(seen, eip)


def _is_named(seen: Observation, eip: EipFacts) -> bool:
    """Whether the user named what we allocated, which makes it theirs."""
    spec, before = seen.havip.spec.eip, seen.havip.status.eip
    if spec is not None:
        return spec.allocation_id == eip.allocation_id
    known = before is not None and before.allocation_id == eip.allocation_id
    return known and before is not None and not before.allocated


def give_up(eip: EipFacts) -> Step:
    """Take our tags off an EIP."""
    ours = tuple(key for key in OWNERSHIP_TAGS if key in eip.tags)
    return Untag(ResourceType.EIP, eip.allocation_id, ours)
