"""Utilization: the heatmap of workers over time, and the worker that was clicked."""

from __future__ import annotations

from typing import Any

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.figures.units import LABELS
from drm.layouts import heat_controls, lifetimes
from drm.layouts.actions import worker_buttons
from drm.layouts.content import Content
from drm.layouts.controls import segments
from drm.layouts.figure import figure

KEY = "utilization"

NAMED: dict[str, Any] = {"aria-labelledby": ids.DETAIL_TITLE}

LIFE_COLUMNS = ("State", "From", "Until", "Lasted", "Why")
TASK_COLUMNS = ("Task", "State", "Started", "Ran for", "Asked for", "Used")


def layout(*, actions: bool = False) -> list[Component]:
    """The tab's content; `actions`: with buttons that change the worker that is open."""
    return [
        dcc.Store(id=ids.SELECTED, data={"worker": None, "group": None}),
        dcc.Store(id=ids.OPENED),
        *(dcc.Store(id=store(ids.DETAIL_KEY)) for store in (ids.tick, ids.wire, ids.busy, ids.drawn, ids.zoom)),
        html.Section(
            [
                html.Div([html.H2("Workers over time"), _choices()], className="drm-card-head"),
                heat_controls.layout(),
                html.P("", id=ids.empty(KEY), className="drm-empty"),
                figure(KEY, "Workers over time", opens=ids.DETAIL),
                html.P("", id=ids.card(KEY, "note"), className="drm-note"),
            ],
            className="drm-card",
        ),
        html.Section(_detail(actions), id=ids.DETAIL, className="drm-card", hidden=True, tabIndex=-1, **NAMED),
        lifetimes.layout(),
    ]


def _choices() -> Component:
    return html.Div(
        [
            dbc.Button("All workers", id=ids.SHOW_ALL, size="sm", color="secondary", outline=True, style={"display": "none"}),
            segments(ids.RESOURCE, "Resource", {name: LABELS[name] for name in ("cpu", "memory")}),
            segments(ids.MEASURE, "Measure", {"used": "used", "allocated": "allocated"}),
        ],
        className="drm-controls",
    )


def _detail(actions: bool) -> list[Component]:
    return [
        html.Div(
            [
                html.H2("", id=ids.DETAIL_TITLE),
                html.Div(worker_buttons() if actions else [], id=ids.WORKER_ACTIONS, className="drm-worker-acts"),
                dbc.Button("Close", id=ids.CLOSE_DETAIL, size="sm", color="secondary", outline=True),
            ],
            className="drm-card-head",
        ),
        html.P("", id=ids.DETAIL_FACTS),
        html.P(dbc.Button("", id=ids.DETAIL_DECISION, size="sm", color="secondary", outline=True, style={"display": "none"})),
        html.H3("", id=ids.DETAIL_CAPTION),
        html.P("", id=ids.empty(ids.DETAIL_KEY), className="drm-empty"),
        figure(ids.DETAIL_KEY, "The worker over time"),
        html.Div(
            [
                html.Div(
                    [
                        html.H3("Lifetime"),
                        html.P("", id=ids.card(ids.DETAIL_LIVES, "note"), className="drm-note"),
                        dcc.Store(id=ids.DETAIL_LIVES_AT),
                        _table(LIFE_COLUMNS, ids.DETAIL_LIVES),
                    ],
                    id=ids.DETAIL_LIVES_CARD,
                ),
                html.Div([html.H3("Tasks"), _table(TASK_COLUMNS, ids.DETAIL_TASKS)]),
            ],
            className="drm-columns",
        ),
        html.H3("What was paid for it, and what for"),
        dcc.Store(id=ids.DETAIL_SPEND_DRAWN),
        html.P("", id=ids.DETAIL_SPEND_TEXT),
        Content(ids.DETAIL_SPEND_TABLE, "drm-scroll"),
        html.Details(
            [html.Summary("By time (UTC)"), Content(ids.DETAIL_SPEND_PARTS_TABLE, "drm-scroll")],
            id=ids.DETAIL_SPEND_PARTS,
            className="drm-parts",
            hidden=True,
        ),
    ]


def _table(columns: tuple[str, ...], rows: str) -> Component:
    return html.Div(
        dbc.Table(
            [html.Thead(html.Tr([html.Th(name, scope="col") for name in columns])), Content(rows, tag="tbody")],
            size="sm",
            className="drm-table",
        ),
        className="drm-scroll",
    )
