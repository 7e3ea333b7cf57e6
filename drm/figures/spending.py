"""What was spent in the running day or month, what will be by its end, and its budget: a rising line, a band and a level."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from drm.analysis.outlook import Outlook
from drm.analysis.spend_course import Course
from drm.figures.rows import listed, title
from drm.figures.theme import Figure, axis, layout, palette, time_axis
from drm.figures.units import escaped, money

PIXELS = 260
KNOWN_SHARE = 1.15
"""The axis ends so far above the largest of what was spent, will be, and may be."""
FAR_SHARE = 3.0
"""A budget that is so many times as much as all that would flatten the rest: it is told, not drawn."""


def build(course: Course, ahead: Outlook, scheme: str) -> Figure | None:
    """None where nothing was spent that has a price."""
    spend, colours = ahead.spend, palette(scheme)
    if not np.isfinite(course.spent[1:]).any():
        return None
    unit = f" {escaped(ahead.currency, 8)}" if ahead.currency else ""
    top = max(float(np.nanmax(line, initial=0.0)) for line in (course.spent, ahead.high))
    has_budget = math.isfinite(ahead.budget) and (not top or ahead.budget < FAR_SHARE * top)
    traces = [_line(course.times.tolist(), listed(course.spent), "spent", colours["allocated"], unit, fill="tozeroy", alpha="26")]
    if np.isfinite(ahead.level).all():
        times = ahead.times.tolist()
        traces += [
            # From the lower end of the range up to the upper one.
            _line(times, listed(ahead.low), "lowest", colours["demand"], unit, width=0),
            _line(times, listed(ahead.high), "highest", colours["demand"], unit, width=0, fill="tonexty", alpha="33"),
            _line(times, listed(ahead.level), "forecast", colours["demand"], unit, dash="dash"),
        ]
    if has_budget:
        level = [ahead.budget, ahead.budget]
        traces.append(_line([spend.start, spend.end], level, "budget", colours["failed"], unit, dash="dot"))
    limit = max(top, ahead.budget if has_budget else 0.0) * KNOWN_SHARE
    return {
        "data": traces,
        "layout": layout(
            scheme,
            f"spending-{spend.period}-{spend.start}",
            height=PIXELS,
            xaxis=time_axis(scheme, fixedrange=True),
            yaxis=axis(
                scheme, range=[0, limit or 1.0], title=title(f"Spent{f',{unit}' if unit else ''}", scheme), nticks=5, exponentformat="none"
            ),
            annotations=[_named(ahead.budget, ahead.currency, scheme)] if has_budget else [],
        ),
    }


def _line(
    times: Sequence[float],
    values: Sequence[float | None],
    name: str,
    colour: str,
    unit: str,
    *,
    width: float = 2,
    fill: str = "",
    alpha: str = "",
    dash: str = "solid",
) -> Figure:
    filled = {"fill": fill, "fillcolor": colour + alpha} if fill else {}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": times,
        "y": values,
        "line": {"color": colour, "width": width, "dash": dash},
        "showlegend": width > 0,
        "connectgaps": False,
        "hovertemplate": f"%{{y:,.4~g}}{unit}<extra>{name}</extra>",
        **filled,
    }


def _named(budget: float, currency: str, scheme: str) -> Figure:
    return {
        "xref": "paper",
        "x": 0,
        "y": budget,
        "text": f"budget {escaped(money(budget, currency), 30)}",
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 11, "color": palette(scheme)["failed"]},
    }
