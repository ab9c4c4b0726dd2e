"""Each alert fires on what it is for, keeps quiet otherwise, and says it in words one can act on.

promtool runs the rules; a series is written as it writes them: first value, step, repetitions.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import chart

from .conftest import RULES

WEB = {"namespace": "default", "name": "web"}


@dataclass(frozen=True)
class Case:
    """What Prometheus scraped each 15 s, and which alert it makes of it."""

    alert: str
    series: dict[str, str]
    at: str
    """Time of the look."""
    labels: dict[str, str] | None = None
    """Labels of the alert beside the severity; None where it must not fire."""
    summary: str = ""
    description: str = ""


def condition(type_: str, status: str, reason: str) -> str:
    return (
        f'havip_condition{{namespace="default",name="web",type="{type_}",status="{status}",'
        f'reason="{reason}"}}'
    )


def of_web(metric: str, **labels: str) -> str:
    told = ",".join(f'{key}="{value}"' for key, value in (WEB | labels).items())
    return f"{metric}{{{told}}}"


def owns(node: str) -> str:
    return of_web("havip_owns", node=node)


NO_HOLDER: dict[str, Any] = {
    "labels": WEB,
    "summary": "No node holds the HaVip default/web",
    "description": "Nothing answers at its address: look whether any member is healthy and whether"
    " the agents reach the API server.",
}
TWO_OWNERS: dict[str, Any] = {
    "labels": WEB,
    "summary": "More than one node holds the HaVip default/web",
    "description": "Connections to its address may break or reach the wrong node: find the node"
    " that the register does not name, and stop its agent.",
}
DISAGREE = (
    "Traffic to its address may go to a node that does not answer: the message of its condition"
    " Consistent names both."
)
ONE_HEALTHY = (
    "The next failure takes its address away: status.members says what is wrong with the others."
)
NOT_RECONCILING: dict[str, Any] = {
    "labels": {},
    "summary": "The controller of HaVips does not reconcile",
    "description": "Addresses go on failing over without it, but new HaVips, new nodes and what is"
    " changed in the cloud are not seen to: look at the controller's pods and their logs.",
}
RECONCILES = 'havip_reconcile_duration_seconds_count{result="ok"}'
BUGS = 'havip_reconcile_duration_seconds_count{result="bug"}'
WORKING = {
    "havip_controller_leading": "1x80",
    "havip_controller_loop_age_seconds": "0x80",
    "havip_havips": "3x80",
    RECONCILES: "0+3x80",
    BUGS: "0x80",
}
NOT_BOUND = "It is not reached from outside as its spec says: the message of its condition {}"
LOSS = (
    "Lost heartbeats make needless failovers, and with none at all the node is no help: look at the"
    " network between the nodes (UDP 9494) and at how busy they are."
)


def heartbeats(received: str, lost: str, owned_elsewhere: str = "1x60") -> dict[str, str]:
    return {
        of_web("havip_heartbeats_received_total", node="node2"): received,
        of_web("havip_heartbeats_lost_total", node="node2"): lost,
        owns("node1"): owned_elsewhere,
        owns("node2"): "0x60",
        # The owner hears no heartbeats, and that is no loss.
        of_web("havip_heartbeats_received_total", node="node1"): "0x60",
        of_web("havip_heartbeats_lost_total", node="node1"): "0x60",
    }


def failover(announced: str, at: str = "60x300") -> dict[str, str]:
    return {
        of_web("havip_last_failover_phase_seconds", phase="acquired"): "0.1x300",
        of_web("havip_last_failover_phase_seconds", phase="announced"): announced,
        of_web("havip_failover_objective_seconds", node="node1"): "0.9x300",
        of_web("havip_failover_objective_seconds", node="node2"): "0.9x300",
        of_web("havip_last_failover_timestamp_seconds"): at,
    }


def quota(used: int) -> dict[str, str]:
    return {
        'havip_quota_used{class="main",quota="HaVipsPerVpc"}': f"{used}x60",
        'havip_quota_limit{class="main",quota="HaVipsPerVpc"}': "50x60",
        'havip_quota_used{class="main",quota="RoutesPerTable"}': "1x60",
        'havip_quota_limit{class="main",quota="RoutesPerTable"}': "5x60",
    }


def members(healthy: int, wanted: int) -> dict[str, str]:
    return {
        of_web("havip_members_healthy"): f"{healthy}x60",
        of_web("havip_members_wanted"): f"{wanted}x60",
    }


CASES = {
    "nobody owns it, say the agents": Case(
        "HaVipNoHolder", {owns("node1"): "0x20", owns("node2"): "0x20"}, "2m", **NO_HOLDER
    ),
    "nobody owns it, says the controller, and no agent is there to be asked": Case(
        "HaVipNoHolder", {condition("Held", "False", "NoHolder"): "1x20"}, "2m", **NO_HOLDER
    ),
    "a failover leaves it without an owner for a moment": Case(
        "HaVipNoHolder", {owns("node1"): "1x4 0x20", owns("node2"): "0 0 0 0 0 0 0 1x20"}, "4m"
    ),
    "a new one waits for its election": Case(
        "HaVipNoHolder", {condition("Held", "False", "ElectionPending"): "1x20"}, "4m"
    ),
    "two agents believe that they own it": Case(
        "HaVipTwoOwners", {owns("node1"): "1x20", owns("node2"): "1x20"}, "2m", **TWO_OWNERS
    ),
    "two kernels have the address": Case(
        "HaVipTwoOwners",
        {condition("Consistent", "False", "SeveralOwners"): "1x20"},
        "2m",
        **TWO_OWNERS,
    ),
    "the old owner was scraped just before it failed, the new one just after": Case(
        "HaVipTwoOwners", {owns("node1"): "1 1 1 1 0x20", owns("node2"): "0 0 1x20"}, "3m"
    ),
    "one owner of each of two HaVips": Case(
        "HaVipTwoOwners",
        {owns("node1"): "1x20", 'havip_owns{namespace="default",name="shop",node="node2"}': "1x20"},
        "3m",
    ),
    "the cloud sends the traffic elsewhere": Case(
        "HaVipViewsDisagree",
        {condition("Consistent", "False", "CloudDiffers"): "1x20"},
        "3m",
        WEB | {"reason": "CloudDiffers"},
        "The register and the cloud disagree who owns the HaVip default/web",
        DISAGREE,
    ),
    "the address is on another node": Case(
        "HaVipViewsDisagree",
        {condition("Consistent", "False", "KernelDiffers"): "1x20"},
        "3m",
        WEB | {"reason": "KernelDiffers"},
        "The register and the nodes' kernels disagree who owns the HaVip default/web",
        DISAGREE,
    ),
    "the cloud follows a failover within a minute": Case(
        "HaVipViewsDisagree",
        {condition("Consistent", "False", "CloudDiffers"): "1x4 stale"},
        "3m",
    ),
    "it moves every other minute": Case(
        "HaVipFlapping",
        {of_web("havip_register_epoch"): "1x8 2x8 3x8 4x8 5x8 6x8 7x8"},
        "14m",
        WEB,
        "The HaVip default/web moved 6 times in 15 minutes",
        "Each move breaks connections for a moment: look why its owners lose it, and choose a"
        " calmer profile where the nodes are too busy for this one.",
    ),
    "a rolling update moves it thrice": Case(
        "HaVipFlapping", {of_web("havip_register_epoch"): "1x8 2x8 3x8 4x80"}, "14m"
    ),
    "one of three members is healthy": Case(
        "HaVipOneHealthyMember",
        members(1, 3),
        "6m",
        WEB,
        "The HaVip default/web has only one healthy member",
        ONE_HEALTHY,
    ),
    "no member is healthy": Case(
        "HaVipOneHealthyMember",
        members(0, 2),
        "6m",
        WEB,
        "The HaVip default/web has no healthy member",
        ONE_HEALTHY,
    ),
    "two of three members are healthy": Case("HaVipOneHealthyMember", members(2, 3), "10m"),
    "there is to be one member only": Case("HaVipOneHealthyMember", members(1, 1), "10m"),
    "an agent fell silent": Case(
        "HaVipAgentMissing",
        {'havip_agent_silence_seconds{node="node2"}': "0+15x40"},
        "6m",
        {"node": "node2"},
        "The agent of the node node2, a member of HaVips, does not report",
        "The node cannot take an address over: look at the agent's pod there, and at the node"
        " itself.",
    ),
    "an agent never spoke": Case(
        "HaVipAgentMissing",
        {'havip_agent_silence_seconds{node="node2"}': " ".join(["Inf"] * 40)},
        "3m",
        {"node": "node2"},
        "The agent of the node node2, a member of HaVips, does not report",
        "The node cannot take an address over: look at the agent's pod there, and at the node"
        " itself.",
    ),
    "an agent is updated": Case(
        "HaVipAgentMissing", {'havip_agent_silence_seconds{node="node2"}': "0+15x6 5x40"}, "10m"
    ),
    "an agent is without the API server for minutes": Case(
        "HaVipAgentWithoutRegister",
        {'havip_api_unanswered_seconds{node="node1"}': "0 0 0+15x40"},
        "5m",
        {"node": "node1"},
        "The agent of the node node1 has had no answer of the API server for 4m 30s",
        "What is held goes on being held, but a failure that comes on top costs the address: bring"
        " the API server back, or the way to it.",
    ),
    "the API server restarts": Case(
        "HaVipAgentWithoutRegister",
        {'havip_api_unanswered_seconds{node="node1"}': "0 15 30 45 0x40"},
        "6m",
    ),
    "no controller leads": Case(
        "HaVipControllerNotReconciling",
        {'havip_controller_leading{pod="a"}': "0x80", 'havip_controller_leading{pod="b"}': "0x80"},
        "4m",
        **NOT_RECONCILING,
    ),
    "the controller's loop hangs": Case(
        "HaVipControllerNotReconciling",
        WORKING | {"havip_controller_loop_age_seconds": "0 15+15x80"},
        "8m",
        **NOT_RECONCILING,
    ),
    "no HaVip is looked at": Case(
        "HaVipControllerNotReconciling",
        WORKING | {RECONCILES: "5x80"},
        "15m",
        **NOT_RECONCILING,
    ),
    "a bug stops a reconcile again and again": Case(
        "HaVipControllerNotReconciling",
        WORKING | {BUGS: "0+1x80"},
        "10m",
        **NOT_RECONCILING,
    ),
    "one replica works and one waits": Case(
        "HaVipControllerNotReconciling",
        WORKING | {'havip_controller_leading{pod="b"}': "0x80"},
        "15m",
    ),
    "there is nothing to look at": Case(
        "HaVipControllerNotReconciling",
        WORKING | {"havip_havips": "0x80", RECONCILES: "0x80"},
        "15m",
    ),
    "the other replica takes over": Case(
        "HaVipControllerNotReconciling",
        WORKING | {"havip_controller_leading": "1x4 0x3 1x80"},
        "15m",
    ),
    "the key of a class is refused": Case(
        "HaVipCredentialsRefused",
        {
            'havip_class_condition{class="main",type="Accepted",status="False",'
            'reason="CredentialsRefused"}': "1x20"
        },
        "3m",
        {"class": "main", "reason": "CredentialsRefused"},
        "The credentials of the HaVipClass main do not work: CredentialsRefused",
        "Nothing can be changed in the cloud with them: the message of the class's condition"
        " Accepted says which key or permission is wanting.",
    ),
    "a class has a wrong vSwitch, which is not about credentials": Case(
        "HaVipCredentialsRefused",
        {
            'havip_class_condition{class="main",type="Accepted",status="False",'
            'reason="VSwitchNotFound"}': "1x20"
        },
        "4m",
    ),
    "a VPC is nearly full": Case(
        "HaVipQuotaNear",
        quota(46),
        "11m",
        {"class": "main", "quota": "HaVipsPerVpc"},
        "92% of the quota HaVipsPerVpc of the HaVipClass main is used",
        "What goes over it is refused: free some, or have the quota raised and say so in"
        " spec.limits.",
    ),
    "a VPC has room for some more": Case("HaVipQuotaNear", quota(44), "14m"),
    "the EIP is bound elsewhere": Case(
        "HaVipExposureNotBound",
        {condition("EipBound", "False", "EipElsewhere"): "1x40"},
        "6m",
        WEB | {"type": "EipBound", "reason": "EipElsewhere"},
        "The EIP is not bound to the HaVip default/web: EipElsewhere",
        NOT_BOUND.format("EipBound says what to do."),
    ),
    "a route is refused": Case(
        "HaVipExposureNotBound",
        {condition("RoutesBound", "False", "RouteRefused"): "1x40"},
        "6m",
        WEB | {"type": "RoutesBound", "reason": "RouteRefused"},
        "Not all routes lead to the HaVip default/web: RouteRefused",
        NOT_BOUND.format("RoutesBound says what to do."),
    ),
    "the EIP is bound after a while": Case(
        "HaVipExposureNotBound",
        {
            condition("EipBound", "False", "Binding"): "1x8 stale",
            condition("EipBound", "True", "Bound"): "_x8 1x40",
        },
        "8m",
    ),
    "one heartbeat of ten is lost": Case(
        "HaVipHeartbeatLoss",
        heartbeats("0+90x60", "0+10x60"),
        "12m",
        WEB | {"node": "node2"},
        "10% of the heartbeats of the HaVip default/web do not reach the node node2",
        LOSS,
    ),
    "a candidate hears of no owner at all": Case(
        "HaVipHeartbeatLoss",
        heartbeats("0x60", "0x60"),
        "12m",
        WEB | {"node": "node2"},
        "100% of the heartbeats of the HaVip default/web do not reach the node node2",
        LOSS,
    ),
    "one heartbeat of a hundred is lost": Case(
        "HaVipHeartbeatLoss", heartbeats("0+99x60", "0+1x60"), "14m"
    ),
    "there are no heartbeats where nobody owns it": Case(
        "HaVipHeartbeatLoss", heartbeats("0x60", "0x60", owned_elsewhere="0x60"), "14m"
    ),
    "a failover took longer than the profile promises": Case(
        "HaVipSlowFailover",
        failover("2.5x300"),
        "10m",
        WEB,
        "The last failover of the HaVip default/web took 2.5s, longer than its profile promises",
        "status.lastFailover says which phase took the time: the register, the node's kernel or the"
        " election itself.",
    ),
    "a failover was as quick as it should be": Case(
        "HaVipSlowFailover", failover("0.4x300"), "10m"
    ),
    "a slow failover is long ago": Case("HaVipSlowFailover", failover("2.5x300"), "70m"),
}


def expected(case: Case, rule: dict[str, object]) -> list[dict[str, object]]:
    if case.labels is None:
        return []
    labels, annotations = rule["labels"], rule["annotations"]
    assert isinstance(labels, dict)
    assert isinstance(annotations, dict)
    return [
        {
            "exp_labels": labels | case.labels,
            "exp_annotations": {
                "summary": case.summary,
                "description": case.description,
                "runbook_url": annotations["runbook_url"],
            },
        }
    ]


@pytest.mark.parametrize("case", [pytest.param(each, id=name) for name, each in CASES.items()])
def test_when(
    case: Case, promtool: Path, rules: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": v} for name, v in case.series.items()],
        "alert_rule_test": [
            {
                "eval_time": case.at,
                "alertname": case.alert,
                "exp_alerts": expected(case, rules[case.alert]),
            }
        ],
    }
    file = tmp_path / "test.json"
    file.write_text(
        json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": [test]})
    )
    done = subprocess.run(
        [promtool, "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("fires", [True, False])
def test_every_alert_is_tried_both_ways(fires: bool, rules: dict[str, dict[str, object]]) -> None:
    tried = {case.alert for case in CASES.values() if (case.labels is not None) is fires}
    assert tried == set(rules)


def test_the_chart_makes_a_prometheus_rule_of_what_is_tried_here(
    promtool: Path, tmp_path: Path
) -> None:
    rendered = yaml.safe_load_all(chart.render({"monitoring": {"enabled": True}}))
    (rule,) = (each for each in rendered if each and each["kind"] == "PrometheusRule")
    file = tmp_path / "rule.json"
    file.write_text(json.dumps(rule["spec"]))

    done = subprocess.run(
        [promtool, "check", "rules", "--lint-fatal", file],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
