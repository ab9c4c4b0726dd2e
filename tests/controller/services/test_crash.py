"""The controller dies right before and right after each of its writes to the API server.

Each life is: made, held, changed, deleted. A controller that dies is followed by one that remembers
nothing. The workers and the API server are real; kopf's watches are replaced by reading the API
server again and again, and the HaVip's own controller and the agents are played by the test.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from havip.api.names import API_VERSION
from havip.controller.kube import Json, Kube, KubernetesError
from havip.controller.poller import Pace
from havip.controller.services.workers import Services
from havip.controller.world import World
from tests.controller.conftest import Cluster
from tests.controller.death import Death, When, without_a_trace

from .conftest import Shop

pytestmark = pytest.mark.apiserver

PACE = Pace(drift=5.0, settle=0.01, backoff=0.02, retry=0.1)
KEY = "default/web"


WRITES = ("PATCH status", "PATCH web", "POST havips", "PUT web", "DELETE web")
"""A Service's status and finalizer; the HaVip made, mended and deleted."""


class MortalKube(Kube):
    """The real connection, until death strikes; nothing is called after that."""

    def __init__(self, api: Any, death: Death) -> None:
        super().__init__(api, threads=2)
        self._death = death

    async def _request(self, method: str, path: str, body: object = None) -> Json:
        write = f"{method} {path.rsplit('/', 1)[-1]}"
        request = super()._request
        # A refusal, of a write that came too late, is an answer as well.
        return await self._death.around(write, lambda: request(method, path, body), KubernetesError)


@contextlib.asynccontextmanager
async def controller(shop: Shop, death: Death) -> AsyncIterator[None]:
    """The workers of Services, which know nothing at first and are gone without a trace."""
    world = World()
    kube = MortalKube(shop.cluster.api, death)
    services = Services(world, kube, PACE, tell=lambda *_: None)

    def read() -> tuple[list[Json], list[Json], list[Json]]:
        paths = (
            f"/apis/{API_VERSION}/havipclasses",
            f"/apis/{API_VERSION}/havips",
            "/api/v1/services",
        )
        classes, havips, found = (shop.call("GET", path)["items"] for path in paths)
        return classes, havips, found

    async def watch() -> None:
        known: dict[str, str] = {}
        while True:
            classes, havips, found = await asyncio.to_thread(read)
            for each in classes:
                world.saw_class(each)
            now = {
                each["metadata"]["uid"]: each["metadata"]["resourceVersion"]
                for each in (*havips, *found)
            }
            for each in havips:
                if known.get(each["metadata"]["uid"]) != each["metadata"]["resourceVersion"]:
                    world.saw_havip(each)
                    services.saw_havip(each)
            for uid in world.havips.keys() - now.keys():
                body = world.bodies[uid]
                world.lost_havip(uid)
                services.saw_havip(body)
            for each in found:
                if known.get(each["metadata"]["uid"]) != each["metadata"]["resourceVersion"]:
                    services.saw_service(each, gone=False)
            for uid in known.keys() - now.keys():
                services.saw_service({"metadata": {"uid": uid}}, gone=True)
            known = now
            world.services_known.set()
            services.stir()
            await asyncio.sleep(0.02)

    async with without_a_trace():
        watching = asyncio.create_task(watch())
        yield
        watching.cancel()


def hold(shop: Shop) -> None:
    """Play the HaVip's controller and its agents: it has an address, and a node owns it."""
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    held = {"status": "True", "reason": "Held", "message": "", "lastTransitionTime": at}
    status = {"address": "10.77.0.9", "conditions": [{"type": "Held", **held}]}
    path = f"{shop.havip_path(KEY)}/status"
    shop.call("PATCH", path, [{"op": "add", "path": "/status", "value": status}])


def life(shop: Shop) -> Iterator[Callable[[], bool]]:
    """Each step, and how it is seen that the controller has followed."""
    shop.service(KEY, annotations={"profile": "Fast"})
    yield lambda: bool(shop.havip())
    hold(shop)
    yield lambda: shop.addresses() == ["10.77.0.9"]
    shop.annotate(KEY, "profile", "Calm")
    yield lambda: shop.havip()["spec"]["election"]["profile"] == "Calm"
    shop.become(KEY, "ClusterIP")
    yield lambda: not shop.havip() and shop.see()["status"] == {"loadBalancer": {}}
    shop.become(KEY, "LoadBalancer", "havip.dev/sim")
    yield lambda: bool(shop.havip())
    shop.delete(KEY)
    yield lambda: not shop.see() and not shop.havip()


async def live(shop: Shop, death: Death) -> None:
    """Live one life, with one death in it."""
    steps = life(shop)
    done = await asyncio.to_thread(next, steps, None)
    for mortality in (death, Death("", 0, "before")):
        async with controller(shop, mortality), asyncio.timeout(60):
            while done is not None and not mortality.struck.is_set():
                if await asyncio.to_thread(done):
                    done = await asyncio.to_thread(next, steps, None)
                else:
                    await asyncio.sleep(0.02)
        if done is None:
            return


@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_death_at_any_write_leaves_nothing_and_loses_nothing(
    bare: Cluster, when: When
) -> None:
    bare.klass()
    shop = Shop(bare)
    for write in WRITES:
        for number in count(1):
            death = Death(write, number, when)
            await live(shop, death)
            assert shop.call("GET", f"/apis/{API_VERSION}/havips")["items"] == []
            assert not shop.see()
            if not death.struck.is_set():
                break  # it lived through: every write of this kind has been the last one once
        assert number > 1, f"there was no {write}"
