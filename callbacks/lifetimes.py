"""Worker lifetimes: draws the bars, or lists who has ended, when something changed or a column of the range has passed."""

from __future__ import annotations

import math
from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.analysis.lifetimes import MOST_ENDED, MOST_SEGMENTS, SHOWS, SORTS, ended_by, rows_of
from drm.callbacks import elements as html
from drm.callbacks.in_browser import in_browser
from drm.callbacks.ticks import draw_in_browser, read_tick, view_at
from drm.errors import InvalidValueError
from drm.figures import lifetimes
from drm.figures.ended_rows import ended_rows, words
from drm.figures.lifetime_words import hidden_text
from drm.state import DRMState
from drm.view import View

KEY, TAB = ids.LIFETIMES_KEY, "utilization"
COLUMNS, SHORTEST_COLUMN_SECONDS = 360, 5.0
EMPTY: dict[str, Any] = {"data": [], "layout": {}}
BARS_NOTE = "Click a bar to open its worker."
LIST_NOTE = "Last hour: mean / highest share of its capacity that a worker used before it ended. Click a row to open its worker."
NOBODY = "No worker was there in this range: start one, or choose a longer range."
NOBODY_ENDED = "No worker ended in this range: whoever ends later is listed here, with the reason; or choose a longer range."
SHOW_RULE, SORT_RULE = ", ".join(SHOWS), ", ".join(SORTS)


def register(app: Dash, state: DRMState) -> None:
    """Adds the card's callbacks."""
    draw_in_browser(app, KEY)
    app.clientside_callback(
        in_browser("passTick"), Output(ids.tick(KEY), "data"), Input(ids.tick(TAB), "data"), State(ids.busy(KEY), "data")
    )
    app.clientside_callback(
        in_browser("selectLifetime"),
        Output(ids.SELECTED, "data", allow_duplicate=True),
        Input(ids.graph(KEY), "clickData"),
        Input(ids.ENDED, "cellClicked"),
        Input(ids.ENDED, "selectedRows"),
        State(ids.wire(KEY), "data"),
        State(ids.ENDED, "rowData"),
        State(ids.SELECTED, "data"),
        State(ids.DETAIL, "id"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        in_browser("openDecision"),
        Output(ids.DECISION, "data", allow_duplicate=True),
        Output(ids.TABS, "value", allow_duplicate=True),
        Input(ids.ENDED, "cellClicked"),
        Input(ids.DETAIL_DECISION, "n_clicks"),
        State(ids.ENDED, "rowData"),
        State(ids.DETAIL_DECISION, "value"),
        prevent_initial_call=True,
    )

    @app.callback(
        output={
            "wire": Output(ids.wire(KEY), "data"),
            "rows": Output(ids.ENDED, "rowData"),
            "drawn": Output(ids.drawn(KEY), "data"),
            "empty": Output(ids.empty(KEY), "children"),
            "keys": Output(ids.card(KEY, "keys"), "children"),
            "note": Output(ids.card(KEY, "note"), "children"),
            "hidden": (Output(ids.ENDED_CARD, "hidden"), Output(ids.LIFETIMES_ORDER, "hidden")),
        },
        inputs={
            "tick": Input(ids.tick(KEY), "data"),
            "show": Input(ids.LIFETIMES_SHOW, "value"),
            "sort": Input(ids.LIFETIMES_SORT, "value"),
            "drawn": State(ids.drawn(KEY), "data"),
        },
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, show: object, sort: object, drawn: str | None) -> Any:
        if tick is None:
            return no_update
        asked = read_tick(tick)
        if show not in SHOWS or sort not in SORTS:
            raise InvalidValueError(f"lifetimes are shown as one of {SHOW_RULE}, by one of {SORT_RULE}, got {show!r}, {sort!r}")
        changes = state.lifetimes.changes
        seconds, view = asked.range_seconds, view_at(state, asked.at)
        column = math.floor(view.end() / max(SHORTEST_COLUMN_SECONDS, seconds / COLUMNS))
        of_view = changes if view.moment is None else view.moment
        etag = f"{show} {sort} {seconds} {asked.scheme} {of_view} {column}"
        if etag == drawn:
            return no_update
        answer = _bars(view, seconds, str(sort), asked.scheme) if show == "timeline" else _list(view, seconds)
        return {"drawn": etag, **answer}


def _bars(view: View, seconds: float, sort: str, scheme: str) -> dict[str, Any]:
    since, until = view.start(seconds), view.end()
    newest = view.newest_lifetimes(seconds, MOST_SEGMENTS)
    rows = rows_of(newest.lifetimes, since, until, sort)
    figure = lifetimes.build(rows, since, until, scheme, f"{seconds}-{sort}")
    note = f"{hidden_text(rows, newest)} {BARS_NOTE}".strip() if figure else ""
    keys = (
        [html.Span(text, className=f"drm-key drm-key-{text}", style={"--drm-key": colour}) for text, colour in figure["keys"]]
        if figure
        else []
    )
    return {"wire": figure or EMPTY, "keys": keys, "rows": [], "empty": "" if figure else NOBODY, "note": note, "hidden": (True, False)}


def _list(view: View, seconds: float) -> dict[str, Any]:
    ended = view.ended_lifetimes(seconds, MOST_ENDED)
    rows = ended_rows(ended.lifetimes, view.last_hours(ended.lifetimes), ended_by(view.ledger, ended.lifetimes))
    note = f"{words(ended)} {LIST_NOTE}".strip() if rows else ""
    return {"wire": EMPTY, "keys": [], "rows": rows, "empty": "" if rows else NOBODY_ENDED, "note": note, "hidden": (not rows, True)}
