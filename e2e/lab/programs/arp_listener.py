"""Writes down the ARP frames on an interface: time, sender's MAC and address, target, kind.

arp_listener.py INTERFACE
"""

from __future__ import annotations

import socket
import struct
import sys
import time

ETH_P_ARP = 0x0806
# Hardware and protocol type and size, operation, sender MAC and IP, target MAC and IP.
ARP = struct.Struct("!HHBBH6s4s6s4s")
ETHERNET_HEADER_BYTES = 14


def listen(interface: str) -> None:
    """Print a line for each ARP frame, for ever."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)) as raw:
        raw.bind((interface, ETH_P_ARP))
        print("ready", flush=True)
        while True:
            frame = raw.recv(256)
            if len(frame) < ETHERNET_HEADER_BYTES + ARP.size:
                continue
            fields = ARP.unpack_from(frame, ETHERNET_HEADER_BYTES)
            _, _, _, _, operation, sender_mac, sender, _, target = fields
            kind = {1: "request", 2: "reply"}.get(operation, str(operation))
            print(
                f"{time.monotonic():.6f}",
                sender_mac.hex(":"),
                socket.inet_ntoa(sender),
                socket.inet_ntoa(target),
                kind,
                flush=True,
            )


if __name__ == "__main__":
    listen(sys.argv[1])
