"""Allocation: what workers have, hold and use; what is stranded; how uneven it is; which tasks stand where."""

from __future__ import annotations

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.figures.theme import CONFIG
from drm.figures.units import LABELS
from drm.layouts.content import Content
from drm.layouts.controls import segments
from drm.layouts.figure import figure

KEY = "allocation"

SORT_LABELS = {"name": "name", "allocated": "most allocated", "slack": "most slack"}
BAR_CONFIG: Any = {**CONFIG, "displayModeBar": False}
"""Nothing here can be zoomed into: the bar of buttons would only cover the last tick."""


def layout() -> list[Component]:
    """The tab's content."""
    return [
        *(dcc.Store(id=store(ids.PACKING_KEY)) for store in (ids.wire, ids.zoom)),
        html.Section(
            [
                html.Div([html.H2("Capacity, allocated and used"), _choices()], className="drm-card-head"),
                html.P(
                    [html.Span(name, className=f"drm-key drm-key-{name}") for name in ("capacity", "allocated", "used")],
                    className="drm-keys",
                ),
                html.P("", id=ids.empty(KEY), className="drm-empty"),
                figure(KEY, "Capacity, allocated and used of each worker", BAR_CONFIG, scrolls=True),
                html.P("", id=ids.card(KEY, "rows"), className="drm-note"),
            ],
            className="drm-card",
        ),
        Content(ids.card(KEY, "findings"), "drm-findings"),
        html.Section(
            [
                html.H2("Packing"),
                html.P(
                    [
                        html.Span("free", className="drm-key drm-key-capacity"),
                        html.Span([], id=ids.card(ids.PACKING_KEY, "keys"), className="drm-keys"),
                    ],
                    className="drm-keys",
                ),
                figure(ids.PACKING_KEY, "What each worker has allocated and free", BAR_CONFIG, scrolls=True),
                html.P("", id=ids.card(ids.PACKING_KEY, "note"), className="drm-note"),
            ],
            id=ids.card(ids.PACKING_KEY, "section"),
            className="drm-card",
            hidden=True,
        ),
    ]


def _choices() -> Component:
    return html.Div(
        [
            segments(
                ids.ALLOCATION_RESOURCE,
                "Resource of the order, the imbalance and the packing",
                {name: LABELS[name] for name in ("cpu", "memory")},
            ),
            segments(ids.ALLOCATION_SORT, "Order of the workers", SORT_LABELS),
        ],
        className="drm-controls",
    )
