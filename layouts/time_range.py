"""What a reader chooses a range of time by, and what is said of the time that is shown."""

from __future__ import annotations

from typing import Any

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.layouts.panel import Panel

PLAY_MILLISECONDS = 500
"""Between two steps of playing, where the server is as fast."""
DATE_TIME: Any = "datetime-local"
"""A type of the browser's own; the component's list has others, and hands on any."""
QUIET = "btn btn-sm drm-button"
LOOK_BACK_TITLE = "See the whole page as it was at a moment of the past"


def stores() -> list[Component]:
    """What is remembered of the choice."""
    return [
        dcc.Store(id=ids.AT, data=""),
        dcc.Store(id=ids.SPAN),
        dcc.Store(id=ids.BRUSHED, data=[]),
        dcc.Interval(id=ids.PLAY_CLOCK, interval=PLAY_MILLISECONDS, disabled=True),
    ]


def buttons() -> list[Component]:
    """For the header: to the fields, and to the past; both once it is known what time it is there."""
    opens: dict[str, Any] = {"aria-controls": ids.SPAN_PANEL}
    return [
        html.Button("Custom range", id=ids.CUSTOM, className=QUIET, disabled=True, **opens),
        html.Button("Look back", id=ids.LOOK_BACK, className=QUIET, disabled=True, title=LOOK_BACK_TITLE),
    ]


def span_panel() -> Component:
    """From and to, by the browser's clock."""
    return Panel(
        [
            field(ids.SPAN_FROM, "From"),
            field(ids.SPAN_TO, "to"),
            html.Button("Apply", id=ids.APPLY_SPAN, className="btn btn-sm drm-ask"),
            html.P("", id=ids.SPAN_WORDS, className="drm-warning", role="alert"),
        ],
        id=ids.SPAN_PANEL,
        className="drm-time",
        hidden=True,
        tag="section",
        label="Custom range",
    )


def notices() -> Component:
    """Whether history is kept, what the address asked for in vain, and what is not known of the moment."""
    return html.Div(
        [
            html.P("", id=ids.RECORDING, className="drm-warning"),
            html.P("", id=ids.ADDRESS_WORDS, className="drm-warning"),
            html.P("", id=ids.TIME_WORDS, className="drm-warning"),
            html.P("", id=ids.UNKNOWN, className="drm-note"),
        ],
        className="drm-notices",
        role="status",
    )


def field(component_id: str, label: str) -> Component:
    """One of a date and a time, by the browser's clock."""
    return html.Div(
        [
            html.Label(label, htmlFor=component_id),
            dbc.Input(id=component_id, type=DATE_TIME, step=1, size="sm", debounce=True, className="drm-moment"),
        ],
        className="drm-choice",
    )


def named(name: str) -> dict[str, Any]:
    """For a screen reader."""
    return {"aria-label": name}
