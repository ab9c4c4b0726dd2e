"""Which peers an agent says it does not hear."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from havip.agent.hearing import Hearing

from .conftest import eventually
from .test_transport import Station, stations

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Ear:
    """An agent that looks every 2 s, and what it says."""

    def __init__(self, *expected: str) -> None:
        self.hearing = Hearing()
        self.expected = expected
        self.now = 0.0
        self.news: list[float] = []

    def until(self, end: float, last_heard: Mapping[str, float] | None = None) -> dict[str, float]:
        """Look until `end`; return who is unheard, and since when."""
        while self.now <= end:
            wall = BEGIN + timedelta(seconds=self.now)
            if self.hearing.look(self.expected, last_heard or {}, self.now, wall):
                self.news.append(self.now)
            self.now += 2
        return self.told()

    def told(self) -> dict[str, float]:
        unheard = self.hearing.unheard()
        return {each.node: (each.since - BEGIN).total_seconds() for each in unheard}


def test_a_peer_that_was_heard_and_fell_silent_is_told_with_when_it_was_heard() -> None:
    ear = Ear("node2", "node3")
    assert ear.until(12, {"node2": 3.0, "node3": 11.0}) == {}
    assert ear.until(14, {"node2": 3.0, "node3": 13.0}) == {"node2": 3.0}


def test_a_peer_that_never_spoke_is_waited_for_since_it_was_first_expected() -> None:
    ear = Ear()
    ear.until(100)
    ear.expected = ("node2",)
    assert ear.until(110) == {}
    assert ear.until(112) == {"node2": 102.0}


def test_an_agent_says_nothing_of_anybody_in_its_own_first_seconds() -> None:
    assert Ear("node2", "node3").until(8) == {}


def test_a_silence_that_goes_on_is_no_news() -> None:
    ear = Ear("node2")
    assert ear.until(60) == ear.until(600) == {"node2": 0.0}
    assert ear.news == [10.0]


def test_who_is_heard_again_or_no_longer_expected_is_not_unheard() -> None:
    ear = Ear("node2", "node3")
    assert set(ear.until(20)) == {"node2", "node3"}
    assert set(ear.until(22, {"node2": 21.0})) == {"node3"}
    ear.expected = ("node2",)
    assert ear.until(24, {"node2": 23.0}) == {}


def test_a_node_that_joins_anew_is_waited_for_anew() -> None:
    ear = Ear("node2")
    ear.until(20, {"node2": 1.0})
    ear.expected = ()
    ear.until(100)
    ear.expected = ("node2",)
    assert ear.until(108, {"node2": 1.0}) == {}


def test_after_a_time_in_which_this_agent_was_frozen_silences_are_counted_anew() -> None:
    ear = Ear("node2")
    ear.until(4, {"node2": 4.0})
    ear.now = 60.0
    assert ear.until(68, {"node2": 4.0}) == {}
    assert ear.until(70, {"node2": 4.0}) == {"node2": 60.0}


def test_the_list_is_no_longer_than_what_a_report_may_have() -> None:
    ear = Ear(*(f"node{number}" for number in range(200)))
    assert len(ear.until(20)) == 64


async def test_agents_greet_those_they_expect_and_are_heard_by_it() -> None:
    one, two = Station("node1"), Station("node2")
    async with stations(one, two):
        one.peers.know({"node2": two.endpoint})
        greeting = asyncio.create_task(
            Hearing().run(one.peers, lambda: frozenset({"node2", "node9"}), lambda: None)
        )
        await eventually(lambda: set(two.peers.last_heard) == {"node1"})
        greeting.cancel()
        assert two.heard == [], "a greeting is no message to an election"
        assert one.peers.last_heard == {}
