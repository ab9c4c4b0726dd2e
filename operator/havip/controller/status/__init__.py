"""What a HaVip reports: worked out from what was seen and what is planned. Pure.

Every condition says, when it is not True, what to do or what is being done about it. A status
equal to the stored one is not written, so nothing in it changes by itself with time.
"""

from havip.api.conditions import (
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    set_condition,
)
from havip.api.errors import NotFound, UserError
from havip.api.havip import EipStatus, HaVipStatus
from havip.controller.observe import Observation
from havip.controller.plan import Plan, ever_tried
from havip.controller.plan.hearing import hearing
from havip.controller.plan.outcome import NOT_WANTED_EIP, NOT_WANTED_ROUTES, Verdict
from havip.controller.plan.placement import placement
from havip.controller.plan.steps import HA_VIP, Create, Tag
from havip.controller.status.holding import holder_of, last_failover
from havip.controller.status.members import is_ready, members_of, members_ready
from havip.controller.status.views import consistent, held

__all__ = ["UNACCEPTABLE", "holder_of", "status"]

UNACCEPTABLE = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.NOT_FOUND,
        Reason.CLASS_NOT_FOUND,
        Reason.CREDENTIALS_MISSING,
        Reason.CREDENTIALS_REFUSED,
        Reason.PERMISSION_MISSING,
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
    ConditionType.EIP_BOUND,
    ConditionType.ROUTES_BOUND,
)

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


def status(seen: Observation, planned: Plan) -> HaVipStatus:
    """Return the status to report."""
    before = seen.havip.status
    mine, gone = seen.mine, seen.cloud is not None and seen.cloud.absent
    members = members_of(seen, planned)
    ready = sum(1 for each in members if is_ready(each))
    holder = holder_of(seen)
    wanted = planned.wanted if planned.wanted is not None else before.wanted_members
    eip = planned.eip.status if planned.eip else before.eip
    after = HaVipStatus(
        ha_vip_id=mine.ha_vip_id if mine else before.ha_vip_id,
        address=mine.address if mine else before.address,
        eip_address=_eip_address(seen, planned, eip, gone=gone),
        holder=holder,
        cloud_master=_master(seen, gone=gone),
        members=members,
        wanted_members=wanted,
        ready_members=ready,
        members_summary=f"{ready}/{wanted or 0}",
        eip=eip,
        last_allocated_eip=(planned.eip.last_allocated if planned.eip else "")
        or before.last_allocated_eip,
        routes=planned.routes.status if planned.routes else before.routes,
        adopted=planned.adopted or before.adopted,
        fenced=before.fenced if seen.deleting else planned.fenced,
        announce_request=planned.announce,
        last_failover=last_failover(seen, holder),
        observed_generation=seen.havip.metadata.generation,
        conditions=before.conditions,
    )
    conditions = after.conditions
    for type_, verdict in _verdicts(seen, planned, after, ready, wanted or 0).items():
        conditions = set_condition(
            conditions,
            type_,
            *verdict,
            now=seen.now,
            observed_generation=seen.havip.metadata.generation,
        )
    return after.model_copy(update={"conditions": conditions})


def _verdicts(
    seen: Observation, planned: Plan, after: HaVipStatus, ready: int, wanted: int
) -> dict[ConditionType, Verdict]:
    verdicts = {ConditionType.ACCEPTED: _accepted(seen, planned)}
    if _provisioned_is_known(seen, planned):
        verdicts[ConditionType.PROVISIONED] = _provisioned(seen, planned)
    going = Verdict(FALSE, Reason.DELETING, _why(planned)) if seen.deleting else None
    unknown = None
    if planned.trouble is not None and wanted == 0 and planned.wanted is None:
        # Nobody has looked for members yet, so nothing is wrong with the selector.
        unknown = Verdict(UNKNOWN, planned.trouble.reason, str(planned.trouble))
    verdicts[ConditionType.MEMBERS_READY] = (
        going or unknown or members_ready(after, ready, wanted, seen.setbacks.get(HA_VIP))
    )
    verdicts[ConditionType.HELD] = held(seen, after.holder)
    verdicts[ConditionType.CONSISTENT] = going or consistent(seen, after)
    if eip := _eip_bound(seen, planned):
        verdicts[ConditionType.EIP_BOUND] = eip
    if routes := _routes_bound(seen, planned):
        verdicts[ConditionType.ROUTES_BOUND] = routes
    verdicts[ConditionType.READY] = _ready(seen, planned, verdicts)
    known = not seen.deleting and planned.wanted is not None
    if known and (spread := placement(seen, planned.members)):
        verdicts[ConditionType.SPREAD_ADVISED] = spread
    if known and (heard := hearing(seen, planned.members)):
        verdicts[ConditionType.PEERS_HEARD] = heard
    return verdicts


def _master(seen: Observation, *, gone: bool) -> str | None:
    """Return whom the cloud sends the traffic to, as it said last."""
    if seen.mine is not None:
        return seen.mine.master_instance_id or None
    return None if gone else seen.havip.status.cloud_master


def _eip_address(
    seen: Observation, planned: Plan, eip: EipStatus | None, *, gone: bool
) -> str | None:
    """Return the public address that leads to the HaVip, whoever bound it."""
    if seen.mine is None and not gone:
        return seen.havip.status.eip_address
    bound = seen.mine.associated_eip_addresses if seen.mine else frozenset()
    # The EIPs' own listing may know first; whoever waits for EipBound wants the address then.
    if eip and (eip.address in bound or _says_bound(planned)):
        return eip.address
    return min(bound, default=None)


