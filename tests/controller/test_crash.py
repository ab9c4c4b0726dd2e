"""The controller dies right before and right after each of its calls to the cloud.

Each life is a HaVip with two members, an EIP and a route, which is then deleted. A controller that
dies is followed by a fresh one that remembers nothing. The reconciler, the API server, the SDK and
the simulated cloud are real; only kopf's watches are replaced by reading the API server again and
again, which lets many lives pass in the time of one process start. Far more lives, without the API
server, are in ``tests/lives``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from havip.api.names import LABEL_UID, TAG_UID, lease_name
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
from .death import Death, When, without_a_trace

pytestmark = pytest.mark.apiserver

PACE = Pace(drift=5.0, settle=0.01, backoff=0.02, retry=0.2)
NAMESPACE = "havip-system"
ROUTE = {"routeTableId": "vtb-sim", "destination": "10.9.0.0/16"}
SURE_LOOKS = 2
"""A look is taken in every life at least so often, where it is taken more than once."""


class MortalCloud:
    """The real adapter, until death strikes; nothing is called after that."""

    def __init__(self, cloud: AlibabaCloud, death: Death) -> None:
        self._cloud = cloud
        self._death = death

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._cloud, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._death.around(name, lambda: method(*args, **kwargs))

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

    async with without_a_trace():
        watching = asyncio.create_task(watch(Reconciler(around)))
        yield
        watching.cancel()


async def until(look: Callable[[], Any], death: Death) -> bool:
    """Wait until it is so (True) or the controller is dead (False)."""
    async with asyncio.timeout(60):
        while not death.struck.is_set():
            if await asyncio.to_thread(look):
                return True
            await asyncio.sleep(0.02)
    return False


async def life(cluster: Cluster, cloud: AlibabaCloud, death: Death, name: str) -> None:
    """One life from apply to gone, with one death in it."""

    def complete() -> bool:
        found = cluster.cloud.control.ha_vips()
        return (
            len(found) == 1
            and len(found[0]["members"]) == 2
            and cluster.members(name) == dict.fromkeys(("node1", "node2"), "Associated")
            and cluster.condition("EipBound", name) == ("True", "Bound")
            and cluster.condition("RoutesBound", name) == ("True", "Bound")
        )

    def gone() -> bool:
        return not cluster.get("HaVip", name)

    cluster.havip(name, eip={"allocate": {}}, routes=[ROUTE])
    deleted = False
    immortal = Death("", 0, "before")
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
    assert not [each for each in cluster.cloud.control.eips() if TAG_UID in each["tags"]]
    routes = cluster.cloud.control.route_entries(ROUTE["routeTableId"])
    assert ROUTE["destination"] not in [each["destinationCidrBlock"] for each in routes]
    leases = [each["metadata"].get("labels", {}) for each in cluster.get("Lease")["items"]]
    assert not any(LABEL_UID in labels for labels in leases)


def points(undisturbed: Death) -> list[tuple[str, int]]:
    """Return the calls that every life has: all changes, and the first looks of each kind."""
    return [
        (method, number)
        for method, times in undisturbed.calls.items()
        for number in range(1, times + 1)
        if not method.startswith("describe_") or number <= SURE_LOOKS
    ]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_death_at_any_call_neither_doubles_nor_leaks(bare: Cluster, when: When) -> None:
    bare.secret()
    bare.klass()
    for number in (1, 2):
        bare.node(number)
    with ThreadPoolExecutor(2) as executor:
        cloud = sdk_cloud(bare.cloud, executor)
        undisturbed = Death("", 0, when)
        await life(bare, cloud, undisturbed, "undisturbed")
        for count, (method, number) in enumerate(points(undisturbed)):
            bare.cloud.control.clear_calls()
            death = Death(method, number, when)
            await life(bare, cloud, death, f"life{count}")
            assert death.struck.is_set(), f"no call {number} to {method} in this life"
            done = Counter(each.action for each in bare.cloud.control.calls() if each.effect)
            for action in ("CreateHaVip", "AllocateEipAddress", "CreateRouteEntry"):
                assert done[action] == 1, f"{action} twice, killed {when} {method} {number}"
    assert {"create_ha_vip", "allocate_eip", "create_route", "release_eip"} <= {*undisturbed.calls}
    assert undisturbed.calls["associate"] == undisturbed.calls["unassociate"] == 2
