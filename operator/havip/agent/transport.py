"""The peers: UDP between the nodes' own addresses, one datagram per peer and tick.

What is sent within one turn of the event loop is gathered per peer, so the heartbeats of all HaVips
that fall due together share a datagram.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from havip.election.messages import Message
from havip.election.wire import Addressed, Datagram, Opener, Sealer, checked_key

log = logging.getLogger(__name__)

Endpoint = tuple[str, int]


def read_keys(directory: Path) -> tuple[bytes, ...]:
    """Read the Secret's files: `current` first, then `previous` where there is one.

    Raises `ValueError` for a key that is too short, `OSError` where `current` cannot be read.
    """
    current = checked_key((directory / "current").read_bytes())
    try:
        previous = (directory / "previous").read_bytes()
    except FileNotFoundError:
        return (current,)
    return (current, checked_key(previous)) if previous else (current,)


class Peers(asyncio.DatagramProtocol):
    """Sends to and hears from the agents of the other nodes."""

    def __init__(
        self, sealer: Sealer, opener: Opener, heard: Callable[[str, Addressed], None]
    ) -> None:
        """Call `heard(sender, entry)` for each authentic message that came in."""
        self._sealer = sealer
        self._opener = opener
        self._heard = heard
        self._endpoints: Mapping[str, Endpoint] = {}
        self._outbox: dict[str, list[Addressed]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self.sent = 0
        self.received = 0
        self.last_heard: dict[str, float] = {}
        """When anything authentic came from a peer, by the event loop's clock."""

    @property
    def dropped(self) -> Mapping[Any, int]:
        """Datagrams that were not accepted, by reason."""
        return self._opener.dropped

    async def open(self, address: str, port: int) -> Endpoint:
        """Listen on this node's own address and send from there; return what was bound."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(address, port))
        self._transport = transport
        bound: Endpoint = transport.get_extra_info("sockname")
        return bound

    def close(self) -> None:
        """Send what is waiting, and listen no more."""
        self._flush()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def use_keys(self, keys: tuple[bytes, ...]) -> None:
        """Sign with the first key and accept all of them."""
        self._sealer.key = keys[0]
        self._opener.keys = keys

    def know(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Reach the peers at these addresses from now on."""
        self._endpoints = endpoints

    def send(self, to: str, uid: str, message: Message) -> None:
        """Send a message to a peer, together with all else of this turn of the event loop."""
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outbox.setdefault(to, []).append(Addressed(uid, message))

    def greet(self, names: Iterable[str]) -> None:
        """Send each of these peers a datagram that says nothing: what counts is that it arrives."""
        for name in names:
            self._transmit(name, [self._sealer.greet(name)])

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, {}
        for name, entries in outbox.items():
            self._transmit(name, self._sealer.seal(name, entries))

    def _transmit(self, to: str, datagrams: Iterable[bytes]) -> None:
        endpoint = self._endpoints.get(to)
        if endpoint is None or self._transport is None:
            return
        for data in datagrams:
            self._transport.sendto(data, endpoint)
            self.sent += 1

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ANN401
        """Hand on what is authentic (called by asyncio)."""
        datagram: Datagram | None = self._opener.open(data)
        if datagram is None:
            return
        self.received += 1
        self.last_heard[datagram.sender] = asyncio.get_running_loop().time()
        for entry in datagram.entries:
            self._heard(datagram.sender, entry)

    def error_received(self, exc: Exception) -> None:
        """Let it pass: a peer that is not there is what the election is for (called by asyncio)."""
        log.debug("datagram not delivered: %s", exc)
