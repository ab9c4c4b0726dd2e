"""A controller that dies at one of its calls, and is gone without a trace."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

T = TypeVar("T")

When = Literal["before", "after"]


@dataclass
class Death:
    """Strikes at one call: the how-manieth of its kind, from 1; never, when that is 0.

    How often some kinds are called differs from life to life, the order of the others does not.
    """

    kind: str
    number: int
    when: When
    calls: Counter[str] = field(default_factory=Counter)
    struck: asyncio.Event = field(default_factory=asyncio.Event)

    async def strike(self) -> None:
        """Stop the caller for good, as kill -9 does: it neither returns nor raises."""
        self.struck.set()
        await asyncio.Event().wait()

    async def around(
        self, kind: str, call: Callable[[], Awaitable[T]], *answers: type[Exception]
    ) -> T:
        """Make a call unless death was there before, and return if it does not strike after.

        ``answers`` are exceptions that are answers as well, as a refusal is.
        """
        if self.struck.is_set():
            await self.strike()
        self.calls[kind] += 1
        fatal = (kind, self.calls[kind]) == (self.kind, self.number)
        if fatal and self.when == "before":
            await self.strike()
        try:
            result = await call()
        except answers:
            if fatal or self.struck.is_set():
                await self.strike()
            raise
        if fatal or self.struck.is_set():
            await self.strike()
        return result


@contextlib.asynccontextmanager
async def without_a_trace() -> AsyncIterator[None]:
    """End every task that was begun within the body, wherever it is."""
    before = asyncio.all_tasks()
    try:
        yield
    finally:
        remaining = asyncio.all_tasks() - before
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)
