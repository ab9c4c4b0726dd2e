"""A node and a neighbour on one Ethernet segment, as network namespaces of this machine.

And a HaVip on that node: real register, kernel, fence, neighbour and cloud.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from havip.agent.address import Addresses
from havip.agent.announce import Announcer
from havip.agent.endpoints import follow_endpoints
from havip.agent.epochs import Epochs
from havip.agent.fence import Holds, Place, open_fence
from havip.agent.interfaces import NetworkInterfaces
from havip.agent.keeper import Keeper
from havip.agent.kube import Kube, Listed
from havip.agent.node import Node
from havip.agent.objects import Assignment
from havip.agent.register import LeaseRegister, leases
from havip.agent.report import status_of_keepers
from havip.agent.transport import Peers
from havip.api import names
from havip.api.havip import Announce
from havip.api.havipnode import HaVipNodeStatus
from havip.election.events import Answered, Outcome
from havip.election.record import Record
from havip.election.timing import Timing
from havip.election.wire import Opener, Sealer
from havip.simcloud.server import running
from havip.simcloud.topology import Topology
from lab.controlplane import ControlPlane

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

_HOME = os.open("/proc/self/ns/net", os.O_RDONLY)

VIP = IPv4Address("10.99.0.50")
PLACE = Place("eth0", VIP)
NODE_MAC = "02:00:00:00:99:01"
SECOND_MAC = "02:00:00:00:99:02"
SECOND = "eni-second"

CLOUD = Topology.model_validate(
    {
        "accounts": [{"accountId": "1", "accessKeyId": "AK", "accessKeySecret": "SK"}],
        "vpcs": [{"vpcId": "vpc-1", "cidrBlock": "127.0.0.0/8"}],
        "vSwitches": [
            {"vSwitchId": "vsw-1", "vpcId": "vpc-1", "cidrBlock": "127.0.0.0/24", "zoneId": "z"}
        ],
        "instances": [
            {
                "instanceId": "i-here",
                "name": "here",
                "vSwitchId": "vsw-1",
                "privateIpAddress": "127.0.0.1",
                "macAddress": NODE_MAC,
                "networkInterfaceId": "eni-first",
            }
        ],
        "networkInterfaces": [
            {
                "networkInterfaceId": SECOND,
                "vSwitchId": "vsw-1",
                "privateIpAddress": "127.0.0.9",
                "macAddress": SECOND_MAC,
                "instanceId": "i-here",
            }
        ],
    }
)
"""The cloud, in which the node is one instance with two network interfaces."""


@dataclass(frozen=True)
class Segment:
    """Two machines and the cable between them; both ends are named eth0."""

    node: str
    neighbour: str

    def ip(self, machine: str, *words: str) -> str:
        return run("ip", "-n", machine, *words)

    def attach(self, name: str, mac: str, *addresses: str) -> None:
        """Give the node another interface; its cable ends at the neighbour."""
        run(
            *("ip", "-n", self.node, "link", "add", name, "address", mac, "type", "veth"),
            *("peer", "name", name, "netns", self.neighbour),
        )
        for address in addresses:
            self.ip(self.node, "address", "add", address, "dev", name)
        for machine in (self.neighbour, self.node):
            self.ip(machine, "link", "set", name, "up")

    def detach(self, name: str) -> None:
        self.ip(self.node, "link", "delete", name)

    def kernel(self, interface: str) -> str:
        """The addresses that the node's kernel has on an interface."""
        return self.ip(self.node, "-4", "address", "show", "dev", interface)

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


# -- one HaVip on the node, with the real register -------------------------------------------------

NAMESPACE = "default"
QUICK = Timing(heartbeat=0.04, grant=0.16, challenge=0.1, renew=0.5, unmembered=1.5)
KEY = b"k" * 32


