"""What is counted of one HaVip on a node."""

from __future__ import annotations

from havip.agent.tally import Tally
from havip.election.messages import Heartbeat


def beat(sequence: int, *, epoch: int = 1, run: int = 1) -> Heartbeat:
    return Heartbeat(epoch, run, sequence, 0.6, frozenset())


def test_heartbeats_that_are_missing_between_two_are_lost() -> None:
    tally = Tally()
    for sequence in (7, 8, 11, 12):
        tally.heard("node1", beat(sequence))
    assert (tally.received, tally.lost) == (4, 2)


def test_nothing_is_lost_between_two_ownerships() -> None:
    tally = Tally()
    tally.heard("node1", beat(900))
    tally.heard("node1", beat(5, epoch=2))
    tally.heard("node1", beat(9, epoch=2, run=2))
    tally.heard("node2", beat(20, epoch=3))
    assert tally.lost == 0


def test_an_outage_is_ridden_through_only_while_the_havip_is_ours() -> None:
    tally = Tally()
    tally.asked_register(answered=False, owned=False, now=10.0)
    assert tally.ridden(owned=False, now=12.0) == 0.0
    tally.asked_register(answered=False, owned=True, now=15.0)
    ridden_before_this_one = 3.0
    assert tally.ridden(owned=True, now=16.0) == ridden_before_this_one + 1.0


def test_what_was_ridden_through_never_grows_less() -> None:
    tally = Tally()
    tally.asked_register(answered=False, owned=True, now=10.0)
    assert tally.ridden(owned=True, now=14.0) == 4.0
    assert tally.ridden(owned=False, now=20.0) == 4.0
    tally.asked_register(answered=True, owned=False, now=21.0)
    assert tally.ridden(owned=True, now=30.0) == 4.0
