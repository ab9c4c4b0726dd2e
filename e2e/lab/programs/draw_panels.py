"""Draws a Grafana dashboard's panels from what Prometheus answered: draw_panels.py DATA PICTURE.

It is run by an interpreter that has matplotlib and nothing of ours.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

WIDTH, ROW = 17.0, 0.42
"""Inches: of the whole, and of one row of the dashboard's grid."""
COLUMNS = 24
GREEN, RED, ORANGE, GRID, TEXT = "#3a9e5c", "#d6455d", "#e8912d", "#e4e7eb", "#24292f"
COLOURS = ("#3f7fd1", "#e8912d", "#3a9e5c", "#8e5bd0", "#d6455d", "#1aa6a6", "#b8860b", "#777f89")
NAMED = {"green": GREEN, "red": RED, "orange": ORANGE, "blue": COLOURS[0], "text": TEXT}
HIDDEN = {"Time", "Value", "__name__", "instance", "job"}
MAX_LEGEND = 8
GAP_SECONDS = 1.5

Series = dict[str, Any]
Run = tuple[float, float]
"""When it began and ended, in seconds since 1970."""


def main() -> None:
    """Draw."""
    data = json.loads(Path(sys.argv[1]).read_text())
    shown: dict[int, list[tuple[str, list[Series]]]] = {}
    for answer in data["answers"]:
        shown.setdefault(answer["panel"], []).append((answer["legend"], answer["series"]))
    panels = data["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    plt.rcParams.update(
        {
            "font.family": "DejaVu Sans",
            "font.size": 8,
            "text.color": TEXT,
            "axes.edgecolor": GRID,
            "axes.labelcolor": TEXT,
            "xtick.color": "#57606a",
            "ytick.color": "#57606a",
        }
    )
    run = (data["start"], data["end"])
    figure = plt.figure(figsize=(WIDTH, rows * ROW), facecolor="#f4f5f7")
    for panel in panels:
        title = panel["title"]
        for name, value in data["variables"].items():
            title = title.replace(name, value)
        place(figure, panel | {"title": title}, rows, shown.get(panel["id"], []), run)
    figure.savefig(sys.argv[2], dpi=90)


