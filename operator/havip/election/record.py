"""What the register of one HaVip holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One version of the register. On a cluster it is a Lease; see ``havip.agent.register``.

    ``version``: rises with each stored write; a write names the version it replaces and is refused
    when another came first.
    ``holder``, ``epoch``: who owns the address, and how many times ownership has changed.
    ``members``: the nodes whose grants the holder counts, written by the holder. Where the
    controller took the holder out, the nodes that may follow it: the holder itself and these, but
    for those that it took out of the cloud as well.
    ``challenger``: the member that suspects the holder, if one does.
    ``given``: the holder before had let go by itself when this was written: it appointed this one,
    or left the place empty. One that appoints while it holds tells by a message when it let go.
    ``challenge``, ``unmembered``, ``grant``: the waits in seconds that the holder relies on;
    whoever wants to take over waits at least this long, whatever its own settings say, so that
    timings may be changed while the address is in use.
    ``write``: names the write that stored this version, as ``<node>/<run>/<number>``.
    """

    version: int
    holder: str | None = None
    epoch: int = 0
    members: frozenset[str] = frozenset()
    challenger: str | None = None
    given: bool = False
    challenge: float = 0.0
    unmembered: float = 0.0
    grant: float = 0.0
    write: str = ""
