"""Which peers this node hears nothing of by UDP. It is told, and touches no election.

Heartbeats and grants come only from whom the election lets speak; two members that stand by never
do. So each agent also greets all its peers, and whoever is not heard of for long cannot be heard:
its agent is gone, or something between the nodes drops its datagrams. Which of the two it is, the
controller knows, to which the peer reports on another way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from havip.agent.transport import Peers
from havip.api.havipnode import Unheard

GREET_EVERY: Final = 2.0
SILENCE: Final = 10.0
"""Seconds after which a peer is called unheard: some greetings may be lost."""
_TOLD: Final = 64


class Hearing:
    """Since when peers are silent. Times are in monotonic seconds, unless they are to be told."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}
        """By expected peer: when it was last heard, or first expected."""
        self._silent: dict[str, datetime] = {}
        self._looked_at = float("-inf")

    def look(
        self, expected: Iterable[str], last_heard: Mapping[str, float], now: float, wall: datetime
    ) -> bool:
        """Judge who of the expected is silent at `now` (`wall` in UTC); tell whether that changed.

        Silences are counted anew after a time in which this agent did not run: what arrived
        meanwhile is not yet read.
        """
        awake = now - self._looked_at < SILENCE / 2
        self._looked_at = now
        heard: dict[str, float] = {}
        for name in expected:
            known = self._heard.get(name, now) if awake else now
            heard[name] = max(known, last_heard.get(name, known))
        before, self._heard = self._silent, heard
        self._silent = {
            name: before.get(name, wall - timedelta(seconds=now - at))
            for name, at in heard.items()
            if now - at >= SILENCE
        }
        return self._silent != before

    def unheard(self) -> tuple[Unheard, ...]:
        """Return what there is to report."""
        told = sorted(self._silent.items())[:_TOLD]
        return tuple(Unheard(node=name, since=since) for name, since in told)

    async def run(
        self, peers: Peers, expected: Callable[[], frozenset[str]], changed: Callable[[], None]
    ) -> None:
        """Greet those expected, look who is silent, and call `changed` on news, for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            names = expected()
            peers.greet(names)
            if self.look(names, peers.last_heard, clock(), datetime.now(UTC)):
                changed()
            await asyncio.sleep(GREET_EVERY)
