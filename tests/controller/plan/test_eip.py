"""The EIP: which one is bound, in which order one follows another, and what is never touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from havip.api.conditions import ConditionStatus, ConditionType, Reason
from havip.api.errors import QuotaExceeded, Throttled
from havip.cloud.port import ResourceType
from havip.controller.cloudview import CloudView
from havip.controller.observe import Observation
from havip.controller.plan.steps import EIP, AllocateEip, ModifyEip, Move, ReleaseEip, Tag
from tests.controller.plan.builders import (
    MINE,
    OUR_TAGS,
    after,
    allocated,
    bind,
    decide,
    eip,
    eips,
    facts,
    give_up,
    had,
    havip,
    join,
    node,
    report,
    seen,
    told,
    unbind,
)

NAMED: dict[str, Any] = {"eip": {"allocationId": "eip-1"}}
WANTED: dict[str, Any] = {"eip": {"allocate": {}}}
ON_RECORD: dict[str, Any] = {
    "eip": {"allocationId": "eip-1", "address": "47.0.0.1", "allocated": True},
    "lastAllocatedEip": "eip-1",
}
BOUND_NAMED: dict[str, Any] = {"eip": {"allocationId": "eip-1", "address": "47.0.0.1"}}
STRANGER = {"havip.dev/cluster": "other", "havip.dev/uid": "x"}


def picture(
    spec: dict[str, Any], *known: Any, state: dict[str, Any] | None = None, **more: Any
) -> Observation:
    mine = more.pop("mine", None) or facts(
        associated_eip_addresses=frozenset(e.address for e in known if e.instance_id == MINE)
    )
    listings = more.pop("listings", 9)
    view = eips(*known, listings=listings)
    return seen(havip(state=state, **spec), mine, **{"eips": view, **more})


UNBOUND: dict[str, Any] = {"cloud": CloudView(mine=facts())}
"""What the listing of HaVips shows once the EIP is unbound."""


def verdict(of: Observation) -> tuple[str, str]:
    found = told(of, ConditionType.EIP_BOUND)
    return str(found.status), found.reason


# -- by id


def test_a_named_one_is_bound() -> None:
    free = picture(NAMED, eip(1))
    assert decide(free).step == bind(1)
    assert verdict(free) == ("False", Reason.BINDING)


def test_it_is_on_record_before_it_is_bound() -> None:
    assert report(picture(NAMED, eip(1))).eip is not None


@pytest.mark.parametrize("status", ["Associating", "Unassociating", "Funny"])
def test_one_in_transition_is_waited_for(status: str) -> None:
    passing = picture(NAMED, eip(1, status=status))
    assert decide(passing).step is None
    assert decide(passing).watch
    assert verdict(passing) == ("False", Reason.BINDING)


def test_one_that_is_bound_is_left_alone() -> None:
    bound = picture(NAMED, eip(1, MINE), state=BOUND_NAMED)
    assert decide(bound).step is None
    assert verdict(bound) == ("True", Reason.BOUND)
    assert report(bound).eip_address == "47.0.0.1"


@pytest.mark.parametrize(
    ("known", "reason", "words"),
    [
        pytest.param((), Reason.EIP_NOT_FOUND, "spec.eip.allocationId", id="missing"),
        pytest.param((eip(1, "i-7", instance_type="EcsInstance"),), Reason.EIP_ELSEWHERE,
                     "EcsInstance i-7", id="bound elsewhere"),
        pytest.param((eip(1, business_status="FinancialLocked"),), Reason.EIP_UNUSABLE, "bill",
                     id="locked"),
        pytest.param((eip(1, service_managed=True),), Reason.EIP_UNUSABLE, "another product",
                     id="another product's"),
        pytest.param((eip(1, tags=STRANGER),), Reason.OWNED_BY_ANOTHER, "cluster other",
                     id="allocated for another"),
    ],
)  # fmt: skip
def test_one_that_cannot_be_bound_is_refused_with_what_to_do(
    known: tuple[Any, ...], reason: Reason, words: str
) -> None:
    refused = picture(NAMED, *known)
    assert decide(refused).step is None
    assert verdict(refused) == ("False", reason)
    assert words in told(refused, ConditionType.EIP_BOUND).message


def test_what_is_bound_stays_bound_while_another_cannot_be() -> None:
    wish = {"eip": {"allocationId": "eip-2"}}
    for known in ([eip(1, MINE)], [eip(1, MINE), eip(2, "i-7")]):
        kept = picture(wish, *known, state=BOUND_NAMED)
        assert decide(kept).step is None
        assert report(kept).eip == kept.havip.status.eip


def test_what_was_allocated_stays_while_the_named_one_cannot_be_bound_and_is_told() -> None:
    wish = {"eip": {"allocationId": "eip-9"}}
    for mine in (allocated(1, MINE), allocated(1)):
        kept = picture(wish, mine, state=ON_RECORD)
        assert decide(kept).step is None
        assert "eip-1 (47.0.0.1)" in told(kept, ConditionType.EIP_BOUND).message


@pytest.mark.parametrize("known_to_us", [False, True])
def test_a_foreign_one_is_not_driven_out(known_to_us: bool) -> None:
    mine = facts(associated_eip_addresses=frozenset({"47.0.0.9"}))
    others = (eip(9, MINE),) if known_to_us else ()
    taken = picture(NAMED, eip(1), *others, mine=mine)
    assert decide(taken).step is None
    assert verdict(taken) == ("False", Reason.FOREIGN_EIP)
    assert "47.0.0.9" in told(taken, ConditionType.EIP_BOUND).message
    assert report(taken).eip_address == "47.0.0.9"


def test_without_a_wish_a_foreign_one_is_told_and_left_alone() -> None:
    mine = facts(associated_eip_addresses=frozenset({"47.0.0.9"}))
    left = seen(havip(), mine)
    assert decide(left).step is None
    assert verdict(left) == ("True", Reason.NOT_WANTED)
    assert "47.0.0.9" in told(left, ConditionType.EIP_BOUND).message


# -- allocated


def test_one_is_allocated_with_all_it_is_to_have() -> None:
    wish = {"bandwidthMbps": 20, "isp": "BGP_PRO", "tags": {"a": "b"}, "name": "front"}
    step = decide(picture({"eip": {"allocate": wish}})).step
    assert isinstance(step, AllocateEip)
    assert (step.new.bandwidth_mbps, step.new.isp, step.new.name) == (20, "BGP_PRO", "front")
    assert step.new.tags == {"a": "b", **OUR_TAGS}
    assert step.instead_of == ""


def test_that_one_was_asked_for_is_on_record_first() -> None:
    state = report(picture(WANTED)).eip
    assert state is not None
    assert state.allocating


def test_one_that_was_allocated_is_found_by_its_tags() -> None:
    found = picture(WANTED, allocated(1), state={"eip": {"allocating": True}})
    assert decide(found).step == bind(1)
    after_it = report(found)
    assert after_it.eip is not None
    assert (after_it.eip.allocated, after_it.eip.allocating) == (True, False)
    assert after_it.last_allocated_eip == "eip-1"


@pytest.mark.parametrize(
    ("changed", "step"),
    [
        ({"name": "x"}, ModifyEip("eip-1", "n-web", "", 5)),
        ({"bandwidth_mbps": 1}, ModifyEip("eip-1", "n-web", "", 5)),
        ({"tags": {}}, Tag(ResourceType.EIP, "eip-1", OUR_TAGS)),
        ({"resource_group_id": "rg-x"}, Move(ResourceType.EIP, "eip-1", "rg-1")),
    ],
)
def test_what_somebody_changed_of_it_is_mended(changed: dict[str, Any], step: object) -> None:
    wish = {"eip": {"allocate": {"resourceGroupId": "rg-1"}}}
    one = allocated(1, MINE, **{"resource_group_id": "rg-1", **changed})
    meddled = picture(wish, one, state=ON_RECORD)
    assert decide(meddled).step == step
    assert verdict(meddled) == ("True", Reason.BOUND)


def test_a_spare_one_is_released() -> None:
    spare = picture(WANTED, allocated(1, MINE), allocated(2), state=ON_RECORD)
    assert decide(spare).step == ReleaseEip("eip-2")
    assert verdict(spare) == ("True", Reason.BOUND)


def test_a_lost_one_is_made_anew_once_it_is_surely_gone() -> None:
    late = picture(WANTED, state=ON_RECORD, listings=1)
    assert decide(late).step is None
    gone = picture(WANTED, state=ON_RECORD)
    step = decide(gone).step
    assert isinstance(step, AllocateEip)
    assert step.instead_of == "eip-1"


def test_one_that_was_moved_to_an_instance_by_hand_is_not_taken_back() -> None:
    moved = picture(WANTED, allocated(1, "i-7"), state=ON_RECORD)
    assert decide(moved).step is None
    assert verdict(moved) == ("False", Reason.EIP_ELSEWHERE)


def test_one_that_was_retagged_for_another_is_unbound_when_another_is_there() -> None:
    lost = picture(WANTED, eip(1, MINE, tags=STRANGER), state=ON_RECORD)
    assert isinstance(decide(lost).step, AllocateEip)
    replaced = after(lost, eips=eips(eip(1, MINE, tags=STRANGER), allocated(2)))
    assert decide(replaced).step == unbind(1)


# -- swapped


def test_one_that_was_named_goes_before_the_next_comes() -> None:
    wish = {"eip": {"allocationId": "eip-2"}}
    swap = picture(wish, eip(1, MINE), eip(2), state=BOUND_NAMED)
    assert decide(swap).step == unbind(1)
    assert verdict(swap) == ("False", Reason.UNBINDING)
    unbound = after(swap, eips=eips(eip(1), eip(2)), **UNBOUND)
    assert decide(unbound).step == bind(2)


def test_while_one_listing_shows_the_old_one_bound_it_is_neither_forgotten_nor_a_strangers() -> (
    None
):
    mine = facts(associated_eip_addresses=frozenset({"47.0.0.1"}))
    for wish in ({"eip": {"allocationId": "eip-2"}}, {}):
        late = picture(wish, eip(1), eip(2), mine=mine, state=BOUND_NAMED)
        assert decide(late).step is None
        assert decide(late).watch
        assert report(late).eip == late.havip.status.eip
        assert told(late, ConditionType.EIP_BOUND).reason == Reason.UNBINDING


def test_a_named_one_stays_bound_until_the_one_to_be_allocated_is_there() -> None:
    begun = picture(WANTED, eip(1, MINE), state=BOUND_NAMED)
    assert isinstance(decide(begun).step, AllocateEip)
    there = after(begun, eips=eips(eip(1, MINE), allocated(2)))
    assert decide(there).step == unbind(1)
    unbound = after(there, eips=eips(eip(1), allocated(2)), **UNBOUND)
    assert decide(unbound).step == bind(2)


def test_an_allocated_one_is_released_once_the_named_one_is_bound() -> None:
    wish = {"eip": {"allocationId": "eip-2"}}
    begun = picture(wish, allocated(1, MINE), eip(2), state=ON_RECORD)
    assert decide(begun).step == unbind(1)
    unbound = after(begun, eips=eips(allocated(1), eip(2)), **UNBOUND)
    assert decide(unbound).step == bind(2)
    bound = after(unbound, eips=eips(allocated(1), eip(2, MINE)))
    assert decide(bound).step == ReleaseEip("eip-1")
    assert verdict(bound) == ("True", Reason.BOUND)


def test_the_allocated_one_becomes_the_users_when_they_name_it() -> None:
    pinned = picture(NAMED, allocated(1, MINE), state=ON_RECORD)
    assert decide(pinned).step == give_up(1)
    assert verdict(pinned) == ("True", Reason.BOUND)
    untagged = after(pinned, eips=eips(eip(1, MINE)))
    assert decide(untagged).step is None


@pytest.mark.parametrize("spec", [{}, NAMED])
def test_what_was_named_is_never_released_though_it_has_our_tags_still(
    spec: dict[str, Any],
) -> None:
    named = after(picture(NAMED, allocated(1, MINE), state=ON_RECORD))
    object_ = havip(deleted=20, **spec).model_copy(update={"status": named.havip.status})
    gone = replace(named, havip=object_, eips=eips(allocated(1)), **UNBOUND)
    assert decide(gone).step == give_up(1)


# -- taken away


def test_a_named_one_is_unbound_and_left() -> None:
    taken = picture({}, eip(1, MINE), state=BOUND_NAMED)
    assert decide(taken).step == unbind(1)
    left = after(taken, eips=eips(eip(1)), **UNBOUND)
    assert decide(left).step is None
    assert report(left).eip is None


def test_an_allocated_one_is_unbound_then_released_then_forgotten() -> None:
    taken = picture({}, allocated(1, MINE), state=ON_RECORD)
    assert decide(taken).step == unbind(1)
    unbound = after(taken, eips=eips(allocated(1)), **UNBOUND)
    assert decide(unbound).step == ReleaseEip("eip-1")
    late = after(unbound, eips=eips(listings=1))
    assert report(late).eip is not None
    gone = after(late, eips=eips())
    assert report(gone).eip is None
    assert verdict(gone) == ("True", Reason.NOT_WANTED)


def test_what_is_not_wanted_is_not_missed_while_it_goes() -> None:
    for known in (allocated(1, MINE), allocated(1), allocated(1, status="Releasing")):
        assert verdict(picture({}, known, state=ON_RECORD)) == ("True", Reason.UNBINDING)


@pytest.mark.parametrize(
    "changed",
    [{"charge_type": "PrePaid"}, {"deletion_protection": True}, {"instance_id": "i-7"}],
)
def test_what_is_not_ours_to_release_any_more_is_given_up(changed: dict[str, Any]) -> None:
    assert decide(picture({}, allocated(1, **changed), state=ON_RECORD)).step == give_up(1)


def test_one_that_lost_our_tags_is_not_released() -> None:
    lost = picture({}, eip(1), state=ON_RECORD)
    assert decide(lost).step is None
    assert report(lost).eip is None


def test_one_that_was_asked_for_and_is_late_is_not_forgotten() -> None:
    asked = picture({}, state={"eip": {"allocating": True}}, listings=1)
    assert report(asked).eip is not None
    late = after(asked, eips=eips(allocated(1), listings=1))
    assert decide(late).step == ReleaseEip("eip-1")
    assert report(late).last_allocated_eip == "eip-1"


def test_one_that_is_late_is_waited_for_also_when_another_was_named_meanwhile() -> None:
    edited = picture(NAMED, eip(1), state={"eip": {"allocating": True}}, listings=1)
    named = report(edited)
    assert named.eip is not None
    assert named.eip.allocating
    object_ = havip().model_copy(update={"status": named})
    assert report(seen(object_, facts(), eips=eips(eip(1), listings=1))).eip is not None


def test_the_next_one_is_another_than_one_that_was_released_unused() -> None:
    """The ClientToken of an allocation tells which one it is instead of."""
    late = picture({}, allocated(1), state={"eip": {"allocating": True}})
    gone = after(late, eips=eips())
    again = replace(gone, havip=havip(**WANTED).model_copy(update={"status": report(gone)}))
    step = decide(again).step
    assert isinstance(step, AllocateEip)
    assert step.instead_of == "eip-1"


def test_with_several_of_ours_the_newest_is_the_one_to_follow() -> None:
    state = {"eip": {"allocationId": "eip-5", "allocated": True, "allocating": True},
             "lastAllocatedEip": "eip-5"}  # fmt: skip
    both = picture(WANTED, allocated(2), allocated(5), state=state)
    assert report(both).last_allocated_eip == "eip-2"
    assert report(after(both)).last_allocated_eip == "eip-2"


# -- adoption


def test_what_an_adopted_one_had_stays_when_nothing_is_wanted() -> None:
    object_ = havip(adopt={"haVipId": MINE}, state={**BOUND_NAMED})
    state = object_.status.model_copy(update={"adopted": had(eip_addresses=("47.0.0.1",))})
    kept = seen(object_.model_copy(update={"status": state}), facts(), eips=eips(eip(1, MINE)))
    assert decide(kept).step is None
    assert report(kept).eip is None


def test_what_an_adopted_one_had_goes_when_it_was_named_and_another_is() -> None:
    object_ = havip(adopt={"haVipId": MINE}, eip={"allocationId": "eip-2"}, state=BOUND_NAMED)
    state = object_.status.model_copy(update={"adopted": had(eip_addresses=("47.0.0.1",))})
    known = eips(eip(1, MINE), eip(2))
    assert decide(seen(object_.model_copy(update={"status": state}), facts(), eips=known)).step == (
        unbind(1)
    )


# -- trouble


def test_a_refusal_is_told_and_holds_up_nothing_else() -> None:
    error = QuotaExceeded("too many EIPs")
    refused = picture(WANTED, nodes=(node(1),), setbacks={EIP: error}, resting=frozenset({EIP}))
    assert decide(refused).step == join(1)
    assert verdict(refused) == ("False", Reason.QUOTA_EXCEEDED)


def test_a_refusal_is_told_also_while_it_is_tried_again() -> None:
    again = picture(WANTED, setbacks={EIP: QuotaExceeded("too many EIPs")})
    assert isinstance(decide(again).step, AllocateEip)
    assert verdict(again) == ("False", Reason.QUOTA_EXCEEDED)


def test_what_only_has_to_be_waited_for_is_told_and_unsays_nothing() -> None:
    busy = {EIP: Throttled("slow down")}
    assert verdict(picture(WANTED, setbacks=busy)) == ("False", Reason.THROTTLED)
    named = allocated(1, MINE, name="x")
    bound = picture(WANTED, named, state=ON_RECORD, setbacks=busy)
    assert isinstance(decide(bound).step, ModifyEip)
    assert verdict(bound) == ("True", Reason.THROTTLED)


def test_before_the_eips_are_seen_nothing_is_unsaid() -> None:
    bound = after(picture(NAMED, eip(1, MINE)))
    again = replace(bound, eips=None)
    assert report(again) == report(bound)
    assert told(again, ConditionType.EIP_BOUND).status is ConditionStatus.TRUE
