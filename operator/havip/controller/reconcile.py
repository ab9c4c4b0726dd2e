"""One worker per HaVip: observe, plan, report, execute; woken by events, timers and listings.

The status is written before the planned change is asked for, so a change that was asked for is
always on record, and a controller that cannot write to Kubernetes changes nothing in the cloud.
What a worker keeps in memory only spaces its tries; it may be lost at any moment.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from havip.api.conditions import Reason
from havip.api.errors import (
    BugError,
    Busy,
    CloudError,
    CredentialsRefused,
    HaVipError,
    NotFound,
    UserError,
)
from havip.api.havip import HaVip, HaVipStatus, MemberState
from havip.api.names import FINALIZER
from havip.cloud.port import HaVipFacts, InstanceType
from havip.controller.accounts import Account, Accounts
from havip.controller.classes import Classes
from havip.controller.events import News, mended, news
from havip.controller.execute import Executor
from havip.controller.finalizers import Finalizers
from havip.controller.kube import Kube, KubernetesError, path_of
from havip.controller.listings import HA_VIPS, INSTANCES, Listed, Needs
from havip.controller.observe import CloudView, NodeFacts, Observation, view
from havip.controller.plan import Associate, Plan, plan
from havip.controller.poller import Pace, Snapshot
from havip.controller.register import Registers
from havip.controller.status import status
from havip.controller.world import World

log = logging.getLogger(__name__)

LEAVING_SECONDS = 10.0
"""How long a leaving holder may take to hand the address over."""
CLOUD_FOLLOWS_SECONDS = 30.0
"""How long after a change of holder the cloud is watched for following it."""
QUIET_BUSY_TRIES = 3
"""A cloud that is busy this often in a row is ordinary; only then do conditions speak of it."""


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


class Worker:
    """Reconciles one HaVip for as long as it exists."""

    def __init__(self, uid: str, around: Surroundings) -> None:
        self._uid = uid
        self._around = around
        self._executor = Executor(uid)
        self._account: Account | None = None
        self._basis: tuple[object, ...] = ()
        self._reported: HaVipStatus | None = None
        self._deleting = False
        # Listings must be younger than the last change; how many such there were.
        self._changed_at = float("-inf")
        self._viewed_at = float("-inf")
        self._listings = 0
        self._counted = 0
        # The last refusal and until when not to try again.
        self._trouble: HaVipError | None = None
        self._hold_until = 0.0
        self._failures = 0
        self._refused: dict[str, tuple[float, str]] = {}
        self._leaving: dict[str, float] = {}
        # Holder and epoch, since when, and when the cloud followed.
        self._ownership: tuple[str, int] | None = None
        self._ownership_at = 0.0
        self._followed = False
        self._saw_it_begin = False
        self._cloud_moved_at: datetime | None = None
        self._register_version = ""
        self._register_at = 0.0
        self._wake = asyncio.Event()
        self._timer = 0.0
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
            try:
                pause = await self.reconcile()
            except HaVipError as error:
                log.warning("%s: %s", self._uid, error)
                pause = self._backoff()
            except Exception:
                # A bug in one object's case must not stop the others, nor this one for good.
                log.exception("%s: reconcile failed", self._uid)
                pause = self._around.pace.retry
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
        now = time.monotonic()
        self._timer = float("inf")
        seen = await self._observe(havip, now)
        planned = plan(seen)
        retrying = self._trouble is not None and planned.step is not None
        shown = replace(planned, trouble=self._trouble) if retrying else planned
        await self._report(havip, status(seen, shown))
        if not self._around.may_act():
            return self._around.pace.settle
        # The listing the plan was made from; another may have come in while we reported.
        listed_at = self._viewed_at
        fresh = listed_at >= self._changed_at
        if planned.done and (fresh or self._account is None):
            await self._finish(havip, planned)
            return None
        await self._keep_register(seen, fresh=fresh)
        if planned.step is not None and now < self._hold_until:
            self._look_again(self._hold_until - now)
        elif planned.step is not None and fresh:
            await self._execute(havip, planned)
        elif not fresh:
            self._list_after(self._changed_at)
        elif planned.watch_cloud:
            self._list_after(listed_at)
        if planned.step is None and planned.trouble is None:
            self._trouble, self._failures = None, 0
        self._around.classes.refused(self._uid, havip.spec.class_name, self._trouble)
        if planned.retry_seconds is not None:
            self._look_again(planned.retry_seconds)
        if planned.trouble is not None:
            # A missing class or Secret may appear without our hearing of it.
            self._look_again(min(self._around.pace.retry, 10.0))
        return None if self._timer == float("inf") else max(0.05, self._timer)

    # -- observe

    async def _observe(self, havip: HaVip, now: float) -> Observation:
        world = self._around.world
        klass = world.classes.get(havip.spec.class_name)
        deleting = havip.metadata.deletion_timestamp is not None
        trouble: HaVipError | None = None
        account: Account | None = None
        if klass is None:
            trouble = NotFound(
                f"There is no HaVipClass {havip.spec.class_name}: create it.",
                reason=Reason.CLASS_NOT_FOUND,
            )
        else:
            try:
                account = await self._around.accounts.of(klass, self._uid)
                if not deleting:
                    await account.check_place(klass)
            except HaVipError as error:
                trouble = error
        if deleting and not self._deleting:
            # The order of a deletion depends on who is the master now.
            self._deleting, self._changed_at = True, now
        self._enter(account, (havip.metadata.generation, klass and klass.spec, account, deleting))
        cloud: CloudView | None = None
        self._viewed_at = self._listed_at(account)
        if account:
            ha_vips = account.listings.of(self._uid, HA_VIPS)
            if ha_vips.latest:
                cloud = self._view(havip, ha_vips.latest, ha_vips)
            trouble = ha_vips.error or trouble
        if trouble is None and now < self._hold_until:
            trouble = self._trouble
            self._look_again(self._hold_until - now)
        register = world.registers.get(self._uid)
        seen = Observation(
            now=datetime.now(UTC),
            cluster_id=self._around.cluster_id,
            havip=havip,
            klass=klass,
            cloud=cloud,
            trouble=trouble,
            nodes=self._nodes(account),
            register=register,
            refused=self._still_refused(now),
            waited_for=frozenset(
                name for name, since in self._leaving.items() if now - since >= LEAVING_SECONDS
            ),
        )
        self._remember_leaving(havip, now)
        return replace(seen, cloud_moved_at=self._follow(seen, now))

    def _enter(self, account: Account | None, basis: tuple[object, ...]) -> None:
        """Try again at once when the object, its class or its credentials changed."""
        if account is not self._account:
            self._account = account
            self._listings = self._counted = 0
        if basis != self._basis:
            self._basis = basis
            self._hold_until = 0.0
            self._failures = 0
            self._refused.clear()

    def _view(
        self, havip: HaVip, snapshot: Snapshot[HaVipFacts], listed: Listed[HaVipFacts]
    ) -> CloudView:
        if snapshot.number != self._counted:
            self._counted = snapshot.number
            self._listings += 1 if snapshot.started >= self._changed_at else 0
        adopt = havip.spec.adopt
        known_id = adopt.ha_vip_id if adopt else havip.status.ha_vip_id
        unseen = listed.unseen(known_id) if known_id else self._listings
        return view(havip, self._around.cluster_id, snapshot.items, unseen=unseen)

    def _nodes(self, account: Account | None) -> tuple[NodeFacts, ...]:
        """Add the vSwitch of nodes without an agent, as the cloud knows it."""
        nodes = self._around.world.nodes
        if account is None:
            return nodes
        lacking = frozenset(e.instance_id for e in nodes if e.instance_id and not e.v_switch_id)
        account.listings.needs(self._uid, Needs(instances=lacking))
        instances = account.listings.of(self._uid, INSTANCES)
        found = instances.latest.items if instances.latest else {}
        return tuple(
            replace(each, v_switch_id=found[each.instance_id].v_switch_id)
            if each.instance_id in found and not each.v_switch_id
            else each
            for each in nodes
        )

    def _still_refused(self, now: float) -> dict[str, str]:
        self._refused = {key: told for key, told in self._refused.items() if told[0] > now}
        for until, _ in self._refused.values():
            self._look_again(until - now)
        return {key: reason for key, (_, reason) in self._refused.items()}

    def _remember_leaving(self, havip: HaVip, now: float) -> None:
        names = [each.node for each in havip.status.members if each.state is MemberState.LEAVING]
        self._leaving = {name: self._leaving.get(name, now) for name in names}

    def _follow(self, seen: Observation, now: float) -> datetime | None:
        """Watch the cloud for a while after a change of holder; tell when it followed."""
        register, cloud = seen.register, seen.cloud
        ownership = (register.holder, register.epoch) if register and register.holder else None
        if ownership != self._ownership:
            self._ownership, self._cloud_moved_at = ownership, None
            self._ownership_at, self._saw_it_begin = now, self._followed
        self._followed = True
        mine = cloud.mine if cloud else None
        if ownership is None or mine is None or self._account is None:
            return None
        held_by = next((n.instance_id for n in seen.nodes if n.name == ownership[0]), "")
        if self._cloud_moved_at is None and now - self._ownership_at < CLOUD_FOLLOWS_SECONDS:
            listed_at = self._viewed_at
            if listed_at >= self._ownership_at and mine.master_instance_id == held_by:
                # Of an ownership from before our start nobody knows when the cloud followed.
                self._cloud_moved_at = seen.now
            else:
                self._list_after(max(listed_at, self._ownership_at))
        return self._cloud_moved_at if self._saw_it_begin else None

    def _listed_at(self, account: Account | None) -> float:
        latest = account.listings.of(self._uid, HA_VIPS).latest if account else None
        return latest.started if latest else float("-inf")

    def _list_after(self, moment: float) -> None:
        if self._account is not None:
            self._account.listings.of(self._uid, HA_VIPS).want(moment)

    # -- report

    async def _report(self, havip: HaVip, after: HaVipStatus) -> None:
        before = havip.status
        if after == before:
            return
        try:
            await self._around.kube.patch(
                f"{path_of(havip)}/status",
                [
                    # The name may have been given to another object since.
                    {"op": "test", "path": "/metadata/uid", "value": self._uid},
                    {"op": "add", "path": "/status", "value": after.to_json()},
                ],
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

    async def _execute(self, havip: HaVip, planned: Plan) -> None:
        account, step = self._account, planned.step
        if account is None or step is None:
            return
        kind = InstanceType(havip.spec.members.type)
        try:
            await self._executor.execute(account.cloud, step, kind)
        except UserError as error:
            # A permission that is missing is no fault of the member's.
            if isinstance(step, Associate) and not isinstance(error, CredentialsRefused):
                retry = time.monotonic() + self._around.pace.retry
                self._refused[step.instance_id] = (retry, str(error))
                self.wake()
            else:
                self._fail(error, self._around.pace.retry)
        except CloudError as error:
            log.info("%s: %s: %s", havip.cloud_name, type(step).__name__, error)
            self._fail(error, max(error.retry_after or 0.0, self._backoff()))
        except BugError as error:
            log.error("%s: %s: %s", havip.cloud_name, type(step).__name__, error)
            self._fail(error, self._around.pace.retry)
        else:
            log.info("%s: %s", havip.cloud_name, step)
            self._trouble, self._failures = None, 0
            told = mended(havip, step)
            if told is not None:
                self._tell(told)
        self._changed_at = time.monotonic()
        self._listings = 0
        self._list_after(self._changed_at)

    def _fail(self, error: HaVipError, pause: float) -> None:
        self._failures += 1
        self._hold_until = time.monotonic() + pause
        if not isinstance(error, Busy) or self._failures > QUIET_BUSY_TRIES:
            self._trouble = error
        self._look_again(pause)
        self.wake()

    def _backoff(self) -> float:
        pace = self._around.pace
        return min(float(pace.backoff * 2 ** min(self._failures, 6)), 60.0)

    def _look_again(self, seconds: float) -> None:
        self._timer = min(self._timer, seconds)

    # -- register, end

    async def _keep_register(self, seen: Observation, *, fresh: bool) -> None:
        havip, mine = seen.havip, seen.cloud.mine if seen.cloud else None
        if havip.metadata.deletion_timestamp or mine is None or seen.trouble or not fresh:
            return
        if seen.cloud and seen.cloud.foreign:
            return
        register = seen.register
        if register is None:
            created = await self._around.registers.create(havip)
            self._around.world.registers.setdefault(self._uid, created)
            self.wake()
            return
        now = time.monotonic()
        if register.resource_version != self._register_version:
            self._register_version, self._register_at = register.resource_version, now
        holder = next((each for each in seen.nodes if each.name == register.holder), None)
        member = holder is not None and holder.instance_id in mine.associated_instances
        if not register.holder or member or not mine.settled or havip.spec.suspend:
            return
        still = max(self._around.pace.tie, _unmembered_seconds(havip) * 1.5)
        left = still - (now - self._register_at)
        if left > 0:
            self._look_again(left)
            return
        log.warning("%s: its holder %s is no member: cleared", havip.cloud_name, register.holder)
        await self._around.registers.clear(register)

    async def _finish(self, havip: HaVip, planned: Plan) -> None:
        await self._around.registers.delete(self._uid)
        await self._around.finalizers.remove(havip)
        if planned.note:
            self._tell(News("Released", planned.note))
        self._around.accounts.forget(self._uid)
        self.gone.set()


def _unmembered_seconds(havip: HaVip) -> float:
    timings = havip.spec.election.timings
    return timings.unmembered_millis / 1000 if timings else 0.0


class Reconciler:
    """The workers of all HaVips."""

    def __init__(self, around: Callable[["Reconciler"], Surroundings]) -> None:
        self.around = around(self)
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def worker(self, uid: str) -> Worker:
        """Return the worker of a HaVip, started if need be."""
        if uid not in self._workers:
            self._workers[uid] = Worker(uid, self.around)
            self._tasks[uid] = asyncio.create_task(self._workers[uid].run(), name=f"havip {uid}")
        return self._workers[uid]

    def wake(self, uids: Collection[str] | None = None) -> None:
        """Wake the workers of these HaVips, or of all."""
        for uid in self._workers if uids is None else uids:
            worker = self._workers.get(uid)
            if worker is not None:
                worker.wake()

    def forget(self, uid: str) -> None:
        """Stop the worker of a HaVip that does not exist any more."""
        task = self._tasks.pop(uid, None)
        if task is not None:
            task.cancel()
        self._workers.pop(uid, None)
        self.around.accounts.forget(uid)
        self.around.classes.forget(uid)
        self.around.world.lost_havip(uid)

    @property
    def count(self) -> int:
        """Number of HaVips looked after."""
        return len(self._workers)
