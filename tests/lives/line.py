"""The line from the controller to the cloud: where each call passes, and where mishaps strike."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from havip.cloud.actions import Action
from havip.simcloud.client import ControlClient
from havip.simcloud.faults import ANY_READ, FaultKind

WAY_SECONDS = (0.005, 0.08)
"""Shortest and longest way of a call to the cloud, and of the answer back."""
STALE_SECONDS = 2.0
UNSEEN_SECONDS = 0.8
"""How long, and how far, all that is looked at is behind after an unseen call."""
HANG_SECONDS = 20.0


class Blow(StrEnum):
    """What strikes at a call besides the faults of the cloud."""

    DIES_BEFORE = "dies-before"
    """The controller dies; the call does not leave."""
    DIES_AFTER = "dies-after"
    """The call has its effect; the controller dies before it hears of it."""
    DIES_UNSEEN = "dies-unseen"
    """As before, and for a while the looks of the next controller do not show the effect."""
    DROPS_UNSEEN = "drops-unseen"
    """The call has its effect, the answer is lost, and for a while no look shows the effect."""
    EDITS_BEFORE = "edits-before"
    """The user makes the next edit while the call is on its way."""
    EDITS_AFTER = "edits-after"
    """The user makes the next edit when the call had its effect."""


@dataclass(frozen=True)
class Mishap:
    """One mishap at one call: the how-manieth of its action, from 1."""

    action: str
    number: int
    kind: Blow | FaultKind

    @property
    def call(self) -> str:
        return f"{self.action}#{self.number}"

    def __str__(self) -> str:
        return f"{self.call}:{self.kind}"

    @classmethod
    def read(cls, text: str) -> Mishap:
        """Read what ``str`` wrote."""
        call, kind = text.split(":")
        action, number = call.split("#")
        return cls(action, int(number), Blow(kind) if kind in set(Blow) else FaultKind(kind))


@dataclass(frozen=True)
class Passed:
    """A call that was made."""

    call: str
    action: str
    number: int
    about: str
    """Kind of resource, where the action does not tell."""
    changes: bool
    scene: int


class Line(Executor):
    """Makes the SDK's calls one at a time, each some way after it was asked for.

    The threads of the controller would make them at the same time, in an order that nobody could
    bring about again.
    """

    def __init__(
        self,
        control: ControlClient,
        seed: int,
        mishap: Mishap | None,
        say: Callable[[str], None],
    ) -> None:
        self._control = control
        self._chance = random.Random(seed)
        self._mishap = mishap
        self._say = say
        self._counts: Counter[str] = Counter()
        self.calls: list[Passed] = []
        self.scene = 0
        self.struck = False
        self.dead = asyncio.Event()
        """Set when the controller is to be no more."""
        self.hurry = asyncio.Event()
        """Set when the user waits no longer."""
        self.before_change: Callable[[str], None] = lambda _: None

    def revive(self) -> None:
        """Let another controller call."""
        self.dead = asyncio.Event()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        action: Action = args[0]
        answer: Future[Any] = Future()
        if self.dead.is_set():
            return answer
        self._counts[action.name] += 1
        number = self._counts[action.name]
        passed = Passed(
            f"{action.name}#{number}",
            action.name,
            number,
            str(getattr(args[1], "resource_type", "")),
            action.changes,
            self.scene,
        )
        self.calls.append(passed)
        if action.changes:
            self.before_change(passed.call)
        kind = self._mishap.kind if self._mishap and self._mishap.call == passed.call else None
        self.struck = self.struck or kind is not None
        self._say(f"{passed.call}{f'  <- {kind}' if kind else ''}")
        if kind is Blow.DIES_BEFORE:
            self.dead.set()
            return answer
        if kind is Blow.EDITS_BEFORE:
            self.hurry.set()
        answer.set_running_or_notify_cancel()
        loop = asyncio.get_running_loop()
        loop.call_later(self._way(), self._arrive, answer, kind, lambda: fn(*args, **kwargs))
        return answer

    def _way(self) -> float:
        return self._chance.uniform(*WAY_SECONDS)

    def _arrive(
        self, answer: Future[Any], kind: Blow | FaultKind | None, call: Callable[[], Any]
    ) -> None:
        fault = FaultKind.DROP_AFTER if kind is Blow.DROPS_UNSEEN else kind
        if isinstance(fault, FaultKind):
            seconds = {FaultKind.STALE: STALE_SECONDS, FaultKind.HANG: HANG_SECONDS}
            self._control.fault("*", fault, seconds=seconds.get(fault, 1.0))
        settle: Callable[[], None]
        try:
            result = call()
        except Exception as error:
            self._say(f"    {type(error).__name__}: {error}"[:160])
            settle = _raiser(answer, error)
        else:
            settle = _setter(answer, result)
        if kind in {Blow.DIES_UNSEEN, Blow.DROPS_UNSEEN}:
            self._control.fault(
                ANY_READ, FaultKind.STALE, seconds=UNSEEN_SECONDS, lasts=UNSEEN_SECONDS
            )
        if kind in {Blow.DIES_AFTER, Blow.DIES_UNSEEN}:
            self.dead.set()
            return
        if kind is Blow.EDITS_AFTER:
            self.hurry.set()
        asyncio.get_running_loop().call_later(self._way(), settle)


def _setter(answer: Future[Any], result: object) -> Callable[[], None]:
    return lambda: answer.set_result(result)


def _raiser(answer: Future[Any], error: Exception) -> Callable[[], None]:
    return lambda: answer.set_exception(error)
