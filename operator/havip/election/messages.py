"""What the agents of one HaVip say to each other; :mod:`havip.election.wire` makes it bytes."""

from __future__ import annotations

from dataclasses import dataclass

from havip.election.record import Record


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """From the holder to every candidate: "I hold the address; grant me ``grant`` seconds more".

    ``run`` is the number of the holder's present life, so that a grant given to an earlier life of
    the same node counts for nothing. ``healthy`` names the nodes fit to take over.
    """

    epoch: int
    run: int
    sequence: int
    grant: float
    healthy: frozenset[str]


@dataclass(frozen=True, slots=True)
class Grant:
    """From a candidate to the holder: "for as long as you asked, I shall not take over"."""

    epoch: int
    run: int
    sequence: int
    healthy: bool


@dataclass(frozen=True, slots=True)
class HandedOver:
    """From the former holder to the one it appointed: "I have let go; the register is yours".

    ``record`` is the register as it stands now. ``run`` and ``sequence`` name the newest heartbeat
    that the appointed had granted when the write of it was begun, and so tell how old it can be.
    """

    record: Record
    run: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Farewell:
    """From a candidate that is about to stop: "do not count on my grants any longer"."""

    epoch: int


Message = Heartbeat | Grant | HandedOver | Farewell
