"""The life of a HaVip, over a real API server and the official SDK."""

from __future__ import annotations

import pytest

from havip.api.names import FINALIZER, TAG_CLUSTER, TAG_UID, lease_name

from .conftest import CLUSTER_ID, Cluster, eventually, now

pytestmark = pytest.mark.apiserver


def test_an_applied_havip_gets_an_address_and_its_members(cluster: Cluster) -> None:
    uid = cluster.havip(description="shop", tags={"team": "a"})["metadata"]["uid"]
    cluster.wait_for("MembersReady", "True")
    cluster.wait_for("Provisioned", "True")

    status = cluster.status()
    [in_cloud] = cluster.cloud.control.ha_vips()
    assert status["haVipId"] == in_cloud["haVipId"]
    assert status["address"] == in_cloud["address"]
    assert in_cloud["members"] == ["i-node1", "i-node2", "i-node3"]
    assert in_cloud["name"] == "default-web"
    assert in_cloud["description"] == "shop"
    assert in_cloud["tags"] == {
        "team": "a",
        TAG_CLUSTER: CLUSTER_ID,
        TAG_UID: uid,
        "havip.dev/name": "default/web",
    }
    assert status["membersSummary"] == "3/3"
    assert cluster.condition("Accepted") == ("True", "Accepted")
    # Without agents nobody holds the address.
    cluster.wait_for("Held", "False", "NoHolder")
    assert cluster.condition("Ready") == ("False", "NoHolder")
    lease = cluster.get("Lease", lease_name(uid))
    assert lease["metadata"]["labels"]["havip.dev/name"] == "web"
    assert cluster.writes() == ["CreateHaVip", *["AssociateHaVip"] * 3]
    eventually(cluster.events, lambda seen: {"Provisioned", "MemberJoined"} <= set(seen))


