"""Token buckets: how many calls of one kind may leave per second, and how many at once."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable


class TokenBucket:
    """Lets ``burst`` calls through at once and ``rate`` per second in the long run.

    The clock and the sleep are given by tests.
    """

    def __init__(
        self,
        # These stay below 300 calls in 60 s, the commonest quota of an action.
        rate: float = 4.0,
        burst: int = 40,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        # When the bucket would be full again: each call puts it off by the time of one call.
        self._full_at = clock()
        self._paused_until = clock()

    async def take(self) -> None:
        """Wait until a call may leave. Those who wait leave in the order they came."""
        now = self._clock()
        self._full_at = max(self._full_at, now)
        wait = self._full_at - (self._burst - 1) / self._rate - now
        self._full_at += 1 / self._rate
        wait = max(wait, self._paused_until - now)
        if wait > 0:
            await self._sleep(wait)

    def pause(self, seconds: float) -> None:
        """Let nothing through for this long: the cloud said it is too much."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)


class Buckets:
    """A bucket for each action: the cloud counts calls per account, region and action."""

    def __init__(self, new_bucket: Callable[[], TokenBucket] = TokenBucket) -> None:
        self._buckets: defaultdict[str, TokenBucket] = defaultdict(new_bucket)

    def of(self, action: str) -> TokenBucket:
        """Return the bucket of an action."""
        return self._buckets[action]
