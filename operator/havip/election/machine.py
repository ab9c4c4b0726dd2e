"""The election of one HaVip: events in, actions out."""

from __future__ import annotations

from dataclasses import replace

from havip.election.actions import Acquired, Action
from havip.election.events import (
    Answered,
    CandidatesChanged,
    Event,
    HealthChanged,
    Leave,
    Outcome,
    ReadFailed,
    Received,
    Seen,
    SettingsChanged,
    Switchover,
    Tick,
)
from havip.election.follower import Follower
from havip.election.holder import Holder
from havip.election.messages import Farewell, Grant, HandedOver, Heartbeat, Message
from havip.election.record import Record
from havip.election.register import Pending, Purpose
from havip.election.situation import Situation
from havip.election.timing import Timing


class Election:
    """Decides when this node owns one virtual IP.

    Feed it every event with the monotonic time at which it happened, carry out the actions in
    order, and hand in a `Tick` at :attr:`wake_at` at the latest.

    Args:
        me: the name of this node.
        timing: the durations to use.
        run: the number of this life of the agent; it must differ from those of all former lives.
        now: the present monotonic time in seconds.
        remembered: the epoch that a former life kept by `RememberEpoch`; `None` when that is lost.
    """

    def __init__(
        self, me: str, timing: Timing, run: int, now: float, remembered: int | None = None
    ) -> None:
        self._situation = Situation(me, timing, run, now, remembered)
        self._role: Holder | Follower = Follower(self._situation, now)

    # -- what may be asked ------------------------------------------------------------------------

    @property
    def wake_at(self) -> float:
        """The time of the next `Tick` that is needed; infinite when only an event can help."""
        return self._situation.wake

    @property
    def holding(self) -> bool:
        """Does this node own the address now?"""
        return isinstance(self._role, Holder) and self._role.holding

    @property
    def hold_until(self) -> float | None:
        """The time until which the present right lasts; `None` when we do not hold."""
        if isinstance(self._role, Holder) and self._role.holding:
            return self._role.bound()
        return None

    @property
    def record(self) -> Record | None:
        """The newest version of the register that is known here."""
        return self._situation.register.record

    # -- events -----------------------------------------------------------------------------------

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take one event and return what must be done, in order."""
        situation = self._situation
        situation.actions = []
        situation.wake = float("inf")
        self._take_in(event, now)
        self._role.advance(now)
        if not situation.read_once:
            # What a former life promised and took is unknown until the register was read.
            situation.want_read(now)
        situation.read_if_due(now)
        return situation.actions

    def _take_in(self, event: Event, now: float) -> None:
        situation = self._situation
        match event:
            case Tick():
                pass
            case Received(sender, message):
                self._hear(sender, message, now)
            case Seen(record, fresh):
                if fresh:
                    situation.read_done(answered=True, now=now)
                self._learn(record, now)
            case ReadFailed():
                situation.read_done(answered=False, now=now)
            case Answered():
                self._answered(event, now)
            case CandidatesChanged(priorities):
                situation.priorities = dict(priorities)
            case HealthChanged(healthy):
                situation.healthy = healthy
            case SettingsChanged(timing, failback):
                situation.timing = timing
                situation.failback = failback
            case Switchover(target):
                if isinstance(self._role, Holder):
                    self._role.switchover = (target,)
            case Leave():
                situation.leaving = event

    def _hear(self, sender: str, message: Message, now: float) -> None:
        role = self._role
        match message:
            case Heartbeat():
                if isinstance(role, Holder) and message.epoch > role.epoch:
                    self._step_down("another node holds a later epoch", now)
                if isinstance(self._role, Follower):
                    self._role.heartbeat(sender, message, now)
            case Grant():
                if isinstance(role, Holder):
                    role.grants.granted(sender, message, now)
            case Farewell():
                if isinstance(role, Holder):
                    role.grants.farewell(sender, message, now)
            case HandedOver():
                self._take_over_from(sender, message, now)

    def _answered(self, event: Answered, now: float) -> None:
        register = self._situation.register
        pending = register.answered(event)
        if pending is None:
            return
        if event.outcome is not Outcome.CONFIRMED:
            self._role.not_stored(pending, event.outcome, now)
            return
        stored = replace(pending.record, version=event.version)
        if register.record is None or event.version > register.record.version:
            register.unanswered.append(pending)
            self._learn(stored, now)
        elif self._still_counts(pending):
            self._role.stored(pending, now)

    def _still_counts(self, pending: Pending) -> bool:
        """Is an answer of use although the register has moved on since?

        A renewal proves what it proved when it was sent. Any other answer has outlived the role it
        was asked in: what the register says now decides.
        """
        role = self._role
        return (
            isinstance(role, Holder)
            and pending.purpose in (Purpose.RENEW, Purpose.CONFIRM, Purpose.TAKE)
            and pending.record.epoch == role.epoch
        )

    def _learn(self, record: Record, now: float) -> None:
        """The register has, or had a moment ago, this version."""
        situation, register = self._situation, self._situation.register
        situation.hear_epoch(record.epoch)
        own = register.own(record)
        if not register.learn(record, now):
            return
        register.forget_dead()
        role = self._role
        if isinstance(role, Holder):
            gone = own is not None and role.stored(own, now)
            if gone or record.holder != situation.me or record.epoch != role.epoch:
                self._step_down("the register names another holder", now)
            return
        role.learned(record, now)
        if own is not None and role.stored(own, now):
            self._rise(role, own, now)

    # -- change of role ---------------------------------------------------------------------------

    def _take_over_from(self, sender: str, note: HandedOver, now: float) -> None:
        """Have what was given to us; without a write, where the note is surely young enough."""
        if note.record.holder != self._situation.me:
            return
        self._learn(note.record, now)
        follower = self._role
        if not isinstance(follower, Follower):
            return
        given = follower.given_at(sender, note, now)
        if given is not None:
            acquired = Acquired(note.record.epoch, sender, "handover", follower.detected)
            self._role = Holder(self._situation, given, now, acquired)

    def _rise(self, follower: Follower, own: Pending, now: float) -> None:
        if own.purpose is Purpose.TAKE:
            reason = "vacant" if follower.previous is None else "crash"
        else:
            reason = "handover" if own.record.given else "regained"
        acquired = Acquired(own.record.epoch, follower.previous, reason, follower.detected)
        self._role = Holder(self._situation, own.started, now, acquired)

    def _step_down(self, reason: str, now: float) -> None:
        note = None
        if isinstance(self._role, Holder):
            self._role.release(now, reason)
            note = self._role.note
        follower = Follower(self._situation, now, note)
        if self._situation.register.record is not None:
            follower.learned(self._situation.register.record, now)
        self._role = follower
