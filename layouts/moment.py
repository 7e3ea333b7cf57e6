"""The bar of the moment that is looked at: what it is, the ways to others, and the way back."""

from __future__ import annotations

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component

from drm import ids
from drm.layouts.panel import Panel
from drm.layouts.time_range import QUIET, field, named
from drm.tabs import SPEEDS


def layout() -> Component:
    """The moment, the ways to others, and the way back; hidden as long as the page is live."""
    return Panel(
        [
            html.Div(
                [
                    html.Span("PAST", className="drm-badge drm-badge-past"),
                    html.Strong("", id=ids.PAST_TIME, className="drm-number"),
                    html.Span("", id=ids.PAST_AGO, className="drm-note"),
                ],
                className="drm-time-part",
            ),
            html.Div(
                [
                    _button(ids.DECISION_BEFORE, "◂ decision", "To the decision before that changed the pool, or was to"),
                    _button(ids.MINUTE_BEFORE, "− 1 min", "One minute back"),
                    _button(ids.PLAY, "Play", "Let time go on from here"),
                    html.Label("Speed", htmlFor=ids.SPEED, className="visually-hidden"),
                    dbc.Select(
                        id=ids.SPEED,
                        options=[{"label": f"{speed} ×", "value": str(speed)} for speed in SPEEDS],
                        value=str(SPEEDS[0]),
                        size="sm",
                    ),
                    _button(ids.MINUTE_AFTER, "+ 1 min", "One minute on"),
                    _button(ids.DECISION_AFTER, "decision ▸", "To the next decision that changed the pool, or was to"),
                ],
                className="drm-time-part",
                role="group",
                **named("Steps in time"),
            ),
            html.Div(
                [field(ids.JUMP, "Go to"), html.Button("Back to live", id=ids.LIVE, className="btn btn-sm drm-ask")],
                className="drm-time-part",
            ),
        ],
        id=ids.PAST_BAR,
        className="drm-time drm-past",
        hidden=True,
        tag="section",
        label="Moment of the past",
    )


def _button(component_id: str, text: str, title: str) -> Component:
    # A text of signs is nothing to be read out; one of words is the name, and may change.
    return html.Button(text, id=component_id, className=QUIET, title=title, **({} if text.isalpha() else named(title)))
