"""What time it is. Passed in, so that an hour of trouble can pass in a moment."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks of a machine."""

    monotonic: Callable[[], float] = time.monotonic
    """Seconds since some moment: for all that waits or spaces its tries."""
    now: Callable[[], datetime] = _now
    """The date: for what is compared with what others wrote down."""
