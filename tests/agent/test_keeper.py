"""One HaVip on one node: real register, kernel, fence and neighbour."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from havip.agent.address import Addresses
from havip.agent.announce import Announcer
from havip.agent.epochs import Epochs
from havip.agent.fence import Holds, open_fence
from havip.agent.keeper import Keeper
from havip.agent.kube import Kube
from havip.agent.node import Node
from havip.agent.objects import Assignment
from havip.agent.register import LeaseRegister, leases
from havip.agent.report import status_of_keepers
from havip.agent.transport import Peers
from havip.api import names
from havip.api.havip import Announce
from havip.api.havipnode import HaVipNodeStatus
from havip.election.events import Answered, Outcome
from havip.election.record import Record
from havip.election.timing import Timing
from havip.election.wire import Opener, Sealer
from lab.controlplane import ControlPlane

from .conftest import PLACE, VIP, Segment, eventually, outside

pytestmark = [pytest.mark.kernel, pytest.mark.apiserver]

NAMESPACE = "default"
QUICK = Timing(heartbeat=0.04, grant=0.16, challenge=0.1, renew=0.5, unmembered=1.5)
KEY = b"k" * 32


class Register(LeaseRegister):
    """The real one, but for a while nothing comes back from it."""

    away = False

    async def write(self, record: Record, timeout: float) -> Answered:
        if self.away:
            return Answered(record.write, Outcome.UNKNOWN)
        return await super().write(record, timeout)


@dataclass
class Stage:
    """A keeper and all around it."""

    segment: Segment
    kube: Kube
    addresses: Addresses
    register: Register
    keeper: Keeper

    async def lease(self) -> Any:
        path = f"{leases(NAMESPACE)}/{names.lease_name(self.keeper.assignment.uid)}"
        return await self.kube.get(path, 5)

    def kernel(self) -> str:
        return self.segment.ip(self.segment.node, "address", "show", "dev", "eth0")

    async def acquire(self) -> None:
        self.keeper.start(await self.lease())
        await eventually(lambda: self.keeper.possession.owned and self.addresses.present(PLACE), 15)


def wall_clock() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def stage(
    segment: Segment, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Stage]:
    # What touches the kernel is opened on the node; the rest of the test is where the API is.
    fence, _ = open_fence(time.monotonic)
    fence.reset()
    addresses, announcer = Addresses(), Announcer()
    await addresses.open()
    announcer.announce(replace(PLACE, address=VIP))
    with outside():
        monkeypatch.setenv("KUBECONFIG", str(control_plane.admin_kubeconfig))
        kube, uid = Kube.from_environment(), str(uuid4())
        metadata = {"name": names.lease_name(uid), "labels": {names.LABEL_UID: uid}}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
        await kube.post(leases(NAMESPACE), body, 10)
        node = Node(
            "node1",
            1,
            fence,
            Holds(fence),
            addresses,
            announcer,
            Peers(Sealer("node1", 1, KEY), Opener("node1", [KEY]), lambda _, __: None),
            Epochs(tmp_path),
            time.monotonic,
            wall_clock,
            lambda: None,
        )
        assignment = Assignment(
            uid, NAMESPACE, "web", VIP, {"node1": 100}, QUICK, False, Announce(), ()
        )
        register = Register(kube, NAMESPACE, uid, wall_clock)
        keeper = Keeper(node, assignment, register)
        addresses.on_change = keeper.look
        yield Stage(segment, kube, addresses, register, keeper)
        addresses.on_change = lambda: None
        await keeper.close()
        await kube.close()
        await addresses.close()
        announcer.close()
        fence.close()


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
