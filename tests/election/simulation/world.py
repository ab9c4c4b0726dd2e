"""The world: true time, the agents' drifting clocks, a lossy network, a register with moods."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

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
    Tick,
)
from havip.election.machine import Election
from havip.election.record import Record
from havip.election.timing import PROFILES, Timing


@dataclass
class Clock:
    """A monotonic clock that runs a little fast or slow."""

    offset: float
    rate: float

    def local(self, true: float) -> float:
        return self.offset + self.rate * true

    def true(self, local: float) -> float:
        return (local - self.offset) / self.rate


@dataclass
class Overlap:
    """Two kernels that let the address through at one instant."""

    at: float
    opened: str
    open_already: str


@dataclass
class Weather:
    """How the network and the register behave; faults change it as time goes by."""

    loss: float = 0.0
    delay: tuple[float, float] = (0.0002, 0.003)
    register_delay: tuple[float, float] = (0.002, 0.015)
    answer_lost: float = 0.0
    """Share of writes that are stored although no answer comes back."""
    request_lost: float = 0.0
    late_commit: float = 0.0
    """Share of writes that are stored long after the writer has given up on them."""


class RegisterServer:
    """The register: compare-and-swap on the version, and a watch."""

    def __init__(self) -> None:
        self.record = Record(version=1)
        self.by_epoch_only = False
        """Sabotage: accept a write made against an older version of the same epoch."""

    def store(self, record: Record) -> int | None:
        same = record.version == self.record.version
        if self.by_epoch_only:
            same = record.epoch >= self.record.epoch
        if not same:
            return None
        version = self.record.version + 1
        self.record = replace(record, version=version)
        return version


@dataclass
class Agent:
    """One node: its election, its kernel's fence, what survives of it."""

    name: str
    clock: Clock
    election: Election | None = None
    life: int = 0
    remembered: int | None = None
    to_remember: int | None = None
    """On its way to the disk. What is sent or written waits for it, nothing else does."""
    keeps_file: bool = True
    frozen: bool = False
    fence_until: float = -math.inf
    """True time until which the kernel lets the address through."""
    backlog: list[Callable[[], None]] = field(default_factory=list)
    leaving: bool = False
    healthy: bool = True
    tick_number: int = 0


