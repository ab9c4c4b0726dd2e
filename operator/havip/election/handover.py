"""How the address passes from a holder to the one it appoints: the wish, the note, its age.

The holder writes its successor down while it holds, lets go, and tells it by a note. The successor
holds by the note alone, for as long as nobody can have challenged what was written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from havip.election.messages import HandedOver, Heartbeat
from havip.election.situation import Situation

PATIENCE = 1.0
"""Seconds after which a handover that nobody forces is given up and the address kept."""


@dataclass(slots=True)
class Handover:
    """A handover from the wish on. ``decided``: nothing is waited for any more but the register."""

    since: float
    forced: bool
    target: str | None = None
    asked: bool = False
    """Somebody asked for it, so that it matters less how fit the target is."""
    decided: bool = False


class Telling:
    """A former holder says that it has let go, again and again until it hears from its successor.

    Without the note the successor would wait until its promises to us have run out.
    """

    def __init__(self, to: str, note: HandedOver, situation: Situation, now: float) -> None:
        self._to = to
        self._note = note
        self._situation = situation
        self._due = now
        self._until = now + situation.timing.grant

    def go_on(self, now: float) -> bool:
        """Tell it if that is due; false when there is no need any more."""
        situation = self._situation
        if situation.record.epoch != self._note.record.epoch or now >= self._until:
            return False
        if now >= self._due:
            situation.send(self._to, self._note)
            self._due = now + situation.timing.heartbeat / 2
        situation.wake_by(self._due)
        return True


class Granted:
    """When we granted the heartbeats of late, by which we know how old a note can be."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, int, int, int], float] = {}

    def remember(self, sender: str, beat: Heartbeat, now: float) -> None:
        """Take note that we grant this heartbeat, and forget those that are too old to matter."""
        self._at = {key: at for key, at in self._at.items() if now - at < beat.grant}
        self._at[sender, beat.epoch, beat.run, beat.sequence] = now

    def before(self, sender: str, note: HandedOver) -> float:
        """Return a time that was before the write that a note is about; -inf where it is unknown.

        The note names a heartbeat that we had granted when that write was begun.
        """
        return self._at.get((sender, note.record.epoch - 1, note.run, note.sequence), -math.inf)
