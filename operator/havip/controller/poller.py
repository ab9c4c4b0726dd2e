"""One listing of the cloud's HaVips for all objects of an account and region.

The list is read on a timer, and soon after somebody changed something or waits for a transition.
All who ask between two listings share the next one, so the number of describes follows the
time, not the number of objects.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from havip.api.errors import BugError, CloudError, HaVipError
from havip.cloud.port import Cloud, HaVipFacts

log = logging.getLogger(__name__)

LONGEST_BACKOFF_SECONDS = 60.0
REFUSED_SECONDS = 30.0
"""Pause after an error that only a user can mend, such as a refused key."""


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
    """How long a register must be still before a holder that is no member is taken out of it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One complete listing."""

    number: int
    started: float
    """On the monotonic clock: a change answered before this is in the listing."""
    ha_vips: Mapping[str, HaVipFacts]


class Poller:
    """Lists the HaVips of one account and region."""

    def __init__(
        self,
        cloud: Cloud,
        pace: Pace,
        on_news: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cloud = cloud
        self._pace = pace
        self._on_news = on_news
        self._clock = clock
        self._wanted = asyncio.Event()
        self._last_seen: dict[str, int] = {}
        self._failures = 0
        self._started = float("-inf")
        self.latest: Snapshot | None = None
        self.error: HaVipError | None = None
        """Why the last listing failed; None if it did not."""

    def want(self, after: float) -> None:
        """Ask for a listing that begins after this moment; one that did already will do."""
        if self._started <= after:
            self._wanted.set()

    def unseen(self, ha_vip_id: str) -> int:
        """Count the listings in a row that did not have this id."""
        if self.latest is None:
            return 0
        return self.latest.number - self._last_seen.get(ha_vip_id, 0)

    async def run(self) -> None:
        """List until cancelled."""
        while True:
            self._started = started = self._clock()
            self._wanted.clear()
            pause = await self._list_once(started)
            self._on_news()
            try:
                async with asyncio.timeout(max(0.0, started + pause - self._clock())):
                    if self._failures:
                        await asyncio.Event().wait()  # a failing cloud is not asked sooner
                    await self._wanted.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(max(0.0, started + self._pace.settle - self._clock()))

    async def _list_once(self, started: float) -> float:
        """List, and return how many seconds to wait until the next time."""
        try:
            facts = await self._cloud.describe_ha_vips()
        except Exception as caught:
            # Whatever it is, all HaVips of the account depend on this loop going on.
            error = caught if isinstance(caught, HaVipError) else BugError(repr(caught))
            if error is not caught:
                log.exception("Listing the HaVips failed by a fault of ours")
            if self.error is None:
                log.warning("Listing the HaVips failed: %s", error)
            self.error = error
            self._failures += 1
            if not isinstance(error, CloudError):
                return min(REFUSED_SECONDS, self._pace.retry)
            backoff: float = self._pace.backoff * 2 ** min(self._failures - 1, 10)
            return error.retry_after or min(backoff, LONGEST_BACKOFF_SECONDS)
        self.error = None
        self._failures = 0
        number = self.latest.number + 1 if self.latest else 1
        self.latest = Snapshot(number, started, {each.ha_vip_id: each for each in facts})
        self._last_seen.update(dict.fromkeys(self.latest.ha_vips, number))
        return self._pace.drift
