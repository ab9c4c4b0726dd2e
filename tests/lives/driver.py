"""One life from the first apply to the end, with at most one mishap in it."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from havip.api.conditions import ConditionType
from havip.api.names import FINALIZER, lease_name
from havip.simcloud.faults import FaultKind, Record
from havip.simcloud.server import RunningCloud
from tests.lives import moments
from tests.lives.controller import HAVIP, LEASES, SECRET, Ground, controller, key
from tests.lives.judge import Chronicle, judge
from tests.lives.life import ADOPTED, Life, Scene
from tests.lives.line import Line, Mishap, Passed
from tests.lives.picture import Picture, picture
from tests.lives.store import Store
from tests.simcloud.sdk import Sdk

UID = "11111111-2222-3333-4444-555555555555"
PATIENCE_SECONDS = 780.0
"""After which a scene is believed not to come to its end."""
REST_SECONDS = 130.0
"""Two listings and more of an unchanging cloud."""
READ_MILLIS = 10_000
SHORT_READ_MILLIS = 60
"""Where an answer is withheld: real time passes until the SDK gives up."""
SLOW = {FaultKind.TIMEOUT_BEFORE, FaultKind.TIMEOUT_AFTER}

SUMMARISED = (
    ConditionType.ACCEPTED,
    ConditionType.PROVISIONED,
    ConditionType.MEMBERS_READY,
    ConditionType.EIP_BOUND,
    ConditionType.ROUTES_BOUND,
)
"""All that does not depend on agents."""


@dataclass
class Outcome:
    """What a life came to."""

    life: str
    mishap: Mishap | None
    calls: list[Passed] = field(default_factory=list)
    struck: bool = False
    complaints: list[str] = field(default_factory=list)
    leaked: int = 0
    doubled: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    """Calls by action that were meant to change something."""
    pictures: list[Picture] = field(default_factory=list)
    """The one before the life, and those at the end of each scene."""
    seconds: float = 0.0
    """Of the life's own time."""
    log: list[Record] = field(default_factory=list)
    """The calls as the cloud saw them."""
    lines: list[str] = field(default_factory=list)


Meanwhile = Callable[[Scene, Store], Awaitable[None]]
"""What happens, or is looked at, between an edit and the wait for what it leads to."""


async def nothing_meanwhile(_scene: Scene, _store: Store) -> None:
    """Let the wait begin at once."""


@dataclass
class Stage:
    """A simulated cloud and its time, for one life after the other."""

    cloud: RunningCloud
    moments: moments.Moments

    @cached_property
    def sdk(self) -> Sdk:
        """The console of those who were there before."""
        return Sdk(self.cloud.endpoint)

    def run(
        self,
        life: Life,
        mishap: Mishap | None = None,
        *,
        seed: int = 0,
        rests: bool = False,
        trouble: Callable[[RunningCloud, Line], None] | None = None,
        meanwhile: Meanwhile = nothing_meanwhile,
    ) -> Outcome:
        """Run a life.

        With ``rests``, the user waits long after each scene for what is done without need.
        ``trouble`` is made when the first change is about to leave.
        """
        self.moments.begin()
        outcome = Outcome(life.name, mishap)
        user = _User(self, life, outcome, seed, rests, trouble, meanwhile)
        moments.run(self.moments, user.live())
        outcome.seconds = self.moments.seconds
        return outcome


