"""Whom credentials stand for, asked once: an access key never changes its account."""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from havip.api.errors import HaVipError
from havip.cloud.credentials import CredentialSource
from havip.cloud.port import Cloud, Identity

log = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 600.0


@dataclass(slots=True)
class _Inquiry:
    credentials: CredentialSource
    task: "asyncio.Task[None] | None" = None
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

    async def of(
        self, place: Hashable, credentials: CredentialSource, connect: Callable[[], Cloud]
    ) -> Identity | None:
        """Return whom the credentials at a place stand for, None if STS does not say.

        Waits for the first answer only. Other credentials than before are asked about anew.
        """
        known = self._inquiries.get(place)
        if known is None or known.credentials != credentials:
            known = self._inquiries[place] = _Inquiry(credentials)
        if known.identity is None:
            if known.task is None or (known.task.done() and self._clock() >= known.again_at):
                known.task = asyncio.create_task(self._ask(known, connect()), name="identify")
            if known.failures == 0:
                await asyncio.wait([known.task])
        return known.identity

    def forget(self, place: Hashable) -> None:
        """Forget a place that is used no more."""
        self._inquiries.pop(place, None)

    async def _ask(self, asked: _Inquiry, cloud: Cloud) -> None:
        try:
            asked.identity = await cloud.identify()
        except HaVipError as error:
            log.info("STS does not say whose the credentials are: %s", error)
        except Exception:
            log.exception("Asking whose the credentials are failed by a fault of ours")
        if asked.identity is None:
            asked.failures += 1
            pause = min(self._retry * 2.0 ** min(asked.failures - 1, 10), LONGEST_PAUSE_SECONDS)
            asked.again_at = self._clock() + pause
