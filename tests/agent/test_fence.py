"""The kernel ends a hold by itself, whatever becomes of the agent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from havip.agent.announce import Announcer
from havip.agent.fence import (
    CoarseFence,
    ExactFence,
    Fence,
    FenceKind,
    Holds,
    Place,
    open_fence,
)
from havip.agent.nftables import Nftables, NftablesError

from .conftest import PLACE, VIP, Segment, inside, run, until

pytestmark = pytest.mark.kernel


@pytest.fixture
def fence(segment: Segment) -> Iterator[Fence]:
    """An exact fence on a node that has the address, so that only the fence is in question."""
    segment.ip(segment.node, "address", "add", f"{VIP}/24", "dev", "eth0")
    opened, trouble = open_fence(time.monotonic)
    assert opened.kind is FenceKind.EXACT, trouble
    opened.reset()
    yield opened
    opened.close()


def soon() -> float:
    return time.monotonic() + 30


def test_an_address_that_is_not_guarded_is_not_touched(segment: Segment, fence: Fence) -> None:
    assert segment.answered(VIP)


def test_a_guarded_address_is_closed_until_it_is_held(segment: Segment, fence: Fence) -> None:
    fence.guard(PLACE)
    assert not segment.answered(VIP)
    assert segment.neighbour_knows(VIP) is None, "not even its ARP is answered"
    assert fence.hold({PLACE: soon()}) == {PLACE}
    until(lambda: segment.answered(VIP))


def test_a_hold_ends_by_itself(segment: Segment, fence: Fence) -> None:
    fence.guard(PLACE)
    fence.hold({PLACE: time.monotonic() + 1})
    assert segment.answered(VIP)
    until(lambda: not segment.answered(VIP))


def test_a_hold_that_is_renewed_goes_on(segment: Segment, fence: Fence) -> None:
    fence.guard(PLACE)
    end = time.monotonic() + 0.5
    fence.hold({PLACE: end})
    fence.hold({PLACE: soon()})
    until(lambda: time.monotonic() > end + 0.2)
    assert segment.answered(VIP)


def test_a_hold_may_be_shortened(segment: Segment, fence: Fence) -> None:
    fence.guard(PLACE)
    fence.hold({PLACE: soon()})
    fence.hold({PLACE: time.monotonic() + 0.3})
    until(lambda: not segment.answered(VIP))


def test_a_release_closes_at_once(segment: Segment, fence: Fence) -> None:
    fence.guard(PLACE)
    fence.hold({PLACE: soon()})
    fence.release(PLACE)
    assert not segment.answered(VIP)
    fence.release(PLACE)  # again does no harm


def test_a_hold_that_is_over_before_it_is_asked_for_stays_closed(
    segment: Segment, fence: Fence
) -> None:
    fence.guard(PLACE)
    fence.hold({PLACE: soon()})
    assert not fence.hold({PLACE: time.monotonic() - 1})
    assert not segment.answered(VIP)


def test_a_freeze_between_reading_the_clock_and_the_commit_closes_again(segment: Segment) -> None:
    segment.ip(segment.node, "address", "add", f"{VIP}/24", "dev", "eth0")
    readings = iter([100.0, 200.0])
    fence = ExactFence(Nftables(), lambda: next(readings))
    fence.reset()
    fence.guard(PLACE)
    assert not fence.hold({PLACE: 130.0})
    assert not segment.answered(VIP)


def test_what_stays_within_the_node_is_not_touched(segment: Segment, fence: Fence) -> None:
    fence.guard(PLACE)
    with inside(segment.node):
        local = subprocess.run(
            ["python3", "-c", f"import socket; socket.create_connection(('{VIP}', 9), 2)"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert "ConnectionRefusedError" in local.stderr


def test_an_address_of_ours_that_is_let_go_of_is_open(segment: Segment, fence: Fence) -> None:
    fence.guard(PLACE)
    fence.unguard(PLACE)
    assert segment.answered(VIP)


def test_a_guarding_node_learns_where_the_owner_is(segment: Segment, fence: Fence) -> None:
    segment.ip(segment.node, "address", "delete", f"{VIP}/24", "dev", "eth0")
    fence.guard(PLACE)
    stale = "02:00:00:00:00:77"
    segment.ip(
        segment.node,
        *("neighbour", "add", str(VIP), "lladdr", stale, "dev", "eth0", "nud", "reachable"),
    )
    with inside(segment.neighbour):
        announcer = Announcer()
        assert announcer.announce(PLACE)

    def known() -> str:
        return segment.ip(segment.node, "neighbour", "show", str(VIP))

    until(lambda: "lladdr" in known() and stale not in known())
    announcer.close()


def test_a_flushed_ruleset_is_made_anew_with_all_that_it_guarded(
    segment: Segment, fence: Fence
) -> None:
    fence.guard(PLACE)
    run("nft", "flush", "ruleset")
    assert fence.hold({PLACE: soon()}) == {PLACE}
    assert segment.answered(VIP)
    fence.release(PLACE)
    assert not segment.answered(VIP)


def test_what_an_earlier_life_left_open_is_shut_and_stays_guarded(
    segment: Segment, fence: Fence
) -> None:
    fence.guard(PLACE)
    fence.hold({PLACE: soon()})
    later, _ = open_fence(time.monotonic)
    assert not segment.answered(VIP)
    later.reset()
    until(lambda: segment.answered(VIP))


def test_a_clean_end_leaves_no_table(segment: Segment) -> None:
    fence, _ = open_fence(time.monotonic)
    fence.reset()
    fence.close()
    assert "havip" not in run("nft", "list", "ruleset")


def test_a_command_that_makes_no_sense_is_refused_with_the_reason(segment: Segment) -> None:
    with pytest.raises(NftablesError, match="syntax error"):
        Nftables().run("add nonsense")


HOLDING = """
import sys, time
from havip.agent.fence import open_fence, Place
from ipaddress import IPv4Address
fence, _ = open_fence(time.monotonic)
fence.reset()
place = Place("eth0", IPv4Address("10.99.0.50"))
fence.guard(place)
while True:
    fence.hold({place: time.monotonic() + 0.5})
    print("held", flush=True)
    time.sleep(0.1)
