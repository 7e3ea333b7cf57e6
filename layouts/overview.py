"""Overview: cards of what runs, what waits and what the controller last did, and the pool over time."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from drm import ids
from drm.layouts.content import Content
from drm.layouts.figure import figure

KEY = "overview"


def layout() -> list[Component]:
    """The tab's content."""
    return [
        Content(ids.OVERVIEW_CARDS, "drm-cards"),
        html.Section(
            [
                html.H2("Pool and demand"),
                html.P("", id=ids.empty(KEY), className="drm-empty"),
                figure(KEY, "Pool and demand"),
            ],
            className="drm-card",
        ),
    ]
