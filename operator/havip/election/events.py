"""What can happen to an election, each handed in with the monotonic time of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from havip.election.messages import Message
from havip.election.record import Record
from havip.election.timing import Timing


class Outcome(Enum):
    """What became of a write."""

    CONFIRMED = "confirmed"
    """It is stored; the answer came back."""
    REFUSED = "refused"
    """It is not stored and never will be: another write came first, or the server said no."""
    UNKNOWN = "unknown"
    """No answer: it may be stored already, later, or never."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Received:
    """A peer's message came in, already found authentic and in order."""

    sender: str
    message: Message


@dataclass(frozen=True, slots=True)
class Seen:
    """A version of the register: from a read that was answered just now (``fresh``), or a watch."""

    record: Record
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """A read was not answered, or refused."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of the write named ``write``; ``version`` is the stored one when confirmed."""

    write: str
    outcome: Outcome
    version: int = 0


@dataclass(frozen=True, slots=True)
class CandidatesChanged:
    """The nodes that may hold the address, this one included if it may, with their priorities."""

    priorities: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """This node became fit, or unfit, to serve the address."""

    healthy: bool


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """The user changed the timing or the failback policy."""

    timing: Timing
    failback: bool


@dataclass(frozen=True, slots=True)
class Switchover:
    """Move the address to ``target``, or to the best other node."""

    target: str | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """Stop taking part: the agent stops, or this node is no longer a member.

    ``hand_over`` false: let go at once, before anything else, and appoint nobody: the HaVip is
    deleted, or this node was taken out of the cloud by force.
    """

    hand_over: bool = True


Event = (
    Tick
    | Received
    | Seen
    | ReadFailed
    | Answered
    | CandidatesChanged
    | HealthChanged
    | SettingsChanged
    | Switchover
    | Leave
)
