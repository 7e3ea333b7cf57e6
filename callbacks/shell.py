"""The shell's callbacks: the router that hands a tick to the visible tab, health, theme, refresh and the URL."""

from __future__ import annotations

from dash import Dash, Input, Output, State

from drm import ids
from drm.address import CHOICES
from drm.callbacks.in_browser import in_browser
from drm.state import DRMState
from drm.tabs import TABS


def register(app: Dash, state: DRMState) -> None:
    """Adds the shell's callbacks."""
    keys = [ids.SHELL_KEY, *(tab.key for tab in TABS)]
    # It sets the ticks by itself: Dash works out again and again what may follow from outputs, and from these it is nearly all of the page.
    app.clientside_callback(
        in_browser("route"),
        Input(ids.INTERVAL, "n_intervals"),
        Input(ids.TABS, "value"),
        Input(ids.RANGE, "value"),
        Input(ids.AT, "data"),
        Input(ids.SCHEME, "data"),
        State(ids.KEYS, "data"),
        *(State(ids.busy(key), "data") for key in keys),
        *(State(ids.tick(key), "data") for key in keys),
    )
    app.clientside_callback(
        in_browser("show"),
        *(Output(ids.panel(tab.key), "hidden") for tab in TABS),
        Input(ids.TABS, "value"),
        State(ids.KEYS, "data"),
    )
    app.clientside_callback(
        in_browser("pace"),
        Output(ids.INTERVAL, "interval"),
        Output(ids.INTERVAL, "disabled"),
        Output(ids.WAY, "children"),
        Output(ids.WAY, "className"),
        Input(ids.REFRESH, "value"),
        State(ids.FEED, "data"),
    )
    app.clientside_callback(in_browser("scheme"), Output(ids.SCHEME, "data"), Input(ids.THEME, "value"))
    app.clientside_callback(
        in_browser("health"),
        Output(ids.HEALTH_TEXT, "children"),
        Output(ids.HEALTH_TEXT, "className"),
        Input(ids.HEALTH, "data"),
        State(ids.tick(ids.SHELL_KEY), "data"),
    )
    app.clientside_callback(
        in_browser("address"),
        Output(ids.LOCATION, "search"),
        *(Output(choice.component, choice.prop) for choice in CHOICES),
        Output(ids.SELECTED, "data"),
        Output(ids.ADDRESS_WORDS, "children"),
        Input(ids.LOCATION, "search"),
        *(Input(choice.component, choice.prop) for choice in CHOICES),
        Input(ids.SELECTED, "data"),
        Input(ids.PLAY_CLOCK, "disabled"),
        State(ids.ADDRESS, "data"),
    )
