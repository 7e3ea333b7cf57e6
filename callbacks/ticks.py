"""What all tabs do with a tick: read the range from it, and let the browser finish the figure."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State

from drm import ids
from drm.tabs import DEFAULT_RANGE, RANGES


def asked_range(tick: dict[str, Any]) -> int:
    """The range of a tick in seconds; the default where the browser asked for one that is not offered."""
    return RANGES.get(str(tick.get("range")), RANGES[DEFAULT_RANGE])


def draw_in_browser(app: Dash, key: str) -> None:
    """Figures travel with epoch seconds and bytes; the browser makes local times and numbers of them, and keeps the reader's zoom."""
    app.clientside_callback(
        ClientsideFunction("drm", "draw"),
        Output(ids.graph(key), "figure"),
        Output(ids.graph(key), "style"),
        Input(ids.wire(key), "data"),
        State(ids.zoom(key), "data"),
    )
    app.clientside_callback(
        ClientsideFunction("drm", "zoom"),
        Output(ids.zoom(key), "data"),
        Input(ids.graph(key), "relayoutData"),
        State(ids.wire(key), "data"),
        State(ids.zoom(key), "data"),
    )