class _User:
    """Edits, waits until it is so, edits on; and keeps the controller alive meanwhile."""

    def __init__(
        self,
        stage: Stage,
        life: Life,
        outcome: Outcome,
        seed: int,
        rests: bool,
        trouble: Callable[[RunningCloud, Line], None] | None,
        meanwhile: Meanwhile,
    ) -> None:
        self._stage = stage
        self._control = stage.cloud.control
        self._life = life
        self._outcome = outcome
        self._rests = rests
        self._trouble = trouble
        self._meanwhile = meanwhile
        self._control.reset(seed)
        self._adopted = life.before(stage.sdk, stage.moments.pass_by)
        self._control.clear_calls()
        mishap = outcome.mishap
        self._store = Store()
        self._line = Line(self._control, seed, mishap, self._say)
        self._line.before_change = self._check_record
        slow = mishap is not None and mishap.kind in SLOW
        self._ground = Ground(
            stage.cloud.endpoint,
            self._store,
            self._line,
            stage.moments.clock(),
            SHORT_READ_MILLIS if slow else READ_MILLIS,
        )
        self._state = self._control.state()
        self._before = picture(self._named(copy.deepcopy(self._state)))
        self._chronicle = Chronicle()
        self._hurried = False

    async def live(self) -> None:
        self._store.put(SECRET, key())
        outcome = self._outcome
        outcome.pictures.append(self._before)
        with self._store.watched(self._chronicle.saw):
            living = asyncio.create_task(self._keep_alive())
            for number, scene in enumerate(self._life.scenes):
                self._line.scene = number
                self._say(f"-- {scene.title}")
                self._edit(scene)
                await self._meanwhile(scene, self._store)
                last = scene is self._life.scenes[-1]
                seen = await self._until(scene, last=last)
                outcome.pictures.append(seen)
                if outcome.complaints:
                    break
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)
        outcome.calls, outcome.struck = self._line.calls, self._line.struck
        outcome.changes = Counter(each.action for each in self._line.calls if each.changes)
        outcome.log = self._control.calls()
        judge(outcome, self._life, self._adopted, self._chronicle, self._state)

    async def _keep_alive(self) -> None:
        while True:
            async with controller(self._ground):
                await self._line.dead.wait()
            self._say("the controller is dead; another one starts")
            self._line.revive()

    # -- edits

    def _edit(self, scene: Scene) -> None:
        if scene.spec is None:
            self._store.end(HAVIP, self._stage.moments.unix())
            return
        before = self._store.objects.get(HAVIP)
        metadata = before["metadata"] if before else {"uid": UID}
        metadata = {**metadata, "name": "web", "namespace": "default"}
        body = {**(before or {}), "metadata": metadata, "spec": self._spec(scene)}
        self._store.put(HAVIP, body)
        lease = self._store.objects.get(LEASES + lease_name(UID))
        if scene.holder and lease is not None:
            holding = {"holderIdentity": scene.holder, "leaseTransitions": 1}
            self._store.put(LEASES + lease_name(UID), {**lease, "spec": holding})
            self._announce(scene.holder)

    def _announce(self, node: str) -> None:
        """Let the cloud see who has the address now."""
        state = self._control.state()
        macs = {each["instanceId"]: each["macAddress"] for each in state["instances"]}
        for each in state["haVips"]:
            self._control.announce(each["address"], macs[f"i-{node}"])

    def _spec(self, scene: Scene) -> dict[str, Any]:
        spec = dict(scene.spec or {})
        if "haVipId" in spec.get("adopt", {}):
            spec["adopt"] = {"haVipId": self._adopted}
        return spec

    # -- waits

    async def _until(self, scene: Scene, *, last: bool) -> Picture:
        """Wait until the object and the cloud are as wanted, or until the user is in a hurry."""
        wanted = scene.wanted(self._before)
        ends = self._stage.moments.seconds + PATIENCE_SECONDS
        pause = 0.1
        while True:
            if self._line.hurry.is_set() and not last:
                self._line.hurry.clear()
                self._hurried = True
                self._say("the user is in a hurry")
                return self._look()
            lacking = self._lacking(scene)
            if not lacking:
                seen = self._look()
                if self._hurried and (scene.suspends or (scene.keeps and not seen.ours)):
                    # What is left as it is, is what there was by then.
                    wanted = seen
                lacking = seen.against(wanted)
                if not lacking:
                    break
            if self._stage.moments.seconds > ends:
                told = f"scene '{scene.title}' does not come to its end: {'; '.join(lacking)}"
                self._complain(told)
                return self._look()
            try:
                async with asyncio.timeout(pause):
                    await self._line.hurry.wait()
            except TimeoutError:
                pause = min(5.0, pause * 1.1)
        if self._rests:
            await asyncio.sleep(REST_SECONDS)
            for each in self._look().against(wanted):
                self._complain(f"after the end of scene '{scene.title}': {each}")
        return seen

    def _lacking(self, scene: Scene) -> list[str]:
        body = self._store.objects.get(HAVIP)
        if scene.spec is None:
            return ["the object is still there"] if body else []
        if body is None:
            return ["the object is gone"]
        status, metadata = body.get("status") or {}, body["metadata"]
        if status.get("observedGeneration") != metadata["generation"]:
            return ["the edit was not looked at yet"]
        conditions = {each["type"]: each for each in status.get("conditions", [])}
        if scene.suspends:
            accepted = conditions[ConditionType.ACCEPTED]
            return [] if accepted["reason"] == "Suspended" else ["it is not suspended"]
        return [
            f"{type_} is not True: {conditions.get(type_, {}).get('message')}"
            for type_ in SUMMARISED
            if conditions.get(type_, {}).get("status") != "True"
        ]

    def _look(self) -> Picture:
        return picture(self._named(self._control.state()), self._before)

    def _named(self, state: Any) -> Any:
        """Call the HaVip that others made by its part in the play."""
        for each in state["haVips"]:
            if each["haVipId"] == self._adopted:
                each["haVipId"] = ADOPTED
        for where in (*state["eips"], *(e for t in state["routeTables"] for e in t["entries"])):
            for field_ in ("instanceId", "nextHopId"):
                if where.get(field_) == self._adopted and self._adopted:
                    where[field_] = ADOPTED
        return state

    # -- says

    def _check_record(self, call: str) -> None:
        """See that the cloud is asked for nothing that is not on record."""
        body = self._store.objects.get(HAVIP) or {"metadata": {}}
        conditions = (body.get("status") or {}).get("conditions", [])
        if FINALIZER not in body["metadata"].get("finalizers", ()):
            self._complain(f"{call} without a finalizer")
        if not any(each["type"] == ConditionType.PROVISIONED for each in conditions):
            self._complain(f"{call} is not on record in the status")
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            trouble(self._stage.cloud, self._line)

    def _complain(self, told: str) -> None:
        self._outcome.complaints.append(told)
        self._say(f"!! {told}")

    def _say(self, told: str) -> None:
        self._outcome.lines.append(f"{self._stage.moments.seconds:9.3f}  {told}")
