"""Looking at one thing again and again: whenever it is woken, and after a failure."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable

from havip.api.errors import HaVipError
from havip.controller.finalizers import CONFLICTS
from havip.controller.kube import KubernetesError
from havip.controller.poller import LONGEST_BACKOFF_SECONDS, Pace

log = logging.getLogger(__name__)


class Rounds(ABC):
    """One task for one thing; ``name`` is what it is called in the log."""

    def __init__(self, name: str, pace: Pace, ended: Callable[[], None]) -> None:
        self._name = name
        self._pace = pace
        self._ended = ended
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Have it looked at soon."""
        self._wake.set()

    @abstractmethod
    async def look(self) -> float | None:
        """Do one round; return after how many seconds to do another, None to wait to be woken."""

    @abstractmethod
    def over(self) -> bool:
        """Tell whether there is nothing left to look at."""

    async def run(self) -> None:
        """Look until there is nothing left to look at."""
        failures = 0
        while True:
            self._wake.clear()
            try:
                pause = await self.look()
                failures = 0
            except HaVipError as error:
                failures += 1
                pause = self._pace.backoff * 2 ** min(failures - 1, 6)
                pause = min(pause, LONGEST_BACKOFF_SECONDS)
                changed = isinstance(error, KubernetesError) and error.status in CONFLICTS
                log.log(logging.INFO if changed else logging.WARNING, "%s: %s", self._name, error)
            except Exception:
                # A bug in one Service's case must not stop the others, nor this one for good.
                log.exception("%s: looking at it failed", self._name)
                pause = self._pace.retry
            if self.over():
                self._ended()
                return
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass
