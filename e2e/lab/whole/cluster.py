"""A cluster as a user has it, on which the operator is installed from its chart.

    with WholeCluster() as cluster:
        cluster.load(archive)
        cluster.helm("install", "havip", "charts/havip-operator", "--namespace=havip-system")
        cluster.kubectl("apply", "-f", "havip.yaml")
        ...

Simulated is the cloud alone, and only behind its API: the official SDK talks to it, and its rules
hold on the network between the nodes. Needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab.binaries import BinariesMissingError
from lab.chart import helm
from lab.fleet import Fleet, ProgramEndedError
from lab.images import ImageError
from lab.kubectl import ControlPlaneError
from lab.network import CLIENT, Network, NetworkError, node_machines
from lab.site import LabError, Site
from lab.watching import ReadyWatch
from lab.whole.cgroups import CgroupError, Cgroups
from lab.whole.controlplane import DIRECTORY, WholeControlPlane
from lab.whole.node import Node, NodeError
from lab.whole.pause import pause_archive

READY_SECONDS = 180
TROUBLES = (
    LabError,
    NodeError,
    CgroupError,
    ControlPlaneError,
    NetworkError,
    ProgramEndedError,
    BinariesMissingError,
    ImageError,
)
"""What keeps a cluster from coming up, or from going on; the texts are for whoever wants one."""


class WholeCluster(Site):
    """A whole control plane, nodes with kubelets, a client and a simulated cloud."""

    def __init__(self, nodes: int = 3) -> None:
        """Describe it; `start` (or `with`) brings it up."""
        machines = node_machines(nodes)
        self.plane = WholeControlPlane(machines)
        super().__init__(
            machines,
            Network([*machines.values(), CLIENT]),
            self.plane,
            Fleet(DIRECTORY, self.plane),
            DIRECTORY,
        )
        self._cgroups = Cgroups(machines)
        self._kubelets = {name: Node(machine, self.plane) for name, machine in machines.items()}

    # -- life

    def start(self) -> None:
        """Bring everything up; return when all nodes are Ready."""
        if os.geteuid() != 0:
            raise LabError("the lab makes namespaces and containers, which takes root: use sudo")
        # First, since it tells whether another lab is up, and ends what a crashed one has left.
        self.network.create()
        try:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory.mkdir(parents=True)
            self._cgroups.make()
            self._fleet.start_cloud(self.nodes)
            self.plane.start()
            for node in self._kubelets.values():
                node.start()
            self.load(pause_archive())
            wait = ("wait", "node", "--all", "--for=condition=Ready")
            self.kubectl(*wait, f"--timeout={READY_SECONDS}s")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End every program and container, and remove what they lived in. The logs stay."""
        for node in self._kubelets.values():
            node.close()
        self._fleet.kill_all()
        self.plane.stop()
        self.network.remove()
        self._cgroups.close()

    # -- what an admin does

    def load(self, archive: Path) -> None:
        """Put the images of an archive on every node."""
        with ThreadPoolExecutor() as together:
            list(together.map(lambda node: node.load(archive), self._kubelets.values()))

    def tag(self, image: str, other: str) -> None:
        """Give an image that is on the nodes another name too."""
        for node in self._kubelets.values():
            node.ctr("images", "tag", "--force", image, other)

    def helm(self, *arguments: str) -> str:
        """Run helm as admin. Raises LabError with its words if it fails."""
        done = self.try_helm(*arguments)
        if done.returncode != 0:
            raise LabError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def try_helm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run helm as admin; a failure is in the answer's return code and stderr."""
        return helm(*arguments, kubeconfig=self.plane.admin_kubeconfig)

    # -- pods

    def pods(self, selector: str, namespace: str) -> list[dict[str, Any]]:
        """Return the pods with a label that are not on their way out."""
        listed = self.kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "json")
        found: list[dict[str, Any]] = json.loads(listed)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def complaints(self, namespace: str) -> str:
        """Return what the pods say that are not ready, for a person to read."""
        said = [self.kubectl("get", "pods", "-n", namespace, "-o", "wide")]
        for pod in self.pods("", namespace):
            statuses = pod["status"].get("containerStatuses", [])
            if not all(status["ready"] for status in statuses):
                name = pod["metadata"]["name"]
                log = self.plane.try_kubectl("logs", "-n", namespace, name, "--tail=15")
                said.append(f"{name}:\n{log.stdout or log.stderr}")
        return "\n".join(said)

    def kill_container(self, pod: dict[str, Any]) -> None:
        """End a pod's container without warning (kill -9); its kubelet starts another."""
        node = self._kubelets[pod["spec"]["nodeName"]]
        node.ctr("tasks", "kill", "--signal=SIGKILL", container_of(pod))

    def began(self, pod: dict[str, Any]) -> float:
        """Return when the process of a pod's container began, in seconds since the boot."""
        # The name in parentheses may have blanks: count the fields from behind it.
        fields = self._proc(pod, "stat").rpartition(")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")

    def resident_mebibytes(self, pod: dict[str, Any]) -> float:
        """Return the resident memory of a pod's container's first process."""
        pages = int(self._proc(pod, "statm").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def watch_ready(self, machine: str, url: str) -> ReadyWatch:
        """Start to ask a page from a machine, every 10 ms, whether all is well."""
        return ReadyWatch.start(machine, url, self._recording("ready"))

    def on_node(self, node: str, *command: str) -> str:
        """Run a command as a node's own, and return what it printed."""
        return self._kubelets[node].run(*command)

    def _proc(self, pod: dict[str, Any], file: str) -> str:
        node = self._kubelets[pod["spec"]["nodeName"]]
        return node.run("cat", f"/proc/{node.pid(container_of(pod))}/{file}")


def container_of(pod: dict[str, Any]) -> str:
    """Return the id of a pod's only container, as its runtime knows it."""
    (status,) = pod["status"]["containerStatuses"]
    found: str = status["containerID"].removeprefix("containerd://")
    return found
