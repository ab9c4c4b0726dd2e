"""What is reported of a HaVipClass, from what was seen. Pure."""

from dataclasses import dataclass
from datetime import datetime

from havip.api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    set_condition,
)
from havip.api.errors import CloudError, HaVipError, UserError
from havip.api.havipclass import HaVipClass, HaVipClassStatus
from havip.cloud.port import Identity

NEAR = 0.9
"""Part of a quota from which on it is spoken of."""
AS_LAST_SEEN = "It was so when last seen."


@dataclass(frozen=True, slots=True)
class ClassSight:
    """All that is known of a class."""

    now: datetime
    klass: HaVipClass
    identity: Identity | None = None
    """None where nobody says."""
    vpc_id: str = ""
    ha_vips: int | None = None
    """HaVips in the VPC, of anybody; None until they were listed."""
    trouble: HaVipError | None = None
    """Why the class cannot work, or why nobody knows."""


def class_status(seen: ClassSight) -> HaVipClassStatus:
    """Return the status to report; what is not known now stays as it was."""
    klass, before = seen.klass, seen.klass.status
    status, reason, message = _verdict(seen)
    return before.model_copy(
        update={
            "observed_generation": klass.metadata.generation,
            "account_id": seen.identity.account_id if seen.identity else before.account_id,
            "identity": seen.identity.arn if seen.identity else before.identity,
            "ha_vips": before.ha_vips if seen.ha_vips is None else seen.ha_vips,
            "conditions": set_condition(
                before.conditions,
                ConditionType.ACCEPTED,
                status,
                reason,
                message,
                now=seen.now,
                observed_generation=klass.metadata.generation,
            ),
        }
    )


def _verdict(seen: ClassSight) -> tuple[ConditionStatus, str, str]:
    before = find_condition(seen.klass.status.conditions, ConditionType.ACCEPTED)
    if before is not None and before.observed_generation != seen.klass.metadata.generation:
        before = None
    error = seen.trouble
    if isinstance(error, UserError):
        return ConditionStatus.FALSE, error.reason, str(error)
    if error is not None:
        return _unknown(before, error)
    if seen.ha_vips is not None:
        return ConditionStatus.TRUE, Reason.ACCEPTED, _accepted(seen, seen.ha_vips)
    if before is not None:
        return before.status, before.reason, before.message
    return ConditionStatus.UNKNOWN, Reason.PENDING, "Nobody has looked at the cloud yet."


def _unknown(before: Condition | None, error: HaVipError) -> tuple[ConditionStatus, str, str]:
    accepted = before is not None and before.status is ConditionStatus.TRUE
    if before is not None and before.reason == error.reason:
        # The words may differ from try to try.
        return before.status, before.reason, before.message
    if accepted and isinstance(error, CloudError):
        return ConditionStatus.TRUE, error.reason, f"{error} {AS_LAST_SEEN}"
    return ConditionStatus.UNKNOWN, error.reason, str(error)


def _accepted(seen: ClassSight, ha_vips: int) -> str:
    limit = seen.klass.spec.limits.ha_vips_per_vpc
    message = f"HaVips are made in {seen.klass.spec.v_switch_id} of {seen.vpc_id}."
    if ha_vips >= NEAR * limit:
        message += (
            f" The VPC has {ha_vips} HaVips of the {limit} that it may have: free some, or apply"
            " for a higher quota and say so in spec.limits."
        )
    return message
