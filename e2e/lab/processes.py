"""The lab's programs: started in a machine's network, logged to a file, ended by their own pid."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.network import enter

STOP_SECONDS = 10.0


class Program:
    """One running program."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        machine: str | None,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start `command` inside a machine's network (None: this machine's own)."""
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        # The kernel ends the program with us, however we end.
        ended_with_us = ["setpriv", "--pdeathsig", "KILL", "--"]
        place = enter(machine) if machine else []
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [*place, *ended_with_us, *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(environment or {}),
                # Ctrl-C is for us: we end our programs in our own order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The program's process id; nsenter and setpriv become the program itself."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll()

    def stop(self, seconds: float = STOP_SECONDS) -> int | None:
        """Ask it to end (SIGTERM), wait, and kill it when it does not; return its exit status."""
        self._signal(signal.SIGTERM)
        self.thaw()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.returncode

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        """Stop it where it is (SIGSTOP), as a starved or paused machine does."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def end_of_log(self, lines: int = 20) -> str:
        """Return the last lines it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def resident_mebibytes(self) -> float:
        """Return its resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_seconds(self) -> float:
        """Return the processor time it has used so far."""
        # The name in parentheses may have blanks: count the fields from behind it.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
