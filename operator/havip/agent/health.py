"""The health checks of one HaVip on this node, off the election's path.

Each check runs in a task of its own: at its interval, or, where it is of a Service's endpoints,
whenever a watch tells of a change. The election only hears when the sum of them changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from havip.agent.endpoints import Endpoints
from havip.api.health import EndpointsCheck, HealthCheck, HttpCheck, Scheme, TcpCheck

_HERE: Final = "127.0.0.1"
_STATUS_LINE: Final = 1024

PROXY_SECONDS: Final = 5.0
"""How long an endpoint that is new here waits for the node's kube-proxy before it counts anyway.

kube-proxy gathers changes for a second; a node may have another proxy, which does not say."""
_PROXY_AGAIN: Final = 0.05


class CheckFailedError(Exception):
    """A check did not pass; the text says why, for the user."""


@dataclass(slots=True)
class Streak:
    """Turns single results into a state: `rise` passes in a row, or `fall` failures, change it.

    The first result counts at once: a node that just started must say soon whether it is fit.
    """

    rise: int
    fall: int
    healthy: bool | None = None
    _against: int = 0

    def take(self, passed: bool) -> bool:
        """Count a result; True when the state changed."""
        if self.healthy is None:
            self.healthy = passed
            return True
        if passed == self.healthy:
            self._against = 0
            return False
        self._against += 1
        if self._against < (self.rise if passed else self.fall):
            return False
        self.healthy = passed
        self._against = 0
        return True


@dataclass(frozen=True, slots=True)
class Result:
    """The state of one check."""

    name: str
    healthy: bool
    message: str


class Checks:
    """All checks of one HaVip. Without any, the node is healthy."""

    def __init__(
        self,
        checks: Sequence[HealthCheck],
        link_up: Callable[[str | None], bool],
        endpoints: Callable[[str], AsyncIterator[Endpoints]],
        changed: Callable[[], None],
        node_address: str = _HERE,
    ) -> None:
        """Ask `link_up(interface or None)` for links and `endpoints(service)` for endpoints.

        Call `changed()` when a result changed. The node's kube-proxy is at `node_address`.
        """
        self._node_address = node_address
        self._checks = checks
        self._link_up = link_up
        self._endpoints = endpoints
        self._changed = changed
        self._streaks = {check.name: _streak(check) for check in checks}
        self._messages = dict.fromkeys(self._streaks, "not run yet")
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def healthy(self) -> bool | None:
        """Do all checks pass? `None` while none has failed and one has not run yet."""
        states = [streak.healthy for streak in self._streaks.values()]
        return None if None in states and False not in states else all(states)

    def results(self) -> list[Result]:
        """Return the state of each check."""
        return [
            Result(name, bool(streak.healthy), self._messages[name])
            for name, streak in self._streaks.items()
        ]

    def start(self) -> None:
        """Begin to check."""
        self._tasks = [
            asyncio.create_task(self._run(check), name=f"check {check.name}")
            for check in self._checks
        ]

    def stop(self) -> None:
        """Check no more."""
        for task in self._tasks:
            task.cancel()

    async def _run(self, check: HealthCheck) -> None:
        if check.endpoints is not None:
            await self._follow(check.name, check.endpoints)
            return
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            message = "passed"
            try:
                async with asyncio.timeout(check.timeout_millis / 1000):
                    await self._once(check)
            except TimeoutError:
                message = f"no answer within {check.timeout_millis} ms"
            except (CheckFailedError, OSError, EOFError, ValueError) as error:
                message = str(error) or type(error).__name__
            self._take(check.name, message)
            # A grid of its own, so that slow answers do not stretch the interval.
            due = max(due + check.interval_millis / 1000, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _follow(self, name: str, check: EndpointsCheck) -> None:
        waiting: asyncio.Task[None] | None = None
        try:
            async for found in self._endpoints(check.service):
                if found.here and (waiting is not None or self._streaks[name].healthy):
                    continue
                if waiting is not None:
                    waiting.cancel()
                    waiting = None
                if found.here:
                    waiting = asyncio.create_task(self._proxied(name, check))
                    continue
                message = f"Service {check.service} has no ready endpoint on this node"
                message += "" if found.elsewhere else ", nor on any other"
                self._take(name, message)
        finally:
            if waiting is not None:
                waiting.cancel()

    async def _proxied(self, name: str, check: EndpointsCheck) -> None:
        """Pass once traffic finds the endpoint: its node should not get the address before."""
        if check.health_check_node_port is not None:
            wanted = HttpCheck(
                port=check.health_check_node_port, path="/healthz", host=self._node_address
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROXY_SECONDS):
                    while not await _passes(wanted):  # noqa: ASYNC110  (it sets no event)
                        await asyncio.sleep(_PROXY_AGAIN)
        self._take(name, "passed")

    def _take(self, name: str, message: str) -> None:
        changed = self._streaks[name].take(message == "passed")
        if changed or message != self._messages[name]:
            self._messages[name] = message
            self._changed()

    def _once(self, check: HealthCheck) -> Awaitable[None]:
        if check.http is not None:
            return http(check.http)
        if check.tcp is not None:
            return tcp(check.tcp)
        if check.exec is not None:
            return execute(check.exec.command)
        return self._interface(check.interface.name if check.interface else None)

    async def _interface(self, name: str | None) -> None:
        if not self._link_up(name):
            raise CheckFailedError(f"interface {name or 'of the address'} is down or not there")


def _streak(check: HealthCheck) -> Streak:
    # What the API says of endpoints is no sample that may be off once: each word of it counts.
    return Streak(1, 1) if check.endpoints is not None else Streak(check.rise, check.fall)


async def tcp(check: TcpCheck) -> None:
    """Pass when a connection is accepted."""
    _, writer = await asyncio.open_connection(check.host or _HERE, check.port)
    await _close(writer)


async def http(check: HttpCheck) -> None:
    """Pass when a GET is answered by a status from 200 to 399."""
    host = check.host or _HERE
    context: ssl.SSLContext | None = None
    if check.scheme is Scheme.HTTPS:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        host, check.port, ssl=context, limit=_STATUS_LINE
    )
    try:
        request = (
            f"GET {check.path} HTTP/1.1\r\nHost: {host}:{check.port}\r\n"
            "User-Agent: havip-agent\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode())
        await writer.drain()
        words = (await reader.readline()).split(maxsplit=2)
    finally:
        await _close(writer)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise CheckFailedError("the answer is not HTTP")
    if not 200 <= int(words[1]) <= 399:
        raise CheckFailedError(f"answered with status {int(words[1])}")


async def _passes(check: HttpCheck) -> bool:
    try:
        await http(check)
    except (CheckFailedError, OSError, EOFError, ValueError):
        return False
    return True


async def execute(command: Sequence[str]) -> None:
    """Pass when the program ends with status 0. It and its children are killed when we give up."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        status = await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # Reaped by the event loop; not awaited, for we may be here because time ran out.
    if status != 0:
        raise CheckFailedError(f"{command[0]} ended with status {status}")


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
