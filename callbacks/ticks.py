"""What all tabs do with a tick: read range and moment from it, and let the browser finish the figure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from dash import Dash, Input, Output, State

from drm import ids
from drm.callbacks.in_browser import in_browser
from drm.errors import FutureError, InvalidValueError
from drm.figures.units import LABELS
from drm.model import RESOURCES
from drm.snapshot import Snapshot
from drm.state import DRMState
from drm.tabs import DEFAULT_RANGE, RANGES, range_seconds
from drm.view import View


@dataclass(frozen=True, slots=True)
class Asked:
    """What the browser asks for with a tick."""

    range_text: str
    """As it stands in the address."""
    range_seconds: float
    at: float | None
    """The moment, in epoch seconds; None: the present."""
    scheme: str
    worker_id: str
    decision: str


def read_tick(tick: object) -> Asked:
    """A tick as the router writes it; a range that cannot be becomes the default. InvalidValueError on what no page of ours sends."""
    if not isinstance(tick, dict):
        raise InvalidValueError("a tick is an object with range and scheme: reload the page")
    return Asked(
        str(tick.get("range")),
        read_range(tick.get("range")),
        read_moment(tick.get("at")),
        str(tick.get("scheme")),
        str(tick.get("worker")),
        str(tick.get("decision")),
    )


def read_range(text: object) -> float:
    """The seconds of a range as it stands in the address; of the default one where it is none."""
    seconds = range_seconds(str(text))
    return RANGES[DEFAULT_RANGE] if seconds is None else seconds


def read_moment(text: object) -> float | None:
    """A moment as it stands in the address; None for the present. InvalidValueError on what no page of ours sends."""
    if text in (None, ""):
        return None
    try:
        moment = float(str(text))
    except ValueError:
        moment = math.nan
    if not (math.isfinite(moment) and moment >= 0):
        raise InvalidValueError("a moment is a number of epoch seconds: reload the page")
    return moment


def view_at(state: DRMState, moment: float | None) -> View:
    """The view of a moment; of the present where no tick has reached it, which the header says."""
    try:
        return state.at(moment)
    except FutureError:
        return state


def read_group(selected: object) -> list[str] | None:
    """The workers of the group that is open, if one is. InvalidValueError on what no page of ours sends."""
    group = selected.get("group") if isinstance(selected, dict) else None
    if group is None:
        return None
    if not isinstance(group, list) or not all(isinstance(worker_id, str) for worker_id in group):
        raise InvalidValueError("a group is a list of worker ids: reload the page")
    return group


def present_resources(snapshot: Snapshot) -> list[dict[str, str]]:
    """The resources that the pool has, to choose from; cpu and memory always, for what is no longer there."""
    has = np.any(snapshot.capacity > 0, axis=0).tolist()
    return [{"label": LABELS[name], "value": name} for index, name in enumerate(RESOURCES) if index < 2 or has[index]]


def draw_in_browser(app: Dash, key: str) -> None:
    """Figures travel with epoch seconds and bytes; the browser makes local times and numbers of them, and keeps the reader's zoom."""
    app.clientside_callback(
        in_browser("draw"),
        Output(ids.graph(key), "figure"),
        Output(ids.graph(key), "style"),
        Input(ids.wire(key), "data"),
        State(ids.zoom(key), "data"),
    )
    app.clientside_callback(
        in_browser("zoom"),
        Output(ids.zoom(key), "data"),
        Input(ids.graph(key), "relayoutData"),
        State(ids.wire(key), "data"),
        State(ids.zoom(key), "data"),
    )
