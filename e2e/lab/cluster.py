"""The lab: a cluster of nodes with the operator on it, started and hurt from Python.

    with Lab() as lab:
        lab.apply_havip("web", profile="Fast")
        address = lab.address("web")
        prober = lab.probe(address)
        lab.cut(lab.holder("web"))
        ...

Real are the API server, the operator's programs under their ServiceAccounts, the nodes' kernels,
ARP and the official cloud SDK; simulated is the cloud behind it. Needs root.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from havip.api.names import ANNOTATION_MEMBERS, DEFAULT_NAMESPACE, lease_name
from havip.simcloud.client import ControlClient
from lab.controlplane import ControlPlane
from lab.fleet import CLOUD_ENDPOINT, ROOT, Fleet, install
from lab.network import (
    API_PORT,
    CLIENT,
    CONTROLLER,
    FABRIC,
    FABRIC_ADDRESS,
    Direction,
    Machine,
    Network,
    enter,
)
from lab.processes import Program
from lab.watching import HTTP_PORT, ArpCapture, OwnerWatch, Prober

Found = TypeVar("Found")


class LabError(Exception):
    """The lab cannot start, or something waited for did not come; the text says which."""


@dataclass(frozen=True)
class Register:
    """What the Lease of a HaVip says."""

    holder: str
    epoch: int
    members: tuple[str, ...]


class Lab:
    """One control plane, one simulated cloud, one controller, some nodes and a client."""

    def __init__(
        self,
        nodes: int = 3,
        *,
        second_subnet: str | None = None,
        directory: Path = ROOT / ".lab" / "run",
    ) -> None:
        """Describe it; `start` (or `with`) brings it up. `directory` keeps logs and data.

        With `second_subnet` (10.77.0.0/24, or another /24 of 10.77.0.0/16) each node has a second
        interface eth1 there, at .61 and on.
        """
        numbers = range(1, nodes + 1)
        self.nodes = {
            f"node{n}": Machine(f"node{n}", f"10.77.0.{10 + n}", _second(second_subnet, n))
            for n in numbers
        }
        self.directory = directory
        self.network = Network([*self.nodes.values(), CONTROLLER, CLIENT])
        self.plane = ControlPlane(
            FABRIC_ADDRESS, port=API_PORT, directory=directory / "controlplane", enter=enter(FABRIC)
        )
        self._fleet = Fleet(directory, self.plane)
        self._recordings = 0

    # -- life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Bring everything up; return when all nodes have reported themselves.

        Raises LabError when it cannot be, with what to do about it.
        """
        if os.geteuid() != 0:
            raise LabError("the lab makes network namespaces, which takes root: use sudo")
        # First, since it tells whether the directory is another lab's that is up.
        self.network.create()
        try:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory.mkdir(parents=True)
            self._fleet.start_cloud(self.nodes)
            self.plane.start()
            install(self.plane, self.nodes)
            self.start_controller()
            for machine in self.nodes.values():
                self._fleet.start_service(machine)
                self._fleet.start_agent(machine)
            self.until("all agents have reported their nodes", self._all_nodes_reported, 30)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End every program and remove the network. The logs stay in `directory`."""
        # Cut off first: there is nobody left for whom an orderly farewell would matter.
        self._fleet.kill_all()
        self.plane.stop()
        self.network.remove()

    # -- what a user does

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        """Run kubectl as admin. An API outage does not reach it: it runs beside the API server."""
        return self.plane.kubectl(*arguments, input=input)

    def apply_havip(self, name: str, **spec: object) -> None:
        """Apply a HaVip of the lab's class in the namespace default, with these spec fields."""
        manifest = {
            "apiVersion": "havip.dev/v1alpha1",
            "kind": "HaVip",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"className": "lab"} | spec,
        }
        self.plane.apply(json.dumps(manifest))

    def havip(self, name: str) -> dict[str, Any]:
        """Return the HaVip object as the API has it."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "hv", name, "-o", "json"))
        return found

    def curl(self, address: str, seconds: float = 1.0) -> str:
        """Fetch the page at an address from the client; empty if nobody answers in time."""
        command = ["curl", "--silent", "--max-time", str(seconds), f"http://{address}:{HTTP_PORT}/"]
        done = subprocess.run(
            [*enter(CLIENT.name), *command], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    # -- what the HaVip is like

    def address(self, name: str) -> str:
        """Return the HaVip's address once it has one."""
        found: str = self.until(
            f"{name} has an address", lambda: self.havip(name).get("status", {}).get("address"), 60
        )
        return found

    def wait_ready(self, name: str, seconds: float = 60) -> None:
        """Wait until the HaVip's summary condition says Ready."""

        def ready() -> bool:
            conditions = self.havip(name).get("status", {}).get("conditions", [])
            return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

        self.until(f"{name} is Ready", ready, seconds)

    def register(self, name: str) -> Register | None:
        """Return what the HaVip's register says now; None while there is none."""
        lease = self.plane.try_kubectl(
            *("get", "lease", lease_name(self.havip(name)["metadata"]["uid"])),
            *("-n", DEFAULT_NAMESPACE, "-o", "json"),
        )
        if lease.returncode != 0:
            return None
        read = json.loads(lease.stdout)
        members = read["metadata"].get("annotations", {}).get(ANNOTATION_MEMBERS, "")
        spec = read.get("spec", {})
        return Register(
            spec.get("holderIdentity") or "",
            spec.get("leaseTransitions") or 0,
            tuple(filter(None, members.split(","))),
        )

    def holder(self, name: str) -> str:
        """Return the node that the register names, once it names one."""
        return self.until(f"{name} has a holder", lambda: self._holder_now(name), 60)

    def settle(self, name: str, seconds: float = 60) -> str:
        """Wait until the HaVip is held and counts every other node as member; return the holder.

        Only then does a fault meet the protocol in its steady state.
        """

        def settled() -> str:
            found = self.register(name)
            if found is None or not found.holder:
                return ""
            others = set(self.nodes) - {found.holder}
            return found.holder if others <= set(found.members) else ""

        return self.until(f"{name} has a holder and all members", settled, seconds)

    def _holder_now(self, name: str) -> str:
        found = self.register(name)
        return found.holder if found else ""

    # -- witnesses

    def probe(self, address: str) -> Prober:
        """Start to ask an address from the client every 5 ms who is there."""
        return Prober.start(CLIENT.name, address, self._recording("probes"))

    def owners(self, address: str) -> OwnerWatch:
        """Start to sample the nodes' kernels: who has the address and an open fence."""
        return OwnerWatch.start(address, list(self.nodes), self._recording("owners"))

    def capture_arp(self) -> ArpCapture:
        """Start to record the ARP frames that reach the bridge."""
        return ArpCapture.start(self._recording("arp"))

    def until(self, what: str, found: Callable[[], Found | None], seconds: float) -> Found:
        """Ask until the answer is true, and return it. Raises LabError after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            answer = found()
            if answer:
                return answer
            self._fleet.complain_of_the_dead()
            if time.monotonic() > deadline:
                raise LabError(f"not within {seconds:g} s: {what} (logs: {self.directory})")
            time.sleep(0.05)

    # -- ways to hurt it

    def cut(self, node: str) -> None:
        """Take a node's link down, as when its host dies."""
        self.network.cut(node)

    def cut_one_way(self, node: str, direction: Direction) -> None:
        """Drop all frames from, or to, a node; its link stays up."""
        self.network.cut_one_way(node, direction)

    def heal(self, node: str) -> None:
        """Undo `cut` and `cut_one_way`."""
        self.network.heal(node)

    def api_outage(self, *machines: str) -> contextlib.AbstractContextManager[None]:
        """Keep the API server silent to some machines, or to all, in a `with` block."""
        return self.network.api_outage(*machines)

    def kill_agent(self, node: str) -> None:
        """End a node's agent without warning (kill -9)."""
        self._fleet.pop(f"agent-{node}").kill()

    def stop_agent(self, node: str) -> None:
        """Ask a node's agent to end, and wait for it. Raises LabError if it ends badly."""
        agent = self._fleet.pop(f"agent-{node}")
        status = agent.stop()
        if status != 0:
            raise LabError(f"{agent.name} ended with {status}:\n{agent.end_of_log()}")

    def freeze(self, node: str) -> None:
        """Stop a node's agent where it is, until `thaw`."""
        self.agent(node).freeze()

    def thaw(self, node: str) -> None:
        """Let a frozen agent go on."""
        self.agent(node).thaw()

    # -- programs

    def agent(self, node: str) -> Program:
        """Return a node's running agent."""
        return self._fleet[f"agent-{node}"]

    @property
    def controller(self) -> Program:
        """The running controller."""
        return self._fleet["controller"]

    def start_agent(self, node: str) -> None:
        """Start the agent of a node inside it, under the ServiceAccount of agents."""
        self._fleet.start_agent(self.nodes[node])

    def start_controller(self, identity: str = "controller-1") -> None:
        """Start the controller in its place, under its ServiceAccount."""
        self._fleet.start_controller(identity)

    def kill_controller(self) -> None:
        """End the controller without warning (kill -9)."""
        self._fleet.pop("controller").kill()

    @property
    def cloud(self) -> ControlClient:
        """The simulated cloud's back door: its calls, its state, its faults."""
        return ControlClient(CLOUD_ENDPOINT)

    # -- inside

    def _all_nodes_reported(self) -> bool:
        reported = self.kubectl("get", "hvn", "-o", "jsonpath={.items[*].status.instanceId}")
        return len(reported.split()) == len(self.nodes)

    def _recording(self, kind: str) -> Path:
        self._recordings += 1
        return self.directory / "recordings" / f"{self._recordings:03d}-{kind}"


def _second(subnet: str | None, number: int) -> IPv4Interface | None:
    if subnet is None:
        return None
    network = IPv4Network(subnet)
    return IPv4Interface(f"{network[60 + number]}/{network.prefixlen}")
