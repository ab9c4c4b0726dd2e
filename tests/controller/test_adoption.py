"""What the cloud has already is taken over, with what it has on record first, and given back."""

from __future__ import annotations

import pytest

from havip.api.names import TAG_CLUSTER, TAG_UID

from .conftest import Cluster, eventually

pytestmark = pytest.mark.apiserver

ADDRESS = "10.77.0.200"


def made_by_hand(cluster: Cluster) -> str:
    """Make a HaVip with all that one can have, as somebody does in the console; return its id."""
    hand = cluster.by_hand
    ha_vip_id: str = hand.create(
        ip_address=ADDRESS, name="old", description="of old", tags={"team": "a"}
    ).ha_vip_id
    hand.associate(ha_vip_id, "i-node9")
    hand.bind_eip("eip-one", ha_vip_id)
    hand.route("10.9.0.0/16", ha_vip_id, route_table_id="vtb-one")
    cluster.cloud.control.clear_calls()
    return ha_vip_id


def state(cluster: Cluster, ha_vip_id: str) -> dict[str, object]:
    """All that the cloud has of it, in an order of its own."""
    [found] = [e for e in cluster.cloud.control.ha_vips() if e["haVipId"] == ha_vip_id]
    routes = {table: cluster.routes_of(table) for table in ("vtb-one", "vtb-side")}
    return {**found, "members": sorted(found["members"]), "routes": routes}


BY = [{"haVipId": "?"}, {"address": ADDRESS}]


@pytest.mark.parametrize("by", BY, ids=["id", "address"])
def test_it_is_adopted_and_given_back_as_it_was(cluster: Cluster, by: dict[str, str]) -> None:
    ha_vip_id = made_by_hand(cluster)
    before = state(cluster, ha_vip_id)
    adopt = {"haVipId": ha_vip_id} if "haVipId" in by else by
    uid = cluster.havip(
        adopt=adopt,
        name="new",
        description="of now",
        tags={"purpose": "shop"},
        routes=[{"routeTableId": "vtb-side", "destination": "10.10.0.0/16"}],
    )["metadata"]["uid"]
    cluster.wait_for("MembersReady", "True")
    cluster.wait_for("RoutesBound", "True", "Bound")
    now = state(cluster, ha_vip_id)
    assert now["members"] == ["i-node1", "i-node2", "i-node3", "i-node9"]
    assert (now["name"], now["description"]) == ("new", "of now")
    tags = cluster.in_cloud()["tags"]
    assert (tags["team"], tags["purpose"], tags[TAG_UID]) == ("a", "shop", uid)
    assert cluster.status()["address"] == ADDRESS
    assert cluster.status()["eipAddress"] == "203.0.113.1"

    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert state(cluster, ha_vip_id) == before


def test_what_it_had_is_on_record_before_anything_is_changed(cluster: Cluster) -> None:
    ha_vip_id = made_by_hand(cluster)
    # As long as nothing can be changed, only what was on record before a change can be seen.
    cluster.cloud.control.fault("*write", "error-503", lasts=0)
    cluster.havip(adopt={"haVipId": ha_vip_id}, description="of now")
    eventually(cluster.writes)
    assert cluster.status()["adopted"] == {
        "name": "old",
        "description": "of old",
        "resourceGroupId": "rg-default",
        "tags": {"team": "a"},
        "members": ["i-node9"],
        "eipAddresses": ["203.0.113.1"],
        "routes": ["vtb-one 10.9.0.0/16"],
    }
    cluster.cloud.control.clear_faults()
    cluster.wait_for("MembersReady", "True")
    assert cluster.status()["adopted"]["description"] == "of old"


def test_nothing_is_changed_while_it_cannot_be_looked_at_whole(cluster: Cluster) -> None:
    ha_vip_id = made_by_hand(cluster)
    cluster.cloud.control.fault("DescribeRouteEntryList", "error-503", lasts=0)
    cluster.havip(adopt={"haVipId": ha_vip_id})
    eventually(lambda: len(cluster.cloud.control.calls("DescribeRouteEntryList")) > 2)
    assert cluster.writes() == []
    assert "adopted" not in cluster.status()
    cluster.cloud.control.clear_faults()
    cluster.wait_for("MembersReady", "True")
    assert cluster.status()["adopted"]["routes"] == ["vtb-one 10.9.0.0/16"]


def test_texts_that_the_spec_does_not_give_are_kept(cluster: Cluster) -> None:
    ha_vip_id = made_by_hand(cluster)
    cluster.havip(adopt={"haVipId": ha_vip_id})
    cluster.wait_for("MembersReady", "True")
    now = cluster.in_cloud()
    assert (now["name"], now["description"]) == ("old", "of old")
    assert "ModifyHaVipAttribute" not in cluster.writes()


