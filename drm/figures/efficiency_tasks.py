"""Tasks: what they ask for against what they used, as nested bars; those that hold most come first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drm.analysis.efficiency import TaskUse
from drm.figures.rows import title
from drm.figures.theme import Figure, axis, layout, palette
from drm.figures.units import LABELS, amount, count, escaped, number, percent, scale_of, unique
from drm.model import RESOURCES

SHOWN = 15
LABEL_LIMIT = 18
ROW_PIXELS, FEWEST_PIXELS = 34, 200
BARS = (("asked for", "request", 0.8, "allocated", "59"), ("used, p95", "p95", 0.5, "used", "80"), ("used, p50", "p50", 0.24, "used", ""))
"""(name, what of a `TaskUse`, width, colour, its opacity), the widest first."""


def build(uses: Sequence[TaskUse], resource: str, by: str, scheme: str, range_seconds: float) -> Figure | None:
    """One row for each of the tasks that were measured, told apart `by` name or shape; None where none was."""
    index = RESOURCES.index(resource)
    shown = measured(uses, resource)[:SHOWN]
    if not shown:
        return None
    labels = unique([_label(use, resource, by) for use in shown])
    divisor, unit = scale_of(resource, max(max(use.max[index], use.request[index]) for use in shown))
    colours = palette(scheme)
    traces: list[Figure] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": labels,
            "x": [round(float(getattr(use, part)[index]) / divisor, 4) for use in shown],
            "width": width,
            "marker": {"color": f"{colours[colour]}{opacity}"},
            "hovertemplate": f"%{{x:.3~g}} {unit}<extra>{name}</extra>",
        }
        for name, part, width, colour, opacity in BARS
    ]
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "used, max",
            "y": labels,
            "x": [round(float(use.max[index]) / divisor, 4) for use in shown],
            "marker": {"symbol": "line-ns", "size": 16, "color": colours["text"], "line": {"width": 2, "color": colours["text"]}},
            "customdata": [_evidence(use, index) for use in shown],
            "hovertemplate": f"%{{x:.3~g}} {unit}<br>%{{customdata}}<extra>used, max</extra>",
        }
    )
    return {
        "data": traces,
        "layout": layout(
            scheme,
            f"efficiency-tasks-{resource}-{by}-{range_seconds}",
            height=max(FEWEST_PIXELS, ROW_PIXELS * len(labels) + 120),
            hovermode="closest",
            barmode="overlay",
            xaxis=axis(scheme, rangemode="tozero", title=title(f"{LABELS[resource]}, {unit}", scheme)),
            yaxis=axis(scheme, type="category", showgrid=False, autorange="reversed", fixedrange=True),
        ),
    }


def measured(uses: Sequence[TaskUse], resource: str) -> list[TaskUse]:
    """Those that were measured, in the order of how much they hold of the resource: request x how many run."""
    index = RESOURCES.index(resource)
    known = [use for use in uses if use.measured[index] > 0]
    return sorted(known, key=lambda use: -float(use.request[index]) * (0.0 if math.isnan(use.mean_running) else use.mean_running))


def words(uses: Sequence[TaskUse], resource: str) -> str:
    """What the figure leaves out, and why."""
    known = len(measured(uses, resource))
    told = [f"{count(known - SHOWN, 'more').removesuffix('s')}, which hold less"] if known > SHOWN else []
    if len(uses) > known:
        why = "a task's memory is known only where it ran alone on its worker" if resource == "memory" else "no attempt was measured"
        told.append(f"{len(uses) - known} of which {LABELS[resource]} is not known: {why}")
    return f"Not shown: {'; '.join(told)}." if told else ""


def _label(use: TaskUse, resource: str, by: str) -> str:
    """The name, cut; by shape with what it asks for."""
    name = escaped(use.name, LABEL_LIMIT)
    return f"{name}, {amount(resource, float(use.request[RESOURCES.index(resource)]))}" if by == "shape" else name


def _evidence(use: TaskUse, index: int) -> str:
    samples = count(int(use.measured[index]), "measured run")
    return f"{samples}, {number(use.mean_running)} at once, efficiency {percent(float(use.efficiency[index]))}"
