"""The lab's network: a bridge in a namespace of its own, and one namespace for each machine.

```
 havip-lab-fabric   10.77.0.1   the bridge `vpc`: API server and simulated cloud live here
 havip-lab-controller  .5       where the controller runs
 havip-lab-node1..n    .11..    the nodes
 havip-lab-client      .50      a machine of the same VPC that talks to the HaVip
 (this machine)        .2       so that kubectl and the tests reach the fabric
```

A machine's link ends in the bridge's namespace as `port-<machine>`. Taking that end down is what a
dead host looks like; dropping its frames there is a cut that the machine does not notice. A node
may have a second link, eth1, which ends as `port2-<machine>` on the same bridge.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import IO, Literal

PREFIX = "havip-lab-"
LOCK = Path("/run/havip-lab.lock")
LOCK_SECONDS = 120
FABRIC = "fabric"
BRIDGE = "vpc"
HOST_LINK = "havip-lab"
SUBNET = "10.77.0.0/24"
FABRIC_ADDRESS = "10.77.0.1"
HOST_ADDRESS = "10.77.0.2"
API_PORT = 6443

Direction = Literal["from", "to"]


class NetworkError(Exception):
    """A command that shapes the network failed; the text is what it said."""


@dataclass(frozen=True)
class Machine:
    """A machine of the lab's VPC."""

    name: str
    address: str
    second: IPv4Interface | None = None
    """Address and subnet of eth1, if it has one."""

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return PREFIX + self.name

    @property
    def port(self) -> str:
        """The bridge's end of its link."""
        return f"port-{self.name}"

    @property
    def second_port(self) -> str:
        """The bridge's end of its second link."""
        return f"port2-{self.name}"

    @property
    def ports(self) -> tuple[str, ...]:
        """The bridge's ends of all its links."""
        return (self.port, self.second_port) if self.second else (self.port,)

    @property
    def mac(self) -> str:
        """Its hardware address, which tells the address as the real VPC's do."""
        return mac_of(self.address)


def mac_of(address: str) -> str:
    """Return the hardware address of the interface that has an address."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


CLIENT = Machine("client", "10.77.0.50")
CONTROLLER = Machine("controller", "10.77.0.5")


def node_machines(nodes: int, second_subnet: str | None = None) -> dict[str, Machine]:
    """Return node1 and on by name, each with a second interface if there is a subnet for it."""
    return {
        f"node{n}": Machine(f"node{n}", f"10.77.0.{10 + n}", _second(second_subnet, n))
        for n in range(1, nodes + 1)
    }


def _second(subnet: str | None, number: int) -> IPv4Interface | None:
    if subnet is None:
        return None
    network = IPv4Network(subnet)
    return IPv4Interface(f"{network[60 + number]}/{network.prefixlen}")


def enter(machine: str) -> list[str]:
    """Return what to put before a command so that it runs in a machine's network."""
    # Not `ip netns exec`: it hides /sys/fs/cgroup, which the programs of a node need.
    return ["nsenter", f"--net=/run/netns/{PREFIX}{machine}", "--"]


