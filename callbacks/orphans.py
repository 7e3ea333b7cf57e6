"""Orphans: filled with the Cloud tab's tick from what the providers last told; none is asked by a page."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, no_update

from drm import ids
from drm.callbacks import elements as html
from drm.callbacks.elements import Element
from drm.callbacks.ticks import read_tick, view_at
from drm.figures import orphans_text
from drm.state import DRMState

NUMBERS = "drm-number drm-right"


def register(app: Dash, state: DRMState) -> None:
    """Adds the card's callback."""

    @app.callback(
        Output(ids.ORPHANS_TEXT, "children"),
        Output(ids.ORPHANS_TABLE, "content"),
        Input(ids.tick("cloud"), "data"),
        prevent_initial_call=True,
    )
    def render(tick: object) -> tuple[Any, ...]:
        if tick is None:
            return no_update, no_update
        past = view_at(state, read_tick(tick).at).moment is not None
        asked = None if past else state.cloud.last_orphans()
        told = orphans_text.sentence(asked, state.end(), asks=state.cloud.asks, past=past)
        return told, None if asked is None else _table(orphans_text.rows(asked[1]))


def _table(rows: list[tuple[str, str, str, str]]) -> Element | None:
    if not rows:
        return None
    last = len(orphans_text.HEADS) - 1
    head = [html.Th(text, scope="col", className=NUMBERS if index == last else None) for index, text in enumerate(orphans_text.HEADS)]
    body = [
        html.Tr([html.Th(row[0], scope="row"), *(html.Td(text) for text in row[1:last]), html.Td(row[last], className=NUMBERS)])
        for row in rows
    ]
    return html.Table([html.Thead(html.Tr(head)), html.Tbody(body)], className="table table-sm drm-table drm-table-wide")
