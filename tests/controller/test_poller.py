"""One listing for all: over the real SDK and the simulated cloud."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from havip.api.errors import CloudError, UserError
from havip.cloud.port import HaVipFacts, NewHaVip
from havip.controller.poller import Pace, Poller
from havip.simcloud.server import RunningCloud, running
from havip.simcloud.topology import sample

from .conftest import sdk_cloud

PACE = Pace(drift=60.0, settle=0.02, backoff=0.02, retry=0.1)
NEW = NewHaVip("vsw-sim", "", "web", "", "", {})


class Listener:
    """Waits for news of a poller."""

    def __init__(self) -> None:
        self._waiting = asyncio.Event()

    def heard(self) -> None:
        self._waiting.set()

    async def next(self) -> None:
        self._waiting = asyncio.Event()
        async with asyncio.timeout(10):
            await self._waiting.wait()


@contextlib.asynccontextmanager
async def polling(
    pace: Pace = PACE,
) -> AsyncIterator[tuple[RunningCloud, Poller[HaVipFacts], Listener]]:
    with running(sample(1)) as sim, ThreadPoolExecutor(2) as executor:
        listener = Listener()
        cloud = sdk_cloud(sim, executor)

        async def fetch() -> dict[str, HaVipFacts]:
            return {each.ha_vip_id: each for each in await cloud.describe_ha_vips()}

        poller = Poller("HaVips", fetch, pace, listener.heard)
        task = asyncio.create_task(poller.run())
        await listener.next()
        try:
            yield sim, poller, listener
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_all_who_ask_at_once_share_a_listing() -> None:
    async with polling() as (sim, poller, listener):
        sim.control.clear_calls()
        for _ in range(50):
            poller.want(time.monotonic())
        await listener.next()
        assert len(sim.control.calls("DescribeHaVips")) == 1


async def test_a_listing_that_began_late_enough_will_do() -> None:
    async with polling() as (sim, poller, _):
        assert poller.latest is not None
        sim.control.clear_calls()
        poller.want(poller.latest.started - 1)
        await asyncio.sleep(5 * PACE.settle)  # nothing is to happen
        assert sim.control.calls() == []


async def test_what_is_missing_from_listings_is_counted() -> None:
    async with polling() as (sim, poller, listener):
        with ThreadPoolExecutor(1) as executor:
            cloud = sdk_cloud(sim, executor)
            ha_vip_id = await cloud.create_ha_vip(NEW, "a")
            poller.want(time.monotonic())
            await listener.next()
            assert poller.unseen(ha_vip_id) == 0
            await cloud.delete_ha_vip(ha_vip_id, "b")
        for expected in (1, 2):
            poller.want(time.monotonic())
            await listener.next()
            assert poller.unseen(ha_vip_id) == expected
        assert poller.latest is not None
        assert poller.unseen(ha_vip_id, since=poller.latest.started - 1e-6) == 1


async def test_a_failed_listing_keeps_what_was_known_and_is_tried_again() -> None:
    async with polling() as (sim, poller, listener):
        known = poller.latest
        sim.control.fault("DescribeHaVips", "error-503", count=2)
        poller.want(time.monotonic())
        await listener.next()
        assert isinstance(poller.error, CloudError)
        assert poller.latest is known
        while poller.latest is known:
            await listener.next()
        failed = poller.error
        assert failed is None


async def test_a_refused_listing_is_tried_at_once_when_what_made_it_fail_is_mended() -> None:
    patient = replace(PACE, retry=60.0)
    async with polling(patient) as (sim, poller, listener):
        sim.control.fault("DescribeHaVips", "refuse", code="InvalidAccessKeyId.NotFound")
        poller.want(time.monotonic())
        await listener.next()
        assert isinstance(poller.error, UserError)
        poller.want(time.monotonic())
        asked = len(sim.control.calls())
        await asyncio.sleep(5 * PACE.settle)  # nothing is to happen
        assert len(sim.control.calls()) == asked
        poller.anew()
        await listener.next()
        mended = poller.error
        assert mended is None
