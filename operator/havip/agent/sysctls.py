"""Settings by which the kernel of a node with several interfaces serves the wrong one.

They are reported and never changed: they are the node's, and others rely on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from havip.agent.fence import Place

_STRICT: Final = 1
_ONLY_ITS_OWN: Final = (1, 2, 8)
"""Values of arp_ignore with which an interface answers for no address of another."""
_BEST_SOURCE: Final = 2

Read = Callable[[str, str], int]
"""Takes an interface (or ``all``) and the name of a setting."""


def read(interface: str, setting: str) -> int:
    """Read a setting of an interface; 0 where there is none."""
    try:
        return int(Path(f"/proc/sys/net/ipv4/conf/{interface}/{setting}").read_text())
    except (OSError, ValueError):
        return 0


def findings(
    place: Place, in_subnet: Sequence[str], elsewhere: Sequence[str], ask: Read = read
) -> list[str]:
    """Say what of the settings does harm to an address, and what to set.

    Args:
        place: the address, on its interface.
        in_subnet: the other interfaces with an address of the same subnet.
        elsewhere: the other network interfaces of the node in the cloud.
        ask: gives a setting.

    """
    found = []

    def effective(interface: str, setting: str) -> int:
        # Of these three the kernel uses the greater one of `all` and the interface's own.
        return max(ask("all", setting), ask(interface, setting))

    mine, address = place.interface, place.address
    if (in_subnet or elsewhere) and effective(mine, "rp_filter") == _STRICT:
        found.append(
            f"{address} goes on {mine}, the node has other network interfaces, and rp_filter is"
            f" strict: packets to it are dropped where the way back leads through another"
            f" interface; set net.ipv4.conf.{mine}.rp_filter=2"
        )
    for other in in_subnet:
        if effective(other, "arp_ignore") not in _ONLY_ITS_OWN:
            found.append(
                f"{address} goes on {mine}, and {other} is in the same subnet: it answers ARP for"
                f" the address with its own MAC; set net.ipv4.conf.{other}.arp_ignore=1"
            )
        if effective(other, "arp_announce") < _BEST_SOURCE:
            found.append(
                f"{address} goes on {mine}, and {other} is in the same subnet: its ARP requests"
                f" name the address with its own MAC; set net.ipv4.conf.{other}.arp_announce=2"
            )
    return found