class NodeAnnouncer(Announcer):
    """The real one, whose sockets are always the node's."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def announce(self, place: Place) -> bool:
        with inside(self._node):
            return super().announce(place)


class Register(LeaseRegister):
    """The real one, but for a while nothing comes back from it."""

    away = False

    async def write(self, record: Record, timeout: float) -> Answered:
        if self.away:
            return Answered(record.write, Outcome.UNKNOWN)
        return await super().write(record, timeout)


@dataclass
class Stage:
    """A keeper and all around it."""

    segment: Segment
    kube: Kube
    node: Node
    addresses: Addresses
    register: Register
    keeper: Keeper

    async def lease(self) -> Any:
        path = f"{leases(NAMESPACE)}/{names.lease_name(self.keeper.assignment.uid)}"
        return await self.kube.get(path, 5)

    def kernel(self, interface: str = "eth0") -> str:
        return self.segment.kernel(interface)

    def has(self, interface: str) -> bool:
        """Whether the address is ours, on this interface."""
        place = replace(PLACE, interface=interface)
        return self.keeper.possession.owned and self.addresses.present(place)

    async def versions(self) -> AsyncIterator[Any]:
        """Every version of the register from now on, and the one that it has now."""
        async with contextlib.aclosing(self.kube.follow(leases(NAMESPACE))) as changes:
            async for change in changes:
                found = change.objects if isinstance(change, Listed) else (change.object,)
                for lease in found:
                    if lease["metadata"]["name"] == names.lease_name(self.keeper.assignment.uid):
                        yield lease

    def findings(self) -> tuple[str, ...]:
        # Settings of the kernel are read where the node is.
        with inside(self.segment.node):
            return status_of_keepers(HaVipNodeStatus(), [self.keeper]).findings

    def change(self, **changes: Any) -> None:
        """The HaVip says something else."""
        self.keeper.update(replace(self.keeper.assignment, **changes))

    async def start(self, **changes: Any) -> None:
        """Take part in a HaVip that says something else from the start."""
        assignment = replace(self.keeper.assignment, **changes)
        self.keeper.assignment = self.keeper.possession.assignment = assignment
        self.keeper.start(await self.lease())

    async def acquire(self) -> None:
        self.keeper.start(await self.lease())
        await eventually(lambda: self.keeper.possession.owned and self.addresses.present(PLACE), 15)


def wall_clock() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def stage(
    segment: Segment, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Stage]:
    # What touches the kernel is opened on the node; the rest of the test is where the API is.
    fence, _ = open_fence(time.monotonic)
    fence.reset()
    addresses, announcer = Addresses(), NodeAnnouncer(segment.node)
    await addresses.open()
    with outside(), running(CLOUD) as cloud:

        def look() -> None:
            network_interfaces.look()
            keeper.look()

        network_interfaces = NetworkInterfaces(cloud.url, addresses, look)
        monkeypatch.setenv("KUBECONFIG", str(control_plane.admin_kubeconfig))
        kube, uid = Kube.from_environment(), str(uuid4())
        metadata = {"name": names.lease_name(uid), "labels": {names.LABEL_UID: uid}}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
        await kube.post(leases(NAMESPACE), body, 10)
        node = Node(
            "node1",
            1,
            fence,
            Holds(fence),
            addresses,
            network_interfaces,
            announcer,
            Peers(Sealer("node1", 1, KEY), Opener("node1", [KEY]), lambda _, __: None),
            Epochs(tmp_path),
            time.monotonic,
            wall_clock,
            lambda: None,
            partial(follow_endpoints, kube, "node1"),
            "127.0.0.1",
        )
        assignment = Assignment(
            uid, NAMESPACE, "web", VIP, {"node1": 100}, QUICK, False, Announce(), ()
        )
        register = Register(kube, NAMESPACE, uid, wall_clock)
        keeper = Keeper(node, assignment, register)
        addresses.on_change = look
        asking = asyncio.create_task(network_interfaces.run())
        await eventually(lambda: network_interfaces.instance is not None)
        yield Stage(segment, kube, node, addresses, register, keeper)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        addresses.on_change = lambda: None
        await keeper.close()
        await kube.close()
        await addresses.close()
        announcer.close()
        fence.close()
