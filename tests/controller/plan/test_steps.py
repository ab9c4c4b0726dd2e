"""The HaVip itself: made, found, mended; and that one part's refusal holds up no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from havip.api.conditions import ConditionType, Reason
from havip.api.errors import CredentialsRefused, InvalidSpec, Throttled, Unavailable
from havip.cloud.port import HaVipFacts, ResourceType
from havip.controller.cloudview import CloudView, EipView, ownership, view
from havip.controller.needs import EIPS, HA_VIPS, routes
from havip.controller.observe import Observation
from havip.controller.plan.steps import (
    HA_VIP,
    RESOURCE_GROUP,
    TAGS,
    TEXTS,
    Associate,
    Create,
    Delete,
    Modify,
    Move,
    Tag,
    subject,
    touches,
)
from tests.controller.plan.builders import (
    MINE,
    OUR_TAGS,
    add_route,
    after,
    allocated,
    bind,
    decide,
    eip,
    eips,
    entry,
    facts,
    give_up,
    havip,
    join,
    leave,
    node,
    remove_route,
    report,
    route,
    seen,
    table,
    told,
)

ABSENT = CloudView(absent=True)


@pytest.mark.parametrize(
    ("of", "step"),
    [
        pytest.param(seen(None, facts()), None, id="all is as wanted"),
        pytest.param(
            seen(None, facts(name="x")), Modify(MINE, "n-web", ""), id="a changed name is mended"
        ),
        pytest.param(
            seen(havip(resourceGroupId="rg-2"), facts(resource_group_id="rg-1")),
            Move(ResourceType.HA_VIP, MINE, "rg-2"),
            id="it moves to its resource group",
        ),
        pytest.param(
            seen(None, facts(tags={**OUR_TAGS, "havip.dev/uid": ""})),
            Tag(ResourceType.HA_VIP, MINE, {"havip.dev/uid": "u"}),
            id="a lost tag comes back",
        ),
        pytest.param(
            seen(None, facts(name="x", status="Associating")), None, id="not in transition"
        ),
        pytest.param(seen(havip(suspend=True), facts(name="x")), None, id="nor while suspended"),
        pytest.param(
            seen(None, facts(name="x"), trouble=Unavailable("away")), None, id="nor in trouble"
        ),
        pytest.param(seen(None, None), None, id="one listing without it proves nothing"),
        pytest.param(
            seen(None, facts(name="x", v_switch_id="vsw-b")), None, id="nor of another vSwitch"
        ),
        pytest.param(
            seen(cloud=CloudView(mine=facts(name="x"), foreign="object y")),
            None,
            id="nor what is another's",
        ),
    ],
)
def test_the_next_step(of: Observation, step: object) -> None:
    assert decide(of).step == step


def test_a_creation_carries_everything_in_one_call() -> None:
    object_ = havip(known=None, address="10.0.0.7", tags={"a": "b"}, resourceGroupId="rg-1")
    step = decide(seen(object_, cloud=ABSENT)).step
    assert isinstance(step, Create)
    assert (step.new.address, step.new.resource_group_id) == ("10.0.0.7", "rg-1")
    assert step.new.tags == {"a": "b", **ownership("k", "u"), "havip.dev/name": "n/web"}
    assert step.instead_of == ""


def test_a_lost_one_is_made_anew_with_its_address() -> None:
    step = decide(seen(cloud=ABSENT)).step
    assert isinstance(step, Create)
    assert (step.new.address, step.instead_of) == ("10.0.0.9", MINE)


# -- which is ours


def look(*listed: HaVipFacts, object_: Any = None, listings: int = 9) -> CloudView:
    all_ = {each.ha_vip_id: each for each in listed}
    return view(object_ or havip(), "k", "vsw-a", all_, listings=listings)


def test_a_second_one_with_our_tags_is_taken_away() -> None:
    spare = facts(ha_vip_id="havip-2")
    assert decide(seen(cloud=look(spare, facts()))).step == Delete("havip-2")


def test_one_without_our_tags_is_never_taken_for_ours() -> None:
    stranger = facts(ha_vip_id="havip-2", tags={})
    assert look(stranger, object_=havip(known=None)) == ABSENT


def test_one_that_is_known_but_has_another_owner_is_foreign() -> None:
    assert look(facts(tags=ownership("other", "u"))).foreign


@pytest.mark.parametrize(("listings", "absent"), [(0, False), (1, False), (2, True)])
def test_what_was_known_is_given_up_after_two_listings(listings: int, absent: bool) -> None:
    assert look(listings=listings).absent is absent


@pytest.mark.parametrize(
    ("adopt", "found"),
    [
        ({"haVipId": MINE}, True),
        ({"haVipId": "havip-7"}, False),
        ({"address": "10.0.0.9"}, True),
        ({"address": "10.0.0.8"}, False),
    ],
)
def test_one_to_be_adopted_is_found_by_its_id_or_its_address(
    adopt: dict[str, str], found: bool
) -> None:
    looked = look(facts(tags={}), object_=havip(known=None, adopt=adopt))
    assert (looked.mine is not None, looked.absent) == (found, not found)


def test_an_address_names_only_one_of_the_classs_v_switch() -> None:
    elsewhere = facts(tags={}, v_switch_id="vsw-b")
    assert look(elsewhere, object_=havip(known=None, adopt={"address": "10.0.0.9"})).absent


# -- what one part is refused holds up no other

REFUSED = CredentialsRefused("vpc:MoveResourceGroup is missing", reason="PermissionMissing")


def held_up(*subjects: str, object_: Any = None, mine: Any = None, **known: Any) -> Observation:
    return seen(
        object_ or havip(), mine or facts(), node(1), setbacks=dict.fromkeys(subjects, REFUSED),
        resting=frozenset(subjects), **known,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("part", "object_", "mine"),
    [
        (TEXTS, None, facts(name="x")),
        (TAGS, None, facts(tags={**OUR_TAGS, "havip.dev/name": "x"})),
        (RESOURCE_GROUP, havip(resourceGroupId="rg-2"), facts(resource_group_id="rg-1")),
        ("i-9 going", None, facts("i-9")),
        ("eip", havip(eip={"allocate": {}}), facts()),
    ],
)
def test_members_join_whatever_else_is_refused(part: str, object_: Any, mine: Any) -> None:
    of = held_up(part, object_=object_, mine=mine, eips=eips())
    assert decide(of).step == join(1)
    again = replace(of, resting=frozenset(), nodes=())
    assert subject(decide(again).step) == part  # type: ignore[arg-type]
    type_ = ConditionType.EIP_BOUND if part == "eip" else ConditionType.READY
    assert told(of, type_).reason == "PermissionMissing"


def test_what_is_refused_is_told_until_it_is_not_wanted_any_more() -> None:
    assert decide(held_up(TEXTS, mine=facts(name="x"))).trouble is REFUSED
    assert decide(held_up(TEXTS)).trouble is None


def test_of_two_things_to_mend_the_second_does_not_wait_for_the_first() -> None:
    of = held_up(TAGS, mine=facts(tags={**OUR_TAGS, "havip.dev/name": "x"}, name="x"))
    assert decide(of).step == Modify(MINE, "n-web", "")


def test_while_the_cloud_is_in_trouble_nothing_of_the_havip_is_changed() -> None:
    object_ = havip(eip={"allocationId": "eip-1"}, routes=[route()])
    of = seen(
        object_, facts(name="x"), node(1), eips=eips(eip(1)), routes=table(),
        setbacks={HA_VIP: Throttled("slow")}, resting=frozenset({HA_VIP}),
    )  # fmt: skip
    assert decide(of).step is None
    assert isinstance(decide(of).trouble, Throttled)


@pytest.mark.parametrize(
    ("step", "kinds"),
    [
        (bind(1), {"EIPs", "HaVips"}),
        (give_up(1), {"EIPs"}),
        (Tag(ResourceType.HA_VIP, MINE, {}), {"HaVips"}),
        (Modify(MINE, "", ""), {"HaVips"}),
        (leave(1), {"HaVips"}),
        (add_route(), {"routes of vtb-1"}),
        (remove_route(), {"routes of vtb-1"}),
    ],
)
def test_a_step_makes_the_listings_old_that_show_it(step: Any, kinds: set[str]) -> None:
    assert {str(each) for each in touches(step)} == kinds


# -- all at once


def test_a_route_and_the_eip_come_before_a_joiner_that_keeps_the_havip_for_seconds() -> None:
    object_ = havip(eip={"allocationId": "eip-1"}, routes=[route()])
    views: dict[str, Any] = {"eips": eips(eip(1)), "routes": table()}
    new = seen(object_, facts(), node(1), **views)
    assert decide(new).step == add_route()
    routed = replace(new, routes=table(entry()))
    assert decide(routed).step == bind(1)
    bound = replace(routed, eips=eips(eip(1, MINE)))
    assert decide(bound).step == join(1)


def test_a_leaver_comes_before_a_route_and_the_eip() -> None:
    object_ = havip(eip={"allocationId": "eip-1"}, routes=[route()])
    of = seen(object_, facts("i-9"), node(1), eips=eips(eip(1)), routes=table())
    assert decide(of).step == leave(9, nameless=True)


@pytest.mark.parametrize(
    ("stale", "step"),
    [
        (frozenset(), add_route()),
        (frozenset({routes("vtb-1")}), bind(1)),
        (frozenset({routes("vtb-1"), EIPS}), join(1)),
        (frozenset({HA_VIPS}), None),
    ],
    ids=["nothing", "routes", "routes and EIPs", "HaVips"],
)
def test_what_was_not_listed_since_our_last_change_holds_up_only_what_rests_on_it(
    stale: frozenset[Any], step: Any
) -> None:
    object_ = havip(eip={"allocationId": "eip-1"}, routes=[route()])
    of = seen(object_, facts(), node(1), eips=eips(eip(1)), routes=table(), stale=stale)
    assert decide(of).step == step


def test_an_eip_is_allocated_while_the_havip_is_in_transition() -> None:
    passing = facts(status="Associating")
    of = seen(havip(eip={"allocate": {}}), passing, eips=EipView({}, 9))
    assert decide(of).step is not None
    known = replace(of, eips=eips(allocated(1)))
    assert decide(known).step is None


def test_a_havip_of_another_class_says_so_and_unsays_nothing() -> None:
    good = after(seen(None, facts("i-1"), node(1)))
    moved = replace(good, cloud=CloudView(mine=facts("i-1", v_switch_id="vsw-b")))
    assert isinstance(decide(moved).trouble, InvalidSpec)
    assert told(moved, ConditionType.ACCEPTED).reason == Reason.INVALID_SPEC
    assert report(moved).members == report(good).members


def test_an_association_refused_by_the_cloud_is_the_members_own_matter() -> None:
    step = Associate(MINE, "i-1", "EcsInstance", "node1")  # type: ignore[arg-type]
    assert subject(step) == "i-1"
