"""One listing of one kind of thing in an account and region, for all objects that live there.

The list is read on a timer, and soon after somebody changed something or waits for a transition.
All who ask between two listings share the next one, so the number of describes follows the
time, not the number of objects.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Generic, TypeVar

from havip.api.errors import BugError, CloudError, HaVipError

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_BACKOFF_SECONDS = 60.0
REFUSED_SECONDS = 30.0
"""Pause after an error that only a user can mend, such as a refused key."""
REMEMBERED = 4
"""Listings kept: the more that a thing is missing from in a row, the surer that it is gone."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are looked at, in seconds."""

    drift: float = 60.0
    """Between listings while nothing happens."""
    settle: float = 0.5
    """Between listings while the cloud is in transition."""
    backoff: float = 1.0
    """Before the second try after a failure; doubled from try to try."""
    retry: float = 30.0
    """Before asking again for what the user must mend: a quota, an address, a permission."""
    tie: float = 20.0
    """How long a register must be still before it is taken for left alone."""
    silent: float = 90.0
    """How long an agent may say nothing: it writes at least each 30 s."""


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """One complete listing."""

    number: int
    """Counts the listings of a poller, from 1."""
    started: float
    """On the monotonic clock: a change answered before this is in the listing."""
    items: Mapping[str, T]


class Poller(Generic[T]):
    """Keeps one listing up to date; ``what`` names it in the log."""

    def __init__(
        self,
        what: str,
        fetch: Callable[[], Awaitable[Mapping[str, T]]],
        pace: Pace,
        on_news: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._fetch = fetch
        self._pace = pace
        self._on_news = on_news
        self._clock = clock
        self._wanted = asyncio.Event()
        self._mended = asyncio.Event()
        self._recent: deque[Snapshot[T]] = deque(maxlen=REMEMBERED)
        self._failures = 0
        self._started = float("-inf")
        self.error: HaVipError | None = None
        """Why the last listing failed; None if it did not."""

    @property
    def latest(self) -> Snapshot[T] | None:
        """The last listing that was complete, also when later ones failed."""
        return self._recent[-1] if self._recent else None

    def want(self, after: float) -> None:
        """Ask for a listing that begins after this moment; one that did already will do."""
        if self._started <= after:
            self._wanted.set()

    def anew(self) -> None:
        """Ask at once, even if the last listing failed: what made it fail may be mended."""
        self._wanted.set()
        self._mended.set()

    def recent(self, since: float, most: int) -> tuple[Snapshot[T], ...]:
        """Return the last listings begun after ``since``, at most so many, the oldest first."""
        return tuple(each for each in self._recent if each.started > since)[-most:]

    def unseen(self, key: str, since: float = float("-inf")) -> int:
        """Count the listings in a row, of those begun after ``since``, that did not have the key.

        Counts to ``REMEMBERED``, and from the latest listing backwards.
        """
        without = takewhile(
            lambda each: each.started > since and key not in each.items, reversed(self._recent)
        )
        return sum(1 for _ in without)

    async def run(self) -> None:
        """List until cancelled."""
        while True:
            self._started = started = self._clock()
            self._wanted.clear()
            self._mended.clear()
            pause = await self._list_once(started)
            self._on_news()
            # A failing cloud is not asked sooner because somebody waits.
            sooner = self._mended if self._failures else self._wanted
            try:
                async with asyncio.timeout(max(0.0, started + pause - self._clock())):
                    await sooner.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(max(0.0, started + self._pace.settle - self._clock()))

    async def _list_once(self, started: float) -> float:
        """List, and return how many seconds to wait until the next time."""
        try:
            items = await self._fetch()
        except Exception as caught:
            # Whatever it is, all HaVips of the account depend on this loop going on.
            error = caught if isinstance(caught, HaVipError) else BugError(repr(caught))
            if error is not caught:
                log.exception("Listing the %s failed by a fault of ours", self._what)
            if self.error is None:
                log.warning("Listing the %s failed: %s", self._what, error)
            self.error = error
            self._failures += 1
            if not isinstance(error, CloudError):
                return min(REFUSED_SECONDS, self._pace.retry)
            backoff: float = self._pace.backoff * 2 ** min(self._failures - 1, 10)
            # What a throttling cloud asks for is short, and the same each time.
            return max(error.retry_after or 0.0, min(backoff, LONGEST_BACKOFF_SECONDS))
        self.error = None
        self._failures = 0
        number = self.latest.number + 1 if self.latest else 1
        self._recent.append(Snapshot(number, started, items))
        return self._pace.drift
