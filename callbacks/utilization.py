"""Utilization: draws the heatmap when its window is new, and opens the worker or the group that was clicked."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.callbacks.heat_window import HeatAsked, controls, options
from drm.callbacks.in_browser import in_browser
from drm.callbacks.ticks import draw_in_browser, present_resources
from drm.errors import InvalidValueError
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
        Output(ids.OPENED, "data"),
        Input(ids.graph(KEY), "clickData"),
        Input(ids.SHOW_ALL, "n_clicks"),
        Input(ids.CLOSE_DETAIL, "n_clicks"),
        State(ids.wire(KEY), "data"),
        State(ids.SELECTED, "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        in_browser("cleared"),
        *(Output(name, "value", allow_duplicate=True) for name in ids.CELLS_FILTERS),
        Input(ids.SHOW_ALL, "n_clicks"),
        State(ids.ADDRESS, "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        output=[
            Output(ids.wire(KEY), "data"),
            Output(ids.drawn(KEY), "data"),
            Output(ids.empty(KEY), "children"),
            Output(ids.RESOURCE, "options"),
            Output(ids.SHOW_ALL, "style"),
            Output(ids.card(KEY, "note"), "children"),
            Output(ids.CELLS_TYPE, "options"),
            Output(ids.CELLS_PROVIDER, "options"),
        ],
        inputs={"tick": Input(ids.tick(KEY), "data"), "asked": controls(Input), "drawn": State(ids.drawn(KEY), "data")},
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, asked: dict[str, Any], drawn: str | None) -> tuple[Any, ...]:
        if tick is None:
            return (no_update,) * 8
        heat = HeatAsked(state, tick, asked)
        window, snapshot, resource = heat.window, heat.view.snapshot, heat.resource
        present = present_resources(snapshot)
        etag = f"{heat} {present}"
        if etag == drawn:
            return (no_update,) * 8
        capacities = dict(zip(snapshot.worker_ids, snapshot.capacity[:, RESOURCES.index(resource)].tolist(), strict=True))
        figure = utilization.build(window, capacities, resource, heat.measure, heat.tick.scheme, heat.tick.range_seconds, heat.show)
        nobody = f"No worker with {LABELS[resource]} has been seen in this range: start one, or choose a longer range."
        unfit = f"None of the {window.left_out} workers of this range fits what is asked for: change the filters, or show all workers."
        return (
            {"data": [], "layout": {}} if figure is None else figure,
            etag,
            "" if figure else unfit if window.left_out else nobody,
            present,
            {"display": "inline-block" if heat.group or heat.filters else "none"},
            utilization.rows_text(window) if figure else "",
            options(snapshot, "type", heat.filters.type),
            options(snapshot, "provider", heat.filters.provider),
        )

    @app.callback(
        output=Output(ids.SELECTED, "data", allow_duplicate=True),
        inputs={"opened": Input(ids.OPENED, "data"), "tick": State(ids.tick(KEY), "data"), "asked": controls(State)},
        prevent_initial_call=True,
    )
    def open_group(opened: object, tick: object, asked: dict[str, Any]) -> Any:
        selected = asked["selected"]
        if not isinstance(opened, dict) or not isinstance(selected, dict):
            raise InvalidValueError("what is opened is a worker of a group: reload the page")
        rows = HeatAsked(state, tick, asked).window.rows
        found = next((row.worker_ids for row in rows if opened.get("worker") in row.worker_ids), ())
        return {**selected, "group": list(found)} if found else no_update
