"""Network interfaces as members: which one of a node, and what becomes of it when it moves."""

from __future__ import annotations

from typing import Any

import pytest

from havip.controller.kube import Json

from .conftest import Cluster, eventually
from .ground import ELSEWHERE

pytestmark = pytest.mark.apiserver

INSTANCES = ["i-node1", "i-node2", "i-node3"]
INTERFACES = ["eni-vip1", "eni-vip2"]
BY_SUBNET = {"type": "NetworkInterface"}
BY_TAG = {"type": "NetworkInterface", "networkInterface": {"tags": {"role": "vip"}}}


def wait_for_interfaces(cluster: Cluster, *wanted: str) -> None:
    """Wait until exactly these are members, by the cloud and by the status."""

    def seen() -> tuple[list[str], list[str]]:
        states = cluster.status().get("members", [])
        reported = [e["networkInterfaceId"] for e in states if e["state"] == "Associated"]
        return sorted(cluster.in_cloud().get("members", [])), sorted(reported)

    eventually(seen, lambda both: both == (sorted(wanted), sorted(wanted)))


def wait_for_members_of_cloud(cluster: Cluster, wanted: list[str]) -> None:
    eventually(lambda: sorted(cluster.in_cloud().get("members", [])), lambda seen: seen == wanted)


def refused(cluster: Cluster, node: str) -> str:
    """Wait until a node is refused; return why."""

    def reason() -> str:
        members: list[dict[str, Any]] = cluster.status().get("members", [])
        told = (e["reason"] for e in members if (e["node"], e["state"]) == (node, "Refused"))
        return next(told, "")

    return eventually(reason)


def test_the_interface_in_the_v_switch_is_the_member_primary_or_not(cluster: Cluster) -> None:
    for number in ELSEWHERE:
        cluster.node(number, v_switch_id="vsw-far")
    cluster.havip(members=BY_SUBNET)
    wait_for_interfaces(
        cluster, "eni-node1", "eni-node2", "eni-node3", *(f"eni-near{n}" for n in ELSEWHERE)
    )
    assert cluster.in_cloud()["memberKind"] == "NetworkInterface"
    cluster.wait_for("MembersReady", "True")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()


def test_interfaces_are_chosen_by_their_tags(cluster: Cluster) -> None:
    cluster.havip(members=BY_TAG)
    wait_for_interfaces(cluster, "eni-vip1", "eni-vip2")
    told = refused(cluster, "node3")
    assert "role=vip" in told
    assert "vsw-sim" in told

    # A third node gets one of that kind.
    cluster.by_hand.attach_interface("eni-spare", "i-node3")
    wait_for_interfaces(cluster, "eni-vip1", "eni-vip2", "eni-spare")


def test_a_detached_interface_is_taken_out(cluster: Cluster) -> None:
    cluster.havip(members=BY_TAG)
    wait_for_interfaces(cluster, "eni-vip1", "eni-vip2")
    cluster.by_hand.detach_interface("eni-vip1", "i-node1")
    wait_for_interfaces(cluster, "eni-vip2")
    assert "role=vip" in refused(cluster, "node1")


def test_a_moved_interface_is_a_member_for_the_node_that_has_it_now(cluster: Cluster) -> None:
    cluster.havip(members=BY_TAG)
    wait_for_interfaces(cluster, "eni-vip1", "eni-vip2")
    cluster.by_hand.detach_interface("eni-vip1", "i-node1")
    cluster.by_hand.attach_interface("eni-vip1", "i-node3")
    eventually(
        lambda: {
            each["node"]: each.get("networkInterfaceId")
            for each in cluster.status()["members"]
            if each["state"] == "Associated"
        },
        lambda seen: seen == {"node3": "eni-vip1", "node2": "eni-vip2"},
    )
    assert sorted(cluster.in_cloud().get("members", [])) == ["eni-vip1", "eni-vip2"]


def test_a_deleted_interface_is_forgotten(cluster: Cluster) -> None:
    cluster.havip(members=BY_TAG)
    wait_for_interfaces(cluster, "eni-vip1", "eni-vip2")
    cluster.by_hand.detach_interface("eni-vip1", "i-node1")
    cluster.by_hand.delete_interface("eni-vip1")
    wait_for_interfaces(cluster, "eni-vip2")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()


@pytest.mark.parametrize(
    ("before", "there", "after", "members"),
    [
        ({}, INSTANCES, BY_TAG, INTERFACES),
        (BY_TAG, INTERFACES, {}, INSTANCES),
    ],
    ids=["to interfaces", "to instances"],
)
def test_a_change_of_type_takes_all_out_before_the_first_comes_in(
    cluster: Cluster, before: Json, there: list[str], after: Json, members: list[str]
) -> None:
    cluster.havip(members=before)
    wait_for_members_of_cloud(cluster, there)
    cluster.cloud.control.clear_calls()
    cluster.edit("web", members=after)
    wait_for_members_of_cloud(cluster, members)
    changes = cluster.writes()
    assert changes == sorted(changes, reverse=True)  # all Unassociate, then all Associate
    assert [each.code for each in cluster.cloud.control.calls() if each.code] == []


def test_without_the_interfaces_listing_nothing_is_changed(cluster: Cluster) -> None:
    cluster.havip(members=BY_TAG)
    wait_for_interfaces(cluster, "eni-vip1", "eni-vip2")
    cluster.cloud.control.clear_calls()
    cluster.cloud.control.fault("DescribeNetworkInterfaces", "error-500", lasts=0)
    eventually(lambda: len(cluster.cloud.control.calls("DescribeNetworkInterfaces")) > 2)
    assert sorted(cluster.in_cloud().get("members", [])) == ["eni-vip1", "eni-vip2"]
    assert cluster.writes() == []
