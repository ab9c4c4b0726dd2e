"""The public address: bound, swapped and given back; released only if it was allocated for us."""

from __future__ import annotations

import pytest

from havip.api.names import TAG_CLUSTER, TAG_UID

from .conftest import CLUSTER_ID, Cluster, eventually

pytestmark = pytest.mark.apiserver

EIP_WRITES = {
    "AllocateEipAddress",
    "AssociateEipAddress",
    "UnassociateEipAddress",
    "ReleaseEipAddress",
    "ModifyEipAddressAttribute",
}


def eip_writes(cluster: Cluster) -> list[str]:
    return [each for each in cluster.writes() if each in EIP_WRITES]


def bound(cluster: Cluster, name: str = "web") -> str:
    """Wait until an EIP is bound; return its id."""
    cluster.wait_for("EipBound", "True", "Bound", name=name)
    allocation_id: str = cluster.status(name)["eip"]["allocationId"]
    assert cluster.eip(allocation_id)["instanceId"] == cluster.status(name)["haVipId"]
    return allocation_id


def has_event(cluster: Cluster, reason: str) -> None:
    eventually(cluster.events, lambda seen: reason in seen)


# -- allocated


def test_an_eip_is_allocated_bound_and_released_with_its_havip(cluster: Cluster) -> None:
    wish = {"bandwidthMbps": 20, "isp": "BGP_PRO", "name": "shop", "tags": {"team": "a"}}
    uid = cluster.havip(eip={"allocate": wish})["metadata"]["uid"]
    allocation_id = bound(cluster)
    facts = cluster.eip(allocation_id)
    eventually(cluster.status, lambda seen: seen.get("eipAddress") == facts["address"])
    assert (facts["bandwidth"], facts["isp"], facts["name"]) == (20, "BGP_PRO", "shop")
    assert facts["internetChargeType"] == "PayByTraffic"
    assert facts["tags"] == {
        "team": "a",
        TAG_CLUSTER: CLUSTER_ID,
        TAG_UID: uid,
        "havip.dev/name": "default/web",
    }
    has_event(cluster, "EipAllocated")
    assert eip_writes(cluster) == ["AllocateEipAddress", "AssociateEipAddress"]

    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.eip(allocation_id) == {}
    has_event(cluster, "EipReleased")
    assert eip_writes(cluster)[2:] == ["UnassociateEipAddress", "ReleaseEipAddress"]
    assert cluster.writes()[-1] == "DeleteHaVip"


def test_an_allocated_eip_follows_the_edits_of_what_may_change(cluster: Cluster) -> None:
    cluster.havip(eip={"allocate": {"bandwidthMbps": 5}})
    allocation_id = bound(cluster)
    cluster.edit("web", eip={"allocate": {"bandwidthMbps": 50, "name": "new", "tags": {"a": "b"}}})
    eventually(
        lambda: cluster.eip(allocation_id),
        lambda seen: (seen["bandwidth"], seen["name"], seen["tags"].get("a")) == (50, "new", "b"),
    )
    assert bound(cluster) == allocation_id


def test_without_spec_eip_the_allocated_one_is_unbound_and_released(cluster: Cluster) -> None:
    cluster.havip(eip={"allocate": {}})
    allocation_id = bound(cluster)
    cluster.patch("HaVip", "web", {"op": "remove", "path": "/spec/eip"})
    cluster.wait_for("EipBound", "True", "NotWanted")
    assert cluster.eip(allocation_id) == {}
    assert "eip" not in cluster.status()
    assert "eipAddress" not in cluster.status()

    # Wanted again, it is another one: the first is gone for good.
    cluster.edit("web", eip={"allocate": {}})
    assert bound(cluster) != allocation_id


def test_retain_leaves_an_allocated_eip_bound_and_says_that_it_is_paid_for(
    cluster: Cluster,
) -> None:
    cluster.havip(eip={"allocate": {}}, deletionPolicy="Retain")
    allocation_id = bound(cluster)
    ha_vip_id = cluster.status()["haVipId"]
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.eip(allocation_id)["instanceId"] == ha_vip_id
    assert cluster.eip(allocation_id)["tags"] == {}
    has_event(cluster, "EipGivenUp")


