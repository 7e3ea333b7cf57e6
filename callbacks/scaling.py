"""Scaling: draws the pool and its decisions when they are new, says why nothing changes now, and opens what is clicked."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.callbacks import time_words
from drm.callbacks.in_browser import in_browser
from drm.callbacks.ticks import draw_in_browser, present_resources, read_tick, view_at
from drm.errors import InvalidValueError
from drm.figures import scaling
from drm.figures.overview import decision_text
from drm.model import RESOURCES
from drm.state import DRMState

KEY = "scaling"

LEDGER_SECONDS = 10
"""The table is told of a growing run no more often."""


def register(app: Dash, state: DRMState) -> None:
    """Adds the tab's callbacks."""
    draw_in_browser(app, KEY)
    app.clientside_callback(
        in_browser("pickDecision"),
        Output(ids.DECISION, "data", allow_duplicate=True),
        Input(ids.graph(KEY), "clickData"),
        Input(ids.LEDGER, "cellClicked"),
        Input(ids.LEDGER, "selectedRows"),
        Input(ids.WHY_NOT, "n_clicks"),
        Input(ids.CLOSE_EXPLANATION, "n_clicks"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output(ids.wire(KEY), "data"),
        Output(ids.drawn(KEY), "data"),
        Output(ids.empty(KEY), "children"),
        Output(ids.NOW_TEXT, "children"),
        Output(ids.DEMAND_RESOURCE, "options"),
        Output(ids.LEDGER_STATE, "data"),
        Input(ids.tick(KEY), "data"),
        Input(ids.DEMAND_RESOURCE, "value"),
        State(ids.drawn(KEY), "data"),
        State(ids.LEDGER_STATE, "data"),
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, resource: object, drawn: str | None, filled: str | None) -> tuple[Any, ...]:
        if tick is None:
            return (no_update,) * 6
        asked = read_tick(tick)
        if resource not in RESOURCES:
            raise InvalidValueError(f"resource must be one of {', '.join(RESOURCES)}: reload the page")
        seconds, scheme = asked.range_seconds, asked.scheme
        view = view_at(state, asked.at)
        snapshot, window, changes = view.snapshot, view.fleet(seconds), view.ledger.changes
        etag = f"{window.etag} {changes} {seconds} {scheme} {resource} {view.moment}"
        if etag == drawn:
            return (no_update,) * 6
        figure = scaling.build(window, view.decision_columns(seconds), str(resource), scheme, seconds)
        told = decision_text(snapshot)
        filling = f"{changes} {seconds} {view.moment} {0 if snapshot.time != snapshot.time else snapshot.time // LEDGER_SECONDS}"
        return (
            {"data": [], "layout": {}} if figure is None else figure,
            etag,
            "" if figure else time_words.nothing_recorded(view.moment),
            told["now"] or told["action"],
            present_resources(snapshot),
            no_update if filling == filled else filling,
        )
