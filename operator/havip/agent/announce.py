"""Gratuitous ARP: tells the network, and the cloud, which node has the address now.

Both forms are sent, as some receivers heed only the one, some only the other. A packet socket
passes by the fence, so every announcement asks first whether the address is still ours: a process
that was frozen must not pull the traffic back when it wakes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Final

from havip.agent.fence import Place

log = logging.getLogger(__name__)

_BROADCAST: Final = b"\xff" * 6
_ARP: Final = 0x0806
_REQUEST: Final = 1
_REPLY: Final = 2


def frames(mac: bytes, place: Place) -> tuple[bytes, bytes]:
    """Return the request and the reply that announce the address at `mac`."""
    ethernet = _BROADCAST + mac + struct.pack("!H", _ARP)
    address = place.address.packed

    def arp(operation: int, target: bytes) -> bytes:
        head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
        return ethernet + head + mac + address + target + address

    return arp(_REQUEST, bytes(6)), arp(_REPLY, _BROADCAST)


class Announcer:
    """One packet socket per interface, kept open: to close one takes the kernel 10 to 20 ms."""

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}
        self.sent = 0

    def announce(self, place: Place) -> bool:
        """Send both forms now; False when the interface is gone or down."""
        try:
            out = self._socket(place.interface)
            name, *_, mac = out.getsockname()
            if name != place.interface:
                # The interface was renamed, and another one may have its name now.
                self._drop(place.interface)
                out = self._socket(place.interface)
                mac = out.getsockname()[4]
            for frame in frames(mac, place):
                out.send(frame)
        except OSError as error:
            log.warning("cannot announce %s on %s: %s", place.address, place.interface, error)
            self._drop(place.interface)
            return False
        self.sent += 1
        return True

    def close(self) -> None:
        """Close all sockets."""
        for interface in list(self._sockets):
            self._drop(interface)

    def _socket(self, interface: str) -> socket.socket:
        out = self._sockets.get(interface)
        if out is None:
            # Protocol 0: it only sends. Were it to receive, binding would take 10 ms.
            out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            try:
                out.setblocking(False)
                out.bind((interface, 0))
            except OSError:
                out.close()
                raise
            self._sockets[interface] = out
        return out

    def _drop(self, interface: str) -> None:
        out = self._sockets.pop(interface, None)
        if out is not None:
            out.close()


class Announcements:
    """The announcements of one ownership: a burst in the first second, then a steady refresh."""

    def __init__(
        self,
        announcer: Announcer,
        place: Place,
        burst: int,
        refresh: float,
        ours: Callable[[], bool],
    ) -> None:
        """Announce `place` while `ours()`, `burst` times at first, then each `refresh` seconds."""
        self._announcer = announcer
        self._place = place
        self._burst = burst
        self._refresh = refresh
        self._ours = ours
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> bool:
        """Send the first now; False when it could not be sent."""
        return self._next()

    def again(self) -> None:
        """Begin anew with a burst, now."""
        self.stop()
        self._count = 0
        self._next()

    def stop(self) -> None:
        """Send no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self) -> bool:
        sent = self._ours() and self._announcer.announce(self._place)
        self._count += 1
        pause = 1 / self._burst if self._count < self._burst else self._refresh
        self._timer = asyncio.get_running_loop().call_later(pause, self._next)
        return sent
