"""What both roles of an election know and use: this node, its peers, the register, the way out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from havip.election.actions import Action, Read, RememberEpoch, Send
from havip.election.events import Leave
from havip.election.messages import Message
from havip.election.record import Record
from havip.election.register import Register
from havip.election.timing import Timing, lengthen


class Situation:
    """The facts that outlive a change of role, and the actions collected for the present event."""

    def __init__(
        self, me: str, timing: Timing, run: int, now: float, remembered: int | None
    ) -> None:
        self.me = me
        self.run = run
        self.timing = timing
        self.failback = False
        self.priorities: Mapping[str, int] = {}
        self.healthy = True
        self.leaving: Leave | None = None
        self.register = Register(me, run)
        self.started = now
        self.promised_until = -math.inf
        """We have promised not to take over before this time."""
        self.heard_epoch = 0
        self.read_once = False
        """The register was read, past every cache, in this life."""
        self._remembered = remembered
        self._on_disk = remembered if remembered is not None else -1
        self._reading = False
        self._next_read = -math.inf
        self._read_by: float | None = None
        self.actions: list[Action] = []
        self.wake = math.inf

    # -- facts ------------------------------------------------------------------------------------

    @property
    def record(self) -> Record:
        """The newest version of the register that we know; there must be one."""
        assert self.register.record is not None
        return self.register.record

    @property
    def candidate(self) -> bool:
        """May this node hold the address?"""
        return self.me in self.priorities

    @property
    def excluded(self) -> bool:
        """Is this node to have the address no longer, not even to give it away?"""
        return self.leaving is not None and not self.leaving.hand_over

    def lowest_epoch_to_grant(self) -> int | None:
        """The epoch below which no holder is granted; `None` while we cannot know it.

        A restart forgets what we granted and took. The file on disk says how far we had come;
        without it the register must be read first, else an older holder might be revived.
        """
        if self.read_once:
            return self.heard_epoch
        if self._remembered is None:
            return None
        return max(self._remembered, self.heard_epoch)

    def restart_over(self) -> float:
        """When the promises that a former life of this agent may have made have run out."""
        record = self.register.record
        longest = max(self.timing.grant, record.grant if record is not None else 0.0)
        return self.started + lengthen(longest)

    def rank(self, names: Iterable[str], healthy: Iterable[str]) -> list[str]:
        """``names`` in the order in which they should get the address, the best first."""
        fit = set(healthy)
        return sorted(names, key=lambda n: (n not in fit, -self.priorities.get(n, 0), n))

    def claim(self, members: frozenset[str]) -> Record:
        """The present version as ours: no challenger, and the waits that we rely on."""
        timing = self.timing
        return replace(
            self.record,
            holder=self.me,
            members=members,
            challenger=None,
            challenge=timing.challenge,
            unmembered=timing.unmembered,
            grant=timing.grant,
        )

    # -- the way out ------------------------------------------------------------------------------

    def act(self, action: Action) -> None:
        """Add an action to those for the present event."""
        self.actions.append(action)

    def send(self, to: str, message: Message) -> None:
        """Send a message to a peer."""
        self.act(Send(to, message))

    def wake_by(self, time: float) -> None:
        """Ask for a tick at ``time`` at the latest."""
        self.wake = min(self.wake, time)

    def remember(self, epoch: int) -> None:
        """Keep an epoch that was seen, or is about to be tried, over a restart."""
        if epoch > self._on_disk:
            self._on_disk = epoch
            self.act(RememberEpoch(epoch))

    def hear_epoch(self, epoch: int) -> None:
        """Take note of an epoch that a peer or the register told us."""
        self.heard_epoch = max(self.heard_epoch, epoch)
        self.remember(epoch)

    # -- reading ----------------------------------------------------------------------------------

    def want_read(self, now: float) -> None:
        """Read the register as soon as the pace of reading allows."""
        if self._read_by is None and not self._reading:
            self._read_by = max(now, self._next_read)

    @property
    def read_pending(self) -> bool:
        """Is a read wanted or under way?"""
        return self._reading or self._read_by is not None

    def read_done(self, *, answered: bool, now: float) -> None:
        """A read came to its end."""
        self._reading = False
        if answered:
            self.read_once = True
            self._next_read = now + self.timing.heartbeat / 2
        else:
            self._next_read = now + self.timing.challenge

    def read_if_due(self, now: float) -> None:
        """Start the wanted read, once the last is over and its pace allows."""
        if self._read_by is None or self._reading:
            return
        if now < self._read_by:
            self.wake_by(self._read_by)
            return
        self._read_by = None
        self._reading = True
        self.act(Read(max(2 * self.timing.challenge, 0.25)))
