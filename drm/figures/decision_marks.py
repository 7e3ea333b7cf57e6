"""Decisions as marks over time: a lane and a shape for each kind, so that colour is not the only carrier of meaning.

Decisions of one kind that would fall on the same pixels share a mark, which stands for the latest of them: marks are bounded by the screen.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drm.decision import Kind
from drm.figures.rows import label_room
from drm.figures.theme import Figure, palette
from drm.figures.units import count
from drm.ledger_query import KINDS, Columns

Rows = npt.NDArray[np.int64]

COLUMNS = 180

LANES: tuple[Kind, ...] = ("user", "maintained", "blocked", "failed", "down", "up")
"""From the bottom up."""
WORDS = {"up": "Grew", "down": "Shrank", "failed": "Failed", "blocked": "Blocked", "maintained": "Maintained", "user": "By a person"}
SYMBOLS = {"up": "triangle-up", "down": "triangle-down", "failed": "x", "blocked": "square", "maintained": "circle-open", "user": "diamond"}
GLYPHS = {"up": "▲", "down": "▼", "failed": "✕", "blocked": "■", "maintained": "○", "user": "◆"}


def marks(columns: Columns, start: float, seconds: float, scheme: str, axis: str) -> list[Figure]:
    """One trace a kind for the decisions of the `seconds` from `start` on: a mark where each began, a line for as long as its run lasted.

    `customdata` holds the decision's id for each point.
    """
    bucket = np.clip((columns.start - start) * (COLUMNS / seconds), 0, COLUMNS - 1).astype(np.int64)
    return [
        _lane(columns, np.flatnonzero(columns.kind == KINDS.index(kind)), bucket, max(start, 0.0), kind, scheme, axis) for kind in LANES
    ]


def lane_axis() -> Figure:
    """What the axis of the lanes needs beyond the usual."""
    return {
        "range": [-0.6, len(LANES) - 0.4],
        "tickvals": list(range(len(LANES))),
        "ticktext": [WORDS[kind] for kind in LANES],
        "fixedrange": True,
        "showgrid": True,
    }


def lane_room() -> int:
    """Pixels to the left of it for the names of the lanes."""
    return label_room([WORDS[kind] for kind in LANES])


def _lane(columns: Columns, rows: Rows, bucket: Rows, start: float, kind: Kind, scheme: str, axis: str) -> Figure:
    x: list[float | None] = []
    ids: list[int | None] = []
    texts: list[str | None] = []
    # Newest first: the first row of a bucket is its latest decision, the last one the earliest.
    _, latest, several = np.unique(bucket[rows], return_index=True, return_counts=True)
    earliest = len(rows) - 1 - np.unique(bucket[rows][::-1], return_index=True)[1]
    for last, first, number in zip(rows[latest], rows[earliest], several.tolist(), strict=True):
        text = _text(columns, int(last), number, kind)
        x += [max(start, float(columns.start[first])), float(columns.end[last]), None]
        ids += [int(columns.id[last])] * 2 + [None]
        texts += [text, text, None]
    colour = palette(scheme)[kind]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": WORDS[kind],
        "showlegend": False,
        "x": x,
        "y": [LANES.index(kind) if one is not None else None for one in x],
        "yaxis": axis,
        "customdata": ids,
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "line": {"color": colour, "width": 5 if kind == "blocked" else 2},
        "marker": {
            "symbol": SYMBOLS[kind],
            "size": [0 if index % 3 else _size(kind) for index in range(len(x))],
            "color": colour,
            "opacity": 1,
            "line": {"color": colour, "width": 2 if kind == "maintained" else 0},
        },
        "connectgaps": False,
    }


def _size(kind: Kind) -> int:
    return 6 if kind in ("maintained", "blocked") else 12


def _text(columns: Columns, row: int, number: int, kind: Kind) -> str:
    current, target, code = int(columns.current[row]), int(columns.target[row]), columns.words[int(columns.code[row])]
    sizes = f"{current} → {target} workers" if target != current else count(current, "worker")
    evaluations = int(columns.evaluations[row])
    lines = [f"<b>{WORDS[kind]}</b>: {sizes}", code.replace("_", " ")]
    if evaluations > 1:
        lines.append(f"{evaluations} evaluations in a row")
    if number > 1:
        lines.append(f"the latest of {number} here")
    return "<br>".join(lines)
