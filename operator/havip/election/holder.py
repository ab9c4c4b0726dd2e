"""The role of the node that the register names: how long it may hold, and what it does for it."""

from __future__ import annotations

import math
from dataclasses import replace

from havip.election.actions import Acquired, Hold, Release
from havip.election.events import Outcome
from havip.election.grants import Grants
from havip.election.handover import PATIENCE, Handover
from havip.election.messages import HandedOver
from havip.election.record import Record
from havip.election.register import Pending, Purpose
from havip.election.situation import Situation
from havip.election.timing import shorten


class Holder:
    """Holds while the register and the members' grants allow it, and not an instant longer."""

    def __init__(
        self, situation: Situation, confirmed_at: float, now: float, acquired: Acquired
    ) -> None:
        self.situation = situation
        self.epoch = situation.record.epoch
        self.grants = Grants(situation, now)
        self.confirmed_at = confirmed_at
        """When the last write was begun that is known to be stored."""
        self.holding = False
        self.switchover: tuple[str | None] | None = None
        self.note: tuple[str, HandedOver] | None = None
        """Whom to tell what, once the address is gone here."""
        self._lost_at = -math.inf
        self._last_write = confirmed_at
        self._next_heartbeat = now
        self._open_until = -math.inf
        self._handover: Handover | None = None
        self._handover_not_before = -math.inf
        self._vouchers: dict[str, int] = {}
        """Of each write that appoints: the newest heartbeat that the appointed had granted."""
        self._gain(now, acquired)

    # -- the bound --------------------------------------------------------------------------------

    def bound(self) -> float:
        """The time until which nobody else can have taken over, whatever the register's state."""
        timing = self.situation.timing
        possible = self.situation.register.possible()
        challenge = min(timing.challenge, *[record.challenge for record in possible])
        unmembered = min(timing.unmembered, *[record.unmembered for record in possible])
        challenged = self.confirmed_at + shorten(challenge)
        bound = math.inf
        for record in possible:
            others = record.members - {self.situation.me}
            if others:
                bound = min(bound, max(self.grants.until(others), challenged))
            elif record.holder == self.situation.me or not record.members:
                bound = min(bound, self.confirmed_at + shorten(unmembered))
            if record.holder != self.situation.me:
                bound = min(bound, self._promise_of_successor(record))
        return bound

    def _promise_of_successor(self, record: Record) -> float:
        """Whom we appointed waits for its own promise alone; once we have let go, for nothing."""
        if record.given or record.holder is None:
            return -math.inf
        return self.grants.of(record.holder).granted_until

    # -- what comes in ----------------------------------------------------------------------------

    def stored(self, pending: Pending, now: float) -> bool:
        """One of our writes is known to be stored. True when the register is no longer ours."""
        if pending.purpose is Purpose.CLEAR:
            return True
        if pending.purpose is Purpose.HAND_OVER:
            target = pending.record.holder
            assert target is not None
            voucher = self._vouchers.get(pending.record.write, 0)
            told = HandedOver(self.situation.record, self.situation.run, voucher)
            self.release(now, "the address is handed over")
            self.note = (target, told)
            return True
        self.confirmed_at = max(self.confirmed_at, pending.started)
        decided = self._handover is not None and self._handover.decided
        if not self.holding and not decided and pending.started >= self._lost_at:
            record = self.situation.record
            self._gain(now, Acquired(record.epoch, self.situation.me, "regained", self._lost_at))
        return False

    def not_stored(self, pending: Pending, outcome: Outcome, now: float) -> None:
        """A write was refused, or stayed without an answer."""
        if outcome is Outcome.REFUSED:
            self.situation.want_read(now)

    # -- holding ----------------------------------------------------------------------------------

    def _gain(self, now: float, acquired: Acquired) -> None:
        if now >= self.bound() or self.situation.excluded:
            return
        self.holding = True
        self._next_heartbeat = now
        self.situation.act(acquired)
        self._open(now)

    def _open(self, now: float) -> None:
        """Refresh the fence when half of it is gone, and at once where the bound came nearer."""
        bound = self.bound()
        left = self._open_until - now
        if bound < self._open_until or left <= (bound - now) / 2:
            self._open_until = bound
            self.situation.act(Hold(bound))
        self.situation.wake_by(bound)

    def release(self, now: float, reason: str) -> None:
        """Let go of the address, if we have it."""
        if self.holding:
            self.holding = False
            self._lost_at = now
            self._open_until = -math.inf
            self.situation.act(Release(reason))

    # -- the tick ---------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Do what is due at ``now``."""
        if self.holding and now >= self.bound():
            self.release(now, "the right to hold ran out")
        self._consider_handover(now)
        if self.holding:
            self._beat(now)
        if self._handover is not None and self._handover.decided:
            self._hand_over(now)
        else:
            self._write_if_due(now)
        if self.holding:
            self._open(now)

    def _beat(self, now: float) -> None:
        interval = self.situation.timing.heartbeat
        if now >= self._next_heartbeat:
            possible = self.situation.register.possible()
            self.grants.ask(frozenset[str]().union(*(r.members for r in possible)), now)
            # Beats fall on a common grid, so that the HaVips of one node share their datagrams.
            self._next_heartbeat = (math.floor(now / interval) + 1) * interval
        self.situation.wake_by(self._next_heartbeat)

    # -- writing ----------------------------------------------------------------------------------

    def _write_if_due(self, now: float) -> None:
        situation = self.situation
        if situation.register.in_flight is not None or situation.read_pending:
            return
        timing = situation.timing
        soonest = self._last_write + timing.challenge / 3
        if now < soonest:
            situation.wake_by(soonest)
            return
        record = situation.claim(
            self.grants.wanted_members(now) if self.holding else situation.record.members
        )
        urgent = (
            not self.holding
            or (self._handover is not None and self._handover.target is None)
            or record != situation.record
            or situation.record.challenger is not None
            or self.grants.lag(now)
        )
        due = soonest if urgent else self._last_write + timing.renew
        if now < due:
            situation.wake_by(due)
            return
        self._write(Purpose.RENEW, record, now, timing.challenge if urgent else timing.renew / 2)

    def _write(self, purpose: Purpose, record: Record, now: float, timeout: float) -> str:
        """Send a write, and return its name."""
        write = self.situation.register.propose(purpose, record, now, timeout)
        self._last_write = now
        if self.holding:
            # What we propose may bring the bound nearer. The fence must know before the register
            # does: frozen between the two, we would else stay open too long.
            self._open(now)
        self.situation.act(write)
        return write.record.write

    # -- handing over -----------------------------------------------------------------------------

    def _wish(self, now: float) -> Handover | None:
        """Is there a reason to give the address away now?"""
        situation = self.situation
        if situation.leaving is not None or not situation.candidate:
            return Handover(now, forced=True, target=self.grants.best(now))
        if self.switchover is not None:
            target = self.switchover[0] or self.grants.best(now)
            self.switchover = None
            if target is None:
                return None
            return Handover(now, forced=False, target=target, asked=True)
        content = situation.healthy and not situation.failback
        best = None if content or now < self._handover_not_before else self.grants.best(now)
        if best is None:
            return None
        if not situation.healthy:
            return Handover(now, forced=False, target=best)
        if situation.priorities[best] <= situation.priorities[situation.me]:
            return None
        ripe = self.grants.of(best).healthy_since + situation.timing.settle
        if now < ripe:
            situation.wake_by(ripe)
            return None
        return Handover(now, forced=False, target=best)

    def _consider_handover(self, now: float) -> None:
        """Follow a wish up to the point where whoever is to follow may be written down.

        It has answered a heartbeat since the wish, and is still fit; where it must be, one that is
        silent is waited for no longer than a heartbeat takes. Where nobody is to follow, the
        address goes before the write; so a write must first have proved the register in reach:
        letting go while the API server is away would lose the address for as long as it is.
        """
        if self.situation.excluded:
            self.release(now, "this node is to have it no longer")
            self._handover = Handover(now, forced=True, decided=True)
            return
        if self._handover is None:
            self._handover = self._wish(now)
            if self._handover is None:
                return
            # Done while we hold, so that no client waits for it.
            self.situation.remember(self.epoch + 1)
            self._next_heartbeat = now
        handover = self._handover
        if handover.decided:
            return
        if not handover.forced and now - handover.since > PATIENCE:
            self._abandon(now)
            return
        if handover.target is None:
            ready = self.confirmed_at >= handover.since
        else:
            target = self.grants.of(handover.target)
            if not (target.healthy or handover.asked or handover.forced):
                # What made us unfit may have made it unfit too, and told us first.
                self._handover = None
                return
            ready = target.sent >= handover.since
            if handover.forced and not ready:
                ready = now >= handover.since + self.situation.timing.heartbeat
                self.situation.wake_by(handover.since + self.situation.timing.heartbeat)
        if self.situation.register.in_flight is None and (ready or not self.holding):
            handover.decided = True

    def _abandon(self, now: float) -> None:
        self._handover = None
        self._handover_not_before = now + 2 * PATIENCE

    def _hand_over(self, now: float) -> None:
        situation, handover = self.situation, self._handover
        assert handover is not None
        if situation.register.in_flight is not None or situation.read_pending:
            return
        target = handover.target
        usable = target is not None and self.grants.of(target).granted_until > now
        if not usable and not situation.excluded:
            target = self.grants.best(now)
        late = now - handover.since > PATIENCE
        if not handover.forced and (target is None or late):
            # Nobody can take it any more: have it again, by a write at the same epoch.
            self._abandon(now)
            self._write_if_due(now)
            return
        due = self._last_write + situation.timing.challenge / 3
        if now < due and situation.register.unanswered:
            situation.wake_by(due)
            return
        if target is None:
            self._vacate(now, handover)
            return
        stays = situation.leaving is None and situation.candidate
        members = situation.record.members - {target} | ({situation.me} if stays else set())
        record = replace(
            situation.claim(frozenset(members)),
            holder=target,
            epoch=self.epoch + 1,
            given=not self.holding,
        )
        situation.remember(record.epoch)
        name = self._write(Purpose.HAND_OVER, record, now, situation.timing.challenge)
        self._vouchers[name] = self.grants.of(target).sequence

    def _vacate(self, now: float, handover: Handover) -> None:
        """Leave the place empty, once it is proved that we can say so."""
        if self.holding and self.confirmed_at < handover.since:
            # The one who was to follow is gone.
            handover.target, handover.decided = None, False
            self._write_if_due(now)
            return
        self.release(now, "nobody is there to follow")
        record = replace(self.situation.claim(frozenset()), holder=None, given=True)
        self._write(Purpose.CLEAR, record, now, self.situation.timing.challenge)