class Network:
    """The namespaces, the bridge and the links between them, and ways to hurt them."""

    def __init__(self, machines: Iterable[Machine]) -> None:
        """Describe the network; `create` makes it."""
        self.machines = {machine.name: machine for machine in machines}
        self._lock: IO[str] | None = None

    def create(self) -> None:
        """Make everything, in place of what a crashed run has left.

        Raises NetworkError, most likely for want of root or because another lab is up.
        """
        self._lock = _lock()
        try:
            self._create()
        except BaseException:
            self.remove()
            raise

    def _create(self) -> None:
        _remove_ours()
        run("ip", "netns", "add", PREFIX + FABRIC)
        in_fabric = ["ip", "-n", PREFIX + FABRIC]
        run(*in_fabric, "link", "set", "lo", "up")
        run(*in_fabric, "link", "add", BRIDGE, "type", "bridge", "mcast_snooping", "0")
        run(*in_fabric, "link", "set", BRIDGE, "up")
        run(*in_fabric, "address", "add", f"{FABRIC_ADDRESS}/24", "dev", BRIDGE)
        _without_ipv6(FABRIC)
        for machine in self.machines.values():
            self._create_machine(machine)
        for machine in self.machines.values():
            if machine.second is not None:
                self._create_second(machine, machine.second)
        run(
            *("ip", "link", "add", HOST_LINK, "type", "veth"),
            *("peer", "name", "port-host", "netns", PREFIX + FABRIC),
        )
        run("ip", "address", "add", f"{HOST_ADDRESS}/24", "dev", HOST_LINK)
        run("ip", "link", "set", HOST_LINK, "up")
        run(*in_fabric, "link", "set", "port-host", "master", BRIDGE, "up")
        _nft(
            f"add table bridge cuts\n"
            "add chain bridge cuts in { type filter hook prerouting priority -400; }\n"
            "add chain bridge cuts out { type filter hook postrouting priority 400; }\n"
            "add set bridge cuts from { type ifname; }\n"
            "add set bridge cuts to { type ifname; }\n"
            "add rule bridge cuts in iifname @from drop\n"
            "add rule bridge cuts out oifname @to drop\n"
            "add table inet api\n"
            "add chain inet api in { type filter hook input priority 0; }\n"
            "add chain inet api out { type filter hook output priority 0; }\n"
            "add set inet api away { type ipv4_addr; flags interval; }\n"
            f"add rule inet api in iifname {BRIDGE} tcp dport {API_PORT} ip saddr @away drop\n"
            f"add rule inet api out oifname {BRIDGE} tcp sport {API_PORT} ip daddr @away drop\n"
        )

    def _create_machine(self, machine: Machine) -> None:
        run("ip", "netns", "add", machine.namespace)
        run(
            *("ip", "-n", machine.namespace, "link", "add", "eth0", "address", machine.mac),
            *("type", "veth", "peer", "name", machine.port, "netns", PREFIX + FABRIC),
        )
        _without_ipv6(machine.name)
        inside = ["ip", "-n", machine.namespace]
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "address", "add", f"{machine.address}/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "route", "add", "default", "via", FABRIC_ADDRESS)
        run("ip", "-n", PREFIX + FABRIC, "link", "set", machine.port, "master", BRIDGE, "up")

    def _create_second(self, machine: Machine, second: IPv4Interface) -> None:
        run(
            *("ip", "-n", machine.namespace, "link", "add", "eth1"),
            *("address", mac_of(str(second.ip)), "type", "veth"),
            *("peer", "name", machine.second_port, "netns", PREFIX + FABRIC),
        )
        inside = ["ip", "-n", machine.namespace]
        same_subnet = str(second.network) == SUBNET
        # A shared subnet's route stays eth0's.
        route = ["noprefixroute"] if same_subnet else []
        run(*inside, "address", "add", str(second), "dev", "eth1", *route)
        run(*inside, "link", "set", "eth1", "up")
        # What belongs to eth1 leaves by it, and each interface answers for its own addresses only.
        source = str(second.ip) if same_subnet else str(second.network)
        run(*inside, "rule", "add", "from", source, "table", "101")
        run(*inside, "route", "add", "default", "dev", "eth1", "table", "101")
        for setting in ("arp_ignore=1", "arp_announce=2", "rp_filter=2"):
            run(*enter(machine.name), "sysctl", "-qw", f"net.ipv4.conf.all.{setting}")
        run("ip", "-n", PREFIX + FABRIC, "link", "set", machine.second_port, "master", BRIDGE, "up")
        if not same_subnet and CLIENT.name in self.machines:
            # In the VPC the vSwitches' gateways would carry it.
            in_client = ["ip", "-n", CLIENT.namespace]
            run(*in_client, "route", "replace", str(second.network), "dev", "eth0")

    def remove(self) -> None:
        """Take everything away, and end whatever still runs inside."""
        if self._lock is not None:
            _remove_ours()
            self._lock.close()
            self._lock = None

    # -- ways to hurt it

    def cut(self, machine: str) -> None:
        """Take a machine's links down, as when the host dies."""
        self._set_ports(machine, "down")

    def heal(self, machine: str) -> None:
        """Undo `cut` and `cut_one_way`."""
        self._set_ports(machine, "up")
        for port in self.machines[machine].ports:
            for direction in ("from", "to"):
                with contextlib.suppress(NetworkError):
                    _nft(f'delete element bridge cuts {direction} {{ "{port}" }}')

    def cut_one_way(self, machine: str, direction: Direction) -> None:
        """Drop all frames from, or to, a machine; its links stay up."""
        ports = ", ".join(f'"{port}"' for port in self.machines[machine].ports)
        _nft(f"add element bridge cuts {direction} {{ {ports} }}")

    @contextlib.contextmanager
    def api_outage(self, *machines: str) -> Iterator[None]:
        """Keep the API server silent to some machines, or to all, while the body runs.

        Packets are dropped without a word, also those of open connections.
        """
        addresses = [self.machines[name].address for name in machines] or [SUBNET]
        elements = ", ".join(addresses)
        _nft(f"add element inet api away {{ {elements} }}")
        try:
            yield
        finally:
            _nft(f"delete element inet api away {{ {elements} }}")

    def _set_ports(self, machine: str, state: str) -> None:
        for port in self.machines[machine].ports:
            run("ip", "-n", PREFIX + FABRIC, "link", "set", port, state)


def _lock() -> IO[str]:
    """Take the machine's one place for a lab; the kernel gives it back when we end."""
    lock = LOCK.open("w")
    deadline = time.monotonic() + LOCK_SECONDS
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                lock.close()
                raise NetworkError(
                    "a lab is up on this machine already:"
                    " `make lab-down` ends one that `make lab` started"
                ) from None
        else:
            return lock
        if not told:
            print(f"waiting up to {LOCK_SECONDS} s for another lab to end", file=sys.stderr)
            told = True
        time.sleep(0.2)


def _remove_ours() -> None:
    """Remove the network, and the programs in it. Touches nothing that is not named as ours."""
    named = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    names = [line.split()[0] for line in named.stdout.splitlines() if line.startswith(PREFIX)]
    for name in names:
        pids = subprocess.run(
            ["ip", "netns", "pids", name], capture_output=True, text=True, check=False
        )
        for pid in pids.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "delete", name)
    if Path(f"/sys/class/net/{HOST_LINK}").exists():
        # A link dies with its peer's namespace, but the kernel may not have come to it yet.
        subprocess.run(["ip", "link", "delete", HOST_LINK], capture_output=True, check=False)


def run(*command: str, input: str | None = None) -> str:
    """Run a command that must succeed, and return what it printed. Raises NetworkError."""
    done = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NetworkError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _nft(commands: str) -> None:
    run(*enter(FABRIC), "nft", "-f", "-", input=commands)


def _without_ipv6(machine: str) -> None:
    # Its neighbour and router chatter would only blur what is captured.
    switch = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"
    run(*enter(machine), "sh", "-c", f"[ ! -d /proc/sys/net/ipv6 ] || {switch}")
