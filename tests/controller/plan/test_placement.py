"""Advice on members that may share a physical host; nothing waits for it."""

from __future__ import annotations

from typing import Any

import pytest

from havip.api.conditions import ConditionType, Reason, find_condition
from havip.api.errors import CredentialsRefused
from havip.cloud.port import InstanceFacts
from havip.controller.observe import Observation
from tests.controller.plan.builders import (
    after,
    facts,
    havip,
    instance,
    node,
    report,
    seen,
    told,
)

NODES = (node(1), node(2), node(3))


def picture(*known: InstanceFacts, **more: Any) -> Observation:
    instances = {each.instance_id: each for each in known}
    members = ("i-1", "i-2", "i-3")[: len(known)]
    return seen(None, facts(*members), *NODES[: len(known)], **{"instances": instances, **more})


def grouped(number: int, group: int) -> InstanceFacts:
    return instance(number, deployment_set_id="ds-1", deployment_set_group=group)


@pytest.mark.parametrize(
    ("of", "said", "words"),
    [
        (picture(instance(1), instance(2)), ("True", Reason.NO_DEPLOYMENT_SET), "i-1, i-2"),
        (picture(grouped(1, 1), grouped(2, 1)), ("True", Reason.ONE_GROUP), "i-1, i-2"),
        (picture(grouped(1, 1), grouped(2, 2), grouped(3, 2)), ("True", Reason.ONE_GROUP), "i-3"),
        (picture(grouped(1, 1), grouped(2, 2)), ("False", Reason.SPREAD), ""),
        (picture(grouped(1, 1), instance(2)), ("False", Reason.SPREAD), ""),
        (picture(instance(1, dedicated_host_id="dh-1"), instance(2, dedicated_host_id="dh-1")),
         ("True", Reason.ONE_GROUP), "i-1, i-2"),
        (picture(instance(1, dedicated_host_id="dh-1"), instance(2, dedicated_host_id="dh-2")),
         ("False", Reason.SPREAD), ""),
        (picture(instance(1)), ("False", Reason.SPREAD), "no two"),
    ],
)  # fmt: skip
def test_the_advice(of: Observation, said: tuple[str, str], words: str) -> None:
    found = told(of, ConditionType.SPREAD_ADVISED)
    assert (str(found.status), found.reason) == said
    assert words in found.message


def test_advice_is_taken_back_when_there_are_no_two_members_any_more() -> None:
    advised = picture(instance(1), instance(2))
    alone = after(advised, nodes=NODES[:1], cloud=seen(None, facts("i-1")).cloud)
    assert told(alone, ConditionType.SPREAD_ADVISED).status == "False"


@pytest.mark.parametrize("known", [None, {}, {"i-1": grouped(1, 1)}])
def test_without_the_facts_nothing_is_said_nor_unsaid(known: Any) -> None:
    fresh = picture(instance(1), instance(2), instances=known)
    assert find_condition(report(fresh).conditions, ConditionType.SPREAD_ADVISED) is None
    before = after(picture(grouped(1, 1), grouped(2, 2)), instances=known)
    assert report(before) == before.havip.status


def test_a_key_that_may_not_look_is_said_to_be_the_reason() -> None:
    error = CredentialsRefused("ecs:DescribeInstances is missing", reason="PermissionMissing")
    of = picture(instance(1), instance(2), instances=None, setbacks={"instances": error})
    found = told(of, ConditionType.SPREAD_ADVISED)
    assert (str(found.status), found.reason) == ("Unknown", "PermissionMissing")


def test_ready_does_not_heed_it() -> None:
    of = picture(instance(1), instance(2))
    assert told(of, ConditionType.READY).reason != Reason.NO_DEPLOYMENT_SET


def test_nothing_is_advised_of_what_is_deleted() -> None:
    of = seen(havip(deleted=0), facts("i-1", "i-2"), instances={})
    assert find_condition(report(of).conditions, ConditionType.SPREAD_ADVISED) is None
