"""The controller from its workers down, as ``havip.controller.main`` puts it together.

Only kopf is missing: what it would tell of is heard from the store. Whatever a controller
remembers is gone with it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from havip.api.names import API_VERSION, DEFAULT_NAMESPACE
from havip.cloud.alibaba import AlibabaCloud, Timeouts
from havip.cloud.credentials import CredentialSource
from havip.cloud.limiter import Buckets
from havip.cloud.port import Cloud
from havip.controller.accounts import Accounts, Place
from havip.controller.classes import Classes
from havip.controller.clock import Clock
from havip.controller.finalizers import Finalizers
from havip.controller.kube import Json
from havip.controller.poller import Pace
from havip.controller.reconcile import Reconciler, Surroundings
from havip.controller.register import Registers
from havip.controller.world import World
from tests.controller.death import without_a_trace
from tests.lives.life import NODES
from tests.lives.line import Line
from tests.lives.store import Store

CLUSTER = "lives"
HAVIP = f"/apis/{API_VERSION}/namespaces/default/havips/web"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{DEFAULT_NAMESPACE}/leases/"
SECRET = f"/api/v1/namespaces/{DEFAULT_NAMESPACE}/secrets/key"
PACE = Pace()
"""As in production: nobody has to wait for it."""
HEARTBEAT_SECONDS = 30.0


@dataclass(frozen=True)
class Ground:
    """What a controller stands on."""

    endpoint: str
    store: Store
    line: Line
    clock: Clock
    read_millis: int


def key() -> Json:
    """The Secret that the class names."""
    given = {"accessKeyId": "AK-SIM", "accessKeySecret": "SK-SIM"}
    data = {name: base64.b64encode(text.encode()).decode() for name, text in given.items()}
    return {"metadata": {"name": "key"}, "data": data}


@contextlib.asynccontextmanager
async def controller(ground: Ground) -> AsyncIterator[None]:
    """Run a controller that knows nothing at first, and is gone without a trace at the end."""
    world = World()
    reconciler = Reconciler(lambda reconciler: _surroundings(ground, world, reconciler))

    def heard(path: str, body: Json, gone: bool) -> None:
        uid = body["metadata"].get("uid", "")
        if path == HAVIP and gone:
            reconciler.forget(uid)
        elif path == HAVIP and world.saw_havip(body):
            reconciler.worker(uid).wake()
        elif path.startswith(LEASES) and (uid := world.saw_lease(body, gone=gone)):
            reconciler.wake([uid])

    _hear_of_nodes(world, ground.clock)
    world.saw_class(_class(ground.endpoint))
    async with without_a_trace():
        with ground.store.watched(heard):
            world.registers_known.set()
            beating = asyncio.create_task(_beat(world, ground.clock))
            yield
            beating.cancel()


def _surroundings(ground: Ground, world: World, reconciler: Reconciler) -> Surroundings:
    clock, store = ground.clock, ground.store

    def connect(place: Place, credentials: CredentialSource, buckets: Buckets) -> Cloud:
        return AlibabaCloud(
            place.region,
            credentials,
            ground.line,
            place.endpoints,
            buckets=buckets,
            timeouts=Timeouts(read_millis=ground.read_millis),
        )

    accounts = Accounts(
        store,
        DEFAULT_NAMESPACE,
        connect,
        PACE,
        reconciler.wake,
        cluster_id=CLUSTER,
        clock=clock.monotonic,
    )
    return Surroundings(
        world=world,
        kube=store,
        accounts=accounts,
        classes=Classes(world, store, accounts, PACE, wake=reconciler.wake, tell=lambda *_: None),
        registers=Registers(store, DEFAULT_NAMESPACE),
        finalizers=Finalizers(store),
        cluster_id=CLUSTER,
        pace=PACE,
        tell=lambda *_: None,
        clock=clock,
    )


def _class(endpoint: str) -> Json:
    return {
        "metadata": {"name": "sim", "uid": "class-sim"},
        "spec": {
            "region": "cn-hangzhou",
            "vSwitchId": "vsw-sim",
            "endpoints": {**dict.fromkeys(("vpc", "ecs", "sts"), endpoint), "protocol": "http"},
            "credentials": {"secretRef": {"name": "key"}},
        },
    }


def _hear_of_nodes(world: World, clock: Clock) -> None:
    for name in NODES:
        metadata = {"name": name, "labels": {"name": name, "pair": str(name != "node3")}}
        world.saw_node(
            {"metadata": metadata, "spec": {"providerID": f"cn-hangzhou.i-{name}"}, "status": {}}
        )
        world.saw_agent(
            {
                "metadata": {"name": name},
                "status": {
                    "instanceId": f"i-{name}",
                    "region": "cn-hangzhou",
                    "vpcId": "vpc-sim",
                    "vSwitchId": "vsw-sim",
                    "heartbeatAt": clock.now().isoformat(),
                },
            }
        )


async def _beat(world: World, clock: Clock) -> None:
    """Report as the agents do."""
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        _hear_of_nodes(world, clock)
