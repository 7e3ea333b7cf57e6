"""Packing: which tasks stand on which worker, one segment for each, as wide as what it asks for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from drm.analysis.packing import Packed, Segment
from drm.figures.rows import listed, title
from drm.figures.theme import NAMES, Figure, axis, palette
from drm.figures.units import LABELS, amount, count, duration, escaped, plain, scale_of
from drm.figures.worker_rows import LABEL_LIMIT, WIDE, label_of, places_of, rows_layout

OTHERS = {
    "free": "free",
    "tasks": "several tasks",
    "other": "other tasks",
    "reserved": "reserved by programs",
    "foreign": "tasks of others",
}
"""Segments that bear no colour of a task's name."""
UNNAMED = "(blank)"
LETTER_SHARE = 0.0045
"""Of the width of the figure, for a letter on a screen of 1900 pixels."""
PATTERNS = {"reserved": "/", "foreign": "x"}


def build(rows: Sequence[Packed], resource: str, now: float, scheme: str, revision: str, *, legend: bool = True) -> Figure | None:
    """A bar for each worker that has the resource, a segment for each task; the last may be the mean of those without a row.

    `keys` holds the legend of the segments as (text, colour), for a page that has room for it beside the figure.
    """
    rows = [one for one in rows if one.capacity > 0]
    if not rows:
        return None
    colours = palette(scheme)
    divisor, unit = scale_of(resource, max(one.capacity for one in rows))
    longest = max(one.capacity for one in rows)
    places = places_of([bool(one.label) for one in rows])
    labels = [label_of(one.label, one.state) if one.label else "<b>mean of the others</b>" for one in rows]
    names = _task_colours(rows, scheme)
    traces: dict[tuple[str, str], Figure] = {
        ("free", ""): {
            "type": "bar",
            "orientation": "h",
            "name": "free",
            "y": places,
            "x": listed(np.array([one.capacity / divisor for one in rows])),
            "width": WIDE,
            "marker": {"color": colours["track"], "line": {"width": 0.5, "color": colours["capacity"]}},
            "customdata": [f"{amount(resource, one.free)} of {amount(resource, one.capacity)} free" for one in rows],
            "hovertemplate": "%{customdata}<extra></extra>",
        }
    }
    for place, row in zip(places, rows, strict=True):
        base = 0.0
        for segment in row.segments:
            key = ("name", segment.name) if segment.name in names else ("other" if segment.name else segment.kind, "")
            trace = traces.setdefault(key, _segments_trace(key, names.get(key[1], colours["capacity"]), colours["paper"]))
            trace["y"].append(place)
            trace["base"].append(round(base / divisor, 4))
            trace["x"].append(round(segment.amount / divisor, 4))
            trace["text"].append(_fitting_text(segment, segment.amount / longest))
            trace["customdata"].append(_segment_hover(segment, resource, now, mean=not row.label))
            base += segment.amount
    figure_layout = rows_layout(scheme, f"packing-{resource}-{revision}", places, labels, top=32 if legend else 8, bottom=44)
    figure_layout["xaxis"] = axis(scheme, fixedrange=True, rangemode="tozero", title=title(f"{LABELS[resource]}, {unit}", scheme))
    figure_layout |= {"barmode": "overlay", "showlegend": legend, "uniformtext": {"mode": "hide", "minsize": 9}}
    order = [("free", ""), *(("name", name) for name in sorted(names)), *((kind, "") for kind in OTHERS if kind != "free")]
    there = [key for key in order if key in traces]
    keys = [(_key_text(key), traces[key]["marker"]["color"]) for key in there if key[0] != "free"]
    return {"data": [traces[key] for key in there], "layout": figure_layout, "keys": keys}


def _segments_trace(key: tuple[str, str], colour: str, edge: str) -> Figure:
    return {
        "type": "bar",
        "orientation": "h",
        "name": escaped(_key_text(key)),
        "y": [],
        "base": [],
        "x": [],
        "width": WIDE,
        "text": [],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "customdata": [],
        "hovertemplate": "%{customdata}<extra></extra>",
        # An edge in the card's colour keeps neighbours of one name apart.
        "marker": {"color": colour, "line": {"width": 1, "color": edge}, "pattern": {"shape": PATTERNS.get(key[0], ""), "solidity": 0.4}},
    }


def _task_colours(rows: Sequence[Packed], scheme: str) -> dict[str, str]:
    """The names that hold most, as many as there are colours. A name asks for the same colour every time, so that few change over time."""
    colours = NAMES.get(scheme, NAMES["light"])
    held: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        for segment in row.segments:
            if segment.name:
                held[segment.name] += segment.amount
    taken: dict[int, str] = {}
    for name in sorted(sorted(held, key=lambda name: (-held[name], name))[: len(colours)]):
        slot = crc32(name.encode("utf-8", "replace")) % len(colours)
        while slot in taken:
            slot = (slot + 1) % len(colours)
        taken[slot] = name
    return {name: colours[slot] for slot, name in taken.items()}


def _key_text(key: tuple[str, str]) -> str:
    return OTHERS.get(key[0]) or plain(key[1], LABEL_LIMIT).strip() or UNNAMED


def _name(segment: Segment) -> str:
    return escaped(segment.name, LABEL_LIMIT).strip() or UNNAMED


def _fitting_text(segment: Segment, share: float) -> str:
    """Nothing where it has no room on a wide screen: Plotly would measure it at each refresh, and then hide it."""
    text = _segment_text(segment)
    return text if share >= LETTER_SHARE * len(text) else ""


def _segment_text(segment: Segment) -> str:
    return _name(segment) if segment.name else (f"{segment.tasks} more" if segment.kind == "tasks" else segment.kind)


def _segment_hover(segment: Segment, resource: str, now: float, *, mean: bool) -> str:
    what = f"<b>{_name(segment) if segment.name else OTHERS[segment.kind]}</b><br>{amount(resource, segment.amount)} of {LABELS[resource]}"
    if mean:
        return f"{what} a worker" + (f", {count(segment.tasks, 'task')} in all" if segment.tasks else "")
    if segment.kind == "task":
        return f"{what} requested<br>started {duration(now - segment.since)} ago"
    return what + (f", {count(segment.tasks, 'task')}<br>the first started {duration(now - segment.since)} ago" if segment.tasks else "")
