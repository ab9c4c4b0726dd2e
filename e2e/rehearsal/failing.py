"""What befalls a node, an agent and the controller, and what a client sees of it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from rehearsal.setting import (
    AGENTS,
    CRASH_SECONDS,
    HANDOVER_SECONDS,
    MOVE_SECONDS,
    NAME,
    NAMESPACE,
    ROLLOUT_SECONDS,
    Setting,
    millis,
)

CORDON_SECONDS = 5.0
"""How long a cordoned node is watched for doing nothing."""


def node_dies(setting: Setting) -> None:
    """Cut the holder's node off, as when its host dies."""
    setting.stage.act("The holder's node dies: its link is cut")

    def cut(holder: str) -> None:
        setting.cluster.cut(holder)
        successor = setting.wait_moved(holder)
        setting.cluster.heal(holder)
        setting.stage.say(f"{holder} was cut, {successor} answers; {holder} is back")

    setting.under_watch(cut, CRASH_SECONDS)


def agent_is_deleted(setting: Setting) -> None:
    """Delete the pod of the holder's agent."""
    setting.stage.act("The holder's agent is deleted")

    def delete(holder: str) -> None:
        setting.kubectl("delete", "pod", "-n", NAMESPACE, setting.agent_on(holder))
        setting.stage.say(f"{setting.wait_moved(holder)} answers")

    setting.under_watch(delete, HANDOVER_SECONDS)


def node_is_cordoned(setting: Setting) -> None:
    """Cordon the holder's node: what runs there goes on, and so does the address."""
    setting.stage.act("The holder's node is cordoned")

    def cordon(holder: str) -> None:
        setting.kubectl("cordon", holder)
        time.sleep(CORDON_SECONDS)
        stays = setting.cluster.holder(NAME) == holder
        setting.stage.check("a cordoned node goes on holding", stays, holder)
        setting.kubectl("uncordon", holder)

    setting.under_watch(cordon, 0.0)


def node_is_drained(setting: Setting) -> None:
    """Drain the holder's node: with the server behind it goes the address."""
    setting.stage.act("The holder's node is drained")

    def drain(holder: str) -> None:
        options = ("--ignore-daemonsets", "--delete-emptydir-data")
        setting.kubectl("drain", holder, *options, f"--timeout={ROLLOUT_SECONDS}s")
        successor = setting.wait_moved(holder)
        setting.stage.check("a drained node hands over", successor != holder, successor)
        setting.kubectl("uncordon", holder)

    setting.under_watch(drain, HANDOVER_SECONDS)


def agents_are_replaced(setting: Setting) -> None:
    """Replace all agents, one after the other."""
    setting.stage.act("A rolling update of the agents")

    def roll(holder: str) -> None:
        setting.kubectl("rollout", "restart", f"daemonset/{AGENTS}", "-n", NAMESPACE)
        setting.wait_rolled_out()

    seen = setting.under_watch(roll, HANDOVER_SECONDS)
    # The kernel's clock, which outages are told by, at the moment that the others call 0.
    offset = time.time() - time.monotonic()
    steps = sorted(
        (_started(pod) - offset, str(pod["spec"]["nodeName"]))
        for pod in setting.cluster.pods("app.kubernetes.io/component=agent", NAMESPACE)
    )
    rows, since = [], float("-inf")
    for started, node in steps:
        within = [each for each in seen.outages if since < each.began <= started + 1.0]
        moves = ", ".join(
            f"{each.before} to {each.after}" for each in within if each.before != each.after
        )
        longest = max((each.seconds for each in within), default=0.0)
        rows.append([node, millis(longest), moves or "stays"])
        since = started + 1.0
    setting.stage.table(["agent replaced on", "outage", "address"], rows)


def controller_is_killed(setting: Setting) -> None:
    """Kill the acting controller and its pod; the other one takes its place."""
    setting.stage.act("The acting controller is killed")
    cluster = setting.cluster

    def kill(_: str) -> None:
        leader = setting.leader()
        (pod,) = (
            each
            for each in cluster.pods("app.kubernetes.io/component=controller", NAMESPACE)
            if each["metadata"]["name"] == leader
        )
        began = time.monotonic()
        cluster.kill_container(pod)
        setting.kubectl("delete", "pod", "-n", NAMESPACE, leader, "--force", "--grace-period=0")
        successor = cluster.until(
            "another controller acts",
            lambda: (now := setting.leader()) not in {"", leader} and now,
            MOVE_SECONDS,
        )
        took = time.monotonic() - began
        setting.stage.check("another controller acts", successor != leader, f"after {took:.1f} s")
        cluster.apply_havip("later")
        cluster.wait_ready("later", MOVE_SECONDS)
        setting.kubectl("get", "hv")
        cluster.kubectl("delete", "hv", "later", "--timeout=60s")

    setting.under_watch(kill, 0.0)


def _started(pod: dict[str, Any]) -> float:
    """Return when a pod's container started, in seconds of the clock on the wall."""
    running = pod["status"]["containerStatuses"][0]["state"]["running"]
    return datetime.fromisoformat(running["startedAt"]).timestamp()
