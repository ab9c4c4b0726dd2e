"""One life of the world: a seeded storm of faults, then calm weather, then the questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from havip.election.events import HealthChanged, Switchover
from havip.election.machine import Election
from havip.election.timing import PROFILES, Timing
from tests.election.simulation.world import Overlap, Weather, World

Fault = Callable[[World, str, str, float], None]


@dataclass(frozen=True)
class Storm:
    """What a storm is made of. Narrowed down, it looks for trouble of one kind."""

    seconds: float = 12.0
    every: float = 0.6
    """Mean seconds between two faults."""
    lasting: float = 0.8
    """Mean seconds that a fault lasts."""
    sizes: tuple[int, ...] = (2, 3, 4, 5)
    timing: Timing = PROFILES["Fast"]
    faults: tuple[Fault, ...] = ()
    weather: Weather | None = None
    unnoticed: float = 0.05
    """Share of the register's versions that a watch does not bring."""
    keeps_file: float = 0.8
    """Share of agents whose epoch file survives a restart."""


@dataclass
class Outcome:
    """What a schedule showed."""

    seed: int
    overlaps: list[Overlap]
    recovered: bool
    """After the storm, somebody held the address within the bound."""
    outages: list[float] = field(default_factory=list)
    """Seconds from each crash of the holder, in calm weather, to the next holder."""
    lines: list[str] = field(default_factory=list)


Prepare = Callable[[World], None]


def run(
    seed: int,
    election: type[Election] = Election,
    prepare: Prepare | None = None,
    trace: bool = False,
    kind: Storm | None = None,
) -> Outcome:
    """Live through the schedule of ``seed``; with a ``kind`` of storm only through the storm."""
    chosen = kind or Storm()
    size = chosen.sizes[seed % len(chosen.sizes)]
    world = World(seed, size, chosen.timing, election, trace)
    world.unnoticed = chosen.unnoticed
    if prepare is not None:
        prepare(world)
    names = list(world.agents)
    for agent in world.agents.values():
        agent.keeps_file = world.random.random() < chosen.keeps_file
    for name in names:
        world.at(world.random.uniform(0, 0.5), lambda n=name: world.start(n))  # type: ignore[misc]
    world.run_until(2.0)
    storm(world, names, chosen)
    if kind is not None:
        return Outcome(seed, world.overlaps, False, lines=world.lines or [])
    calm(world, names)
    recovered = settle(world)
    outages = crash_in_calm(world) if recovered else []
    return Outcome(seed, world.overlaps, recovered, outages, world.lines or [])


def storm(world: World, names: list[str], kind: Storm) -> None:
    """Faults, one upon the other."""
    random = world.random
    world.weather = kind.weather or Weather(
        loss=random.choice([0.0, 0.0, 0.05, 0.3]),
        delay=(0.0002, random.choice([0.002, 0.03])),
        register_delay=(0.001, random.choice([0.01, 0.05, 0.15])),
        answer_lost=random.choice([0.0, 0.1, 0.3]),
        request_lost=random.choice([0.0, 0.1]),
        late_commit=random.choice([0.0, 0.1, 0.3]),
    )
    end = world.now + kind.seconds
    moment = world.now
    while True:
        moment += random.expovariate(1 / kind.every)
        if moment >= end:
            break
        name, other = random.choice(names), random.choice(names)
        span = random.expovariate(1 / kind.lasting)
        fault = random.choice(kind.faults or FAULTS)
        world.at(moment, lambda f=fault, n=name, o=other, s=span: f(world, n, o, s))  # type: ignore[misc]
    world.run_until(end)


def calm(world: World, names: list[str]) -> None:
    """Everything works again."""
    world.weather = Weather()
    world.cut.clear()
    world.cut_off_register.clear()
    for name in names:
        world.agents[name].healthy = True
        world.thaw(name)
        if world.agents[name].election is None or world.agents[name].leaving:
            world.start(name)


def settle(world: World) -> bool:
    """In calm weather somebody must hold within the bound, with every other node a member."""
    end = world.now + world.timing.unmembered + 4 * world.timing.drop
    while world.now < end:
        world.run_until(world.now + 0.5)
        if (
            len(world.open_now()) == 1
            and len(world.register.record.members) == len(world.agents) - 1
        ):
            return True
    return False


def crash_in_calm(world: World) -> list[float]:
    """Crash the holder and see how long the address is without one."""
    holder = world.open_now()[0]
    world.run_until(world.now + world.random.uniform(0, 1))
    if world.open_now() != [holder]:
        return []
    began = world.now
    world.crash(holder)
    world.run_until(began + 3.0)
    return [t - began for t, _, _ in world.held if t > began][:1]


# -- faults ---------------------------------------------------------------------------------------


def crash(world: World, name: str, other: str, span: float) -> None:
    if world.agents[name].election is not None:
        world.crash(name)
        world.at(world.now + span, lambda: _restart(world, name))


def kill(world: World, name: str, other: str, span: float) -> None:
    if world.agents[name].election is not None:
        world.kill(name)
        world.at(world.now + span / 4, lambda: _restart(world, name))


def _restart(world: World, name: str) -> None:
    if world.agents[name].election is None:
        world.start(name)


def freeze(world: World, name: str, other: str, span: float) -> None:
    world.freeze(name)
    world.at(world.now + span, lambda: world.thaw(name))


def cut_one_way(world: World, name: str, other: str, span: float) -> None:
    world.cut.add((name, other))
    world.at(world.now + 2 * span, lambda: world.cut.discard((name, other)))


def isolate(world: World, name: str, other: str, span: float) -> None:
    pairs = {(name, n) for n in world.agents} | {(n, name) for n in world.agents}
    world.cut |= pairs
    world.at(world.now + span, lambda: world.cut.difference_update(pairs))


def lose_register(world: World, name: str, other: str, span: float) -> None:
    world.cut_off_register.add(name)
    world.at(world.now + span, lambda: world.cut_off_register.discard(name))


def lose_register_for_all(world: World, name: str, other: str, span: float) -> None:
    for each in world.agents:
        lose_register(world, each, other, span)


def leave(world: World, name: str, other: str, span: float) -> None:
    if world.agents[name].election is not None:
        world.leave(name)
        world.at(world.now + span + 1, lambda: _restart(world, name))


def sicken(world: World, name: str, other: str, span: float) -> None:
    world.agents[name].healthy = False
    world.tell(name, HealthChanged(False))

    def heal() -> None:
        world.agents[name].healthy = True
        world.tell(name, HealthChanged(True))

    world.at(world.now + span, heal)


def switch_over(world: World, name: str, other: str, span: float) -> None:
    world.tell(name, Switchover(None))


def clear(world: World, name: str, other: str, span: float) -> None:
    """The controller takes the holder out of the register, alive or not."""
    world.clear()


def fence_and_clear(world: World, name: str, other: str, span: float) -> None:
    """The controller takes the holder out of the cloud, then out of the register.

    Of its members, alive or not, it leaves those in the register that it believes to live.
    """
    holder = world.register.record.holder
    if holder is None:
        return
    if holder not in world.fenced:
        world.fence(holder)
        world.at(world.now + span, lambda: world.readmit(holder))
    members = sorted(world.register.record.members)
    believed_dead = {each for each in members if world.random.random() < 0.5}
    world.clear(frozenset({holder, *believed_dead}))


FAULTS = (
    crash,
    kill,
    freeze,
    cut_one_way,
    isolate,
    lose_register,
    lose_register_for_all,
    leave,
    sicken,
    switch_over,
    clear,
    fence_and_clear,
)
