"""One worker per HaVip: observe, plan, report, execute; woken by events, timers and listings.

The status is written before the planned change is asked for, so a change that was asked for is
always on record, and a controller that cannot write to Kubernetes changes nothing in the cloud.
What a worker keeps in memory only spaces its tries; it may be lost at any moment.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from havip.api.errors import BugError, CloudError, CredentialsRefused, HaVipError
from havip.api.havip import HaVip, HaVipStatus
from havip.api.names import FINALIZER
from havip.controller.accounts import Account, Accounts
from havip.controller.classes import Classes
from havip.controller.clock import Clock
from havip.controller.events import News, mended, news
from havip.controller.execute import Executor
from havip.controller.finalizers import Finalizers
from havip.controller.freshness import Freshness
from havip.controller.kube import Kube, KubernetesError, path_of, replacing
from havip.controller.needs import routes
from havip.controller.observe import Observation
from havip.controller.observer import Observer
from havip.controller.plan import Plan, plan
from havip.controller.plan.steps import (
    HA_VIP,
    Associate,
    CreateRoute,
    DeleteRoute,
    EipStep,
    RouteStep,
    Step,
    Unassociate,
    needs_rest,
    subject,
)
from havip.controller.poller import Pace
from havip.controller.register import Registers
from havip.controller.setbacks import Setbacks
from havip.controller.status import holder_of, status
from havip.controller.world import World

log = logging.getLogger(__name__)

SHORTEST_PAUSE_SECONDS = 0.05
TROUBLE_SECONDS = 10.0
"""A missing class or Secret may appear without our hearing of it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all workers share."""

    world: World
    kube: Kube
    accounts: Accounts
    classes: Classes
    registers: Registers
    finalizers: Finalizers
    cluster_id: str
    pace: Pace
    tell: Callable[[Mapping[str, Any], News], None]
    """Posts an event about an object."""
    may_act: Callable[[], bool] = lambda: True
    """Whether this replica is still the active one."""
    clock: Clock = field(default_factory=Clock)
    reconciled: Callable[[str, float], None] = lambda result, seconds: None
    """Told how each round went, ``ok``, ``error`` or ``bug``, and how long it took."""


class Worker:
    """Reconciles one HaVip for as long as it exists."""

    def __init__(self, uid: str, around: Surroundings) -> None:
        self._uid = uid
        self._around = around
        self._executor = Executor(uid)
        self._setbacks = Setbacks(around.pace.backoff)
        self._freshness = Freshness(uid)
        self._observer = Observer(
            uid,
            around.world,
            around.accounts,
            around.cluster_id,
            around.pace,
            self._setbacks,
            self._freshness,
            around.clock,
        )
        self._reported: HaVipStatus | None = None
        self._wake = asyncio.Event()
        self._timer = 0.0
        self._failures = 0
        self.gone = asyncio.Event()
        """Set when a deletion is complete."""

    def wake(self) -> None:
        """Have the object looked at soon."""
        self._wake.set()

    async def run(self) -> None:
        """Reconcile until cancelled or gone."""
        await self._around.world.registers_known.wait()
        while not self.gone.is_set():
            self._wake.clear()
            began, result = self._around.clock.monotonic(), "ok"
            try:
                pause = await self.reconcile()
                self._failures = 0
            except HaVipError as error:
                result = "error"
                log.warning("%s: %s", self._uid, error)
                self._failures += 1
                pause = min(self._around.pace.backoff * 2 ** min(self._failures, 6), 60.0)
            except Exception:
                # A bug in one object's case must not stop the others, nor this one for good.
                result = "bug"
                log.exception("%s: reconcile failed", self._uid)
                pause = self._around.pace.retry
            self._around.reconciled(result, self._around.clock.monotonic() - began)
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def reconcile(self) -> float | None:
        """Do one round; return after how many seconds to do another, None to wait to be woken."""
        stored = self._around.world.havips.get(self._uid)
        if stored is None:
            return None
        if stored.metadata.deletion_timestamp is None:
            stored = await self._around.finalizers.add(stored)
        elif FINALIZER not in stored.metadata.finalizers:
            return None
        havip = stored.model_copy(update={"status": self._reported or stored.status})
        self._timer = float("inf")
        seen = await self._observer.look(havip)
        self._around.classes.refused(self._uid, havip.spec.class_name, self._setbacks.refusal())
        planned = plan(seen, holder_of(seen))
        await self._report(havip, status(seen, planned))
        if not self._around.may_act():
            return self._around.pace.settle
        if planned.done and self._freshness.all_fresh():
            await self._finish(havip, planned)
            return None
        await self._keep_register(seen, planned)
        if planned.step is not None and self._freshness.fresh(planned.step):
            await self._execute(seen, planned.step)
        self._freshness.want_fresh()
        for listing in planned.watch:
            self._freshness.want(listing)
        if planned.retry_seconds is not None:
            self._look_again(planned.retry_seconds)
        if planned.trouble is not None:
            self._look_again(min(self._around.pace.retry, TROUBLE_SECONDS))
        self._look_again(self._setbacks.next_try(self._around.clock.monotonic()))
        return None if self._timer == float("inf") else max(SHORTEST_PAUSE_SECONDS, self._timer)

    def _look_again(self, seconds: float) -> None:
        self._timer = min(self._timer, seconds)

    # -- report

    async def _report(self, havip: HaVip, after: HaVipStatus) -> None:
        before = havip.status
        if after == before:
            return
        try:
            await self._around.kube.patch(
                f"{path_of(havip)}/status",
                replacing("/status", after.to_json(), uid=self._uid),
            )
        except KubernetesError as error:
            if error.status == 404:
                return
            raise
        self._reported = after
        for each in news(before, after):
            self._tell(each)

    def _tell(self, told: News) -> None:
        body = self._around.world.bodies.get(self._uid)
        if body is not None:
            self._around.tell(body, told)

    # -- execute

    async def _execute(self, seen: Observation, step: Step) -> None:
        account, havip = self._observer.account, seen.havip
        if account is None:
            return
        if isinstance(step, Unassociate) and step.fencing and not await self._unwritten(seen):
            # Somebody lives after all. What changed in the register wakes us.
            return
        if isinstance(step, CreateRoute | DeleteRoute) and not self._freshness.has_turn(step):
            # Another HaVip was quicker, while we wrote the status. The next listing wakes us.
            self._freshness.want(routes(step.route_table_id))
            return
        try:
            await self._call(account, step)
        except HaVipError as error:
            level = logging.ERROR if isinstance(error, BugError) else logging.INFO
            log.log(level, "%s: %s: %s", havip.cloud_name, type(step).__name__, error)
            pause = self._around.pace.retry
            if isinstance(error, CloudError):
                pause = error.retry_after or 0.0
            self._setbacks.note(_about(step, error), error, self._around.clock.monotonic(), pause)
            self.wake()
        else:
            log.info("%s: %s", havip.cloud_name, step)
            self._setbacks.clear(subject(step))
            if not isinstance(step, EipStep | RouteStep):
                self._setbacks.clear(HA_VIP)
            told = mended(havip, step)
            if told is not None:
                self._tell(told)
        self._freshness.changed(step, self._around.clock.monotonic())

    async def _call(self, account: Account, step: Step) -> None:
        if not isinstance(step, CreateRoute | DeleteRoute):
            await self._executor.execute(account.cloud, step)
            return
        with account.listings.turns.taken(step.route_table_id, self._around.clock.monotonic):
            await self._executor.execute(account.cloud, step)

    async def _unwritten(self, seen: Observation) -> bool:
        """Tell whether the register is still as it was seen: our watch of it may be broken."""
        if seen.register is None:
            return True
        now = await self._around.registers.read(self._uid)
        return now is None or now.resource_version == seen.register.resource_version

    # -- register, end

    async def _keep_register(self, seen: Observation, planned: Plan) -> None:
        if seen.deleting or seen.mine is None or seen.trouble or not self._freshness.all_fresh():
            return
        register = seen.register
        if register is None:
            created = await self._around.registers.create(seen.havip)
            self._around.world.registers.setdefault(self._uid, created)
            self.wake()
        elif planned.followers is not None:
            log.warning(
                "%s: its holder %s is no member: cleared, for %s to follow",
                seen.havip.cloud_name,
                register.holder or "of before",
                ", ".join(planned.followers) or "anybody",
            )
            await self._around.registers.clear(register, planned.followers)
        elif register.holder and seen.register_still < seen.still_enough:
            node = seen.node(register.holder)
            if node is None or seen.silent(node) or not _is_member(seen, register.holder):
                self._look_again(seen.still_enough - seen.register_still)

    async def _finish(self, havip: HaVip, planned: Plan) -> None:
        await self._around.registers.delete(self._uid)
        await self._around.finalizers.remove(havip)
        if planned.note:
            self._tell(News("Released", planned.note))
        self._around.accounts.forget(self._uid)
        self.gone.set()


def _is_member(seen: Observation, node: str) -> bool:
    member_id = seen.member_id_of(node)
    return seen.mine is not None and member_id in seen.mine.associated_instances


def _about(step: Step, error: HaVipError) -> str:
    """Tell what a failure holds up: what was refused, or all of the HaVip while that is busy."""
    apart = EipStep | RouteStep
    if isinstance(error, CloudError) and needs_rest(step) and not isinstance(step, apart):
        return HA_VIP
    # A permission that is missing is no fault of the member's.
    if isinstance(step, Associate) and isinstance(error, CredentialsRefused):
        return HA_VIP
    return subject(step)
