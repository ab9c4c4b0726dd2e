"""A firewall between two living nodes: both are well by all accounts but their neighbour's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.cluster import Lab
from lab.network import enter, run

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root"),
]

PORT = 9494


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        lab.apply_havip("web")
        lab.wait_ready("web")
        yield lab


@contextmanager
def firewall(lab: Lab, *, hearer: str, sender: str) -> Iterator[None]:
    """While the body runs, drop on one node what the agent of another sends it."""
    rules = f"ip saddr {lab.nodes[sender].address} udp dport {PORT} drop"
    table = f"table inet firewall {{ chain in {{ type filter hook input priority 0; {rules}; }} }}"
    run(*enter(hearer), "nft", "-f", "-", input=table)
    try:
        yield
    finally:
        run(*enter(hearer), "nft", "delete", "table", "inet", "firewall")


def condition(lab: Lab, type_: str) -> dict[str, str]:
    told = {each["type"]: each for each in lab.havip("web")["status"]["conditions"]}
    found: dict[str, str] = told.get(type_, {})
    return found


def heard(lab: Lab) -> str | None:
    return condition(lab, "PeersHeard").get("status")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("whose", ["the holder's", "a standby's"])
def test_a_blocked_port_is_told_with_both_nodes_and_goes_with_the_block(
    lab: Lab, whose: str
) -> None:
    holder = lab.settle("web")
    one, other = sorted(set(lab.nodes) - {holder})
    sender, unconcerned = (holder, other) if whose == "the holder's" else (other, holder)
    lab.until("all members hear each other", lambda: heard(lab) == "True", 60)

    with firewall(lab, hearer=one, sender=sender):
        lab.until("it is told", lambda: heard(lab) == "False", 120)
        told = condition(lab, "PeersHeard")
        assert told["reason"] == "HeartbeatsMissing"
        assert f"from {sender} to {one}, though" in told["message"]
        assert f"allow UDP port {PORT} between the nodes" in told["message"]
        assert unconcerned not in told["message"]
        assert condition(lab, "Ready")["status"] == "True"
        assert lab.curl(lab.address("web")) == lab.holder("web")
        events = lab.kubectl(
            *("get", "events", "--field-selector", "reason=HeartbeatsMissing"),
            *("-o", "jsonpath={.items[*].message}"),
        )
        assert f"from {sender} to {one}, though" in events
    lab.until("it is told no more", lambda: heard(lab) == "True", 60)


@pytest.mark.timeout(300)
def test_an_agent_that_dies_is_not_told_as_a_blocked_port(lab: Lab) -> None:
    holder = lab.settle("web")
    dead = min(set(lab.nodes) - {holder})
    lab.kill_agent(dead)
    node = f"hvn/{holder}"
    lab.until(
        f"{holder} misses {dead}",
        lambda: dead in lab.kubectl("get", node, "-o", "jsonpath={.status.unheard[*].node}"),
        60,
    )
    lab.until(
        "its agent is said to be silent",
        lambda: "Its agent is silent" in condition(lab, "MembersReady")["message"],
        200,
    )
    assert heard(lab) == "True"
    told = lab.kubectl(
        *("get", "events", "--field-selector", "reason=HeartbeatsMissing"),
        *("-o", "jsonpath={.items[*].message}"),
    )
    assert dead not in told.replace(f"{dead}, though", "")
