"""From what the cloud refuses, or fails at, to the error that says who must act."""

from havip.api.errors import BugError, HaVipError, InvalidSpec, Unavailable
from havip.cloud.families import FAMILIES
from havip.cloud.refusal import Refusal, user, wait

FAILURES = ("ServiceUnavailable", "InternalError", "UnknownError", "VPC.ERROR")
NOT_UNDERSTOOD = ("InvalidApi", "InvalidAction", "InvalidProduct", "InvalidFilterKey", "Missing")


def error_of(refusal: Refusal, *, mutating: bool) -> HaVipError:
    """Return the error to raise for an answer that was not a success.

    A 5xx to a change leaves its outcome unknown: it may have been done before the failure. What
    no family matches and is a refusal (4xx) goes to the user with the code shown.
    """
    for family in FAMILIES:
        if family.matches(refusal):
            return family.make(refusal)
    if refusal.status >= 500 or refusal.code.startswith(FAILURES):
        return wait(Unavailable, outcome_unknown=mutating)(refusal)
    if refusal.code.startswith(NOT_UNDERSTOOD):
        return BugError(
            f"The cloud does not understand {refusal.action}: {refusal.code}: {refusal.message}",
            code=refusal.code,
            request_id=refusal.request_id,
        )
    return user(InvalidSpec, "The cloud refuses: correct the object.")(refusal)
