"""What the operator costs: how long its programs take to start, and their memory."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from lab.network import FABRIC
from lab.whole.cluster import container_of
from rehearsal.setting import MOVE_SECONDS, NAMESPACE, RELEASE, Setting

HAVIPS = 5
"""As many as the cloud allows an instance to be a member of."""
IN_CLUSTER = 50
"""As many as it allows a VPC."""
AGENT_START_SECONDS, CONTROLLER_START_SECONDS = 1.0, 3.0
AGENT_MEBIBYTES, CONTROLLER_MEBIBYTES = 64.0, 150.0
MANY_SECONDS = 180.0
AGENT_PORT, CONTROLLER_PORT = 9495, 8080

Pod = dict[str, Any]


def memory(setting: Setting) -> None:
    """Measure both programs with HaVips at rest: those of one instance, then those of a VPC."""
    setting.stage.act(f"Resident memory with {HAVIPS} and {IN_CLUSTER} HaVips")
    cluster = setting.cluster
    further = [f"further{number}" for number in range(1, HAVIPS)]
    for name in further:
        cluster.apply_havip(name)
    for name in further:
        cluster.wait_ready(name, MOVE_SECONDS)
        cluster.settle(name)
    setting.kubectl("get", "hv")
    _measure(setting, HAVIPS)
    elsewhere = [f"elsewhere{number}" for number in range(HAVIPS, IN_CLUSTER)]
    for name in elsewhere:
        cluster.apply_havip(name, members={"nodeSelector": {"elsewhere": "true"}})

    def made() -> bool:
        path = "jsonpath={.items[*].status.address}"
        return len(cluster.kubectl("get", "hv", "-o", path).split()) == IN_CLUSTER

    cluster.until("all HaVips have addresses", made, MANY_SECONDS)
    _measure(setting, IN_CLUSTER)
    cluster.kubectl("delete", "hv", *further, *elsewhere, f"--timeout={MANY_SECONDS:.0f}s")


def _measure(setting: Setting, havips: int) -> None:
    cluster, rows, worst = setting.cluster, [], {}
    for component, bound in (("agent", AGENT_MEBIBYTES), ("controller", CONTROLLER_MEBIBYTES)):
        sizes = {
            pod["metadata"]["name"]: cluster.resident_mebibytes(pod)
            for pod in _pods(setting, component)
        }
        rows += [[name, f"{size:.1f} MiB"] for name, size in sizes.items()]
        worst[component] = (max(sizes.values()), bound)
    setting.stage.table([f"with {havips} HaVips", "resident"], rows)
    for component, (size, bound) in worst.items():
        setting.stage.check(
            f"with {havips} HaVips the {component} has at most {bound:.0f} MiB",
            size <= bound,
            f"{size:.1f} MiB",
        )


def start(setting: Setting) -> None:
    """Kill each program's container once, and measure how fast the next one is ready."""
    setting.stage.act("From the start of a container to ready")

    def of_agent(pod: Pod) -> tuple[str, str]:
        # It serves the node's loopback only, as long as there is no Prometheus.
        return str(pod["spec"]["nodeName"]), f"http://127.0.0.1:{AGENT_PORT}/healthz"

    def of_controller(pod: Pod) -> tuple[str, str]:
        return FABRIC, f"http://{pod['status']['podIP']}:{CONTROLLER_PORT}/healthz"

    _starts(setting, "agent", of_agent, AGENT_START_SECONDS)
    _starts(setting, "controller", of_controller, CONTROLLER_START_SECONDS)


def _starts(
    setting: Setting, component: str, page: Callable[[Pod], tuple[str, str]], bound: float
) -> None:
    took = []
    for pod in _pods(setting, component):
        took.append(_start(setting, pod, *page(pod)))
        setting.settle()
    told = ", ".join(f"{each:.2f} s" for each in took)
    # The median: another program of the machine may be at work at any time.
    setting.stage.check(
        f"the {component} is ready within {bound:.0f} s", median(took) <= bound, told
    )


def _start(setting: Setting, pod: Pod, machine: str, url: str) -> float:
    cluster, name, before = setting.cluster, pod["metadata"]["name"], container_of(pod)
    watch = cluster.watch_ready(machine, url)

    def states() -> list[str]:
        return [state for state, _ in watch.changes()]

    cluster.until(f"{name} is well", lambda: states() == ["well"], MOVE_SECONDS)
    cluster.kill_container(pod)
    cluster.until(f"{name} is well again", lambda: states()[1:] == ["ill", "well"], MOVE_SECONDS)
    (_, _, (_, ready)) = watch.stop()

    def restarted() -> Pod | None:
        for now in cluster.pods(f"app.kubernetes.io/instance={RELEASE}", NAMESPACE):
            if now["metadata"]["name"] == name and container_of(now) != before:
                return now
        return None

    now = cluster.until(f"{name} is known to have restarted", restarted, MOVE_SECONDS)
    return ready - cluster.began(now)


def _pods(setting: Setting, component: str) -> list[Pod]:
    return setting.cluster.pods(f"app.kubernetes.io/component={component}", NAMESPACE)
