"""The controller's process: one of two replicas acts, and stops before the other may.

Threads: this one decides when to end; one renews the Lease; one runs kopf and the workers; one
answers probes; pools make the calls to Kubernetes and to the cloud.
"""

import asyncio
import contextlib
import functools
import logging
import os
import signal
import threading
from collections.abc import Callable, Collection
from concurrent.futures import CancelledError, ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from havip.api.names import LABEL_UID
from havip.cloud.alibaba import AlibabaCloud
from havip.cloud.call import Observer, ignore
from havip.cloud.credentials import CredentialSource
from havip.cloud.limiter import Buckets
from havip.cloud.port import Cloud
from havip.controller import handlers, measures
from havip.controller.accounts import Accounts, Connect, Place
from havip.controller.classes import Classes
from havip.controller.elector import Elector, KubernetesLease
from havip.controller.finalizers import Finalizers
from havip.controller.health import STALE_TICK_SECONDS, Pulse, serve
from havip.controller.kube import Json, Kube, load_client
from havip.controller.metrics import Ears, readings
from havip.controller.poller import Pace
from havip.controller.reconcile import Reconciler, Surroundings
from havip.controller.register import Registers
from havip.controller.services.workers import Services
from havip.controller.watch import Saw, Watch
from havip.controller.world import World
from havip.metrics import Reading, States

log = logging.getLogger(__name__)

LEASE = "havip-controller"
CLOUD_THREADS = 8
WATCH_SECONDS = 0.25
"""How often it is checked that this replica still leads."""
STOP_SECONDS = 20.0
SCRAPE_SECONDS = 3.0
"""How long a scrape waits for the event loop; one that hangs is told of by the rest."""


