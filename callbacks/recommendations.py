"""The cards of recommendations and idle causes: filled after the Efficiency tab's figures, worked out once for all readers of a range."""

from __future__ import annotations

import functools
import math
from typing import Any

from dash import Dash, Input, Output, State
from dash.exceptions import PreventUpdate

from drm import ids
from drm.analysis.candidates import candidates
from drm.analysis.ladder import ladder
from drm.analysis.recommendations import Advice, advise
from drm.callbacks import recommendations_body as body
from drm.callbacks.in_browser import in_browser
from drm.callbacks.ticks import read_tick, view_at
from drm.cloud.price_list import read_price_list
from drm.figures import idle_causes, recommendations
from drm.state import DRMState

TAB = "efficiency"
LEAST_SECONDS, PARTS = 10.0, 360
"""They are worked out anew after a part of the range, and no sooner than that: a month's do not change from one second to the next."""
KEPT = 8


def register(app: Dash, state: DRMState) -> None:
    """Adds the cards' callback."""
    prices = functools.cache(read_price_list)

    @functools.lru_cache(maxsize=KEPT)
    def advice(seconds: float, at: float | None, _turn: int) -> Advice:
        view = view_at(state, at)
        return advise(view, seconds, candidates(state.manager.worker_types, view.lifetimes_in(seconds), prices))

    # What takes the server longest comes after what is looked at first.
    app.clientside_callback(
        in_browser("passDrawn"),
        Output(ids.tick(ids.RECOMMENDATIONS_KEY), "data"),
        Input(ids.drawn(TAB), "data"),
        State(ids.tick(TAB), "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output(ids.RECOMMENDATIONS_WORDS, "children"),
        Output(ids.RECOMMENDATIONS, "content"),
        Output(ids.IDLE_WORDS, "children"),
        Output(ids.IDLE_CAUSES, "content"),
        Output(ids.drawn(ids.RECOMMENDATIONS_KEY), "data"),
        Input(ids.tick(ids.RECOMMENDATIONS_KEY), "data"),
        State(ids.drawn(ids.RECOMMENDATIONS_KEY), "data"),
        prevent_initial_call=True,
    )
    def render(tick: object, drawn: str | None) -> tuple[Any, ...]:
        if tick is None:
            raise PreventUpdate
        asked = read_tick(tick)
        view, seconds = view_at(state, asked.at), asked.range_seconds
        snapshot = view.snapshot
        turn = -1 if math.isnan(snapshot.time) else int(snapshot.time // max(LEAST_SECONDS, seconds / PARTS))
        etag = f"{turn} {seconds} {view.moment}"
        if etag == drawn:
            raise PreventUpdate
        found = advice(seconds, view.moment, turn)
        start, end = view.spends(seconds)
        paid = None if end is None else ladder(start, end)
        simulated = snapshot.source.kind == "simulated"
        return (
            recommendations.words(found, simulated=simulated),
            body.table(recommendations.lines(found)),
            idle_causes.sentence(paid, past=view.moment is not None and end is not None),
            body.causes(idle_causes.rows(paid)),
            etag,
        )
