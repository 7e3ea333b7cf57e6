"""Allocation: capacity, allocated and used of each worker as one nested bar, a panel for each resource.

Bars are shares of a worker's capacity, so that a row that sums thousands of workers fits beside the others; amounts stand beside them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drm.analysis.allocation import Holding
from drm.figures.rows import beside, listed, title
from drm.figures.theme import Figure, axis, palette
from drm.figures.units import LABELS, amount, count, percent
from drm.figures.worker_rows import NARROW, ROW_PIXELS, WIDE, label_of, places_of, rows_layout
from drm.model import RESOURCES

ROOM = 140
"""Percent up to which an axis of shares goes: beyond the whole there is what a worker has, in words."""
LABEL_PIXELS, PANEL_PIXELS = 100, 200
"""Below these widths a panel cannot be read; a narrower screen scrolls."""


def build(holdings: Sequence[Holding], scheme: str, revision: str, *, legend: bool = True) -> Figure | None:
    """A panel for each resource that is there, all over the same rows; None where there is no capacity.

    Several workers that are summed come first (all of them) and last (those that have no row of their own).
    """
    present = [index for index, _ in enumerate(RESOURCES) if any(one.capacity[index] > 0 for one in holdings)]
    if not present:
        return None
    colours = palette(scheme)
    places = places_of([one.workers == 1 for one in holdings])
    labels = [
        label_of(one.label, one.state) if one.workers == 1 else f"<b>{_sum_label(one, place)}</b>" for place, one in enumerate(holdings)
    ]
    figure_layout = rows_layout(scheme, f"allocation-{revision}", places, labels, top=44, bottom=36 if legend else 8)
    traces: list[Figure] = []
    width = 1 / len(present)
    for panel, index in enumerate(present):
        name, suffix = RESOURCES[index], "" if panel == 0 else str(panel + 1)
        has = [one for one in holdings if one.capacity[index] > 0]
        ys = [place for place, one in zip(places, holdings, strict=True) if one.capacity[index] > 0]
        allocated = [one.allocated[index] / one.capacity[index] for one in has]
        traces += [
            {
                "type": "bar",
                "orientation": "h",
                "xaxis": f"x{suffix}",
                "y": ys,
                "showlegend": panel == 0,
                "name": "capacity",
                "x": [100] * len(has),
                "width": WIDE,
                "marker": {"color": colours["track"], "line": {"width": 0.5, "color": colours["capacity"]}},
                "customdata": [_hover(one, index) for one in has],
                "hovertemplate": "%{customdata}<extra></extra>",
            },
            _strokes("allocated", allocated, ys, f"{colours['allocated']}73", WIDE, panel),
            _strokes("used", [one.utilization[index] for one in has], ys, colours["used"], NARROW, panel),
            beside("amount", [100] * len(has), ys, [amount(name, float(one.capacity[index])) for one in has], scheme, f"x{suffix}"),
        ]
        figure_layout[f"xaxis{suffix}"] = axis(
            scheme,
            domain=[panel * width, (panel + 1) * width - (0.015 if panel < len(present) - 1 else 0)],
            range=[0, ROOM],
            tickvals=[0, 50, 100],
            ticktext=["0", "50", "100 %"],
            side="top",
            title=title(f"<b>{LABELS[name]}</b>", scheme),
            fixedrange=True,
        )
    figure_layout |= {"barmode": "overlay", "showlegend": legend}
    figure_layout["legend"] |= {"y": 0, "yanchor": "top"}
    least_width = LABEL_PIXELS + PANEL_PIXELS * len(present)
    return {"data": traces, "layout": figure_layout, "least_width": least_width}


def _strokes(name: str, shares: Sequence[float], ys: Sequence[float], colour: str, width: float, panel: int) -> Figure:
    """Bars that nobody points at, as one line with gaps, as wide as a bar: each bar would be an element, and take its time."""
    ends = listed(np.minimum(100, 100 * np.array(shares, float)))
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "xaxis": f"x{panel + 1}" if panel else "x",
        "x": [x for end in ends for x in (0, end, None)],
        "y": [y for one in ys for y in (one, one, None)],
        "line": {"color": colour, "width": width * ROW_PIXELS},
        "connectgaps": False,
        "hoverinfo": "skip",
        "showlegend": panel == 0,
    }


def _hover(one: Holding, index: int) -> str:
    name = RESOURCES[index]
    capacity, allocated, used = float(one.capacity[index]), float(one.allocated[index]), float(one.used[index])
    heading = label_of(one.label, one.state) if one.workers == 1 else count(one.workers, "worker")
    held = f"{amount(name, allocated)} of {amount(name, capacity)} {LABELS[name]} allocated ({percent(allocated / capacity)})"
    partly = "" if one.measured[index] in (0, one.having[index]) else f" of {count(int(one.measured[index]), 'measured worker')}"
    measured = f"{amount(name, used)} used ({percent(float(one.utilization[index]))}{partly})"
    slack = f"<br>slack {amount(name, allocated - used)}" if allocated > used else ""
    return f"<b>{heading}</b><br>{held}<br>{measured}{slack}"


def _sum_label(one: Holding, place: int) -> str:
    return f"all {count(one.workers, 'worker')}" if place == 0 else f"{one.workers:,} more workers".replace(",", " ")
