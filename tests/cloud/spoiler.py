"""A proxy between the SDK and the simulated cloud that changes answers on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Change = Callable[[dict[str, Any]], object]


class Spoiler:
    """Listens at ``endpoint``; ``spoil`` changes the answers to one action, ``instead`` replaces.

    What it gives is sent with the status and the content type of the true answer.
    """

    def __init__(self, behind: str) -> None:
        self._changes: dict[str, Change] = {}
        self._statuses: dict[str, int] = {}
        self._failures: list[Exception] = []
        spoiler = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                action = self.headers["x-acs-action"]
                status, body = _ask(behind, self)
                change = spoiler._changes.get(action)
                if change is not None:
                    try:
                        body = json.dumps(change(json.loads(body))).encode()
                    except Exception as error:
                        spoiler._failures.append(error)
                        raise
                self.send_response(spoiler._statuses.get(action, status))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def spoil(self, action: str, change: Change) -> None:
        """Change the body of every answer to an action from now on."""
        self._changes[action] = change

    def refuse(self, action: str, status: int, body: dict[str, Any]) -> None:
        """Answer every call of an action with this from now on, though it has its effect."""
        self._statuses[action] = status
        self._changes[action] = lambda _body: body

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        # A change that fails cuts the connection, which would pass for a bad answer.
        assert self._failures == []


def _ask(behind: str, request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
    connection = HTTPConnection(behind, timeout=10)
    try:
        connection.putrequest("POST", request.path, skip_host=True, skip_accept_encoding=True)
        # Everything as it came: the signature is over the host as well.
        for name, value in request.headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
