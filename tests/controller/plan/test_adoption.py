"""Adoption: recorded before anything is changed, kept where nothing else is said, given back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from havip.api.conditions import ConditionType, Reason
from havip.api.errors import CredentialsRefused
from havip.cloud.port import ResourceType
from havip.controller.cloudview import CloudView, ownership
from havip.controller.observe import Observation
from havip.controller.plan.steps import TAGS, Modify, Tag
from tests.controller.plan.builders import (
    MINE,
    OUR_TAGS,
    after,
    decide,
    eips,
    facts,
    had,
    havip,
    node,
    report,
    seen,
    told,
)

BY_ID: dict[str, Any] = {"adopt": {"haVipId": MINE}}
FOUND = had("i-9", description="theirs", tags={"a": "b"})


def first(*nodes: Any, found: Any = FOUND, **spec: Any) -> Observation:
    """The first look at what is to be adopted."""
    mine = facts("i-9", name="old", description="theirs", tags={"a": "b"})
    return seen(havip(known=None, **{**BY_ID, **spec}), mine, *nodes, found=found)


def test_nothing_is_changed_before_it_is_known_what_it_has() -> None:
    unknown = first(node(1), found=None)
    assert decide(unknown).step is None
    assert report(unknown).adopted is None
    provisioned = told(unknown, ConditionType.PROVISIONED)
    assert (provisioned.status, provisioned.reason) == ("False", Reason.UPDATING)


def test_what_it_has_is_on_record_before_the_first_change() -> None:
    of = first(node(1))
    assert report(of).adopted == FOUND
    step = decide(of).step
    assert step == Tag(ResourceType.HA_VIP, MINE, OUR_TAGS, adopting=True)
    provisioned = told(of, ConditionType.PROVISIONED)
    assert (provisioned.status, provisioned.reason) == ("False", Reason.UPDATING)


def test_the_record_is_never_written_over() -> None:
    later = after(first(), found=had("i-1", "i-2"))
    assert report(later).adopted == FOUND


def test_a_member_that_it_had_is_not_even_said_to_go_in_the_first_round() -> None:
    of = first(node(9, labels={}), members={"nodeSelector": {"x": "y"}})
    assert report(of).members == ()
    assert decide(of).kept == ("i-9",)


def test_nothing_else_is_changed_before_it_is_ours() -> None:
    error = CredentialsRefused("vpc:TagResources is missing", reason="PermissionMissing")
    of = replace(
        first(node(1), eip={"allocate": {}}, name="new"),
        setbacks={TAGS: error}, resting=frozenset({TAGS}), eips=eips(),
    )  # fmt: skip
    assert decide(of).step is None
    assert told(of, ConditionType.READY).reason == "PermissionMissing"


@pytest.mark.parametrize(
    ("spec", "step"),
    [
        ({}, None),
        ({"name": "new"}, Modify(MINE, "new", "theirs")),
        ({"description": "ours"}, Modify(MINE, "old", "ours")),
    ],
)
def test_its_texts_stay_unless_the_spec_gives_others(spec: dict[str, str], step: object) -> None:
    object_ = after(first(**spec)).havip
    tagged = facts("i-9", name="old", description="theirs", tags={"a": "b", **OUR_TAGS})
    assert decide(seen(object_, tagged)).step == step


@pytest.mark.parametrize(
    "tags",
    [ownership("other", "u"), ownership("k", "other")],
)
def test_anothers_is_refused_and_left_alone(tags: dict[str, str]) -> None:
    mine = facts("i-9", tags=tags)
    cloud = CloudView(mine=mine, foreign="object x")
    of = seen(havip(known=None, **BY_ID), None, node(1), cloud=cloud)
    assert decide(of).step is None
    accepted = told(of, ConditionType.ACCEPTED)
    assert (accepted.status, accepted.reason) == ("False", Reason.OWNED_BY_ANOTHER)
    assert report(of).ha_vip_id is None
    assert report(of).members == ()


@pytest.mark.parametrize("adopt", [{"haVipId": MINE}, {"address": "10.0.0.9"}])
def test_one_that_is_not_there_is_said_to_be_missing(adopt: dict[str, str]) -> None:
    of = seen(havip(known=None, adopt=adopt), cloud=CloudView(absent=True))
    assert decide(of).step is None
    accepted = told(of, ConditionType.ACCEPTED)
    assert (accepted.status, accepted.reason) == ("False", Reason.ADOPTED_NOT_FOUND)
    assert next(iter(adopt.values())) in accepted.message


def test_one_that_vanished_is_not_made_anew() -> None:
    object_ = after(first()).havip
    of = seen(object_, cloud=CloudView(absent=True))
    assert decide(of).step is None
    assert told(of, ConditionType.READY).reason == Reason.ADOPTED_NOT_FOUND
