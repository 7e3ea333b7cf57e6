"""Workers by efficiency: what each used within what it had allocated; of many the least and the most, and how all are spread."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from drm.analysis.efficiency import of_workers
from drm.figures.rows import beside, listed, title
from drm.figures.theme import Figure, axis, layout, palette
from drm.figures.units import LABELS, amount, count, escaped, percent, unique
from drm.history.window import WorkerMeans
from drm.model import FloatArray

SHOWN_AT_EACH_END = 8
LABEL_LIMIT = 18
ROW_PIXELS, FEWEST_PIXELS, SPREAD_PIXELS = 24, 190, 170
ROOM_FOR_TEXT = 1.25
BIN_PERCENT, LAST_BIN = 5, 150
"""What is from the last bin on counts into it."""


def build(means: WorkerMeans, capacities: Mapping[str, float], resource: str, scheme: str, range_seconds: float) -> Figure | None:
    """Least efficient first; None where no worker had anything allocated. `capacities`: what each present worker has of the resource."""
    efficiency = of_workers(means)
    ranked = np.argsort(efficiency, kind="stable")[: int((~np.isnan(efficiency)).sum())]
    if not len(ranked):
        return None
    is_many = len(ranked) > 2 * SHOWN_AT_EACH_END
    shown = np.concatenate([ranked[:SHOWN_AT_EACH_END], ranked[-SHOWN_AT_EACH_END:]]) if is_many else ranked
    labels = unique([escaped(means.worker_ids[index], LABEL_LIMIT) for index in shown])
    rows = len(labels)
    height = max(FEWEST_PIXELS, ROW_PIXELS * (rows + is_many) + 100)
    of_capacity = title(f"{LABELS[resource]}, % of capacity", scheme)
    widest = 100 * float(np.nanmax([means.used[shown], means.allocated[shown]]))
    bars = _bars(means, shown, labels, efficiency, [capacities.get(means.worker_ids[index], 0.0) for index in shown], resource, scheme)
    shared = layout(
        scheme,
        f"efficiency-workers-{resource}-{range_seconds}-{is_many}",
        height=height + (SPREAD_PIXELS if is_many else 0),
        hovermode="closest",
        barmode="overlay",
        xaxis=axis(scheme, range=[0, widest * ROOM_FOR_TEXT], title=of_capacity, anchor="y"),
        yaxis=axis(
            scheme,
            type="category",
            showgrid=False,
            autorange="reversed",
            fixedrange=True,
            categoryorder="array",
            categoryarray=_order(labels, len(ranked) - rows) if is_many else labels,
        ),
    )
    if is_many:
        bars.append(_spread(efficiency[ranked] * 100, scheme))
        share = SPREAD_PIXELS / (height + SPREAD_PIXELS)
        among = title(f"Efficiency of {count(len(ranked), 'worker')}, %", scheme)
        shared["yaxis"]["domain"] = [0, 1 - share]
        shared["xaxis2"] = axis(scheme, anchor="y2", showgrid=False, range=[0, LAST_BIN + BIN_PERCENT], title=among)
        shared["yaxis2"] = axis(scheme, domain=[1 - share + 0.1, 1], anchor="x2", title=title("Workers", scheme), nticks=4)
    return {"data": bars, "layout": shared}


def words(means: WorkerMeans) -> str:
    """How many workers are not in the figure, and why."""
    unmeasured = int((~means.known).sum())
    nothing = int(np.isnan(means.allocated).sum()) - unmeasured
    told = [f"{count(nothing, 'worker')} had nothing allocated in this range"] if nothing else []
    told += [f"{count(unmeasured, 'worker')} had no measurement"] if unmeasured else []
    return f"Without an efficiency: {', '.join(told)}." if told else ""


def _bars(
    means: WorkerMeans,
    shown: np.ndarray[tuple[int], np.dtype[np.intp]],
    labels: list[str],
    efficiency: FloatArray,
    capacities: list[float],
    resource: str,
    scheme: str,
) -> list[Figure]:
    colours = palette(scheme)
    traces = []
    for name, column, width in (("allocated", means.allocated, 0.72), ("used", means.used, 0.36)):
        parts = column[shown]
        known = [f" ({amount(resource, part * has)})" if has else "" for part, has in zip(parts.tolist(), capacities, strict=True)]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "y": labels,
                "x": listed(parts * 100),
                "width": width,
                "marker": {"color": f"{colours[name]}73" if name == "allocated" else colours[name]},
                "customdata": known,
                "hovertemplate": f"%{{x:.1f}} %%{{customdata}}<extra>{name}</extra>",
            }
        )
    ends = listed(np.fmax(means.allocated[shown], means.used[shown]) * 100)
    return [*traces, beside("efficiency", ends, labels, [percent(value) for value in efficiency[shown].tolist()], scheme)]


def _order(labels: list[str], between: int) -> list[str]:
    """The least efficient, a gap that says how many are not shown, the most efficient."""
    gap = f"… {between:,} more …".replace(",", " ")
    return [*labels[:SHOWN_AT_EACH_END], gap, *labels[SHOWN_AT_EACH_END:]]


def _spread(percents: FloatArray, scheme: str) -> Figure:
    edges = np.arange(0, LAST_BIN + 2 * BIN_PERCENT, BIN_PERCENT)
    counts, _ = np.histogram(np.minimum(percents, LAST_BIN + BIN_PERCENT / 2), edges)
    spans = [f"{low} to {low + BIN_PERCENT} %" if low < LAST_BIN else f"{LAST_BIN} % or more" for low in edges[:-1].tolist()]
    return {
        "type": "bar",
        "name": "workers by efficiency",
        "x": (edges[:-1] + BIN_PERCENT / 2).tolist(),
        "y": counts.tolist(),
        "xaxis": "x2",
        "yaxis": "y2",
        "width": BIN_PERCENT * 0.9,
        "showlegend": False,
        "marker": {"color": palette(scheme)["workers"]},
        "customdata": spans,
        "hovertemplate": "%{y} workers<br>efficiency %{customdata}<extra></extra>",
    }
