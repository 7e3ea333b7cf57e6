"""Areas with gaps. Plotly fills across what is missing, as if it were known; `areas` of assets/drm/clientside.js does the same live."""

from __future__ import annotations

from typing import Any

from drm.figures.theme import Figure


def with_areas(traces: list[Figure]) -> list[Figure]:
    """The traces, which are the caller's own; one that is filled down to zero and has gaps leaves that to a trace of its own."""
    filled = [trace for trace in traces if trace.get("fill") == "tozeroy" and _has_gap(trace["y"])]
    areas = [_area(trace) for trace in filled]
    for trace in filled:
        trace["fill"] = "none"
    return traces + areas


def _has_gap(values: list[Any]) -> bool:
    known = [place for place, value in enumerate(values) if value is not None]
    return bool(known) and known[-1] - known[0] >= len(known)


def _area(trace: Figure) -> Figure:
    """What Plotly would fill across gaps: down to zero where a run of known values ends."""
    around = [None, *trace["y"], None]
    points: list[tuple[Any, Any]] = []
    for at, before, value, after in zip(trace["x"], around, around[1:], around[2:], strict=False):
        if value is not None:
            points += [(at, one) for one in (*((0,) if before is None else ()), value, *((0,) if after is None else ()))]
    x, y = zip(*points, strict=True)
    unseen = {"line": trace["line"] | {"width": 0}, "mode": "lines", "hoverinfo": "skip", "hovertemplate": None, "showlegend": False}
    return trace | {"x": list(x), "y": list(y)} | unseen
