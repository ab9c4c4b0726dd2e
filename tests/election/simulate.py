"""Run many schedules and say what was found: ``python -m tests.election.simulate --seeds 2000``.

``--replay SEED`` prints one schedule step by step.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.election.simulation import schedule


def main() -> int:
    """Print the findings; exit with 1 when a schedule had two owners, or never recovered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many schedules to run")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--replay", type=int, help="print this one schedule step by step")
    options = parser.parse_args()
    if options.replay is not None:
        outcome = schedule.run(options.replay, trace=True)
        print("\n".join(outcome.lines))
        print(f"overlaps {len(outcome.overlaps)}, recovered {outcome.recovered}")
        return 1 if outcome.overlaps or not outcome.recovered else 0
    began = time.perf_counter()
    seeds = range(options.first, options.first + options.seeds)
    with ProcessPoolExecutor() as pool:
        outcomes = list(pool.map(schedule.run, seeds, chunksize=20))
    took = time.perf_counter() - began
    bad = [o for o in outcomes if o.overlaps]
    stuck = [o for o in outcomes if not o.recovered]
    outages = sorted(x for o in outcomes for x in o.outages)
    print(f"{len(outcomes)} schedules in {took:.1f} s, {len(outcomes) / took:.0f} per second")
    print(f"schedules with two owners: {len(bad)} {[o.seed for o in bad[:10]]}")
    print(
        f"schedules without an owner after the storm: {len(stuck)} {[o.seed for o in stuck[:10]]}"
    )
    if len(outages) > 1:
        p99 = statistics.quantiles(outages, n=100)[98]
        print(
            f"crash outage, profile Fast, {len(outages)} crashes: "
            f"p50 {statistics.median(outages):.3f} s, p99 {p99:.3f} s, max {outages[-1]:.3f} s"
        )
    return 1 if bad or stuck else 0


if __name__ == "__main__":
    sys.exit(main())
