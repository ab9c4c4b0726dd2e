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
def firewall(lab: Lab, hearer: str, *senders: str) -> Iterator[None]:
    """While the body runs, drop on one node what the agents of others send it."""
    addresses = ", ".join(lab.nodes[each].address for each in senders)
    rule = f"ip saddr {{ {addresses} }} udp dport {PORT} drop"
    chain = f"chain in {{ type filter hook input priority 0; {rule}; }}"
    run(*enter(hearer), "nft", "-f", "-", input=f"table inet firewall {{ {chain}; }}")
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
def test_a_blocked_port_is_told_with_both_nodes_and_goes_with_the_block(lab: Lab) -> None:
    holder = lab.settle("web")
    deaf, standby = sorted(set(lab.nodes) - {holder})
    lab.until("all members hear each other", lambda: heard(lab) == "True", 60)

    with firewall(lab, deaf, holder, standby):
        # The holder would speak by the election too, two that stand by never do.
        ways = [f"from {sender} to {deaf}" for sender in (holder, standby)]
        lab.until(
            "both ways are told",
            lambda: all(way in condition(lab, "PeersHeard").get("message", "") for way in ways),
            120,
        )
        told = condition(lab, "PeersHeard")
        assert (told["status"], told["reason"]) == ("False", "HeartbeatsMissing")
        assert f"allow UDP port {PORT} between the nodes" in told["message"]
        assert f"from {deaf}" not in told["message"], "what it sends does arrive"
        assert condition(lab, "Ready")["status"] == "True"
        assert lab.curl(lab.address("web")) == holder
        events = ("get", "events", "--field-selector", "reason=HeartbeatsMissing")
        said = ("-o", "jsonpath={.items[*].message}")
        lab.until("it is an event", lambda: deaf in lab.kubectl(*events, *said), 30)
    lab.until("it is told no more", lambda: heard(lab) == "True", 60)


@pytest.mark.timeout(300)
def test_an_agent_that_dies_is_not_told_as_a_blocked_port(lab: Lab) -> None:
    holder = lab.settle("web")
    dead = min(set(lab.nodes) - {holder})
    lab.until("all members hear each other", lambda: heard(lab) == "True", 60)
    before = condition(lab, "PeersHeard")
    unheard = ("get", f"hvn/{holder}", "-o", "jsonpath={.status.unheard[*].node}")
    lab.kill_agent(dead)
    lab.until(f"{holder} does not hear {dead}", lambda: lab.kubectl(*unheard) == dead, 60)
    lab.until(
        "its agent is said to be silent",
        lambda: "Its agent is silent" in condition(lab, "MembersReady")["message"],
        120,
    )
    assert condition(lab, "PeersHeard") == before
