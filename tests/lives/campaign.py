"""Every life with every mishap: what there is to run, and running it."""

from __future__ import annotations

import atexit
import functools
import gc
import os
import random
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from havip.simcloud.faults import FaultKind
from havip.simcloud.profiles import INSTANT, LAB, Profile
from havip.simcloud.server import running
from tests.lives.driver import Outcome, Stage
from tests.lives.life import topology
from tests.lives.line import Blow, Mishap, Passed
from tests.lives.lives import LIVES
from tests.lives.moments import Moments

DEATHS = (Blow.DIES_BEFORE, Blow.DIES_AFTER)
EDITS = (Blow.EDITS_BEFORE, Blow.EDITS_AFTER)

LOST = (
    FaultKind.DROP_BEFORE,
    FaultKind.DROP_AFTER,
    FaultKind.RESET_BEFORE,
    FaultKind.RESET_AFTER,
    FaultKind.TIMEOUT_BEFORE,
    FaultKind.TIMEOUT_AFTER,
)
"""No answer."""
REFUSED = (
    FaultKind.ERROR_500,
    FaultKind.ERROR_500_AFTER,
    FaultKind.ERROR_503,
    FaultKind.PROXY_503,
    FaultKind.THROTTLE,
    FaultKind.REFUSE,
)
"""The answer says that it did not work, true or not."""
UNREADABLE = (
    FaultKind.MALFORMED,
    FaultKind.GARBLED,
    FaultKind.EMPTY_BODY,
    FaultKind.TRUNCATED,
    FaultKind.MISSING_KEYS,
    FaultKind.WRONG_TYPES,
    FaultKind.WRONG_SHAPES,
)
"""The answer says that it worked, in words that nobody understands."""
LATE = (FaultKind.STALE, FaultKind.EMPTY)
"""The answer is of the past, or of a replica that knows nothing yet."""

UNSEEN = (Blow.DIES_UNSEEN, Blow.DROPS_UNSEEN)
CHANGES = (*DEATHS, *UNSEEN, *EDITS, *LOST, *REFUSED, *UNREADABLE, FaultKind.HANG)
LOOKS = (LOST, REFUSED, UNREADABLE, LATE)

PROFILES: dict[str, Profile] = {
    "instant": INSTANT,
    # How long an answer takes is the line's business here, which takes no real time.
    "slow": replace(LAB, name="slow", answer=(0.0, 0.0)),
}


@dataclass(frozen=True)
class Task:
    """One life with one mishap, or with none."""

    life: str
    mishap: Mishap | None
    profile: str
    seed: int

    def __str__(self) -> str:
        return f"{self.life}:{self.mishap}" if self.mishap else self.life


def mishaps(calls: Sequence[Passed], scenes: int, seed: int) -> Iterator[Mishap]:
    """Give the mishaps of a life whose calls are these when it is undisturbed.

    A change meets every one. A look meets both deaths and one fault of each class: whether it
    has an effect makes no difference to it. Which one, the seed decides.
    """
    chance = random.Random(seed)
    for call in calls:
        kinds: Collection[Blow | FaultKind]
        if call.changes:
            # After the last edit there is none to hurry with.
            kinds = [k for k in CHANGES if k not in EDITS or call.scene < scenes - 1]
        else:
            kinds = [*DEATHS, *(chance.choice(each) for each in LOOKS)]
        for kind in kinds:
            yield Mishap(call.action, call.number, kind)


class Theatre:
    """A stage of each profile, set up when it is first needed."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    @functools.cache  # noqa: B019 -- there is one theatre in a process
    def stage(self, profile: str) -> Stage:
        """Return the stage of a profile."""
        moments = Moments()
        cloud = running(topology(), PROFILES[profile], clock=moments.unix, seed=0)
        return Stage(self._stack.enter_context(cloud), moments)

    def close(self) -> None:
        """Take the stages down."""
        self._stack.close()


@functools.cache
def _theatre(_process: int) -> Theatre:
    theatre = Theatre()
    # Its threads must end before the interpreter does.
    atexit.register(theatre.close)
    return theatre


def run(task: Task) -> Outcome:
    """Run a life on a stage of this process."""
    stage = _theatre(os.getpid()).stage(task.profile)
    outcome = stage.run(LIVES[task.life], task.mishap, seed=task.seed)
    if task.mishap is not None and not outcome.struck:
        outcome.complaints.append(f"{task.mishap} did not strike: the life ran otherwise")
    if not outcome.complaints:
        # What went well is not told, and does not have to be handed to another process.
        outcome.lines.clear()
    outcome.log.clear()
    return outcome


def _settle_down() -> None:
    """Have the garbage of lives looked for, not what the SDK is made of, and not all the time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@contextmanager
def processes(number: int) -> Iterator[Executor]:
    """Run lives in several processes within the block, each with its own clouds.

    They are forked from one that has no clouds, and so no threads that could hold a lock.
    """
    with ProcessPoolExecutor(number, initializer=_settle_down) as pool:
        yield pool


def run_all(pool: Executor, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
    """Give what the lives came to, in order."""
    return zip(tasks, pool.map(run, tasks, chunksize=8), strict=True)
