"""Limits: what would go over one is not asked for, and those who use it up are named."""

from __future__ import annotations

from typing import Any

import pytest

from havip.api.conditions import ConditionType, Reason
from havip.api.errors import QuotaExceeded
from havip.controller.cloudview import CloudView
from havip.controller.observe import Observation
from havip.controller.plan.steps import Create
from tests.controller.plan.builders import (
    decide,
    facts,
    havip,
    join,
    klass,
    node,
    report,
    seen,
    told,
)


def others(number: int, *members: str, **known: Any) -> dict[str, Any]:
    return {
        f"havip-9{each}": facts(
            *members, ha_vip_id=f"havip-9{each}", tags={"havip.dev/name": f"n/x{each}"}, **known
        )
        for each in range(number)
    }


def new(listed: dict[str, Any], **limits: int) -> Observation:
    object_ = havip(known=None)
    return seen(object_, cloud=CloudView(absent=True), listed=listed, klass=klass(**limits))


def test_a_vpc_that_is_full_takes_no_other() -> None:
    of = new(others(3), haVipsPerVpc=3)
    assert decide(of).step is None
    ready = told(of, ConditionType.READY)
    assert ready.reason == Reason.QUOTA_EXCEEDED
    for words in ("havip-90 (n/x0)", "havip-92 (n/x2)", "spec.limits.haVipsPerVpc"):
        assert words in ready.message


@pytest.mark.parametrize(
    "of",
    [
        new(others(3), haVipsPerVpc=4),
        new(others(3, vpc_id="vpc-2", v_switch_id="vsw-b"), haVipsPerVpc=3),
    ],
)
def test_one_with_room_does(of: Observation) -> None:
    assert isinstance(decide(of).step, Create)


def test_what_the_cloud_says_of_a_limit_is_tried_again_in_time() -> None:
    of = new({})
    error = QuotaExceeded("the account has 50")
    resting = seen(
        of.havip, cloud=of.cloud, setbacks={"havip": error}, resting=frozenset({"havip"})
    )
    assert decide(resting).step is None
    again = seen(of.havip, cloud=of.cloud, setbacks={"havip": error})
    assert isinstance(decide(again).step, Create)
    for each in (resting, again):
        assert told(each, ConditionType.READY).reason == Reason.QUOTA_EXCEEDED


def test_an_instance_with_its_five_gives_its_place_to_another() -> None:
    mine = facts()
    listed = {**others(5, "i-1"), mine.ha_vip_id: mine}
    of = seen(None, mine, node(1), node(2), listed=listed)
    assert decide(of).step == join(2)
    refused = next(each for each in report(of).members if each.node == "node1")
    assert "havip-90 (n/x0)" in refused.reason
    raised = seen(None, mine, node(1), node(2), listed=listed, klass=klass(haVipsPerInstance=6))
    assert decide(raised).step == join(1)


def test_a_member_is_not_over_the_limit_by_what_it_is_already() -> None:
    mine = facts("i-1")
    of = seen(None, mine, node(1), listed={**others(5, "i-1"), mine.ha_vip_id: mine})
    assert decide(of).step is None
    assert [str(each.state) for each in report(of).members] == ["Associated"]


def test_members_are_limited_by_the_user_and_by_the_class() -> None:
    nodes = [node(number) for number in range(1, 5)]
    full = facts("i-1", "i-2")
    assert decide(seen(havip(members={"max": 2}), full, *nodes)).step is None
    assert decide(seen(None, full, *nodes, klass=klass(membersPerHaVip=2))).step is None
    assert decide(seen(havip(members={"max": 3}), full, *nodes)).step == join(3)


def test_no_more_than_ten_are_named() -> None:
    message = told(new(others(13), haVipsPerVpc=13), ConditionType.READY).message
    assert "and 3 more" in message
