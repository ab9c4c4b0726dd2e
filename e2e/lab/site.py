"""What any lab has: nodes and a client on a network, an API to ask, witnesses, and ways to hurt.

How the nodes and the operator come to be is told by those that build on it: `lab.cluster` runs the
operator as processes, `lab.whole.cluster` as a user gets it, from its chart.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from havip.api.names import ANNOTATION_MEMBERS, DEFAULT_NAMESPACE, lease_name
from havip.simcloud.client import ControlClient
from lab.fleet import CLOUD_ENDPOINT, Fleet
from lab.kubectl import KubernetesAccess
from lab.network import CLIENT, Direction, Machine, Network, enter
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


class Site(ABC):
    """Some nodes, a client and a simulated cloud on one network, and an API server."""

    def __init__(
        self,
        nodes: Mapping[str, Machine],
        network: Network,
        access: KubernetesAccess,
        fleet: Fleet,
        directory: Path,
    ) -> None:
        """Describe it; `start` (or `with`) brings it up. `directory` keeps logs and data."""
        self.nodes = dict(nodes)
        self.network = network
        self.directory = directory
        self._access = access
        self._fleet = fleet
        self._recordings = 0

    # -- life

    @abstractmethod
    def start(self) -> None:
        """Bring everything up. Raises LabError when it cannot be, with what to do about it."""

    @abstractmethod
    def close(self) -> None:
        """End every program and remove the network. The logs stay in `directory`."""

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

    # -- what a user does

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        """Run kubectl as admin. An API outage does not reach it: it runs beside the API server."""
        return self._access.kubectl(*arguments, input=input)

    def apply_havip(self, name: str, **spec: object) -> None:
        """Apply a HaVip of the lab's class in the namespace default, with these spec fields."""
        manifest = {
            "apiVersion": "havip.dev/v1alpha1",
            "kind": "HaVip",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"className": "lab"} | spec,
        }
        self._access.apply(json.dumps(manifest))

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
        lease = self._access.try_kubectl(
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

    @property
    def cloud(self) -> ControlClient:
        """The simulated cloud's back door: its calls, its state, its faults."""
        return ControlClient(CLOUD_ENDPOINT)

    # -- inside

    def _recording(self, kind: str) -> Path:
        self._recordings += 1
        return self.directory / "recordings" / f"{self._recordings:03d}-{kind}"
