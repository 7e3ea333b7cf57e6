"""The last step of a figure where no browser does it: times become dates, one-byte cells numbers. What assets/drm/clientside.js does live.

Times are written as the clock of `zone` shows them (None: this machine's), because Plotly draws a date as it is written.
"""

from __future__ import annotations

import base64
import textwrap
from datetime import UTC, datetime, tzinfo
from typing import Any

import numpy as np

from drm.figures.areas import with_areas
from drm.figures.theme import Figure, layout, palette
from drm.figures.units import escaped
from drm.model import FloatArray

WORDS_PIXELS, WORDS_WIDTH = 240, 90
CELL_WORDS = {
    "max": "%{text:.0f} % (max %{z:.0f} %)",
    "mean": "%{z:.0f} % (max %{text:.0f} %)",
    "high": "95 of 100 at most %{z:.0f} % (mean %{text:.0f} %)",
}
"""What is told of a cell, by what has the colours."""


def finish(figure: Figure, zone: tzinfo | None = None) -> Figure:
    """The figure as Plotly takes it; the one that was given stays as it is."""
    whole = figure["layout"]
    dated = {name.replace("axis", "") for name, axis in whole.items() if name.startswith("xaxis") and axis.get("type") == "date"}
    times = [_date(value, zone) for value in figure.get("times", ())]
    traces = [dict(trace) for trace in figure["data"]]
    for trace in traces:
        if "x" not in trace:
            trace["x"] = times
        elif trace.get("xaxis", "x") in dated:
            trace["x"] = [_date(value, zone) for value in trace["x"]]
        if trace.get("mode") == "lines" and _stands_alone(trace["y"]):
            trace |= {"mode": "lines+markers", "marker": {"size": 4, "color": trace["line"]["color"]}}
    traces = with_areas(traces)
    if "cells" in figure:
        _fill(traces[0], figure["cells"])
    drawn = {
        kind: [_dated(one, dated, zone) for one in whole[kind]]
        for kind in ("shapes", "annotations", "images")
        if isinstance(whole.get(kind), list)
    }
    return {"data": traces, "layout": whole | drawn}


def difference(one: Any, other: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    """(path, value) of each part in which a figure of the same data differs in another scheme."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [part for name in other for part in difference(one.get(name), other[name], (*path, name))]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [part for index, pair in enumerate(zip(one, other, strict=True)) for part in difference(*pair, (*path, index))]
    return [] if one == other else [(path, other)]


def words(text: str, scheme: str) -> Figure:
    """A figure that says in words why there is nothing to draw."""
    lines = [escaped(line, 400) for line in textwrap.wrap(text, WORDS_WIDTH)]
    said = {
        "text": "<br>".join(lines),
        "xref": "paper",
        "yref": "paper",
        "x": 0.5,
        "y": 0.5,
        "showarrow": False,
        "font": {"size": 15, "color": palette(scheme)["muted"]},
    }
    return {
        "data": [],
        "layout": layout(scheme, "words", height=WORDS_PIXELS, xaxis={"visible": False}, yaxis={"visible": False}, annotations=[said]),
    }


def _stands_alone(values: list[Any]) -> bool:
    """Whether a value has no neighbour, so that no line is drawn to it."""
    around = [None, *values, None]
    return any(
        before is None and value is not None and after is None for before, value, after in zip(around, around[1:], around[2:], strict=False)
    )


def _date(value: Any, zone: tzinfo | None) -> Any:
    if not isinstance(value, (int, float)):
        return value
    return datetime.fromtimestamp(value, UTC).astimezone(zone).replace(tzinfo=None).isoformat(" ", "milliseconds")


def _dated(drawn: Figure, axes: set[str], zone: tzinfo | None) -> Figure:
    """A shape or annotation whose places in time are dates."""
    if drawn.get("xref") not in axes:
        return drawn
    return drawn | {name: _date(drawn[name], zone) for name in ("x", "x0", "x1") if name in drawn}


def _fill(trace: Figure, cells: Figure) -> None:
    mean = _fractions(cells["mean"], cells)
    shown, beside = (_fractions(cells[name], cells) for name in (cells["show"], "max" if cells["show"] == "mean" else "mean"))
    capacity = np.array(cells["capacity"], float)
    trace["z"] = _array(shown * 100, "f4")
    trace["text"] = _array(np.where(np.isnan(beside), 255, np.round(beside * 100)), "u1")
    amount = ""
    if (capacity > 0).all():
        trace["customdata"] = _array(mean * capacity[:, None], "f4")
        amount = f"<br>%{{customdata:.3~g}} {cells['unit']}"
    trace["hovertemplate"] = (
        f"<b>%{{y}}</b><br>%{{x|%b %d, %H:%M:%S}}<br>{cells['title']} {cells['measure']}: {CELL_WORDS[cells['show']]}"
        f"{amount}<extra></extra>"
    )


def _fractions(text: str, cells: Figure) -> FloatArray:
    """(rows, columns) of capacity; NaN, which is drawn blank, where there is no sample."""
    codes = np.frombuffer(base64.b64decode(text), np.uint8).reshape(cells["rows"], -1)
    return np.where(codes == cells["missing"], np.nan, codes * (cells["percent"] / 100))


def _array(values: FloatArray, kind: str) -> dict[str, Any]:
    """A matrix as Plotly reads it fastest: bytes, little endian."""
    return {
        "dtype": kind,
        "bdata": base64.b64encode(values.astype(f"<{kind}").tobytes()).decode("ascii"),
        "shape": ", ".join(map(str, values.shape)),
    }
