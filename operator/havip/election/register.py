"""What this node knows of the register: the last version, and the writes whose fate is open."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from havip.election.actions import Write
from havip.election.events import Answered, Outcome
from havip.election.record import Record


class Purpose(Enum):
    """Why a write is made."""

    RENEW = "renew"
    CHALLENGE = "challenge"
    TAKE = "take"
    CONFIRM = "confirm"
    WITHDRAW = "withdraw"
    HAND_OVER = "hand over"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Pending:
    """A write that was sent at ``started``; ``record.version`` is the version it replaces."""

    purpose: Purpose
    record: Record
    started: float


class Register:
    """The register as seen from here.

    One write is under way at a time, and always against the newest version known, so that of all
    writes whose fate is open at most one can ever be stored.
    """

    def __init__(self, me: str, run: int) -> None:
        self._writer = f"{me}/{run}"
        self._number = 0
        self.record: Record | None = None
        self.since = 0.0
        """When the present version was first known here."""
        self.in_flight: Pending | None = None
        self.unanswered: list[Pending] = []
        """Writes without an answer that may yet be stored: they replace the present version."""

    def learn(self, record: Record, now: float) -> bool:
        """Take note of a version; false when it is no news."""
        if self.record is not None and record.version <= self.record.version:
            return False
        self.record = record
        self.since = now
        return True

    def own(self, record: Record) -> Pending | None:
        """The open write of ours that stored ``record``, if it was one of ours."""
        for pending in (*self.unanswered, *([self.in_flight] if self.in_flight else [])):
            if pending.record.write == record.write:
                return pending
        return None

    def forget_dead(self) -> None:
        """Drop the unanswered writes that an advance of the register has made impossible."""
        if self.record is not None:
            version = self.record.version
            self.unanswered = [p for p in self.unanswered if p.record.version == version]

    def possible(self) -> list[Record]:
        """Every state the register may be in, as far as our own writes go."""
        assert self.record is not None
        version = self.record.version
        open_writes = [*self.unanswered, *([self.in_flight] if self.in_flight else [])]
        return [self.record, *(p.record for p in open_writes if p.record.version == version)]

    def propose(self, purpose: Purpose, record: Record, now: float, timeout: float) -> Write:
        """Start a write that replaces the present version."""
        assert self.record is not None
        assert self.in_flight is None
        self._number += 1
        named = replace(record, version=self.record.version, write=f"{self._writer}/{self._number}")
        self.in_flight = Pending(purpose, named, now)
        return Write(named, timeout)

    def answered(self, event: Answered) -> Pending | None:
        """Close the write under way and return it; `None` when the answer is to another one."""
        pending = self.in_flight
        if pending is None or pending.record.write != event.write:
            return None
        self.in_flight = None
        current = self.record is not None and self.record.version == pending.record.version
        if event.outcome is Outcome.UNKNOWN and current:
            self.unanswered.append(pending)
        return pending
