"""The status: true, complete, calm; and nothing in it is unsaid for want of knowledge."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from havip.api.conditions import ConditionStatus, ConditionType, Reason, find_condition, is_true
from havip.api.errors import AddressTaken, NotFound, Unavailable
from havip.api.havipnode import HaVipNodeStatus
from havip.controller.cloudview import CloudView
from havip.controller.events import news
from havip.controller.observe import Observation
from tests.controller.plan.builders import (
    ADDRESS,
    MINE,
    NOW,
    after,
    agent,
    ago,
    allocated,
    dead,
    decide,
    eip,
    eips,
    entry,
    facts,
    havip,
    held_by,
    instance,
    node,
    report,
    route,
    seen,
    states,
    table,
    told,
)

WITNESS = node(1, agent=agent(1, kernel_addresses=(ADDRESS,)))


def settled(**known: Any) -> Observation:
    """A HaVip that has all and needs nothing, in its second round."""
    object_ = havip(eip={"allocate": {}}, routes=[route()])
    mine = facts("i-1", "i-2", master_instance_id="i-1",
                 associated_eip_addresses=frozenset({"47.0.0.1"}))  # fmt: skip
    views: dict[str, Any] = {
        "eips": eips(allocated(1, MINE)),
        "routes": table(entry()),
        "instances": {"i-1": instance(1), "i-2": instance(2)},
    }
    return after(seen(object_, mine, WITNESS, node(2), **{**views, **held_by(1, 2), **known}))


def test_ready_is_true_when_all_is_as_wanted() -> None:
    of = settled()
    assert is_true(report(of).conditions, ConditionType.READY)
    assert decide(of).step is None


def test_a_settled_picture_changes_nothing() -> None:
    of = settled()
    assert report(replace(of, now=NOW + timedelta(seconds=30))) == of.havip.status


# -- a restart, a glitch, a cloud that is away


@pytest.mark.parametrize(
    "unseen",
    [
        pytest.param({"cloud": None, "eips": None, "routes": {}, "instances": None},
                     id="nothing was listed yet"),
        pytest.param({"eips": None, "routes": {}, "instances": None}, id="only HaVips were"),
        pytest.param({"cloud": CloudView()}, id="the HaVip is missing from a listing"),
        pytest.param({"cloud": CloudView(), "eips": None, "routes": {}}, id="and nothing else was"),
    ],
)  # fmt: skip
def test_what_is_not_seen_is_not_unsaid(unseen: dict[str, Any]) -> None:
    of = settled()
    assert report(replace(of, **unseen)) == of.havip.status


def test_a_havip_that_is_missing_from_one_listing_keeps_its_members() -> None:
    """The nodes go by the status: who is no member there lets go of the address."""
    assert states(replace(settled(), cloud=CloudView())) == {
        "node1": "Associated", "node2": "Associated",
    }  # fmt: skip


def test_another_owners_tags_do_not_take_the_members_away() -> None:
    of = settled()
    assert of.cloud is not None
    stolen = replace(of, cloud=replace(of.cloud, foreign="object x"))
    assert states(stolen) == {"node1": "Associated", "node2": "Associated"}
    assert told(stolen, ConditionType.READY).reason == Reason.OWNED_BY_ANOTHER


def test_a_cloud_that_is_away_unsays_nothing_but_is_told() -> None:
    away = replace(settled(), trouble=Unavailable("no answer"), eips=None, routes={})
    for type_ in (ConditionType.PROVISIONED, ConditionType.MEMBERS_READY, ConditionType.EIP_BOUND,
                  ConditionType.ROUTES_BOUND, ConditionType.READY):  # fmt: skip
        assert told(away, type_).status is ConditionStatus.TRUE
    assert "no answer" in told(away, ConditionType.PROVISIONED).message


def test_a_class_that_is_gone_leaves_the_members_as_they_are() -> None:
    gone = replace(
        settled(), klass=None, cloud=None,
        trouble=NotFound("create the class", reason=Reason.CLASS_NOT_FOUND),
    )  # fmt: skip
    assert states(gone) == {"node1": "Associated", "node2": "Associated"}
    assert told(gone, ConditionType.ACCEPTED).reason == Reason.CLASS_NOT_FOUND


def test_before_anybody_could_look_for_members_nothing_is_said_against_the_selector() -> None:
    missing = NotFound("create the class", reason=Reason.CLASS_NOT_FOUND)
    of = seen(havip(known=None), None, node(1), klass=None, cloud=None, trouble=missing)
    members = told(of, ConditionType.MEMBERS_READY)
    assert (str(members.status), members.reason) == ("Unknown", Reason.CLASS_NOT_FOUND)
    assert "create the class" in members.message


def test_what_went_with_the_havip_is_unsaid() -> None:
    of = replace(settled(), cloud=CloudView(absent=True))
    after_it = report(of)
    assert (after_it.eip_address, after_it.cloud_master) == (None, None)
    assert states(of) == {"node1": "Associating", "node2": "Associating"}
    assert told(of, ConditionType.EIP_BOUND).status is ConditionStatus.UNKNOWN


def test_a_wish_that_could_not_be_looked_at_is_not_said_to_be_unwanted() -> None:
    plain = after(seen(None, facts("i-1"), node(1)))
    spec = havip(eip={"allocate": {}}, routes=[route()], suspend=True).spec
    asked = replace(plain, havip=plain.havip.model_copy(update={"spec": spec}))
    for type_ in (ConditionType.EIP_BOUND, ConditionType.ROUTES_BOUND):
        found = told(asked, type_)
        assert found.status is ConditionStatus.UNKNOWN
        assert "spec.suspend" in found.message


# -- suspended


def test_a_suspended_one_leaves_its_members_though_they_are_not_selected_any_more() -> None:
    """Nobody takes them out, and the nodes go on as they are."""
    members = {"nodeSelector": {"never": "so"}}
    of = settled()
    spec = havip(members=members, suspend=True).spec
    held = replace(of, havip=of.havip.model_copy(update={"spec": spec}))
    assert decide(held).step is None
    assert states(held) == {"node1": "Associated", "node2": "Associated"}
    assert told(held, ConditionType.ACCEPTED).reason == Reason.SUSPENDED


# -- while things are being done


def test_provisioned_does_not_flap_while_a_change_waits() -> None:
    changed = seen(None, facts(name="x"))
    waits = replace(changed, resting=frozenset({"name and description"}))
    passing = seen(None, facts(name="x", status="Associating"))
    for of in (changed, waits, passing):
        found = told(of, ConditionType.PROVISIONED)
        assert (found.status, found.reason) == ("False", Reason.UPDATING)


def test_provisioned_does_not_heed_members_eip_and_routes() -> None:
    object_ = havip(eip={"allocationId": "eip-1"}, routes=[route()])
    of = seen(object_, facts(), node(1), eips=eips(eip(1)), routes=table())
    assert told(of, ConditionType.PROVISIONED).status is ConditionStatus.TRUE


def test_eip_bound_stays_true_while_the_old_one_is_given_back() -> None:
    of = settled(eips=eips(allocated(1, MINE), allocated(2)))
    assert decide(of).step is not None
    assert told(of, ConditionType.EIP_BOUND).status is ConditionStatus.TRUE


# -- three views


def test_ready_needs_all_three_views_to_agree() -> None:
    of = settled()
    assert of.mine is not None
    moved = replace(of, cloud=CloudView(mine=replace(of.mine, master_instance_id="i-2")))
    assert told(moved, ConditionType.CONSISTENT).reason == Reason.CLOUD_DIFFERS
    assert told(moved, ConditionType.READY).status is ConditionStatus.FALSE


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (settled(register=None, nodes=(node(1), node(2))), Reason.NO_HOLDER),
        (settled(register=None), Reason.KERNEL_DIFFERS),
        (settled(nodes=(node(1), node(2))), Reason.KERNEL_DIFFERS),
        (settled(nodes=(dead(1), node(2))), Reason.HOLDER_UNKNOWN),
        (settled(**held_by(2)), Reason.KERNEL_DIFFERS),
        (settled(nodes=(WITNESS, node(2, agent=agent(2, kernel_addresses=(ADDRESS,))))),
         Reason.SEVERAL_OWNERS),
    ],
)  # fmt: skip
def test_views_that_differ(of: Observation, reason: Reason) -> None:
    assert told(of, ConditionType.CONSISTENT).reason == reason


def test_the_last_report_of_a_dead_holder_is_no_witness() -> None:
    hold = {"uid": "u", "namespace": "n", "name": "web", "address": ADDRESS, "epoch": 3,
            "since": ago(5).isoformat()}  # fmt: skip
    gone = node(1, agent=agent(1, heard=10, kernel_addresses=(ADDRESS,)))
    alive = HaVipNodeStatus.from_json(
        {"instanceId": "i-2", "heartbeatAt": NOW.isoformat(), "kernelAddresses": [ADDRESS],
         "holds": [hold]}
    )  # fmt: skip
    mine = facts("i-1", "i-2", master_instance_id="i-2")
    of = seen(None, mine, gone, node(2, agent=alive), **held_by(2, 1))
    assert told(of, ConditionType.CONSISTENT).status is ConditionStatus.TRUE
    # Were it alive with the address still on, its next report would say so.
    frozen = replace(of, nodes=(WITNESS, node(2, agent=alive)))
    assert told(frozen, ConditionType.CONSISTENT).reason == Reason.SEVERAL_OWNERS


# -- words


def test_a_refusal_is_told_once() -> None:
    of = seen(havip(known=None), trouble=AddressTaken("choose another"))
    once = report(of)
    assert [each.reason for each in news(of.havip.status, once)] == ["AddressTaken"]
    assert news(once, report(after(of))) == ()


def test_what_is_not_seen_yet_is_said_to_be_so() -> None:
    of = seen(havip(known=None), cloud=None)
    assert find_condition(report(of).conditions, ConditionType.PROVISIONED) is None
    ready = told(of, ConditionType.READY)
    assert (ready.status, ready.reason) == ("False", Reason.PENDING)


@pytest.mark.parametrize(
    "of",
    [
        seen(havip(known=None), cloud=None),
        seen(None, facts()),
        seen(None, facts(), node(1), **held_by(1)),
        seen(havip(members={"max": 1}), facts("i-1"), dead(1), node(2)),
        seen(havip(deleted=0), facts("i-1"), **held_by(1)),
        seen(havip(suspend=True, eip={"allocate": {}}, routes=[route()]), None),
        seen(havip(routes=[route()], eip={"allocate": {}}), facts(), routes={}, eips=None),
    ],
)
def test_what_is_not_true_says_why(of: Observation) -> None:
    for each in report(of).conditions:
        if each.status is not ConditionStatus.TRUE:
            assert each.message.endswith((".", "!")), each
            assert len(each.message.split()) > 3, each
