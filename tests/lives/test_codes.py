"""What a user sees of each refusal: where it is told, why, and how often it is tried again.

The rows are those that say which error a code leads to. Here each of them meets the call that it
is for, in the midst of a life, for as long as it takes to see how the controller bears it.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from havip.api.conditions import ConditionType
from havip.api.errors import CloudError, CredentialsRefused, HaVipError, UserError
from havip.cloud.faults import error_of
from havip.cloud.refusal import Refusal
from havip.simcloud.faults import Record
from tests.cloud.test_faults import DONE, TABLE, Row, rows
from tests.lives.campaign import Theatre
from tests.lives.controller import HAVIP, PACE
from tests.lives.driver import SUMMARISED, Outcome, Stage
from tests.lives.life import OTHER_TABLE, Has, Life, Scene
from tests.lives.line import WAY_SECONDS
from tests.lives.lives import EIP, GONE, ONE, ours, route, spec
from tests.lives.picture import least
from tests.lives.store import Store

REFUSED_SECONDS = 100.0
"""Long enough for a few tries of what is tried seldom, and for a busy cloud to be spoken of."""
LONGEST_SECONDS = 65.0
"""Between two tries of whatever it is, with the listings that come before."""
A_LISTING = 1.0
"""Seconds within which tries are spaced by nothing but the looks that come before them."""
BLOCK = "10.9.0.0/16"

GROWS = Scene(
    "everything at once",
    spec(eip={"allocate": {}}, routes=[route(OTHER_TABLE, BLOCK)]),
    Has(ours(1, 2, 3), EIP, routes=(f"{OTHER_TABLE} {BLOCK}",)),
)
SHRINKS = Scene(
    "one member and a text",
    spec(description="the door", **ONE),
    Has(ours(1, description="the door")),
)
SHORT = Life("everything, then nothing", (GROWS, GONE))
LONG = Life("everything, then little, then nothing", (GROWS, SHRINKS, GONE))

GROWING = (
    "GetCallerIdentity",
    "DescribeHaVips",
    "CreateHaVip",
    "AssociateHaVip",
    "AllocateEipAddress",
    "AssociateEipAddress",
    "CreateRouteEntry",
)
SHRINKING = (
    "ModifyHaVipAttribute",
    "UnassociateHaVip",
    "UnassociateEipAddress",
    "ReleaseEipAddress",
    "DeleteRouteEntry",
)
GOING = (
    "UnassociateHaVip",
    "UnassociateEipAddress",
    "ReleaseEipAddress",
    "DeleteRouteEntry",
    "DeleteHaVip",
)
NOT_MADE = {"DescribeInstances"}
"""A look at nodes without an agent, of which there are none here."""

TELLERS = {
    "DescribeHaVips": ConditionType.READY,
    "CreateHaVip": ConditionType.PROVISIONED,
    "ModifyHaVipAttribute": ConditionType.PROVISIONED,
    "UnassociateHaVip": ConditionType.PROVISIONED,
    "AssociateHaVip": ConditionType.MEMBERS_READY,
    "AllocateEipAddress": ConditionType.EIP_BOUND,
    "AssociateEipAddress": ConditionType.EIP_BOUND,
    "UnassociateEipAddress": ConditionType.EIP_BOUND,
    "ReleaseEipAddress": ConditionType.EIP_BOUND,
    "CreateRouteEntry": ConditionType.ROUTES_BOUND,
    "DeleteRouteEntry": ConditionType.ROUTES_BOUND,
}
"""The condition that speaks of a refusal. Nobody else waits for an answer to whose a key is."""

OF_THE_OBJECT = {
    "InvalidSpec",
    "NotFound",
    "VSwitchNotFound",
    "CredentialsRefused",
    "PermissionMissing",
}
"""Reasons for which an object is not accepted, if it is the HaVip itself that is refused so."""

ADVICE = re.compile(
    r"\b(apply|choose|correct|free|grant|name|pay|remove|set|unbind)\b", re.IGNORECASE
)
LOOKED_AT_AGAIN = {"NotFound"}
"""Reasons that need no advice where what is gone was made by us: the listings tell, in time."""

SUBJECT = {
    "AssociateHaVip": "InstanceId",
    "UnassociateHaVip": "InstanceId",
}
"""Parameter that tells one try from that of another, where several are made at once."""


@dataclass(frozen=True)
class Case:
    """A refusal, and where in which life it is met."""

    row: Row
    life: Life
    scene: Scene

    def __str__(self) -> str:
        return f"{self.scene.title.split()[0]}-{self.row[0]}-{self.row[1]}-{self.row[2]}"


@dataclass
class Seen:
    """What there was to be seen at the end of the refusals."""

    conditions: dict[str, dict[str, Any]] = field(default_factory=dict)
    tries: dict[str, list[Record]] = field(default_factory=dict)
    """The refused calls, by what they were about."""


NOT_PERMITTED = [
    row
    for action in TELLERS
    for row in rows(
        action, CredentialsRefused, "Forbidden.RAM", status=403, reason="PermissionMissing"
    )
    if row not in TABLE
]
"""What the table says of one call for all: a policy may leave out any."""


def cases() -> Iterator[Case]:
    for row in (*TABLE, *NOT_PERMITTED):
        if row[0] in GROWING:
            yield Case(row, SHORT, GROWS)
        if row[0] in SHRINKING:
            yield Case(row, LONG, SHRINKS)
        if row[0] in GOING:
            yield Case(row, SHORT, GONE)


CASES = list(cases())


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    theatre = Theatre()
    yield theatre.stage("instant")
    theatre.close()


def endure(stage: Stage, case: Case) -> tuple[Outcome, Seen]:
    """Run the life; one that is done already is refused once, as the cloud would."""
    action, status, code, *_ = case.row
    seen = Seen()

    async def refuse(scene: Scene, store: Store) -> None:
        if scene is not case.scene:
            return
        control = stage.cloud.control
        lasts = None if (action, code) in DONE else 0.0
        control.fault(action, "refuse", code=code, status=status, lasts=lasts)
        await asyncio.sleep(REFUSED_SECONDS)
        control.clear_faults()
        body = store.objects.get(HAVIP) or {}
        conditions = body.get("status", {}).get("conditions", [])
        seen.conditions = {each["type"]: each for each in conditions}
        for each in control.calls(action):
            if each.code == code:
                about = each.parameters.get(SUBJECT.get(action, ""), "")
                seen.tries.setdefault(about, []).append(each)

    return stage.run(case.life, meanwhile=refuse), seen


def changed(outcome: Outcome) -> tuple[Counter[str], Counter[str]]:
    """What was changed in the cloud, and what had to be, by action."""
    done = Counter(each.action for each in outcome.log if each.effect)
    pairs = pairwise(outcome.pictures)
    return done, sum((least(*each) for each in pairs), Counter[str]())


def not_true(case: Case) -> set[ConditionType]:
    """The conditions that are not as wanted while the call is refused."""
    action, _, _, kind, reason, _ = case.row
    teller, for_user = TELLERS.get(action), issubclass(kind, UserError)
    if action in {"CreateHaVip", "DescribeHaVips"}:
        accepted = {ConditionType.ACCEPTED} if reason not in OF_THE_OBJECT else set()
        return set(SUMMARISED) - accepted
    if action == "AssociateHaVip" and kind is CredentialsRefused:
        return {ConditionType.ACCEPTED, ConditionType.PROVISIONED, ConditionType.MEMBERS_READY}
    if action in {"ModifyHaVipAttribute", "UnassociateHaVip"} and for_user:
        return {ConditionType.ACCEPTED, ConditionType.PROVISIONED}
    goes = case.scene is SHRINKS and action != "ModifyHaVipAttribute"
    # What goes is not missing while it has to wait, and whose a key is need not be known.
    return {teller} if teller and (for_user or not goes) else set()


def told_by(case: Case) -> tuple[ConditionType, str] | None:
    """The condition that speaks of the refusal, and its reason; None if nobody has to know."""
    action, _, _, kind, reason, _ = case.row
    if case.scene is GONE:
        return ConditionType.READY, "Deleting"
    if action not in TELLERS:
        return None
    members_own = issubclass(kind, UserError) and kind is not CredentialsRefused
    if action == "AssociateHaVip" and members_own:
        return ConditionType.MEMBERS_READY, "MemberRefused"
    return TELLERS[action], reason


def advice(row: Row) -> str:
    """What the user is told to do; empty where nobody has to do anything."""
    action, status, code, kind, reason, _ = row
    if not issubclass(kind, UserError):
        return ""
    error = error_of(Refusal(action, status, code, ""), mutating=True)
    told = str(error).partition(" The cloud says")[0]
    assert reason in LOOKED_AT_AGAIN or ADVICE.search(told), told
    # The adapter knows the permission's name in full.
    return told.partition(f"permission {action}")[0]


def test_every_row_is_met() -> None:
    assert {each[0] for each in TABLE} == {*GROWING, *SHRINKING, *GOING, *NOT_MADE}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_refusal_is_told_where_it_belongs_and_is_got_over(stage: Stage, case: Case) -> None:
    action, _, code, kind, reason, _ = case.row
    outcome, seen = endure(stage, case)
    assert seen.tries, "the call was not made"
    assert (outcome.complaints, outcome.leaked, outcome.doubled) == ([], 0, 0)
    done, needed = changed(outcome)
    assert done == needed
    if (action, code) in DONE:
        _is_taken_for_done(case, seen)
        return
    _is_tried_again_in_time(kind, seen.tries)
    conditions = seen.conditions
    assert conditions[ConditionType.READY]["status"] == "False"
    if case.scene is not GONE:
        true = {type_ for type_, each in conditions.items() if each["status"] == "True"}
        assert set(SUMMARISED) - true == not_true(case)
        if ConditionType.ACCEPTED in not_true(case):
            assert conditions[ConditionType.ACCEPTED]["reason"] == reason
    telling = told_by(case)
    if telling is not None:
        told = conditions[telling[0]]
        assert told["reason"] == telling[1]
        assert code in told["message"]
        assert advice(case.row) in told["message"]


def _is_taken_for_done(case: Case, seen: Seen) -> None:
    """Nobody hears of it, and nothing waits for it."""
    if case.scene is GONE:
        assert seen.conditions == {}
        return
    assert {seen.conditions[each]["status"] for each in SUMMARISED} == {"True"}
    assert not [each for each in seen.conditions.values() if case.row[2] in each["message"]]


def _is_tried_again_in_time(kind: type[HaVipError], tries: dict[str, list[Record]]) -> None:
    """What a user must mend is asked seldom, what passes by itself soon and then ever less."""
    for calls in tries.values():
        gaps = [after.at - before.at for before, after in pairwise(calls)]
        # A token that has ended is replaced, and the call made once more on the spot.
        gaps = [each for each in gaps if each > A_LISTING]
        assert gaps, "it is not tried again"
        assert max(gaps) < LONGEST_SECONDS
        if not issubclass(kind, CloudError):
            assert min(gaps) > PACE.retry - max(WAY_SECONDS)
            continue
        assert gaps[0] < PACE.retry / 2
        assert all(after > before - A_LISTING for before, after in pairwise(gaps))
        assert gaps[-1] > gaps[0] + A_LISTING
