"""Asks what the dashboard asks, of a real Prometheus that scraped a lab with failovers.

    python -m lab.dashboard                                  does every panel have an answer?
    python -m lab.dashboard --picture docs/images/dashboard.png    and draw what was answered

The exit status is 0 only if every query was answered with data, and promtool had nothing to say
about the metrics of an agent and of the controller.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from lab.cluster import Lab
from lab.console import CloudConsole
from lab.fleet import AGENT_PORT, CONTROLLER_PORT, ROOT
from lab.network import CONTROLLER, FABRIC
from lab.prometheus import Prometheus, Series, find

DASHBOARD = ROOT / "charts" / "havip-operator" / "files" / "dashboards" / "havip.json"
NAMESPACE, NAME, OTHER = "default", "web", "shop"
API_OUTAGE_SECONDS = 8.0
QUIET_SECONDS = 6.0
LOSS_SECONDS = 0.5
PEER_PORT = 9494
RATE_SECONDS = 6
MATPLOTLIB = "matplotlib>=3.9,<4"


@dataclass(frozen=True)
class Answer:
    """What Prometheus said to one query of a panel."""

    panel: dict[str, Any]
    expression: str
    legend: str
    series: list[Series]


def main() -> int:
    """Run, ask and, if told to, draw; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.dashboard")
    parser.add_argument("--picture", type=Path, help="PNG file to draw the panels into")
    options = parser.parse_args()
    console = Console(highlight=False)
    with Lab() as lab, Prometheus(lab.directory / "prometheus", FABRIC, targets(lab)) as prometheus:
        make(lab)
        began = time.time()
        live(lab)
        wrong = [f"{url}: {complaint}" for url in urls(lab) for complaint in complaints(url)]
        ended = time.time()
        answers = list(ask(prometheus, began, ended))
    for answer in answers:
        if not answer.series:
            wrong.append(f"{answer.panel['title']}: no data: {answer.expression}")
    if options.picture:
        draw(answers, (began, ended), options.picture)
    for trouble in wrong:
        console.print(f"[bold red]{trouble}", markup=True)
    console.print(f"{len(answers)} queries asked, {len(wrong)} things wrong")
    return 1 if wrong else 0


def targets(lab: Lab) -> dict[str, list[str]]:
    """Return what to scrape, by job."""
    return {
        "agent": [f"{node.address}:{AGENT_PORT}" for node in lab.nodes.values()],
        "controller": [f"{CONTROLLER.address}:{CONTROLLER_PORT}"],
    }


def urls(lab: Lab) -> list[str]:
    """Return the pages with metrics."""
    return [f"http://{each}/metrics" for found in targets(lab).values() for each in found]


def complaints(url: str) -> list[str]:
    """Return what promtool has to say about a page of metrics."""
    promtool = find("promtool")
    assert promtool is not None  # it came with Prometheus
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=_page(url),
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout + done.stderr).splitlines()


def _page(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as page:
            text: str = page.read().decode()
            return text
    except OSError:
        return ""


def make(lab: Lab) -> None:
    """Have two HaVips that are Ready."""
    for name in (NAME, OTHER):
        lab.apply_havip(name)
    for name in (NAME, OTHER):
        lab.wait_ready(name)
        lab.settle(name)


def live(lab: Lab) -> None:
    """Let one of them live through what the dashboard is to show."""
    time.sleep(QUIET_SECONDS)
    dead = lab.settle(NAME)
    lab.cut(dead)
    lab.until("another node holds", lambda: lab.holder(NAME) != dead, 30)
    time.sleep(QUIET_SECONDS)
    lab.heal(dead)
    lab.settle(NAME)
    _change_in_the_cloud(lab)
    _disturb_a_standby(lab)
    time.sleep(QUIET_SECONDS)
    # The controller is spared: it would end, and tell of nothing for half the time shown.
    with lab.api_outage(*lab.nodes):
        time.sleep(API_OUTAGE_SECONDS)
    stopped = lab.settle(NAME)
    lab.stop_agent(stopped)
    lab.until("another node holds", lambda: lab.holder(NAME) != stopped, 30)
    lab.start_agent(stopped)
    for url in urls(lab):
        lab.until(f"{url} is served", functools.partial(_page, url), 60)
    lab.settle(NAME)
    lab.wait_ready(NAME)
    time.sleep(QUIET_SECONDS)


def _change_in_the_cloud(lab: Lab) -> None:
    """Have somebody else rename the HaVip there, while the cloud takes no call for a moment."""
    ha_vip = lab.havip(NAME)["status"]["haVipId"]
    CloudConsole().rename_ha_vip(ha_vip, "somebody-elses")
    lab.cloud.fault("DescribeHaVips", "throttle", count=2)

    def mended() -> bool:
        return all(each["name"] != "somebody-elses" for each in lab.cloud.ha_vips())

    lab.until("the name is put right", mended, 60)


def _disturb_a_standby(lab: Lab) -> None:
    """Keep some heartbeats from a node that stands by, and send it what is none."""
    node = next(each for each in lab.nodes if each != lab.holder(NAME))
    lab.cut_one_way(node, "to")
    time.sleep(LOSS_SECONDS)
    lab.heal(node)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(10):
            stranger.sendto(b"hello", (lab.nodes[node].address, PEER_PORT))


def ask(prometheus: Prometheus, start: float, end: float) -> Iterator[Answer]:
    """Ask every query of every panel, and of the annotations."""
    dashboard = json.loads(DASHBOARD.read_text())
    variables = {
        "$namespace": NAMESPACE,
        "$name": NAME,
        "$__rate_interval": f"{RATE_SECONDS}s",
        "$__interval": f"{RATE_SECONDS}s",
        "$__range": f"{int(end - start)}s",
    }
    annotations = [
        {"title": each["name"], "type": "annotation", "targets": [{"expr": each["expr"]}]}
        for each in dashboard["annotations"]["list"]
    ]
    for panel in [*dashboard["panels"], *annotations]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, value in variables.items():
                expression = expression.replace(name, value)
            if target.get("instant"):
                series = prometheus.query(expression, end)
            else:
                series = prometheus.query_range(expression, start, end, 1.0)
            yield Answer(panel, expression, target.get("legendFormat", ""), series)


def draw(answers: list[Answer], run: tuple[float, float], picture: Path) -> None:
    """Draw the panels as they would look. Raises `CalledProcessError` where that fails.

    By matplotlib, which nothing else here needs: uv brings it for this once.
    """
    folder = ROOT / ".lab" / "run"
    data = folder / "panels.json"
    data.write_text(
        json.dumps(
            {
                "panels": json.loads(DASHBOARD.read_text())["panels"],
                "answers": [
                    {
                        "panel": answer.panel.get("id"),
                        "legend": answer.legend,
                        "series": [
                            {"labels": dict(each.labels), "points": each.points}
                            for each in answer.series
                        ],
                    }
                    for answer in answers
                ],
                "start": run[0],
                "end": run[1],
                "variables": {"$namespace": NAMESPACE, "$name": NAME},
            }
        )
    )
    uv = shutil.which("uv") or str(ROOT / ".lab" / "bootstrap" / "bin" / "uv")
    script = Path(__file__).parent / "programs" / "draw_panels.py"
    python = [uv, "run", "--quiet", "--no-project", "--with", MATPLOTLIB, "python"]
    subprocess.run([*python, str(script), str(data), str(picture)], check=True)


if __name__ == "__main__":
    sys.exit(main())
