"""What to change, and what idle time was for: two cards of the Efficiency tab."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.figures.recommendations import RULES
from drm.layouts.content import Content


def cards() -> list[Component]:
    """Filled with the tab's tick, once its figures are drawn."""
    return [
        *(dcc.Store(id=store(ids.RECOMMENDATIONS_KEY)) for store in (ids.tick, ids.drawn)),
        html.Section(
            [
                html.H2("What to change"),
                html.P("", id=ids.RECOMMENDATIONS_WORDS, className="drm-sentence"),
                Content(ids.RECOMMENDATIONS),
                html.P(RULES, className="drm-note"),
            ],
            className="drm-card",
        ),
        html.Section(
            [
                html.H2("What idle time was for"),
                html.P("", id=ids.IDLE_WORDS),
                Content(ids.IDLE_CAUSES, "drm-scroll"),
            ],
            className="drm-card",
        ),
    ]
