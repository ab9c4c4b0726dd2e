"""What may be said of a call to the cloud to whoever counts them."""

from collections.abc import Callable
from dataclasses import dataclass

from havip.api.errors import HaVipError


@dataclass(frozen=True, slots=True)
class Call:
    """One call that was sent; times in seconds."""

    action: str
    waited: float
    """For its turn, so as not to be throttled."""
    took: float
    error: HaVipError | None
    """How it failed; None where it was answered as asked."""


Observer = Callable[[Call], None]


def ignore(_: Call) -> None:
    """Count nothing."""
