"""Every metric, written as it is served, is to promtool's liking."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from havip.agent import measures as agent
from havip.controller import measures as controller
from havip.metrics import Kind, Ledger, Measure, Reading, States, counter


def served(measures: Sequence[Measure], common: dict[str, str]) -> bytes:
    ledger = Ledger(common)
    for each in measures:
        if each.kind is Kind.HISTOGRAM:
            ledger.observe(each, *("a" for _ in each.labels), value=0.1)
    states = [
        Reading(each, tuple("a" for _ in each.labels), 1.0)
        for each in measures
        if each.kind is not Kind.HISTOGRAM
    ]
    registry = CollectorRegistry()
    registry.register(States(lambda: states, common))
    registry.register(ledger)
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def complaints(promtool: Path, text: bytes) -> str:
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize(
    ("measures", "common"),
    [
        pytest.param(agent.ALL, {"node": "node1"}, id="agent"),
        pytest.param(controller.ALL, {}, id="controller"),
    ],
)
def test_promtool_has_nothing_to_say(
    promtool: Path, measures: Sequence[Measure], common: dict[str, str]
) -> None:
    text = served(measures, common)
    assert all(each.name.encode() in text for each in measures)
    assert complaints(promtool, text) == ""


def test_promtool_would_speak_up(promtool: Path) -> None:
    assert "havip_waitMillis" in complaints(
        promtool, served([counter("havip_waitMillis_total", "Wrongly named.")], {})
    )
