"""What survives a restart of the agent: per HaVip the highest epoch, and the number of its life.

Each is a file of its own, replaced by rename, so that it is either the old or the new one, whenever
the node dies.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

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


def _checked(uid: str) -> str:
    if not _NAME.fullmatch(uid):
        raise ValueError(f"not a uid: {uid!r}")
    return uid
