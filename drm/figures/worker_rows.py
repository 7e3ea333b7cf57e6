"""Figures of which each row is a worker, or several that are summed.

Rows stand at numbers with texts as ticks, so that two names that are cut alike stay two rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from drm.figures.rows import label_room
from drm.figures.theme import Figure, axis, layout
from drm.figures.units import escaped

ROW_PIXELS = 24
FEW_ROWS = 12
"""Up to which Plotly may measure the names beside them."""
LABEL_LIMIT = 24
WIDE, NARROW = 0.8, 0.28
"""Of a row's height: the track and the wide bar on it; the narrow bar within."""


def label_of(worker_id: str, state: str = "running") -> str:
    """A worker as a tick of its row. A name of another direction of writing is kept apart from what follows it."""
    name = escaped(worker_id, LABEL_LIMIT)
    return (name if name.rstrip("…").isascii() else f"\u2068{name}\u2069") + ("" if state == "running" else f" ({state})")


def places_of(alone: Sequence[bool]) -> list[float]:
    """Where rows stand; those that sum several workers a little apart."""
    places, at = [], 0.0
    for row, single in enumerate(alone):
        at += 0.0 if row == 0 else 1.0 if single and alone[row - 1] else 1.4
        places.append(round(at, 1))
    return places


def rows_layout(
    scheme: str, revision: str, places: Sequence[float], labels: Sequence[str], top: int, bottom: int, pixels: int = ROW_PIXELS
) -> Figure:
    """The layout of such rows, from top to bottom; nothing of it can be dragged, so that a finger on it scrolls the page."""
    last, is_small = places[-1], len(labels) <= FEW_ROWS
    return layout(
        scheme,
        revision,
        hovermode="closest",
        dragmode=False,
        bargap=0,
        margin={"l": 8 if is_small else label_room(labels), "r": 8, "t": top, "b": bottom},
        height=round(pixels * (last + 1.2)) + top + bottom,
        yaxis=axis(
            scheme,
            tickvals=list(places),
            ticktext=list(labels),
            # The margin makes room for them; to look for those that do not fit takes Plotly a millisecond each.
            ticklabeloverflow="allow",
            automargin=is_small,
            range=[last + 0.6, -0.6],
            fixedrange=True,
            showgrid=False,
            showline=False,
        ),
    )
