"""How the programs say what they measure, in the terms of Prometheus.

A `Measure` is declared once, with its meaning, in a table of its program; the reference page is
written from the tables. What happens is counted in a `Ledger` as it happens. What is so is read
when somebody asks, by `States`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

# A second series for each counter, of no use to a Prometheus that scrapes it.
disable_created_metrics()  # type: ignore[no-untyped-call]

HAVIP = ("namespace", "name")
"""Labels of what is about one HaVip."""


class Kind(StrEnum):
    """What Prometheus may do with the numbers."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric; ``bounds`` are a histogram's buckets, in the unit that the name ends in."""

    kind: Kind
    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


def counter(name: str, meaning: str, *labels: str) -> Measure:
    """Declare what only grows."""
    return Measure(Kind.COUNTER, name, meaning, labels)


def gauge(name: str, meaning: str, *labels: str) -> Measure:
    """Declare what goes up and down."""
    return Measure(Kind.GAUGE, name, meaning, labels)


def histogram(name: str, meaning: str, bounds: Sequence[float], *labels: str) -> Measure:
    """Declare what is counted by how large it was."""
    return Measure(Kind.HISTOGRAM, name, meaning, labels, tuple(bounds))


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a measure now, with its labels' values in the order declared."""

    measure: Measure
    labels: tuple[str, ...]
    value: float


class Ledger(Collector):
    """Counts what happens; ``common`` are labels that all of it has."""

    def __init__(self, common: Mapping[str, str] | None = None) -> None:
        self._common = dict(common or {})
        self._counters: dict[Measure, Counter] = {}
        self._histograms: dict[Measure, Histogram] = {}

    def count(self, measure: Measure, *labels: str, by: float = 1.0) -> None:
        """Add to a counter."""
        found = self._counters.get(measure)
        if found is None:
            names = (*self._common, *measure.labels)
            found = Counter(measure.name, measure.meaning, names, registry=None)
            self._counters[measure] = found
        found.labels(*self._common.values(), *labels).inc(by)

    def observe(self, measure: Measure, *labels: str, value: float | None) -> None:
        """Count a value in a histogram; None only lets it be there, as a rate wants it to be."""
        found = self._histograms.get(measure)
        if found is None:
            found = Histogram(
                measure.name,
                measure.meaning,
                (*self._common, *measure.labels),
                buckets=measure.bounds,
                registry=None,
            )
            self._histograms[measure] = found
        child = found.labels(*self._common.values(), *labels)
        if value is not None:
            child.observe(value)

    def collect(self) -> Iterator[Metric]:
        """Return what was counted so far (called by prometheus-client)."""
        for each in (*self._counters.values(), *self._histograms.values()):
            yield from each.collect()


class States(Collector):
    """Reads what is so when it is asked; ``common`` are labels that all of it has."""

    def __init__(
        self, read: Callable[[], Iterable[Reading]], common: Mapping[str, str] | None = None
    ) -> None:
        self._read = read
        self._common = dict(common or {})

    def collect(self) -> Iterator[Metric]:
        """Return what is so now (called by prometheus-client)."""
        families: dict[Measure, CounterMetricFamily | GaugeMetricFamily] = {}
        for reading in self._read():
            measure = reading.measure
            family = families.get(measure)
            if family is None:
                kind = CounterMetricFamily if measure.kind is Kind.COUNTER else GaugeMetricFamily
                names = (*self._common, *measure.labels)
                family = families[measure] = kind(measure.name, measure.meaning, labels=names)
            family.add_metric((*self._common.values(), *reading.labels), reading.value)
        yield from families.values()


def reference(tables: Mapping[str, Sequence[Measure]]) -> str:
    """Return in Markdown what the measures mean, under the headings they are given."""
    lines = []
    for heading, measures in tables.items():
        lines += [f"## {heading}", "", "| metric | type | labels | meaning |"]
        lines.append("| --- | --- | --- | --- |")
        for each in measures:
            labels = ", ".join(f"`{label}`" for label in each.labels)
            lines.append(f"| `{each.name}` | {each.kind} | {labels} | {each.meaning} |")
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"
