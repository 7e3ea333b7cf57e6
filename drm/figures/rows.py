"""Figures of several rows over one axis of time: where each row is, its title, and its lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from unicodedata import category, east_asian_width

import numpy as np

from drm.figures.theme import Figure, palette
from drm.history.window import SeriesWindow
from drm.model import FloatArray

TAGS = re.compile(r"</?b>")
LABEL_GAP = 14
FEW = 3
"""With fewer columns there is no line to be seen, only points."""


def line(
    window: SeriesWindow,
    series: str,
    name: str,
    colour: str,
    row: int,
    divisor: float = 1.0,
    dash: str = "solid",
    *,
    fill: bool = False,
    step: bool = False,
    legend: bool = True,
    unit: str = "",
) -> Figure:
    """One recorded series over its figure's `times`, divided into its unit; blank where nothing was recorded. `row` counts from 1 at the
    top."""
    values = window.mean.get(series)
    return {
        "type": "scatter",
        "mode": "lines" if len(window.times) >= FEW else "lines+markers",
        "name": name,
        "legendgroup": name,
        "showlegend": legend,
        "y": [] if values is None else listed(values / divisor),
        "yaxis": "y" if row == 1 else f"y{row}",
        "line": {"color": colour, "width": 2, "dash": dash, "shape": "hv" if step else "linear"},
        "fill": "tozeroy" if fill else "none",
        "fillcolor": f"{colour}26",
        "connectgaps": False,
        "hovertemplate": f"%{{y:.3~g}} {unit}<extra>{name}</extra>",
    }


def listed(values: FloatArray) -> list[float | None]:
    """Short numbers for a figure; None, which is drawn blank, for what is missing."""
    short = np.round(values, 4).tolist()
    return [value if value == value else None for value in short] if np.isnan(values).any() else short


def domains(rows: int, gap: float = 0.08, weights: Sequence[float] | None = None) -> list[list[float]]:
    """The part of the height that each of so many rows has, from top to bottom, with a gap between; as high as their weights, or equal."""
    shares = np.ones(rows) if weights is None else np.array(weights, float)
    heights = (1 - gap * (rows - 1)) * shares / shares.sum()
    tops = 1 - np.concatenate([[0.0], np.cumsum(heights + gap)[:-1]])
    return [[max(0.0, float(top - height)), float(top)] for top, height in zip(tops, heights, strict=True)]


def title(text: str, scheme: str) -> Figure:
    """The title of an axis."""
    return {"text": text, "font": {"size": 12, "color": palette(scheme)["muted"]}}


def label_room(labels: Sequence[str]) -> int:
    """Pixels that the widest of an axis' names takes, as wide as letters of its size come to. To make room by itself (`automargin`) Plotly
    measures each name, and then draws all a second time: with dozens of them the longest part of a drawing."""
    return LABEL_GAP + round(max((sum(map(_letter_pixels, unescape(TAGS.sub("", label)))) for label in labels), default=0))


def _letter_pixels(letter: str) -> float:
    if category(letter) == "Cf":
        return 0
    if east_asian_width(letter) in "WF":
        return 11.5
    return 4.0 if letter in "ijltfrI.,:;'|!-() " else 10.4 if letter in "mwMW@%…" else 8.0 if letter.isupper() else 6.6


def beside(name: str, xs: Sequence[float | None], ys: Sequence[float | str], texts: Sequence[str], scheme: str, xaxis: str = "x") -> Figure:
    """Texts to the right of where bars end. As the bars' own texts Plotly would measure each of them at each drawing: twice the time."""
    return {
        "type": "scatter",
        "mode": "text",
        "name": name,
        "xaxis": xaxis,
        "x": list(xs),
        "y": list(ys),
        # What holds it off the bar's end is not seen.
        "text": [f"\u00a0{text}" for text in texts],
        "textposition": "middle right",
        "textfont": {"color": palette(scheme)["muted"], "size": 11},
        "cliponaxis": False,
        "hoverinfo": "skip",
        "showlegend": False,
    }


def heading(text: str, top: float, scheme: str) -> Figure:
    """Where a row has no legend to bear its title."""
    return {
        "text": f"<b>{text}</b>",
        "font": {"size": 11, "color": palette(scheme)["muted"]},
        "showarrow": False,
        "xref": "paper",
        "x": 0,
        "xanchor": "left",
        "yref": "paper",
        "y": top,
        "yanchor": "bottom",
        "yshift": 4,
    }
