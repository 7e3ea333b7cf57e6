"""Overview: fills the cards from one Snapshot, and draws the pool's window when it is new."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.callbacks import time_words
from drm.callbacks.cards import number_card, sentence_card
from drm.callbacks.ticks import draw_in_browser, read_tick, view_at
from drm.figures import overview
from drm.state import DRMState

KEY = "overview"


def register(app: Dash, state: DRMState) -> None:
    """Adds the tab's callbacks."""
    draw_in_browser(app, KEY)

    @app.callback(
        output={
            "cards": Output(ids.OVERVIEW_CARDS, "content"),
            "wire": Output(ids.wire(KEY), "data"),
            "drawn": Output(ids.drawn(KEY), "data"),
            "empty": Output(ids.empty(KEY), "children"),
        },
        inputs={"tick": Input(ids.tick(KEY), "data"), "drawn": State(ids.drawn(KEY), "data")},
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, drawn: str | None) -> dict[str, Any]:
        asked = read_tick(tick)
        view = view_at(state, asked.at)
        snapshot = view.snapshot
        seconds, scheme = asked.range_seconds, asked.scheme
        window = view.fleet(seconds)
        etag = f"{window.etag} {scheme} {seconds} {view.moment}"
        figure = overview.build(window, scheme, seconds) if etag != drawn else None
        return {
            "cards": [
                number_card("tasks", "Tasks", overview.tasks_text(snapshot)),
                number_card("queue", "Queue", overview.queue_text(snapshot)),
                sentence_card("decision", "Controller", overview.decision_text(snapshot), is_wide=True),
            ],
            "wire": figure if figure is not None else no_update,
            "drawn": etag,
            "empty": no_update if etag == drawn or figure else time_words.nothing_recorded(view.moment),
        }