class World:
    """Everything, driven by one heap of moments."""

    def __init__(
        self,
        seed: int,
        size: int,
        timing: Timing = PROFILES["Fast"],
        election: type[Election] = Election,
        trace: bool = False,
    ) -> None:
        self.random = Random(seed)
        self.timing = timing
        self.election_class = election
        self.now = 0.0
        self.weather = Weather()
        self.hiccups = 0.002
        """Share of decisions after which the machine stops for a while before the deed."""
        self.unnoticed = 0.05
        """Share of the register's versions that a watch does not bring."""
        self.register = RegisterServer()
        self.overlaps: list[Overlap] = []
        self.held: list[tuple[float, str, str]] = []
        """(true time, node, reason) of each acquisition."""
        self.released: list[tuple[float, str, str]] = []
        self.cut: set[tuple[str, str]] = set()
        self.cut_off_register: set[str] = set()
        self.fenced: set[str] = set()
        """Nodes that the cloud delivers nothing to: what their kernels let through matters not."""
        self.lines: list[str] | None = [] if trace else None
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self.agents = {
            name: Agent(
                name,
                Clock(self.random.uniform(0, 1000), self.random.uniform(0.995, 1.005)),
            )
            for name in (f"n{i}" for i in range(1, size + 1))
        }

    # -- time -------------------------------------------------------------------------------------

    def at(self, time: float, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._heap, (time, self._number, act))

    def run_until(self, end: float) -> None:
        while self._heap and self._heap[0][0] <= end:
            self.now, _, act = heapq.heappop(self._heap)
            act()
        self.now = end

    def say(self, text: str) -> None:
        if self.lines is not None:
            self.lines.append(f"{self.now:9.4f}  {text}")

    # -- agents -----------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        agent = self.agents[name]
        agent.life += 1
        agent.frozen = False
        agent.leaving = False
        agent.backlog = []
        agent.to_remember = None
        agent.fence_until = -math.inf  # a starting agent shuts what a former life left open
        agent.election = self.election_class(
            name,
            self.timing,
            run=agent.life,
            now=agent.clock.local(self.now),
            remembered=agent.remembered if agent.keeps_file else None,
        )
        self.say(f"{name} starts, life {agent.life}")
        self.tell(name, CandidatesChanged(dict.fromkeys(self.agents, 100)))
        self.tell(name, HealthChanged(agent.healthy))

    def crash(self, name: str) -> None:
        """The node dies: process, kernel, all."""
        agent = self.agents[name]
        agent.election = None
        agent.fence_until = min(agent.fence_until, self.now)
        self.say(f"{name} crashes")

    def kill(self, name: str) -> None:
        """The agent's process dies; its kernel lives on with the fence as it was."""
        self.agents[name].election = None
        self.say(f"{name} is killed")

    def freeze(self, name: str) -> None:
        self.agents[name].frozen = True
        self.say(f"{name} freezes")

    def thaw(self, name: str) -> None:
        agent = self.agents[name]
        if not agent.frozen:
            return
        agent.frozen = False
        self.say(f"{name} thaws")
        backlog, agent.backlog = agent.backlog, []
        for index, act in enumerate(backlog):
            if agent.frozen:
                agent.backlog.extend(backlog[index:])
                return
            act()

    def when_awake(self, name: str, act: Callable[[], None]) -> None:
        """Do ``act`` in the present life of an agent, when it is not frozen."""
        agent = self.agents[name]
        life = agent.life

        def alive() -> None:
            if agent.election is None or agent.life != life:
                return
            if agent.frozen:
                agent.backlog.append(alive)
            else:
                act()

        alive()

    def tell(self, name: str, event: Event) -> None:
        """An event happens to an agent."""
        self.when_awake(name, lambda: self._handle(name, event))

    def _handle(self, name: str, event: Event) -> None:
        agent = self.agents[name]
        election = agent.election
        assert election is not None
        actions = election.handle(event, agent.clock.local(self.now))
        if actions and self.random.random() < self.hiccups:
            # The machine may stop between the decision and the deed.
            self.freeze(name)
            span = self.random.expovariate(1 / 0.3)
            self.at(self.now + span, lambda: self.thaw(name))
        for action in actions:
            self.when_awake(name, lambda a=action: self._perform(name, a))  # type: ignore[misc]
        agent.tick_number += 1
        number, life = agent.tick_number, agent.life
        if election.wake_at < math.inf:
            moment = max(self.now + 1e-6, agent.clock.true(election.wake_at))

            def tick() -> None:
                if agent.tick_number == number and agent.life == life:
                    self.tell(name, Tick())

            self.at(moment, tick)

    # -- actions ----------------------------------------------------------------------------------

    def _perform(self, name: str, action: Action) -> None:
        agent = self.agents[name]
        if isinstance(action, Send | Write):
            self._remembered(agent)
        match action:
            case Send(to, message):
                if (name, to) in self.cut or self.random.random() < self.weather.loss:
                    return
                delay = self.random.uniform(*self.weather.delay)
                self.at(self.now + delay, lambda: self.tell(to, Received(name, message)))
            case Write():
                self._write(name, action)
            case Read(timeout):
                self._read(name, timeout)
            case RememberEpoch(epoch):
                agent.to_remember = epoch
                delay = self.random.uniform(0.0, 0.01)
                self.at(
                    self.now + delay,
                    partial(self.when_awake, name, partial(self._remembered, agent)),
                )
            case Acquired(epoch, _, reason, _):
                self.held.append((self.now, name, reason))
                self.say(f"{name} holds at epoch {epoch}: {reason}")
            case Hold(until):
                self._open(agent, agent.clock.true(until))
            case Release(reason):
                agent.fence_until = min(agent.fence_until, self.now)
                self.released.append((self.now, name, reason))
                self.say(f"{name} lets go: {reason}")
            case Left():
                agent.election = None
                self.say(f"{name} left")

    @staticmethod
    def _remembered(agent: Agent) -> None:
        if agent.to_remember is not None:
            agent.remembered, agent.to_remember = agent.to_remember, None

    def _open(self, agent: Agent, until: float) -> None:
        agent.fence_until = until
        if until <= self.now or agent.name in self.fenced:
            return
        for other in self.agents.values():
            if other is agent or other.name in self.fenced:
                continue
            if other.fence_until > self.now:
                self.overlaps.append(Overlap(self.now, agent.name, other.name))
                self.say(f"OVERLAP: {agent.name} opens while {other.name} is open")

    # -- the register -----------------------------------------------------------------------------

    def _write(self, name: str, write: Write) -> None:
        weather, random = self.weather, self.random
        life = self.agents[name].life
        done = False

        def answer(event: Answered) -> None:
            nonlocal done
            if not done and self.agents[name].life == life:
                done = True
                self.tell(name, event)

        self.at(
            self.now + write.timeout,
            lambda: answer(Answered(write.record.write, Outcome.UNKNOWN)),
        )
        if name in self.cut_off_register or random.random() < weather.request_lost:
            return
        there = random.uniform(*weather.register_delay)
        if random.random() < weather.late_commit:
            there += random.uniform(0.0, 2.0)
        back = random.uniform(*weather.register_delay)
        lost = random.random() < weather.answer_lost

        def arrive() -> None:
            version = self.register.store(write.record)
            if version is not None:
                r = self.register.record
                self.say(
                    f"register {version}: holder {r.holder} epoch {r.epoch} members "
                    f"{','.join(sorted(r.members))} challenger {r.challenger} by {r.write}"
                )
                self._notify()
            if lost or name in self.cut_off_register:
                return
            outcome = Outcome.CONFIRMED if version is not None else Outcome.REFUSED
            self.at(
                self.now + back,
                lambda: answer(Answered(write.record.write, outcome, version or 0)),
            )

        self.at(self.now + there, arrive)

    def clear(self, fenced: frozenset[str] = frozenset()) -> None:
        """The controller takes the holder out of the register, unless anybody writes first.

        It leaves those in it that may follow: the holder and its members, but for the fenced.
        """
        seen = self.register.record
        holder = frozenset([seen.holder] if seen.holder else [])
        may_follow = (seen.members | holder) - fenced
        if not holder and may_follow == seen.members:
            return
        cleared = replace(
            seen,
            holder=None,
            members=may_follow,
            challenger=None,
            given=False,
            write=f"controller/{seen.version}",
        )

        def arrive() -> None:
            version = self.register.store(cleared)
            if version is not None:
                self.say(f"register {version}: cleared, to follow {','.join(sorted(may_follow))}")
                self._notify()

        self.at(self.now + self.random.uniform(*self.weather.register_delay), arrive)

    def fence(self, name: str) -> None:
        """The cloud takes a node out by force."""
        self.fenced.add(name)
        self.say(f"{name} is fenced")

    def readmit(self, name: str) -> None:
        """Tell a fenced node as soon as it can hear; take it in again once it has let go."""
        agent = self.agents[name]
        if agent.election is None and agent.fence_until <= self.now:
            self.fenced.discard(name)
            self.start(name)
            return
        if name not in self.cut_off_register:
            self.tell(name, Leave(hand_over=False))
        self.at(self.now + 0.2, lambda: self.readmit(name))

    def _read(self, name: str, timeout: float) -> None:
        life = self.agents[name].life
        done = False

        def answer(event: Event) -> None:
            nonlocal done
            if not done and self.agents[name].life == life:
                done = True
                self.tell(name, event)

        self.at(self.now + timeout, lambda: answer(ReadFailed()))
        if name in self.cut_off_register or self.random.random() < self.weather.request_lost:
            return
        there = self.random.uniform(*self.weather.register_delay)
        back = self.random.uniform(*self.weather.register_delay)

        def arrive() -> None:
            record = self.register.record
            if name not in self.cut_off_register:
                self.at(self.now + back, lambda: answer(Seen(record, fresh=True)))

        self.at(self.now + there, arrive)

    def _notify(self) -> None:
        record = self.register.record
        for name in self.agents:
            if name in self.cut_off_register or self.random.random() < self.unnoticed:
                continue
            delay = self.random.uniform(*self.weather.register_delay)
            self.at(self.now + delay, lambda n=name: self.tell(n, Seen(record)))  # type: ignore[misc]

    # -- questions --------------------------------------------------------------------------------

    def open_now(self) -> list[str]:
        """The nodes whose kernels let the address through now."""
        return [a.name for a in self.agents.values() if a.fence_until > self.now]

    def leave(self, name: str) -> None:
        self.agents[name].leaving = True
        self.tell(name, Leave())
        self.say(f"{name} is asked to leave")
