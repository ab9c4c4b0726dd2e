"""What happened to one HaVip on this node, counted. It is gone when the node's part in it is."""

from __future__ import annotations

from typing import Final

from havip.election.messages import Heartbeat

REASONS: Final = ("crash", "handover", "vacant", "regained")
"""Why an ownership may begin; see `havip.election.actions.Acquired`."""


class Tally:
    """Counts. Times are handed in, in monotonic seconds."""

    def __init__(self) -> None:
        self.takeovers = dict.fromkeys(REASONS, 0)
        self.sent = 0
        self.received = 0
        self.lost = 0
        self._newest: tuple[tuple[str, int, int], int] | None = None
        self._ridden = 0.0
        self._unanswered_since: float | None = None

    def heard(self, sender: str, beat: Heartbeat) -> None:
        """Count a heartbeat, and those that are missing since the last of the same ownership."""
        ownership = (sender, beat.epoch, beat.run)
        if self._newest is not None and self._newest[0] == ownership:
            self.lost += max(0, beat.sequence - self._newest[1] - 1)
        self._newest = (ownership, beat.sequence)
        self.received += 1

    def asked_register(self, *, answered: bool, owned: bool, now: float) -> None:
        """Take note of how a call to the register ended, and whether we own the HaVip."""
        self.ridden(owned=owned, now=now)
        self._unanswered_since = None if answered else now

    def ridden(self, *, owned: bool, now: float) -> float:
        """Return the seconds for which we owned the HaVip while its register did not answer."""
        if self._unanswered_since is not None:
            if owned:
                self._ridden += now - self._unanswered_since
            self._unanswered_since = now
        return self._ridden
