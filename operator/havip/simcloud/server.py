"""The HTTP server: the API at `/`, the metadata service at `/latest/`, control at `/_control/`."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from .answers import Answer, Delivery
from .client import ControlClient
from .control import Control
from .datapath import Datapath, wiring
from .gateway import Gateway, Request
from .machines import Instance
from .metadata import TOKEN_HEADER, TTL_HEADER, Metadata
from .model import Cloud
from .profiles import PROFILES, Profile
from .signature import Signed
from .topology import Topology

INSTANCE_HEADER = "X-Simcloud-Instance"
"""Names the instance that asks the metadata service, where its source address does not."""

HOLD = 60.0
"""Seconds after which a client that waits for a withheld answer is cut off."""


class Server:
    """One simulated cloud behind HTTP."""

    def __init__(
        self,
        topology: Topology,
        profile: Profile,
        *,
        clock: Callable[[], float] = time.time,
        seed: int | None = None,
        datapath: Datapath | None = None,
    ) -> None:
        self.cloud = Cloud(topology, profile, random.Random(seed))
        self._clock = clock
        self.gateway = Gateway(self.cloud, clock, self._changed)
        self._metadata = Metadata(self.cloud)
        self._datapath = datapath
        self._waking: asyncio.TimerHandle | None = None

    def application(self) -> web.Application:
        """Give the aiohttp application."""
        app = web.Application()
        app.add_routes(Control(self.gateway).routes())
        app.router.add_put("/latest/api/token", self._token)
        app.router.add_get("/latest/{path:.*}", self._read_metadata)
        app.router.add_route("GET", "/", self._call)
        app.router.add_route("POST", "/", self._call)
        return app

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[str]:
        """Serve within the block; gives `HOST:PORT` as it came to be. Raises OSError if taken."""
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            if self._datapath is not None:
                self._datapath.open(self._heard)
                self._changed()
            await web.TCPSite(runner, host, port).start()
            bound = runner.addresses[0]
            yield f"{bound[0]}:{bound[1]}"
        finally:
            await runner.cleanup()
            if self._waking is not None:
                self._waking.cancel()
            if self._datapath is not None:
                self._datapath.close()

    def _changed(self) -> None:
        """Let the bridge follow the cloud, now and when the next transition is due.

        Without a bridge nobody sees a transition before asking, and none needs a timer.
        """
        if self._datapath is None:
            return
        now = self._clock()
        self.cloud.settle(now)
        self._datapath.follow(wiring(self.cloud))
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        if self.cloud.next_change is not None:
            self._waking = asyncio.get_running_loop().call_later(
                max(0.0, self.cloud.next_change - now), self._changed
            )

    def _heard(self, address: IPv4Address, mac: str) -> None:
        now = self._clock()
        self.cloud.settle(now)
        self.cloud.before_change(now)
        self.cloud.announce(address, mac)

    async def _call(self, request: web.Request) -> web.Response:
        body = await request.read()
        form: tuple[tuple[str, str], ...] = ()
        if request.content_type == "application/x-www-form-urlencoded":
            form = tuple(parse_qsl(body.decode(), keep_blank_values=True))
        answer = await self.gateway.answer(
            Request(
                Signed(
                    request.method,
                    parse_qsl(urlsplit(request.raw_path).query, keep_blank_values=True),
                    {name.lower(): value for name, value in request.headers.items()},
                    body,
                ),
                form,
            )
        )
        return await _response(request, answer)

    def _asking(self, request: web.Request) -> Instance | None:
        named = request.headers.get(INSTANCE_HEADER)
        if named is not None:
            return self.cloud.instances.get(named)
        return self._metadata.instance_at(request.remote or "")

    async def _token(self, request: web.Request) -> web.Response:
        status, text = self._metadata.new_token(
            self._asking(request), request.headers.get(TTL_HEADER, ""), self._clock()
        )
        return web.Response(status=status, text=text)

    async def _read_metadata(self, request: web.Request) -> web.Response:
        status, text = self._metadata.read(
            self._asking(request),
            request.match_info["path"],
            request.headers.get(TOKEN_HEADER, ""),
            self._clock(),
        )
        return web.Response(status=status, text=text)


async def _response(request: web.Request, answer: Answer) -> web.Response:
    """Deliver an answer; where it is not to arrive whole, the response finds no connection."""
    if answer.delivery is Delivery.HELD:
        await _outlast(request)
    transport = request.transport
    if transport is not None:
        match answer.delivery:
            case Delivery.CUT | Delivery.HELD:
                transport.abort()
            case Delivery.RESET:
                link = transport.get_extra_info("socket")
                # Lingering for no time at all is what makes closing send an RST.
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                transport.abort()
            case Delivery.TRUNCATED if isinstance(transport, asyncio.Transport):
                half = answer.body[: len(answer.body) // 2]
                transport.write(_HEAD % (answer.content_type.encode(), len(answer.body)) + half)
                transport.close()
    return web.Response(
        status=answer.status,
        body=answer.body,
        content_type=answer.content_type,
        headers=dict(answer.headers),
    )


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"


async def _outlast(request: web.Request) -> None:
    """Wait until the client is gone, or for HOLD seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + HOLD
    # The server's library can tell a handler only by ending it, and then every handler.
    while request.transport is not None and loop.time() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


@dataclass(frozen=True)
class RunningCloud:
    """A simulated cloud that serves: `endpoint` is what the SDK's configuration takes."""

    endpoint: str
    control: ControlClient

    @property
    def url(self) -> str:
        """Base URL, also of the metadata service."""
        return f"http://{self.endpoint}"


@contextlib.contextmanager
def running(
    topology: Topology,
    profile: str | Profile = "instant",
    *,
    clock: Callable[[], float] = time.time,
    seed: int | None = None,
) -> Iterator[RunningCloud]:
    """Run a simulated cloud on a free loopback port, in a thread, within the block."""
    chosen = PROFILES[profile] if isinstance(profile, str) else profile
    server = Server(topology, chosen, clock=clock, seed=seed)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simcloud", daemon=True)
    thread.start()

    stack = contextlib.AsyncExitStack()
    try:
        endpoint = asyncio.run_coroutine_threadsafe(
            stack.enter_async_context(server.listening("127.0.0.1", 0)), loop
        ).result()
        try:
            yield RunningCloud(endpoint, ControlClient(endpoint))
        finally:
            asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
