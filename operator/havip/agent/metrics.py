"""What there is to know of this agent, read when somebody asks: the facts and the metrics.

They report; they judge nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from havip.agent import measures
from havip.agent.announce import Announcer
from havip.agent.fence import Fence, FenceKind
from havip.agent.keeper import Keeper
from havip.agent.kube import Kube
from havip.agent.transport import Peers
from havip.election.wire import Drop
from havip.metrics import Ledger, Measure, Reading


def new_ledger(node: str) -> Ledger:
    """Return the ledger of a node's agent, with nothing counted yet."""
    ledger = Ledger({"node": node})
    # Known before the first time, as a rate over them wants it.
    for reason in ("crash", "handover"):
        for phase in ("acquired", "addressSet", "announced"):
            ledger.observe(measures.OUTAGE, reason, phase, value=None)
    return ledger


def _facts_of(uid: str, keeper: Keeper, now: float) -> dict[str, Any]:
    possession, answered = keeper.possession, keeper.last_answer
    return {
        "uid": uid,
        "name": f"{keeper.assignment.namespace}/{keeper.assignment.name}",
        "address": str(keeper.assignment.address),
        "owns": possession.owned,
        "epoch": possession.ownership.acquired.epoch if possession.ownership else None,
        "holdSecondsLeft": round(possession.until - now, 3) if possession.owned else None,
        "healthy": keeper.healthy,
        "lastEventAge": round(now - keeper.last_tick, 3),
        "lastRegisterAnswerAge": round(now - answered, 3) if answered else None,
        "failures": keeper.failures,
    }


def _readings_of(keeper: Keeper, now: float) -> Iterator[Reading]:
    labels = (keeper.assignment.namespace, keeper.assignment.name)
    possession, tally, timing = keeper.possession, keeper.tally, keeper.assignment.timing
    owned = possession.owned
    values: dict[Measure, float] = {
        measures.OWNS: owned,
        measures.HEALTHY: keeper.healthy,
        measures.HOLD_LEFT: possession.until - now if owned else 0.0,
        measures.ADDRESS_LEFT: max(0.0, possession.address_until - now),
        measures.OBJECTIVE: timing.grant + timing.challenge,
        measures.HEARTBEATS_SENT: tally.sent,
        measures.HEARTBEATS_RECEIVED: tally.received,
        measures.HEARTBEATS_LOST: tally.lost,
        measures.RIDE_THROUGH: tally.ridden(owned=owned, now=now),
        measures.ANNOUNCE_REQUESTS: possession.repeated,
        measures.FAILURES: keeper.failures,
    }
    if possession.ownership is not None:
        values[measures.EPOCH] = possession.ownership.acquired.epoch
    for measure, value in values.items():
        yield Reading(measure, labels, float(value))
    for reason, count in tally.takeovers.items():
        yield Reading(measures.TAKEOVERS, (*labels, reason), count)


@dataclass(frozen=True, slots=True)
class Facts:
    """Where to look."""

    keepers: Mapping[str, Keeper]
    peers: Peers
    announcer: Announcer
    fence: Fence
    kube: Kube
    clock: Callable[[], float]
    version: str

    def page(self) -> dict[str, Any]:
        """Return the facts as JSON: ages are in seconds, null where there was nothing yet."""
        now = self.clock()
        return {
            "fence": self.fence.kind.value,
            "datagramsDropped": {str(k): v for k, v in self.peers.dropped.items()},
            "havips": [_facts_of(uid, keeper, now) for uid, keeper in self.keepers.items()],
        }

    def readings(self) -> Iterator[Reading]:
        """Return what is so now."""
        now, unanswered = self.clock(), self.kube.unanswered_since
        for keeper in self.keepers.values():
            yield from _readings_of(keeper, now)
        for reason in Drop:
            count = self.peers.dropped.get(reason, 0)
            yield Reading(measures.DATAGRAMS_REJECTED, (str(reason),), count)
        values: dict[Measure, float] = {
            measures.DATAGRAMS_SENT: self.peers.sent,
            measures.DATAGRAMS_RECEIVED: self.peers.received,
            measures.ANNOUNCEMENTS: self.announcer.sent,
            measures.FENCE_EXACT: self.fence.kind is FenceKind.EXACT,
            measures.API_UNANSWERED: 0.0 if unanswered is None else now - unanswered,
        }
        for measure, value in values.items():
            yield Reading(measure, (), float(value))
        yield Reading(measures.BUILD, (self.version,), 1.0)