def _says_bound(planned: Plan) -> bool:
    return planned.eip is not None and planned.eip.verdict.reason is Reason.BOUND


def _accepted(seen: Observation, planned: Plan) -> Verdict:
    trouble = planned.trouble
    if isinstance(trouble, UserError) and trouble.reason in UNACCEPTABLE:
        return Verdict(FALSE, trouble.reason, str(trouble))
    if seen.havip.spec.suspend:
        told = "spec.suspend is set: nothing is changed in the cloud."
        return Verdict(TRUE, Reason.SUSPENDED, told)
    return Verdict(TRUE, Reason.ACCEPTED, "The object and all it names can work.")


def _provisioned_is_known(seen: Observation, planned: Plan) -> bool:
    """Tell whether to speak of the cloud at all; see ``plan.ever_tried``."""
    if ever_tried(seen.havip) or planned.step is not None:
        return True
    return seen.mine is not None and not seen.deleting


def _provisioned(seen: Observation, planned: Plan) -> Verdict:
    before = find_condition(seen.havip.status.conditions, ConditionType.PROVISIONED)
    if seen.deleting:
        return Verdict(FALSE, Reason.DELETING, _why(planned))
    trouble, mine = planned.trouble, seen.mine
    if trouble is not None:
        gone = isinstance(trouble, NotFound) and mine is None and seen.cloud is not None
        there = before is not None and before.status is TRUE
        if there and not isinstance(trouble, UserError) and not gone:
            return Verdict(TRUE, trouble.reason, f"It was so when last seen. {trouble}")
        return Verdict(FALSE, trouble.reason, str(trouble))
    if seen.cloud is None or (mine is None and not seen.cloud.absent):
        # One listing that lacks it proves nothing.
        if before is not None:
            return Verdict(before.status, before.reason, before.message)
        return Verdict(UNKNOWN, Reason.PENDING, planned.waiting)
    if mine is None or mine.status.lower() == "creating":
        creating = mine is not None or isinstance(planned.step, Create)
        told = "The HaVip is being created." if creating else _why(planned)
        return Verdict(FALSE, Reason.CREATING, told)
    looking = seen.havip.spec.adopt is not None and planned.adopted is None
    if looking or (isinstance(planned.mend, Tag) and planned.mend.adopting):
        return Verdict(FALSE, Reason.UPDATING, f"{mine.ha_vip_id} is being adopted.")
    if planned.mend is None:
        told = f"{mine.ha_vip_id} has the address {mine.address}."
        return Verdict(TRUE, Reason.PROVISIONED, told)
    told = f"{mine.ha_vip_id} is being changed to what the spec says."
    return Verdict(FALSE, Reason.UPDATING, told)


def _eip_bound(seen: Observation, planned: Plan) -> Verdict | None:
    if planned.eip is not None:
        return planned.eip.verdict
    wanted = seen.havip.spec.eip is not None or seen.havip.status.eip is not None
    return _kept_back(seen, planned, ConditionType.EIP_BOUND, None if wanted else NOT_WANTED_EIP)


def _routes_bound(seen: Observation, planned: Plan) -> Verdict | None:
    if planned.routes is not None:
        return planned.routes.verdict
    wanted = bool(seen.havip.spec.routes or seen.havip.status.routes)
    nothing = None if wanted else NOT_WANTED_ROUTES
    return _kept_back(seen, planned, ConditionType.ROUTES_BOUND, nothing)


def _kept_back(
    seen: Observation, planned: Plan, type_: ConditionType, nothing: Verdict | None
) -> Verdict | None:
    """What to say of a part that could not be looked at: what was so, or that it has to wait.

    ``nothing`` is what to say where there is nothing to be had.
    """
    before = find_condition(seen.havip.status.conditions, type_)
    idle = before is not None and before.reason == Reason.NOT_WANTED
    if nothing is not None:
        return None if idle else nothing
    if seen.deleting:
        return Verdict(FALSE, Reason.DELETING, _why(planned))
    gone = seen.cloud is not None and seen.cloud.absent
    if before is not None and not idle and not gone:
        return None
    return Verdict(UNKNOWN, Reason.PENDING, f"The HaVip comes first. {_why(planned)}")


def _why(planned: Plan) -> str:
    return (
        " ".join(part for part in (planned.waiting, str(planned.trouble or "")) if part)
        or "It is under way."
    )


def _ready(seen: Observation, planned: Plan, verdicts: dict[ConditionType, Verdict]) -> Verdict:
    if seen.deleting:
        return Verdict(FALSE, Reason.DELETING, _why(planned))
    unseen = Verdict(UNKNOWN, Reason.PENDING, "The cloud has not been seen yet.")
    if planned.trouble is not None:
        unseen = Verdict(UNKNOWN, planned.trouble.reason, str(planned.trouble))
    for type_ in SUMMARISED:
        known = find_condition(seen.havip.status.conditions, type_)
        if type_ in verdicts:
            value, reason, message = verdicts[type_]
        elif known is not None and type_ is not ConditionType.PROVISIONED:
            value, reason, message = known.status, known.reason, known.message
        else:
            value, reason, message = unseen
        if value is not TRUE:
            return Verdict(FALSE, reason, message)
    return Verdict(TRUE, Reason.READY, "Traffic to the address is answered.")
