"""The worker that is open in Utilization: its lines, its facts and its tasks."""

from __future__ import annotations

import math
from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.analysis.lifetimes import ended_by
from drm.callbacks import elements as html
from drm.callbacks.in_browser import in_browser
from drm.callbacks.ticks import draw_in_browser, read_tick, view_at
from drm.callbacks.worker_window import in_range, last_hour
from drm.figures import utilization
from drm.figures.lifetime_words import ended_facts, life_rows, lives_text
from drm.figures.units import plain
from drm.figures.worker_tasks import no_tasks_text, worker_facts, worker_tasks
from drm.history.lifetimes import Lifetime
from drm.state import DRMState

KEY, TAB = ids.DETAIL_KEY, "utilization"
EMPTY: dict[str, Any] = {"data": [], "layout": {}}
ENDED_EVERY_SECONDS = 10.0
LAST_HOUR = "Its last hour"
NOT_MEASURED = "Nothing that was measured in its last hour is kept."
NOT_MEASURED_YET = "Nothing was measured of it in this range."


def register(app: Dash, state: DRMState) -> None:
    """Adds the detail's callbacks."""
    draw_in_browser(app, KEY)
    app.clientside_callback(
        in_browser("relay"),
        Output(ids.DETAIL, "hidden"),
        Output(ids.tick(KEY), "data"),
        Input(ids.tick(TAB), "data"),
        Input(ids.SELECTED, "data"),
        State(ids.busy(KEY), "data"),
    )

    app.clientside_callback(in_browser("timedRows"), Output(ids.DETAIL_LIVES, "content"), Input(ids.DETAIL_LIVES_AT, "data"))

    @app.callback(
        output={
            "wire": Output(ids.wire(KEY), "data"),
            "drawn": Output(ids.drawn(KEY), "data"),
            "title": Output(ids.DETAIL_TITLE, "children"),
            "facts": Output(ids.DETAIL_FACTS, "children"),
            "caption": Output(ids.DETAIL_CAPTION, "children"),
            "empty": Output(ids.empty(KEY), "children"),
            "tasks": Output(ids.DETAIL_TASKS, "content"),
            "lives": Output(ids.DETAIL_LIVES_AT, "data"),
            "lives_note": Output(ids.card(ids.DETAIL_LIVES, "note"), "children"),
            "lives_hidden": Output(ids.DETAIL_LIVES_CARD, "hidden"),
            "decision": {part: Output(ids.DETAIL_DECISION, part) for part in ("children", "value", "style")},
        },
        inputs={"tick": Input(ids.tick(KEY), "data"), "drawn": State(ids.drawn(KEY), "data")},
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, drawn: str | None) -> Any:
        asked = read_tick(tick)
        worker_id, seconds, scheme = asked.worker_id, asked.range_seconds, asked.scheme
        view = view_at(state, asked.at)
        snapshot, lifetimes = view.snapshot, view.lifetimes_of(worker_id)
        last = lifetimes[-1] if lifetimes else None
        has_ended = last is not None and not math.isnan(last.ended_at)
        window = last_hour(state, last) if last is not None and has_ended else in_range(view, worker_id, seconds)
        # Of one that has ended nothing changes but how long ago its tasks ran.
        stands_at = f"{snapshot.time // ENDED_EVERY_SECONDS}" if has_ended else view.etag
        etag = f"{worker_id} {window.etag if window else None} {seconds} {scheme} {stands_at} {_stamp(last)}"
        if etag == drawn:
            return no_update
        facts, capacity = worker_facts(snapshot, worker_id)
        if last is None:
            facts = facts if capacity is not None or window else "No history is kept of a worker of this name."
        elif has_ended:
            facts, capacity = ended_facts(last), last.capacity.vector()
        rows = [html.Tr([html.Td(cell) for cell in row]) for row in worker_tasks(snapshot, worker_id)]
        decision = ended_by(view.ledger, [last]).get(last.number) if last is not None and has_ended else None
        shown_seconds = seconds if window is None or not has_ended else window.end - window.start
        return {
            "wire": EMPTY if window is None else utilization.build_worker(window, capacity, scheme, shown_seconds, worker_id),
            "drawn": etag,
            "title": plain(worker_id),
            "facts": facts,
            "caption": LAST_HOUR if has_ended else "",
            "empty": "" if window or not lifetimes else NOT_MEASURED if has_ended else NOT_MEASURED_YET,
            "tasks": rows or [html.Tr(html.Td(no_tasks_text(snapshot), colSpan=6))],
            "lives": life_rows(lifetimes, snapshot.time),
            "lives_note": lives_text(lifetimes, snapshot.time),
            "lives_hidden": not lifetimes,
            "decision": {
                "children": f"Ended by decision {decision}: why?",
                "value": "" if decision is None else str(decision),
                "style": {"display": "none" if decision is None else "inline-block"},
            },
        }


def _stamp(last: Lifetime | None) -> tuple[object, ...]:
    """Changes when a lifetime has."""
    return () if last is None else (last.number, last.states[-1], last.reason)
