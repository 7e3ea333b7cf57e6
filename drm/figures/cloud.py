"""Clouds over time: instances and spend rate stacked by provider, and what was spent so far by provider and type, as bars that add up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from drm.cloud.totals import Totals
from drm.figures.cloud_text import NOT_SAID, currency_of
from drm.figures.rows import domains, heading, listed
from drm.figures.theme import NAMES, Figure, axis, layout, palette, time_axis
from drm.figures.units import escaped, money, number
from drm.history.window import SeriesWindow

INSTANCES, RATE = "instances@", "spend_rate@"
"""What the recorded series of a provider are called, before its name."""
COLUMNS = 180
"""Of the window: each provider has so many bars in a row."""
ROW_PIXELS, BAR_PIXELS, GAP_PIXELS = 150, 34, 62
BY = ("provider", "region", "type", "market")
"""What tells the bars apart; their parts are coloured by provider."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar."""

    name: str
    provider: str
    value: float


Bars = tuple[dict[str, list[Part]], str, Callable[[float], str]]
"""The parts of each bar, the row's title, and how an amount is written."""
FEW = 6
"""Of fewer instances each has a line of the axis."""
MOST_BARS = 24
"""Kinds with a bar of their own; what is left is one bar a provider."""


def build(window: SeriesWindow, totals: Totals, scheme: str, range_seconds: float, by: str = "provider") -> Figure | None:
    """The rows of which something is known, as the browser gets them; None where nothing was recorded and nothing is there. `by`: of `BY`,
    what the bars of what was spent stand for.

    Instances of a provider that is asked, which no tick records, have a bar of what is there now.
    """
    names = [series.removeprefix(INSTANCES) for series in window.mean if series.startswith(INSTANCES) and _is_known(window, series)]
    here = _bars_by("provider", totals, [line.charged for line in totals.lines])
    asked = [name for name in here if name not in names]
    if not names and not here:
        return None
    colours = dict(zip((*names, *asked), _colours(len(names) + len(asked), scheme), strict=True))
    currency = currency_of(totals.sum)
    unit = f", {escaped(currency, 8)}" if currency else ""
    one_currency = len(totals.sum.currencies) < 2
    priced = [name for name in names if _is_known(window, RATE + name)] if one_currency else []
    rows = [(INSTANCES, names, "Instances by provider"), (RATE, priced, f"Spend rate by provider{unit} an hour")]
    rows = [row for row in rows if row[1]]
    bars: list[Bars] = [(here if asked else {}, "Instances now by type", number)]
    if one_currency:
        spent = _bars_by(by, totals, [line.spent for line in totals.lines])
        bars.append((spent, f"Spent since the start by {by}{unit}", lambda amount: money(amount, "")))
    bars = [one for one in bars if one[0]]
    titles = [*(title for _, _, title in rows), *(title for _, title, _ in bars)]
    pixels = [ROW_PIXELS for _ in rows] + [20 + BAR_PIXELS * len(values) for values, _, _ in bars]
    plot = sum(pixels) + GAP_PIXELS * (len(pixels) - 1)
    parts = domains(len(pixels), GAP_PIXELS / plot, pixels)
    shared = layout(scheme, f"cloud-{range_seconds}", height=plot + 100, barmode="stack", bargap=0)
    shared |= {"margin": {"l": 8, "r": 8, "t": 44, "b": 8}, "uniformtext": {"mode": "hide", "minsize": 10}}
    muted = {"size": 11, "color": palette(scheme)["muted"]}
    shared["legend"] |= {"y": 1.0, "traceorder": "normal", "title": {"text": f"<b>{titles[0]}</b>", "side": "top", "font": muted}}
    shared["annotations"] = [heading(title, part[1], scheme) for title, part in zip(titles, parts, strict=True)][1 if rows else 0 :]
    traces: list[Figure] = []
    for row, (prefix, shown, _) in enumerate(rows, start=1):
        traces += [_over_time(window, prefix, name, colours[name], row, currency) for name in shown]
        shared[f"yaxis{_suffix(row)}"] = axis(
            scheme, domain=parts[row - 1], anchor="x", rangemode="tozero", nticks=5, exponentformat="none"
        )
    if names and np.nansum([window.max[INSTANCES + name] for name in names], axis=0).max() < FEW:
        shared["yaxis"]["dtick"] = 1
    if rows:
        shared["xaxis"] = time_axis(scheme, anchor=f"y{_suffix(len(rows))}")
    for row, (values, _, shown_as) in enumerate(bars, start=len(rows) + 1):
        rest = palette(scheme)["capacity"]
        for name, parts_of in values.items():
            traces += [_part(name, part, shown_as(part.value), colours.get(part.provider, rest), row, scheme) for part in parts_of]
        number_axis = f"x{_suffix(row)}"
        shared[f"yaxis{_suffix(row)}"] = axis(
            scheme, domain=parts[row - 1], anchor=number_axis, autorange="reversed", type="category", showgrid=False
        )
        shared[f"xaxis{_suffix(row)}"] = axis(scheme, anchor=f"y{_suffix(row)}", rangemode="tozero", nticks=6, exponentformat="none")
    return {"data": traces, "layout": shared, "times": window.times.tolist()}


