"""Error codes of the cloud, in families, and who must act on each.

The cloud appends suffixes to its codes and spells some of them in two ways, so the table matches
the beginning of a code (or, with a leading ``*``, any part of it), never the whole. What no family
matches and is a refusal (4xx) goes to the user with the code shown.
"""

from collections.abc import Callable
from dataclasses import dataclass

from havip.api.conditions import Reason
from havip.api.errors import (
    AddressTaken,
    BugError,
    Busy,
    CloudError,
    CredentialsRefused,
    HaVipError,
    InvalidSpec,
    NotFound,
    QuotaExceeded,
    Throttled,
    Unavailable,
)

BUSY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the cloud said when it did not do what was asked."""

    action: str
    status: int
    code: str
    message: str
    request_id: str = ""
    retry_after: float | None = None
    """Seconds the cloud asked to wait."""


Family = tuple[tuple[str, ...], Callable[[Refusal], HaVipError]]


def _user(
    kind: type[HaVipError], advice: str, reason: Reason | None = None
) -> Callable[[Refusal], HaVipError]:
    def make(refusal: Refusal) -> HaVipError:
        return kind(
            f"{advice} The cloud says to {refusal.action}: {refusal.code}: {refusal.message}",
            reason=str(reason) if reason else "",
            code=refusal.code,
            request_id=refusal.request_id,
        )

    return make


def _wait(
    kind: type[CloudError], *, outcome_unknown: bool = False, seconds: float | None = None
) -> Callable[[Refusal], HaVipError]:
    def make(refusal: Refusal) -> HaVipError:
        after = refusal.retry_after if refusal.retry_after is not None else seconds
        return kind(
            f"The cloud says to {refusal.action}: {refusal.code}: {refusal.message}",
            code=refusal.code,
            request_id=refusal.request_id,
            retry_after=after,
            outcome_unknown=outcome_unknown,
        )

    return make


FAMILIES: tuple[Family, ...] = (
    (("*Throttling",), _wait(Throttled)),
    # The same call is still being worked on: its outcome is not known yet, the token stays.
    (
        ("*LastTokenProcessing", "*IdempotentTokenProcessing"),
        _wait(Busy, outcome_unknown=True, seconds=BUSY_SECONDS),
    ),
    (
        (
            "InvalidVip.Status",
            "Incorrect",  # IncorrectHaVipStatus, IncorrectInstanceStatus, IncorrectStatus.*
            "OperationFailed",  # .DistibuteLock (spelt so), .SystemBusy
            "OperationConflict",
            "TaskConflict",
            "SystemBusy",
            "DependencyViolation",  # a member, an EIP or a route is not gone yet
            "Forbidden.UnassociateMaster",  # it became the master just now: look again
            "IdempotentParameterMismatch",  # the object changed since the last try: look again
            "SignatureNonceUsed",
        ),
        _wait(Busy, seconds=BUSY_SECONDS),
    ),
    (
        ("Forbidden.HaVip",),
        _user(
            QuotaExceeded,
            "The account may not use HaVips: apply for the quota"
            " vpc_privilege_allow_buy_havip_instance.",
        ),
    ),
    (
        ("CountLimitExceed", "QuotaExceed"),
        _user(QuotaExceeded, "A limit is reached: free something or apply for a higher quota."),
    ),
    (
        ("InvalidTimeStamp",),
        _user(CredentialsRefused, "The clock of the controller's node is wrong: set it."),
    ),
    (
        (
            "InvalidAccessKey",
            "InvalidSecurityToken",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "MissingSecurityToken",
        ),
        _user(
            CredentialsRefused,
            "The access key is not accepted: correct the Secret of the HaVipClass.",
        ),
    ),
    (
        ("Forbidden", "NoPermission"),
        _user(
            CredentialsRefused,
            "The access key lacks a permission: grant it to the RAM user or role.",
        ),
    ),
    (
        ("InvalidIPAddress", "InvalidIpAddress", "InvalidPrivateIp"),
        _user(
            AddressTaken,
            "The address cannot be had: choose a free one of the vSwitch or free this one.",
        ),
    ),
    (
        ("InvalidVSwitch", "InvalidVswitch"),
        _user(
            NotFound,
            "The vSwitch is not there: correct spec.vSwitchId of the HaVipClass.",
            Reason.V_SWITCH_NOT_FOUND,
        ),
    ),
    (
        ("InvalidRegionId",),
        _user(NotFound, "The region is not there: correct spec.region of the HaVipClass."),
    ),
    (
        ("InvalidHaVip",),
        _user(NotFound, "The HaVip is not in the cloud any more."),
    ),
)


def _matches(pattern: str, code: str) -> bool:
    return pattern[1:] in code if pattern.startswith("*") else code.startswith(pattern)


def error_of(refusal: Refusal, *, mutating: bool) -> HaVipError:
    """Return the error to raise for an answer that was not a success.

    A 5xx to a change leaves its outcome unknown: it may have been done before the failure.
    """
    for patterns, make in FAMILIES:
        if any(_matches(pattern, refusal.code) for pattern in patterns):
            return make(refusal)
    if refusal.status >= 500 or refusal.code.startswith(("ServiceUnavailable", "InternalError")):
        return _wait(Unavailable, outcome_unknown=mutating)(refusal)
    if refusal.code.startswith(("InvalidApi", "InvalidAction", "InvalidProduct", "Missing")):
        return BugError(
            f"The cloud does not understand {refusal.action}: {refusal.code}: {refusal.message}",
            code=refusal.code,
            request_id=refusal.request_id,
        )
    return _user(InvalidSpec, "The cloud refuses: correct the object.")(refusal)
