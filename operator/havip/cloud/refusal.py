"""What the cloud said when it did not do what was asked, and the errors that can be made of it."""

from collections.abc import Callable
from dataclasses import dataclass

from havip.api.conditions import Reason
from havip.api.errors import CloudError, CredentialsRefused, HaVipError, UserError


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that was not a success."""

    action: str
    status: int
    code: str
    message: str
    request_id: str = ""
    retry_after: float | None = None
    """Seconds the cloud asked to wait."""
    permission: str = ""
    """RAM action that the key needs for this, as in ``vpc:CreateHaVip``."""


Maker = Callable[[Refusal], HaVipError]


def _words(refusal: Refusal) -> str:
    return f"The cloud says to {refusal.action}: {refusal.code}: {refusal.message}"


def user(kind: type[UserError], advice: str, reason: Reason | None = None) -> Maker:
    """Make an error that tells the user what to do."""

    def make(refusal: Refusal) -> HaVipError:
        return kind(
            f"{advice} {_words(refusal)}",
            reason=str(reason) if reason else "",
            code=refusal.code,
            request_id=refusal.request_id,
        )

    return make


def wait(
    kind: type[CloudError], *, outcome_unknown: bool = False, seconds: float | None = None
) -> Maker:
    """Make an error that passes by itself; the cloud's own wait comes before ``seconds``."""

    def make(refusal: Refusal) -> HaVipError:
        return kind(
            _words(refusal),
            code=refusal.code,
            request_id=refusal.request_id,
            retry_after=seconds if refusal.retry_after is None else refusal.retry_after,
            outcome_unknown=outcome_unknown,
        )

    return make


def permission_missing(refusal: Refusal) -> HaVipError:
    """Make the error that names the permission the key lacks."""
    return CredentialsRefused(
        f"The access key lacks the permission {refusal.permission or refusal.action}: grant it to"
        f" the RAM user or role. {_words(refusal)}",
        reason=Reason.PERMISSION_MISSING,
        code=refusal.code,
        request_id=refusal.request_id,
        permission=refusal.permission or refusal.action,
    )
