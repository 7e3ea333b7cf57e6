"""The shell's callbacks: the router that hands a tick to the visible tab, health, theme, refresh and the URL."""

from __future__ import annotations

import math
import time
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State

from drm import ids
from drm.address import CHOICES
from drm.figures.units import plain
from drm.state import DRMState
from drm.tabs import TABS

BADGES = {"live": "LIVE", "external": "EXTERNAL", "simulated": "SIMULATED"}


def _clientside(name: str) -> ClientsideFunction:
    return ClientsideFunction("drm", name)


def register(app: Dash, state: DRMState) -> None:
    """Adds the shell's callbacks."""
    keys = [ids.SHELL_KEY, *(tab.key for tab in TABS)]
    app.clientside_callback(
        _clientside("route"),
        *(Output(ids.tick(key), "data") for key in keys),
        Input(ids.INTERVAL, "n_intervals"),
        Input(ids.TABS, "value"),
        Input(ids.RANGE, "value"),
        Input(ids.SCHEME, "data"),
        State(ids.KEYS, "data"),
        *(State(ids.busy(key), "data") for key in keys),
    )
    app.clientside_callback(
        _clientside("show"),
        *(Output(ids.panel(tab.key), "hidden") for tab in TABS),
        Input(ids.TABS, "value"),
        State(ids.KEYS, "data"),
    )
    app.clientside_callback(
        _clientside("pace"), Output(ids.INTERVAL, "interval"), Output(ids.INTERVAL, "disabled"), Input(ids.REFRESH, "value")
    )
    app.clientside_callback(_clientside("scheme"), Output(ids.SCHEME, "data"), Input(ids.THEME, "value"))
    app.clientside_callback(
        _clientside("health"),
        Output(ids.HEALTH_TEXT, "children"),
        Output(ids.HEALTH_TEXT, "className"),
        Input(ids.HEALTH, "data"),
        Input(ids.INTERVAL, "n_intervals"),
    )
    app.clientside_callback(
        _clientside("address"),
        Output(ids.LOCATION, "search"),
        *(Output(choice.component, choice.prop) for choice in CHOICES),
        Output(ids.SELECTED, "data"),
        Input(ids.LOCATION, "search"),
        *(Input(choice.component, choice.prop) for choice in CHOICES),
        Input(ids.SELECTED, "data"),
        State(ids.ADDRESS, "data"),
    )

    @app.callback(
        Output(ids.HEALTH, "data"),
        Output(ids.SOURCE, "children"),
        Output(ids.SOURCE, "className"),
        Input(ids.tick(ids.SHELL_KEY), "data"),
        running=[(Output(ids.busy(ids.SHELL_KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def show_health(_tick: Any) -> tuple[Any, ...]:
        health, source = state.health, state.snapshot.source
        told = {
            "ok": health.ok,
            "error": plain(health.error, 200),
            "errors": health.errors,
            "interval": health.interval_seconds,
            "age": None if math.isnan(health.ticked_monotonic) else time.monotonic() - health.ticked_monotonic,
        }
        return told, f"{BADGES[source.kind]} {plain(source.label, 60)}", f"drm-badge drm-badge-{source.kind}"
