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

import os
import shutil
from pathlib import Path

from lab.controlplane import ControlPlane
from lab.fleet import ROOT, Fleet, install
from lab.network import (
    API_PORT,
    CLIENT,
    CONTROLLER,
    FABRIC,
    FABRIC_ADDRESS,
    Network,
    enter,
    node_machines,
)
from lab.processes import Program
from lab.site import LabError, Register, Site

__all__ = ["Lab", "LabError", "Register"]


class Lab(Site):
    """One control plane, one simulated cloud, one controller, some nodes and a client."""

    def __init__(
        self,
        nodes: int = 3,
        *,
        second_subnet: str | None = None,
        directory: Path = ROOT / ".lab" / "run",
        audit: bool = False,
    ) -> None:
        """Describe it; `start` (or `with`) brings it up. `directory` keeps logs and data.

        With `second_subnet` (10.77.0.0/24, or another /24 of 10.77.0.0/16) each node has a second
        interface eth1 there, at .61 and on. `audit` lets the API server write down each request.
        """
        machines = node_machines(nodes, second_subnet)
        self.plane = ControlPlane(
            FABRIC_ADDRESS,
            port=API_PORT,
            directory=directory / "controlplane",
            enter=enter(FABRIC),
            audit=audit,
        )
        super().__init__(
            machines,
            Network([*machines.values(), CONTROLLER, CLIENT]),
            self.plane,
            Fleet(directory, self.plane),
            directory,
        )

    # -- life

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

    # -- ways to hurt it that take a process

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

    # -- inside

    def _all_nodes_reported(self) -> bool:
        reported = self.kubectl("get", "hvn", "-o", "jsonpath={.items[*].status.instanceId}")
        return len(reported.split()) == len(self.nodes)
