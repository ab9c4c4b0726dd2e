"""The workers of all HaVips."""

import asyncio
from collections.abc import Callable, Collection

from havip.controller.worker import Surroundings, Worker

__all__ = ["Reconciler", "Surroundings"]


class Reconciler:
    """Starts a worker for each HaVip, wakes it, and ends it with the object."""

    def __init__(self, around: Callable[["Reconciler"], Surroundings]) -> None:
        self.around = around(self)
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def worker(self, uid: str) -> Worker:
        """Return the worker of a HaVip, started if need be."""
        if uid not in self._workers:
            self._workers[uid] = Worker(uid, self.around)
            self._tasks[uid] = asyncio.create_task(self._workers[uid].run(), name=f"havip {uid}")
        return self._workers[uid]

    def wake(self, uids: Collection[str] | None = None) -> None:
        """Wake the workers of these HaVips, or of all."""
        for uid in self._workers if uids is None else uids:
            worker = self._workers.get(uid)
            if worker is not None:
                worker.wake()

    def forget(self, uid: str) -> None:
        """Stop the worker of a HaVip that does not exist any more."""
        task = self._tasks.pop(uid, None)
        if task is not None:
            task.cancel()
        self._workers.pop(uid, None)
        self.around.accounts.forget(uid)
        self.around.classes.forget(uid)
        self.around.world.lost_havip(uid)

    @property
    def count(self) -> int:
        """Number of HaVips looked after."""
        return len(self._workers)
