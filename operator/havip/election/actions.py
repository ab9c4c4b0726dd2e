"""What an election asks of the agent, to be carried out in the order given.

The order matters for safety: a :class:`Release` must be complete (the fence shut) before a
following :class:`Write` or :class:`Send` is sent, and a :class:`RememberEpoch` must be durable
before them. Nothing else waits for the disk.
"""

from __future__ import annotations

from dataclasses import dataclass

from havip.election.messages import Message
from havip.election.record import Record


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to a peer; it may be lost."""

    to: str
    message: Message


@dataclass(frozen=True, slots=True)
class Read:
    """Read the register past every cache within ``timeout`` seconds.

    Answer by `Seen(fresh)` or `ReadFailed`.
    """

    timeout: float


@dataclass(frozen=True, slots=True)
class Write:
    """Replace version ``record.version`` by ``record`` within ``timeout`` seconds.

    Answer by `Answered`.

    Never repeat the request below this layer: whether to try again is the election's decision.
    """

    record: Record
    timeout: float


@dataclass(frozen=True, slots=True)
class RememberEpoch:
    """Keep ``epoch`` on this node's disk: after a restart no holder of a lower epoch is granted."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Acquired:
    """The address is ours from now on; a `Hold` follows.

    ``reason`` is one of ``crash`` (its holder fell silent), ``handover`` (it was given to us),
    ``vacant`` (nobody had it) and ``regained`` (we had it, and lost it for a moment).
    ``detected``: the monotonic time at which we noticed that the former holder was gone.
    """

    epoch: int
    previous: str | None
    reason: str
    detected: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Have the address, and keep the fence open until the monotonic time ``until``, no longer."""

    until: float


@dataclass(frozen=True, slots=True)
class Release:
    """Shut the fence and remove the address, now and completely."""

    reason: str


@dataclass(frozen=True, slots=True)
class Left:
    """We take no part any longer; the election may be forgotten."""


Action = Send | Read | Write | RememberEpoch | Acquired | Hold | Release | Left
