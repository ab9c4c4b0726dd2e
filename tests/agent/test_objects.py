"""What the HaVip objects ask of a node."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from havip.agent.kube import Change, Changed, Deleted, Listed
from havip.agent.objects import Store, assignment, assignments, endpoints, read_havip, timing_of
from havip.api.election import ElectionSpec
from havip.api.havip import HaVip
from havip.election.timing import PROFILES


def havip(uid: str = "u1", **changes: Any) -> HaVip:
    members = [
        {"node": "node1", "state": "Associated", "priority": 200},
        {"node": "node2", "state": "Associated"},
        {"node": "node3", "state": "Associating"},
    ]
    body: dict[str, Any] = {
        "metadata": {"name": "web", "namespace": "default", "uid": uid},
        "spec": {"className": "c", "election": {"profile": "Fast", "failback": "WhenHealthy"}},
        "status": {"address": "10.0.0.5", "members": members},
    }
    for part, values in changes.items():
        body[part] |= values
    return HaVip.from_json(body)


def test_an_associated_node_takes_part_with_the_other_associated_ones() -> None:
    found = assignment(havip(), "node2")
    assert found is not None
    assert found.priorities == {"node1": 200, "node2": 100}
    assert found.address == IPv4Address("10.0.0.5")
    assert found.timing == PROFILES["Fast"]
    assert found.failback


@pytest.mark.parametrize(
    "left_out",
    [
        havip(status={"address": None}),
        havip(status={"members": []}),
        havip(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
    ],
)
def test_there_is_nothing_to_do_without_address_membership_or_life(left_out: HaVip) -> None:
    assert assignment(left_out, "node1") is None


def test_a_node_on_its_way_does_not_take_part_yet() -> None:
    assert assignment(havip(), "node3") is None


def test_the_network_interface_that_is_the_member_is_named() -> None:
    member = {"node": "node1", "state": "Associated", "networkInterfaceId": "eni-1"}
    found = assignment(havip(status={"members": [member]}), "node1")
    assert found is not None
    assert found.network_interface_id == "eni-1"
    instead = assignment(havip(), "node1")
    assert instead is not None
    assert instead.network_interface_id is None


FENCED = {"node": "node1", "memberId": "i-1", "at": "2026-01-01T00:00:00Z", "reason": "dead"}


def test_a_fenced_node_takes_no_part_and_no_other_counts_on_it() -> None:
    fenced = havip(status={"fenced": [FENCED]})
    assert assignment(fenced, "node1") is None
    other = assignment(fenced, "node2")
    assert other is not None
    assert other.priorities == {"node2": 100}
    assert assignments([fenced], "node1").fenced == {"u1"}
    assert assignments([fenced], "node1").existing == {"u1"}
    assert assignments([fenced], "node2").fenced == frozenset()


def test_a_suspended_havip_is_held_on() -> None:
    assert assignment(havip(spec={"suspend": True}), "node1") is not None


def test_a_havip_that_is_deleted_is_told_from_one_that_left_us_out() -> None:
    gone = havip("gone", metadata={"uid": "gone", "deletionTimestamp": "2026-01-01T00:00:00Z"})
    found = assignments([havip("stays"), gone], "node3")
    assert found.taken == {}
    assert found.existing == {"stays"}


def test_the_users_own_timings_count() -> None:
    millis = {"heartbeat": 100, "grant": 400, "challenge": 200, "renew": 1000, "unmembered": 9000}
    spec = ElectionSpec.from_json({"timings": {f"{k}Millis": v for k, v in millis.items()}})
    timing = timing_of(spec)
    assert (timing.heartbeat, timing.grant, timing.unmembered) == (0.1, 0.4, 9.0)


def test_timings_that_cannot_work_give_way_to_the_profile() -> None:
    millis = {"heartbeat": 100, "grant": 150, "challenge": 200, "renew": 1000, "unmembered": 9000}
    spec = ElectionSpec.from_json({"timings": {f"{k}Millis": v for k, v in millis.items()}})
    assert timing_of(spec) == PROFILES["Balanced"]


def test_an_object_that_makes_no_sense_is_left_aside() -> None:
    assert read_havip({"metadata": {"name": "odd"}, "spec": {"members": 7}}) is None


def test_peers_are_where_their_nodes_say() -> None:
    ready = {"metadata": {"name": "node1"}, "status": {"nodeAddress": "10.0.0.1", "peerPort": 94}}
    new: dict[str, Any] = {"metadata": {"name": "node2"}}
    assert endpoints([ready, new]) == {"node1": ("10.0.0.1", 94)}


def test_a_store_follows_its_watch() -> None:
    def thing(uid: str, version: int) -> dict[str, Any]:
        return {"metadata": {"name": uid, "uid": uid, "resourceVersion": str(version)}}

    store = Store()
    changes: list[Change] = [
        Listed((thing("a", 1), thing("b", 1))),
        Changed(thing("a", 2)),
        Changed(thing("c", 3)),
        Deleted(thing("b", 4)),
    ]
    for change in changes:
        store.take(change)
    assert store.objects == {"a": thing("a", 2), "c": thing("c", 3)}
    store.take(Listed(()))
    assert store.objects == {}
