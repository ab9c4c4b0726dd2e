"""A real kube-proxy on each node, and behind each node a namespace that is a pod.

```
 client --- bridge --- node1 eth0 | kube-proxy (nftables) | pods --- eth0 pod-node1
                       10.77.0.11                     10.244.1.1     10.244.1.2
```

A pod answers with its own name, so an answer tells which way it came: a node's own service, which
listens on the same ports, would tell the node's.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from havip.api.names import DEFAULT_NAMESPACE
from lab.binaries import KUBE_PROXY, find
from lab.cluster import Lab, LabError
from lab.network import PREFIX, enter, run
from lab.processes import Program
from lab.service import Service
from lab.watching import UDP_PORT, program

HOW_TO_BUILD = "python3 e2e/setup.py kubeproxy"
POD_PORT = 8080
PORT_TO_PODS = "pods"

MANIFEST = f"""
apiVersion: v1
kind: ServiceAccount
metadata: {{name: kube-proxy, namespace: {DEFAULT_NAMESPACE}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: lab-kube-proxy}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:node-proxier"}}
subjects: [{{kind: ServiceAccount, name: kube-proxy, namespace: {DEFAULT_NAMESPACE}}}]
"""


class KubeProxies:
    """The kube-proxies and pods of a lab that is up, for as long as the `with` block lasts."""

    def __init__(self, lab: Lab) -> None:
        """Describe them; entering the block starts them."""
        found = find(KUBE_PROXY)
        if found is None:
            raise LabError(f"there is no kube-proxy: run `{HOW_TO_BUILD}`")
        self._kube_proxy = found["kube-proxy"]
        self._lab = lab
        self._numbers = {node: number for number, node in enumerate(lab.nodes, 1)}
        self._programs: dict[str, Program] = {}

    def __enter__(self) -> Self:
        self._lab.plane.apply(MANIFEST)
        for node in self._lab.nodes:
            self._make_pod(node)
            self.start_pod(node)
            self._start_kube_proxy(node)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The namespaces go with the lab's.
        for running in self._programs.values():
            running.kill()

    def service(self, name: str) -> Service:
        """Return a Service whose endpoints are the pods; nothing is applied yet."""
        addresses = {node: self._address(node) for node in self._lab.nodes}
        return Service(self._lab.plane, name, addresses, target_port=POD_PORT)

    def start_pod(self, node: str) -> None:
        """Start what the pod of a node serves: its name."""
        command = program("responder", pod(node), UDP_PORT, POD_PORT)
        self._start(pod(node), command, machine=pod(node))

    def stop_pod(self, node: str) -> None:
        """End what the pod of a node serves."""
        self._programs.pop(pod(node)).kill()

    def _address(self, node: str, host: int = 2) -> str:
        return f"10.244.{self._numbers[node]}.{host}"

    def _make_pod(self, node: str) -> None:
        run("ip", "netns", "add", PREFIX + pod(node))
        in_pod, in_node = ["ip", "-n", PREFIX + pod(node)], ["ip", "-n", PREFIX + node]
        run(
            *(*in_pod, "link", "add", "eth0", "type", "veth"),
            *("peer", "name", PORT_TO_PODS, "netns", PREFIX + node),
        )
        run(*in_node, "address", "add", f"{self._address(node, 1)}/24", "dev", PORT_TO_PODS)
        run(*in_node, "link", "set", PORT_TO_PODS, "up")
        run(*in_pod, "address", "add", f"{self._address(node)}/24", "dev", "eth0")
        run(*in_pod, "link", "set", "lo", "up")
        run(*in_pod, "link", "set", "eth0", "up")
        run(*in_pod, "route", "add", "default", "via", self._address(node, 1))
        run(*enter(node), "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for other, machine in self._lab.nodes.items():
            if other != node:
                run(
                    *in_node,
                    "route",
                    "add",
                    f"{self._address(other, 0)}/24",
                    "via",
                    machine.address,
                )

    def _start_kube_proxy(self, node: str) -> None:
        kubeconfig = self._lab.plane.kubeconfig(f"{DEFAULT_NAMESPACE}/kube-proxy")
        command = [
            str(self._kube_proxy),
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={node}",
            "--proxy-mode=nftables",
            "--cluster-cidr=10.244.0.0/16",
            # These belong to the machine, not to a namespace of it.
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0s",
            "--conntrack-tcp-timeout-close-wait=0s",
        ]
        self._start(f"kube-proxy-{node}", command, machine=node)

    def _start(self, name: str, command: list[str], *, machine: str) -> None:
        log = self._lab.directory / "logs" / f"{name}.log"
        self._programs[name] = Program(name, command, machine=machine, log=log)


def pod(node: str) -> str:
    """Return the name of the pod behind a node."""
    return f"pod-{node}"
