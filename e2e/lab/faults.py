"""The fault matrix: each fault many times, the outage a client saw, and whether two nodes owned.

    python -m lab.faults --runs 20                 all faults, profile Balanced
    python -m lab.faults --runs 20 --profile Fast crash kill freeze

Two owners are looked for in three independent places: the nodes' kernels (the address is there and
the fence is open), the answers to a client's probes, and the announcements on the bridge. The exit
status is 0 only if none was seen and the outages are within their bounds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from lab.cluster import Lab
from lab.network import Direction
from lab.observation import percentile

NAME = "fault"
API_OUTAGE_SECONDS = 60.0
# A moment of the steady state before and after, for the witnesses to compare with.
QUIET_SECONDS = 0.3
TAKEOVER_SECONDS = 60.0


@dataclass(frozen=True)
class Result:
    """What one fault did."""

    fault: str
    outage: float
    """Seconds without an answer, as the client saw it."""
    lost: int
    holders: tuple[str, ...]
    """The nodes that answered the client, in turns."""
    double: str
    """Who was seen to own the address together, and by whom; empty is good."""
    sampling_gap: float


@dataclass(frozen=True)
class Fault:
    """One way to hurt the holder, and to make it good again."""

    name: str
    strike: Callable[[Lab, str], None]
    """Hurts the node named; returns at once."""
    repair: Callable[[Lab, str], None]
    moves: bool = True
    """Whether another node must take over."""


def run_fault(lab: Lab, name: str, fault: Fault) -> Result:
    """Hurt the holder of a settled HaVip once, wait for what must come, repair, and report."""
    holder = lab.settle(name)
    address = lab.address(name)
    prober, owners, arp = lab.probe(address), lab.owners(address), lab.capture_arp()
    lab.until("the witnesses see the holder", lambda: owners.report().now == (holder,), 10)
    lab.until("the client is answered", lambda: prober.report().answered_by == (holder,), 10)
    time.sleep(QUIET_SECONDS)
    fault.strike(lab, holder)
    if fault.moves:
        lab.until(
            f"another node than {holder} answers",
            lambda: prober.report().answered_by[-1] != holder,
            TAKEOVER_SECONDS,
        )
        time.sleep(QUIET_SECONDS)
    # Repaired under the witnesses' eyes: a thawed or healed holder must not come back by itself.
    fault.repair(lab, holder)
    time.sleep(QUIET_SECONDS)
    lab.settle(name)
    seen, owned = prober.stop(), owners.stop()
    announced = arp.announcers(address, {m.mac: n for n, m in lab.nodes.items()})
    arp.stop()
    return Result(
        fault.name,
        seen.outage,
        seen.lost,
        seen.answered_by,
        "; ".join(
            [f"kernels: {a} and {b} for {s * 1000:.0f} ms" for a, b, s in owned.overlaps]
            + [f"probe {number} answered twice" for number in seen.doubly_answered]
            + _came_back("answers", seen.answered_by)
            + _came_back("announcements", announced)
        ),
        owned.longest_gap or 0.0,
    )


def _came_back(what: str, turns: Sequence[str]) -> list[str]:
    """Say so where a node had its turn, another did, and then the first again.

    One fault moves the address once at most, so this is two owners speaking by turns.
    """
    return [f"{what}: {' '.join(turns)}"] if len(set(turns)) < len(turns) else []


def _thaw(lab: Lab, node: str) -> None:
    lab.thaw(node)
    # Long enough for it to do whatever it had in mind when it froze.
    time.sleep(1.0)


def _nothing(lab: Lab, node: str) -> None:
    pass


def all_faults(api_outage_seconds: float = API_OUTAGE_SECONDS) -> dict[str, Fault]:
    """Return every fault by its name."""

    def away(lab: Lab, node: str) -> None:
        with lab.api_outage():
            time.sleep(api_outage_seconds)

    def cut(direction: Direction) -> Callable[[Lab, str], None]:
        return lambda lab, node: lab.cut_one_way(node, direction)

    faults = (
        Fault("crash", Lab.cut, Lab.heal),
        Fault("cut-from", cut("from"), Lab.heal),
        Fault("cut-to", cut("to"), Lab.heal),
        Fault("kill", Lab.kill_agent, Lab.start_agent),
        Fault("freeze", Lab.freeze, _thaw),
        Fault("stop", Lab.stop_agent, Lab.start_agent),
        Fault("api-outage", away, _nothing, moves=False),
    )
    return {fault.name: fault for fault in faults}


@dataclass(frozen=True)
class Bound:
    """What half of the outages of a fault must not exceed, in seconds."""

    fault: str
    profile: str
    median: float


BOUNDS = (
    Bound("crash", "Fast", 0.30),
    Bound("crash", "Balanced", 1.0),
    Bound("stop", "Fast", 0.06),
    Bound("stop", "Balanced", 0.06),
    Bound("api-outage", "Fast", 0.0),
    Bound("api-outage", "Balanced", 0.0),
)


def judge(profile: str, results: Sequence[Result]) -> list[str]:
    """Return what did not hold, in sentences. Pure."""
    wrong = [f"{result.fault}: two owners: {result.double}" for result in results if result.double]
    for bound in BOUNDS:
        outages = [r.outage for r in results if r.fault == bound.fault]
        if bound.profile == profile and outages and percentile(outages, 50) > bound.median:
            wrong.append(
                f"{bound.fault}, {profile}: p50 {percentile(outages, 50) * 1000:.0f} ms is over"
                f" {bound.median * 1000:.0f} ms"
            )
    return wrong


def report(console: Console, profile: str, results: Sequence[Result]) -> None:
    """Print the figures of all faults."""
    table = Table("fault", "runs", "p50", "p99", "worst", "lost", "double", "gap")
    table.title = f"Outage a client saw, profile {profile}"
    table.caption = "double: runs with two owners; gap: the longest between two looks at a kernel"
    for name in dict.fromkeys(result.fault for result in results):
        of_fault = [result for result in results if result.fault == name]
        outages = [result.outage for result in of_fault]
        table.add_row(
            name,
            str(len(of_fault)),
            *(_millis(percentile(outages, p)) for p in (50, 99, 100)),
            str(sum(result.lost for result in of_fault)),
            str(sum(bool(result.double) for result in of_fault)),
            _millis(max(result.sampling_gap for result in of_fault)),
        )
    console.print(table)


def _millis(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def main() -> int:
    """Run the matrix as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.faults", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    faults = all_faults()
    parser.add_argument("faults", nargs="*", choices=[*faults, []], help="which; all if none")
    parser.add_argument("--runs", type=int, default=20, help="of each fault")
    parser.add_argument("--profile", default="Balanced", choices=["Fast", "Balanced", "Calm"])
    options = parser.parse_args()
    console = Console(highlight=False)
    results = []
    with Lab() as lab:
        lab.apply_havip(NAME, election={"profile": options.profile})
        lab.wait_ready(NAME)
        for name in options.faults or faults:
            for number in range(1, options.runs + 1):
                result = run_fault(lab, NAME, faults[name])
                results.append(result)
                console.print(
                    f"{name} {number}/{options.runs}: {_millis(result.outage)},"
                    f" {' -> '.join(result.holders)} {result.double}"
                )
    report(console, options.profile, results)
    wrong = judge(options.profile, results)
    for sentence in wrong:
        console.print(f"[bold red]{sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
