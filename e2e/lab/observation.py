"""What was seen in the lab, as values with the questions one asks of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """One probe of the client; times in seconds of the monotonic clock."""

    number: int
    sent: float
    answered: float | None
    node: str | None


@dataclass(frozen=True)
class Outage:
    """A time without an answer, from the first probe that was lost to the first answered after."""

    began: float
    """Seconds of the monotonic clock."""
    seconds: float
    """Infinite when the answers never came back."""
    before: str
    """The node that answered last; empty if none had."""
    after: str
    """The node that answered next; empty if none did."""


@dataclass(frozen=True)
class ProbeReport:
    """What a client saw, probe by probe, in the order sent."""

    probes: tuple[Probe, ...]
    doubly_answered: tuple[int, ...]

    @property
    def lost(self) -> int:
        """How many probes nobody answered."""
        return sum(probe.answered is None for probe in self.probes)

    @property
    def outages(self) -> tuple[Outage, ...]:
        """Return every time without an answer, in order."""
        found: list[Outage] = []
        began, before = None, ""
        for probe in self.probes:
            if probe.node is None:
                began = probe.sent if began is None else began
                continue
            if began is not None:
                found.append(Outage(began, probe.sent - began, before, probe.node))
            began, before = None, probe.node
        if began is not None:
            found.append(Outage(began, float("inf"), before, ""))
        return tuple(found)

    @property
    def outage(self) -> float:
        """Return the longest time without an answer, in seconds."""
        return max((outage.seconds for outage in self.outages), default=0.0)

    @property
    def answered_by(self) -> tuple[str, ...]:
        """Return the nodes that answered, in order, each named once per turn."""
        return turns(probe.node for probe in self.probes if probe.node)


@dataclass(frozen=True)
class Ownership:
    """One node owned the address at least from `began` to `ended` (None: it still does)."""

    node: str
    began: float
    ended: float | None


@dataclass(frozen=True)
class OwnerReport:
    """Who owned the address over time, as the kernels had it."""

    spans: tuple[Ownership, ...]
    longest_gap: float | None
    """Seconds between two rounds of samples at the worst; None while sampling goes on."""

    @property
    def now(self) -> tuple[str, ...]:
        """The nodes that own it at the last sample: one, none, or two many."""
        return tuple(span.node for span in self.spans if span.ended is None)

    @property
    def overlaps(self) -> tuple[tuple[str, str, float], ...]:
        """Return each pair of nodes that owned it at the same time, and for how many seconds.

        A span holds only what samples showed, so an overlap is one indeed.
        """
        found = []
        for index, first in enumerate(self.spans):
            for second in self.spans[index + 1 :]:
                if first.node == second.node:
                    continue
                infinite = float("inf")
                end = min(
                    infinite if first.ended is None else first.ended,
                    infinite if second.ended is None else second.ended,
                )
                common = end - max(first.began, second.began)
                if common > 0:
                    found.append((first.node, second.node, common))
        return tuple(found)


@dataclass(frozen=True)
class Arp:
    """One ARP frame seen on the bridge."""

    at: float
    sender_mac: str
    sender: str
    target: str
    kind: str

    @property
    def is_announcement(self) -> bool:
        """Whether it is gratuitous: about its own sender's address."""
        return self.sender == self.target


def turns(names: Iterable[str]) -> tuple[str, ...]:
    """Return names with repetitions in a row left out: a a b a -> a b a."""
    told: list[str] = []
    for name in names:
        if not told or told[-1] != name:
            told.append(name)
    return tuple(told)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]
