"""The client: asks an address every few milliseconds who is there, and writes each answer down.

    prober.py ADDRESS PORT INTERVAL_MILLISECONDS

Writes a line for each probe when its answer comes or the program is asked to end (SIGTERM):
number, time sent, time answered, node. The last two are `-` for a probe nobody answered.
Times are seconds of the machine's monotonic clock. The first line is `ready`.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import struct
import sys
import time

NUMBER = struct.Struct("!Q")


def probe(address: str, port: int, interval: float) -> None:
    """Probe until SIGTERM."""
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True

    signal.signal(signal.SIGTERM, end)
    waiting: dict[int, float] = {}
    number = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        print("ready", flush=True)
        due = time.monotonic()
        # A moment more at the end, for the answers that are under way.
        last_look = float("inf")
        while time.monotonic() < last_look:
            now = time.monotonic()
            if ending and last_look == float("inf"):
                last_look = now + 0.2
            if now >= due and not ending:
                number += 1
                waiting[number] = now
                # Nobody may answer ARP: then it is a lost probe like any other.
                with contextlib.suppress(OSError):
                    client.sendto(NUMBER.pack(number), (address, port))
                # From the plan, not from now, so that a late wake-up does not slow the rate down.
                due = max(due + interval, now - interval)
            readable, _, _ = select.select([client], [], [], max(0.0, min(due - now, 0.05)))
            if readable:
                _read_answers(client, waiting)
    for missing, sent in waiting.items():
        print(missing, f"{sent:.6f}", "-", "-")
    sys.stdout.flush()


def _read_answers(client: socket.socket, waiting: dict[int, float]) -> None:
    while True:
        try:
            data = client.recv(256)
        except BlockingIOError:
            return
        except OSError:
            continue  # An ICMP error of an earlier probe.
        (number,) = NUMBER.unpack_from(data)
        # A second answer to one probe is written too: it would mean two owners.
        sent = waiting.pop(number, -1.0)
        node = data[NUMBER.size :].decode()
        print(number, f"{sent:.6f}", f"{time.monotonic():.6f}", node, flush=True)


if __name__ == "__main__":
    probe(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000)
