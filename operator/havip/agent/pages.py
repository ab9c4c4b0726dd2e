"""Serves /healthz and /metrics."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from havip.agent.metrics import Facts
from havip.metrics import Ledger, States

_LINE: Final = 4096
_PATIENCE: Final = 5.0


class _Read(Collector):
    """Metrics that were read already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families

    def written(self) -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)


class Pages:
    """A few lines of HTTP in place of a framework on every node."""

    def __init__(self, node: str, facts: Facts, ledger: Ledger) -> None:
        """Serve these facts, and what the ledger counted."""
        self._facts = facts
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(States(facts.readings, {"node": node}))
        self._registry.register(ledger)
        ProcessCollector(registry=self._registry)

    async def open(self, host: str, port: int) -> asyncio.Server:
        """Listen; the caller closes what is returned."""
        return await asyncio.start_server(self._serve, host, port, limit=_LINE)

    async def answer(self, path: str) -> tuple[str, str, bytes]:
        """Return status, content type and body for a path."""
        match path.partition("?")[0]:
            case "/healthz":
                body = json.dumps(self._facts.page(), indent=1) + "\n"
                return "200 OK", "application/json", body.encode()
            case "/metrics":
                # Read here, where nothing changes meanwhile. To write it down takes longer than a
                # heartbeat should wait.
                read = _Read(list(self._registry.collect()))
                return "200 OK", CONTENT_TYPE_LATEST, await asyncio.to_thread(read.written)
            case _:
                return "404 Not Found", "text/plain", b"try /healthz or /metrics\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError, EOFError):
            async with asyncio.timeout(_PATIENCE):
                words = (await reader.readline()).decode("latin-1").split()
                while (await reader.readline()).strip():
                    pass
                path = words[1] if len(words) == 3 and words[0] in ("GET", "HEAD") else ""
                status, kind, body = await self.answer(path)
                head = (
                    f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + (b"" if words[0] == "HEAD" else body))
                await writer.drain()
        writer.close()
