"""Saving: the menu's links lead to the data of the tab, the range and the moment that are shown."""

from __future__ import annotations

from dash import Dash, Input, Output, State

from drm import ids
from drm.callbacks.in_browser import in_browser
from drm.state import DRMState


def register(app: Dash, _: DRMState) -> None:
    """Adds the menu's callback, which needs no answer of the server."""
    app.clientside_callback(
        in_browser("save"),
        Output(ids.SAVE, "children"),
        Input(ids.TABS, "value"),
        Input(ids.RANGE, "value"),
        Input(ids.AT, "data"),
        State(ids.SAVED, "data"),
        State(ids.FEED, "data"),
    )
