"""Where the rehearsal plays: names, and what several parts of it do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from havip.api.names import DEFAULT_NAMESPACE
from lab.controlplane import ControlPlaneError
from lab.observation import ProbeReport
from lab.site import LabError
from lab.stage import Stage
from lab.whole.cluster import WholeCluster

CHART = "charts/havip-operator"
NAMESPACE = DEFAULT_NAMESPACE
RELEASE = "havip"
AGENTS = f"{RELEASE}-agent"
CONTROLLERS = f"{RELEASE}-controller"
NAME = "web"
ROLLOUT_SECONDS = 180
MOVE_SECONDS = 60
CRASH_SECONDS = 1.5
"""What a client may miss when the holder's node dies, in the profile that is the default."""
HANDOVER_SECONDS = 0.5
"""What a client may miss when the holder knows that it must go."""


@dataclass
class Setting:
    """The stage to speak from, the cluster to act on."""

    stage: Stage
    cluster: WholeCluster

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl as the admin would, and show it."""
        printed = self.cluster.kubectl(*arguments)
        self.stage.command(f"kubectl {' '.join(arguments)}", printed)
        return printed

    def helm(self, *arguments: str) -> str:
        """Run helm as the admin would, and show it."""
        printed = self.cluster.helm(*arguments)
        self.stage.command(f"helm {' '.join(arguments)}", printed)
        return printed

    def wait_rolled_out(self) -> None:
        """Wait until every pod of the operator is of the newest kind, and ready."""
        for workload in (f"daemonset/{AGENTS}", f"deployment/{CONTROLLERS}"):
            self._wait(workload, NAMESPACE)

    def wait_web(self) -> None:
        """Wait until the users' server answers on every node."""
        self._wait("deployment/web", "default")

    def _wait(self, workload: str, namespace: str) -> None:
        line = ("rollout", "status", workload, "-n", namespace, f"--timeout={ROLLOUT_SECONDS}s")
        try:
            self.cluster.kubectl(*line)
        except ControlPlaneError as trouble:
            raise LabError(f"{trouble}\n{self.cluster.complaints(namespace)}") from trouble

    def settle(self) -> str:
        """Wait until all is well: every pod ready, the HaVip held with all members."""
        self.wait_rolled_out()
        self.wait_web()
        self.cluster.wait_ready(NAME, MOVE_SECONDS)
        return self.cluster.settle(NAME)

    def agent_on(self, node: str) -> str:
        """Return the name of the agent's pod on a node."""
        (name,) = (
            pod["metadata"]["name"]
            for pod in self.cluster.pods("app.kubernetes.io/component=agent", NAMESPACE)
            if pod["spec"]["nodeName"] == node
        )
        return str(name)

    def leader(self) -> str:
        """Return the name of the controller's pod that acts; empty while none does."""
        lease = self.cluster.kubectl(
            "get", "lease", "havip-controller", "-n", NAMESPACE, "-o", "json"
        )
        return str(json.loads(lease)["spec"].get("holderIdentity") or "")

    def under_watch(self, hurt: Callable[[str], None], bound: float) -> ProbeReport:
        """Do something to the settled holder while a client and the kernels are watched.

        Checks that the client missed the address for `bound` seconds at most, and that it never had
        two owners.
        """
        cluster = self.cluster
        holder = self.settle()
        address = cluster.address(NAME)
        prober, owners = cluster.probe(address), cluster.owners(address)
        cluster.until(
            "the client is answered", lambda: prober.report().answered_by == (holder,), MOVE_SECONDS
        )
        began = time.monotonic()
        hurt(holder)
        seen, owned = prober.stop(), owners.stop()
        elapsed = time.monotonic() - began
        self.stage.check(
            "a client missed it for no longer than " + millis(bound)
            if bound
            else "no client noticed",
            seen.outage <= bound,
            f"{millis(seen.outage)}, {seen.lost} of {len(seen.probes)} probes lost",
        )
        self.stage.check(
            "never two owners",
            not owned.overlaps and not seen.doubly_answered,
            "; ".join(f"{a} and {b} for {millis(s)}" for a, b, s in owned.overlaps)
            or " then ".join(seen.answered_by),
        )
        if seen.outage > bound or owned.overlaps:
            self._show_agents(elapsed)
        return seen

    def _show_agents(self, seconds: float) -> None:
        """Show what the agents wrote in the last seconds: their pods may not be there for long."""
        for pod in self.cluster.pods("app.kubernetes.io/component=agent", NAMESPACE):
            name = pod["metadata"]["name"]
            line = ("logs", "-n", NAMESPACE, name, f"--since={seconds + 1:.0f}s", "--timestamps")
            self.stage.say(f"The agent on {pod['spec']['nodeName']} wrote:")
            self.stage.say(self.cluster.plane.try_kubectl(*line).stdout)

    def wait_moved(self, holder: str) -> str:
        """Wait until another node holds the address and answers; return which."""
        cluster, address = self.cluster, self.cluster.address(NAME)

        def moved() -> str:
            answers = cluster.curl(address, 0.3)
            return answers if answers not in {"", holder} else ""

        return cluster.until(f"another node than {holder} answers", moved, MOVE_SECONDS)


def millis(seconds: float) -> str:
    """Write a time in milliseconds."""
    return f"{seconds * 1000:.0f} ms"
