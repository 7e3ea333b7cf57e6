"""Efficiency: how much of what was allocated was used; of the pool in words and over time. Blank where nothing was allocated."""

from __future__ import annotations

import math

import numpy as np

from drm.analysis.efficiency import over_range, over_time, present
from drm.figures.rows import domains, line, listed, title
from drm.figures.theme import Figure, axis, layout, palette, time_axis
from drm.figures.units import LABELS, amount, percent, scale_of
from drm.history.window import SeriesWindow

ROW_PIXELS = 190
DASHES = {"cpu": "solid", "memory": "dash", "gpu": "dot", "gpu_memory": "dashdot"}
MOST_PERCENT = 200
"""What is above is cut: a worker's own memory is many times what a small task has allocated."""

BEYOND = (
    "Used is what the workers measure, their own needs included, so it can be more than what tasks have allocated. Blank: nothing was "
    "allocated, or not measured. The averages above, and those of the workers, are over the times at which something was allocated."
)


def card_text(window: SeriesWindow, resource: str) -> dict[str, str] | None:
    """One resource over the whole range; None where the pool had none of it."""
    if resource not in present(window):
        return None
    mean = over_range(window, resource)
    if math.isnan(mean.allocated):
        return {"value": "–", "note": "what is used was not measured in this range", "more": ""}
    if mean.allocated == 0:
        return {"value": "–", "note": "nothing was allocated in this range", "more": "efficiency is used / allocated"}
    used, allocated = amount(resource, mean.used), amount(resource, mean.allocated)
    beyond = "allocated and not used" if mean.slack >= 0 else "used beyond what was allocated"
    return {
        "value": percent(mean.efficiency),
        "note": f"{used} used of {allocated} allocated, on average",
        "more": f"{amount(resource, abs(mean.slack))} {beyond}",
    }


def build(window: SeriesWindow, resource: str, scheme: str, range_seconds: float) -> Figure | None:
    """Efficiency of each resource above, used and allocated of one of them below; None where nothing was recorded."""
    names = present(window)
    if not names:
        return None
    shown = resource if resource in names else names[0]
    heights = domains(2, gap=0.1)
    lines, top = [], 100.0
    for name in names:
        percents = over_time(window, name) * 100
        top = max(top, float(np.nanmax(percents, initial=0.0)))
        lines.append(_efficiency(window, name, listed(percents), scheme, chosen=name == shown))
    largest = max(float(np.nanmax(window.max[f"{series}_{shown}"], initial=0.0)) for series in ("used", "allocated"))
    divisor, unit = scale_of(shown, largest)
    colours = palette(scheme)
    amounts = [
        line(window, f"allocated_{shown}", "allocated", colours["allocated"], 2, divisor, unit=unit),
        line(window, f"used_{shown}", "used", colours["used"], 2, divisor, fill=True, unit=unit),
    ]
    return {
        "data": [*lines, *amounts],
        "layout": layout(
            scheme,
            f"efficiency-{shown}-{range_seconds}",
            height=2 * ROW_PIXELS + 60,
            xaxis=time_axis(scheme, anchor="y2"),
            yaxis=axis(
                scheme,
                domain=heights[0],
                range=[0, min(MOST_PERCENT, top) * 1.05],
                title=title("Efficiency, %", scheme),
                nticks=5,
            ),
            yaxis2=axis(scheme, domain=heights[1], rangemode="tozero", title=title(f"{LABELS[shown]}, {unit}", scheme), anchor="x"),
            shapes=[_all_used(scheme)],
        ),
        "times": window.times.tolist(),
    }


def _efficiency(window: SeriesWindow, resource: str, percents: list[float | None], scheme: str, *, chosen: bool) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{LABELS[resource]} efficiency",
        "y": percents,
        "yaxis": "y",
        "line": {"color": palette(scheme)[resource], "width": 2.5 if chosen else 1.5, "dash": DASHES[resource]},
        # A value between two blanks has no line.
        "marker": {"size": 3},
        "connectgaps": False,
        "hovertemplate": f"%{{y:.0f}} %<extra>{LABELS[resource]} efficiency</extra>",
    }


def _all_used(scheme: str) -> Figure:
    """The line at which all that is allocated is used."""
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "yref": "y",
        "y0": 100,
        "y1": 100,
        "line": {"color": palette(scheme)["capacity"], "width": 1, "dash": "dot"},
    }
