"""Agents hear each other over UDP, and nobody else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from havip.agent.transport import Endpoint, Peers, read_keys
from havip.election.messages import Farewell
from havip.election.wire import Addressed, Drop, Opener, Sealer

from .conftest import eventually

KEY = b"k" * 32


class Station:
    """One agent's end."""

    def __init__(self, name: str, key: bytes = KEY) -> None:
        self.heard: list[tuple[str, Addressed]] = []
        self.peers = Peers(
            Sealer(name, 1, key), Opener(name, [key]), lambda *said: self.heard.append(said)
        )
        self.endpoint: Endpoint = ("", 0)


@asynccontextmanager
async def stations(*made: Station) -> AsyncIterator[None]:
    for station in made:
        station.endpoint = await station.peers.open("127.0.0.1", 0)
    try:
        yield
    finally:
        for station in made:
            station.peers.close()


async def test_what_is_said_in_one_turn_shares_a_datagram() -> None:
    one, two = Station("node1"), Station("node2")
    async with stations(one, two):
        one.peers.know({"node2": two.endpoint})
        for n in range(10):
            one.peers.send("node2", f"uid-{n}", Farewell(n))
        await eventually(lambda: len(two.heard) == 10)
        assert one.peers.sent == two.peers.received == 1
        assert two.heard[3] == ("node1", Addressed("uid-3", Farewell(3)))


async def test_a_peer_of_unknown_address_is_no_obstacle() -> None:
    one, two = Station("node1"), Station("node2")
    async with stations(one, two):
        one.peers.know({"node2": two.endpoint})
        one.peers.send("node9", "uid", Farewell(1))
        one.peers.send("node2", "uid", Farewell(2))
        await eventually(lambda: len(two.heard) == 1)


async def test_datagrams_come_from_the_nodes_own_address_and_port() -> None:
    one = Station("node1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        async with stations(one):
            one.peers.know({"node2": listener.getsockname()})
            one.peers.send("node2", "uid", Farewell(1))
            loop = asyncio.get_running_loop()
            _, sender = await asyncio.wait_for(loop.sock_recvfrom(listener, 2000), 5)
            assert sender == one.endpoint


async def test_strangers_are_counted_and_not_heard() -> None:
    one, stranger = Station("node1"), Station("node2", b"z" * 32)
    async with stations(one, stranger):
        stranger.peers.know({"node1": one.endpoint})
        stranger.peers.send("node1", "uid", Farewell(1))
        await eventually(lambda: one.peers.dropped == {Drop.UNSIGNED: 1})
        assert one.heard == []


async def test_a_rotation_of_keys_interrupts_nothing() -> None:
    one, two, fresh = Station("node1"), Station("node2"), b"f" * 32
    async with stations(one, two):
        one.peers.know({"node2": two.endpoint})
        two.peers.use_keys((fresh, KEY))
        one.peers.send("node2", "uid", Farewell(1))
        await eventually(lambda: len(two.heard) == 1)
        one.peers.use_keys((fresh, KEY))
        one.peers.send("node2", "uid", Farewell(2))
        await eventually(lambda: len(two.heard) == 2)


def test_the_secret_may_have_one_key_or_two(key_dir: Path) -> None:
    assert read_keys(key_dir) == (b"c" * 32,)
    (key_dir / "previous").write_bytes(b"p" * 32)
    assert read_keys(key_dir) == (b"c" * 32, b"p" * 32)


def test_a_key_that_is_too_short_is_refused(key_dir: Path) -> None:
    (key_dir / "current").write_bytes(b"short")
    with pytest.raises(ValueError, match="at least 32 bytes"):
        read_keys(key_dir)
