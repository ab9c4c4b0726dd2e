"""All who could take over are gone with the holder: the cloud settles it, never two owners."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab.cluster import Lab
from lab.network import FABRIC, Machine, enter, run
from lab.watching import UDP_PORT

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root"),
]

OLD = ("node1", "node2", "node3")
FRESH = "node4"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(nodes=4) as lab:
        for node in OLD:
            lab.kubectl("label", "node", node, "edge=yes")
        lab.apply_havip(
            "web", election={"profile": "Fast"}, members={"nodeSelector": {"edge": "yes"}}
        )
        lab.wait_ready("web")
        yield lab


def counted(machine: Machine) -> int:
    """Packets for an address that the bridge handed to a machine, after the cloud's own rules."""
    told = run(*enter(FABRIC), "nft", "-j", "list", "table", "bridge", "witness")
    rules = [each["rule"] for each in json.loads(told)["nftables"] if "rule" in each]
    [packets] = [
        part["counter"]["packets"]
        for rule in rules
        if rule.get("comment") == machine.port
        for part in rule["expr"]
        if "counter" in part
    ]
    return int(packets)


def count(machines: list[Machine], address: str) -> None:
    rules = "\n".join(
        f'oifname "{each.port}" ip daddr {address} counter comment "{each.port}"'
        for each in machines
    )
    run(
        *(*enter(FABRIC), "nft", "-f", "-"),
        input=f"""table bridge witness {{
            chain last {{ type filter hook postrouting priority 500;
            {rules}
            }}
        }}
        """,
    )


def send_to(machine: Machine, address: str, packets: int) -> None:
    """Have the client send to the address at this very machine, as if nobody else had it."""
    client = enter("client")
    run(*client, *("ip", "neigh", "replace", address, "lladdr", machine.mac, "dev", "eth0"))
    code = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        f"[s.sendto(b'1', ('{address}', {UDP_PORT})) for _ in range({packets})]"
    )
    run(*client, "python3", "-c", code)
    run(*client, *("ip", "neigh", "del", address, "dev", "eth0"))


def kubelet_says(lab: Lab, node: str, ready: str) -> None:
    """Write what the node lifecycle controller writes when a kubelet falls silent, or returns."""
    condition = {"type": "Ready", "status": ready, "reason": "Lab", "message": ""}
    patch = json.dumps({"status": {"conditions": [condition]}})
    lab.kubectl("patch", "node", node, "--subresource=status", "-p", patch)


def status(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = lab.havip("web")["status"]
    return found


@pytest.mark.timeout(400)
def test_a_fresh_node_takes_over_only_after_the_cloud_has_taken_the_dead_one_out(lab: Lab) -> None:
    holder, address = lab.holder("web"), lab.address("web")
    lab.until(
        "the holder counts its members",
        lambda: (found := lab.register("web")) and {*found.members, found.holder} == set(OLD),
        30,
    )
    count([lab.nodes[each] for each in (holder, FRESH)], address)
    send_to(lab.nodes[holder], address, 5)
    assert counted(lab.nodes[holder]) == 5  # the witness sees what is delivered
    lab.cloud.clear_calls()
    prober, owners = lab.probe(address), lab.owners(address)

    # The members first: else one of them would take over in the moments between.
    for node in sorted(OLD, key=lambda each: each == holder):
        lab.cut(node)
    for node in OLD:
        lab.kill_agent(node)
        kubelet_says(lab, node, "Unknown")
    lab.kubectl("label", "node", FRESH, "edge=yes")
    lab.until(f"{FRESH} has the address", lambda: lab.holder("web") == FRESH, 200)
    lab.until("it answers", lambda: prober.report().answered_by[-1] == FRESH, 20)

    forced = [
        each
        for each in lab.cloud.calls("UnassociateHaVip")
        if each.parameters["InstanceId"] == f"i-{holder}" and each.effect
    ]
    assert [each.parameters["Force"] for each in forced] == ["True"]
    answers = [each for each in prober.stop().probes if each.node == FRESH]
    monotonic_to_real = time.time() - time.monotonic()
    assert answers[0].sent + monotonic_to_real > forced[0].at
    assert owners.stop().overlaps == ()
    fenced = {each["node"]: each for each in status(lab)["fenced"]}
    assert set(fenced) == {holder}
    assert "kept out until its agent reports again" in fenced[holder]["reason"]

    # It comes back with the address still on it, and says so to everybody.
    dead = lab.nodes[holder]
    before = counted(dead)
    run(*enter(holder), "nft", "flush", "ruleset")
    run(*enter(holder), *("ip", "address", "replace", f"{address}/24", "dev", "eth0"))
    lab.heal(holder)
    ping = ["ping", "-q", "-c", "1", "-W", "1", "-I", address, "10.77.0.1"]
    assert subprocess.run([*enter(holder), *ping], check=False, capture_output=True).returncode != 0
    send_to(dead, address, 20)
    assert counted(dead) == before
    assert lab.curl(address) == FRESH

    # Its agent lets go first; then it is a member again.
    lab.start_agent(holder)
    kubelet_says(lab, holder, "True")
    lab.until("nobody is fenced", lambda: not status(lab).get("fenced"), 90)
    lab.until(
        "it is a member again",
        lambda: f"i-{holder}" in lab.cloud.ha_vips()[0]["members"],
        30,
    )
    assert lab.holder("web") == FRESH
    assert lab.curl(address) == FRESH
