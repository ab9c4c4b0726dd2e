"""Where kopf meets the controller; no other file imports it.

kopf watches, keeps the watches alive and posts events. Its handlers only note what they were told
and wake the workers it may concern. There are no create, update or delete handlers: they answer
to edges, write their progress into the objects, and drop the finalizer when they give up.
"""

import asyncio
import dataclasses
import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

import kopf

from havip.api import names
from havip.controller.events import News
from havip.controller.health import Pulse
from havip.controller.reconcile import Reconciler
from havip.controller.services.workers import Services
from havip.controller.world import World

PULSE_SECONDS = 1.0


def tell(body: Mapping[str, Any], told: News) -> None:
    """Post an event about an object."""
    kind = "Warning" if told.warning else "Normal"
    kopf.event(cast(kopf.Body, body), type=kind, reason=told.reason, message=told.message)


def configure(settings: kopf.OperatorSettings) -> None:
    """Set kopf up; the figures are measured or its author's advice."""
    settings.peering.standalone = True
    # No limit: until all indexes are full each object keeps its worker waiting, so with a limit
    # more objects of a kind than it allows would keep the controller from ever beginning.
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 0.05
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.enforce_retry_after = True
    settings.execution.default_backoff = 15
    settings.posting.level = logging.WARNING
    settings.posting.reporting_component = "havip-operator"
    settings.posting.worker_limit = 10
    settings.process.ultimate_exiting_timeout = 30
    settings.scanning.disabled = True


Saw = Callable[[Mapping[str, Any], bool], None]


def by_address(found: kopf.ConnectionInfo, environment: Mapping[str, str]) -> kopf.ConnectionInfo:
    """Return the way to the API server by the address that a kubelet gives each pod.

    kopf goes by a name, and a cluster whose name service is down must not lose its controller too.
    """
    host, port = (environment.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    if not host or not port:
        return found
    host = f"[{host}]" if ":" in host else host
    return dataclasses.replace(found, server=f"https://{host}:{port}")


def registry_for(world: World, reconciler: Reconciler, services: Services) -> kopf.OperatorRegistry:
    """Return the handlers.

    All watches fill indexes: kopf fills every index before it calls any handler, so no HaVip is
    looked at while the nodes are known in part, and no Service while the HaVips are. There is
    always something that it calls one for: a cluster has nodes.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401
        if os.environ.get("KUBECONFIG"):
            return kopf.login_with_kubeconfig(**kwargs)
        found = kopf.login_with_service_account(**kwargs)
        return found and by_address(found, os.environ)

    def watch(group: str, plural: str, saw: Saw) -> None:
        @kopf.index(group, plural, id=f"saw-{plural}", registry=registry)
        async def appeared(body: kopf.Body, **_: object) -> None:
            saw(body, False)

        @kopf.on.event(group, plural, id=f"lost-{plural}", registry=registry)
        async def vanished(type: str | None, body: kopf.Body, **_: object) -> None:
            if type == "DELETED":
                saw(body, True)
            services.stir()

    def saw_class(body: Mapping[str, Any], gone: bool) -> None:
        if world.saw_class(body, gone=gone):
            reconciler.wake()
            services.saw_class()
        reconciler.around.classes.saw(body["metadata"]["name"])

    def saw_node(body: Mapping[str, Any], gone: bool) -> None:
        if world.saw_node(body, gone=gone):
            reconciler.wake()

    def saw_agent(body: Mapping[str, Any], gone: bool) -> None:
        if world.saw_agent(body, gone=gone):
            reconciler.wake()

    watch(names.GROUP, names.HAVIPCLASS_PLURAL, saw_class)
    watch(names.GROUP, names.HAVIPNODE_PLURAL, saw_agent)
    watch("", "nodes", saw_node)

    @kopf.index(names.GROUP, names.HAVIP_PLURAL, id="saw-havips", registry=registry)
    async def havip_appeared(body: kopf.Body, **_: object) -> None:
        world.saw_havip(dict(body))

    @kopf.on.event(names.GROUP, names.HAVIP_PLURAL, id="havip", registry=registry)
    async def havip(type: str | None, body: kopf.Body, **_: object) -> None:
        if type == "DELETED":
            reconciler.forget(body["metadata"]["uid"])
        elif body["metadata"]["uid"] in world.havips:  # by the index, unless it cannot be read
            reconciler.worker(body["metadata"]["uid"]).wake()
        services.saw_havip(body)
        services.stir()

    return registry


async def operate(registry: kopf.OperatorRegistry, stop: threading.Event, pulse: Pulse) -> None:
    """Run kopf until ``stop`` is set. Nothing else may be started in this loop before it."""
    settings = kopf.OperatorSettings()
    configure(settings)
    # Else kopf names itself by the user that it runs as, which in a container need not exist.
    os.environ.setdefault("POD_ID", "havip-controller")
    beating = asyncio.create_task(_beat(pulse))
    try:
        await kopf.operator(
            registry=registry, settings=settings, clusterwide=True, standalone=True, stop_flag=stop
        )
    finally:
        beating.cancel()


async def _beat(pulse: Pulse) -> None:
    while True:
        pulse.beat()
        await asyncio.sleep(PULSE_SECONDS)
