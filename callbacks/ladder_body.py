"""What the card of the ladder shows as elements."""

from __future__ import annotations

from typing import Any

from dash import html
from dash.development.base_component import Component

from drm import ids
from drm.analysis.ladder import Ladder
from drm.callbacks.money_link import money_link
from drm.figures import ladder_text
from drm.figures.ladder_parts import OTHERS, Parts

HEADS = ("Rung", "What it is", "Of what was paid", "Share", "Worker-hours", "Cost")
HIDDEN: dict[str, Any] = {"aria-hidden": "true"}
"""Bars say what the numbers beside them say."""
NUMBERS, NUMBER_HEADS, SUM = "drm-number drm-right", 3, "drm-sum"


def table(found: Ladder, *, is_link: bool = False) -> Component:
    """A row for each rung and each piece. `is_link`: an amount opens the table of its parts."""
    head = [
        html.Th(text, scope="col", className=NUMBERS if index >= len(HEADS) - NUMBER_HEADS else None) for index, text in enumerate(HEADS)
    ]
    return html.Table(
        [html.Thead(html.Tr(head)), html.Tbody([_row(one, is_link=is_link) for one in ladder_text.rows(found)])],
        className="table table-sm drm-table drm-table-wide drm-ladder",
    )


def parts_table(made_of: Parts) -> Component:
    """A row for each rung and each piece, a column for each kind of instance, whose account its head opens."""
    heads = [html.Th(_head(kind), scope="col", className=NUMBERS) for kind in made_of.kinds]
    rows = [
        html.Tr([html.Th(name, scope="row"), *(html.Td(text, className=NUMBERS) for text in texts)], className=SUM if is_rung else None)
        for name, is_rung, texts in made_of.rows
    ]
    return html.Table(
        [html.Thead(html.Tr([html.Th("Rung", scope="col"), *heads])), html.Tbody(rows)],
        className="table table-sm drm-table drm-ladder",
    )


def _head(kind: str) -> Component | str:
    return kind if kind == OTHERS else money_link(kind, ids.LADDER_TABLE, **{ids.LADDER_OF: kind})


def _row(one: ladder_text.Row, *, is_link: bool) -> Component:
    bar = html.Div(
        className=f"drm-fall {'drm-fall-rung' if one.is_rung else 'drm-fall-piece'}",
        style={"left": f"{one.left:.2f}%", "width": f"{one.width:.2f}%"},
    )
    cells = [
        html.Th(one.name, scope="row"),
        html.Td(one.detail, className="drm-note drm-detail"),
        html.Td(html.Div(bar, className="drm-fall-track", **HIDDEN)),
        *(html.Td(text, className=NUMBERS) for text in (one.share, one.hours)),
        html.Td(money_link(one.money, ids.LADDER_PARTS_TABLE) if is_link else one.money, className=NUMBERS),
    ]
    return html.Tr(cells, className=SUM if one.is_rung else None)