def place(
    figure: Figure,
    panel: dict[str, Any],
    rows: int,
    answers: list[tuple[str, list[Series]]],
    run: Run,
) -> None:
    """Draw one panel where the dashboard has it."""
    grid = panel["gridPos"]
    x, width = grid["x"] / COLUMNS, grid["w"] / COLUMNS
    height = grid["h"] / rows
    bottom = 1 - grid["y"] / rows - height
    if panel["type"] == "row":
        figure.text(
            x + 0.006, bottom + height * 0.25, panel["title"], fontsize=12, fontweight="bold"
        )
        return
    gap_x, gap_y = 0.05 / WIDTH, 0.05 / (rows * ROW)
    card = figure.add_axes((x + gap_x, bottom + gap_y, width - 2 * gap_x, height - 2 * gap_y))
    card.set(xticks=[], yticks=[])
    card.text(
        *(0.08 / (width * WIDTH), 1 - 0.1 / (grid["h"] * ROW)),
        panel["title"],
        fontsize=9,
        fontweight="bold",
        va="top",
        transform=card.transAxes,
    )
    drawn = [
        (legend_of(legend, series["labels"]), series)
        for legend, found in answers
        for series in found
    ]
    inch_x, inch_y = 1 / (width * WIDTH), 1 / (grid["h"] * ROW)
    match panel["type"]:
        case "stat":
            stat(card, panel, drawn, run)
        case "table":
            table(card, [series for _, series in drawn], inch_y)
        case "bargauge":
            # Names stand above the bars, so that long ones have room.
            inner = inset(card, 0.15 * inch_x, 0.1 * inch_y, 0.75 * inch_x, 0.36 * inch_y)
            bars(inner, panel, drawn)
        case "state-timeline":
            longest = max((len(name) for name, _ in drawn), default=0)
            left = (0.2 + 0.065 * longest) * inch_x
            timeline(
                inset(card, left, 0.28 * inch_y, 0.15 * inch_x, 0.34 * inch_y), panel, drawn, run
            )
        case _:
            lines = -(-min(len(drawn), MAX_LEGEND) // columns_of(width))
            below = (0.38 + 0.16 * lines) * inch_y
            inner = inset(card, 0.6 * inch_x, below, 0.15 * inch_x, 0.34 * inch_y)
            curves(inner, panel, drawn, run)
            card.legend(
                *inner.get_legend_handles_labels(),
                loc="lower left",
                bbox_to_anchor=(0.05 * inch_x, 0.0),
                ncols=columns_of(width),
                frameon=False,
                fontsize=7,
                handlelength=1.0,
                columnspacing=1.0,
                labelspacing=0.25,
            )


def inset(card: Axes, left: float, bottom: float, right: float, top: float) -> Axes:
    """Return axes within a card, with these margins as parts of it."""
    return card.inset_axes((left, bottom, 1 - left - right, 1 - bottom - top))


def columns_of(width: float) -> int:
    """How many legends fit beside each other."""
    return max(1, round(width * 6))


def legend_of(legend: str, labels: dict[str, str]) -> str:
    """Fill in a legend's labels."""
    return re.sub(r"{{\s*(\w+)\s*}}", lambda match: labels.get(match[1], ""), legend)


def number(value: float, unit: str) -> str:
    """Write a value in its unit."""
    if math.isnan(value):
        return "-"
    match unit:
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "bytes":
            return f"{value / 2**20:.3g} MiB"
        case "s":
            return f"{value * 1000:.3g} ms" if 0 < abs(value) < 1 else f"{value:.3g} s"
        case "cps":
            return f"{value:.3g}/s"
    return f"{value:.4g}"


def last(series: Series) -> float:
    """Return the newest value."""
    return float(series["points"][-1][1])


def colour_of(value: float, panel: dict[str, Any]) -> str:
    """Return the colour of the highest threshold that a value has reached."""
    found = "text"
    for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            found = step["color"]
    return NAMED.get(found, found)


def stat(card: Axes, panel: dict[str, Any], drawn: list[tuple[str, Series]], run: Run) -> None:
    """Write one large value, or its name."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    name, value = (drawn[0][0], last(drawn[0][1])) if drawn else ("", float("nan"))
    if panel["fieldConfig"]["defaults"].get("decimals") == 0:
        value = round(value)
    text = name if panel["options"].get("textMode") == "name" else number(value, unit)
    if unit == "dateTimeFromNow":
        text = f"{run[1] - value / 1000:.0f} s ago"
    card.text(
        *(0.5, 0.42),
        text,
        fontsize=22 if len(text) < 7 else 16,
        color=colour_of(value, panel),
        ha="center",
        va="center",
        transform=card.transAxes,
    )


def table(card: Axes, found: Iterable[Series], inch_y: float) -> None:
    """Write labels under their names."""
    rows = [{k: v for k, v in series["labels"].items() if k not in HIDDEN} for series in found]
    names = list(dict.fromkeys(name for row in rows for name in row))
    for column, name in enumerate(names):
        x = 0.04 + column / max(1, len(names))
        card.text(x, 1 - 0.55 * inch_y, name, color="#57606a", transform=card.transAxes)
        for line, row in enumerate(rows):
            y = 1 - (0.85 + 0.26 * line) * inch_y
            card.text(x, y, row.get(name, ""), fontsize=9, transform=card.transAxes)


def bars(axes: Axes, panel: dict[str, Any], drawn: list[tuple[str, Series]]) -> None:
    """Draw a bar for each value."""
    defaults = panel["fieldConfig"]["defaults"]
    ordered = sorted(drawn, key=lambda each: last(each[1]), reverse=True)
    top = defaults.get("max") or max((last(series) for _, series in drawn), default=1) or 1
    for position, (name, series) in enumerate(ordered):
        value = last(series)
        axes.barh(position, top, height=0.34, color="#eef0f3")
        axes.barh(position, value, height=0.34, color=colour_of(value, panel))
        axes.text(0, position + 0.24, name, va="bottom", fontsize=7.5)
        axes.text(
            top * 1.02, position, number(value, defaults["unit"]), va="center", fontweight="bold"
        )
    axes.set(xlim=(0, top), ylim=(-0.3, max(1, len(ordered)) - 0.2), xticks=[], yticks=[])
    axes.axis("off")


def timeline(axes: Axes, panel: dict[str, Any], drawn: list[tuple[str, Series]], run: Run) -> None:
    """Draw when a series was 1."""
    off = panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["color"]
    names = sorted({name for name, _ in drawn}, reverse=True)
    for name, series in drawn:
        y = names.index(name)
        for began, ended, value in stretches(series["points"]):
            colour = GREEN if value >= 1 else NAMED.get(off, "#e9ecef")
            axes.barh(y, ended - began, left=began - run[0], height=0.7, color=colour)
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(-0.6, len(names) - 0.4))
    tidy(axes, run)
    axes.grid(visible=False, axis="y")


def stretches(points: list[list[float]]) -> Iterator[tuple[float, float, float]]:
    """Yield begin, end and value of each stretch in which a value stayed the same."""
    began = points[0][0]
    for (at, value), (after, following) in itertools.pairwise(points):
        if after - at > GAP_SECONDS:
            yield began, at, value
            began = after
        elif following != value:
            yield began, after, value
            began = after
    yield began, points[-1][0], points[-1][1]


def curves(axes: Axes, panel: dict[str, Any], drawn: list[tuple[str, Series]], run: Run) -> None:
    """Draw values over time, one upon the other where the panel says so."""
    defaults = panel["fieldConfig"]["defaults"]
    stacked = defaults["custom"].get("stacking", {}).get("mode") == "normal"
    base: dict[float, float] = {}
    for index, (name, series) in enumerate(drawn):
        colour = COLOURS[index % len(COLOURS)]
        at = [point[0] - run[0] for point in series["points"]]
        values = [point[1] for point in series["points"]]
        below = [0.0] * len(at)
        if stacked:
            below = [base.get(x, 0.0) for x in at]
            values = [value + low for value, low in zip(values, below, strict=True)]
            base |= dict(zip(at, values, strict=True))
        label = name if index < MAX_LEGEND else None
        # A gap is a gap.
        for part in parts(at):
            width, alpha = (0.0, 0.7) if stacked else (1.4, 0.1)
            area = axes.fill_between(at[part], below[part], values[part], color=colour, alpha=alpha)
            (curve,) = axes.plot(at[part], values[part], color=colour, linewidth=width)
            (area if stacked else curve).set_label(label)
            label = None
    axes.set_ylim(bottom=0)
    if axes.get_ylim()[1] <= 0.06 and all(p[1] == 0 for _, s in drawn for p in s["points"]):
        axes.set_ylim(0, 1)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: number(y, defaults["unit"])))
    tidy(axes, run)


def parts(at: list[float]) -> Iterator[slice]:
    """Yield the stretches of a series that have no gap."""
    began = 0
    for index in range(1, len(at) + 1):
        if index == len(at) or at[index] - at[index - 1] > GAP_SECONDS:
            yield slice(began, index)
            began = index


def tidy(axes: Axes, run: Run) -> None:
    """Leave a grid and the seconds."""
    axes.set_xlim(0, run[1] - run[0])
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0f} s"))
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=7)
    for side in axes.spines.values():
        side.set_visible(False)


if __name__ == "__main__":
    main()