def test_exclusive_members_take_the_place_of_those_it_had(cluster: Cluster) -> None:
    ha_vip_id = made_by_hand(cluster)
    cluster.havip(adopt={"haVipId": ha_vip_id}, members={"exclusive": True})
    cluster.wait_for_members("node1", "node2", "node3")
    eventually(
        lambda: sorted(cluster.in_cloud()["members"]),
        lambda seen: seen == ["i-node1", "i-node2", "i-node3"],
    )
    eventually(cluster.events, lambda seen: "DriftMended" in seen)


def test_a_foreign_member_counts_against_the_clouds_limit(cluster: Cluster) -> None:
    ha_vip_id = made_by_hand(cluster)
    cluster.klass("strict", limits={"membersPerHaVip": 3})
    cluster.havip(className="strict", adopt={"haVipId": ha_vip_id})
    cluster.wait_for_members("node1", "node2")
    assert sorted(cluster.in_cloud()["members"]) == ["i-node1", "i-node2", "i-node9"]
    told = next(each for each in cluster.status()["members"] if each["node"] == "node3")
    assert told["state"] == "Refused"


def test_a_node_that_was_a_member_before_stays_one_afterwards(cluster: Cluster) -> None:
    ha_vip_id = cluster.by_hand.create(ip_address=ADDRESS).ha_vip_id
    cluster.by_hand.associate(ha_vip_id, "i-node2")
    cluster.havip(adopt={"haVipId": ha_vip_id})
    cluster.wait_for_members("node1", "node2", "node3")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert state(cluster, ha_vip_id)["members"] == ["i-node2"]


def test_retain_leaves_what_was_added(cluster: Cluster) -> None:
    ha_vip_id = made_by_hand(cluster)
    cluster.havip(adopt={"haVipId": ha_vip_id}, deletionPolicy="Retain", tags={"purpose": "shop"})
    cluster.wait_for("MembersReady", "True")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    left = state(cluster, ha_vip_id)
    assert left["members"] == ["i-node1", "i-node2", "i-node3", "i-node9"]
    assert left["tags"] == {"team": "a", "purpose": "shop"}


def test_delete_takes_all_of_it_but_no_eip_of_somebody_else(cluster: Cluster) -> None:
    ha_vip_id = made_by_hand(cluster)
    cluster.havip(adopt={"haVipId": ha_vip_id}, deletionPolicy="Delete")
    cluster.wait_for("MembersReady", "True")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.cloud.control.ha_vips() == []
    assert cluster.eip("eip-one")["status"] == "Available"
    assert "10.9.0.0/16" not in cluster.routes_of("vtb-one")


def test_the_tags_of_another_cluster_are_respected(cluster: Cluster) -> None:
    ha_vip_id = made_by_hand(cluster)
    cluster.sdk().tag(ha_vip_id, {TAG_CLUSTER: "another", TAG_UID: "someone"})
    before = state(cluster, ha_vip_id)
    cluster.cloud.control.clear_calls()
    cluster.havip(adopt={"haVipId": ha_vip_id}, deletionPolicy="Delete")
    cluster.wait_for("Accepted", "False", "OwnedByAnother")
    assert "object someone of cluster another" in cluster.message("Accepted")
    assert "adopted" not in cluster.status()
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert state(cluster, ha_vip_id) == before
    assert cluster.writes() == []


def test_one_whose_tags_were_taken_off_is_adopted_after_all(cluster: Cluster) -> None:
    ha_vip_id = made_by_hand(cluster)
    cluster.sdk().tag(ha_vip_id, {TAG_CLUSTER: "another", TAG_UID: "someone"})
    cluster.havip(adopt={"haVipId": ha_vip_id})
    cluster.wait_for("Accepted", "False", "OwnedByAnother")
    cluster.sdk().untag(ha_vip_id, [TAG_CLUSTER, TAG_UID])
    cluster.wait_for("MembersReady", "True")


def test_its_eip_can_be_swapped_once_it_is_named(cluster: Cluster) -> None:
    ha_vip_id = made_by_hand(cluster)
    cluster.havip(adopt={"haVipId": ha_vip_id}, eip={"allocationId": "eip-two"})
    cluster.wait_for("EipBound", "False", "ForeignEip")
    cluster.by_hand.unbind_eip("eip-one")
    cluster.wait_for("EipBound", "True", "Bound")
    assert cluster.status()["eipAddress"] == "203.0.113.2"
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.eip("eip-two")["status"] == "Available"