@pytest.mark.parametrize("fields", [{"charge_type": "PrePaid"}, {"deletion_protection": True}])
def test_one_that_cannot_be_released_any_more_is_given_up(
    cluster: Cluster, fields: dict[str, str | bool]
) -> None:
    cluster.havip(eip={"allocate": {}})
    allocation_id = bound(cluster)
    cluster.cloud.control.set_eip(allocation_id, **fields)
    # The listing that the deletion acts on must know of it.
    cluster.patch("HaVip", "web", {"op": "remove", "path": "/spec/eip"})
    cluster.wait_for("EipBound", "True", "NotWanted")
    left = cluster.eip(allocation_id)
    assert (left["instanceId"], left["tags"]) == ("", {})
    has_event(cluster, "EipGivenUp")


# -- one that exists


def test_an_eip_that_exists_is_bound_and_never_released(cluster: Cluster) -> None:
    cluster.havip(eip={"allocationId": "eip-one"})
    assert bound(cluster) == "eip-one"
    assert cluster.status()["eipAddress"] == "203.0.113.1"
    assert cluster.eip("eip-one")["tags"] == {}
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.eip("eip-one")["status"] == "Available"
    assert eip_writes(cluster) == ["AssociateEipAddress", "UnassociateEipAddress"]


def test_a_prepaid_one_is_bound_and_unbound_like_any(cluster: Cluster) -> None:
    cluster.havip(eip={"allocationId": "eip-prepaid"})
    bound(cluster)
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.eip("eip-prepaid")["status"] == "Available"


def test_one_is_swapped_for_another_in_order(cluster: Cluster) -> None:
    cluster.havip(eip={"allocationId": "eip-one"})
    bound(cluster)
    cluster.edit("web", eip={"allocationId": "eip-two"})
    eventually(cluster.status, lambda seen: seen.get("eipAddress") == "203.0.113.2")
    assert bound(cluster) == "eip-two"
    assert cluster.eip("eip-one")["status"] == "Available"
    assert eip_writes(cluster) == [
        "AssociateEipAddress",
        "UnassociateEipAddress",
        "AssociateEipAddress",
    ]


def test_an_allocated_one_is_released_when_another_takes_its_place(cluster: Cluster) -> None:
    cluster.havip(eip={"allocate": {}})
    allocated = bound(cluster)
    cluster.edit("web", eip={"allocationId": "eip-one"})
    eventually(lambda: cluster.eip(allocated), lambda seen: seen == {})
    assert bound(cluster) == "eip-one"
    cluster.edit("web", eip={"allocate": {}})
    eventually(
        cluster.status, lambda seen: (seen.get("eip") or {}).get("allocationId") != "eip-one"
    )
    again = bound(cluster)
    assert again not in ("eip-one", allocated)
    assert cluster.eip("eip-one")["status"] == "Available"


def test_an_allocated_one_that_the_user_names_becomes_the_user_s(cluster: Cluster) -> None:
    cluster.havip(eip={"allocate": {}})
    allocated = bound(cluster)
    cluster.edit("web", eip={"allocationId": allocated})
    eventually(lambda: cluster.eip(allocated)["tags"], lambda seen: seen == {})
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.eip(allocated)["status"] == "Available"


# -- refused


@pytest.mark.parametrize(
    ("allocation_id", "reason", "told"),
    [
        ("eip-server", "EipElsewhere", "is bound to EcsInstance i-node30"),
        ("eip-gateway", "EipElsewhere", "is bound to Nat ngw-one"),
        ("eip-managed", "EipUnusable", "another product"),
        ("eip-locked", "EipUnusable", "locked"),
        ("eip-nowhere", "EipNotFound", "spec.eip.allocationId"),
    ],
)
def test_one_that_cannot_be_had_is_refused_with_the_reason(
    cluster: Cluster, allocation_id: str, reason: str, told: str
) -> None:
    before = cluster.cloud.control.eips()
    cluster.havip(eip={"allocationId": allocation_id})
    cluster.wait_for("EipBound", "False", reason)
    assert told in cluster.message("EipBound")
    assert "eipAddress" not in cluster.status()
    # It holds up nothing else.
    cluster.wait_for("MembersReady", "True")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.cloud.control.eips() == before
    assert eip_writes(cluster) == []


def test_one_that_comes_free_is_bound_after_all(cluster: Cluster) -> None:
    cluster.havip(eip={"allocationId": "eip-server"})
    cluster.wait_for("EipBound", "False", "EipElsewhere")
    cluster.by_hand.unbind_eip("eip-server")
    assert bound(cluster) == "eip-server"


def test_one_of_two_havips_that_name_the_same_gets_it(cluster: Cluster) -> None:
    cluster.havip("first", eip={"allocationId": "eip-one"})
    bound(cluster, "first")
    cluster.havip("second", eip={"allocationId": "eip-one"})
    cluster.wait_for("EipBound", "False", "EipElsewhere", name="second")
    assert cluster.status("first")["haVipId"] in cluster.message("EipBound", "second")
    cluster.delete("HaVip", "first")
    assert bound(cluster, "second") == "eip-one"