def _suffix(row: int) -> str:
    return "" if row == 1 else str(row)


def _over_time(window: SeriesWindow, prefix: str, name: str, colour: str, row: int, currency: str) -> Figure:
    unit = f" {escaped(currency, 8)} an hour" if prefix == RATE else " instances"
    return {
        "type": "bar",
        "name": _shown(name),
        "legendgroup": _shown(name),
        "showlegend": row == 1,
        "y": listed(window.mean[prefix + name]),
        "width": window.step_seconds * 1000,
        "offset": 0,
        "yaxis": f"y{_suffix(row)}",
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": f"%{{y:.4~g}}{unit}<extra>{_shown(name)}</extra>",
    }


def _part(name: str, part: Part, told: str, colour: str, row: int, scheme: str) -> Figure:
    """A part of a bar; the table says the same in numbers."""
    paper = palette(scheme)["paper"]
    return {
        "type": "bar",
        "orientation": "h",
        "name": _shown(name),
        "showlegend": False,
        "x": [round(part.value, 6)],
        "y": [_shown(name)],
        "xaxis": f"x{_suffix(row)}",
        "yaxis": f"y{_suffix(row)}",
        "marker": {"color": colour, "line": {"width": 1, "color": paper}},
        "text": [f"{escaped(part.name, 30)} {told}"],
        "textposition": "inside",
        "insidetextanchor": "start",
        "textfont": {"color": paper, "size": 11},
        "textangle": 0,
        "hoverinfo": "skip",
    }


def _bars_by(by: str, totals: Totals, values: Sequence[float]) -> dict[str, list[Part]]:
    """A part for each line that has any, by the bar's name as the series have it; the largest first. A part bears the name of its type; in
    a bar of a type, of its region."""
    found: dict[str, list[Part]] = {}
    ranked = sorted(zip(totals.lines, values, strict=True), key=lambda pair: -pair[1])
    for line, value in [pair for pair in ranked if pair[1] > 0][:MOST_BARS]:
        kind = line.kind
        named = (kind.region if by == "type" else kind.type) or NOT_SAID
        found.setdefault(getattr(kind, by) or NOT_SAID, []).append(Part(named, kind.provider or NOT_SAID, value))
    return dict(sorted(found.items(), key=lambda item: -math.fsum(part.value for part in item[1])))


def _colours(number: int, scheme: str) -> list[str]:
    offered = NAMES.get(scheme, NAMES["light"])
    return [offered[index] if index < len(offered) else palette(scheme)["capacity"] for index in range(number)]


def _shown(name: str) -> str:
    return escaped(name, 30)


def _is_known(window: SeriesWindow, series: str) -> bool:
    return series in window.mean and bool(np.isfinite(window.mean[series]).any())
