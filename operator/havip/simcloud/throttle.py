"""Token buckets: so many calls of one action by one account in a window."""

from __future__ import annotations

from dataclasses import dataclass, field

from .profiles import Rates
from .wire import ApiError


@dataclass
class Throttle:
    """Counts calls and refuses those over the rate."""

    rates: Rates | None
    _buckets: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """Calls left and when that was so."""

    def spend(self, account_id: str, action: str, changes: bool, now: float) -> None:
        """Take a call from its bucket, or raise Throttling.User with the time to wait."""
        if self.rates is None:
            return
        size = float(self.rates.writes if changes else self.rates.reads)
        per_second = size / self.rates.window
        left, at = self._buckets.get((account_id, action), (size, now))
        left = min(size, left + max(0.0, now - at) * per_second)
        if left < 1.0:
            self._buckets[account_id, action] = (left, now)
            raise throttled((1.0 - left) / per_second)
        self._buckets[account_id, action] = (left - 1.0, now)


def throttled(retry_after: float | None) -> ApiError:
    """Tell that there were too many calls. In this cloud that is a 400, not a 429."""
    return ApiError(
        400,
        "Throttling.User",
        "Request was denied due to user flow control.",
        retry_after=retry_after,
    )
