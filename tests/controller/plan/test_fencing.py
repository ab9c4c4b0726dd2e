"""Fencing: who is taken for dead, on what proof, and when the register is cleared for another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from havip.api.conditions import ConditionType
from havip.controller.observe import Observation
from tests.controller.plan.builders import (
    BY_CARD,
    MINE,
    after,
    agent,
    ago,
    card,
    cards,
    cards_of,
    dead,
    decide,
    facts,
    had,
    havip,
    held_by,
    join,
    leave,
    member,
    node,
    report,
    seen,
    states,
    told,
)

STILL = {"register_still": 60.0}
MEMBERS = [member(1), member(2)]


def lost(*others: Any, still: float = 60, **known: Any) -> Observation:
    """Of the holder, node1, and its backup, node2, nothing is heard; ``others`` may follow."""
    object_ = known.pop("havip", havip(state={"members": MEMBERS}))
    mine = known.pop("mine", facts("i-1", "i-2", master_instance_id="i-1"))
    nodes = known.pop("old", (dead(1), dead(2)))
    return seen(
        object_, mine, *nodes, *others, **{**held_by(1, 2), "register_still": still, **known}
    )


def fenced(of: Observation) -> list[str]:
    return [each.node for each in report(of).fenced]


# -- a proof, not a suspicion


def test_a_holder_is_fenced_when_nobody_else_can_take_over() -> None:
    of = lost(node(3))
    assert fenced(of) == ["node1"]
    assert decide(of).step == leave(1, force=True, fencing=True)
    assert states(of) == {"node1": "Fenced", "node2": "Associated", "node3": "Associating"}


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(lost(node(3), still=5), id="the register was written lately"),
        pytest.param(lost(node(3), old=(dead(1), node(2))), id="a backup is well"),
        pytest.param(lost(node(3), old=(node(1), dead(2))), id="the holder's agent reports"),
        pytest.param(lost(node(3), old=(node(1, heard=600), dead(2))), id="its kubelet says Ready"),
        pytest.param(
            lost(node(3), old=(dead(1), node(2, heard=600))), id="so does a backup's kubelet"
        ),
        pytest.param(lost(), id="there is nobody to take over"),
        pytest.param(lost(dead(3)), id="the only other is dead too"),
        pytest.param(lost(node(3, v_switch_id="vsw-b")), id="the only other is elsewhere"),
        pytest.param(
            lost(node(3, agent=agent(3, healthy={"u": False}))), id="the only other is ill"
        ),
        pytest.param(
            lost(
                node(3),
                old=(replace(dead(1), labels={"x": "y"}), replace(dead(2), labels={"x": "y"})),
                havip=havip(state={"members": MEMBERS}, members={"nodeSelector": {"x": "y"}}),
            ),
            id="the only other is not selected",
        ),
        pytest.param(lost(node(3), register=None), id="there is no register"),
        pytest.param(
            lost(node(3), havip=havip(state={"members": MEMBERS}, suspend=True)),
            id="it is suspended",
        ),
    ],
)
def test_nobody_is_fenced_when(of: Observation) -> None:
    assert fenced(of) == []
    assert decide(of).followers is None


def test_a_holder_whose_node_is_gone_is_fenced_too() -> None:
    of = lost(node(3), old=())
    assert fenced(of) == ["node1"]


def test_one_whose_turn_is_not_yet_may_follow_where_the_members_fill_the_place() -> None:
    object_ = havip(state={"members": MEMBERS}, members={"max": 2})
    assert fenced(lost(node(3), havip=object_)) == ["node1"]


# -- declared


@pytest.mark.parametrize(
    ("object_", "one"),
    [
        pytest.param(havip(fence="node1", state={"members": MEMBERS}), node(1), id="annotation"),
        pytest.param(havip(fence="x, node1 ", state={"members": MEMBERS}), node(1), id="among"),
        pytest.param(havip(state={"members": MEMBERS}), node(1, out=True), id="taint"),
    ],
)
def test_a_member_that_somebody_declares_dead_is_fenced_at_once(object_: Any, one: Any) -> None:
    of = seen(object_, facts("i-1", "i-2"), one, node(2))
    assert fenced(of) == ["node1"]
    assert decide(of).step == leave(1, force=True, fencing=True)


def test_it_stays_out_for_as_long_as_that_is_said() -> None:
    object_ = havip(fence="node1", state={"members": MEMBERS})
    out = after(seen(object_, facts("i-1", "i-2"), node(1), node(2)), cloud=_without_1())
    assert decide(out).step is None
    assert states(out)["node1"] == "Fenced"
    assert fenced(after(out)) == ["node1"]


def test_a_node_that_is_no_member_is_only_kept_from_joining() -> None:
    of = seen(None, facts("i-2"), node(1, out=True), node(2))
    assert decide(of).step is None
    assert fenced(of) == []
    assert states(of)["node1"] == "Fenced"


def test_a_node_that_is_not_selected_is_none_of_our_business() -> None:
    selector: dict[str, Any] = {"members": {"nodeSelector": {"x": "y"}}}
    of = seen(havip(**selector), facts("i-2"), node(1, out=True), node(2, labels={"x": "y"}))
    assert fenced(of) == []
    assert states(of) == {"node2": "Associated"}


def test_what_an_adopted_one_had_is_fenced_like_others() -> None:
    object_ = havip(fence="node1", adopt={"haVipId": MINE}, members={"nodeSelector": {"x": "y"}})
    state = object_.status.model_copy(update={"adopted": had("i-1")})
    of = seen(object_.model_copy(update={"status": state}), facts("i-1"), node(1))
    assert decide(of).step == leave(1, force=True, fencing=True)


# -- the register


def _without_1() -> Any:
    return seen(None, facts("i-2")).cloud


def test_the_register_is_cleared_only_after_the_cloud_shows_the_unassociation() -> None:
    begun = lost(node(3))
    assert decide(begun).followers is None
    passing = after(begun, cloud=seen(None, facts("i-1", "i-2", status="Unassociating")).cloud)
    assert decide(passing).followers is None
    not_settled = after(begun, cloud=seen(None, facts("i-2", status="Unassociating")).cloud)
    assert decide(not_settled).followers is None
    assert decide(after(begun, cloud=_without_1())).followers is not None


def test_it_is_not_cleared_while_another_of_the_holders_is_a_member() -> None:
    object_ = havip(fence="node1", **BY_CARD, state={"members": [
        member(1, networkInterfaceId="eni-1")]})  # fmt: skip
    both = cards(card(1, 1), card(2, 1), card(3, 3))
    begun = seen(
        object_, cards_of("eni-1", "eni-2"), node(1), node(3), network_interfaces=both,
        **held_by(1),
    )  # fmt: skip
    one = after(begun, cloud=seen(None, cards_of("eni-2")).cloud)
    assert decide(one).followers is None
    assert decide(after(begun, cloud=seen(None, facts()).cloud)).followers is not None


@pytest.mark.parametrize(("still", "cleared"), [(5, False), (60, True)])
def test_a_holder_that_is_no_member_may_hand_over_by_itself_for_a_while(
    still: float, cleared: bool
) -> None:
    of = seen(None, facts("i-2"), node(2), **held_by(1), register_still=still)
    assert (decide(of).followers is not None) is cleared


def test_a_holder_that_is_a_member_is_never_cleared_on_silence_alone() -> None:
    assert decide(lost(still=9999)).followers is None


def test_a_holder_of_the_other_type_is_a_member_all_the_same() -> None:
    recorded = havip(state={"members": [member(1, networkInterfaceId="eni-1")]})
    of = seen(recorded, cards_of("eni-1"), dead(1), **held_by(1), **STILL)
    assert decide(of).followers is None


def test_the_register_is_left_alone_while_the_havip_is_not_seen() -> None:
    assert decide(seen(None, None, node(1), **held_by(1), **STILL)).followers is None


# -- back again


def out_since(seconds: float, one: Any, mine: Any, **spec: Any) -> Observation:
    entry = {"node": "node1", "memberId": "i-1", "at": ago(seconds).isoformat(), "reason": "x"}
    state = {"members": [member(2)], "fenced": [entry]}
    return seen(havip(state=state, **spec), mine, one, node(2))


@pytest.mark.parametrize(
    ("one", "step"),
    [
        pytest.param(node(1), join(1), id="its agent reports anew"),
        pytest.param(dead(1), None, id="it is silent"),
        pytest.param(node(1, heard=80), None, id="its last report is from before"),
        pytest.param(
            node(1, agent=agent(1, kernel_addresses=("10.0.0.9",))), None,
            id="it has the address still",
        ),
        pytest.param(node(1, out=True), None, id="it is declared dead still"),
    ],
)  # fmt: skip
def test_a_node_comes_back_when(one: Any, step: object) -> None:
    of = out_since(60, one, facts("i-2"))
    assert decide(of).step == step
    assert bool(fenced(of)) is (step is None)


def test_one_that_lives_after_all_keeps_what_was_not_taken_yet() -> None:
    living = node(1, agent=agent(1, kernel_addresses=("10.0.0.9",)))
    of = out_since(60, living, facts("i-1", "i-2"))
    assert decide(of).step is None
    assert fenced(of) == []


def test_of_a_node_that_is_gone_nothing_is_kept() -> None:
    of = seen(out_since(60, node(1), facts("i-2")).havip, facts("i-2"), node(2))
    assert fenced(of) == []


def test_a_fenced_node_is_missed() -> None:
    of = out_since(60, dead(1), facts("i-2"))
    ready = told(of, ConditionType.MEMBERS_READY)
    assert ready.status == "False"
    assert "node1" in ready.message


def test_a_holder_that_is_gone_is_not_fenced_anew_once_it_is_out() -> None:
    out = after(lost(node(3), old=()), cloud=seen(None, facts("i-2")).cloud)
    assert fenced(out) == []
    assert decide(out).followers is not None


def test_a_network_interface_that_went_to_another_node_is_not_taken_for_the_dead_ones() -> None:
    recorded = member(1, networkInterfaceId="eni-1")
    object_ = havip(fence="node1", **BY_CARD, state={"members": [recorded]})
    view = cards(card(1, 2))
    of = seen(object_, cards_of("eni-1"), dead(1), node(2), network_interfaces=view)
    assert decide(of).step is None
    assert states(of) == {"node1": "Fenced", "node2": "Associated"}
