"""Whatever happens at whatever call: it comes out as wanted, nothing is left, nothing is doubled.

``make sim-cloud`` runs all the lives; here is a part that chance chooses by a seed.
"""

from __future__ import annotations

import importlib
import os
import random
import uuid
from collections import Counter
from collections.abc import Iterator

import pytest

from havip.cloud.actions import ACTIONS
from havip.cloud.tokens import Tokens
from havip.simcloud.server import RunningCloud
from tests.lives.campaign import Task, Theatre, mishaps
from tests.lives.driver import Outcome
from tests.lives.line import Line, Mishap
from tests.lives.lives import LIVES, MEMBERS, WHOLE
from tests.lives.picture import least

SEED = int(os.environ.get("SEED", random.randrange(10**6)))
TRIED = {"instant": 4, "slow": 2}
"""Mishaps tried in each life, by the pace of the cloud."""
OUTAGE_SECONDS = 600.0


@pytest.fixture(scope="module")
def theatre() -> Iterator[Theatre]:
    """Clouds of each pace."""
    opened = Theatre()
    yield opened
    opened.close()


def fewest(outcome: Outcome) -> Counter[str]:
    """The changes that the cloud needs at least, by action."""
    pairs = zip(outcome.pictures, outcome.pictures[1:], strict=False)
    return sum((least(*each) for each in pairs), Counter[str]())


@pytest.mark.parametrize("life", LIVES)
def test_an_undisturbed_life_makes_no_change_more_than_it_needs(
    theatre: Theatre, life: str
) -> None:
    outcome = theatre.stage("instant").run(LIVES[life], rests=True)
    assert outcome.complaints == []
    assert outcome.changes == fewest(outcome)


def test_the_lives_make_every_change_there_is(theatre: Theatre) -> None:
    stage = theatre.stage("instant")
    calls = [call for life in LIVES.values() for call in stage.run(life).calls if call.changes]
    assert {each.action for each in calls} == {n for n, a in ACTIONS.items() if a.changes}
    about = {(each.action, each.about.upper()) for each in calls if each.about}
    assert about == {
        (action, kind)
        for action in ("TagResources", "UnTagResources", "MoveResourceGroup")
        for kind in ("HAVIP", "EIP")
    }


@pytest.mark.parametrize(
    ("life", "mishap"),
    [
        ("eip swapped", "AssociateEipAddress#2:edits-before"),
        ("eip swapped", "ReleaseEipAddress#1:dies-unseen"),
        ("eip edited", "MoveResourceGroup#1:dies-unseen"),
        ("whole", "CreateRouteEntry#1:dies-unseen"),
        ("given back", "AssociateHaVip#2:edits-before"),
        ("given back", "UnassociateHaVip#1:drops-unseen"),
    ],
)
def test_what_was_wrong_once_is_right(theatre: Theatre, life: str, mishap: str) -> None:
    outcome = theatre.stage("instant").run(LIVES[life], Mishap.read(mishap))
    assert outcome.struck
    assert (outcome.complaints, outcome.leaked, outcome.doubled) == ([], 0, 0)


@pytest.mark.parametrize("profile", TRIED)
@pytest.mark.parametrize("life", LIVES)
def test_one_mishap_leaves_nothing_and_doubles_nothing(
    theatre: Theatre, life: str, profile: str
) -> None:
    stage = theatre.stage(profile)
    undisturbed = stage.run(LIVES[life], seed=SEED)
    assert undisturbed.complaints == []
    possible = list(mishaps(undisturbed.calls, len(LIVES[life].scenes), SEED))
    chosen = random.Random(f"{SEED} {life} {profile}").sample(possible, TRIED[profile])
    for each in chosen:
        outcome = stage.run(LIVES[life], each, seed=SEED)
        replay = (
            f'make sim-cloud REPLAY="{Task(life, each, profile, SEED)}"'
            f' ARGS="--seed {SEED} --profile {profile}"'
        )
        assert (outcome.complaints, outcome.leaked, outcome.doubled) == ([], 0, 0), replay


def test_a_region_that_throttles_for_ten_minutes_is_asked_seldom_and_served_after(
    theatre: Theatre,
) -> None:
    during: list[int] = []
    stage = theatre.stage("instant")

    def outage(cloud: RunningCloud, line: Line) -> None:
        cloud.control.throttle_region(lasts=OUTAGE_SECONDS)
        during.append(len(line.calls))

    outcome = stage.run(WHOLE, trouble=outage)
    assert outcome.complaints == []
    assert outcome.seconds > OUTAGE_SECONDS
    refused = sum(each.code.startswith("Throttling") for each in outcome.log)
    # Five listings and one change, each of which backs off to once in a minute.
    assert 0 < refused <= 6 * (OUTAGE_SECONDS / 60 + 8)


def test_a_creation_under_another_token_each_time_would_be_caught(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = theatre.stage("instant")
    unseen = Mishap.read("CreateHaVip#1:dies-unseen")
    assert stage.run(MEMBERS, unseen).doubled == 0
    monkeypatch.setattr(Tokens, "of", lambda *_: uuid.uuid4().hex)
    assert stage.run(MEMBERS, unseen).doubled


def test_an_eip_that_is_left_would_be_caught(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    teardown = importlib.import_module("havip.controller.plan.teardown")
    monkeypatch.setattr(teardown, "dispose", lambda *_, **__: (None, False))
    monkeypatch.setattr(teardown, "nothing_left", lambda *_: True)
    assert theatre.stage("instant").run(WHOLE).leaked
