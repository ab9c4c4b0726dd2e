"""An event loop in which nobody waits: when nothing is left to do, the next timer is due."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from havip.controller.clock import Clock

T = TypeVar("T")

TICK_SECONDS = 1e-6


class Moments:
    """The time of one life at a time: seconds since it began, and the date that makes of it."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Let a life begin: now, since the cloud refuses what is signed at another date."""
        self._began = time.time()
        self.seconds = 0.0

    def unix(self) -> float:
        """Seconds since 1970."""
        return self._began + self.seconds

    def pass_by(self, seconds: float = 10.0) -> None:
        """Let time pass in which nobody does anything."""
        self.seconds += seconds

    def clock(self) -> Clock:
        """The clock of a controller. It is never the same moment twice, as on a machine."""

        def monotonic() -> float:
            self.seconds += TICK_SECONDS
            return self.seconds

        return Clock(monotonic, lambda: datetime.fromtimestamp(self.unix(), UTC))


class _Selector(selectors.DefaultSelector):
    def __init__(self, moments: Moments) -> None:
        super().__init__()
        self._moments = moments

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("Everybody waits, and nothing is left to happen.")
        if not ready and timeout is not None:
            self._moments.seconds += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        super().__init__(_Selector(moments))

    def time(self) -> float:
        return self._moments.seconds


def run(moments: Moments, main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, in no time."""
    with asyncio.Runner(loop_factory=lambda: _Loop(moments)) as runner:
        return runner.run(main)
