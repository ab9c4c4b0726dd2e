"""What survives a restart of the agent: per HaVip the highest epoch, and the number of its life.

Each is a file of its own, replaced by rename, so that it is either the old or the new one, whenever
the node dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_NAME: Final = re.compile(r"[A-Za-z0-9.-]{1,128}")
_LIFE: Final = "life"


class Epochs:
    """The folder of these files."""

    def __init__(self, directory: Path) -> None:
        """Use `directory`, which is made if it is not there."""
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def recall(self, uid: str) -> int | None:
        """Return the epoch kept for this HaVip; `None` when there is none that can be read."""
        return self._read(f"epoch-{_checked(uid)}")

    def remember(self, uid: str, epoch: int) -> None:
        """Keep the epoch; it is on the disk when this returns."""
        self._write(f"epoch-{_checked(uid)}", epoch)

    def forget(self, uid: str) -> None:
        """Drop what is kept of a HaVip that no longer exists."""
        (self._directory / f"epoch-{_checked(uid)}").unlink(missing_ok=True)

    def begin_life(self, wall_nanoseconds: int) -> int:
        """Return the number of this life: the time, or more where the clock fell back."""
        life = max(wall_nanoseconds, (self._read(_LIFE) or 0) + 1)
        self._write(_LIFE, life)
        return life

    def _read(self, name: str) -> int | None:
        try:
            return int((self._directory / name).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _write(self, name: str, value: int) -> None:
        path = self._directory / name
        fresh = path.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(f"{value}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class Memory:
    """The epoch of one HaVip on its way to the disk, which nobody waits for before they must."""

    def __init__(self, epochs: Epochs, uid: str) -> None:
        """Remember nothing yet."""
        self.failures = 0
        self._epochs = epochs
        self._uid = uid
        self._owed: int | None = None
        """An epoch that the disk has not taken."""
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, epoch: int) -> None:
        """Begin to keep an epoch, once the one before is through."""
        await self._written()
        self._owed = epoch
        self._writing = asyncio.create_task(asyncio.to_thread(self._write, epoch))

    async def kept(self) -> bool:
        """Tell whether the last epoch would be known after a restart; try once more if not."""
        await self._written()
        if self._owed is not None:
            await asyncio.to_thread(self._write, self._owed)
        return self._owed is None

    async def _written(self) -> None:
        if self._writing is not None:
            await asyncio.wait([self._writing])
            self._writing = None

    def _write(self, epoch: int) -> None:
        try:
            self._epochs.remember(self._uid, epoch)
        except OSError as error:
            self.failures += 1
            log.error("%s: cannot keep the epoch: %s", self._uid, error)
            # A file that is behind would be trusted after a restart; without one the register
            # is read first.
            with contextlib.suppress(OSError):
                self._epochs.forget(self._uid)
                self._owed = None
        else:
            self._owed = None


def _checked(uid: str) -> str:
    if not _NAME.fullmatch(uid):
        raise ValueError(f"not a uid: {uid!r}")
    return uid
