"""The page that says how the controller is, in facts, and its metrics.

It runs in a thread of its own, so that it answers, and can say so, when the loop hangs.
"""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.registry import Collector

Facts = Callable[[], dict[str, Any]]

STALE_TICK_SECONDS = 30.0
"""A loop that did not tick for so long hangs."""


class Pulse:
    """When the event loop last ran."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def beat(self) -> None:
        """Note that it runs."""
        self._at = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since it last ran."""
        return time.monotonic() - self._at


def serve(listen: str, facts: Facts, *collectors: Collector) -> ThreadingHTTPServer:
    """Serve ``/healthz`` and ``/metrics`` at ``HOST:PORT`` until shut down.

    ``facts`` must hold ``healthy``; the page answers 500 when it is false.
    """
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    ProcessCollector(registry=registry)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer."""
            if self.path == "/metrics":
                self._send(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif self.path == "/healthz":
                told = facts()
                page = json.dumps(told, indent=1).encode()
                self._send(200 if told["healthy"] else 500, "application/json", page)
            else:
                self._send(404, "text/plain", b"/healthz and /metrics are here\n")

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a probe each few seconds is no news."""

    host, _, port = listen.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
