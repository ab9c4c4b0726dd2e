"""The control groups of a whole cluster: one for each node's pods, one for all that is no pod.

On machines of their own, nodes and control plane compete with nobody. Here they have a weight that
keeps them going while the machine does other things too, since a starved cluster shows nothing but
that it starves.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from lab.network import PREFIX

MOUNT = Path("/sys/fs/cgroup")
GROUP = f"{PREFIX}cluster"
PROGRAMS = "programs"
# Sixteen times that of a process of the machine, as the old and the new groups count.
WEIGHTS = {"cpu.shares": 16 * 1024, "cpu.weight": 16 * 100}
END_SECONDS = 30


class CgroupError(Exception):
    """A control group of an earlier lab cannot be removed."""


def path(node: str) -> PurePosixPath:
    """Return the group of a node's pods, from the root of a hierarchy."""
    return PurePosixPath("/", GROUP, node)


class Cgroups:
    """The groups of one cluster."""

    def __init__(self, nodes: Iterable[str]) -> None:
        """Name the nodes; nothing is made yet."""
        self._nodes = list(nodes)

    def make(self) -> None:
        """Make the groups, in place of what a crashed run has left.

        This process joins that of programs, and so does what it starts from now on.
        """
        self._remove()
        for hierarchy in _hierarchies():
            group = hierarchy / GROUP
            for name in (*self._nodes, PROGRAMS):
                (group / name).mkdir(parents=True)
            for file, weight in WEIGHTS.items():
                if (group / file).exists():
                    (group / file).write_text(str(weight))
                    _join(group / PROGRAMS)

    def close(self) -> None:
        """Leave, and remove the groups once the last process has left them."""
        for hierarchy in _hierarchies():
            if any((hierarchy / GROUP / file).exists() for file in WEIGHTS):
                _join(hierarchy)
        self._remove()

    def _remove(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        for hierarchy in _hierarchies():
            for folder, _, _ in os.walk(hierarchy / GROUP, topdown=False):
                while Path(folder).exists():
                    with contextlib.suppress(OSError):
                        Path(folder).rmdir()
                        break
                    if time.monotonic() > deadline:
                        raise CgroupError(f"processes of an earlier lab stay in {folder}")
                    time.sleep(0.05)


def _join(group: Path) -> None:
    (group / "cgroup.procs").write_text("0")


def _hierarchies() -> list[Path]:
    """Return where control groups are made: one place, or one for each controller as of old."""
    if (MOUNT / "cgroup.controllers").exists():
        return [MOUNT]
    return [each for each in MOUNT.iterdir() if each.is_dir() and not each.is_symlink()]
