"""How long things take in the election: the three profiles and the margin for clock drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DRIFT: Final = 0.01
"""Share by which two nodes' monotonic clocks may differ in rate. Real clocks keep within 0.0005."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The durations of one HaVip's election, all in seconds.

    ``heartbeat``: interval between two heartbeats of the holder.
    ``grant``: how long a member that answered a heartbeat promises not to take over.
    ``challenge``: how long a member waits after its challenge was stored before it takes over.
    ``renew``: interval between two writes of an undisturbed holder to the register.
    ``unmembered``: how long a register without members must rest before anyone may take it.
    ``drop``: how long a member may be silent before the holder stops counting it.
    ``settle``: how long a better node must be healthy before ``failback: WhenHealthy`` moves to it.
    """

    heartbeat: float
    grant: float
    challenge: float
    renew: float
    unmembered: float
    drop: float = 3.0
    settle: float = 10.0

    def __post_init__(self) -> None:
        """Refuse durations that cannot work together.

        Raises:
            ValueError: a heartbeat is not well below the grant, or the challenge is not below the
                grant, or a register without members could be taken before a member could take it.
        """
        if self.heartbeat <= 0 or self.grant < 3 * self.heartbeat:
            raise ValueError("the grant must last at least three heartbeats")
        if not 0 < self.challenge < self.grant:
            raise ValueError("the challenge must be shorter than the grant")
        if self.unmembered <= max(self.grant, self.renew):
            raise ValueError("the wait without members must exceed the grant and the renewal")

    @property
    def suspicion(self) -> float:
        """Silence in seconds after which a member suspects the holder."""
        return 2.2 * self.heartbeat


def shorten(duration: float) -> float:
    """A duration that extends our own right, cut lest a faster clock elsewhere ends it first."""
    return duration * (1 - DRIFT)


def lengthen(duration: float) -> float:
    """A duration that we owe to somebody, stretched until their slower clock has seen it all."""
    return duration * (1 + DRIFT)


PROFILES: Final[dict[str, Timing]] = {
    "Fast": Timing(heartbeat=0.040, grant=0.160, challenge=0.100, renew=1.0, unmembered=5.0),
    "Balanced": Timing(heartbeat=0.150, grant=0.600, challenge=0.300, renew=4.0, unmembered=10.0),
    "Calm": Timing(heartbeat=0.500, grant=3.0, challenge=1.5, renew=5.0, unmembered=15.0),
}
