"""The election in a world of faults: never two owners, always one again, and every rule is needed.

A failing seed is replayed with ``make sim REPLAY=<seed>``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

from havip.election import timing
from havip.election.events import Answered, Outcome
from havip.election.follower import Follower
from havip.election.holder import Holder
from havip.election.machine import Election
from havip.election.register import Pending, Purpose
from havip.election.situation import Situation
from tests.election.simulation import schedule
from tests.election.simulation.world import World

SCHEDULES = int(os.environ.get("SEEDS", "2000"))


def test_no_schedule_has_two_owners_and_each_has_one_again_after_the_storm() -> None:
    with ProcessPoolExecutor() as pool:
        outcomes = list(pool.map(schedule.run, range(SCHEDULES), chunksize=20))
    assert [o.seed for o in outcomes if o.overlaps] == []
    assert [o.seed for o in outcomes if not o.recovered] == []
    assert len(outcomes) == SCHEDULES


def settled(seed: int, size: int = 3) -> World:
    world = World(seed, size)
    for name in world.agents:
        world.start(name)
    assert schedule.settle(world)
    return world


@pytest.mark.parametrize("seed", range(20))
def test_a_steady_holder_keeps_the_address_through_an_outage_of_the_register(seed: int) -> None:
    world = settled(seed)
    [holder] = world.open_now()
    world.hiccups = 0.0
    world.cut_off_register.update(world.agents)
    for _ in range(600):
        world.run_until(world.now + 0.1)
        assert world.open_now() == [holder]
    world.cut_off_register.clear()
    world.run_until(world.now + 10)
    assert world.open_now() == [holder]
    assert world.overlaps == []


@pytest.mark.parametrize("seed", range(20))
def test_a_frozen_holder_ends_when_its_fence_does_and_another_follows(seed: int) -> None:
    world = settled(seed)
    [holder] = world.open_now()
    world.freeze(holder)
    world.run_until(world.now + 3)
    [follower] = world.open_now()
    assert follower != holder
    world.thaw(holder)
    world.run_until(world.now + 3)
    assert len(world.open_now()) == 1
    assert world.overlaps == []


@pytest.mark.parametrize("seed", range(20))
def test_a_holder_that_stops_gives_the_address_to_a_member_at_once(seed: int) -> None:
    world = settled(seed)
    world.hiccups = 0.0
    [holder] = world.open_now()
    world.leave(holder)
    world.run_until(world.now + 2)
    released = world.released[-1][0]
    acquired, _, reason = world.held[-1]
    assert reason == "handover"
    assert 0 < acquired - released < 3 * max(world.weather.register_delay)
    assert world.agents[holder].election is None


def test_a_seed_replays_the_same_schedule() -> None:
    first, second = (schedule.run(7, trace=True) for _ in range(2))
    assert first.lines == second.lines


# -- each rule is needed: broken on purpose, the simulation must see it --------------------------------

Break = Callable[[pytest.MonkeyPatch], Callable[[World], None] | None]


def forget_a_takeover_without_an_answer(patch: pytest.MonkeyPatch) -> None:
    """Trap 1: grant the old holder on the strength of having failed, and take late what was stored."""

    def not_stored(self: Follower, pending: Pending, outcome: Outcome, now: float) -> None:
        self.situation.want_read(now)

    patch.setattr(Follower, "not_stored", not_stored)


def forget_promises_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    """Trap 2: challenge and take at once after a restart."""
    patch.setattr(Situation, "restart_over", lambda self: -math.inf)


def forget_epochs_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    """Trap 3: grant whoever asks after a restart."""

    def lowest(self: Situation) -> int:
        return 0

    patch.setattr(Situation, "lowest_epoch_to_grant", lowest)
    heartbeat = Follower.heartbeat

    def trusting(self: Follower, sender: str, beat, now: float) -> None:  # type: ignore[no-untyped-def]
        register = self.situation.register
        known, register.record = register.record, None
        try:
            heartbeat(self, sender, beat, now)
        finally:
            register.record = known

    patch.setattr(Follower, "heartbeat", trusting)


def store_writes_in_any_order(patch: pytest.MonkeyPatch) -> Callable[[World], None]:
    """Trap 4: a write counts although the version it was made against is gone."""

    def prepare(world: World) -> None:
        world.register.by_epoch_only = True

    return prepare


def believe_late_answers(patch: pytest.MonkeyPatch) -> None:
    """Trap 5: "you took over" counts from when it is heard, whatever the register says by then."""
    answered = Election._answered

    def believing(self: Election, event: Answered, now: float) -> None:
        pending = self._situation.register.in_flight
        role = self._role
        answered(self, event, now)
        if (
            pending is not None
            and pending.record.write == event.write
            and pending.purpose is Purpose.TAKE
            and event.outcome is Outcome.CONFIRMED
            and isinstance(role, Follower)
        ):
            late = Pending(pending.purpose, pending.record, now)
            self._rise(role, late, now)

    patch.setattr(Election, "_answered", believing)


def count_members_before_the_register_does(patch: pytest.MonkeyPatch) -> None:
    """Trap 6: a member that was proposed lifts the bound that a register without members sets."""

    def bound(self: Holder) -> float:
        possible = self.situation.register.possible()
        members = possible[-1].members
        wait = self.situation.timing.challenge
        if not members:
            return self.confirmed_at + timing.shorten(self.situation.timing.unmembered)
        granted = min(self._peer(name).granted_until for name in members)
        return max(granted, self.confirmed_at + timing.shorten(wait))

    patch.setattr(Holder, "bound", bound)


BREAKS: list[Break] = [
    forget_a_takeover_without_an_answer,
    forget_promises_at_a_restart,
    forget_epochs_at_a_restart,
    store_writes_in_any_order,
    believe_late_answers,
    count_members_before_the_register_does,
]


@pytest.mark.parametrize("rule", BREAKS, ids=lambda rule: rule.__name__)
def test_without_the_rule_the_simulation_finds_two_owners(
    rule: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = rule(monkeypatch)
    for seed in range(3000):
        if schedule.run(seed, prepare=prepare, calm_down=False).overlaps:
            return
    pytest.fail("broken on purpose, and not one schedule of 3000 had two owners")
