"""What all tabs do with a tick: read the range from it, and let the browser finish the figure."""

from __future__ import annotations

from dataclasses import dataclass

from dash import ClientsideFunction, Dash, Input, Output, State

from drm import ids
from drm.errors import InvalidValueError
from drm.tabs import DEFAULT_RANGE, RANGES


@dataclass(frozen=True, slots=True)
class Asked:
    """What the browser asks for with a tick."""

    range_seconds: int
    scheme: str
    worker_id: str


def read_tick(tick: object) -> Asked:
    """A tick as the router writes it; a range that is not offered becomes the default. InvalidValueError on what no page of ours sends."""
    if not isinstance(tick, dict):
        raise InvalidValueError("a tick is an object with range and scheme: reload the page")
    return Asked(RANGES.get(str(tick.get("range")), RANGES[DEFAULT_RANGE]), str(tick.get("scheme")), str(tick.get("worker")))


def read_group(selected: object) -> list[str] | None:
    """The workers of the group that is open, if one is. InvalidValueError on what no page of ours sends."""
    group = selected.get("group") if isinstance(selected, dict) else None
    if group is None:
        return None
    if not isinstance(group, list) or not all(isinstance(worker_id, str) for worker_id in group):
        raise InvalidValueError("a group is a list of worker ids: reload the page")
    return group


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
