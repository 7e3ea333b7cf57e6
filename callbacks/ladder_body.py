"""What the card of the ladder shows as elements."""

from __future__ import annotations

from typing import Any

from dash import html
from dash.development.base_component import Component

from drm.analysis.ladder import Ladder
from drm.figures import ladder_text

HEADS = ("Rung", "What it is", "Of what was paid", "Share", "Worker-hours", "Cost")
HIDDEN: dict[str, Any] = {"aria-hidden": "true"}
"""Bars say what the numbers beside them say."""
NUMBERS, NUMBER_HEADS = "drm-number drm-right", 3


def table(found: Ladder) -> Component:
    """A row for each rung and each piece."""
    head = [
        html.Th(text, scope="col", className=NUMBERS if index >= len(HEADS) - NUMBER_HEADS else None) for index, text in enumerate(HEADS)
    ]
    return html.Table(
        [html.Thead(html.Tr(head)), html.Tbody([_row(one) for one in ladder_text.rows(found)])],
        className="table table-sm drm-table drm-table-wide drm-ladder",
    )


def _row(one: ladder_text.Row) -> Component:
    bar = html.Div(
        className=f"drm-fall {'drm-fall-rung' if one.is_rung else 'drm-fall-piece'}",
        style={"left": f"{one.left:.2f}%", "width": f"{one.width:.2f}%"},
    )
    cells = [
        html.Th(one.name, scope="row"),
        html.Td(one.detail, className="drm-note drm-detail"),
        html.Td(html.Div(bar, className="drm-fall-track", **HIDDEN)),
        *(html.Td(text, className=NUMBERS) for text in (one.share, one.hours, one.money)),
    ]
    return html.Tr(cells, className="drm-sum" if one.is_rung else None)
