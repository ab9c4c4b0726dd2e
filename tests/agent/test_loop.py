"""Which HaVips a node takes part in, and how it leaves them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from havip.agent.epochs import Epochs
from havip.agent.keeper import Keeper
from havip.agent.loop import Loop
from havip.agent.objects import Assignments

from .conftest import VIP, Stage, eventually

pytestmark = [pytest.mark.kernel, pytest.mark.apiserver]


@dataclass
class Part:
    """A node that owns its one HaVip."""

    stage: Stage
    loop: Loop
    keeper: Keeper
    uid: str


@pytest.fixture
async def part(stage: Stage) -> AsyncIterator[Part]:
    loop, uid = Loop(stage.node, lambda _: stage.register), stage.keeper.assignment.uid
    stage.addresses.on_change = loop.look
    loop.assign(Assignments({uid: stage.keeper.assignment}, frozenset({uid})))
    loop.saw(await stage.lease())
    keeper = loop.keepers[uid]
    await eventually(lambda: keeper.possession.owned and str(VIP) in stage.kernel())
    yield Part(stage, loop, keeper, uid)
    await loop.stop()


async def test_the_peers_of_a_node_are_the_other_members_of_its_havips(part: Part) -> None:
    assert part.loop.peers == frozenset()
    joined = replace(part.keeper.assignment, priorities={"node1": 100, "node2": 100, "node3": 50})
    part.loop.assign(Assignments({part.uid: joined}, frozenset({part.uid})))
    assert part.loop.peers == {"node2", "node3"}


async def test_a_fenced_node_lets_go_at_once_and_takes_it_no_more(
    part: Part, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    part.stage.register.away = True
    there = frozenset({part.uid})
    part.loop.assign(Assignments({}, there, fenced=there))
    await eventually(lambda: "this node is to have it no longer" in caplog.text)
    assert str(VIP) not in part.stage.kernel()
    part.stage.register.away = False
    await eventually(lambda: part.loop.keepers == {})
    lease = await part.stage.lease()
    assert not lease["spec"].get("holderIdentity"), "it appoints nobody"
    assert Epochs(tmp_path).recall(part.uid) == 1, "it may come back and must not be behind"
    assert str(VIP) not in part.stage.kernel()


async def test_a_node_that_was_fenced_takes_part_again_once_it_is_a_member(part: Part) -> None:
    there = frozenset({part.uid})
    part.loop.assign(Assignments({}, there, fenced=there))
    await eventually(lambda: part.loop.keepers == {})
    part.loop.assign(Assignments({part.uid: part.keeper.assignment}, there))
    part.loop.saw(await part.stage.lease())
    await eventually(lambda: part.loop.keepers[part.uid].possession.owned)


async def test_a_node_that_is_fenced_while_it_hands_over_waits_for_nobody(
    part: Part, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    part.stage.register.away = True
    there = frozenset({part.uid})
    part.loop.assign(Assignments({}, there))
    assert part.keeper.possession.owned
    part.loop.assign(Assignments({}, there, fenced=there))
    await eventually(lambda: "this node is to have it no longer" in caplog.text)
    assert part.keeper.possession.ownership is None
    part.stage.register.away = False
    await eventually(lambda: part.loop.keepers == {})
