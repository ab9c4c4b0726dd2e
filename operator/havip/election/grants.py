"""What the holder knows of its peers: what they granted, how they are, who is counted or next."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from havip.election.messages import Farewell, Grant, Heartbeat
from havip.election.situation import Situation
from havip.election.timing import shorten

FAREWELL_COUNTS = 1.0
"""Seconds for which a candidate that said farewell is neither counted nor given the address."""


@dataclass(slots=True)
class Peer:
    """What the holder knows of one candidate."""

    granted_until: float = -math.inf
    sent: float = -math.inf
    """When the newest heartbeat that it granted was sent."""
    sequence: int = 0
    """Number of that heartbeat."""
    heard: float = -math.inf
    healthy: bool = False
    healthy_since: float = math.inf
    farewell: float = -math.inf
    """When it last said that it is about to stop."""

    def leaving(self, now: float) -> bool:
        """Is it about to stop? A farewell is forgotten after a while: it may have come back."""
        return now - self.farewell < FAREWELL_COUNTS


class Grants:
    """The heartbeats of one ownership, and the answers to them."""

    def __init__(self, situation: Situation, now: float) -> None:
        self._situation = situation
        self._epoch = situation.record.epoch
        self._began = now
        self._peers: dict[str, Peer] = {}
        self._sent: dict[int, tuple[float, float]] = {}
        """When each heartbeat was sent that may still be granted, and for how long it asks."""
        self._sequence = 0

    def of(self, name: str) -> Peer:
        """Return what is known of a candidate."""
        return self._peers.setdefault(name, Peer())

    def until(self, names: Iterable[str]) -> float:
        """Return the time until which all of these have promised not to take over."""
        return min([self.of(name).granted_until for name in names])

    # -- heartbeats and answers -------------------------------------------------------------------

    def ask(self, counted: frozenset[str], now: float) -> None:
        """Send a heartbeat to every candidate, and to all that are counted."""
        situation = self._situation
        self._sequence += 1
        duration = min(situation.timing.grant, situation.record.grant)
        self._sent[self._sequence] = (now, duration)
        for old in [s for s, (at, span) in self._sent.items() if at + span < now]:
            del self._sent[old]
        healthy = {n for n, p in self._peers.items() if p.healthy and p.granted_until > now}
        if situation.healthy:
            healthy.add(situation.me)
        beat = Heartbeat(self._epoch, situation.run, self._sequence, duration, frozenset(healthy))
        for name in sorted((set(situation.priorities) | counted) - {situation.me}):
            situation.send(name, beat)

    def granted(self, sender: str, grant: Grant, now: float) -> None:
        """Count a grant that answers a heartbeat of this epoch and life."""
        known = self._sent.get(grant.sequence)
        if known is None or (grant.epoch, grant.run) != (self._epoch, self._situation.run):
            return
        sent, duration = known
        peer = self.of(sender)
        peer.granted_until = max(peer.granted_until, sent + shorten(duration))
        if sent > peer.sent:
            peer.sent, peer.sequence = sent, grant.sequence
        peer.heard = now
        if not grant.healthy:
            peer.healthy_since = math.inf
        elif not peer.healthy:
            peer.healthy_since = now
        peer.healthy = grant.healthy

    def farewell(self, sender: str, farewell: Farewell, now: float) -> None:
        """Stop counting on a candidate that is about to stop."""
        if farewell.epoch == self._epoch:
            self.of(sender).farewell = now

    # -- who is counted, and who is next ----------------------------------------------------------

    def lag(self, now: float) -> bool:
        """Tell whether a member's newest grant is so old that the right to hold is in danger."""
        half = self._situation.timing.grant / 2
        return any(now - self.of(name).sent > half for name in self._situation.record.members)

    def wanted_members(self, now: float) -> frozenset[str]:
        """Return the members that are still heard, and candidates whose grants begin to come."""
        situation, record = self._situation, self._situation.record
        wanted = set()
        for name in set(situation.priorities) - {situation.me}:
            peer = self.of(name)
            if peer.leaving(now):
                continue
            if name in record.members:
                if now - max(peer.heard, self._began) < situation.timing.drop:
                    wanted.add(name)
            elif now - peer.sent < situation.timing.grant / 2:
                wanted.add(name)
        return frozenset(wanted)

    def best(self, now: float) -> str | None:
        """Return the member that should get the address: fit, heard, and not about to stop."""
        situation = self._situation
        fit = [
            name
            for name in situation.record.members & frozenset(situation.priorities)
            if (peer := self.of(name)).granted_until > now
            and peer.healthy
            and not peer.leaving(now)
        ]
        ranked = situation.rank(fit, fit)
        return ranked[0] if ranked else None
