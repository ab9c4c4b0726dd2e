"""A token bucket: how many calls of one kind may leave per second, and how many at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class TokenBucket:
    """Lets ``burst`` calls through at once and ``rate`` per second in the long run.

    The clock and the sleep are given by tests.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        # The moment the next call may leave were there no burst: "theoretical arrival time".
        self._next = clock()

    async def take(self) -> None:
        """Wait until a call may leave. Those who wait leave in the order they came."""
        now = self._clock()
        self._next = max(self._next, now - (self._burst - 1) / self._rate)
        wait = self._next - now
        self._next += 1 / self._rate
        if wait > 0:
            await self._sleep(wait)

    def pause(self, seconds: float) -> None:
        """Let nothing through for this long: the cloud said it is too much."""
        self._next = max(self._next, self._clock() + seconds)
