"""A node and a neighbour on one Ethernet segment, as network namespaces of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from havip.agent.fence import Place

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

_HOME = os.open("/proc/self/ns/net", os.O_RDONLY)

VIP = IPv4Address("10.99.0.50")
PLACE = Place("eth0", VIP)
NODE_MAC = "02:00:00:00:99:01"


@dataclass(frozen=True)
class Segment:
    """Two machines and the cable between them; both ends are named eth0."""

    node: str
    neighbour: str

    def ip(self, machine: str, *words: str) -> str:
        return run("ip", "-n", machine, *words)

    def neighbour_knows(self, address: IPv4Address) -> str | None:
        """The hardware address that the neighbour has for `address`."""
        words = self.ip(self.neighbour, "neighbour", "show", str(address)).split()
        return words[words.index("lladdr") + 1] if "lladdr" in words else None

    def answered(self, address: IPv4Address, seconds: float = 0.2) -> bool:
        """Whether the node answers the neighbour at `address`; a refused connection does."""
        with inside(self.neighbour):
            client = socket.socket()
        with client:
            client.settimeout(seconds)
            try:
                client.connect((str(address), 9))
            except ConnectionRefusedError:
                return True
            except OSError:
                return False
        return True


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """What this thread opens in the body, it opens in the namespace."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(back)
        os.close(there)
        os.close(back)


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """Within a test on the node: the body is back where the API server is."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _enter(_HOME)
        yield
    finally:
        _enter(back)
        os.close(back)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def until(found: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until it is so; fail when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "it did not come to be so"
        time.sleep(0.01)


async def eventually(found: Callable[[], bool], seconds: float = 6.0) -> None:
    """Wait until it is so, and let the event loop go on meanwhile."""
    async with asyncio.timeout(seconds):
        while not found():  # noqa: ASYNC110  (what is waited for sets no event)
            await asyncio.sleep(0.01)


@pytest.fixture
def segment() -> Iterator[Segment]:
    """A fresh segment; the test itself runs on the node."""
    if os.geteuid() != 0:
        pytest.skip("makes network namespaces, which takes root")
    made = Segment(f"havip-test-{os.getpid()}-a", f"havip-test-{os.getpid()}-b")
    with contextlib.ExitStack() as stack:
        for name in (made.node, made.neighbour):
            run("ip", "netns", "add", name)
            stack.callback(run, "ip", "netns", "delete", name)
        run(
            *("ip", "-n", made.node, "link", "add", "eth0", "address", NODE_MAC, "type", "veth"),
            *("peer", "name", "eth0", "netns", made.neighbour),
        )
        for name, address in ((made.node, "10.99.0.1/24"), (made.neighbour, "10.99.0.2/24")):
            made.ip(name, "address", "add", address, "dev", "eth0")
            made.ip(name, "link", "set", "eth0", "up")
            made.ip(name, "link", "set", "lo", "up")
        stack.enter_context(inside(made.node))
        yield made


@pytest.fixture
def key_dir(tmp_path: Path) -> Path:
    """The Secret's files."""
    (tmp_path / "current").write_bytes(b"c" * 32)
    return tmp_path
