"""Scaling: pool size, decisions, demand and utilization over one axis of time, with the thresholds that the policy had."""

from __future__ import annotations

import numpy as np

from drm.figures.decision_marks import lane_axis, lane_room, marks
from drm.figures.rows import domains, heading, line, listed
from drm.figures.theme import Figure, layout, margin, number_axis, palette, time_axis
from drm.figures.units import LABELS, scale_of
from drm.history.window import SeriesWindow
from drm.ledger_query import Columns
from drm.model import RESOURCES

GAP_PIXELS = 68
"""Between two rows: the title and the legend of the lower one stand there, which on a phone takes two lines."""
SIZE_PIXELS, LANES_PIXELS, ROW_PIXELS = 190, 140, 130

DASHES = {"cpu": "solid", "memory": "dash", "gpu": "dashdot", "gpu_memory": "dot"}
WATCHED = {"needed_workers": "Workers that the queue needs", "forecast_workers": "Busy workers that are forecast"}
"""What policies watch beside utilization; each has a row of its own where it was watched."""


def build(window: SeriesWindow, columns: Columns, resource: str, scheme: str, range_seconds: float) -> Figure | None:
    """All rows as the browser gets them; None where nothing was recorded. `columns`: the decisions of the window."""
    if "workers_current" not in window.mean or not np.isfinite(window.mean["workers_current"]).any():
        return None
    watched = [name for name in WATCHED if _is_known(window, f"watched_{name}")]
    pixels = [SIZE_PIXELS, LANES_PIXELS, ROW_PIXELS, ROW_PIXELS, *(ROW_PIXELS for _ in watched)]
    height = sum(pixels) + GAP_PIXELS * len(pixels) + 20
    parts = domains(len(pixels), GAP_PIXELS / (sum(pixels) + GAP_PIXELS * (len(pixels) - 1)), pixels)
    end = float(window.times[-1]) + window.step_seconds
    shared = layout(scheme, f"scaling-{range_seconds}", height=height, margin=margin(left=lane_room(), top=GAP_PIXELS - 16))
    traces = _size_row(window, scheme)
    traces += marks(columns, window.start, end - window.start, scheme, "y2")
    traces += _demand_row(window, resource, scheme)
    traces += _utilization_row(window, scheme)
    for row, name in enumerate(watched, start=5):
        traces += _watched_row(window, name, row, scheme)
    _, unit = scale_of(resource, _largest(window, resource))
    titles = ["Pool size, workers", "", f"{LABELS[resource]}, {unit}", "Utilization, % of capacity", *(WATCHED[name] for name in watched)]
    for index, (part, title) in enumerate(zip(parts, titles, strict=True)):
        suffix = "" if index == 0 else str(index + 1)
        more = lane_axis() if index == 1 else {"rangemode": "tozero", "nticks": 5}
        shared[f"yaxis{suffix}"] = number_axis(scheme, domain=part, anchor="x", **more)
        if title:
            shared[f"legend{suffix}"] = _legend(title, part[1], scheme)
    shared["annotations"] = [heading("Decisions", parts[1][1], scheme)]
    shared["yaxis"] |= {"range": [0, _top(window)], "autorange": False, "tickformat": ",d"}
    shared["xaxis"] = time_axis(scheme, anchor=f"y{len(pixels)}", automargin=False)
    return {"data": traces, "layout": shared, "times": window.times.tolist()}


def _size_row(window: SeriesWindow, scheme: str) -> list[Figure]:
    colours = palette(scheme)
    return [
        line(window, "workers_current", "current", colours["workers"], 1, fill=True, step=True),
        line(window, "desired", "desired", colours["desired"], 1, dash="dot", step=True),
        line(window, "max_workers", "bounds", colours["capacity"], 1, dash="longdash", step=True),
        line(window, "min_workers", "bounds", colours["capacity"], 1, dash="longdash", step=True, legend=False),
    ]


def _demand_row(window: SeriesWindow, resource: str, scheme: str) -> list[Figure]:
    colours = palette(scheme)
    divisor, unit = scale_of(resource, _largest(window, resource))
    return [
        _in_row(line(window, f"{series}_{resource}", series, colours[series], 3, divisor, dash, fill=series == "used", unit=unit), 3)
        for series, dash in (("capacity", "solid"), ("demand", "dash"), ("allocated", "solid"), ("used", "solid"))
    ]


def _utilization_row(window: SeriesWindow, scheme: str) -> list[Figure]:
    colours = palette(scheme)
    traces = []
    for name in RESOURCES:
        if not _largest(window, name):
            continue
        capacity = window.mean[f"capacity_{name}"]
        share = np.divide(window.mean[f"used_{name}"], capacity, out=np.full_like(capacity, np.nan), where=capacity > 0)
        trace = line(window, "", LABELS[name], colours["used"], 4, dash=DASHES[name], unit="%")
        traces.append(_in_row(trace | {"y": listed(share * 100)}, 4))
    return traces + _thresholds(window, "utilization", 4, scheme, 0.01)


def _watched_row(window: SeriesWindow, name: str, row: int, scheme: str) -> list[Figure]:
    value = line(window, f"watched_{name}", "needed" if name == "needed_workers" else "forecast", palette(scheme)["demand"], row, fill=True)
    return [_in_row(value, row), *_thresholds(window, name, row, scheme)]


def _thresholds(window: SeriesWindow, name: str, row: int, scheme: str, divisor: float = 1.0) -> list[Figure]:
    """Where the policy would grow and shrink the pool, as it was at each time."""
    found = []
    for side, words, dash in (("above", "grows above", "longdash"), ("below", "shrinks below", "dash")):
        series = f"watched_{name}_{side}"
        if _is_known(window, series):
            found.append(_in_row(line(window, series, words, palette(scheme)["desired"], row, divisor, dash, step=True), row))
    return found


def _in_row(trace: Figure, row: int) -> Figure:
    return trace | {"legend": f"legend{row}", "legendgroup": f"{trace['name']}-{row}"}


def _legend(title: str, top: float, scheme: str) -> Figure:
    """Above its row, under the row's title."""
    colours = palette(scheme)
    return {
        "orientation": "h",
        "x": 0,
        "y": top,
        "yanchor": "bottom",
        "font": {"size": 11, "color": colours["text"]},
        "title": {"text": f"<b>{title}</b>", "side": "top", "font": {"size": 11, "color": colours["muted"]}},
        "tracegroupgap": 4,
        "bgcolor": "rgba(0,0,0,0)",
    }


def _top(window: SeriesWindow) -> float:
    """The end of the axis of sizes: a maximum far above what the pool came to would flatten it, and stays out of the picture."""
    reached = max(float(np.nanmax(window.max[name], initial=1.0)) for name in ("workers_current", "desired", "min_workers"))
    most = float(np.nanmax(window.max["max_workers"], initial=0.0))
    return 1.12 * (max(most, reached) if most <= 3 * reached else reached)


def _largest(window: SeriesWindow, resource: str) -> float:
    return max(float(np.nanmax(window.max[f"{series}_{resource}"], initial=0.0)) for series in ("capacity", "demand"))


def _is_known(window: SeriesWindow, series: str) -> bool:
    return series in window.mean and bool(np.isfinite(window.mean[series]).any())
