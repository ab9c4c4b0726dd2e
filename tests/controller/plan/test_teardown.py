"""Deletion: in which order what goes, what stays under which policy, and when it is done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from havip.api.conditions import ConditionType, Reason
from havip.api.errors import CredentialsRefused, NotFound, Throttled, Unavailable
from havip.api.havip import HaVip
from havip.cloud.port import ResourceType
from havip.controller.cloudview import CloudView, RouteView, ownership
from havip.controller.observe import Observation
from havip.controller.plan.steps import (
    EIP,
    HA_VIP,
    Delete,
    Modify,
    Move,
    ReleaseEip,
    Tag,
    Untag,
    route_subject,
)
from tests.controller.plan.builders import (
    BLOCK,
    MINE,
    OUR_TAGS,
    OURS,
    TABLE,
    after,
    allocated,
    decide,
    eip,
    eips,
    entry,
    facts,
    give_up,
    had,
    havip,
    held_by,
    leave,
    member,
    node,
    noted,
    remove_route,
    report,
    seen,
    table,
    told,
    unbind,
)

OTHER = "10.8.0.0/16"
ALLOCATED = {"allocationId": "eip-1", "address": "47.0.0.1", "allocated": True}
UNTAG = Untag(ResourceType.HA_VIP, MINE, OURS)
REFUSED = CredentialsRefused("vpc:DeleteHaVip is missing", reason="PermissionMissing")


def going(
    policy: str | None = None,
    *,
    adopted: Any = None,
    eip: dict[str, Any] | None = None,
    routes: tuple[dict[str, str], ...] = (),
    members: tuple[dict[str, Any], ...] = (),
    deleted: float = 20,
    **spec: Any,
) -> HaVip:
    """A HaVip that is being deleted, with what is on record of it."""
    state: dict[str, Any] = {"routes": list(routes), "members": list(members)}
    if eip:
        state |= {"eip": eip, "lastAllocatedEip": "eip-1"}
    if policy:
        spec["deletionPolicy"] = policy
    if adopted is not None:
        spec["adopt"] = {"haVipId": MINE}
    object_ = havip(deleted=deleted, state=state, **spec)
    if adopted is None:
        return object_
    recorded = object_.status.model_copy(update={"adopted": adopted})
    return object_.model_copy(update={"status": recorded})


def full(object_: HaVip, *members: str, **known: Any) -> Observation:
    """A HaVip with members, an EIP and a route."""
    mine = facts(*(members or ("i-1", "i-2")), master_instance_id="i-1",
                 associated_eip_addresses=frozenset({"47.0.0.1"}))  # fmt: skip
    views = {"eips": eips(allocated(1, MINE)), "routes": table(entry())}
    return seen(object_, mine, **{**views, **known})


# -- in order


def test_routes_go_first_then_the_eip_then_members_then_the_havip() -> None:
    of = full(going(eip=ALLOCATED, routes=(noted(),), members=(member(1), member(2))))
    assert decide(of).step == remove_route()
    of = after(of, routes=table())
    assert decide(of).step == unbind(1)
    bare = facts("i-1", "i-2", master_instance_id="i-1")
    of = after(of, eips=eips(allocated(1)), cloud=CloudView(mine=bare))
    assert decide(of).step == ReleaseEip("eip-1")
    of = after(of, eips=eips())
    assert decide(of).step == leave(2)
    alone = facts("i-1", master_instance_id="i-1")
    of = after(of, cloud=CloudView(mine=alone))
    assert decide(of).step == leave(1, force=True)
    of = after(of, cloud=CloudView(mine=facts()))
    assert decide(of).step == Delete(MINE)
    of = after(of, cloud=CloudView())
    assert decide(of).step is None
    assert not decide(of).done
    of = after(of, cloud=CloudView(absent=True))
    assert decide(of).done


@pytest.mark.parametrize(
    ("of", "step"),
    [
        pytest.param(
            full(going(eip=ALLOCATED, routes=(noted(),)), routes={}), None,
            id="a table that is not seen yet",
        ),
        pytest.param(
            full(going(routes=(noted(state="Creating"),)), routes=table(listings=1)), None,
            id="a route that may still appear",
        ),
        pytest.param(
            full(going(routes=(noted(),)), routes=table(entry(status="Deleting"))), None,
            id="a route that is going",
        ),
        pytest.param(
            full(going(routes=(noted(),)), routes=table(entry(), free=False)), None,
            id="another's change of the table",
        ),
        pytest.param(
            full(going(eip=ALLOCATED), routes={}, eips=None), None,
            id="EIPs that are not seen yet",
        ),
        pytest.param(
            full(going(eip=ALLOCATED), routes={},
                 eips=eips(allocated(1, MINE, status="Unassociating"))), None,
            id="an EIP in transition",
        ),
        pytest.param(
            full(going(eip={"allocating": True}), routes={}, eips=eips(listings=1)), None,
            id="an EIP that may still appear",
        ),
        pytest.param(
            seen(going(), facts(status="Unassociating")), None, id="a HaVip in transition"
        ),
        pytest.param(seen(going(), None), None, id="a listing that may be wrong"),
        pytest.param(
            seen(going(deleted=3), facts(), **held_by(1)), None, id="a holder, for its time"
        ),
        pytest.param(
            seen(going(deleted=11), facts(), **held_by(1)), Delete(MINE), id="and no longer"
        ),
        pytest.param(seen(going(suspend=True), facts()), None, id="a suspended one"),
        pytest.param(
            seen(going(), facts(), trouble=Unavailable("away")), None, id="a cloud that is away"
        ),
    ],
)  # fmt: skip
def test_it_waits_for(of: Observation, step: object) -> None:
    assert decide(of).step == step
    assert not decide(of).done
    assert told(of, ConditionType.READY).reason == Reason.DELETING
    assert told(of, ConditionType.READY).message


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(seen(havip(known=None, deleted=0), klass=None, cloud=None), id="never tried"),
        pytest.param(seen(going(), cloud=CloudView(absent=True)), id="it is gone"),
        pytest.param(seen(going(), facts("i-1", tags={})), id="it does not carry our tags"),
        pytest.param(
            seen(going(), cloud=CloudView(mine=facts(tags=ownership("o", "u")), foreign="o")),
            id="it is another's",
        ),
        pytest.param(
            seen(going(adopted=had()), cloud=CloudView(absent=True)), id="the adopted is gone"
        ),
    ],
)
def test_it_is_done_when(of: Observation) -> None:
    assert decide(of).step is None
    assert decide(of).done


def test_what_was_never_tried_leaves_no_trace_in_the_status() -> None:
    of = seen(havip(known=None, deleted=0, adopt={"haVipId": MINE}), facts(tags={}))
    assert decide(after(of)).done


# -- by policy


@pytest.mark.parametrize(
    ("of", "step"),
    [
        pytest.param(
            full(going("Retain", eip=ALLOCATED, routes=(noted(),))), give_up(1),
            id="Retain leaves the EIP, without our tags",
        ),
        pytest.param(
            full(going("Retain", eip=ALLOCATED, routes=(noted(),)), eips=eips(eip(1, MINE))),
            UNTAG, id="and all else, without our tags",
        ),
        pytest.param(
            full(going("Delete", adopted=had("i-1"), routes=())), remove_route(),
            id="Delete takes also what others led there",
        ),
        pytest.param(
            full(going("Delete", adopted=had("i-1")), routes={}, eips=eips(eip(1, MINE))),
            unbind(1), id="and bound there",
        ),
        pytest.param(
            seen(going("Delete", adopted=had("i-1")), facts("i-1")), leave(1, force=True,
                                                                          nameless=True),
            id="and the members that it had",
        ),
        pytest.param(
            seen(going("Delete", adopted=had()), facts()), Delete(MINE), id="and itself"
        ),
    ],
)  # fmt: skip
def test_the_policy_tells_what_becomes_of_it(of: Observation, step: object) -> None:
    assert decide(of).step == step


FOUND = had(
    "i-9", description="theirs", resource_group_id="rg-1", tags={"a": "b"},
    eip_addresses=("47.0.0.9",), routes=(f"{TABLE} {OTHER}",),
)  # fmt: skip


def given_back(*, tags: dict[str, str] | None = None, **changed: Any) -> Any:
    usual = {"name": "old", "description": "theirs", "resource_group_id": "rg-1"}
    mine = {**usual, **changed, "tags": {**OUR_TAGS, "a": "b", **(tags or {})}}
    return facts("i-9", **mine)


@pytest.mark.parametrize(
    ("of", "step"),
    [
        pytest.param(
            full(going(adopted=FOUND, routes=(noted(), noted(OTHER))),
                 routes=table(entry(), entry(OTHER))),
            remove_route(), id="the routes that we added go",
        ),
        pytest.param(
            full(going(adopted=FOUND, eip=ALLOCATED, routes=(noted(OTHER),)),
                 routes=table(entry(OTHER))),
            unbind(1), id="so does the EIP",
        ),
        pytest.param(
            seen(going(adopted=FOUND, eip={"allocationId": "eip-9"}), given_back(),
                 eips=eips(eip(9, MINE))),
            UNTAG, id="but not the one that it had, though it was named",
        ),
        pytest.param(
            seen(going(adopted=FOUND, members=(member(1), member(9))),
                 replace(given_back(), associated_instances=frozenset({"i-1", "i-9"}))),
            leave(1), id="and the members that we added",
        ),
        pytest.param(
            seen(going(adopted=FOUND), given_back(name="new")), Modify(MINE, "old", "theirs"),
            id="it gets its name back",
        ),
        pytest.param(
            seen(going(adopted=FOUND), given_back(resource_group_id="rg-2")),
            Move(ResourceType.HA_VIP, MINE, "rg-1"), id="its resource group",
        ),
        pytest.param(
            seen(going(adopted=FOUND, tags={"a": "c"}), given_back(tags={"a": "c"})),
            Tag(ResourceType.HA_VIP, MINE, {"a": "b"}), id="its tags",
        ),
        pytest.param(
            seen(going(adopted=FOUND, tags={"a": "b", "c": "d"}), given_back(tags={"c": "d"})),
            Untag(ResourceType.HA_VIP, MINE, (*OURS, "c")), id="without those that we added",
        ),
        pytest.param(
            seen(going(adopted=FOUND), given_back()), UNTAG, id="and ours last of all"
        ),
    ],
)  # fmt: skip
def test_an_adopted_one_is_given_back_as_it_was(of: Observation, step: object) -> None:
    assert decide(of).step == step


def test_a_member_that_was_asked_for_and_is_late_is_not_left_behind() -> None:
    object_ = going(adopted=FOUND, members=(member(1, "Associating"),))
    late = after(seen(object_, given_back()))
    came = replace(given_back(), associated_instances=frozenset({"i-1", "i-9"}))
    assert decide(replace(late, cloud=CloudView(mine=came))).step == leave(1)


@pytest.mark.parametrize("policy", [None, "Delete", "Retain"])
def test_a_second_one_of_ours_goes_whatever_becomes_of_the_first(policy: str | None) -> None:
    surplus = (facts(ha_vip_id="havip-2"),)
    for object_ in (going(policy), going(policy, adopted=had())):
        of = seen(object_, cloud=CloudView(mine=facts(), surplus=surplus))
        assert decide(of).step == Delete("havip-2")


# -- what is left when it was meddled with


@pytest.mark.parametrize(
    ("left", "step"),
    [
        pytest.param(allocated(1), ReleaseEip("eip-1"), id="unbound, it is released"),
        pytest.param(allocated(1, "havip-1"), give_up(1), id="bound, it is given up"),
        pytest.param(allocated(1, charge_type="PrePaid"), give_up(1), id="so is a prepaid one"),
        pytest.param(allocated(1, deletion_protection=True), give_up(1), id="a protected one"),
        pytest.param(eip(1), None, id="without our tags it is left alone"),
    ],
)
@pytest.mark.parametrize(
    "cloud",
    [
        CloudView(absent=True),
        CloudView(mine=facts(tags={})),
        CloudView(mine=facts(tags=ownership("o", "u")), foreign="o"),
    ],
)
def test_what_becomes_of_our_eip_when_the_havip_is_gone_or_another_s(
    left: Any, step: object, cloud: CloudView
) -> None:
    of = seen(going(eip=ALLOCATED), cloud=cloud, eips=eips(left))
    assert decide(of).step == step
    assert decide(of).done is (step is None)


def test_what_is_left_in_the_cloud_is_told() -> None:
    of = seen(going(adopted=had()), facts(tags={}))
    assert MINE in decide(of).note


def test_a_key_without_eip_rights_can_delete_what_has_no_eip_of_ours() -> None:
    mine = facts(associated_eip_addresses=frozenset({"47.0.0.9"}))
    assert decide(seen(going("Retain"), mine)).step == UNTAG


# -- refused


@pytest.mark.parametrize(
    ("of", "about"),
    [
        (seen(going(), facts()), HA_VIP),
        (full(going(routes=(noted(),))), route_subject(TABLE, BLOCK)),
        (full(going(eip=ALLOCATED), routes={}), EIP),
    ],
)
def test_a_refusal_is_told_and_not_tried_again_at_once(of: Observation, about: str) -> None:
    refused = replace(of, setbacks={about: REFUSED}, resting=frozenset({about}))
    assert decide(refused).step is None
    assert "DeleteHaVip" in told(refused, ConditionType.READY).message
    again = replace(refused, resting=frozenset())
    assert decide(again).step is not None
    assert report(again) == report(refused)


def test_a_cloud_that_is_busy_is_not_pressed() -> None:
    of = seen(going(), facts("i-1"), node(1), resting=frozenset({HA_VIP}),
              setbacks={HA_VIP: Throttled("slow")})  # fmt: skip
    assert decide(of).step is None


@pytest.mark.parametrize("adopted", [None, had()])
def test_routes_that_cannot_be_looked_at_are_not_left_behind(adopted: Any) -> None:
    blind = {TABLE: RouteView(error=REFUSED)}
    of = full(going(adopted=adopted, routes=(noted(),)), routes=blind)
    assert decide(of).step is None
    assert "DeleteHaVip" in told(of, ConditionType.READY).message
    gone = full(of.havip, routes={TABLE: RouteView(error=NotFound("no table"))}, eips=eips())
    assert decide(gone).step is not None


def test_eips_that_cannot_be_looked_at_are_told() -> None:
    of = full(going(eip=ALLOCATED), routes={}, eips=None, setbacks={EIP: REFUSED})
    assert "DeleteHaVip" in told(of, ConditionType.READY).message
