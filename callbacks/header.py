"""The header's own tick: source, health, what is to be said of the time that is shown and of history, and the Resource Summary."""

from __future__ import annotations

import math
import time
from typing import Any

from dash import Dash, Input, Output, no_update

from drm import ids
from drm.analysis.outlook import one_rate
from drm.callbacks import spending, summary, time_words
from drm.callbacks.ticks import read_tick, view_at
from drm.figures import budget_text
from drm.figures.units import plain
from drm.state import DRMState
from drm.tabs import DEFAULT_RANGE, range_seconds

BADGES = {"live": "LIVE", "external": "EXTERNAL", "simulated": "SIMULATED"}


def register(app: Dash, state: DRMState) -> None:
    """Adds the header's callback."""
    budgets = spending.budgets()

    @app.callback(
        output={
            "health": Output(ids.HEALTH, "data"),
            "source": Output(ids.SOURCE, "children"),
            "source_class": Output(ids.SOURCE, "className"),
            "ago": Output(ids.PAST_AGO, "children"),
            "words": Output(ids.TIME_WORDS, "children"),
            "unknown": Output(ids.UNKNOWN, "children"),
            "recording": (Output(ids.RECORDING, "children"), Output(ids.RECORDING, "className")),
            "summary": Output(ids.SUMMARY, "content"),
        },
        inputs={"tick": Input(ids.tick(ids.SHELL_KEY), "data")},
        running=[(Output(ids.busy(ids.SHELL_KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def show_health(tick: object) -> dict[str, Any]:
        asked = read_tick(tick)
        seconds, view = asked.range_seconds, view_at(state, asked.at)
        health, snapshot = state.health, view.snapshot
        source, now = snapshot.source, state.snapshot.time
        recorded, is_warning = state.recording.told(now)
        problem = time_words.tick_problem(asked.range_text, asked.at, now)
        past = "" if view.moment is None else "PAST of "
        told_budget = budget_text.briefly(budgets(view), view.budget, one_rate(snapshot))
        told = {
            "ok": health.ok,
            "error": plain(health.error, 200),
            "errors": health.errors,
            "interval": health.interval_seconds,
            "now": None if math.isnan(now) else now,
            "end": view.end(),
            "range": seconds,
            # What cannot be shown does not stay in the address: a moment of the future would come.
            "default_range": None if range_seconds(asked.range_text) else DEFAULT_RANGE,
            "is_future": asked.at is not None and view.moment is None,
            "age": None if math.isnan(health.ticked_monotonic) else time.monotonic() - health.ticked_monotonic,
        }
        return {
            "health": told,
            "source": f"{past}{BADGES[source.kind]} {plain(source.label, 60)}",
            "source_class": f"drm-badge drm-badge-{'past' if past else source.kind}",
            "ago": time_words.ago(now - view.moment) if view.moment is not None else "",
            "words": problem or no_update,
            "unknown": " ".join(view.unknown),
            "recording": (plain(recorded, 400), "drm-warning" if is_warning else "drm-note"),
            "summary": summary.items(snapshot, view.scaling_events(seconds), seconds, told_budget),
        }
