"""Worker lifetimes: a row for each worker, a bar for each of its states, from its first tick to its last.

The browser makes local times of `spans` and puts them into the words under the pointer. What is shorter than can be seen is drawn wider.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from drm.analysis.lifetimes import Row
from drm.figures.life_bars import bars_of
from drm.figures.theme import Figure, palette, state_colours, time_axis
from drm.figures.units import duration, escaped
from drm.figures.worker_rows import label_of, rows_layout
from drm.history.lifetimes import Lifetime

ROW_PIXELS, DENSE_PIXELS, DENSE_FROM = 22, 15, 24
"""The height of a row, and of one where there are many."""
BAR = 0.72
REASON_LIMIT = 120
PATTERNS = {"draining": "/", "lost": "x"}
ENDED = "ended"


def build(rows: Sequence[Row], since: float, until: float, scheme: str, revision: str) -> Figure | None:
    """One trace for each state, and one of marks where lifetimes ended; None where there is no row.

    `keys` holds the legend as (text, colour), for which the page has room beside the figure.
    """
    if not rows:
        return None
    colours = palette(scheme)
    bars = {state: _bars(state, colour, colours["paper"]) for state, colour in state_colours(scheme).items()}
    marks: Figure = {
        "type": "scatter",
        "mode": "markers",
        "name": ENDED,
        "marker": {"symbol": "x", "size": 7, "color": colours["text"], "line": {"width": 1, "color": colours["paper"]}},
        "cliponaxis": False,
        "hovertemplate": "%{customdata}<extra></extra>",
        **{name: [] for name in ("x", "y", "spans", "told", "why")},
    }
    for place, row in enumerate(rows):
        for one in row.lifetimes:
            drawn = bars_of(one, since, until)
            for bar in drawn:
                trace = bars[bar.state]
                span = [round(bar.begun, 1), None if bar.goes_on else round(bar.over, 1)]
                says_why = bar.state == "lost" or (bar is drawn[-1] and not bar.goes_on)
                _add(trace, place, span, f"{bar.state} for {duration(bar.over - bar.begun)}", _reason(one) if says_why else "")
                trace["base"].append(round(bar.left, 1))
                trace["x"].append(round(bar.right - bar.left, 1))
            if not drawn[-1].goes_on:
                at = round(one.ended_at, 1)
                _add(marks, place, [at, at], f"ended after {duration(one.ended_at - one.began_at)}", _reason(one))
                marks["x"].append(round(drawn[-1].right, 1))
    pixels = ROW_PIXELS if len(rows) < DENSE_FROM else DENSE_PIXELS
    shared = rows_layout(scheme, f"lifetimes-{revision}", range(len(rows)), _labels(rows), top=8, bottom=36, pixels=pixels)
    shared |= {"barmode": "overlay", "dragmode": "zoom", "showlegend": False, "xaxis": time_axis(scheme, range=[since, until])}
    there = [trace for trace in (*bars.values(), marks) if trace["y"]]
    return {
        "data": there,
        "layout": shared,
        "keys": [(trace["name"], trace["marker"]["color"]) for trace in there],
        "names": [escaped(row.worker_id, 64) for row in rows],
        "members": [row.worker_id for row in rows],
    }


def _reason(one: Lifetime) -> str:
    return escaped(one.reason, REASON_LIMIT)


def _bars(state: str, colour: str, paper: str) -> Figure:
    pattern = {"shape": PATTERNS[state], "fillmode": "overlay", "fgcolor": paper, "size": 5, "solidity": 0.2} if state in PATTERNS else {}
    return {
        "type": "bar",
        "orientation": "h",
        "name": state,
        "width": BAR,
        "marker": {"color": colour, "line": {"width": 0}, "pattern": pattern},
        "hovertemplate": "%{customdata}<extra></extra>",
        **{name: [] for name in ("x", "y", "base", "spans", "told", "why")},
    }


def _add(trace: Figure, place: int, span: list[float | None], told: str, why: str) -> None:
    for name, value in (("y", place), ("spans", span), ("told", told), ("why", why)):
        trace[name].append(value)


def _labels(rows: Sequence[Row]) -> list[str]:
    """Names; a second row of one worker is numbered."""
    seen: Counter[str] = Counter()
    labels = []
    for row in rows:
        seen[row.worker_id] += 1
        number = seen[row.worker_id]
        labels.append(label_of(row.worker_id) + (f" ({number})" if number > 1 else ""))
    return labels
