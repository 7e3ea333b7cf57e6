"""The moment that is looked at: its bar, its steps, and its playing. A step by a decision asks the server which one is next."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.callbacks import time_words
from drm.callbacks.in_browser import in_browser
from drm.callbacks.ticks import read_moment, view_at
from drm.state import DRMState
from drm.tabs import TABS

BUTTONS = (ids.LOOK_BACK, ids.LIVE, ids.MINUTE_BEFORE, ids.MINUTE_AFTER, ids.AS_OF_DECISION)
MOVES = (Output(ids.AT, "data", allow_duplicate=True), Output(ids.TIME_WORDS, "children", allow_duplicate=True))
"""What goes to another moment sets: the moment, or why there is none."""


def register(app: Dash, state: DRMState) -> None:
    """Adds the callbacks of the moment."""
    app.clientside_callback(
        in_browser("moment"),
        *MOVES,
        *(Input(button, "n_clicks") for button in BUTTONS),
        Input(ids.JUMP, "value"),
        State(ids.AT, "data"),
        State(ids.HEALTH, "data"),
        State(ids.EXPLANATION_AT, "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        in_browser("past"),
        Output(ids.PAST_BAR, "hidden"),
        Output(ids.PAST_TIME, "children"),
        Output(ids.JUMP, "value"),
        Output(ids.WHY_NOT, "children"),
        Input(ids.AT, "data"),
    )
    app.clientside_callback(
        in_browser("playing"),
        Output(ids.PLAY_CLOCK, "disabled"),
        Output(ids.PLAY, "children"),
        Input(ids.PLAY, "n_clicks"),
        Input(ids.AT, "data"),
        State(ids.PLAY_CLOCK, "disabled"),
    )
    busy = [ids.SHELL_KEY, *(tab.key for tab in TABS), ids.DETAIL_KEY, ids.EXPLANATION_KEY]
    app.clientside_callback(
        in_browser("play"),
        *MOVES,
        Input(ids.PLAY_CLOCK, "n_intervals"),
        State(ids.AT, "data"),
        State(ids.SPEED, "value"),
        State(ids.HEALTH, "data"),
        *(State(ids.busy(key), "data") for key in busy),
        prevent_initial_call=True,
    )
    for button, forward in ((ids.DECISION_BEFORE, False), (ids.DECISION_AFTER, True)):
        _register_step(app, state, button, forward=forward)


def _register_step(app: Dash, state: DRMState, button: str, *, forward: bool) -> None:
    @app.callback(
        *MOVES,
        Input(button, "n_clicks"),
        State(ids.AT, "data"),
        prevent_initial_call=True,
    )
    def step(_clicks: object, at: object) -> tuple[Any, str]:
        moment = view_at(state, read_moment(at)).end()
        found = state.decision_beside(moment, forward=forward)
        return (no_update, time_words.no_decision(forward=forward)) if found is None else (repr(found.timestamp), "")
