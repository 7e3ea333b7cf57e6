"""Utilization: workers x time as a heatmap, and the lines of one worker."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from drm.figures.rows import FEW, domains, label_room, listed, title
from drm.figures.theme import HEAT, Figure, axis, layout, palette, time_axis
from drm.figures.units import LABELS, count, escaped, scale_of, unique
from drm.history.window import CELLS_PER_UNIT, MISSING, HeatmapWindow, SeriesWindow
from drm.model import RESOURCES, FloatArray

LABEL_LIMIT = 36
SHOWS = ("max", "mean", "high")
"""What a row of several workers shows: the highest, the mean, or the 95th of 100."""
NO_WIDTH = "\u200b"
MOST_LABELS = 30
"""Names beside the rows: drawing them takes as long as drawing the cells, and further ones would not be read."""
ROW_PIXELS, FEWEST_PIXELS, MOST_PIXELS = 22, 220, 720


def build(
    window: HeatmapWindow,
    capacities: Mapping[str, float],
    resource: str,
    measure: str,
    scheme: str,
    range_seconds: float,
    show: str = "max",
) -> Figure | None:
    """The heatmap as the browser gets it: one byte a cell under `cells`, which it turns into numbers; None where there is no row.

    `capacities`: what each present worker has of the resource; a row of which that is not known shows percent alone. `show`: which of
    `SHOWS` has the colours. `members` holds who a row is, of a group nobody: it may be thousands; `hottest` tells one of it.
    """
    if not window.rows:
        return None
    labels = _distinct(unique([escaped(row.label, LABEL_LIMIT) if len(row.worker_ids) < 2 else "" for row in window.rows]), window)
    known = [[capacities[worker_id] for worker_id in row.worker_ids if worker_id in capacities] for row in window.rows]
    per_row = [float(np.mean(row)) if row else 0.0 for row in known]
    divisor, unit = scale_of(resource, max(per_row, default=0.0))
    colours = palette(scheme)
    is_small = len(labels) <= MOST_LABELS
    trace = {
        "type": "heatmap",
        "x": (window.times + window.step_seconds / 2).tolist(),
        "y": labels,
        "colorscale": HEAT.get(scheme, HEAT["light"]),
        "zmin": 0,
        "zmax": 100,
        "xgap": 0,
        "ygap": 1 if len(labels) <= 60 else 0,
        "hoverongaps": False,
        "colorbar": {
            "thickness": 12,
            "outlinewidth": 0,
            "tickfont": {"color": colours["muted"]},
            "tickvals": [0, 25, 50, 75, 100],
            "ticktext": ["0 %", "25 %", "50 %", "75 %", "100 %"],
            "len": 1,
            "xpad": 4,
        },
    }
    return {
        "data": [trace],
        "layout": layout(
            scheme,
            f"utilization-{resource}-{measure}-{range_seconds}-{show}",
            hovermode="closest",
            margin={"l": 8 if is_small else label_room(labels), "r": 8, "t": 32, "b": 8},
            height=min(MOST_PIXELS, max(FEWEST_PIXELS, ROW_PIXELS * len(labels) + 60)),
            xaxis=time_axis(scheme),
            yaxis=axis(
                scheme,
                autorange="reversed",
                showgrid=False,
                type="category",
                fixedrange=len(labels) < 30,
                nticks=MOST_LABELS,
                ticklabeloverflow="allow",
                automargin=is_small,
            ),
        ),
        "cells": {
            "mean": _text(window.mean),
            "max": _text(window.max),
            **({"high": _text(window.mean if window.high is None else window.high)} if show == "high" else {}),
            "show": show,
            "rows": len(labels),
            "missing": MISSING,
            "percent": 100 / CELLS_PER_UNIT,
            "capacity": [round(capacity / divisor, 4) for capacity in per_row],
            "unit": unit,
            "measure": measure,
            "title": LABELS[resource],
        },
        "members": [list(row.worker_ids) if len(row.worker_ids) == 1 else [] for row in window.rows],
        "hottest": ["" if len(row.worker_ids) < 2 else row.hottest for row in window.rows],
    }


def build_worker(window: SeriesWindow, capacity: FloatArray | None, scheme: str, range_seconds: float, worker_id: str) -> Figure:
    """Used and allocated of one worker over time, a row for each resource that it has, in units where its capacity (4,) is known."""
    colours = palette(scheme)
    present = [name for name in RESOURCES if f"used_{name}" in window.mean and (capacity is None or capacity[RESOURCES.index(name)] > 0)]
    shared = layout(scheme, f"worker-{worker_id}-{range_seconds}", height=150 * len(present) + 70)
    traces: list[Figure] = []
    heights = domains(len(present), gap=0.12)
    for index, name in enumerate(present):
        whole = 1.0 if capacity is None else float(capacity[RESOURCES.index(name)])
        divisor, unit = (0.01, "%") if capacity is None else scale_of(name, whole)
        suffix = "" if index == 0 else str(index + 1)
        for measure in ("allocated", "used"):
            values = window.mean[f"{measure}_{name}"] * whole / divisor
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines" if len(window.times) >= FEW else "lines+markers",
                    "name": measure,
                    "legendgroup": measure,
                    "showlegend": index == 0,
                    "y": listed(values),
                    "yaxis": f"y{suffix}",
                    "line": {"color": colours[measure], "width": 2, "shape": "hv" if measure == "allocated" else "linear"},
                    "fill": "tozeroy" if measure == "used" else "none",
                    "fillcolor": f"{colours[measure]}26",
                    "connectgaps": False,
                    "hovertemplate": f"%{{y:.3~g}} {unit}<extra>{measure}</extra>",
                }
            )
        shared[f"yaxis{suffix}"] = axis(
            scheme,
            domain=heights[index],
            range=[0, whole / divisor * 1.08],
            title=title(f"{LABELS[name]}, {unit}", scheme),
            anchor="x",
            nticks=5,
        )
        shared.setdefault("shapes", []).append(
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "yref": f"y{suffix}",
                "y0": whole / divisor,
                "y1": whole / divisor,
                "line": {"color": colours["capacity"], "width": 1.5, "dash": "dot"},
            }
        )
    shared["xaxis"] = time_axis(scheme, anchor=f"y{len(present) if len(present) > 1 else ''}")
    return {"data": traces, "layout": shared, "times": window.times.tolist()}


def _distinct(labels: list[str], window: HeatmapWindow) -> list[str]:
    """With the labels of groups, which may be alike: what tells them apart for Plotly is not seen."""
    seen: Counter[str] = Counter()
    for place, row in enumerate(window.rows):
        if len(row.worker_ids) > 1:
            text = escaped(row.label, LABEL_LIMIT)
            labels[place] = text + NO_WIDTH * seen[text]
            seen[text] += 1
    return labels


def rows_text(window: HeatmapWindow) -> str:
    """How many workers the rows are, and what is left out."""
    shared = sum(len(row.worker_ids) > 1 for row in window.rows)
    rows = f" in {count(len(window.rows), 'row')}: those of a type that are neighbours in this order share one" if shared else ""
    left_out = f"; {count(window.left_out, 'other')} left out" if window.left_out else ""
    opens = "Click a row to open its workers." if shared else "Click a row to open its worker."
    return f"{count(window.workers, 'worker')}{rows}{left_out}. Share of each worker's capacity; blank where there was no sample. {opens}"


def _text(cells: npt.NDArray[np.uint8]) -> str:
    return base64.b64encode(cells.tobytes()).decode("ascii")
