"""The holder is asked to announce again while the cloud does not follow it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from havip.api.conditions import ConditionType, Reason
from havip.controller.observe import Observation
from tests.controller.plan.builders import (
    ADDRESS,
    agent,
    ago,
    condition,
    decide,
    facts,
    havip,
    held_by,
    node,
    report,
    seen,
    told,
)


def picture(
    *, held: float, differs: float | None, before: int = 0, master: str = "i-2", **known: Any
) -> Observation:
    """node1 holds since ``held`` seconds; the cloud is seen to differ since ``differs``."""
    state: dict[str, Any] = {
        "holder": {"node": "node1", "instanceId": "i-1", "epoch": 3, "since": ago(held).isoformat()}
    }
    told_before = [condition("Provisioned")]
    if differs is not None:
        told_before.append(condition("Consistent", "False", "CloudDiffers", since=differs))
    state["conditions"] = told_before
    if before:
        state["announceRequest"] = {"epoch": 3, "number": before}
    witness = node(1, agent=agent(1, kernel_addresses=(ADDRESS,)))
    mine = facts("i-1", "i-2", master_instance_id=master)
    return seen(havip(state=state), mine, witness, node(2), **{**held_by(1, 2), **known})


def asked(of: Observation) -> int:
    request = report(of).announce_request
    return request.number if request else 0


@pytest.mark.parametrize(
    ("differs", "number"),
    [(None, 0), (1, 0), (2.9, 0), (3, 1), (5.9, 1), (6, 2), (12, 3), (24, 4), (3000, 10)],
)
def test_it_is_asked_each_time_after_twice_as_long(differs: float | None, number: int) -> None:
    assert asked(picture(held=4000, differs=differs)) == number


@pytest.mark.parametrize(("differs", "again"), [(1, 2), (3, 3), (6, 6), (7, 5), (12, 12)])
def test_the_next_look_is_when_the_next_request_is_due(differs: float, again: float) -> None:
    assert decide(picture(held=4000, differs=differs)).retry_seconds == pytest.approx(again)


def test_a_request_stands_until_the_next_is_due() -> None:
    assert asked(picture(held=60, differs=4, before=1)) == 1


def test_a_cloud_that_strays_late_is_asked_for_like_one_that_never_followed() -> None:
    assert asked(picture(held=7200, differs=3)) == 1


def test_a_new_ownership_begins_anew() -> None:
    of = picture(held=4, differs=600, before=7)
    before = of.havip.status.announce_request
    assert before is not None
    older = before.model_copy(update={"epoch": 2})
    object_ = of.havip.model_copy(
        update={"status": of.havip.status.model_copy(update={"announce_request": older})}
    )
    request = report(replace(of, havip=object_)).announce_request
    assert request is not None
    assert (request.epoch, request.number) == (3, 1)


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(picture(held=60, differs=60, before=3, master="i-1"), id="it has followed"),
        pytest.param(picture(held=60, differs=60, nodes=(node(1),)), id="nothing to announce"),
        pytest.param(picture(held=60, differs=60, register=None), id="there is no holder"),
    ],
)
def test_nothing_is_asked_when(of: Observation) -> None:
    assert asked(of) == 0


def test_what_was_asked_is_told_and_is_not_unsaid_while_the_cloud_is_not_seen() -> None:
    of = picture(held=60, differs=13, before=3)
    found = told(of, ConditionType.CONSISTENT)
    assert found.reason == Reason.CLOUD_DIFFERS
    assert "3 times" in found.message
    assert asked(replace(of, cloud=None)) == 3
