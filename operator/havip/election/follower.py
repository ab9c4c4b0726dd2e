"""The role of every other node: grant the holder's heartbeats, and take over when it is gone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from havip.election.actions import Left
from havip.election.events import Outcome
from havip.election.handover import Granted, Telling
from havip.election.messages import Farewell, Grant, HandedOver, Heartbeat
from havip.election.record import Record
from havip.election.register import Pending, Purpose
from havip.election.situation import Situation
from havip.election.timing import lengthen

FAREWELL = 0.5
"""Seconds for which a leaving member goes on granting, so that the holder can stop counting it."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge of ours that is stored: the version it made, and when its answer came."""

    version: int
    answered: float


class Follower:
    """Waits, grants, suspects, challenges, takes over."""

    def __init__(
        self, situation: Situation, now: float, note: tuple[str, HandedOver] | None = None
    ) -> None:
        """Follow from now on; ``note`` is for the node that we have just let go for."""
        self.situation = situation
        self.detected = now
        """When we noticed that the holder was gone."""
        self.previous: str | None = None
        """Who had the address before us, as far as we know."""
        self._last_heartbeat = now
        self._healthy: frozenset[str] = frozenset()
        self._ownership: tuple[str | None, int] | None = None
        self._ownership_since = now
        self._challenge: Challenge | None = None
        self._void = False
        """A heartbeat was granted while our challenge was under way: it gives us no right."""
        self._doubt: int | None = None
        """A takeover against this version has no answer and may yet be stored."""
        self._quiet_until = -math.inf
        self._last_write = -math.inf
        self._looked_at = -math.inf
        self._leaving_since: float | None = None
        self._granted = Granted()
        self._let_go = 0
        """The epoch that its former holder gave us, and of which we know that it has let go."""
        self._telling = Telling(*note, situation, now) if note else None

    # -- what comes in ----------------------------------------------------------------------------

    def heartbeat(self, sender: str, beat: Heartbeat, now: float) -> None:
        """Grant the holder's heartbeat, unless a takeover of ours may be under way."""
        situation = self.situation
        lowest = situation.lowest_epoch_to_grant()
        if lowest is None:
            situation.want_read(now)
            return
        record = situation.register.record
        if beat.epoch < lowest or (record is not None and beat.epoch < record.epoch):
            return
        if record is not None and beat.epoch == record.epoch and record.holder != sender:
            return
        situation.hear_epoch(beat.epoch)
        self._last_heartbeat = now
        self._healthy = beat.healthy
        self._telling = None
        if situation.leaving is not None:
            situation.send(sender, Farewell(beat.epoch))
        in_flight = situation.register.in_flight
        if self._doubt is not None or (
            in_flight is not None and in_flight.purpose is not Purpose.CHALLENGE
        ):
            return
        self._challenge = None
        self._void = True
        promise = now + lengthen(beat.grant)
        situation.promised_until = max(situation.promised_until, promise)
        self._granted.remember(sender, beat, now)
        situation.send(sender, Grant(beat.epoch, beat.run, beat.sequence, situation.healthy))

    def given_at(self, sender: str, note: HandedOver, now: float) -> float | None:
        """The holder before let go of what the register says is ours: when it was given, at least.

        Held is from then on without a write of our own: whoever wants it must have challenged us
        since. None where that is unknown, or long ago: a write must come first, but may at once.
        """
        register, record = self.situation.register, self.situation.record
        if (record.holder, record.epoch) != (self.situation.me, note.record.epoch):
            return None
        self._let_go = record.epoch
        given = self._granted.before(sender, note)
        open_write = register.in_flight
        certain = record.version == note.record.version and self._doubt is None
        idle = open_write is None or open_write.purpose is Purpose.CONFIRM
        recent = now - given < min(self.situation.timing.challenge, record.challenge) / 2
        self.detected = self._ownership_since
        return given if certain and idle and recent else None

    def learned(self, record: Record, now: float) -> None:
        """The register has a new version."""
        if self._doubt is not None and record.version > self._doubt:
            self._doubt = None
        if self._challenge is not None and record.version != self._challenge.version:
            # The holder lives, or another was first. Leave it in peace for a while.
            self._challenge = None
            self._quiet_until = now + self.situation.timing.challenge
        if record.holder != self.situation.me:
            self.previous = record.holder
        if self._ownership != (record.holder, record.epoch):
            self._ownership = (record.holder, record.epoch)
            self._ownership_since = now
            self._quiet_until = -math.inf

    def stored(self, pending: Pending, now: float) -> bool:
        """One of our writes is known to be stored. True when it made us the holder."""
        if pending.purpose is Purpose.CHALLENGE and not self._void:
            self._challenge = Challenge(self.situation.record.version, now)
        return pending.purpose in (Purpose.TAKE, Purpose.CONFIRM)

    def not_stored(self, pending: Pending, outcome: Outcome, now: float) -> None:
        """A write was refused, or stayed without an answer."""
        if outcome is Outcome.UNKNOWN and pending.purpose is Purpose.TAKE:
            version = self.situation.record.version
            if pending.record.version == version:
                self._doubt = version
        self.situation.want_read(now)

    # -- the tick ---------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Do what is due at ``now``."""
        situation, register = self.situation, self.situation.register
        if self._telling is not None and not self._telling.go_on(now):
            self._telling = None
        if situation.leaving is not None and self._leave(now):
            return
        if register.record is None or situation.heard_epoch > register.record.epoch:
            situation.want_read(now)
            return
        if register.in_flight is not None or situation.read_pending:
            return
        record = register.record
        pace = self._last_write + situation.timing.challenge / 3
        if self._doubt is not None:
            if now < pace:
                situation.wake_by(pace)
            else:
                self._resolve(record, now)
        elif record.holder == situation.me:
            self._take_own(record, now, pace)
        elif not situation.candidate or situation.leaving is not None:
            return
        elif record.holder is None:
            self._take_vacant(record, now, pace)
        else:
            self._watch_holder(record, now)

    def _leave(self, now: float) -> bool:
        """Say goodbye to the holder and go once it no longer counts us. True when gone."""
        situation = self.situation
        record = situation.register.record
        if self._leaving_since is None:
            self._leaving_since = now
            if record is not None and record.holder not in (None, situation.me):
                assert record.holder is not None
                situation.send(record.holder, Farewell(record.epoch))
        end = self._leaving_since + FAREWELL
        counted = record is not None and situation.me in record.members
        ours = record is not None and record.holder == situation.me
        busy = situation.register.in_flight is not None or self._doubt is not None
        busy = busy or self._telling is not None
        if (not counted and not ours and not busy) or now >= end:
            situation.act(Left())
            return True
        situation.wake_by(end)
        return False

    def _resolve(self, record: Record, now: float) -> None:
        """Make the fate of an unanswered takeover certain by one more write on the same version."""
        if now - self._last_heartbeat < self.situation.timing.suspicion:
            self._write(Purpose.WITHDRAW, replace(record, challenger=None), now)
        else:
            self._take(record, now)

    def _take_own(self, record: Record, now: float, pace: float) -> None:
        """Take what the register says is ours: at once if the holder before has let go of it.

        Else after our own promises to it.
        """
        situation = self.situation
        ready = pace
        if not record.given and record.epoch != self._let_go:
            ready = max(pace, situation.promised_until, situation.restart_over())
        if now < ready:
            situation.wake_by(ready)
            return
        self.detected = self._ownership_since
        self._write(Purpose.CONFIRM, situation.claim(record.members - {situation.me}), now)

    def _take_vacant(self, record: Record, now: float, pace: float) -> None:
        """Take a register without a holder, in our turn, once nobody can still hold."""
        situation = self.situation
        contenders = record.members or frozenset(situation.priorities)
        ranked = situation.rank(contenders | {situation.me}, situation.priorities)
        turn = ranked.index(situation.me) + (0 if situation.healthy else len(ranked) + 2)
        in_turn = situation.register.since + turn * situation.timing.heartbeat / 2
        ready = max(pace, in_turn, self._former_holder_ends(record))
        if ready == math.inf:
            self._look_anew(now)
        elif now < ready:
            situation.wake_by(ready)
        else:
            self.detected = self._ownership_since
            self._take(record, now)

    def _look_anew(self, now: float) -> None:
        """Read the register now and then while it is others' turn, and none of them takes it.

        The watch may have missed a version, and there may be no other for long.
        """
        situation = self.situation
        due = max(self._looked_at, situation.register.since) + situation.timing.unmembered
        if now < due:
            situation.wake_by(due)
            return
        self._looked_at = now
        situation.want_read(now)

    def _former_holder_ends(self, record: Record) -> float:
        """When a holder that was taken out of the register surely holds no longer.

        It may live and know nothing of it: to be cleared is a challenge that it cannot answer. So
        its members wait as after a challenge of their own, and nobody else may take the place;
        where it had none, its right ends with the wait for that. One that left by itself is gone.
        """
        situation, timing = self.situation, self.situation.timing
        if record.epoch == 0 or record.given:
            return -math.inf
        if record.members and situation.me not in record.members:
            return math.inf
        if record.members:
            wait = max(timing.challenge, record.challenge)
        else:
            wait = max(timing.unmembered, record.unmembered)
        ends = situation.register.since + lengthen(wait)
        return max(ends, situation.promised_until, situation.restart_over())

    def _watch_holder(self, record: Record, now: float) -> None:
        """Suspect a silent holder and, in our turn, challenge it or take an unmembered register."""
        situation = self.situation
        timing = situation.timing
        silent = max(self._last_heartbeat, self._ownership_since) + timing.suspicion
        if now < silent:
            situation.wake_by(silent)
            return
        if situation.me not in record.members and record.members:
            self._look_anew(now)
            return
        contenders = (record.members or frozenset(situation.priorities)) - {record.holder or ""}
        healthy = self._healthy - {situation.me} | ({situation.me} if situation.healthy else set())
        ranked = situation.rank(contenders | {situation.me}, healthy or contenders)
        turn = ranked.index(situation.me) * timing.heartbeat / 2
        if not situation.healthy:
            turn += timing.heartbeat
        ready = max(silent + turn, situation.restart_over(), self._quiet_until)
        if not record.members:
            wait = lengthen(max(timing.unmembered, record.unmembered))
            ready = max(ready, situation.register.since + wait, situation.promised_until)
        elif self._challenge is not None:
            wait = lengthen(max(timing.challenge, record.challenge))
            ready = max(self._challenge.answered + wait, situation.promised_until)
        else:
            ready = max(ready, self._others_turn_ends(record))
        if now < ready:
            situation.wake_by(ready)
            return
        self.detected = silent
        if self._challenge is not None or not record.members:
            self._take(record, now)
        else:
            self._void = False
            self._write(Purpose.CHALLENGE, replace(record, challenger=situation.me), now)

    def _others_turn_ends(self, record: Record) -> float:
        """Until when another's challenge is left alone: by turns they would cancel each other."""
        if record.challenger in (None, self.situation.me):
            return -math.inf
        return self.situation.register.since + 3 * self.situation.timing.challenge

    # -- writing ----------------------------------------------------------------------------------

    def _take(self, record: Record, now: float) -> None:
        epoch = record.epoch + 1
        self.situation.remember(epoch)
        survivors = record.members & frozenset(self.situation.priorities)
        survivors -= {self.situation.me, record.holder or ""}
        claim = replace(self.situation.claim(survivors), epoch=epoch, given=False)
        self._write(Purpose.TAKE, claim, now)

    def _write(self, purpose: Purpose, record: Record, now: float) -> None:
        self._last_write = now
        timeout = max(self.situation.timing.challenge, 0.1)
        self.situation.act(self.situation.register.propose(purpose, record, now, timeout))
