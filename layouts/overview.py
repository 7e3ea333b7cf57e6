"""Overview: cards of what runs, what waits and what the controller last did, and the pool over time."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from drm import ids
from drm.layouts.figure import figure

KEY = "overview"


def layout() -> list[Component]:
    """The tab's content."""
    return [
        html.Div(
            [
                _number_card("tasks", "Tasks"),
                _number_card("queue", "Queue"),
                html.Section(
                    [
                        html.H2("Controller"),
                        html.P("", id=ids.card("decision", "action"), className="drm-sentence"),
                        html.P("", id=ids.card("decision", "now")),
                        html.P("", id=ids.card("decision", "size"), className="drm-note"),
                        html.P("", id=ids.card("decision", "warning"), className="drm-warning"),
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
                figure(KEY, "Pool and demand"),
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
