"""Fifty HaVips of three members: as many writes as there must be, and no more describes."""

from __future__ import annotations

import time
from collections import Counter
from itertools import count, islice

import pytest

from .conftest import Cluster, eventually
from .ground import ELSEWHERE

pytestmark = pytest.mark.apiserver

GROUPS = 10
"""Of three nodes each, with five HaVips each: an instance takes no more."""
HAVIPS = 5 * GROUPS
WINDOW = 10.0


def calls_in_a_while(cluster: Cluster) -> Counter[str]:
    """The calls of some seconds in which nothing happens."""
    cluster.cloud.control.clear_calls()
    time.sleep(WINDOW)  # the window of the measurement, not a wait for something
    return Counter(each.action for each in cluster.cloud.control.calls())


@pytest.mark.timeout(400)
def test_fifty_havips_cost_no_more_describes_than_one(cluster: Cluster) -> None:
    cluster.clean()
    cluster.secret()
    cluster.klass()
    in_place = (each for each in count(1) if each not in ELSEWHERE)
    for which, number in enumerate(islice(in_place, 3 * GROUPS)):
        cluster.node(number, labels={"group": f"g{which % GROUPS}"})

    def members(number: int) -> dict[str, object]:
        return {"nodeSelector": {"group": f"g{number % GROUPS}"}}

    cluster.havip("h0", members=members(0))
    cluster.wait_for("MembersReady", "True", name="h0")
    for_one = calls_in_a_while(cluster)

    cluster.cloud.control.clear_calls()
    for number in range(1, HAVIPS):
        cluster.havip(f"h{number}", members=members(number))

    def associated() -> int:
        found = cluster.get("HaVip")["items"]
        # Not the summary: these nodes have no agents that go on to report.
        members = [each.get("status", {}).get("members", []) for each in found]
        return sum([each["state"] for each in three] == ["Associated"] * 3 for three in members)

    eventually(associated, lambda seen: seen == HAVIPS, within=150)
    writes = Counter(cluster.writes())
    assert writes == {"CreateHaVip": HAVIPS - 1, "AssociateHaVip": 3 * (HAVIPS - 1)}

    for_fifty = calls_in_a_while(cluster)
    assert for_one["DescribeHaVips"] > 1
    # Two windows of the same rate may differ by the call at their edge. What is listed at a slower
    # pace may fall into one of them only.
    for action in for_one.keys() | for_fifty.keys():
        assert abs(for_one[action] - for_fifty[action]) <= 1, action

    for number in range(HAVIPS):
        cluster.delete("HaVip", f"h{number}")
    eventually(lambda: len(cluster.get("HaVip")["items"]), lambda seen: seen == 0, within=150)
    assert cluster.cloud.control.ha_vips() == []
