"""What alerts and panels lean on exists: metrics in the code, pages behind the links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from havip.agent import measures as agent
from havip.agent.fence import TABLE
from havip.controller import measures as controller
from havip.metrics import Kind, Measure

from .conftest import FILES, ROOT

MEASURES: dict[str, Measure] = {each.name: each for each in (*agent.ALL, *controller.ALL)}
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
"""What prometheus-client itself tells of a process."""
TARGET = {"instance", "job", "le", "__name__"}
RUNBOOKS = ROOT / "docs" / "runbooks"
DASHBOARD = FILES / "dashboards" / "havip.json"


def exposed(measure: Measure) -> set[str]:
    if measure.kind is Kind.HISTOGRAM:
        return {f"{measure.name}_{part}" for part in ("bucket", "sum", "count")}
    return {measure.name}


def labels_of(measure: Measure) -> set[str]:
    return set(measure.labels) | ({"node"} if measure in agent.ALL else set())


def targets(panels: list[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        yield from targets(panel.get("panels", []))
        yield from (target["expr"] for target in panel.get("targets", []))


def expressions(rules: dict[str, dict[str, Any]]) -> dict[str, str]:
    panels = targets(json.loads(DASHBOARD.read_text())["panels"])
    return {name: rule["expr"] for name, rule in rules.items()} | {each: each for each in panels}


def test_every_metric_that_is_asked_for_exists(rules: dict[str, dict[str, Any]]) -> None:
    known = PROCESS.union(*map(exposed, MEASURES.values()))
    for where, expression in expressions(rules).items():
        asked = set(re.findall(r"\b(?:havip|process)_[a-z_]+", expression))
        assert asked, where
        assert asked <= known, where


def test_every_label_that_is_asked_for_exists(rules: dict[str, dict[str, Any]]) -> None:
    for where, expression in expressions(rules).items():
        of = [each for each in MEASURES.values() if any(n in expression for n in exposed(each))]
        known = TARGET.union(*map(labels_of, of))
        grouped = re.findall(r"\b(?:by|on|without) \(([a-z_, ]+)\)", expression)
        asked = {label for group in grouped for label in group.split(", ")}
        asked |= set(re.findall(r"[{,]\s*([a-z_]+)(?:=|!)~?\"", expression))
        assert asked <= known, where


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_metric_is_named_and_labelled_by_the_conventions(measure: Measure) -> None:
    assert measure.name.startswith("havip_")
    assert measure.name.endswith("_total") is (measure.kind is Kind.COUNTER)
    if measure.kind is Kind.HISTOGRAM:
        assert measure.name.endswith("_seconds")
        assert list(measure.bounds) == sorted(measure.bounds)
    assert measure.meaning.endswith(".")
    few = {"namespace", "name", "node", "reason", "action", "result", "phase", "type", "status"}
    assert set(measure.labels) <= few | {"class", "quota", "version"}


def test_no_metric_is_declared_twice_or_left_out_of_the_tables() -> None:
    declared = [
        each
        for table in (agent, controller)
        for each in vars(table).values()
        if isinstance(each, Measure)
    ]
    assert sorted(declared, key=lambda m: m.name) == sorted(
        (*agent.ALL, *controller.ALL), key=lambda m: m.name
    )
    assert len(MEASURES) == len(declared)


def test_every_alert_has_a_runbook_and_no_runbook_is_left_over(
    rules: dict[str, dict[str, Any]],
) -> None:
    for name, rule in rules.items():
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == set(rules)


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("HaVip*.md")), ids=lambda page: page.stem)
def test_a_runbook_says_what_it_means_how_to_look_and_what_to_do(page: Any) -> None:
    text = page.read_text()
    assert re.findall(r"^#+ (.+)$", text, re.MULTILINE) == [
        page.stem,
        "What it means",
        "How to look",
        "What to do",
    ]


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_what_a_runbook_names_exists(page: Any) -> None:
    text = page.read_text()
    named = set(re.findall(r"\bhavip_[a-z_]+", text)) - {TABLE}
    assert named <= set().union(*map(exposed, MEASURES.values()))
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link


def test_every_alert_says_how_urgent_it_is(rules: dict[str, dict[str, Any]]) -> None:
    for name, rule in rules.items():
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
