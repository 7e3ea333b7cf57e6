"""Scaling: why not now, the pool and its decisions over time, the explanation of one of them, and the ledger as a table."""

from __future__ import annotations

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.figures.units import LABELS
from drm.layouts import ledger
from drm.layouts.content import Content
from drm.layouts.controls import segments
from drm.layouts.figure import figure

KEY = "scaling"


def layout() -> list[Component]:
    """The tab's content."""
    return [
        dcc.Store(id=ids.DECISION, data=""),
        dcc.Store(id=ids.EXPLANATION_AT),
        *(dcc.Store(id=store(ids.EXPLANATION_KEY)) for store in (ids.tick, ids.busy, ids.drawn)),
        html.Section(
            html.Div(
                [
                    html.P("", id=ids.NOW_TEXT, className="drm-sentence"),
                    dbc.Button("Why not now?", id=ids.WHY_NOT, size="sm", color="primary", className="drm-ask"),
                ],
                className="drm-card-head",
            ),
            className="drm-card",
        ),
        html.Section(
            [
                html.Div(
                    [
                        html.H2("Pool, decisions and demand over time"),
                        segments(ids.DEMAND_RESOURCE, "Resource of the demand", {name: LABELS[name] for name in ("cpu", "memory")}),
                    ],
                    className="drm-card-head",
                ),
                html.P("", id=ids.empty(KEY), className="drm-empty"),
                figure(KEY, "Sizes, demand and utilization over time, with decisions"),
                html.P("Click a mark, or a row of the table below, for its explanation.", className="drm-note"),
            ],
            className="drm-card",
        ),
        html.Section(_explanation(), id=ids.EXPLANATION, className="drm-card", hidden=True),
        html.Section([html.H2("Ledger: every evaluation in the range"), *ledger.layout()], className="drm-card"),
    ]


def _explanation() -> list[Component]:
    return [
        html.Div(
            [
                html.Div([html.H2("", id=ids.EXPLANATION_TITLE), html.Span("", id=ids.EXPLANATION_TIME, className="drm-note")]),
                html.Div(
                    [
                        dbc.Button("As of this moment", id=ids.AS_OF_DECISION, size="sm", color="secondary", outline=True),
                        dbc.Button("Close", id=ids.CLOSE_EXPLANATION, size="sm", color="secondary", outline=True),
                    ],
                    className="drm-controls",
                ),
            ],
            className="drm-card-head",
        ),
        Content(ids.EXPLANATION_BODY),
    ]
