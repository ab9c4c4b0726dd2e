"""A node's HaVipNode says what the agent sees, is owned by the Node, and is renewed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from havip.agent.kube import Kube, RefusedError
from havip.agent.objects import NODES
from havip.agent.report import Reporter
from havip.api.havipnode import HaVipNodeStatus
from lab.controlplane import ControlPlane

from .conftest import eventually

pytestmark = pytest.mark.apiserver


def wall_clock() -> datetime:
    return datetime.now(UTC)


class Desk:
    """A reporter of a node of its own, and what it has to report."""

    def __init__(self, kube: Kube, plane: ControlPlane) -> None:
        self.kube = kube
        self.plane = plane
        self.node = f"node-{uuid4()}"
        self.status = HaVipNodeStatus(instance_id="i-1")
        self.reporter = Reporter(kube, self.node, lambda: self.status, wall_clock)

    async def stored(self) -> Any:
        return await self.kube.get(f"{NODES}/{self.node}", 5)


@pytest.fixture
async def desk(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.admin_kubeconfig))
    kube = Kube.from_environment()
    yield Desk(kube, control_plane)
    await kube.close()


async def test_the_first_report_makes_the_object_under_its_node(desk: Desk) -> None:
    desk.plane.create_node(desk.node)
    await desk.reporter.write()
    stored = await desk.stored()
    assert stored["status"]["instanceId"] == "i-1"
    assert stored["status"]["heartbeatAt"]
    (owner,) = stored["metadata"]["ownerReferences"]
    node = json.loads(desk.plane.kubectl("get", "node", desk.node, "-o", "json"))
    assert owner["uid"] == node["metadata"]["uid"]


async def test_without_a_node_nothing_is_made(desk: Desk) -> None:
    with pytest.raises(RefusedError, match="404"):
        await desk.reporter.write()


async def test_what_is_no_longer_so_leaves_the_report(desk: Desk) -> None:
    desk.plane.create_node(desk.node)
    desk.status = HaVipNodeStatus(healthy={"a": True, "b": False})
    await desk.reporter.write()
    desk.status = HaVipNodeStatus(healthy={"b": True})
    await desk.reporter.write()
    assert (await desk.stored())["status"]["healthy"] == {"b": True}


async def test_a_report_says_since_when_there_was_no_gap_between_reports(desk: Desk) -> None:
    desk.plane.create_node(desk.node)
    begin = wall_clock()
    times = [begin + timedelta(seconds=after) for after in (0, 20, 50, 81, 101)]
    reporter = Reporter(desk.kube, desk.node, lambda: desk.status, iter(times).__next__)
    since = []
    for now in times:
        await reporter.write()
        status = HaVipNodeStatus.from_json((await desk.stored())["status"])
        assert status.heartbeat_at == now
        since.append(status.reporting_since)
    assert since == [times[0], times[0], times[0], times[3], times[3]]


async def test_a_change_is_written_soon_and_an_object_that_is_deleted_comes_back(
    desk: Desk,
) -> None:
    desk.plane.create_node(desk.node)
    work = asyncio.create_task(desk.reporter.run())

    def instance() -> str:
        done = desk.plane.try_kubectl(
            "get", "hvn", desk.node, "-o", "jsonpath={.status.instanceId}"
        )
        return done.stdout

    async def shows(value: str) -> None:
        async with asyncio.timeout(15):
            while await asyncio.to_thread(instance) != value:
                pass

    try:
        await shows("i-1")
        desk.status = HaVipNodeStatus(instance_id="i-2")
        desk.reporter.changed()
        await shows("i-2")
        await asyncio.to_thread(desk.plane.kubectl, "delete", "hvn", desk.node)
        desk.status = HaVipNodeStatus(instance_id="i-3")
        desk.reporter.changed()
        await shows("i-3")
    finally:
        work.cancel()
        await eventually(work.done)