def test_a_deleted_havip_leaves_nothing_behind(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for("MembersReady", "True")
    assert FINALIZER in cluster.get("HaVip", "web")["metadata"]["finalizers"]
    [in_cloud] = cluster.cloud.control.ha_vips()
    assert cluster.cloud.control.announce(in_cloud["address"], "02:00:0a:4d:00:0b")

    cluster.delete("HaVip", "web")
    cluster.wait_gone()

    assert cluster.cloud.control.ha_vips() == []
    assert not cluster.get("Lease", lease_name(uid))
    undone = [
        (each.action, each.parameters.get("InstanceId"), each.parameters.get("Force"))
        for each in cluster.cloud.control.calls()
        if each.action in ("UnassociateHaVip", "DeleteHaVip")
    ]
    assert undone == [
        ("UnassociateHaVip", "i-node2", "False"),
        ("UnassociateHaVip", "i-node3", "False"),
        ("UnassociateHaVip", "i-node1", "True"),  # the master goes last
        ("DeleteHaVip", None, None),
    ]


def test_a_deletion_waits_for_the_holder_to_let_go(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for("MembersReady", "True")
    cluster.hold(uid, "node1", 1)
    cluster.wait_for("Held", "True")

    cluster.delete("HaVip", "web")
    eventually(lambda: cluster.message("Ready"), lambda seen: "Waiting for node1" in seen)
    assert "UnassociateHaVip" not in cluster.writes()

    cluster.hold(uid, "", 1)
    cluster.wait_gone()
    assert cluster.cloud.control.ha_vips() == []


def test_a_deletion_goes_on_when_the_holder_never_lets_go(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for("MembersReady", "True")
    cluster.hold(uid, "node1", 1)
    cluster.wait_for("Held", "True")

    cluster.delete("HaVip", "web")
    cluster.wait_gone(within=40)
    assert cluster.cloud.control.ha_vips() == []


def test_a_wanted_address_is_had(cluster: Cluster) -> None:
    cluster.havip(address="10.77.0.77")
    cluster.wait_for("MembersReady", "True")
    assert cluster.status()["address"] == "10.77.0.77"


def test_a_retained_havip_stays_and_can_be_adopted(cluster: Cluster) -> None:
    cluster.havip(address="10.77.0.77", deletionPolicy="Retain")
    cluster.wait_for("MembersReady", "True")
    ha_vip_id = cluster.status()["haVipId"]
    cluster.delete("HaVip", "web")
    cluster.wait_gone()

    [left] = cluster.cloud.control.ha_vips()
    assert left["members"] == ["i-node1", "i-node2", "i-node3"]
    assert left["tags"] == {}

    uid = cluster.havip("again", adopt={"haVipId": ha_vip_id})["metadata"]["uid"]
    cluster.wait_for("Provisioned", "True", name="again")
    [adopted] = cluster.cloud.control.ha_vips()
    assert adopted["haVipId"] == ha_vip_id
    assert adopted["tags"][TAG_UID] == uid
    assert cluster.status("again")["address"] == "10.77.0.77"

    # Adopted ones are retained unless the user says otherwise.
    cluster.delete("HaVip", "again")
    cluster.wait_gone("again")
    assert [each["haVipId"] for each in cluster.cloud.control.ha_vips()] == [ha_vip_id]

    cluster.havip("last", adopt={"haVipId": ha_vip_id}, deletionPolicy="Delete")
    cluster.wait_for("Provisioned", "True", name="last")
    cluster.delete("HaVip", "last")
    cluster.wait_gone("last")
    assert cluster.cloud.control.ha_vips() == []


def test_members_follow_the_nodes(cluster: Cluster) -> None:
    cluster.havip(members={"nodeSelector": {"kind": "any"}})
    cluster.wait_for_members("node1", "node2", "node3")

    cluster.node(4)
    cluster.wait_for_members("node1", "node2", "node3", "node4")

    cluster.patch("Node", "node2", {"op": "add", "path": "/metadata/labels/kind", "value": "other"})
    cluster.wait_for_members("node1", "node3", "node4")

    cluster.remove_node(1)
    cluster.wait_for_members("node3", "node4")
    eventually(
        lambda: cluster.cloud.control.ha_vips()[0]["members"],
        lambda seen: seen == ["i-node3", "i-node4"],
    )


def test_a_leaving_holder_may_hand_over_first(cluster: Cluster) -> None:
    uid = cluster.havip(members={"nodeSelector": {"kind": "any"}})["metadata"]["uid"]
    cluster.wait_for_members("node1", "node2", "node3")
    cluster.hold(uid, "node1", 1)
    cluster.wait_for("Held", "True")

    cluster.patch("Node", "node1", {"op": "add", "path": "/metadata/labels/kind", "value": "other"})
    eventually(cluster.members, lambda seen: seen.get("node1") == "Leaving")
    assert "UnassociateHaVip" not in cluster.writes()
    cluster.hold(uid, "node2", 2)
    cluster.wait_for_members("node2", "node3")


def test_a_node_without_an_agent_is_known_by_its_provider_id(cluster: Cluster) -> None:
    cluster.node(4, agent=False)
    cluster.havip()
    cluster.wait_for_members("node1", "node2", "node3", "node4")
    # It may be associated, but nobody there can hold the address.
    cluster.wait_for("MembersReady", "False", "MembersMissing")


def test_a_node_of_another_v_switch_is_refused_with_the_reason(cluster: Cluster) -> None:
    cluster.node(4, v_switch_id="vsw-other")
    cluster.havip()
    cluster.wait_for("MembersReady", "True")
    [refused] = [each for each in cluster.status()["members"] if each["node"] == "node4"]
    assert refused["state"] == "Refused"
    assert "vsw-other" in refused["reason"]
    eventually(cluster.events, lambda seen: "MemberRefused" in seen)


def test_edits_reach_the_cloud(cluster: Cluster) -> None:
    cluster.havip()
    cluster.wait_for("MembersReady", "True")
    cluster.edit("web", name="shop", description="front", tags={"a": "b"}, resourceGroupId="rg-x")

    def settled() -> tuple[str, str, str, str]:
        [seen] = cluster.cloud.control.ha_vips()
        return seen["name"], seen["description"], seen["tags"].get("a", ""), seen["resourceGroupId"]

    eventually(settled, lambda seen: seen == ("shop", "front", "b", "rg-x"))


def test_a_suspended_havip_is_left_alone(cluster: Cluster) -> None:
    cluster.havip()
    cluster.wait_for("MembersReady", "True")
    cluster.edit("web", suspend=True, description="new")
    cluster.wait_for("Accepted", "True", "Suspended")
    cluster.node(4)
    eventually(cluster.members, lambda seen: seen.get("node4") == "Associating")
    cluster.delete("HaVip", "web")
    eventually(lambda: cluster.message("Ready"), lambda seen: "suspend" in seen)
    assert cluster.writes() == ["CreateHaVip", *["AssociateHaVip"] * 3]

    cluster.edit("web", suspend=False)
    cluster.wait_gone()
    assert cluster.cloud.control.ha_vips() == []


def test_a_failover_reaches_the_status(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for("MembersReady", "True")
    address = cluster.status()["address"]
    hold = {"uid": uid, "namespace": "default", "name": "web", "address": address, "since": now()}
    cluster.hold(uid, "node1", 1)
    cluster.report(1, kernelAddresses=[address], holds=[{**hold, "epoch": 1}])
    cluster.wait_for("Consistent", "False", "CloudDiffers")
    assert cluster.cloud.control.announce(address, "02:00:0a:4d:00:0b")
    cluster.wait_for("Ready", "True")
    assert cluster.status()["cloudMaster"] == "i-node1"

    # node1 dies; node2 takes over and tells how it went.
    cluster.hold(uid, "node2", 2)
    cluster.report(1, kernelAddresses=[])
    told = {
        "from": "node1",
        "reason": "Silent",
        "at": now(),
        "phases": {"detected": 1, "acquired": 300, "addressSet": 301, "announced": 302},
    }
    cluster.report(2, kernelAddresses=[address], holds=[{**hold, "epoch": 2, "failover": told}])
    eventually(lambda: cluster.status()["holder"], lambda seen: seen["node"] == "node2")
    assert cluster.cloud.control.announce(address, "02:00:0a:4d:00:0c")
    cluster.wait_for("Ready", "True")
    status = cluster.status()
    assert status["lastFailover"]["from"] == "node1"
    assert status["lastFailover"]["to"] == "node2"
    assert status["lastFailover"]["phases"]["announced"] == 302
    assert status["lastFailover"]["phases"]["cloudMoved"] >= 0
    assert status["holder"]["epoch"] == 2
    eventually(cluster.events, lambda seen: "FailedOver" in seen)


def test_two_owners_are_reported(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for("MembersReady", "True")
    address = cluster.status()["address"]
    cluster.hold(uid, "node1", 1)
    cluster.report(1, kernelAddresses=[address])
    cluster.report(2, kernelAddresses=[address])
    cluster.wait_for("Consistent", "False", "SeveralOwners")
    assert "node1, node2" in cluster.message("Consistent")


def test_a_holder_that_is_no_member_is_taken_out_of_a_still_register(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for("MembersReady", "True")
    cluster.hold(uid, "gone", 7)
    spec = eventually(
        lambda: cluster.get("Lease", lease_name(uid))["spec"],
        lambda seen: "holderIdentity" not in seen,
    )
    assert spec["leaseTransitions"] == 7
