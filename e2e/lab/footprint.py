"""What an agent costs its node: resident memory and processor time with some HaVips at rest.

    python -m lab.footprint --havips 5 --seconds 30
    python -m lab.footprint --elsewhere 45    in a cluster with so many HaVips of other nodes
    python -m lab.footprint --slices 300      each HaVip follows a Service, in a cluster with so
                                              many EndpointSlices of other Services

The exit status is 0 only if every agent is within its bounds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from lab.cluster import Lab
from lab.endpoints import follow_service

MEMORY_MEBIBYTES = 64.0
PROCESSOR_PERCENT = 2.0


def main() -> int:
    """Measure as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.footprint")
    parser.add_argument("--havips", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to measure")
    parser.add_argument("--elsewhere", type=int, default=0, help="HaVips of other nodes")
    parser.add_argument("--slices", type=int, default=0, help="EndpointSlices of other Services")
    options = parser.parse_args()
    names = [f"havip{number}" for number in range(1, options.havips + 1)]
    with Lab() as lab:
        if options.slices:
            lab.kubectl("create", "-f", "-", input=json.dumps(others(options.slices)))
        for number in range(options.elsewhere):
            lab.apply_havip(f"other{number}", members={"nodeSelector": {"elsewhere": "true"}})
        for name in names:
            if options.slices:
                follow_service(lab, name, "Balanced")
            else:
                lab.apply_havip(name)
        for name in names:
            lab.wait_ready(name)
            lab.settle(name)
        held = {name: lab.holder(name) for name in names}
        before = {node: lab.agent(node).cpu_seconds() for node in lab.nodes}
        began = time.monotonic()
        time.sleep(options.seconds)
        elapsed = time.monotonic() - began
        table = Table("agent of", "holds", "resident", "processor")
        among = f" of {len(names) + options.elsewhere}" if options.elsewhere else ""
        table.title = f"{len(names)}{among} HaVips, profile Balanced, {elapsed:.0f} s at rest"
        within = True
        for node in lab.nodes:
            memory = lab.agent(node).resident_mebibytes()
            percent = (lab.agent(node).cpu_seconds() - before[node]) / elapsed * 100
            within &= memory <= MEMORY_MEBIBYTES and percent <= PROCESSOR_PERCENT
            holds = sum(holder == node for holder in held.values())
            table.add_row(node, str(holds), f"{memory:.1f} MiB", f"{percent:.1f} % of a core")
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"bounds: {MEMORY_MEBIBYTES:.0f} MiB and {PROCESSOR_PERCENT:.0f} %:"
        f" {'held' if within else '[bold red]not held'}"
    )
    return 0 if within else 1


def others(number: int) -> dict[str, Any]:
    """Return full EndpointSlices, one hundred endpoints each, of as many Services."""
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"other{each}",
                    "namespace": "default",
                    "labels": {"kubernetes.io/service-name": f"other{each}"},
                },
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": 80}],
                "endpoints": [
                    {"addresses": [f"10.244.9.{host}"], "nodeName": "node1"}
                    for host in range(1, 101)
                ],
            }
            for each in range(number)
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
