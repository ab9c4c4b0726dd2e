"""The lab's witnesses: the client's probe, the kernels' owners, ARP on the bridge, readiness.

Each is a program in its place that writes lines to a file; reading the file gives the report.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from lab.network import BRIDGE, FABRIC, PREFIX
from lab.observation import Arp, OwnerReport, Ownership, Probe, ProbeReport, turns
from lab.processes import Program

PROGRAMS = Path(__file__).parent / "programs"
UDP_PORT = 7777
HTTP_PORT = 80
PROBE_MILLISECONDS = 5
OWNER_SAMPLE_MILLISECONDS = 4
READY_SAMPLE_MILLISECONDS = 10
READY_LINE = "ready\n"
READY_SECONDS = 10


class WitnessError(Exception):
    """A witness saw nothing, because it does not run; the text is the end of its log."""


def program(name: str, *arguments: object) -> list[str]:
    """Return the command that runs one of the lab's own small programs."""
    # -I and -S: nothing of the environment, no site packages. They start twice as fast.
    return [sys.executable, "-I", "-S", str(PROGRAMS / f"{name}.py"), *map(str, arguments)]


class _Witness:
    """A program that writes down what it sees until it is stopped."""

    def __init__(self, running: Program) -> None:
        """Wait until it watches: what comes later is seen."""
        self._program = running
        deadline = time.monotonic() + READY_SECONDS
        while not running.log.read_text().startswith(READY_LINE):
            if not running.running or time.monotonic() > deadline:
                running.kill()
                raise WitnessError(f"{running.name} does not watch:\n{running.end_of_log()}")
            time.sleep(0.005)

    def _stop(self) -> None:
        if self._program.running:
            status = self._program.stop()
            if status != 0:
                raise WitnessError(
                    f"{self._program.name} ended with {status}:\n{self._program.end_of_log()}"
                )

    def _lines(self) -> list[list[str]]:
        # The last line may be half written still.
        whole, _, _ = self._program.log.read_text()[len(READY_LINE) :].rpartition("\n")
        return [line.split() for line in whole.splitlines()]


class Prober(_Witness):
    """A client that asks an address every 5 ms who is there."""

    @classmethod
    def start(cls, machine: str, address: str, log: Path) -> Prober:
        """Start to probe from a machine."""
        command = program("prober", address, UDP_PORT, PROBE_MILLISECONDS)
        return cls(Program("prober", command, machine=machine, log=log))

    def stop(self) -> ProbeReport:
        """Stop probing and return what was seen."""
        self._stop()
        return self.report()

    def report(self) -> ProbeReport:
        """Return what was seen so far; probes that wait for an answer are not in it."""
        probes: dict[int, Probe] = {}
        doubly_answered = []
        for number, sent, answered, node in self._lines():
            if answered == "-":
                probes[int(number)] = Probe(int(number), float(sent), None, None)
            elif float(sent) < 0:
                doubly_answered.append(int(number))
            else:
                probes[int(number)] = Probe(int(number), float(sent), float(answered), node)
        ordered = tuple(probes[number] for number in sorted(probes))
        return ProbeReport(ordered, tuple(doubly_answered))


class OwnerWatch(_Witness):
    """Samples of the nodes' kernels: who has the address and an open fence."""

    @classmethod
    def start(cls, address: str, nodes: list[str], log: Path) -> OwnerWatch:
        """Start to sample some nodes."""
        places = [f"{node}=/run/netns/{PREFIX}{node}" for node in nodes]
        command = program("owner_watch", address, OWNER_SAMPLE_MILLISECONDS, *places)
        return cls(Program("owner-watch", command, machine=None, log=log))

    def stop(self) -> OwnerReport:
        """Stop sampling and return what was seen."""
        self._stop()
        return self.report()

    def report(self) -> OwnerReport:
        """Return what was seen so far."""
        spans: list[Ownership] = []
        began: dict[str, float] = {}
        gap = None
        for words in self._lines():
            if words[0] == "began":
                began[words[2]] = float(words[1])
            elif words[0] == "ended":
                spans.append(Ownership(words[2], began.pop(words[2]), float(words[1])))
            else:
                gap = float(words[1])
        spans += [Ownership(node, since, None) for node, since in began.items()]
        return OwnerReport(tuple(sorted(spans, key=lambda span: span.began)), gap)


class ReadyWatch(_Witness):
    """Asks a page every 10 ms whether all is well, as a kubelet's readiness probe would."""

    @classmethod
    def start(cls, machine: str, url: str, log: Path) -> ReadyWatch:
        """Start to ask from a machine."""
        command = program("ready_watch", url, READY_SAMPLE_MILLISECONDS)
        return cls(Program("ready-watch", command, machine=machine, log=log))

    def stop(self) -> tuple[tuple[str, float], ...]:
        """Stop asking and return all changes."""
        self._program.kill()
        return self.changes()

    def changes(self) -> tuple[tuple[str, float], ...]:
        """Return each change so far: "well" or "ill", and when, in seconds since the boot."""
        return tuple((state, float(at)) for state, at in self._lines())


class ArpCapture(_Witness):
    """The ARP frames that reach the bridge."""

    @classmethod
    def start(cls, log: Path) -> ArpCapture:
        """Start to listen on the bridge."""
        return cls(Program("arp-capture", program("arp_listener", BRIDGE), machine=FABRIC, log=log))

    def stop(self) -> tuple[Arp, ...]:
        """Stop listening and return all frames."""
        self._program.kill()
        return self.frames()

    def frames(self) -> tuple[Arp, ...]:
        """Return the frames so far."""
        return tuple(Arp(float(line[0]), *line[1:5]) for line in self._lines())

    def announcers(self, address: str, names: Mapping[str, str]) -> tuple[str, ...]:
        """Return who announced an address, in turns; `names` maps MACs to names."""
        return turns(
            names.get(frame.sender_mac, frame.sender_mac)
            for frame in self.frames()
            if frame.is_announcement and frame.sender == address
        )
