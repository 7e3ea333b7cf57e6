"""Overview: cards of what is there and what the controller last did, and the pool over time."""

from __future__ import annotations

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.figures.theme import CONFIG
from drm.figures.units import LABELS
from drm.model import RESOURCES

KEY = "overview"

HIDDEN_FROM_READERS: dict[str, Any] = {"aria-hidden": "true"}
"""The bars say what the texts beside them say."""


def layout() -> list[Component]:
    """The tab's content."""
    return [
        html.Div(
            [
                _number_card("workers", "Workers"),
                _number_card("tasks", "Tasks"),
                html.Section(
                    [html.H2("Resources"), *(_resource(name) for name in RESOURCES), html.P("", id=ids.card("resources", "note"))],
                    className="drm-card drm-card-wide",
                ),
                html.Section(
                    [
                        html.H2("Controller"),
                        html.P("", id=ids.card("decision", "action"), className="drm-sentence"),
                        html.P("", id=ids.card("decision", "now"), className="drm-note"),
                    ],
                    className="drm-card drm-card-wide",
                ),
            ],
            className="drm-cards",
        ),
        html.Section(
            [
                html.H2("Pool and demand"),
                html.P("", id=ids.empty(KEY), className="drm-empty"),
                dcc.Graph(id=ids.graph(KEY), config=CONFIG, className="drm-graph", responsive=True),
            ],
            className="drm-card",
        ),
    ]


def _number_card(name: str, title: str) -> Component:
    return html.Section(
        [
            html.H2(title),
            html.P("–", id=ids.card(name, "value"), className="drm-value"),
            html.P("", id=ids.card(name, "note")),
            html.P("", id=ids.card(name, "more"), className="drm-note"),
            html.P("", id=ids.card(name, "warning"), className="drm-warning"),
        ],
        className="drm-card",
    )


def _resource(name: str) -> Component:
    """Capacity is the track, allocated the wide bar, used the narrow one within: one bar, three numbers."""
    return html.Div(
        [
            html.Div(
                [html.Strong(LABELS[name]), html.Span("", id=ids.card(name, "used"), className="drm-key drm-key-used")],
                className="drm-bar-head",
            ),
            html.Div(
                [
                    html.Div(id=ids.card(name, "allocated-bar"), className="drm-bar-allocated", style={"width": "0%"}),
                    html.Div(id=ids.card(name, "used-bar"), className="drm-bar-used", style={"width": "0%"}),
                ],
                className="drm-bar",
                **HIDDEN_FROM_READERS,
            ),
            html.Div(
                [
                    html.Span("", id=ids.card(name, "allocated"), className="drm-key drm-key-allocated"),
                    html.Span("", id=ids.card(name, "capacity"), className="drm-key drm-key-capacity"),
                ],
                className="drm-bar-head drm-note",
            ),
        ],
        id=ids.card(name, "row"),
        className="drm-resource",
        hidden=True,
    )
