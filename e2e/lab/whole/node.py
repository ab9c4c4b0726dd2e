"""A node as a user has it: containerd, kubelet and runc, in namespaces of the node's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from ipaddress import IPv4Network
from pathlib import Path

from lab.binaries import CLUSTER, find_or_build
from lab.images import overlays
from lab.network import FABRIC, PREFIX, Machine, run
from lab.processes import Program
from lab.watching import program
from lab.whole import cgroups
from lab.whole.controlplane import DIRECTORY, WholeControlPlane, kubelet_user

CNI_PROGRAMS = "/usr/lib/cni"
PAUSE_IMAGE = "havip.dev/lab/pause:1"
START_SECONDS = 90


class NodeError(Exception):
    """A node does not come up, or a program in it failed; the text says what was said."""


class Node:
    """One node; `start` brings it up, `close` ends it with everything in it."""

    def __init__(self, machine: Machine, plane: WholeControlPlane) -> None:
        """Describe a node on a machine of the lab's network."""
        self.machine = machine
        self._plane = plane
        self._state = DIRECTORY / machine.name
        self._init: Program | None = None

    @property
    def pods(self) -> IPv4Network:
        """The addresses of the node's pods."""
        return IPv4Network(f"10.88.{self.machine.address.rpartition('.')[2]}.0/24")

    # -- life

    def start(self) -> None:
        """Join the cluster, and start. Returns before the node is Ready.

        Raises NodeError when its container runtime does not come up.
        """
        shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir(parents=True)
        name, address = self.machine.name, self.machine.address
        # Pods of this node are behind it.
        run(
            *("ip", "-n", PREFIX + FABRIC),
            *("route", "replace", str(self.pods), "via", address),
        )
        # Before its kubelet: one that has to make it on a busy machine may give up and end.
        self._plane.apply(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Node",
                    "metadata": {"name": name},
                    "spec": {"providerID": f"cn-hangzhou.i-{name}"},
                }
            )
        )
        kubelet = [
            str(find_or_build(CLUSTER)["kubelet"]),
            f"--config={self._write_kubelet_config()}",
            f"--kubeconfig={self._plane.kubeconfig(kubelet_user(name))}",
            f"--hostname-override={name}",
            f"--node-ip={address}",
        ]
        init = program("node_init", self._state, self._write_containerd_config(), *kubelet)
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
        self._init = Program(
            f"node-{name}", [*own, *init], machine=name, log=self._state / "init.log"
        )
        deadline = time.monotonic() + START_SECONDS
        while "ready" not in self._init.log.read_text():
            if not self._init.running or time.monotonic() > deadline:
                log = self._state / "containerd.log"
                raise NodeError(
                    f"{name} does not come up: {self._init.end_of_log()}\n"
                    + (log.read_text()[-2000:] if log.exists() else "")
                )
            time.sleep(0.05)

    def close(self) -> None:
        """End everything in it. Its logs stay."""
        if self._init is not None:
            self._init.kill()
            self._init = None

    # -- inside

    def run(self, *command: str) -> str:
        """Run a command as the node's own, and return what it printed. Raises NodeError."""
        if self._init is None:
            raise NodeError(f"{self.machine.name} is not up")
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children")
        first = children.read_text().split()[0]
        place = ["nsenter", f"--target={first}", "--mount", "--pid", "--net", "--"]
        done = subprocess.run([*place, *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise NodeError(f"{self.machine.name}: {' '.join(command)}: {said}")
        return done.stdout

    def load(self, archive: Path) -> None:
        """Put the images of an archive where the kubelet finds them."""
        self.ctr("images", "import", f"--snapshotter={snapshotter()}", str(archive))

    def ctr(self, *arguments: str) -> str:
        """Speak to the node's containerd about what is Kubernetes'."""
        return self.run("ctr", "--namespace=k8s.io", *arguments)

    def pid(self, container: str) -> int:
        """Return the process id that a container's first process has in the node."""
        for line in self.ctr("tasks", "list").splitlines()[1:]:
            task, number, *_ = line.split()
            if task == container:
                return int(number)
        raise NodeError(f"{self.machine.name}: no container {container} runs")

    def _write_containerd_config(self) -> Path:
        network = self._state / "cni"
        network.mkdir()
        (network / "10-pods.conflist").write_text(
            json.dumps(
                {
                    "cniVersion": "0.4.0",
                    "name": "pods",
                    "plugins": [
                        {
                            "type": "ptp",
                            "ipam": {
                                "type": "host-local",
                                "ranges": [[{"subnet": str(self.pods)}]],
                                "routes": [{"dst": "0.0.0.0/0"}],
                            },
                        }
                    ],
                }
            )
        )
        path = self._state / "containerd.toml"
        path.write_text(f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
# A machine that lets nobody lower a score starts no container otherwise.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter()}"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PROGRAMS}"
conf_dir = "{network}"
""")
        return path

    def _write_kubelet_config(self) -> Path:
        path = self._state / "kubelet.json"
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            # Who asks is the API server, on a network that is the lab's alone.
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": str(cgroups.path(self.machine.name)),
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "localStorageCapacityIsolation": False,
            # The machine's disk is not ours to keep tidy.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "0%", "nodefs.available": "0%"},
            "resolvConf": "",
        }
        path.write_text(json.dumps(config, indent=1))
        return path


def snapshotter() -> str:
    """Return how containers get their files: laid over the image where that works, else copied."""
    return "overlayfs" if overlays(DIRECTORY) else "native"
