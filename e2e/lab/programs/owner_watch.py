"""Watches which nodes own an address: it is on their interface *and* no fence closes it.

    owner_watch.py ADDRESS INTERVAL_MILLISECONDS NODE=NAMESPACE_FILE...

Asks the kernels themselves, over netlink sockets opened in each node's namespace; nothing that the
agents say is believed. Writes `began TIME NODE` at the first sample that shows an owner, and
`ended TIME NODE` with the time of the last one that did, so that what is written is never longer
than what was. `gap SECONDS` at the end tells the longest time between two rounds of samples.
Times are seconds of the machine's monotonic clock. The first line is `ready`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass

NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_GETADDR, IFA_LOCAL = 22, 2
NFT_MSG_GETSETELEM = (10 << 8) | 13  # subsystem nftables
NFPROTO_INET = 1
NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET = 1, 2

FENCE_TABLE, INTERFACE = b"havip_agent", b"eth0"
CLONE_NEWNET = 0x40000000


def attribute(kind: int, value: bytes) -> bytes:
    """Return a netlink attribute, padded to four bytes."""
    length = 4 + len(value)
    return struct.pack("HH", length, kind) + value + b"\0" * (-length % 4)


def dump_request(kind: int, body: bytes) -> bytes:
    """Return the netlink message that asks for all of a kind."""
    return struct.pack("IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body


@dataclass
class Kernel:
    """One node's kernel, asked through sockets that live in its namespace."""

    node: str
    addresses: socket.socket
    fence: socket.socket
    owner: bool = False
    last_seen_owner: float = 0.0

    def owns(self, address: bytes) -> bool:
        """Whether the address is there and the fence is open for it."""
        addresses = dump_request(RTM_GETADDR, struct.pack("BBBBI", socket.AF_INET, 0, 0, 0, 0))
        # Looking for the attribute's bytes spares a parser: its header makes it unmistakable.
        if attribute(IFA_LOCAL, address) not in ask(self.addresses, addresses):
            return False
        # Closed is only what is guarded and not held: an address that nobody fences is open.
        return self._is_in(b"held", address) or not self._is_in(b"guarded", address)

    def _is_in(self, fence_set: bytes, address: bytes) -> bool:
        request = dump_request(
            NFT_MSG_GETSETELEM,
            struct.pack("BBH", NFPROTO_INET, 0, 0)
            + attribute(NFTA_SET_ELEM_LIST_TABLE, FENCE_TABLE + b"\0")
            + attribute(NFTA_SET_ELEM_LIST_SET, fence_set + b"\0"),
        )
        # Elements are interface names, padded to 16 bytes, with the address behind.
        return INTERFACE.ljust(16, b"\0") + address in ask(self.fence, request)


def ask(kernel: socket.socket, request: bytes) -> bytes:
    """Send a dump request and return all of the answer; nothing if the kernel has no such thing."""
    kernel.send(request)
    answer = b""
    while True:
        part = kernel.recv(65536)
        offset = 0
        while offset + 16 <= len(part):
            length, kind = struct.unpack_from("IH", part, offset)
            if kind in {NLMSG_DONE, NLMSG_ERROR}:
                return answer
            offset += (length + 3) & ~3
        answer += part


def open_kernel(node: str, namespace_file: str) -> Kernel:
    """Open a node's sockets; a socket stays in the namespace it was made in."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(namespace_file, os.O_RDONLY)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace_file}")
    finally:
        os.close(descriptor)
    return Kernel(
        node,
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE),
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER),
    )


def watch(address: str, interval: float, nodes: dict[str, str]) -> None:
    """Sample until SIGTERM."""
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True

    signal.signal(signal.SIGTERM, end)
    wanted = socket.inet_aton(address)
    kernels = [open_kernel(node, file) for node, file in nodes.items()]
    print("ready", flush=True)
    longest_gap, last_round = 0.0, time.monotonic()
    while not ending:
        began = time.monotonic()
        longest_gap = max(longest_gap, began - last_round)
        last_round = began
        for kernel in kernels:
            before = time.monotonic()
            owner = kernel.owns(wanted)
            if owner and not kernel.owner:
                print(f"began {time.monotonic():.6f} {kernel.node}", flush=True)
            elif kernel.owner and not owner:
                print(f"ended {kernel.last_seen_owner:.6f} {kernel.node}", flush=True)
            kernel.owner = owner
            if owner:
                kernel.last_seen_owner = before
        time.sleep(max(0.0, began + interval - time.monotonic()))
    for kernel in kernels:
        if kernel.owner:
            print(f"ended {kernel.last_seen_owner:.6f} {kernel.node}")
    print(f"gap {longest_gap:.6f}", flush=True)


if __name__ == "__main__":
    watch(
        sys.argv[1],
        float(sys.argv[2]) / 1000,
        dict(argument.split("=", 1) for argument in sys.argv[3:]),
    )
