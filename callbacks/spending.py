"""Spend to date, forecast and budget: filled with the Cloud tab's tick; what is forecast is worked out once per tick for all readers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.analysis.outlook import Outlook, look_ahead, one_rate
from drm.analysis.spend_course import STEPS_SECONDS, course
from drm.budget import PERIODS, Period
from drm.callbacks import spending_body
from drm.callbacks.ticks import draw_in_browser, read_tick, view_at
from drm.errors import InvalidValueError
from drm.figures import budget_text, spending
from drm.state import DRMState
from drm.view import View

KEY = ids.SPENDING_KEY
REDRAWN_SECONDS = 60.0
"""The line grows by no more than a point in this time."""
NOTHING = "Nothing was spent in this {}: a worker whose price is known begins the line."


def register(app: Dash, state: DRMState) -> None:
    """Adds the card's callbacks."""
    draw_in_browser(app, KEY)
    ahead_of = outlooks()

    @app.callback(
        Output(ids.wire(KEY), "data"),
        Output(ids.drawn(KEY), "data"),
        Output(ids.empty(KEY), "children"),
        Output(ids.SPENDING_ALERTS, "content"),
        Output(ids.SPENDING_TILES, "content"),
        Output(ids.SPENDING_NOTE, "children"),
        Output(ids.SPENDING_PARTS_TABLE, "content"),
        Output(ids.SPENDING_PARTS, "hidden"),
        Output(ids.SPENDING_FORECAST_TABLE, "content"),
        Output(ids.SPENDING_FORECAST, "hidden"),
        Input(ids.tick("cloud"), "data"),
        Input(ids.SPEND_PERIOD, "value"),
        State(ids.drawn(KEY), "data"),
        prevent_initial_call=True,
    )
    def render(tick: object, period: object, drawn: str | None) -> tuple[Any, ...]:
        if tick is None:
            return (no_update,) * 10
        if period not in PERIODS:
            raise InvalidValueError(f"the period must be one of {', '.join(PERIODS)}, got {period!r}: reload the page")
        asked = read_tick(tick)
        view = view_at(state, asked.at)
        ahead, rate = ahead_of(view, period), one_rate(view.snapshot)
        spend, budget = ahead.spend, view.budget
        minute = 0 if math.isnan(spend.until) else spend.until // REDRAWN_SECONDS
        etag = f"{period} {spend.start} {minute} {asked.scheme} {view.moment} {ahead.budget}"
        figure = None
        if etag != drawn and spend.first is not None:
            marks = (spend.first, *(one for one in view.spend_marks(spend.since) if one.time > spend.first.time))
            figure = spending.build(course(marks, STEPS_SECONDS[spend.period]), ahead, asked.scheme)
        others = [ahead_of(view, one) for one in PERIODS if math.isfinite(budget.most(one))]
        parts, forecast = spending_body.parts(ahead), spending_body.forecast(ahead)
        return (
            figure if figure else no_update if etag == drawn else {"data": [], "layout": {}},
            etag,
            no_update if etag == drawn else "" if figure else NOTHING.format(spend.period),
            spending_body.alerts(budget_text.alerts(budget, rate, others)),
            spending_body.tiles(ahead, budget, rate),
            budget_text.basis_text(ahead),
            parts,
            parts is None,
            forecast,
            forecast is None,
        )


def outlooks() -> Callable[[View, Period], Outlook]:
    """What looks ahead, and remembers that until the next tick; of a moment of the past until another one is asked for."""
    found: dict[Period, tuple[str, Outlook]] = {}

    def ahead_of(view: View, period: Period) -> Outlook:
        known, etag = found.get(period), f"{view.moment} {view.etag}"
        if known is None or known[0] != etag:
            known = found[period] = etag, look_ahead(view, period)
        return known[1]

    return ahead_of


def budgets() -> Callable[[View], list[Outlook]]:
    """The same of those periods that have a budget."""
    ahead_of = outlooks()
    return lambda view: [ahead_of(view, period) for period in PERIODS if math.isfinite(view.budget.most(period))]
