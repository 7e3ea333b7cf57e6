"""What was spent in the running day or month, what will be by its end, and its budget: a card of the Cloud tab."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.layouts.content import Content
from drm.layouts.controls import segments
from drm.layouts.figure import figure

KEY = ids.SPENDING_KEY


def card() -> list[Component]:
    """The card, and the stores of its figure."""
    return [
        *(dcc.Store(id=store(KEY)) for store in (ids.wire, ids.zoom, ids.drawn)),
        html.Section(
            [
                html.Div(
                    [html.H2("Spend to date, forecast and budget"), segments(ids.SPEND_PERIOD, "Period", {"day": "Day", "month": "Month"})],
                    className="drm-card-head",
                ),
                Content(ids.SPENDING_ALERTS),
                Content(ids.SPENDING_TILES, "drm-tiles"),
                html.P("", id=ids.empty(KEY), className="drm-empty"),
                figure(KEY, "Spend to date, forecast and budget"),
                html.P("", id=ids.SPENDING_NOTE, className="drm-note"),
                html.Details(
                    [html.Summary("What the sum is made of"), Content(ids.SPENDING_PARTS_TABLE, "drm-scroll")],
                    id=ids.SPENDING_PARTS,
                    className="drm-parts",
                ),
                html.Details(
                    [html.Summary("What the forecast is made of"), Content(ids.SPENDING_FORECAST_TABLE, "drm-scroll")],
                    id=ids.SPENDING_FORECAST,
                    className="drm-parts",
                    hidden=True,
                ),
            ],
            className="drm-card",
        ),
    ]
