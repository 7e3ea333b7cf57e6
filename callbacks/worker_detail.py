"""The worker that is open in Utilization: its lines, its facts and its tasks."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, html, no_update

from drm import ids
from drm.callbacks.ticks import draw_in_browser, read_tick
from drm.errors import UnknownIdError
from drm.figures import utilization
from drm.figures.units import plain
from drm.figures.worker_tasks import worker_facts, worker_tasks
from drm.state import DRMState

KEY, TAB = ids.DETAIL_KEY, "utilization"
EMPTY: dict[str, Any] = {"data": [], "layout": {}}


def register(app: Dash, state: DRMState) -> None:
    """Adds the detail's callbacks."""
    draw_in_browser(app, KEY)
    app.clientside_callback(
        ClientsideFunction("drm", "relay"),
        Output(ids.DETAIL, "hidden"),
        Output(ids.tick(KEY), "data"),
        Input(ids.tick(TAB), "data"),
        Input(ids.SELECTED, "data"),
        State(ids.busy(KEY), "data"),
    )

    @app.callback(
        Output(ids.wire(KEY), "data"),
        Output(ids.drawn(KEY), "data"),
        Output(ids.DETAIL_TITLE, "children"),
        Output(ids.DETAIL_FACTS, "children"),
        Output(ids.DETAIL_TASKS, "children"),
        Input(ids.tick(KEY), "data"),
        State(ids.drawn(KEY), "data"),
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, drawn: str | None) -> tuple[Any, ...]:
        asked = read_tick(tick)
        worker_id, seconds, scheme = asked.worker_id, asked.range_seconds, asked.scheme
        snapshot = state.snapshot
        facts, capacity = worker_facts(snapshot, worker_id)
        try:
            window = state.worker(worker_id, seconds)
        except UnknownIdError:
            return EMPTY, None, plain(worker_id), "No history is kept of a worker of this name.", []
        etag = f"{worker_id} {window.etag} {seconds} {scheme} {snapshot.version}"
        if etag == drawn:
            return (no_update,) * 5
        rows = [html.Tr([html.Td(cell) for cell in row]) for row in worker_tasks(snapshot, worker_id)]
        return (
            utilization.build_worker(window, capacity, scheme, seconds, worker_id),
            etag,
            plain(worker_id),
            facts,
            rows or [html.Tr(html.Td("No task has run here lately.", colSpan=6))],
        )
