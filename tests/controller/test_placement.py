"""Advice on whether the members may share a physical host, from what ECS says of them."""

from __future__ import annotations

import pytest

from .conftest import Cluster, eventually

pytestmark = pytest.mark.apiserver


def havip_on(cluster: Cluster, *numbers: int) -> None:
    """Make a HaVip whose members are these nodes."""
    for number in numbers:
        cluster.node(number, labels={"placed": "here"})
    cluster.havip(members={"nodeSelector": {"placed": "here"}})
    cluster.wait_for("MembersReady", "True")


def test_members_of_different_groups_are_spread(cluster: Cluster) -> None:
    havip_on(cluster, 21, 22)
    cluster.wait_for("SpreadAdvised", "False", "Spread")


def test_members_of_one_group_are_named(cluster: Cluster) -> None:
    havip_on(cluster, 21, 23, 24)
    cluster.wait_for("SpreadAdvised", "True", "OneGroup")
    told = "i-node23, i-node24 may be on one physical host"
    eventually(lambda: cluster.message("SpreadAdvised"), lambda seen: told in seen)


def test_members_of_no_deployment_set_are_advised_to_join_one(cluster: Cluster) -> None:
    cluster.havip()
    cluster.wait_for("SpreadAdvised", "True", "NoDeploymentSet")
    told = "i-node1, i-node2, i-node3 are in no deployment set"
    eventually(lambda: cluster.message("SpreadAdvised"), lambda seen: told in seen)


def test_the_advice_holds_up_nothing(cluster: Cluster) -> None:
    cluster.cloud.control.fault("DescribeInstances", "refuse", code="Forbidden.RAM", lasts=0)
    cluster.havip()
    cluster.wait_for("MembersReady", "True")
    cluster.wait_for("SpreadAdvised", "Unknown")
    assert "ecs:DescribeInstances" in cluster.message("SpreadAdvised")
    assert cluster.condition("Accepted") == ("True", "Accepted")
    cluster.cloud.control.clear_faults()
    cluster.wait_for("SpreadAdvised", "True", "NoDeploymentSet")
