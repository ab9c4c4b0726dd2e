"""The controller dies right before and right after each of its calls to the cloud.

Each life is create, associate three, delete. A controller that dies is followed by a fresh one
that remembers nothing. The reconciler, the API server, the SDK and the simulated cloud are real;
only kopf's watches are replaced by reading the API server again and again, which lets a hundred
lives pass in the time of one process start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from havip.api.names import LABEL_UID, lease_name
from havip.cloud.alibaba import AlibabaCloud
from havip.controller.accounts import Accounts
from havip.controller.classes import Classes
from havip.controller.finalizers import Finalizers
from havip.controller.kube import Kube
from havip.controller.poller import Pace
from havip.controller.reconcile import Reconciler, Surroundings
from havip.controller.register import Registers
from havip.controller.world import World

from .conftest import CLUSTER_ID, Cluster, sdk_cloud

pytestmark = pytest.mark.apiserver

PACE = Pace(drift=5.0, settle=0.01, backoff=0.02, retry=0.2)
NAMESPACE = "havip-system"

When = Literal["before", "after"]


@dataclass
class Death:
    """Strikes at the call of this number; never, when it is 0."""

    call: int
    when: When
    calls: int = 0
    struck: asyncio.Event = field(default_factory=asyncio.Event)
    at: str = ""

    async def strike(self, action: str) -> None:
        """Stop the caller for good, as kill -9 does: it neither returns nor raises."""
        self.at = self.at or action
        self.struck.set()
        await asyncio.Event().wait()


class MortalCloud:
    """The real adapter, until death strikes; nothing is called after that."""

    def __init__(self, cloud: AlibabaCloud, death: Death) -> None:
        self._cloud = cloud
        self._death = death

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._cloud, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            death = self._death
            if death.struck.is_set():
                await death.strike(name)
            death.calls += 1
            fatal = death.calls == death.call
            if fatal and death.when == "before":
                await death.strike(name)
            result = await method(*args, **kwargs)
            if fatal or death.struck.is_set():
                await death.strike(name)
            return result

        return call


@contextlib.asynccontextmanager
async def controller(
    cluster: Cluster, cloud: AlibabaCloud, death: Death, name: str
) -> AsyncIterator[None]:
    """A controller that knows nothing at first and is gone without a trace at the end."""
    kube = Kube(cluster.api, threads=2)
    mortal: Any = MortalCloud(cloud, death)
    world = World()
    for kind, saw in (
        ("Node", world.saw_node),
        ("HaVipNode", world.saw_agent),
        ("HaVipClass", world.saw_class),
    ):
        for body in cluster.get(kind)["items"]:
            saw(body)

    def around(reconciler: Reconciler) -> Surroundings:
        accounts = Accounts(
            kube, NAMESPACE, lambda *_: mortal, PACE, reconciler.wake, cluster_id=CLUSTER_ID
        )
        return Surroundings(
            world=world,
            kube=kube,
            accounts=accounts,
            classes=Classes(
                world, kube, accounts, PACE, wake=reconciler.wake, tell=lambda *_: None
            ),
            registers=Registers(kube, NAMESPACE),
            finalizers=Finalizers(kube),
            cluster_id=CLUSTER_ID,
            pace=PACE,
            tell=lambda *_: None,
        )

    async def watch(reconciler: Reconciler) -> None:
        version = ""
        while True:
            body = await kube.get(f"/apis/havip.dev/v1alpha1/namespaces/default/havips/{name}")
            if body and body["metadata"]["resourceVersion"] != version:
                version = body["metadata"]["resourceVersion"]
                uid = world.saw_havip(body)
                path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/"
                lease = await kube.get(path + lease_name(uid))
                if lease:
                    world.saw_lease(lease)
                world.registers_known.set()
                reconciler.worker(uid).wake()
            await asyncio.sleep(0.02)

    before = asyncio.all_tasks()
    reconciler = Reconciler(around)
    watching = asyncio.create_task(watch(reconciler))
    try:
        yield
    finally:
        watching.cancel()
        remaining = asyncio.all_tasks() - before
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)


async def until(look: Callable[[], Any], death: Death) -> bool:
    """Wait until it is so (True) or the controller is dead (False)."""
    async with asyncio.timeout(30):
        while not death.struck.is_set():
            if await asyncio.to_thread(look):
                return True
            await asyncio.sleep(0.02)
    return False


async def life(cluster: Cluster, cloud: AlibabaCloud, death: Death, name: str) -> None:
    """One life from apply to gone, with one death in it."""

    def complete() -> bool:
        found = cluster.cloud.control.ha_vips()
        return len(found) == 1 and len(found[0]["members"]) == 3 and _reported()

    def _reported() -> bool:
        return cluster.members(name) == dict.fromkeys(("node1", "node2", "node3"), "Associated")

    def gone() -> bool:
        return not cluster.get("HaVip", name)

    cluster.havip(name)
    deleted = False
    immortal = Death(0, "before")
    for controller_s_death in (death, immortal):
        async with controller(cluster, cloud, controller_s_death, name):
            if not deleted:
                if not await until(complete, controller_s_death):
                    continue
                cluster.delete("HaVip", name)
                deleted = True
            if await until(gone, controller_s_death):
                break
    assert deleted
    assert cluster.cloud.control.ha_vips() == []
    leases = [each["metadata"].get("labels", {}) for each in cluster.get("Lease")["items"]]
    assert not any(LABEL_UID in labels for labels in leases)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_death_at_any_call_neither_doubles_nor_leaks(bare: Cluster, when: When) -> None:
    bare.secret()
    bare.klass()
    for number in (1, 2, 3):
        bare.node(number)
    fatal, deaths = 0, []
    with ThreadPoolExecutor(2) as executor:
        cloud = sdk_cloud(bare.cloud, executor)
        while True:
            fatal += 1
            bare.cloud.control.clear_calls()
            death = Death(fatal, when)
            await life(bare, cloud, death, f"life{fatal}")
            created = [each for each in bare.cloud.control.calls("CreateHaVip") if each.effect]
            assert len(created) == 1, f"doubled when killed {when} call {fatal}, {death.at}"
            if not death.struck.is_set():
                break  # it lived through: every call has been the last one once
            deaths.append(death.at)
    assert {"create_ha_vip", "associate", "unassociate", "delete_ha_vip"} <= set(deaths)
    assert deaths.count("associate") >= 3
