"""The whole control plane: the API, and the two programs that make a cluster of it."""

from __future__ import annotations

from collections.abc import Iterable

from lab.binaries import CLUSTER, find_or_build
from lab.controlplane import ControlPlane
from lab.fleet import ROOT
from lab.network import API_PORT, FABRIC, FABRIC_ADDRESS, enter, run

SERVICE_ADDRESS = "10.96.0.1"
"""Where pods look for the API: the first of the Service addresses."""
CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"

DIRECTORY = ROOT / ".lab" / "cluster"


def kubelet_user(node: str) -> str:
    """Return the name that a node's kubelet goes by."""
    return f"system:node:{node}"


class WholeControlPlane(ControlPlane):
    """etcd, kube-apiserver, kube-controller-manager and kube-scheduler in the fabric.

    Kubelets join as `kubelet_user(node)`, whom the API holds to what is their node's.
    """

    def __init__(self, nodes: Iterable[str]) -> None:
        """Prepare; nothing runs yet."""
        super().__init__(
            FABRIC_ADDRESS,
            port=API_PORT,
            directory=DIRECTORY / "controlplane",
            enter=enter(FABRIC),
            users={kubelet_user(node): ["system:nodes"] for node in nodes}
            | {CONTROLLER_MANAGER: [], SCHEDULER: []},
        )

    def start(self) -> None:
        """Start all four, and lead the Service address to the API server."""
        programs = find_or_build(CLUSTER)
        # In place of kube-proxy: this is the one Service that anybody here asks for.
        run(
            *enter(FABRIC),
            *("nft", "-f", "-"),
            input="add table ip services\n"
            "add chain ip services in { type nat hook prerouting priority dstnat; }\n"
            f"add rule ip services in ip daddr {SERVICE_ADDRESS} tcp dport 443"
            f" dnat to {FABRIC_ADDRESS}:{API_PORT}\n",
        )
        super().start()
        try:
            manager = str(programs["kube-controller-manager"])
            self._spawn("kube-controller-manager", [manager, *self._manager_flags()])
            scheduler = [str(programs["kube-scheduler"]), "--leader-elect=false"]
            self._spawn("kube-scheduler", [*scheduler, *self._client_flags(SCHEDULER)])
        except BaseException:
            self.stop()
            raise

    def _admission_flags(self) -> list[str]:
        return [
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            # So that `kubectl logs` finds the nodes, whose names nothing here resolves.
            "--kubelet-preferred-address-types=InternalIP",
        ]

    def _manager_flags(self) -> list[str]:
        return [
            *self._client_flags(CONTROLLER_MANAGER),
            "--leader-elect=false",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={self.directory / 'service-account.pem'}",
            # What pods get to know the API server by.
            f"--root-ca-file={self.ca_file}",
        ]

    def _client_flags(self, user: str) -> list[str]:
        kubeconfig = self.kubeconfig(user)
        return [
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
        ]