def run(
    *,
    namespace: str,
    cluster_id: str | None,
    identity: str,
    drift_interval: float = 60.0,
    agent_silent_after: float = 90.0,
    listen: str = "0.0.0.0:8080",
    pace: Pace | None = None,
) -> None:
    """Run until SIGTERM or SIGINT. Ends the process with status 1 when the lead is lost.

    ``namespace`` is the release's: registers, the controller's own Lease and, unless a class says
    otherwise, Secrets are there. ``cluster_id`` goes into the ownership tags and must never
    change; None takes the uid of the namespace kube-system, which never does. ``drift_interval``
    is the number of seconds between looks at an unchanging cloud, ``agent_silent_after`` that
    after which an agent without a word is taken for dead.
    """
    logging.basicConfig(
        level=os.environ.get("LOG_LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # kopf tells of each call of each handler, even of a watch that brought nothing new.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    pace = pace or Pace(drift=drift_interval, silent=agent_silent_after)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    elector = Elector(KubernetesLease(load_client(), namespace, LEASE), identity)
    controller = Controller(namespace, cluster_id, pace, elector)
    states = States(controller.readings)
    server = serve(listen, controller.facts, states, controller.ears.ledger)
    try:
        if elector.acquire(stop):
            controller.lead(stop)
    finally:
        server.shutdown()
        server.server_close()


class Controller:
    """What runs while this replica leads."""

    def __init__(
        self, namespace: str, cluster_id: str | None, pace: Pace, elector: Elector
    ) -> None:
        self._namespace = namespace
        self._cluster_id = cluster_id
        self._pace = pace
        self._elector = elector
        self._pulse = Pulse()
        self.ears = Ears()
        self._world = World()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reconciler: Reconciler | None = None
        self._leading = False

    def facts(self) -> dict[str, Any]:
        """Say how it is; a replica that waits for its turn is healthy."""
        return {
            "healthy": not self._leading or self._pulse.age < STALE_TICK_SECONDS,
            "leading": self._elector.valid(),
            "loop_age_seconds": round(self._pulse.age, 3) if self._leading else 0.0,
            "havips": self._reconciler.count if self._reconciler else 0,
        }

    def readings(self) -> list[Reading]:
        """Say how it and the HaVips are, as metrics."""
        facts = self.facts()
        own = [
            Reading(measures.LEADING, (), facts["leading"]),
            Reading(measures.LOOP_AGE, (), facts["loop_age_seconds"]),
            Reading(measures.HAVIPS, (), facts["havips"]),
            Reading(measures.BUILD, (_version(),), 1),
        ]
        if self._loop is None:
            return own
        # There, since what it reads must not change meanwhile.
        look = asyncio.run_coroutine_threadsafe(self._look(), self._loop)
        try:
            return own + look.result(SCRAPE_SECONDS)
        except (TimeoutError, CancelledError):
            look.cancel()
            return own

    async def _look(self) -> list[Reading]:
        return list(readings(self._world, self.ears.drift, datetime.now(UTC)))

    def lead(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set, then let the other replica lead."""
        self._pulse.beat()
        self._leading = True
        ended = threading.Event()
        threading.Thread(
            target=self._elector.keep, args=(ended,), name="elector", daemon=True
        ).start()
        worker = threading.Thread(target=self._work, args=(stop,), name="kopf", daemon=True)
        worker.start()
        while worker.is_alive() and not stop.wait(WATCH_SECONDS):
            if not self._elector.valid():
                # At once: a call may be under way, and the other replica may follow soon.
                log.error("The lead is lost")
                logging.shutdown()
                os._exit(1)
        died = not stop.is_set()
        worker.join(STOP_SECONDS)
        ended.set()
        self._elector.release()
        if died:
            log.error("The watches of Kubernetes ended")
            raise SystemExit(1)

    def _work(self, stop: threading.Event) -> None:
        asyncio.run(self._operate(stop))

    async def _operate(self, stop: threading.Event) -> None:
        world = self._world
        kube = Kube(load_client())
        self._loop = asyncio.get_running_loop()
        around = functools.partial(
            surroundings,
            world=world,
            kube=kube,
            connect=functools.partial(connect, observe=self.ears.called),
            ears=self.ears,
            namespace=self._namespace,
            cluster_id=self._cluster_id or await kube.cluster_uid(),
            pace=self._pace,
            elector=self._elector,
        )
        self._reconciler = Reconciler(around)
        services = Services(
            world, kube, self._pace, tell=handlers.tell, may_act=self._elector.valid
        )
        registry = handlers.registry_for(world, self._reconciler, services)
        follow_leases(self._namespace, world, self._reconciler, stop)
        follow("/api/v1/services", services.heard, world.services_known, stop)
        try:
            await handlers.operate(registry, stop, self._pulse)
        finally:
            self._loop = None


def follow_leases(
    namespace: str, world: World, reconciler: Reconciler, stop: threading.Event
) -> None:
    """Start the watch of the registers: the Leases of HaVips, and no others."""

    def saw(lease: Json, gone: bool) -> None:
        uid = world.saw_lease(lease, gone=gone)
        if uid:
            reconciler.wake([uid])

    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    follow(path, saw, world.registers_known, stop, labelled=LABEL_UID)


def follow(
    path: str, saw: Saw, known: asyncio.Event, stop: threading.Event, *, labelled: str = ""
) -> None:
    """Start a watch; what it sees is taken note of in this event loop."""
    loop = asyncio.get_running_loop()

    def handed_over(note: Callable[..., None], *arguments: object) -> None:
        # The loop may be closed already when the process ends.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(note, *arguments)

    watch = Watch(
        load_client(),
        path,
        functools.partial(handed_over, saw),
        functools.partial(handed_over, known.set),
        labelled=labelled,
    )
    threading.Thread(target=watch.run, args=(stop,), name=path, daemon=True).start()


def surroundings(
    reconciler: Reconciler,
    *,
    world: World,
    kube: Kube,
    connect: Connect,
    namespace: str,
    cluster_id: str,
    pace: Pace,
    elector: Elector,
    ears: Ears,
) -> Surroundings:
    """Put together what the workers share."""

    def wake(uids: Collection[str]) -> None:
        reconciler.wake(uids)
        classes.wake(uids)

    tell = ears.telling(handlers.tell)
    accounts = Accounts(kube, namespace, connect, pace, wake, cluster_id=cluster_id)
    classes = Classes(
        world,
        kube,
        accounts,
        pace,
        wake=reconciler.wake,
        tell=tell,
        may_act=elector.valid,
    )
    return Surroundings(
        world=world,
        kube=kube,
        accounts=accounts,
        classes=classes,
        registers=Registers(kube, namespace),
        finalizers=Finalizers(kube),
        cluster_id=cluster_id,
        pace=pace,
        tell=tell,
        may_act=elector.valid,
        reconciled=ears.reconciled,
    )


def connect(
    place: Place, credentials: CredentialSource, buckets: Buckets, observe: Observer = ignore
) -> Cloud:
    """Return the cloud at a place; ``observe`` is told of each call.

    Each connection has threads of its own, so that one whose answers are slow slows no other.
    They end with the connection.
    """
    threads = ThreadPoolExecutor(CLOUD_THREADS, thread_name_prefix="cloud")
    return AlibabaCloud(
        place.region, credentials, threads, place.endpoints, buckets=buckets, observe=observe
    )


def _version() -> str:
    try:
        return version("havip-operator")
    except PackageNotFoundError:
        return "unknown"
