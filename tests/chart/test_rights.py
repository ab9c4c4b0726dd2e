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


@pytest.fixture(scope="module")
def audit(lab: Lab) -> Audit:
    return Audit(lab.plane.audit_log)


def test_the_whole_job_needs_every_right_that_the_chart_gives_and_no_other(
    lab: Lab, audit: Audit
) -> None:
    lab.apply_havip("web", election={"profile": "Fast"}, eip={"allocate": {}})
    lab.wait_ready("web")
    holder = lab.settle("web")
    lab.kill_agent(holder)
    lab.until("another node holds it", lambda: lab.holder("web") != holder, 30)
    lab.start_agent(holder)
    lab.settle("web")
    lab.kubectl("delete", "hv", "web", "--timeout=60s")

    for account in ("havip-controller", "havip-agent"):
        asked = audit.news(f"{DEFAULT_NAMESPACE}/{account}")
        used = {each.right for each in asked if each.allowed}
        refused = {each.right for each in asked if not each.allowed}
        assert refused == set(), account
        assert used == granted(f"{DEFAULT_NAMESPACE}/{account}"), account


@pytest.mark.parametrize(("role", "number"), RULES, ids=map(name_of, RULES))
def test_without_any_one_rule_something_is_refused(
    lab: Lab, audit: Audit, role: dict[str, Any], number: int
) -> None:
    kept = [rule for at, rule in enumerate(role["rules"]) if at != number]
    missing = rights_of(role["rules"][number])
    account = account_of(role)
    lab.plane.apply(json.dumps(role | {"rules": kept}))
    try:
        audit.news(account)
        begin_anew(lab)

        def refused() -> bool:
            asked = audit.news(account)
            return any(not each.allowed and each.right in missing for each in asked)

        lab.until(f"the API server refuses one of {missing}", refused, 30)
    finally:
        lab.plane.apply(json.dumps(role))
        lab.kubectl("delete", "hv", "--all", "--timeout=60s")


def begin_anew(lab: Lab) -> None:
    """Let both programs do all they ever do: start, report, make a HaVip, take one away."""
    lab.kubectl("delete", "hvn", "node1", "--ignore-not-found")
    lab.kubectl("delete", "lease", "havip-controller", "-n", DEFAULT_NAMESPACE)
    lab.kill_controller()
    lab.kill_agent("node1")
    lab.apply_havip("other")
    lab.start_controller()
    lab.start_agent("node1")
    lab.kubectl("delete", "hv", "other", "--wait=false")
