"""The program `havip simcloud`."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from .datapath import BridgeDatapath
from .profiles import PROFILES
from .server import Server
from .topology import Topology


def run(*, listen: str, topology: Path, profile: str = "lab", bridge: str | None = None) -> None:
    """Serve a simulated cloud at HOST:PORT until SIGINT or SIGTERM.

    `topology` is a JSON file of `Topology`. With `bridge`, the cloud's rules hold for the traffic
    on that bridge too. Raises ValueError for a bad topology or profile, OSError for a taken port.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, not {profile}")
    host, _, port = listen.rpartition(":")
    server = Server(
        Topology.read(topology),
        PROFILES[profile],
        datapath=BridgeDatapath(bridge) if bridge else None,
    )
    asyncio.run(_serve(server, host or "127.0.0.1", int(port)))


async def _serve(server: Server, host: str, port: int) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, done.set)
    async with server.listening(host, port) as endpoint:
        print(f"the simulated cloud listens on http://{endpoint}", flush=True)
        await done.wait()
