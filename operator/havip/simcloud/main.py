"""The program `havip simcloud`."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

from havip.api.errors import UserError

from .datapath import BridgeDatapath
from .profiles import PROFILES
from .server import Server
from .topology import Topology


def run(*, listen: str, topology: Path, profile: str = "lab", bridge: str | None = None) -> None:
    """Serve a simulated cloud at HOST:PORT until SIGINT or SIGTERM.

    `topology` is a JSON file of `Topology`. With `bridge`, the cloud's rules hold for the traffic
    on that bridge too. Raises UserError for a bad topology or profile, a port that is taken, a
    bridge that is not there, and rights or programs that are missing.
    """
    if profile not in PROFILES:
        raise UserError(f"--profile must be one of {', '.join(PROFILES)}, not {profile}")
    host, _, port = listen.rpartition(":")
    if not port.isdecimal():
        raise UserError(f"--listen must be HOST:PORT, not {listen}")
    try:
        planned = Topology.read(topology)
    except (OSError, ValueError) as error:
        raise UserError(f"--topology {topology} cannot be used: {error}") from error
    datapath = BridgeDatapath(bridge) if bridge else None
    server = Server(planned, PROFILES[profile], datapath=datapath)
    try:
        asyncio.run(_serve(server, host or "127.0.0.1", int(port)))
    except OSError as error:
        raise UserError(f"the simulated cloud cannot be served at {listen}: {error}") from error
    except subprocess.CalledProcessError as error:
        raise UserError(f"the bridge cannot be ruled: {error.stderr.strip()}") from error


async def _serve(server: Server, host: str, port: int) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, done.set)
    async with server.listening(host, port) as endpoint:
        print(f"the simulated cloud listens on http://{endpoint}", flush=True)
        await done.wait()
