"""What the card of the ladder shows as elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drm import ids
from drm.analysis.by_worker import ByWorker
from drm.analysis.ladder import Ladder
from drm.callbacks import elements as html
from drm.callbacks.elements import Element
from drm.callbacks.money_link import money_link, worker_money
from drm.figures import ladder_parts, ladder_text
from drm.figures.ladder_parts import OTHERS, Parts

HEADS = ("Rung", "What it is", "Of what was paid", "Share", "Worker-hours", "Cost")
HIDDEN: dict[str, Any] = {"aria-hidden": "true"}
"""Bars say what the numbers beside them say."""
NUMBERS, NUMBER_HEADS, SUM = "drm-number drm-right", 3, "drm-sum"


def table(found: Ladder, parts: str | None) -> Element:
    """A row for each rung and each piece. `parts`: the element that an amount opens, which shows what it is made of."""
    head = [
        html.Th(text, scope="col", className=NUMBERS if index >= len(HEADS) - NUMBER_HEADS else None) for index, text in enumerate(HEADS)
    ]
    return html.Table(
        [html.Thead(html.Tr(head)), html.Tbody([_row(one, parts) for one in ladder_text.rows(found)])],
        className="table table-sm drm-table drm-table-wide drm-ladder",
    )


def parts_table(made_of: Parts, *, is_link: bool = True) -> Element:
    """A row for each rung and each piece, a column for each kind of instance, whose account its head and its amounts open; or for each
    time, without links."""

    def linked(text: str, kind: str) -> Element | str:
        return money_link(text, ids.LADDER_TABLE, **{ids.LADDER_OF: kind}) if is_link and kind != OTHERS else text

    heads = [html.Th(linked(name, name), scope="col", className=NUMBERS) for name in made_of.columns]
    rows = [
        html.Tr(
            [
                html.Th(name, scope="row"),
                *(html.Td(linked(text, kind), className=NUMBERS) for text, kind in zip(texts, made_of.columns, strict=True)),
            ],
            className=SUM if is_rung else None,
        )
        for name, is_rung, texts in made_of.rows
    ]
    return _table(["Rung"], heads, rows)


def workers_table(found: ByWorker, asked: Ladder) -> Element:
    """A row for each worker, whose account its amounts open."""
    rows = []
    for one in ladder_parts.worker_rows(found):
        amounts = one.amounts if one.worker_id is None else [worker_money(text, one.worker_id) for text in one.amounts]
        cells = [html.Td(cell, className=NUMBERS) for cell in (one.hours, *amounts)]
        rows.append(html.Tr([html.Th(one.name, scope="row"), *cells], className=SUM if one.is_sum else None))
    heads = [html.Th(name, scope="col", className=NUMBERS) for name in ("Worker-hours", *(name for name, _ in ladder_text.RUNGS.values()))]
    note = html.P(ladder_parts.worker_rows_note(found, asked), className="drm-note")
    return html.Div([note, _table(["Worker"], heads, rows)])


def _table(first: Sequence[str], heads: Sequence[Element], rows: Sequence[Element]) -> Element:
    return html.Table(
        [html.Thead(html.Tr([*(html.Th(name, scope="col") for name in first), *heads])), html.Tbody(rows)],
        className="table table-sm drm-table drm-parts-table",
    )


def _row(one: ladder_text.Row, parts: str | None) -> Element:
    bar = html.Div(
        className=f"drm-fall {'drm-fall-rung' if one.is_rung else 'drm-fall-piece'}",
        style={"left": f"{one.left:.2f}%", "width": f"{one.width:.2f}%"},
    )
    cells = [
        html.Th(one.name, scope="row"),
        html.Td(one.detail, className="drm-note drm-detail"),
        html.Td(html.Div(bar, className="drm-fall-track", **HIDDEN)),
        *(html.Td(text, className=NUMBERS) for text in (one.share, one.hours)),
        html.Td(money_link(one.money, parts) if parts else one.money, className=NUMBERS),
    ]
    return html.Tr(cells, className=SUM if one.is_rung else None)