"""


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
def test_a_frozen_or_killed_holder_is_cut_off(segment: Segment, blow: signal.Signals) -> None:
    segment.ip(segment.node, "address", "add", f"{VIP}/24", "dev", "eth0")
    source = Path(__file__).parents[2] / "operator"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDING],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(source)},
    )
    with holder:
        assert holder.stdout is not None
        try:
            holder.stdout.readline()
            assert segment.answered(VIP)
            holder.send_signal(blow)
            until(lambda: not segment.answered(VIP))
            if blow is signal.SIGSTOP:
                holder.send_signal(signal.SIGCONT)
                until(lambda: segment.answered(VIP))
        finally:
            holder.kill()


class Counting(Nftables):
    """The real thing, with a count of its transactions."""

    count = 0

    def run(self, commands: str) -> str:
        self.count += 1
        return super().run(commands)


async def test_holds_of_one_turn_are_one_transaction(segment: Segment) -> None:
    nftables = Counting()
    fence = ExactFence(nftables, time.monotonic)
    fence.reset()
    holds, other, past = Holds(fence), Place("eth0", IPv4Address("10.99.0.51")), 0.0
    before = nftables.count
    both = await asyncio.gather(holds.hold(PLACE, soon()), holds.hold(other, soon()))
    assert list(both) == [True, True]
    assert nftables.count == before + 1
    one = await asyncio.gather(holds.hold(PLACE, past), holds.hold(other, soon()))
    assert list(one) == [False, True]


async def test_a_hold_that_is_given_up_before_its_turn_opens_nothing(
    segment: Segment, fence: Fence
) -> None:
    fence.guard(PLACE)
    asked = asyncio.create_task(Holds(fence).hold(PLACE, soon()))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert not segment.answered(VIP)


def test_without_nftables_a_hold_is_only_as_good_as_the_clock() -> None:
    fence = CoarseFence(lambda: 100.0)
    assert fence.kind is FenceKind.COARSE
    assert fence.hold({PLACE: 101.0}) == {PLACE}
    assert not fence.hold({PLACE: 100.0})
