"""What the controller takes of memory, in a small and in a big cluster, and what it may take.

``make scale`` starts the controller as its image does and reads what Linux says of the process:
with no, five and fifty HaVips, then started anew among Services that are nothing to it and nodes
as a kubelet describes them. The exit status is 0 only if it is within the bound whenever at rest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from havip.controller.kube import Json
from lab.controlplane import ControlPlane

from .conftest import CLUSTER_ID, ROOT, Cluster, cluster_with, eventually
from .scale import GROUPS, HAVIPS, MEMBERS, PROFILE, create, heartbeat, how_many, topology

BOUND_MEBIBYTES = 150.0
FEW = 5
SERVICES = 500
"""Of others."""
NODES = 100
"""Besides those that are members."""
IMAGES = 50
"""A kubelet names so many in its node's status."""
DRIFT_SECONDS = 5
COMMAND = "from havip.cli import main; main()"


def start(cluster: Cluster, compiled: Path) -> subprocess.Popen[bytes]:
    """Start the controller by its command, with everything compiled as it is in the image."""
    options = {
        "identity": "footprint",
        "cluster-id": CLUSTER_ID,
        "drift-interval": DRIFT_SECONDS,
        "listen": "127.0.0.1:0",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    with (cluster.logs / "footprint.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "controller", *arguments],
            env={
                **os.environ,
                "KUBECONFIG": str(cluster.kubeconfig),
                "PYTHONPATH": str(ROOT / "operator"),
                "PYTHONPYCACHEPREFIX": str(compiled),
                "PYTHONDONTWRITEBYTECODE": "",
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    cluster.processes.append(process)
    return process


def mebibytes(process: subprocess.Popen[bytes], what: str) -> float:
    """Return a size that Linux tells of a process, such as VmRSS."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    [size] = [each.split()[1] for each in lines if each.startswith(f"{what}:")]
    return int(size) / 1024


def rest(cluster: Cluster, havips: int) -> None:
    """Wait until so many HaVips are ready, and then for three looks at what they have."""
    heartbeat(cluster)
    eventually(lambda: how_many(cluster)["all"], lambda seen: seen == havips, within=300)
    # EIPs are listed while a HaVip that is looked at has one.
    listing = "DescribeEipAddresses" if havips else "DescribeHaVips"
    cluster.cloud.control.clear_calls()
    eventually(lambda: len(cluster.cloud.control.calls(listing)) >= 3, within=300)


def tell(process: subprocess.Popen[bytes], among: str) -> bool:
    """Print what the process takes, and tell whether that is within the bound."""
    resident, peak = mebibytes(process, "VmRSS"), mebibytes(process, "VmHWM")
    print(f"  {among:55} {resident:6.1f} MiB at rest, {peak:6.1f} at most", flush=True)
    return resident <= BOUND_MEBIBYTES


def service(number: int) -> Json:
    """Return a Service as they are in many clusters, of no concern to us."""
    labels = {"app.kubernetes.io/name": f"shop-{number}", "app.kubernetes.io/part-of": "shop"}
    return {
        "metadata": {
            "name": f"shop-{number}",
            "namespace": "default",
            "labels": labels,
            # What `kubectl apply` leaves.
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x" * 700},
        },
        "spec": {
            "selector": labels,
            "ports": [
                {"name": name, "port": port, "targetPort": name}
                for name, port in (("http", 80), ("https", 443), ("metrics", 9090))
            ],
        },
    }


def node_status(number: int) -> Json:
    """Return what a kubelet tells of its node."""
    digest = f"{number:064x}"
    return {
        "addresses": [
            {"type": "InternalIP", "address": f"10.9.{number // 250}.{number % 250 + 1}"},
            {"type": "Hostname", "address": f"node{number}"},
        ],
        "capacity": {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"},
        "allocatable": {"cpu": "7", "memory": "30Gi", "pods": "110", "ephemeral-storage": "90Gi"},
        "conditions": [
            {"type": each, "status": str(each == "Ready"), "reason": "Kubelet", "message": each * 4}
            for each in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
        ],
        "images": [
            {
                "names": [
                    f"registry.example.com/shop/image-{image}@sha256:{digest}",
                    f"registry.example.com/shop/image-{image}:1.{number}",
                ],
                "sizeBytes": 100_000_000 + image,
            }
            for image in range(IMAGES)
        ],
    }


def crowd(cluster: Cluster, services: int, nodes: int) -> None:
    """Add Services of others, and nodes with an agent each."""
    for number in range(services):
        cluster.create("Service", service(number))
    first = MEMBERS * GROUPS + 1
    for number in range(first, first + nodes):
        name = cluster.node(number)
        status = {"op": "add", "path": "/status", "value": node_status(number)}
        cluster.patch("Node", name, status, status=True)


def measure(cluster: Cluster, compiled: Path) -> bool:
    """Tell of each size of a cluster; return whether the controller was always within its bound."""
    members = MEMBERS * GROUPS
    cluster.secret()
    cluster.klass()
    for number in range(1, members + 1):
        cluster.node(number, labels={"group": f"g{number % GROUPS}"})
    # What it takes to compile is not what it takes to run.
    start(cluster, compiled)
    rest(cluster, 0)
    cluster.stop_controllers()
    process, within, there = start(cluster, compiled), True, 0
    for wanted in (0, FEW, HAVIPS):
        for number in range(there, wanted):
            create(cluster, number)
        there = wanted
        rest(cluster, there)
        within &= tell(process, f"{there} HaVips, {members} nodes")
    for services, nodes in ((0, 0), (SERVICES, 0), (0, NODES)):
        cluster.stop_controllers()
        crowd(cluster, services, nodes)
        process = start(cluster, compiled)
        rest(cluster, there)
        among = f", {services} Services more" * bool(services) + f", {nodes} nodes more" * bool(
            nodes
        )
        within &= tell(process, f"started anew{among}")
    return within


def main() -> int:
    with ControlPlane() as plane, tempfile.TemporaryDirectory() as scratch:
        plane.apply_crds(ROOT / "crds")
        eventually(lambda: plane.try_kubectl("get", "havips").returncode == 0)
        with cluster_with(
            plane, plane.admin_kubeconfig, Path(scratch), PROFILE, topology=topology()
        ) as cluster:
            within = measure(cluster, Path(scratch, "compiled"))
    print(f"bound: {BOUND_MEBIBYTES:.0f} MiB at rest: {'held' if within else 'not held'}")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
