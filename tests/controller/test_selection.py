"""Which nodes are members: a table of nodes and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from havip.api.havip import HaVipSpec
from havip.controller.observe import NodeFacts, Taint, parse_provider_id
from havip.controller.selection import Ground, Selection, select


def node(name: str, **facts: Any) -> NodeFacts:
    known = {"instance_id": f"i-{name}", "region": "r", "v_switch_id": "vsw-a"}
    return NodeFacts(name=name, **{**known, **facts})


def ground(**known: Any) -> Ground:
    usual = {"members": set(), "room": 10, "refused": {}, "barred": {}}
    return Ground("r", "vsw-a", **{**usual, **known})


def choose(*nodes: NodeFacts, **spec: Any) -> Selection:
    """Choose from nodes of which none is a member yet."""
    read = HaVipSpec.from_json({"className": "c", **spec})
    return select(read, nodes, ground())


def names(selection: Selection) -> list[str]:
    return [each.node.name for each in selection.chosen]


def test_every_node_of_the_v_switch_is_a_member_by_default() -> None:
    chosen = choose(node("b"), node("a"))
    assert names(chosen) == ["a", "b"]
    assert chosen.wanted == 2


def test_a_selector_takes_the_nodes_with_all_its_labels() -> None:
    nodes = (
        node("a", labels={"x": "1", "y": "2"}),
        node("b", labels={"x": "1"}),
        node("c", labels={"x": "1", "y": "3"}),
    )
    chosen = choose(*nodes, members={"nodeSelector": {"x": "1", "y": "2"}})
    assert names(chosen) == ["a"]
    assert chosen.refused == ()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"v_switch_id": "vsw-b"}, "vsw-b"),
        ({"v_switch_id": ""}, "vSwitch is not known"),
        ({"region": "s"}, "region s"),
        ({"instance_id": ""}, "providerID"),
        ({"ready": False}, "not ready"),
        ({"taints": (Taint("dedicated", "db", "NoSchedule"),)}, "dedicated"),
    ],
)
def test_a_node_that_cannot_be_a_member_is_refused_with_the_reason(
    facts: dict[str, Any], words: str
) -> None:
    chosen = choose(node("a"), node("b", **facts))
    assert names(chosen) == ["a"]
    [(refused, reason)] = chosen.refused
    assert refused.name == "b"
    assert words in reason
    assert chosen.wanted == 1


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"key": "dedicated", "operator": "Exists"},
        {"key": "dedicated", "value": "db"},
        {"key": "dedicated", "value": "db", "effect": "NoSchedule"},
    ],
)
def test_a_tolerated_taint_does_no_harm(toleration: dict[str, str]) -> None:
    tainted = node("a", taints=(Taint("dedicated", "db", "NoSchedule"),))
    assert names(choose(tainted, members={"tolerations": [toleration]})) == ["a"]


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": "other", "operator": "Exists"},
        {"key": "dedicated", "value": "web"},
        {"key": "dedicated", "value": "db", "effect": "NoExecute"},
    ],
)
def test_another_toleration_does_not_help(toleration: dict[str, str]) -> None:
    tainted = node("a", taints=(Taint("dedicated", "db", "NoSchedule"),))
    assert names(choose(tainted, members={"tolerations": [toleration]})) == []


def test_a_member_that_is_ill_stays_a_member() -> None:
    ill = node("a", ready=False, taints=(Taint("node.kubernetes.io/unreachable", "", "NoExecute"),))
    assert names(choose(ill)) == []
    read = HaVipSpec.from_json({"className": "c"})
    kept = select(read, [ill], ground(members={"i-a"}))
    assert names(kept) == ["a"]


def select_with_members(*nodes: NodeFacts, maximum: int, kept: set[str]) -> Selection:
    read = HaVipSpec.from_json(
        {
            "className": "c",
            "election": {"priorities": [{"nodeSelector": {"big": "yes"}, "priority": 200}]},
        }
    )
    return select(read, nodes, ground(members=kept, room=maximum))


def test_the_highest_priority_is_taken_first() -> None:
    chosen = select_with_members(
        node("a"), node("b"), node("z", labels={"big": "yes"}), maximum=2, kept=set()
    )
    assert names(chosen) == ["z", "a"]
    assert [each.name for each, _ in chosen.refused] == ["b"]
    assert chosen.wanted == 2


def test_a_member_keeps_its_place_before_a_better_node() -> None:
    chosen = select_with_members(
        node("a"), node("b"), node("z", labels={"big": "yes"}), maximum=2, kept={"i-a", "i-b"}
    )
    assert names(chosen) == ["a", "b"]


def test_another_node_takes_the_place_of_one_that_the_cloud_refuses() -> None:
    read = HaVipSpec.from_json({"className": "c"})
    nodes = [node("a"), node("b"), node("c")]
    told = {"i-a": "it has its five"}
    chosen = select(read, nodes, ground(room=2, refused=told))
    assert names(chosen) == ["b", "c"]
    assert chosen.refused[0][1] == "it has its five"
    assert chosen.wanted == 2
    assert chosen.again == ()


def test_one_that_the_cloud_refuses_is_offered_again_where_there_is_room() -> None:
    read = HaVipSpec.from_json({"className": "c"})
    chosen = select(read, [node("a"), node("b")], ground(refused={"i-a": "no"}))
    assert [each.member_id for each in chosen.again] == ["i-a"]
    assert chosen.wanted == 2


def test_one_that_must_stay_out_is_missed_and_another_takes_its_place() -> None:
    read = HaVipSpec.from_json({"className": "c"})
    told = {"a": "it is dead"}
    alone = select(read, [node("a"), node("b")], ground(barred=told))
    assert (names(alone), alone.wanted) == (["b"], 2)
    assert [each.name for each in alone.barred] == ["a"]
    full = select(read, [node("a"), node("b"), node("c")], ground(barred=told, room=2))
    assert (names(full), full.wanted) == (["b", "c"], 2)


def test_what_is_kept_of_others_is_named_where_it_leaves_no_room() -> None:
    read = HaVipSpec.from_json({"className": "c"})
    [(_, reason)] = select(read, [node("a")], ground(room=0, kept={"i-9"})).refused
    assert "i-9" in reason


def test_nodes_that_want_no_traffic_are_left_out_unless_named() -> None:
    label = "node.kubernetes.io/exclude-from-external-load-balancers"
    excluded = node("a", labels={label: "", "role": "front"})
    assert names(choose(excluded)) == []
    assert names(choose(excluded, members={"nodeSelector": {"role": "front"}})) == ["a"]


@pytest.mark.parametrize(
    ("provider_id", "parsed"),
    [
        ("cn-hangzhou.i-bp1", ("cn-hangzhou", "i-bp1")),
        ("alicloud://cn-hangzhou.i-bp1", ("cn-hangzhou", "i-bp1")),
        ("ack-hybrid://cn-hangzhou.x", ("", "")),
        ("aws:///eu-1/i-123", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_provider_id_is_region_and_instance(provider_id: str, parsed: tuple[str, str]) -> None:
    assert parse_provider_id(provider_id) == parsed
