"""A HaVip follows the endpoints of a Service: how long until traffic is on another node.

    python -m lab.endpoints --runs 20
    python -m lab.endpoints --runs 20 --profile Fast

Each run lets the holder's endpoint terminate while the other nodes have theirs. The exit status is
0 only if never two nodes owned and half of the moves cost a client no more than the bound.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from lab.cluster import Lab
from lab.faults import QUIET_SECONDS, TAKEOVER_SECONDS
from lab.observation import ProbeReport, percentile
from lab.service import Service, State

NAME = "local"
MEDIAN_OUTAGE = 0.030


@dataclass(frozen=True)
class Move:
    """What one endpoint that went did. Times in seconds."""

    holders: tuple[str, ...]
    outage: float
    """Without an answer, as the client saw it."""
    lost: int
    elsewhere: float
    """From telling the API server that the endpoint goes to the first answer of another node."""
    double: str
    """Who was seen to own the address together; empty is good."""


def follow_service(lab: Lab, name: str, profile: str) -> Service:
    """Apply a HaVip that follows a Service with an endpoint on each node; return the Service."""
    service = Service(lab.plane, name, {node: each.address for node, each in lab.nodes.items()})
    service.apply()
    service.place(dict.fromkeys(lab.nodes, State.READY))
    check = {"name": "endpoints", "endpoints": {"service": name}}
    lab.apply_havip(name, election={"profile": profile}, health=[check])
    lab.wait_ready(name)
    return service


def healthy_members(lab: Lab, name: str) -> set[str]:
    """Return the nodes that the HaVip's status calls healthy."""
    members = lab.havip(name)["status"]["members"]
    return {each["node"] for each in members if each.get("healthy")}


def run_move(lab: Lab, name: str, service: Service) -> Move:
    """Let the holder's endpoint terminate once, wait for the move, and bring all endpoints back."""
    service.place(dict.fromkeys(lab.nodes, State.READY))
    holder = lab.settle(name)
    lab.until("all nodes are healthy", lambda: healthy_members(lab, name) == set(lab.nodes), 30)
    prober, owners = lab.probe(lab.address(name)), lab.owners(lab.address(name))
    lab.until("the client is answered", lambda: prober.report().answered_by == (holder,), 10)
    time.sleep(QUIET_SECONDS)
    gone = service.place(
        {node: State.TERMINATING if node == holder else State.READY for node in lab.nodes}
    )
    lab.until(
        f"another node than {holder} answers",
        lambda: prober.report().answered_by[-1] != holder,
        TAKEOVER_SECONDS,
    )
    time.sleep(QUIET_SECONDS)
    seen, owned = prober.stop(), owners.stop()
    return Move(
        seen.answered_by,
        seen.outage,
        seen.lost,
        _answered_elsewhere(seen, holder) - gone,
        "; ".join(f"{a} and {b} for {s * 1000:.0f} ms" for a, b, s in owned.overlaps),
    )


def _answered_elsewhere(seen: ProbeReport, holder: str) -> float:
    return min(
        probe.answered
        for probe in seen.probes
        if probe.answered is not None and probe.node != holder
    )


def judge(moves: Sequence[Move]) -> list[str]:
    """Return what did not hold, in sentences. Pure."""
    wrong = [f"two owners: {move.double}" for move in moves if move.double]
    median = percentile([move.outage for move in moves], 50)
    if median > MEDIAN_OUTAGE:
        wrong.append(f"p50 {median * 1000:.0f} ms is over {MEDIAN_OUTAGE * 1000:.0f} ms")
    return wrong


def report(console: Console, profile: str, moves: Sequence[Move]) -> None:
    """Print the figures of all moves."""
    table = Table("what", "runs", "p50", "p99", "worst")
    table.title = f"The holder's endpoint terminates, profile {profile}"
    for what, times in (
        ("endpoint gone to traffic on another node", [move.elsewhere for move in moves]),
        ("of this without an answer", [move.outage for move in moves]),
    ):
        figures = (f"{percentile(times, p) * 1000:.0f} ms" for p in (50, 99, 100))
        table.add_row(what, str(len(moves)), *figures)
    table.caption = f"probes lost: {sum(move.lost for move in moves)}, one each 5 ms"
    console.print(table)


def main() -> int:
    """Measure as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.endpoints", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--profile", default="Balanced", choices=["Fast", "Balanced", "Calm"])
    options = parser.parse_args()
    console = Console(highlight=False)
    moves = []
    with Lab() as lab:
        service = follow_service(lab, NAME, options.profile)
        for number in range(1, options.runs + 1):
            move = run_move(lab, NAME, service)
            moves.append(move)
            console.print(
                f"{number}/{options.runs}: {move.elsewhere * 1000:.0f} ms, of which"
                f" {move.outage * 1000:.0f} ms without an answer,"
                f" {' -> '.join(move.holders)} {move.double}"
            )
    report(console, options.profile, moves)
    wrong = judge(moves)
    for sentence in wrong:
        console.print(f"[bold red]{sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
