"""What would go over a limit is not asked for, and who uses the limit up is named."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Cluster, eventually

pytestmark = pytest.mark.apiserver


def limit(cluster: Cluster, **limits: int) -> None:
    """Make a class with limits, and have HaVips made in it."""
    cluster.klass("strict", limits=limits)


def havip(cluster: Cluster, name: str, **spec: Any) -> None:
    cluster.havip(name, className="strict", **spec)


def test_a_full_vpc_is_told_with_its_havips_and_nothing_is_asked_for(cluster: Cluster) -> None:
    limit(cluster, haVipsPerVpc=2)
    strange = cluster.by_hand.create(name="by-hand").ha_vip_id
    havip(cluster, "first")
    cluster.wait_for("MembersReady", "True", name="first")
    cluster.cloud.control.clear_calls()

    havip(cluster, "second")
    cluster.wait_for("Ready", "False", "QuotaExceeded", name="second")
    told = cluster.message("Ready", "second")
    assert "vpc-sim has 2 HaVips, and 2 are allowed" in told
    assert f"{strange} (by-hand)" in told
    assert f"{cluster.status('first')['haVipId']} (default/first)" in told
    assert "spec.limits.haVipsPerVpc of the HaVipClass strict" in told
    assert cluster.writes() == []
    eventually(lambda: cluster.events("second"), lambda seen: "QuotaExceeded" in seen)

    # It goes on by itself once there is room, and can be deleted before.
    havip(cluster, "third")
    cluster.wait_for("Ready", "False", "QuotaExceeded", name="third")
    cluster.delete("HaVip", "third")
    cluster.wait_gone("third")
    cluster.by_hand.delete(strange)
    cluster.wait_for("MembersReady", "True", name="second")


def test_a_raised_limit_is_believed_at_once(cluster: Cluster) -> None:
    limit(cluster, haVipsPerVpc=1)
    havip(cluster, "first")
    cluster.wait_for("Provisioned", "True", name="first")
    havip(cluster, "second")
    cluster.wait_for("Ready", "False", "QuotaExceeded", name="second")
    raised = {"op": "replace", "path": "/spec/limits/haVipsPerVpc", "value": 2}
    cluster.patch("HaVipClass", "strict", raised)
    cluster.wait_for("MembersReady", "True", name="second")


def test_a_full_instance_is_told_with_its_havips(cluster: Cluster) -> None:
    limit(cluster, haVipsPerInstance=1)
    strange = cluster.by_hand.create(name="by-hand").ha_vip_id
    cluster.by_hand.associate(strange, "i-node2")
    havip(cluster, "web")
    cluster.wait_for_members("node1", "node3")
    cluster.wait_for("MembersReady", "False", "MemberRefused")
    told = cluster.message("MembersReady")
    assert "i-node2 is a member of 1 HaVips, and 1 are allowed" in told
    assert f"{strange} (by-hand)" in told

    cluster.by_hand.unassociate(strange, "i-node2")
    cluster.wait_for_members("node1", "node2", "node3")


def test_a_havip_takes_no_more_members_than_its_limit(cluster: Cluster) -> None:
    limit(cluster, membersPerHaVip=2)
    havip(cluster, "web")
    cluster.wait_for_members("node1", "node2")
    cluster.wait_for("MembersReady", "True")
    [third] = [each for each in cluster.status()["members"] if each["node"] == "node3"]
    assert third["state"] == "Refused"
    assert "There are 2 members already" in third["reason"]


def test_what_the_cloud_itself_refuses_counts_too(cluster: Cluster) -> None:
    # The cloud's own limit is lower than what the class says of it.
    cluster.cloud.control.fault("CreateHaVip", "refuse", code="QuotaExceeded.HaVip", lasts=0)
    cluster.havip()
    cluster.wait_for("Provisioned", "False", "QuotaExceeded")
    cluster.cloud.control.clear_faults()
    cluster.wait_for("MembersReady", "True")


def test_no_eip_left_is_told_and_had_once_there_is_one(cluster: Cluster) -> None:
    cluster.cloud.control.fault("AllocateEipAddress", "refuse", code="QuotaExceeded.Eip", lasts=0)
    cluster.havip(eip={"allocate": {}})
    cluster.wait_for("EipBound", "False", "QuotaExceeded")
    cluster.wait_for("MembersReady", "True")
    cluster.cloud.control.clear_faults()
    cluster.wait_for("EipBound", "True", "Bound")
