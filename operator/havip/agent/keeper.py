"""One HaVip on this node: feeds its election, and carries out what the election asks, in order.

Events go into the election at once. The actions that come out are carried out by one task, one
after the other, so that a `Release` is complete and an epoch on disk before a `Write` that follows
is sent. Reads and writes themselves run beside it and come back as events.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from havip.agent.epochs import Memory
from havip.agent.health import Checks
from havip.agent.kube import KubeError, Object
from havip.agent.measures import REGISTER_CALLS
from havip.agent.node import Node
from havip.agent.objects import Assignment
from havip.agent.possession import Possession
from havip.agent.register import LeaseRegister, to_record
from havip.agent.tally import Tally
from havip.election.actions import (
    Acquired,
    Action,
    Hold,
    Left,
    Read,
    Release,
    RememberEpoch,
    Send,
    Write,
)
from havip.election.events import (
    Answered,
    CandidatesChanged,
    Event,
    HealthChanged,
    Leave,
    Outcome,
    ReadFailed,
    Received,
    Seen,
    SettingsChanged,
    Tick,
)
from havip.election.machine import Election
from havip.election.messages import Heartbeat

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settle:
    """See to the address's place here: find it, or put back an address that somebody removed.

    In its turn, so as not to come between a hold and its release.
    """


class Keeper:
    """See the module."""

    def __init__(self, node: Node, assignment: Assignment, register: LeaseRegister) -> None:
        """Take part in the election of the assignment's HaVip from `start` on."""
        self.assignment = assignment
        self.register = register
        self.possession = Possession(node, assignment)
        self.tally = Tally()
        self.left = asyncio.Event()
        self.leaving = False
        self.last_answer: float | None = None
        """When the register last answered."""
        self.last_tick = node.clock()
        self._failures = 0
        self._memory = Memory(node.epochs, assignment.uid)
        """Until it has kept an epoch, we promise and claim nothing by it."""
        self._node = node
        self._healthy: bool | None = None
        self._candidates: dict[str, int] | None = None
        self._todo: deque[Action | Settle] = deque()
        self._work = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._checks = self._make_checks()
        self._election = Election(
            node.name,
            assignment.timing,
            node.life,
            node.clock(),
            node.epochs.recall(assignment.uid),
        )

    # -- what may be asked ------------------------------------------------------------------------

    @property
    def checks(self) -> Checks:
        """The health checks."""
        return self._checks

    @property
    def healthy(self) -> bool:
        """Whether this node is fit to serve the address."""
        return bool(self._healthy)

    def findings(self) -> list[str]:
        """Say what keeps the address from its place here, or from a better node."""
        found = self.possession.findings()
        if self.possession.owned and not self.healthy:
            found.append(
                f"HaVip {self._name} stays here although this node is not healthy, for no other"
                " member is: see its health checks"
            )
        return found

    @property
    def failures(self) -> int:
        """How often something failed that should not."""
        return self._failures + self._memory.failures + self.possession.failures

    # -- life -------------------------------------------------------------------------------------

    def start(self, lease: Object | None) -> None:
        """Begin; `lease` is the register as a watch has shown it, if it has."""
        self._spawn(self._carry_out())
        self.possession.settle()
        self._checks.start()
        self._judge_health()
        assignment = self.assignment
        self.handle(SettingsChanged(assignment.timing, assignment.failback))
        self._judge_candidates()
        # Asked before we took part: the burst of an ownership that begins now answers it.
        self.possession.announce_again()
        if lease is not None:
            self.saw(lease)

    def update(self, assignment: Assignment) -> None:
        """Follow a change of the HaVip."""
        old, self.assignment = self.assignment, assignment
        self.possession.assignment = assignment
        if (old.timing, old.failback) != (assignment.timing, assignment.failback):
            self.handle(SettingsChanged(assignment.timing, assignment.failback))
        self._judge_candidates()
        self.possession.announce_again()
        if old.health != assignment.health:
            self._checks.stop()
            self._checks = self._make_checks()
            self._checks.start()
        self.look()

    def leave(self, *, hand_over: bool) -> None:
        """Stop taking part; `left` is set when that is done. Not to hand over overrides."""
        if not self.leaving or not hand_over:
            self.leaving = True
            self.handle(Leave(hand_over=hand_over))

    async def close(self) -> None:
        """End, whether the election has been left or not; the address goes first."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._checks.stop()
        await self.possession.close("the agent stops")

    # -- events -----------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """Hand an event to the election, and see to what it asks for."""
        self.last_tick = self._node.clock()
        if isinstance(event, Received) and isinstance(event.message, Heartbeat):
            self.tally.heard(event.sender, event.message)
        try:
            actions = self._election.handle(event, self.last_tick)
        except Exception:
            # A bug. The kernel ends the hold by itself; the next event may find a way on.
            self._failures += 1
            log.exception("%s: the election failed over %s", self._name, event)
            return
        if actions:
            self._todo.extend(actions)
            self._work.set()
        self._arm()

    def saw(self, lease: Object) -> None:
        """Hand in a version of the register that a watch brought."""
        try:
            record = to_record(lease)
        except ValueError as error:
            log.error("%s: the register makes no sense: %s", self._name, error)
            return
        self.register.saw(lease)
        self.handle(Seen(record))

    def look(self) -> None:
        """Links or addresses of the node changed."""
        if Settle() not in self._todo:
            self._todo.append(Settle())
            self._work.set()
        self._judge_health()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake = self._election.wake_at
        if wake < float("inf") and not self.left.is_set():
            self._timer = asyncio.get_running_loop().call_at(wake, self.handle, Tick())

    # -- fitness ----------------------------------------------------------------------------------

    def _make_checks(self) -> Checks:
        endpoints = partial(self._node.endpoints, self.assignment.namespace)
        return Checks(
            self.assignment.health,
            self._link_up,
            endpoints,
            self._judge_health,
            self._node.address,
        )

    def _link_up(self, name: str | None) -> bool:
        interface = name or self.possession.interface
        return interface is not None and self._node.addresses.up(interface)

    def _judge_candidates(self) -> None:
        # Without a place for the address this node can neither hold it nor stand by: it would keep
        # it from one that can. One that has it in the wrong place gives it away in good order.
        candidates = dict(self.assignment.priorities)
        if not self.possession.placed:
            candidates.pop(self._node.name, None)
        if candidates != self._candidates:
            self._candidates = candidates
            self.handle(CandidatesChanged(candidates))

    def _judge_health(self) -> None:
        passed = self._checks.healthy
        if passed is None:
            # Checks that were just asked for: no reason yet to think otherwise than before.
            passed = self.healthy
        # A link that is down is a failed check, whether the user asked for one or not.
        healthy = self._link_up(None) and passed
        if healthy != self._healthy:
            self._healthy = healthy
            self.handle(HealthChanged(healthy))
        self._node.changed()

    # -- actions ----------------------------------------------------------------------------------

    async def _carry_out(self) -> None:
        while True:
            while self._todo:
                action = self._todo.popleft()
                try:
                    await self._perform(action)
                except Exception:
                    # A bug. What follows may still be done: a release never fails, and a hold
                    # that was not renewed ends by itself.
                    self._failures += 1
                    log.exception("%s: failed over %s", self._name, action)
            self._work.clear()
            await self._work.wait()

    async def _settle(self) -> None:
        self.possession.settle()
        if self.possession.placed and self.possession.missing:
            await self.possession.hold(self.possession.until)
        self._judge_candidates()
        self._judge_health()

    async def _perform(self, action: Action | Settle) -> None:
        match action:
            case Send() | Write() if not await self._memory.kept():
                if isinstance(action, Write):
                    self.handle(Answered(action.record.write, Outcome.REFUSED))
            case Send(to, message):
                self._node.peers.send(to, self.assignment.uid, message)
                self.tally.sent += isinstance(message, Heartbeat)
            case Hold(until):
                await self.possession.hold(until)
            case Settle():
                await self._settle()
            case Release(reason):
                await self.possession.release(reason)
                await self._settle()
            case Read(timeout):
                self._spawn(self._read(timeout))
            case Write():
                self._spawn(self._write(action))
            case RememberEpoch(epoch):
                await self._memory.keep(epoch)
            case Acquired():
                self.possession.acquire(action)
                self.tally.takeovers[action.reason] += 1
            case Left():
                log.info("%s: left", self._name)
                self.left.set()

    # -- the register -----------------------------------------------------------------------------

    async def _read(self, timeout: float) -> None:
        began = self._node.clock()
        try:
            record = await self.register.read(timeout)
        except (KubeError, KeyError, ValueError) as error:
            log.debug("%s: read: %s", self._name, error)
            self._measure("read", Outcome.UNKNOWN, began)
            self.handle(ReadFailed())
            return
        self._measure("read", Outcome.CONFIRMED, began)
        self.handle(Seen(record, fresh=True))

    async def _write(self, write: Write) -> None:
        began = self._node.clock()
        answered = await self.register.write(write.record, write.timeout)
        self._measure("write", answered.outcome, began)
        self.handle(answered)

    def _measure(self, action: str, outcome: Outcome, began: float) -> None:
        now, answered = self._node.clock(), outcome is not Outcome.UNKNOWN
        if answered:
            self.last_answer = now
        self._node.ledger.observe(REGISTER_CALLS, action, outcome.value, value=now - began)
        self.tally.asked_register(answered=answered, owned=self.possession.owned, now=now)

    # -- tasks ------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return f"{self.assignment.namespace}/{self.assignment.name}"

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures += 1
            log.error("%s: %r", self._name, error, exc_info=error)
