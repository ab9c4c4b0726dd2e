"""The rights that the chart gives are the least that work.

The whole job runs under the chart's ServiceAccounts on a real API server that writes down every
request. What was granted and never used is spare; what was refused is missing.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from havip.api.names import DEFAULT_NAMESPACE
from lab import chart
from lab.audit import Audit, Right
from lab.cluster import Lab

from .conftest import objects

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root"),
]

ROLES = [
    each
    for each in objects(chart.render(only=chart.RIGHTS))
    if each["kind"] in {"Role", "ClusterRole"}
]
BACKED = [{"name": "backends", "endpoints": {"service": "web"}}]
RULES = [(role, number) for role in ROLES for number in range(len(role["rules"]))]


def account_of(role: dict[str, Any]) -> str:
    # A role of the chart is named as the account that has it.
    return f"{DEFAULT_NAMESPACE}/{role['metadata']['name']}"


def rights_of(rule: dict[str, Any]) -> set[Right]:
    return {
        Right(group, resource, verb)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def granted(account: str) -> set[Right]:
    rules = [rule for role in ROLES if account_of(role) == account for rule in role["rules"]]
    return set().union(*map(rights_of, rules))


def name_of(case: tuple[dict[str, Any], int]) -> str:
    role, number = case
    rule = role["rules"][number]
    return f"{role['metadata']['name']}-{'-'.join(rule['resources']).replace('/', '.')}"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(audit=True) as lab:
        yield lab


def test_the_whole_job_needs_every_right_that_the_chart_gives_and_no_other(
    lab: Lab,
) -> None:
    lab.apply_havip("web", election={"profile": "Fast"}, eip={"allocate": {}})
    lab.apply_havip("backed", health=BACKED)
    lab.wait_ready("web")
    holder = lab.settle("web")
    lab.kill_agent(holder)
    lab.until("another node holds it", lambda: lab.holder("web") != holder, 30)
    lab.start_agent(holder)
    lab.settle("web")
    lab.kubectl("delete", "hv", "web", "backed", "--timeout=60s")
    make_service(lab)
    lab.until("the Service has an address", lambda: is_published(lab), 60)
    lab.kubectl("annotate", "service", "shop", "havip.dev/description=changed")
    described = ("get", "hv", "shop", "-o", "jsonpath={.spec.description}")
    lab.until("its HaVip follows", lambda: lab.kubectl(*described) == "changed", 30)
    lab.kubectl("delete", "service", "shop", "--timeout=60s")

    for account in sorted({account_of(role) for role in ROLES}):
        asked = Audit(lab.plane.audit_log, account).news()
        used = {each.right for each in asked if each.allowed}
        refused = {each.right for each in asked if not each.allowed}
        assert refused == set(), account
        assert used == granted(account), account


@pytest.mark.slow
@pytest.mark.parametrize(("role", "number"), RULES, ids=map(name_of, RULES))
def test_without_any_one_rule_something_is_refused(
    lab: Lab, role: dict[str, Any], number: int
) -> None:
    kept = [rule for at, rule in enumerate(role["rules"]) if at != number]
    missing = rights_of(role["rules"][number])
    audit = Audit(lab.plane.audit_log, account_of(role))

    seen: list[Right] = []

    def refused() -> bool:
        asked = audit.news()
        seen.extend(each.right for each in asked if not each.allowed and each.right in missing)
        return bool(seen)

    lab.plane.apply(json.dumps(role | {"rules": kept}))
    try:
        audit.news()
        begin_anew(lab)
        lab.until("it is refused or not needed", lambda: refused() or is_ready(lab), 60)
        lab.kubectl("delete", "hv", "other", "--wait=false")
        lab.kubectl("delete", "service", "shop", "--wait=false")
        lab.until(f"the API server refuses one of {sorted(map(str, missing))}", refused, 30)
    finally:
        lab.plane.apply(json.dumps(role))
        lab.kubectl("delete", "service", "shop", "--ignore-not-found", "--timeout=60s")
        lab.kubectl("delete", "hv", "--all", "--timeout=60s")


def begin_anew(lab: Lab) -> None:
    """Let both programs do all that they do at a start, and make a HaVip and a Service."""
    lab.kubectl("delete", "hvn", "node1", "--ignore-not-found")
    lab.kubectl(
        "delete", "lease", "havip-controller", "-n", DEFAULT_NAMESPACE, "--ignore-not-found"
    )
    lab.kill_controller()
    lab.kill_agent("node1")
    lab.apply_havip("other")
    lab.apply_havip("backed", health=BACKED)
    make_service(lab)
    lab.start_controller()
    lab.start_agent("node1")


def make_service(lab: Lab) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop"},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerClass": "havip.dev/lab",
            "ports": [{"port": 80}],
        },
    }
    lab.plane.apply(json.dumps(service))


def is_published(lab: Lab) -> bool:
    found = ("get", "service", "shop", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")
    return bool(lab.kubectl(*found))


def is_ready(lab: Lab) -> bool:
    conditions = lab.havip("other").get("status", {}).get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and is_published(lab)
