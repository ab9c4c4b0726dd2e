"""The cloud's rules on a real bridge: who may use an address, whose announcement counts.

A VPC lets only associated interfaces send from a HaVip's address or receive for it, and makes the
one that announced it last by ARP the master. On a Linux bridge a table of nftables does the
first and a packet socket tells of the second: it sees what the table let through. Each interface
may have its port of the bridge, which is down while no running instance has the interface.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Protocol

from .model import Cloud

TABLE = "havip_simcloud"
ETH_P_ARP = 0x0806

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wiring:
    """What the bridge must enforce."""

    ports: frozenset[str] = frozenset()
    """The bridge ports of interfaces; the rules hold for no others."""
    addresses: frozenset[IPv4Address] = frozenset()
    """The addresses of all HaVips."""
    bindings: frozenset[tuple[str, IPv4Address]] = frozenset()
    """Ports that may use an address."""
    down: frozenset[str] = frozenset()
    """Ports of interfaces that no running instance has."""


def wiring(cloud: Cloud) -> Wiring:
    """Derive the wiring from the cloud's state, which must be settled."""
    wired = [card for card in cloud.network_interfaces.values() if card.bridge_port]
    return Wiring(
        ports=frozenset(card.bridge_port or "" for card in wired),
        addresses=frozenset(vip.address for vip in cloud.ha_vips.values()),
        bindings=frozenset(
            (card.bridge_port or "", vip.address)
            for vip in cloud.ha_vips.values()
            for card in wired
            if cloud.may_use(vip, card)
        ),
        down=frozenset(card.bridge_port or "" for card in wired if not cloud.linked(card)),
    )


def ruleset(wanted: Wiring) -> str:
    """Write the whole table, in one transaction that replaces the one before it."""
    ports = _elements(f'"{port}"' for port in sorted(wanted.ports))
    addresses = _elements(str(address) for address in sorted(wanted.addresses))
    bindings = _elements(f'"{port}" . {address}' for port, address in sorted(wanted.bindings))
    return f"""
table bridge {TABLE}
delete table bridge {TABLE}
table bridge {TABLE} {{
    set ports {{ type ifname; {ports} }}
    set addresses {{ type ipv4_addr; {addresses} }}
    set bindings {{ type ifname . ipv4_addr; {bindings} }}
    chain sent {{
        type filter hook prerouting priority filter;
        iifname @ports arp saddr ip @addresses iifname . arp saddr ip != @bindings drop
        iifname @ports ip saddr @addresses iifname . ip saddr != @bindings drop
    }}
    chain received {{
        type filter hook postrouting priority filter;
        oifname @ports ip daddr @addresses oifname . ip daddr != @bindings drop
    }}
}}
"""


def _elements(elements: Iterable[str]) -> str:
    listed = ", ".join(elements)
    return f"elements = {{ {listed} }};" if listed else ""


def arp_sender(frame: bytes) -> tuple[str, IPv4Address] | None:
    """Read who an ARP frame says it is from: MAC and IPv4 address; None for any other frame."""
    if len(frame) < 42:
        return None
    ether_type, hardware, protocol, lengths = struct.unpack_from("!HHHH", frame, 12)
    if (ether_type, hardware, protocol, lengths) != (ETH_P_ARP, 1, 0x0800, 0x0604):
        return None
    return frame[22:28].hex(":"), IPv4Address(frame[28:32])


class Datapath(Protocol):
    """Something that enforces a wiring and tells of announcements."""

    def follow(self, wanted: Wiring) -> None:
        """Enforce a wiring; returns when it is in force."""

    def open(self, heard: Callable[[IPv4Address, str], object]) -> None:
        """Begin to listen within the running event loop."""

    def close(self) -> None:
        """Undo everything."""


@dataclass
class BridgeDatapath:
    """A Linux bridge of this network namespace. Needs root, and the programs `nft` and `ip`.

    A change blocks for the time of one `nft` (some milliseconds), so that no call is answered
    before the rule that it stands for is in force.
    """

    bridge: str
    _socket: socket.socket | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _enforced: Wiring | None = field(default=None, init=False)

    def open(self, heard: Callable[[IPv4Address, str], object]) -> None:
        """Begin to listen. Raises OSError without the rights or the bridge."""
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
        try:
            sniffer.setblocking(False)
            sniffer.bind((self.bridge, ETH_P_ARP))
        except OSError:
            sniffer.close()
            raise
        self._socket = sniffer
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sniffer, self._read, sniffer, heard)

    @staticmethod
    def _read(sniffer: socket.socket, heard: Callable[[IPv4Address, str], object]) -> None:
        try:
            frame = sniffer.recv(2048)
        except OSError as error:
            # The bridge went down; it may come back.
            logger.warning("listening for ARP: %s", error)
            return
        sender = arp_sender(frame)
        if sender is not None:
            mac, address = sender
            heard(address, mac)

    def follow(self, wanted: Wiring) -> None:
        """Enforce a wiring. Raises CalledProcessError when nft refuses."""
        before = self._enforced
        if wanted == before:
            return
        if before is None or (wanted.ports, wanted.addresses, wanted.bindings) != (
            before.ports,
            before.addresses,
            before.bindings,
        ):
            _run(["nft", "-f", "-"], ruleset(wanted))
        # Only what changes: a link may be down for a reason of somebody else's.
        was_down = before.down if before is not None else frozenset()
        for port in sorted(wanted.down ^ was_down):
            self._set_port(port, "down" if port in wanted.down else "up")
        self._enforced = wanted

    @staticmethod
    def _set_port(port: str, state: str) -> None:
        try:
            _run(["ip", "link", "set", "dev", port, state])
        except subprocess.CalledProcessError as error:
            # The lab may have taken the link away altogether.
            logger.warning("setting %s %s: %s", port, state, error.stderr.strip())

    def close(self) -> None:
        """Stop listening, remove the table, leave the links as they are."""
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        if self._enforced is not None:
            _run(["nft", "-f", "-"], f"table bridge {TABLE}\ndelete table bridge {TABLE}\n")


def _run(command: list[str], text: str = "") -> None:
    subprocess.run(command, input=text, text=True, check=True, capture_output=True, timeout=10)
