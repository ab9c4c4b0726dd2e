"""One HaVip on one node, from taking it to leaving it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from havip.agent.epochs import Epochs
from havip.agent.measures import REGISTER_CALLS
from havip.agent.report import status_of_keepers
from havip.api.havipnode import HaVipNodeStatus

from .conftest import PLACE, VIP, Stage, eventually

pytestmark = [pytest.mark.kernel, pytest.mark.apiserver]


async def test_a_vacant_address_is_taken_and_answered(stage: Stage) -> None:
    await stage.acquire()
    lease = await stage.lease()
    assert lease["spec"]["holderIdentity"] == "node1"
    assert f"{VIP}/24" in stage.kernel()
    assert stage.segment.answered(VIP)


async def test_how_it_was_acquired_is_reported(stage: Stage) -> None:
    await stage.acquire()
    ownership = stage.keeper.possession.ownership
    assert ownership is not None
    await eventually(lambda: ownership.announced is not None)
    (hold,) = status_of_keepers(HaVipNodeStatus(), [stage.keeper]).holds
    assert (hold.address, hold.epoch) == (str(VIP), 1)
    assert hold.failover is not None
    assert hold.failover.reason == "vacant"
    phases = hold.failover.phases
    assert phases.acquired is not None
    assert phases.address_set is not None
    assert phases.announced is not None
    assert phases.acquired <= phases.address_set <= phases.announced


async def test_leaving_removes_the_address_before_the_register_is_given_up(stage: Stage) -> None:
    await stage.acquire()
    stage.keeper.leave(hand_over=True)
    await eventually(stage.keeper.left.is_set)
    assert str(VIP) not in stage.kernel()
    lease = await stage.lease()
    assert not lease["spec"].get("holderIdentity")


async def test_a_node_that_is_excluded_lets_go_though_the_register_is_away(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await stage.acquire()
    stage.register.away = True
    stage.keeper.leave(hand_over=True)
    stage.keeper.leave(hand_over=False)
    await eventually(lambda: "released epoch 1: this node is to have it no longer" in caplog.text)
    assert str(VIP) not in stage.kernel()
    assert (await stage.lease())["spec"]["holderIdentity"] == "node1"
    stage.register.away = False
    await eventually(stage.keeper.left.is_set)
    assert not (await stage.lease())["spec"].get("holderIdentity")
    assert str(VIP) not in stage.kernel()


async def test_an_address_that_somebody_removed_comes_back(stage: Stage) -> None:
    await stage.acquire()
    stage.segment.ip(stage.segment.node, "address", "delete", f"{VIP}/24", "dev", "eth0")
    await eventually(lambda: str(VIP) in stage.kernel())
    assert stage.keeper.possession.owned


async def test_without_members_and_register_the_address_goes_and_comes_back(stage: Stage) -> None:
    await stage.acquire()
    stage.register.away = True
    await eventually(lambda: str(VIP) not in stage.kernel())
    assert not stage.keeper.possession.owned
    stage.register.away = False
    await eventually(lambda: stage.keeper.possession.owned and stage.addresses.present(PLACE))


async def test_a_link_that_goes_down_makes_the_node_unfit(stage: Stage) -> None:
    await stage.acquire()
    assert stage.keeper.healthy
    stage.segment.ip(stage.segment.neighbour, "link", "set", "eth0", "down")
    await eventually(lambda: not stage.keeper.healthy)
    stage.segment.ip(stage.segment.neighbour, "link", "set", "eth0", "up")
    await eventually(lambda: stage.keeper.healthy)


async def test_the_epoch_is_on_the_disk_when_the_register_has_it(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.acquire()
    assert Epochs(tmp_path).recall(stage.keeper.assignment.uid) == 1


async def test_without_a_disk_to_keep_epochs_on_nothing_is_claimed(
    stage: Stage, tmp_path: Path
) -> None:
    tmp_path.rmdir()
    tmp_path.write_text("a file where the folder was: neither write nor unlink can succeed")
    stage.keeper.start(await stage.lease())
    await eventually(lambda: stage.keeper.failures > 3)
    assert not stage.keeper.possession.owned
    assert "holderIdentity" not in (await stage.lease())["spec"]
    tmp_path.unlink()
    tmp_path.mkdir()
    await eventually(lambda: stage.keeper.possession.owned)


def register_calls(stage: Stage) -> dict[tuple[str, str], float]:
    """How many calls there were, by action and result."""
    return {
        (sample.labels["action"], sample.labels["result"]): sample.value
        for family in stage.node.ledger.collect()
        if family.name == REGISTER_CALLS.name
        for sample in family.samples
        if sample.name.endswith("_count")
    }


async def test_an_ownership_is_counted_by_its_reason(stage: Stage) -> None:
    await stage.acquire()
    assert stage.keeper.tally.takeovers["vacant"] == 1
    assert sum(stage.keeper.tally.takeovers.values()) == 1


async def test_calls_to_the_register_are_counted_by_their_result(stage: Stage) -> None:
    await stage.acquire()
    stage.register.away = True
    await eventually(lambda: register_calls(stage).get(("write", "unknown"), 0) > 0)
    assert register_calls(stage)["write", "confirmed"] > 0


async def test_what_was_ridden_through_is_counted_while_the_register_is_away(
    stage: Stage,
) -> None:
    await stage.acquire()

    def ridden() -> float:
        tally, owned = stage.keeper.tally, stage.keeper.possession.owned
        return tally.ridden(owned=owned, now=stage.node.clock())

    assert ridden() == 0
    stage.register.away = True
    await eventually(lambda: ridden() > 0)