def test_one_allocated_for_another_object_is_not_taken(cluster: Cluster) -> None:
    uid = cluster.havip("first", eip={"allocate": {}})["metadata"]["uid"]
    allocated = bound(cluster, "first")
    cluster.havip("second", eip={"allocationId": allocated})
    cluster.wait_for("EipBound", "False", "OwnedByAnother", name="second")
    assert uid in cluster.message("EipBound", "second")


def test_what_somebody_else_bound_is_left_alone_and_stands_in_the_way(cluster: Cluster) -> None:
    cluster.havip()
    cluster.wait_for("MembersReady", "True")
    cluster.by_hand.bind_eip("eip-one", cluster.status()["haVipId"])
    eventually(cluster.status, lambda seen: seen.get("eipAddress") == "203.0.113.1")
    assert cluster.condition("EipBound") == ("True", "NotWanted")
    assert "203.0.113.1" in cluster.message("EipBound")

    cluster.edit("web", eip={"allocationId": "eip-two"})
    cluster.wait_for("EipBound", "False", "ForeignEip")
    assert "203.0.113.1" in cluster.message("EipBound")
    # Naming it makes it ours to bind.
    cluster.edit("web", eip={"allocationId": "eip-one"})
    assert bound(cluster) == "eip-one"
    assert eip_writes(cluster) == ["AssociateEipAddress"]  # somebody's own


# -- by hand in the console


def test_one_that_was_unbound_by_hand_is_bound_again(cluster: Cluster) -> None:
    cluster.havip(eip={"allocationId": "eip-one"})
    bound(cluster)
    cluster.by_hand.unbind_eip("eip-one")
    eventually(
        lambda: cluster.eip("eip-one")["instanceId"],
        lambda seen: seen == cluster.status()["haVipId"],
    )


def test_one_that_was_released_by_hand_is_made_anew_if_it_was_allocated(cluster: Cluster) -> None:
    cluster.havip(eip={"allocate": {}})
    allocated = bound(cluster)
    cluster.edit("web", suspend=True)
    cluster.wait_for("Accepted", "True", "Suspended")
    cluster.by_hand.unbind_eip(allocated)
    cluster.by_hand.release_eip(allocated)
    cluster.edit("web", suspend=False)
    eventually(
        cluster.status,
        lambda seen: (seen.get("eip") or {}).get("allocationId") not in ("", allocated, None),
    )
    assert bound(cluster) != allocated
    has_event(cluster, "DriftMended")


def test_one_that_was_released_by_hand_and_was_named_is_missed(cluster: Cluster) -> None:
    cluster.havip(eip={"allocationId": "eip-one"})
    bound(cluster)
    cluster.edit("web", suspend=True)
    cluster.wait_for("Accepted", "True", "Suspended")
    cluster.by_hand.unbind_eip("eip-one")
    cluster.by_hand.release_eip("eip-one")
    cluster.edit("web", suspend=False)
    cluster.wait_for("EipBound", "False", "EipNotFound")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()


def test_one_that_was_bound_elsewhere_by_hand_is_not_fetched_back(cluster: Cluster) -> None:
    cluster.havip(eip={"allocate": {}})
    allocated = bound(cluster)
    cluster.edit("web", suspend=True)
    cluster.wait_for("Accepted", "True", "Suspended")
    cluster.by_hand.unbind_eip(allocated)
    cluster.by_hand.bind_eip(allocated, "i-node9", instance_type="EcsInstance")
    cluster.edit("web", suspend=False)
    cluster.wait_for("EipBound", "False", "EipElsewhere")
    assert "i-node9" in cluster.message("EipBound")

    # It serves somebody else now: deleting the HaVip leaves it to them.
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    left = cluster.eip(allocated)
    assert (left["instanceId"], left["tags"]) == ("i-node9", {})


def test_tags_that_were_taken_off_by_hand_come_back_before_it_is_released(
    cluster: Cluster,
) -> None:
    cluster.havip(eip={"allocate": {}})
    allocated = bound(cluster)
    before = cluster.eip(allocated)["tags"]
    cluster.sdk().untag_eip(allocated, [TAG_UID, TAG_CLUSTER])
    eventually(lambda: cluster.eip(allocated)["tags"], lambda seen: seen == before)
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.eip(allocated) == {}
