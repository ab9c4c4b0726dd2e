"""Members: who comes, who goes, in which order, and who is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from havip.api.conditions import ConditionType, Reason
from havip.api.errors import QuotaExceeded
from havip.cloud.port import InstanceType
from havip.controller.observe import Observation
from havip.controller.plan.steps import Associate, Unassociate
from tests.controller.plan.builders import (
    BY_CARD,
    CARD,
    MINE,
    agent,
    card,
    cards,
    cards_of,
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

NOBODY: dict[str, Any] = {"members": {"nodeSelector": {"never": "so"}}}
ADOPTED: dict[str, Any] = {"adopt": {"haVipId": MINE}}


def recorded(*members: dict[str, Any], adopted: tuple[str, ...] | None = None, **spec: Any) -> Any:
    object_ = havip(state={"members": list(members)}, **spec)
    if adopted is None:
        return object_
    state = object_.status.model_copy(update={"adopted": had(*adopted)})
    return object_.model_copy(update={"status": state})


def card_join(number: int, of: int) -> Associate:
    return Associate(MINE, f"eni-{number}", CARD, f"node{of}")


def card_leave(number: int, of: int | None, *, force: bool = False) -> Unassociate:
    return Unassociate(MINE, f"eni-{number}", CARD, f"node{of}" if of else "", force)


@pytest.mark.parametrize(
    ("of", "step"),
    [
        pytest.param(seen(None, facts(), node(1), node(2)), join(1), id="one joins at a time"),
        pytest.param(seen(None, facts("i-1"), node(1), node(2)), join(2), id="then the next"),
        pytest.param(seen(None, facts("i-1", "i-2"), node(1), node(2)), None, id="all are there"),
        pytest.param(
            seen(None, facts("i-9"), node(1)), leave(9, nameless=True), id="a stranger goes first"
        ),
        pytest.param(
            seen(havip(**NOBODY), facts("i-1", "i-2", master_instance_id="i-1"), node(1), node(2)),
            leave(2), id="backups go before the master",
        ),
        pytest.param(
            seen(havip(**NOBODY), facts("i-1", master_instance_id="i-1"), node(1)),
            leave(1, force=True), id="the master goes by force",
        ),
        pytest.param(
            seen(recorded(member(1)), facts("i-1")), leave(1), id="one whose Node is gone goes"
        ),
        pytest.param(
            seen(None, facts(status="Associating"), node(1)), None, id="nothing in transition"
        ),
        pytest.param(
            seen(None, facts(status="Funny"), node(1)), None, id="nor in an unknown state"
        ),
        pytest.param(
            seen(None, facts("i-1"), node(1, ready=False, heard=600)), None, id="the ill stay"
        ),
    ],
)  # fmt: skip
def test_the_next_step(of: Observation, step: object) -> None:
    assert decide(of).step == step


def test_a_leaving_holder_gets_its_time() -> None:
    held = seen(havip(**NOBODY), facts("i-1"), node(1), **held_by(1))
    assert decide(held).step is None
    assert states(held) == {"node1": "Leaving"}
    assert decide(held).retry_seconds == 1
    assert decide(replace(held, waited_for=frozenset({"node1"}))).step == leave(1)


def test_others_go_while_the_holder_has_its_time() -> None:
    held = seen(havip(**NOBODY), facts("i-1", "i-2"), node(1), node(2), **held_by(1))
    assert decide(held).step == leave(2)


def test_a_node_that_is_another_instance_now_goes_as_the_old_and_comes_as_the_new() -> None:
    old = recorded(member(1))
    of = seen(old, facts("i-1"), node(1, instance_id="i-8"))
    assert decide(of).step == leave(1)
    [state] = report(of).members
    assert (state.instance_id, state.network_interface_id) == ("i-1", "")
    assert "i-8" in state.reason
    assert decide(replace(of, cloud=seen(None, facts()).cloud)).step == (
        Associate(MINE, "i-8", InstanceType.ECS_INSTANCE, "node1")
    )


# -- refused by the cloud


def refused(*nodes: Any, resting: bool = True, **spec: Any) -> Observation:
    error = QuotaExceeded("It has its five.")
    rest = frozenset({"i-1"}) if resting else frozenset()
    return seen(havip(**spec), facts(), *nodes, setbacks={"i-1": error}, resting=rest)


def test_another_takes_the_place_of_one_that_the_cloud_refuses() -> None:
    of = refused(node(1), node(2), members={"max": 1})
    assert decide(of).step == join(2)
    assert states(of) == {"node1": "Refused", "node2": "Associating"}
    assert report(of).wanted_members == 1


def test_one_that_is_refused_is_said_to_be_so_also_while_it_is_tried_again() -> None:
    resting, again = refused(node(1)), refused(node(1), resting=False)
    assert decide(resting).step is None
    assert decide(again).step == join(1)
    assert report(resting) == report(again)
    assert told(again, ConditionType.MEMBERS_READY).reason == Reason.MEMBER_REFUSED


def test_it_is_not_tried_again_where_its_place_is_taken() -> None:
    of = refused(node(1), node(2), resting=False, members={"max": 1})
    assert decide(replace(of, cloud=seen(None, facts("i-2")).cloud)).step is None


# -- an adopted HaVip's


@pytest.mark.parametrize(
    ("of", "step", "kept"),
    [
        pytest.param(
            seen(recorded(adopted=("i-9",), **ADOPTED), facts("i-9"), node(1)),
            join(1), ("i-9",), id="what it had stays",
        ),
        pytest.param(
            seen(recorded(adopted=(), **ADOPTED), facts("i-9", "i-1"), node(1)),
            None, ("i-9",), id="so does what others add",
        ),
        pytest.param(
            seen(recorded(adopted=("i-1",), **ADOPTED, **NOBODY), facts("i-1"), node(1)),
            None, ("i-1",), id="also a node that is not selected",
        ),
        pytest.param(
            seen(recorded(adopted=("i-1",), **ADOPTED), facts("i-1"), node(1)),
            None, (), id="one that is selected is a member like others",
        ),
        pytest.param(
            seen(recorded(member(1), adopted=("i-9",), **ADOPTED), facts("i-1", "i-9")),
            leave(1), ("i-9",), id="what we added goes with its Node",
        ),
        pytest.param(
            seen(recorded(member(1, "Associating"), adopted=(), **ADOPTED), facts("i-1")),
            leave(1), (), id="also if it was only asked for",
        ),
        pytest.param(
            seen(recorded(adopted=("i-9",), **ADOPTED, members={"exclusive": True}),
                 facts("i-9"), node(1)),
            leave(9, nameless=True), (), id="all others go where members are exclusive",
        ),
        pytest.param(
            seen(havip(members={"exclusive": False}), facts("i-9"), node(1)),
            join(1), ("i-9",), id="and stay where they are not, adopted or made",
        ),
    ],
)  # fmt: skip
def test_foreign_members(of: Observation, step: object, kept: tuple[str, ...]) -> None:
    assert decide(of).step == step
    assert decide(of).kept == kept


def test_foreign_members_take_up_what_the_cloud_allows_but_not_what_the_user_does() -> None:
    ten = facts(*(f"i-9{number}" for number in range(10)))
    object_ = recorded(adopted=tuple(sorted(ten.associated_instances)), **ADOPTED)
    full = seen(object_, ten, node(1))
    assert decide(full).step is None
    [state] = report(full).members
    assert "i-90" in state.reason
    assert "spec.members.exclusive" in state.reason
    some = recorded(adopted=("i-90", "i-91"), **ADOPTED, members={"max": 2})
    assert decide(seen(some, facts("i-90", "i-91"), node(1), node(2))).step == join(1)


def test_a_found_node_that_is_not_selected_takes_up_room() -> None:
    found = facts(*(f"i-{number}" for number in range(1, 10)))
    spec: dict[str, Any] = {**ADOPTED, "members": {"nodeSelector": {"role": "front"}}}
    object_ = recorded(adopted=tuple(sorted(found.associated_instances)), **spec)
    fronts = [node(number, labels={"role": "front"}) for number in (20, 21)]
    of = seen(object_, found, *(node(number) for number in range(1, 10)), *fronts)
    assert decide(of).step == join(20)
    assert {each.node: str(each.state) for each in report(of).members} == {
        "node20": "Associating", "node21": "Refused",
    }  # fmt: skip


# -- network interfaces


def by_card(object_: Any, mine: Any, *known: Any, nodes: tuple[Any, ...]) -> Observation:
    return seen(object_, mine, *nodes, network_interfaces=cards(*known))


TAGGED: dict[str, Any] = {
    "members": {"type": "NetworkInterface", "networkInterface": {"tags": {"use": "vip"}}}
}
RECORDED = member(1, networkInterfaceId="eni-1")


@pytest.mark.parametrize(
    ("of", "step"),
    [
        pytest.param(
            by_card(havip(**BY_CARD), facts(), card(1, 1, primary=True), nodes=(node(1),)),
            card_join(1, 1), id="the one in the vSwitch joins",
        ),
        pytest.param(
            by_card(havip(**BY_CARD), facts(), card(1, 1), card(2, 1, primary=True),
                    nodes=(node(1),)),
            card_join(2, 1), id="the primary before a secondary",
        ),
        pytest.param(
            by_card(havip(**TAGGED), facts(), card(1, 1, primary=True),
                    card(2, 1, tags={"use": "vip", "x": "y"}), nodes=(node(1),)),
            card_join(2, 1), id="the one with the tags before any other",
        ),
        pytest.param(
            by_card(havip(**BY_CARD), facts(), card(1, 1), nodes=(node(1, v_switch_id="vsw-b"),)),
            card_join(1, 1), id="also of a node whose primary one is in another vSwitch",
        ),
        pytest.param(
            by_card(havip(**BY_CARD), facts(), card(1, 1, service_managed=True),
                    nodes=(node(1),)),
            None, id="none that another product keeps",
        ),
        pytest.param(
            by_card(havip(**BY_CARD), cards_of("eni-1"), card(1, 1), card(2, 1, primary=True),
                    nodes=(node(1),)),
            None, id="the one that is a member stays it",
        ),
        pytest.param(
            by_card(recorded(RECORDED, **BY_CARD), cards_of("eni-1"), card(1), nodes=(node(1),)),
            card_leave(1, 1), id="one that was detached goes",
        ),
        pytest.param(
            by_card(recorded(RECORDED, **BY_CARD), cards_of("eni-1"), card(1, 2),
                    nodes=(node(1), node(2))),
            None, id="one that moved to another node is that node's",
        ),
        pytest.param(
            by_card(recorded(RECORDED, **BY_CARD), cards_of("eni-1"), card(1, 7),
                    nodes=(node(1),)),
            card_leave(1, 1), id="one that moved to what is no node goes",
        ),
        pytest.param(
            by_card(recorded(RECORDED, **BY_CARD), facts(), card(2, 1), nodes=(node(1),)),
            card_join(2, 1), id="one that was deleted is replaced by another",
        ),
        pytest.param(
            by_card(havip(**BY_CARD), cards_of("eni-1", "eni-2"), card(1, 1), card(2, 1),
                    nodes=(node(1),)),
            card_leave(2, 1), id="of two of one node one stays",
        ),
    ],
)  # fmt: skip
def test_the_network_interface_of_a_node(of: Observation, step: object) -> None:
    assert decide(of).step == step


def test_of_two_of_a_holder_one_stays_without_a_wait() -> None:
    of = by_card(
        havip(**BY_CARD), cards_of("eni-1", "eni-2", master_instance_id="eni-2"), card(1, 1),
        card(2, 1), nodes=(node(1),),
    )  # fmt: skip
    held = replace(of, **held_by(1))
    assert decide(held).step == card_leave(2, 1, force=True)
    assert states(held) == {"node1": "Associated"}


def test_a_detached_one_of_nobody_is_not_taken_for_that_of_a_node_without_an_instance() -> None:
    unknown = node(1, instance_id="", agent=None, out=True)
    object_ = recorded(adopted=(), **ADOPTED, **BY_CARD)
    of = by_card(object_, cards_of("eni-9"), card(9), nodes=(unknown,))
    assert decide(of).step is None
    assert decide(of).kept == ("eni-9",)


def test_a_node_without_a_fitting_one_is_told_what_to_do() -> None:
    plain = by_card(havip(**BY_CARD), facts(), nodes=(node(1),))
    assert "attach one" in report(plain).members[0].reason
    tagged = by_card(havip(**TAGGED), facts(), card(1, 1), nodes=(node(1),))
    assert "use=vip" in report(tagged).members[0].reason


def test_before_they_are_seen_nothing_is_said_of_the_members() -> None:
    object_ = recorded(RECORDED, **BY_CARD)
    of = seen(object_, cards_of("eni-1"), node(1))
    assert decide(of).step is None
    assert report(of).members == object_.status.members


# -- the type changes


def test_all_members_of_a_type_go_before_the_first_of_another_comes() -> None:
    object_ = recorded(member(1), member(2), **BY_CARD)
    nodes = (node(1), node(2))
    both = (card(1, 1), card(2, 2))
    begun = by_card(object_, facts("i-1", "i-2"), *both, nodes=nodes)
    assert decide(begun).step == leave(1)
    one = by_card(object_, facts("i-2"), *both, nodes=nodes)
    assert decide(one).step == leave(2)
    assert states(one) == {"node1": "Associating", "node2": "Unassociating"}
    assert decide(by_card(object_, facts(), *both, nodes=nodes)).step == card_join(1, 1)


def test_they_are_known_for_ours_also_without_a_record() -> None:
    object_ = recorded(adopted=(), **ADOPTED, **BY_CARD)
    of = by_card(object_, facts("i-1"), card(1, 1), nodes=(node(1),))
    assert decide(of).step == leave(1)


def test_what_is_kept_of_another_type_refuses_ours() -> None:
    object_ = recorded(adopted=("i-9",), **ADOPTED, **BY_CARD)
    of = by_card(object_, facts("i-9"), card(1, 1), nodes=(node(1),))
    assert decide(of).step is None
    assert states(of) == {"node1": "Refused"}
    assert "one type" in report(of).members[0].reason


def test_the_holder_is_known_by_what_it_has_while_the_type_changes() -> None:
    witness = node(1, agent=agent(1, kernel_addresses=("10.0.0.9",)))
    mine = cards_of("eni-1", master_instance_id="eni-1")
    of = seen(recorded(RECORDED), mine, witness, **held_by(1))
    assert told(of, ConditionType.CONSISTENT).reason == Reason.VIEWS_AGREE
