"""Utilization: draws the heatmap when its window is new, and the worker that was clicked."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.callbacks.in_browser import in_browser
from drm.callbacks.ticks import draw_in_browser, present_resources, read_group, read_tick, view_at
from drm.figures import utilization
from drm.figures.units import LABELS
from drm.model import RESOURCES
from drm.state import DRMState

KEY = "utilization"


def register(app: Dash, state: DRMState) -> None:
    """Adds the tab's callbacks."""
    draw_in_browser(app, KEY)
    app.clientside_callback(
        in_browser("select"),
        Output(ids.SELECTED, "data", allow_duplicate=True),
        Input(ids.graph(KEY), "clickData"),
        Input(ids.SHOW_ALL, "n_clicks"),
        Input(ids.CLOSE_DETAIL, "n_clicks"),
        State(ids.wire(KEY), "data"),
        State(ids.SELECTED, "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output(ids.wire(KEY), "data"),
        Output(ids.drawn(KEY), "data"),
        Output(ids.empty(KEY), "children"),
        Output(ids.RESOURCE, "options"),
        Output(ids.SHOW_ALL, "style"),
        Input(ids.tick(KEY), "data"),
        Input(ids.RESOURCE, "value"),
        Input(ids.MEASURE, "value"),
        Input(ids.SELECTED, "data"),
        State(ids.drawn(KEY), "data"),
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, resource: str, measure: str, selected: object, drawn: str | None) -> tuple[Any, ...]:
        if tick is None:
            return (no_update,) * 5
        asked, group = read_tick(tick), read_group(selected)
        seconds, scheme = asked.range_seconds, asked.scheme
        view = view_at(state, asked.at)
        window, snapshot = view.heatmap(seconds, resource, measure, worker_ids=group), view.snapshot
        options = present_resources(snapshot)
        etag = f"{window.etag} {seconds} {scheme} {resource} {measure} {group} {options} {view.moment}"
        if etag == drawn:
            return (no_update,) * 5
        capacities = dict(zip(snapshot.worker_ids, snapshot.capacity[:, RESOURCES.index(resource)].tolist(), strict=True))
        figure = utilization.build(window, capacities, resource, measure, scheme, seconds)
        return (
            {"data": [], "layout": {}} if figure is None else figure,
            etag,
            "" if figure else f"No worker with {LABELS[resource]} has been seen in this range: start one, or choose a longer range.",
            options,
            {"display": "inline-block" if group else "none"},
        )
