"""The page of facts and the metrics. They report; they judge nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from havip.agent.announce import Announcer
from havip.agent.fence import Fence, FenceKind
from havip.agent.keeper import Keeper
from havip.agent.transport import Peers

_LINE: Final = 4096
_PATIENCE: Final = 5.0


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


@dataclass(frozen=True, slots=True, eq=False)
class Facts(Collector):
    """What there is to know of this agent, gathered when it is asked for."""

    keepers: Mapping[str, Keeper]
    peers: Peers
    announcer: Announcer
    fence: Fence
    clock: Callable[[], float]

    def page(self) -> dict[str, Any]:
        """Return the facts as JSON: ages are in seconds, null where there was nothing yet."""
        now = self.clock()
        return {
            "fence": self.fence.kind.value,
            "datagramsDropped": {str(k): v for k, v in self.peers.dropped.items()},
            "havips": [_facts_of(uid, keeper, now) for uid, keeper in self.keepers.items()],
        }

    def collect(self) -> Iterable[Metric]:
        """Return the metrics (called by prometheus-client)."""
        now = self.clock()
        labels = ("namespace", "name")
        owns = GaugeMetricFamily("havip_owns", "1 where this node owns the HaVip", labels=labels)
        healthy = GaugeMetricFamily("havip_healthy", "1 where the checks pass", labels=labels)
        epoch = GaugeMetricFamily("havip_epoch", "Epoch of the ownership", labels=labels)
        age = GaugeMetricFamily(
            "havip_register_answer_age_seconds",
            "Seconds since the register last answered",
            labels=labels,
        )
        failures = CounterMetricFamily(
            "havip_failures", "Failures of the agent itself", labels=labels
        )
        repeated = CounterMetricFamily(
            "havip_announce_requests",
            "Times that the address was announced anew because the cloud did not follow",
            labels=labels,
        )
        for keeper in self.keepers.values():
            names = (keeper.assignment.namespace, keeper.assignment.name)
            owns.add_metric(names, float(keeper.possession.owned))
            healthy.add_metric(names, float(keeper.healthy))
            failures.add_metric(names, keeper.failures)
            repeated.add_metric(names, keeper.possession.repeated)
            if keeper.possession.ownership is not None:
                epoch.add_metric(names, keeper.possession.ownership.acquired.epoch)
            if keeper.last_answer is not None:
                age.add_metric(names, now - keeper.last_answer)
        dropped = CounterMetricFamily(
            "havip_datagrams_dropped", "Datagrams not accepted", labels=("reason",)
        )
        for reason, count in self.peers.dropped.items():
            dropped.add_metric((str(reason),), count)
        exact = GaugeMetricFamily("havip_fence_exact", "1 where the fence is Exact")
        exact.add_metric((), float(self.fence.kind is FenceKind.EXACT))
        sent = CounterMetricFamily("havip_datagrams_sent", "Datagrams sent to peers")
        sent.add_metric((), self.peers.sent)
        received = CounterMetricFamily("havip_datagrams_received", "Datagrams accepted")
        received.add_metric((), self.peers.received)
        announced = CounterMetricFamily("havip_announcements", "Gratuitous ARP announcements")
        announced.add_metric((), self.announcer.sent)
        return (
            *(owns, healthy, epoch, age, failures, repeated),
            *(dropped, exact, sent, received, announced),
        )


class Pages:
    """Serves /healthz and /metrics: a few lines of HTTP in place of a framework on every node."""

    def __init__(self, facts: Facts) -> None:
        """Serve these facts."""
        self._facts = facts
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(facts)

    async def open(self, host: str, port: int) -> asyncio.Server:
        """Listen; the caller closes what is returned."""
        return await asyncio.start_server(self._serve, host, port, limit=_LINE)

    def answer(self, path: str) -> tuple[str, str, bytes]:
        """Return status, content type and body for a path."""
        match path.partition("?")[0]:
            case "/healthz":
                body = json.dumps(self._facts.page(), indent=1) + "\n"
                return "200 OK", "application/json", body.encode()
            case "/metrics":
                return "200 OK", CONTENT_TYPE_LATEST, generate_latest(self._registry)
            case _:
                return "404 Not Found", "text/plain", b"try /healthz or /metrics\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError, EOFError):
            async with asyncio.timeout(_PATIENCE):
                words = (await reader.readline()).decode("latin-1").split()
                while (await reader.readline()).strip():
                    pass
                path = words[1] if len(words) == 3 and words[0] in ("GET", "HEAD") else ""
                status, kind, body = self.answer(path)
                head = (
                    f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + (b"" if words[0] == "HEAD" else body))
                await writer.drain()
        writer.close()
