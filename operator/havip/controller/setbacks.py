"""What failed lately, by subject, and when it may be tried again. Pure: the time is passed in.

What one subject (the HaVip, a member, the EIP, a route) was refused does not hold up the others.
All of it only spaces tries and may be forgotten at any moment.
"""

from dataclasses import dataclass

from havip.api.errors import Busy, CredentialsRefused, HaVipError

QUIET_BUSY_TRIES = 3
"""A cloud that is busy this often in a row is ordinary; only then do conditions speak of it."""
LONGEST_SECONDS = 60.0


@dataclass(slots=True)
class _Setback:
    error: HaVipError
    failures: int
    until: float
    """On the monotonic clock."""


class Setbacks:
    """The last failure of each subject, until it succeeds or what it rests on changes."""

    def __init__(self, backoff: float) -> None:
        self._backoff = backoff
        self._basis: tuple[object, ...] = ()
        self._known: dict[str, _Setback] = {}

    def note(self, subject: str, error: HaVipError, now: float, pause: float = 0.0) -> None:
        """Take note of a failure: try again after ``pause`` seconds or more, from try to try."""
        before = self._known.get(subject)
        failures = before.failures + 1 if before else 1
        backoff = min(self._backoff * 2 ** min(failures, 6), LONGEST_SECONDS)
        self._known[subject] = _Setback(error, failures, now + max(pause, backoff))

    def clear(self, subject: str) -> None:
        """Take note of a success."""
        self._known.pop(subject, None)

    def rest_on(self, *basis: object) -> None:
        """Forget all when what every try rests on changed: the object, its class, its account."""
        if basis != self._basis:
            self._basis = basis
            self._known.clear()

    def told(self) -> dict[str, HaVipError]:
        """Return the errors to speak of, by subject."""
        return {
            subject: each.error
            for subject, each in self._known.items()
            if not isinstance(each.error, Busy) or each.failures > QUIET_BUSY_TRIES
        }

    def refusal(self) -> CredentialsRefused | None:
        """Return what the credentials were refused, if anything was."""
        refused = (each.error for each in self._known.values())
        return next((each for each in refused if isinstance(each, CredentialsRefused)), None)

    def resting(self, now: float) -> frozenset[str]:
        """Return the subjects that are not to be tried yet."""
        return frozenset(subject for subject, each in self._known.items() if each.until > now)

    def next_try(self, now: float) -> float:
        """Return the seconds until the next subject may be tried again; infinity without any."""
        waits = [each.until - now for each in self._known.values() if each.until > now]
        return min(waits, default=float("inf"))
