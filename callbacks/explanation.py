"""The explanation of one decision, or of the present tick."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.analysis.decision_cost import decision_cost
from drm.callbacks import elements as html
from drm.callbacks.explanation_body import body
from drm.callbacks.in_browser import in_browser
from drm.callbacks.ticks import read_tick, view_at
from drm.errors import UnknownIdError
from drm.figures import explanation
from drm.ledger_query import read_id
from drm.state import DRMState

KEY, TAB = ids.EXPLANATION_KEY, "scaling"
COST_SECONDS = 5.0
"""What a decision has cost is told anew no more often."""


def register(app: Dash, state: DRMState) -> None:
    """Adds the explanation's callbacks."""
    app.clientside_callback(
        in_browser("relayDecision"),
        Output(ids.EXPLANATION, "hidden"),
        Output(ids.tick(KEY), "data"),
        Input(ids.tick(TAB), "data"),
        Input(ids.DECISION, "data"),
        State(ids.busy(KEY), "data"),
    )
    app.clientside_callback(in_browser("span"), Output(ids.EXPLANATION_TIME, "children"), Input(ids.EXPLANATION_AT, "data"))

    @app.callback(
        Output(ids.EXPLANATION_TITLE, "children"),
        Output(ids.EXPLANATION_AT, "data"),
        Output(ids.EXPLANATION_BODY, "content"),
        Output(ids.drawn(KEY), "data"),
        Input(ids.tick(KEY), "data"),
        State(ids.drawn(KEY), "data"),
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, drawn: str | None) -> tuple[Any, ...]:
        tick_asked = read_tick(tick)
        asked, view = tick_asked.decision, view_at(state, tick_asked.at)
        try:
            decision_id = read_id(asked)
            decision = view.explain_now() if decision_id is None else view.ledger.get(decision_id)
        except UnknownIdError as error:
            return f"Decision {asked}", None, html.P(f"{str(error).capitalize()}."), None
        if decision is None:
            return "Why not then?", None, html.P("No evaluation is kept of this moment."), None
        until = decision.last_at
        # What it costs grows with time.
        grown = view.end() // COST_SECONDS if decision.count else 0
        etag = f"{asked} {view.moment} {until} {decision.outcome} {decision.ready_at} {decision.first_task_at} {decision.granted} {grown}"
        if etag == drawn:
            return (no_update,) * 4
        return explanation.title(decision), [decision.timestamp, until], body(decision, decision_cost(view, decision)), etag
