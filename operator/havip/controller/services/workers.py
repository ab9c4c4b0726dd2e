"""One worker per group of Services, and one per Service that is to be taken leave of.

Level-based as the HaVips' workers are: look, decide, write, and look again. The order of the writes
is what makes it safe to be killed between any two: a Service gets our condition before the
finalizer, so that we know it again; the finalizer before its HaVip; and loses them in the opposite
order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from datetime import UTC, datetime
from typing import Any

from havip.api.havip import HaVip
from havip.controller.events import News
from havip.controller.kube import Kube, KubernetesError
from havip.controller.poller import Pace
from havip.controller.services.claims import Group
from havip.controller.services.decision import (
    Decision,
    Make,
    Mend,
    RefusedSpec,
    Remove,
    Sight,
    decide,
    refused_spec,
)
from havip.controller.services.demand import Demand
from havip.controller.services.objects import Service, ServiceStatus, newer
from havip.controller.services.rounds import Rounds
from havip.controller.services.spread import candidates, owned_by_host, preferred_hosts
from havip.controller.services.status import departed_status, service_news, service_status
from havip.controller.services.wanted import Wanted, belongs_to, new_body
from havip.controller.services.writer import Writer
from havip.controller.world import World

log = logging.getLogger(__name__)

INVALID = 422


class Services:
    """All workers, and what they share. What is seen is noted at once; ``stir`` starts the work.

    Nothing is started before the first ``stir``: with the HaVips known in part, a Service would
    seem to have none. And no worker looks before the Services are known: a HaVip would seem to be
    asked for by fewer than it is.
    """

    def __init__(
        self,
        world: World,
        kube: Kube,
        pace: Pace,
        *,
        tell: Callable[[Mapping[str, Any], News], None],
        may_act: Callable[[], bool] = lambda: True,
    ) -> None:
        self.world = world
        self.pace = pace
        self.may_act = may_act
        self.demand = Demand(world)
        self.writer = Writer(kube)
        self.making = asyncio.Lock()
        """Held from the choice of preferred hosts until it counts for the next."""
        self.made: dict[str, HaVip] = {}
        """By uid: HaVips that were made and not yet seen."""
        self._tell = tell
        self._context: Context | None = None
        """That of the first ``stir``, in which all workers run: events are posted by way of it."""
        self._touched: set[Group | str] = set()
        self._workers: dict[Group | str, Rounds] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what is seen

    def heard(self, body: Mapping[str, Any], gone: bool) -> None:
        """Take note of what the watch brought of a Service, and have it looked at."""
        self.saw_service(body, gone)
        if self._context is not None:
            self.stir()

    def saw_service(self, body: Mapping[str, Any], gone: bool) -> None:
        """Take note of a Service."""
        uid = body["metadata"]["uid"]
        before = self.demand.group_of_service(uid)
        concerned = self.demand.lost(uid) if gone else self.demand.saw(body)
        if concerned:
            after = self.demand.group_of_service(uid)
            self._touched |= {each for each in (before, after) if each is not None}
            self._touched.add(uid)

    def wrote_service(self, body: Mapping[str, Any]) -> None:
        """Take note of what a write made of a Service, unless the watch was faster and is ahead."""
        known = self.demand.version_of(body["metadata"]["uid"])
        if known and newer(body, known):
            self.saw_service(body, gone=False)

    def wrote_havip(self, body: Mapping[str, Any]) -> None:
        """Take note of what a write made of a HaVip, unless the watch was faster and is ahead."""
        known = self.world.havips.get(body["metadata"]["uid"])
        if known is not None and newer(body, known.metadata.resource_version):
            self.world.saw_havip(body)

    def saw_havip(self, body: Mapping[str, Any]) -> None:
        """Take note that a HaVip appeared, changed or vanished, which the world knows already."""
        name = body["metadata"]["name"]
        self.made.pop(body["metadata"]["uid"], None)
        working = {each for each in self._workers if isinstance(each, Group)}
        groups = self.demand.groups | working
        self._touched |= {each for each in groups if each.name == name}
        self._touched |= set(self.demand.departing)

    def saw_class(self) -> None:
        """Take note that a class appeared, changed or vanished."""
        self._touched |= self.demand.groups

    def stir(self) -> None:
        """Wake the workers of all that was touched since, and start those that are missing."""
        if self._context is None:
            self._context = copy_context()
        touched, self._touched = self._touched, set()
        for key in touched:
            worker = self._workers.get(key)
            if worker is not None:
                worker.wake()
            elif isinstance(key, Group):
                self._start(key, GroupWorker(key, self))
            elif key in self.demand.departing:
                self._start(key, Departure(key, self))

    def _start(self, key: Group | str, worker: Rounds) -> None:
        self._workers[key] = worker
        context = None if self._context is None else self._context.copy()
        task = asyncio.create_task(self._work(worker), name=f"service {key}", context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, worker: Rounds) -> None:
        await self.world.services_known.wait()
        await worker.run()

    def ended(self, key: Group | str) -> None:
        """Forget a worker that has nothing more to do."""
        self._workers.pop(key, None)

    # -- what the workers have in common

    def tell(self, service: Service, told: News) -> None:
        """Post an event about a Service."""
        meta = service.metadata
        reference = {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid}
        self._tell({"apiVersion": "v1", "kind": "Service", "metadata": reference}, told)

    async def report(self, service: Service, status: ServiceStatus) -> None:
        """Write the status of a Service if it differs, and tell what is new."""
        if status == service.status:
            return
        written = await self.writer.report(service, status)
        if written is not None:
            self.wrote_service(written)
            for each in service_news(service.status, status):
                self.tell(service, each)


class GroupWorker(Rounds):
    """Keeps the HaVip of a group of Services, and tells the Services of it."""

    def __init__(self, group: Group, around: Services) -> None:
        super().__init__(f"Services {group}", around.pace, lambda: around.ended(group))
        self._around = around
        self._group = group
        self._refused: RefusedSpec | None = None
        self._wish: Wanted | None = None
        """What there was to be when it was looked at last."""

    def over(self) -> bool:
        """Tell whether nobody asks for the HaVip and none is there."""
        return self._group not in self._around.demand.groups

    async def look(self) -> float | None:
        """Tell the Services how things are, then do the one thing that is missing."""
        around = self._around
        if not around.may_act():
            return around.pace.settle
        seen = around.demand.sight(self._group, self._refused)
        decision = decide(seen)
        for claim in seen.claims:
            status = service_status(claim.service, decision.verdicts[claim.uid], datetime.now(UTC))
            await around.report(claim.service, status)
        if around.demand.sight(self._group, self._refused).claims != seen.claims:
            # What was written is a new version, which the next write must be made from.
            self.wake()
            return None
        for service in decision.prepare:
            written = await around.writer.add_finalizer(service)
            if written is None:
                return around.pace.backoff
            around.wrote_service(written)
            self.wake()
        pause = await self._take(seen, decision)
        self._wish = decision.wish
        return pause

    async def _take(self, seen: Sight, decision: Decision) -> float | None:
        try:
            match decision.step:
                case Make() as step:
                    await self._make(seen, step)
                    # The watch wakes us; should it not, the API server knows that there is one.
                    return self._around.pace.retry
                case Mend(body, differences) if seen.havip is not None:
                    self._around.wrote_havip(await self._around.writer.replace(seen.havip, body))
                    self._tell_of_drift(seen, decision.wish, differences)
                case Remove(havip):
                    done = await self._around.writer.delete(havip)
                    log.info("%s: %s", self._name, "deleted" if done else "is asked for still")
                    return self._around.pace.retry
                case _:
                    return None
        except KubernetesError as error:
            if error.status != INVALID or decision.wish is None:
                raise
            log.info("%s: %s", self._name, error)
            self._refused = refused_spec(decision.wish.spec, seen.claims, error.causes, str(error))
        self.wake()
        return None

    async def _make(self, seen: Sight, step: Make) -> None:
        around, world, klass = self._around, self._around.world, seen.klass
        async with around.making:
            hosts: tuple[str, ...] = ()
            if klass is not None and not step.wish.spec.election.priorities:
                hosts = preferred_hosts(
                    f"{step.home}/{self._group.name}",
                    candidates(step.wish.spec, klass, world.nodes),
                    owned_by_host((around.made | world.havips).values(), world.nodes),
                )
            body = new_body(self._group, step.wish, step.home, hosts)
            made = HaVip.from_json(await around.writer.create(body))
            around.made[made.metadata.uid] = made

    def _tell_of_drift(
        self, seen: Sight, wish: Wanted | None, differences: tuple[str, ...]
    ) -> None:
        if wish is None or wish != self._wish:
            return
        havip = f"{self._group.name}: {', '.join(differences)}"
        told = f"Somebody changed the HaVip {havip}. It was put right: say so at the Service."
        for claim in seen.claims:
            self._around.tell(claim.service, News("DriftMended", told, warning=True))


class Departure(Rounds):
    """Takes leave of a Service that asks for nothing any more, once its HaVip is gone."""

    def __init__(self, uid: str, around: Services) -> None:
        super().__init__(f"Service {uid}", around.pace, lambda: around.ended(uid))
        self._around = around
        self._uid = uid

    def over(self) -> bool:
        """Tell whether we have nothing more to do with it."""
        return self._uid not in self._around.demand.departing

    async def look(self) -> float | None:
        """Take the finalizer off, then our conditions."""
        around = self._around
        if not around.may_act():
            return around.pace.settle
        service = around.demand.departing.get(self._uid)
        if service is None or any(
            belongs_to(each, service) for each in around.world.havips.values()
        ):
            return None
        if service.has_finalizer:
            written = await around.writer.remove_finalizer(service)
            if written is None:
                return None
            around.wrote_service(written)
            self.wake()
        elif service.metadata.deletion_timestamp is None:
            await around.report(service, departed_status(service))
        return None
