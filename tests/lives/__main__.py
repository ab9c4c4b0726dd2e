"""Run every life with every mishap and print what came of it: ``python -m tests.lives``."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from concurrent.futures import Executor
from dataclasses import dataclass, field

from tests.lives.campaign import DEATHS, PROFILES, Task, mishaps, processes, run, run_all
from tests.lives.driver import Outcome
from tests.lives.line import Blow, Mishap
from tests.lives.lives import LIVES
from tests.lives.picture import by_hand, least

PROCESSES = 2


@dataclass
class Row:
    """What one line of the table adds up."""

    undisturbed: Outcome
    lives: int = 0
    deaths: int = 0
    leaked: int = 0
    doubled: int = 0
    failed: list[Task] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, task: Task, outcome: Outcome) -> None:
        """Count a life."""
        self.lives += 1
        self.deaths += task.mishap is not None and task.mishap.kind in {*DEATHS, Blow.DIES_UNSEEN}
        self.leaked += outcome.leaked
        self.doubled += outcome.doubled
        self.seconds += outcome.seconds
        if outcome.complaints:
            self.failed.append(task)


def main() -> int:
    """Print the tables; return 1 when anything leaked, was doubled or did not come to its end."""
    parser = argparse.ArgumentParser(prog="make sim-cloud", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="what chance decides by")
    parser.add_argument("--life", choices=LIVES, action="append", help="run only this one")
    parser.add_argument("--profile", choices=PROFILES, default="instant", help="the cloud's pace")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--fault", action="append", help="try only this one")
    parser.add_argument("--part", type=int, default=1, help="run one mishap in so many")
    parser.add_argument("--replay", metavar="LIFE[:CALL#NUMBER:FAULT]", help="print one life")
    options = parser.parse_args()
    # What it says of trouble is of interest where there is one trouble.
    logging.basicConfig(level=logging.INFO if options.replay else logging.CRITICAL)
    if options.replay:
        return replay(options.replay, options.profile, options.seed)
    began = time.perf_counter()
    with processes(options.processes) as pool:
        rows = enumerate_all(pool, options)
    print(costs({name: row.undisturbed for name, row in rows.items()}))
    print()
    print(table(rows))
    took = time.perf_counter() - began
    lives = sum(row.lives for row in rows.values())
    print(
        f"{lives} lives in {took:.0f} s, seed {options.seed}, profile {options.profile};"
        f" {sum(row.seconds for row in rows.values()) / 3600:.1f} hours of their own time"
    )
    bad = any(row.failed or row.undisturbed.complaints for row in rows.values())
    return 1 if bad else 0


def enumerate_all(pool: Executor, options: argparse.Namespace) -> dict[str, Row]:
    """Run the lives undisturbed, then each with each mishap; print what goes wrong at once."""
    names = options.life or list(LIVES)
    undisturbed = [Task(name, None, options.profile, options.seed) for name in names]
    rows = {task.life: Row(outcome) for task, outcome in run_all(pool, undisturbed)}
    tasks = [
        Task(name, each, options.profile, options.seed)
        for name, row in rows.items()
        for each in mishaps(row.undisturbed.calls, len(LIVES[name].scenes), options.seed)
        if not options.fault or each.kind in options.fault
    ]
    for task, outcome in run_all(pool, tasks[options.seed % options.part :: options.part]):
        rows[task.life].add(task, outcome)
        if outcome.complaints:
            print(f"{task}: {'; '.join(outcome.complaints)}"[:400], flush=True)
    return rows


def replay(text: str, profile: str, seed: int) -> int:
    """Print one life step by step."""
    life, _, mishap = text.partition(":")
    outcome = run(Task(life, Mishap.read(mishap) if mishap else None, profile, seed))
    print("\n".join(outcome.lines))
    print("; ".join(outcome.complaints) or "all is well")
    return 1 if outcome.complaints else 0


def table(rows: dict[str, Row]) -> str:
    """Return what came of the lives with a mishap."""
    head: tuple[object, ...] = (
        "life",
        "calls",
        "lives",
        "deaths",
        "faults",
        "leaked",
        "doubled",
        "failed",
        "seconds",
    )
    lines: list[tuple[object, ...]] = [head] + [
        (
            name,
            len(row.undisturbed.calls),
            row.lives,
            row.deaths,
            row.lives - row.deaths,
            row.leaked,
            row.doubled,
            len(row.failed),
            f"{row.seconds:.0f}",
        )
        for name, row in rows.items()
    ]
    return _aligned(lines)


def costs(undisturbed: dict[str, Outcome]) -> str:
    """Return what each life costs in calls when nothing happens, and a person in the console."""
    lines: list[tuple[object, ...]] = [("life", "changes", "least", "by hand", "looks", "seconds")]
    for name, outcome in undisturbed.items():
        pairs = list(zip(outcome.pictures, outcome.pictures[1:], strict=False))
        fewest = sum((least(*each) for each in pairs), Counter[str]())
        lines.append(
            (
                name,
                outcome.changes.total(),
                fewest.total(),
                sum(by_hand(*each) for each in pairs),
                len(outcome.calls) - outcome.changes.total(),
                f"{outcome.seconds:.1f}",
            )
        )
    return _aligned(lines)


def _aligned(lines: list[tuple[object, ...]]) -> str:
    texts = [[str(each) for each in line] for line in lines]
    widths = [max(len(line[column]) for line in texts) for column in range(len(texts[0]))]
    return "\n".join(
        "  ".join(
            each.ljust(width) if column == 0 else each.rjust(width)
            for column, (each, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in texts
    )


if __name__ == "__main__":
    sys.exit(main())
