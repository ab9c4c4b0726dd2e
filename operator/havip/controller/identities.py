"""Whom credentials stand for, asked once: an access key never changes its account."""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from havip.api.errors import HaVipError
from havip.cloud.port import Cloud, Identity

log = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 600.0


@dataclass(slots=True)
class _Inquiry:
    task: "asyncio.Task[None]"
    identity: Identity | None = None
    failures: int = 0
    again_at: float = 0.0


class Identities:
    """What STS said so far.

    Where it cannot be reached everything goes on without. It is asked again after ``retry``
    seconds, then less and less often.
    """

    def __init__(self, retry: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._retry = retry
        self._clock = clock
        self._inquiries: dict[Hashable, _Inquiry] = {}

    async def of(self, credentials: Hashable, connect: Callable[[], Cloud]) -> Identity | None:
        """Return whom the credentials of a connection stand for, None if STS does not say.

        ``credentials`` names them. Waits for the first answer only.
        """
        known = self._inquiries.get(credentials)
        if known is None:
            known = self._inquiries[credentials] = _Inquiry(self._ask(credentials, connect))
        if known.identity is None and known.failures == 0:
            await asyncio.wait([known.task])
        elif known.identity is None and known.task.done() and self._clock() >= known.again_at:
            known.task = self._ask(credentials, connect)
        return known.identity

    def _ask(self, credentials: Hashable, connect: Callable[[], Cloud]) -> "asyncio.Task[None]":
        async def ask() -> None:
            try:
                identity = await connect().identify()
            except HaVipError as error:
                log.info("STS does not say whose the credentials are: %s", error)
                self._failed(credentials)
            except Exception:
                log.exception("Asking whose the credentials are failed by a fault of ours")
                self._failed(credentials)
            else:
                self._inquiries[credentials].identity = identity

        return asyncio.create_task(ask(), name="identify")

    def _failed(self, credentials: Hashable) -> None:
        known = self._inquiries[credentials]
        known.failures += 1
        pause = min(self._retry * 2.0 ** (known.failures - 1), LONGEST_PAUSE_SECONDS)
        known.again_at = self._clock() + pause
