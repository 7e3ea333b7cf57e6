"""The range that is shown: one of the reader's own, by fields or by dragging over an axis of time."""

from __future__ import annotations

import math
from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.callbacks import time_words
from drm.callbacks.in_browser import in_browser
from drm.callbacks.ticks import read_range
from drm.errors import InvalidValueError
from drm.state import DRMState
from drm.tabs import RANGES

TIME_GRAPHS = ("overview", "utilization", ids.LIFETIMES_KEY, ids.DETAIL_KEY, "scaling", "efficiency", "cloud")
"""The graphs with an axis of time."""


def register(app: Dash, state: DRMState) -> None:
    """Adds the callbacks of the range."""
    # No outputs: the ticks that tell of it come from these very controls, and Dash stops at a circle.
    app.clientside_callback(in_browser("dropTime"), Input(ids.HEALTH, "data"), State(ids.RANGE, "value"), State(ids.AT, "data"))
    app.clientside_callback(
        in_browser("presentKnown"),
        *(Output(button, "disabled") for button in (ids.CUSTOM, ids.LOOK_BACK)),
        Input(ids.HEALTH, "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        in_browser("brush"),
        Output(ids.RANGE, "value", allow_duplicate=True),
        Output(ids.AT, "data", allow_duplicate=True),
        Output(ids.BRUSHED, "data"),
        *(Input(ids.graph(key), "relayoutData") for key in TIME_GRAPHS),
        State(ids.RANGE, "value"),
        State(ids.AT, "data"),
        State(ids.BRUSHED, "data"),
        State(ids.HEALTH, "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        in_browser("openSpan"),
        Output(ids.SPAN_PANEL, "hidden"),
        Output(ids.SPAN_FROM, "value"),
        Output(ids.SPAN_TO, "value"),
        Input(ids.CUSTOM, "n_clicks"),
        State(ids.SPAN_PANEL, "hidden"),
        State(ids.HEALTH, "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        in_browser("askSpan"),
        Output(ids.SPAN, "data"),
        Input(ids.APPLY_SPAN, "n_clicks"),
        State(ids.SPAN_FROM, "value"),
        State(ids.SPAN_TO, "value"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output(ids.RANGE, "value", allow_duplicate=True),
        Output(ids.AT, "data", allow_duplicate=True),
        Output(ids.SPAN_WORDS, "children"),
        Output(ids.SPAN_PANEL, "hidden", allow_duplicate=True),
        Input(ids.SPAN, "data"),
        prevent_initial_call=True,
    )
    def choose(span: object) -> tuple[Any, ...]:
        since, until = _read_span(span)
        problem = time_words.span_problem(since, until, state.snapshot.time)
        if problem or since is None or until is None:
            return no_update, no_update, problem, no_update
        seconds = round(until[1] - since[1])
        chosen = next((name for name, offered in RANGES.items() if offered == seconds), f"{seconds}s")
        return chosen, f"{until[1]:.0f}", "", True

    @app.callback(Output(ids.RANGE, "options"), Input(ids.RANGE, "value"), prevent_initial_call=True)
    def offer(chosen: object) -> list[dict[str, str]]:
        known = str(chosen) in RANGES
        return time_words.range_options(*(() if known else (str(chosen), read_range(chosen))))


def _read_span(span: object) -> list[tuple[str, float] | None]:
    """(text, epoch seconds) of both ends; None for an empty field. InvalidValueError on what no page of ours sends."""
    match span:
        case [since, until]:
            ends = [since, until]
        case _:
            raise InvalidValueError("a span is two moments: reload the page")
    found: list[tuple[str, float] | None] = []
    for end in ends:
        match end:
            case None:
                found.append(None)
            case [str(text), int(moment) | float(moment)] if math.isfinite(moment):
                found.append((text, float(moment)))
            case _:
                raise InvalidValueError("a moment of a span is a text and epoch seconds: reload the page")
    return found
