"""Utilization: the heatmap of workers over time, and the worker that was clicked."""

from __future__ import annotations

from typing import Any

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.figures.theme import CONFIG
from drm.figures.units import LABELS

KEY = "utilization"

TASK_COLUMNS = ("Task", "State", "Started", "Ran for", "Asked for", "Used")


def layout() -> list[Component]:
    """The tab's content."""
    return [
        dcc.Store(id=ids.SELECTED, data={"worker": None, "group": None}),
        *(dcc.Store(id=store(ids.DETAIL_KEY)) for store in (ids.tick, ids.wire, ids.busy, ids.drawn, ids.zoom)),
        html.Section(
            [
                html.Div([html.H2("Workers over time"), _choices()], className="drm-card-head"),
                html.P("", id=ids.empty(KEY), className="drm-empty"),
                dcc.Graph(id=ids.graph(KEY), config=CONFIG, className="drm-graph", responsive=True),
                html.P(
                    "Share of each worker's capacity; blank where there was no sample. Click a row to open its worker.",
                    className="drm-note",
                ),
            ],
            className="drm-card",
        ),
        html.Section(_detail(), id=ids.DETAIL, className="drm-card", hidden=True),
    ]


def _choices() -> Component:
    return html.Div(
        [
            dbc.Button("All workers", id=ids.SHOW_ALL, size="sm", color="secondary", outline=True, style={"display": "none"}),
            _segments(ids.RESOURCE, "Resource", {name: LABELS[name] for name in ("cpu", "memory")}),
            _segments(ids.MEASURE, "Measure", {"used": "used", "allocated": "allocated"}),
        ],
        className="drm-controls",
    )


def _segments(component_id: str, name: str, labels: dict[str, str]) -> Component:
    label: dict[str, Any] = {"aria-label": name}
    return html.Div(
        dbc.RadioItems(
            id=component_id,
            options=[{"label": label, "value": value} for value, label in labels.items()],
            value=next(iter(labels)),
            className="btn-group drm-radio",
            input_class_name="btn-check",
            label_class_name="btn btn-outline-secondary btn-sm",
        ),
        role="group",
        **label,
    )


def _detail() -> list[Component]:
    return [
        html.Div(
            [
                html.H2("", id=ids.DETAIL_TITLE),
                dbc.Button("Close", id=ids.CLOSE_DETAIL, size="sm", color="secondary", outline=True),
            ],
            className="drm-card-head",
        ),
        html.P("", id=ids.DETAIL_FACTS),
        dcc.Graph(id=ids.graph(ids.DETAIL_KEY), config=CONFIG, className="drm-graph", responsive=True),
        html.H3("Tasks"),
        html.Div(
            dbc.Table(
                [
                    html.Thead(html.Tr([html.Th(name, scope="col") for name in TASK_COLUMNS])),
                    html.Tbody([], id=ids.DETAIL_TASKS),
                ],
                size="sm",
                className="drm-table",
            ),
            className="drm-scroll",
        ),
    ]
