"""One worker per HaVipClass: tries its credentials and its place, and reports what it saw.

A class uses its account as its HaVips do, so it costs no calls of its own but one for the vSwitch.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from havip.api.conditions import ConditionStatus, ConditionType, find_condition
from havip.api.errors import CredentialsRefused, HaVipError
from havip.api.havipclass import HaVipClass, HaVipClassStatus
from havip.api.names import API_VERSION, HAVIPCLASS_PLURAL
from havip.controller.accounts import Account, Accounts
from havip.controller.classstatus import ClassSight, class_status
from havip.controller.events import News
from havip.controller.kube import Kube, KubernetesError, replacing
from havip.controller.needs import HA_VIPS
from havip.controller.poller import Pace
from havip.controller.secrets import FRESH_SECONDS
from havip.controller.world import World

log = logging.getLogger(__name__)


class Classes:
    """The workers of all HaVipClasses."""

    def __init__(
        self,
        world: World,
        kube: Kube,
        accounts: Accounts,
        pace: Pace,
        *,
        wake: Callable[[Collection[str]], None],
        tell: Callable[[Mapping[str, Any], News], None],
        may_act: Callable[[], bool] = lambda: True,
    ) -> None:
        self.world = world
        self.kube = kube
        self.accounts = accounts
        self.tell = tell
        self.may_act = may_act
        self.again = min(FRESH_SECONDS, pace.retry)
        """Seconds between looks: a Secret is not watched."""
        self._wake = wake
        self._workers: dict[str, ClassWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._refused: dict[str, tuple[str, CredentialsRefused]] = {}

    def saw(self, name: str) -> None:
        """Take note that a class appeared, changed or vanished."""
        klass = self.world.classes.get(name)
        worker = self._workers.get(name)
        if worker is not None and (klass is None or klass.metadata.uid != worker.uid):
            self._tasks.pop(name).cancel()
            del self._workers[name]
            self.accounts.forget(worker.uid)
            worker = None
        if worker is not None:
            worker.wake()
        elif klass is not None:
            worker = self._workers[name] = ClassWorker(name, klass.metadata.uid, self)
            self._tasks[name] = asyncio.create_task(worker.run(), name=f"class {name}")

    def wake(self, uids: Collection[str]) -> None:
        """Wake those of the classes that are among these uids."""
        for worker in self._workers.values():
            if worker.uid in uids:
                worker.wake()

    def refused(self, uid: str, class_name: str, error: HaVipError | None) -> None:
        """Say how a HaVip's own calls fare: each time it is looked at, None included.

        The class is not accepted while the credentials of any of its HaVips are refused something.
        Only what the cloud said to a call that the HaVip made itself belongs here.
        """
        before = self._refused.pop(uid, None)
        if isinstance(error, CredentialsRefused):
            self._refused[uid] = (class_name, error)
        after = self._refused.get(uid)
        if (before and str(before[1])) != (after and str(after[1])) and (
            worker := self._workers.get(class_name)
        ):
            worker.wake()

    def forget(self, uid: str) -> None:
        """Take note that a HaVip is gone."""
        class_name, _ = self._refused.get(uid, ("", None))
        self.refused(uid, class_name, None)

    def refusal(self, class_name: str) -> CredentialsRefused | None:
        """Return what a HaVip of a class was refused, if one was."""
        refused = (error for name, error in self._refused.values() if name == class_name)
        return next(refused, None)

    def wake_ha_vips(self, class_name: str) -> None:
        """Have the HaVips of a class looked at."""
        havips = self.world.havips.items()
        self._wake([uid for uid, havip in havips if havip.spec.class_name == class_name])


class ClassWorker:
    """Looks after one class for as long as it exists."""

    def __init__(self, name: str, uid: str, around: Classes) -> None:
        self.uid = uid
        self._name = name
        self._around = around
        self._reported: HaVipClassStatus | None = None
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Have the class looked at soon."""
        self._wake.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self._look()
            except HaVipError as error:
                log.warning("HaVipClass %s: %s", self._name, error)
            except Exception:
                # A bug in one class's case must not stop the others, nor this one for good.
                log.exception("HaVipClass %s: looking at it failed", self._name)
            try:
                async with asyncio.timeout(self._around.again):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _look(self) -> None:
        klass = self._around.world.classes.get(self._name)
        if klass is None:
            return
        klass = klass.model_copy(update={"status": self._reported or klass.status})
        after = class_status(await self._see(klass))
        if after != klass.status and self._around.may_act():
            await self._report(klass, after)

    async def _see(self, klass: HaVipClass) -> ClassSight:
        seen = ClassSight(datetime.now(UTC), klass)
        try:
            account = await self._around.accounts.of(klass, self.uid)
        except HaVipError as error:
            return replace(seen, trouble=error)
        try:
            seen = await self._see_account(replace(seen, identity=account.identity), account)
        except HaVipError as error:
            seen = replace(seen, trouble=error)
        if isinstance(seen.trouble, CredentialsRefused) and not seen.trouble.permission:
            account.source.discard()
        return seen

    async def _see_account(self, seen: ClassSight, account: Account) -> ClassSight:
        v_switch = await account.check_place(seen.klass)
        ha_vips = account.listings.of(self.uid, HA_VIPS)
        count = None
        if ha_vips.latest:
            found = ha_vips.latest.items.values()
            count = sum(1 for each in found if each.vpc_id == v_switch.vpc_id)
        return replace(
            seen,
            vpc_id=v_switch.vpc_id,
            ha_vips=count,
            trouble=ha_vips.error
            or account.listings.failure(account.cloud)
            or self._around.refusal(self._name),
        )

    async def _report(self, klass: HaVipClass, after: HaVipClassStatus) -> None:
        try:
            await self._around.kube.patch(
                f"/apis/{API_VERSION}/{HAVIPCLASS_PLURAL}/{self._name}/status",
                replacing("/status", after.to_json(), uid=self.uid),
            )
        except KubernetesError as error:
            if error.status == 404:
                return
            raise
        self._reported = after
        was, now = (
            find_condition(each.conditions, ConditionType.ACCEPTED)
            for each in (klass.status, after)
        )
        if now is None or (was and (was.status, was.reason)) == (now.status, now.reason):
            return
        if now.status is ConditionStatus.FALSE:
            self._around.tell(klass.to_json(), News(now.reason, now.message, warning=True))
        self._around.wake_ha_vips(self._name)
