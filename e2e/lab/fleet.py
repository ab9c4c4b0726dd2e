"""The programs of the lab and how each is started: the operator as its chart would do it."""

from __future__ import annotations

import base64
import secrets
import sys
import threading
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

from havip.api.names import DEFAULT_NAMESPACE
from havip.simcloud.topology import NetworkInterface, Topology, sample
from lab.chart import RIGHTS, render
from lab.controlplane import ControlPlane
from lab.network import (
    BRIDGE,
    CLIENT,
    CONTROLLER,
    FABRIC,
    FABRIC_ADDRESS,
    HOST_ADDRESS,
    Machine,
    mac_of,
)
from lab.processes import Program
from lab.watching import HTTP_PORT, UDP_PORT, program

ROOT = Path(__file__).resolve().parent.parent.parent
MANIFESTS = Path(__file__).parent / "manifests"
CLOUD_PORT = 8100
AGENT_PORT = 9495
CONTROLLER_PORT = 8080
RESTART_SECONDS = 0.5
CLOUD_ENDPOINT = f"{FABRIC_ADDRESS}:{CLOUD_PORT}"
CLOUD_URL = f"http://{CLOUD_ENDPOINT}"


class ProgramEndedError(Exception):
    """A program that should run has ended; the text has the end of its log."""


class Fleet:
    """All programs of one lab, by name: simcloud, controller, agent-NODE, service-NODE."""

    def __init__(self, directory: Path, plane: ControlPlane) -> None:
        """Keep logs and state in `directory`; nothing runs yet."""
        self._directory = directory
        self._plane = plane
        self._programs: dict[str, Program] = {}
        self._identity = ""
        self._closing = threading.Event()
        self._kubelet = threading.Thread(target=self._restart_ended, name="kubelet", daemon=True)

    def __getitem__(self, name: str) -> Program:
        return self._programs[name]

    def pop(self, name: str) -> Program:
        """Forget a program that is to end, so that nobody misses it, and return it."""
        return self._programs.pop(name)

    def kill_all(self) -> None:
        """End every program."""
        self._closing.set()
        if self._kubelet.is_alive():
            self._kubelet.join()
        for running in reversed(self._programs.values()):
            running.kill()
        self._programs.clear()

    def complain_of_the_dead(self) -> None:
        """Raise ProgramEndedError if a program has ended that should not.

        The controller may: one that lost its Lease ends, and is started anew as by a kubelet.
        """
        for name, running in list(self._programs.items()):
            if name != CONTROLLER.name and not running.running:
                raise ProgramEndedError(
                    f"{running.name} ended with {running.returncode}:\n{running.end_of_log()}"
                )

    def start_cloud(self, nodes: Mapping[str, Machine]) -> None:
        """Start the simulated cloud where the bridge is, with an instance for each node."""
        file = self._directory / "topology.json"
        file.write_text(topology(nodes).to_json())
        command = _havip(
            "simcloud",
            listen=CLOUD_ENDPOINT,
            topology=file,
            profile="lab",
            bridge=BRIDGE,
        )
        self._start("simcloud", command, machine=FABRIC)

    def start_controller(self, identity: str) -> None:
        """Start the controller in its place, under its ServiceAccount."""
        self._identity = identity
        command = _havip(
            "controller",
            namespace=DEFAULT_NAMESPACE,
            identity=identity,
            drift_interval=10,
            agent_silent_after=40,
        )
        name = CONTROLLER.name
        self._start(name, command, machine=name, account="havip-controller")
        if self._kubelet.ident is None:
            self._kubelet.start()

    def _restart_ended(self) -> None:
        while not self._closing.wait(RESTART_SECONDS):
            # One that was killed on purpose has been forgotten before.
            controller = self._programs.get(CONTROLLER.name)
            if controller is not None and not controller.running:
                self.start_controller(self._identity)

    def start_agent(self, machine: Machine) -> None:
        """Start a node's agent inside it, under the ServiceAccount of agents."""
        state = self._directory / "state" / machine.name
        state.mkdir(parents=True, exist_ok=True)
        command = _havip(
            "agent",
            node=machine.name,
            node_address=machine.address,
            namespace=DEFAULT_NAMESPACE,
            key_dir=self._key_directory(),
            state_dir=state,
            metadata_endpoint=CLOUD_URL,
            listen=f"{machine.address}:{AGENT_PORT}",
        )
        name = f"agent-{machine.name}"
        self._start(name, command, machine=machine.name, account="havip-agent", node=machine.name)

    def start_service(self, machine: Machine) -> None:
        """Start what a node serves to clients: its name."""
        command = program("responder", machine.name, UDP_PORT, HTTP_PORT)
        self._start(f"service-{machine.name}", command, machine=machine.name)

    def _start(
        self,
        name: str,
        command: list[str],
        *,
        machine: str,
        account: str | None = None,
        node: str | None = None,
    ) -> None:
        environment = {}
        if account:
            kubeconfig = self._plane.kubeconfig(f"{DEFAULT_NAMESPACE}/{account}", node=node)
            environment["KUBECONFIG"] = str(kubeconfig)
        log = self._directory / "logs" / f"{name}.log"
        self._programs[name] = Program(
            name, command, machine=machine, log=log, environment=environment
        )

    def _key_directory(self) -> Path:
        keys = self._directory / "key"
        if not keys.exists():
            keys.mkdir()
            (keys / "current").write_text(base64.b64encode(secrets.token_bytes(32)).decode())
        return keys


def install(plane: ControlPlane, nodes: Mapping[str, Machine]) -> None:
    """Put into a fresh control plane what an admin would: CRDs, rights, nodes and a class."""
    plane.apply_crds(ROOT / "crds")
    plane.apply(render(only=RIGHTS))
    for name, machine in nodes.items():
        plane.create_node(name, address=machine.address, provider_id=f"cn-hangzhou.i-{name}")
    # Last: a new kind takes the API server a moment to serve, and this is the first of ours.
    plane.apply(MANIFESTS / "class.yaml")


def topology(nodes: Mapping[str, Machine]) -> Topology:
    """Return the simulated cloud's own sample with its instances on our bridge."""
    base = sample(len(nodes))
    taken = (FABRIC_ADDRESS, HOST_ADDRESS, CONTROLLER.address, CLIENT.address)
    reserved = {"reserved_addresses": tuple(map(IPv4Address, taken))}
    home = base.v_switches[0].model_copy(update=reserved)
    switches = {home.cidr_block: home}
    cards = []
    for name, machine in nodes.items():
        if machine.second is not None:
            block = machine.second.network
            other = {"v_switch_id": "vsw-second", "cidr_block": block, "reserved_addresses": ()}
            switch = switches.setdefault(block, home.model_copy(update=other))
            cards.append(
                NetworkInterface(
                    network_interface_id=f"eni-{name}-second",
                    v_switch_id=switch.v_switch_id,
                    private_ip_address=machine.second.ip,
                    mac_address=mac_of(str(machine.second.ip)),
                    instance_id=f"i-{name}",
                    bridge_port=machine.second_port,
                )
            )
    return base.model_copy(
        update={
            "v_switches": tuple(switches.values()),
            "instances": tuple(
                instance.model_copy(update={"bridge_port": nodes[instance.name].port})
                for instance in base.instances
            ),
            "network_interfaces": tuple(cards),
        }
    )


def _havip(command: str, **options: object) -> list[str]:
    """Return the command line of one of the operator's programs."""
    words = [sys.executable, "-m", "havip", command]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return words
