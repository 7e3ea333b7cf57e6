"""Efficiency: how much of what is allocated is used, by whom, and what to change."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.figures.units import LABELS
from drm.layouts import recommendations
from drm.layouts.content import Content
from drm.layouts.controls import segments
from drm.layouts.figure import figure

KEY = "efficiency"


def layout() -> list[Component]:
    """The tab's content."""
    extra_keys = (ids.EFFICIENCY_WORKERS_KEY, ids.EFFICIENCY_TASKS_KEY)
    return [
        *(dcc.Store(id=store(key)) for key in extra_keys for store in (ids.wire, ids.zoom)),
        Content(ids.EFFICIENCY_CARDS, "drm-cards drm-cards-even"),
        html.Section(
            [
                html.Div(
                    [
                        html.H2("Efficiency over time"),
                        segments(ids.EFFICIENCY_RESOURCE, "Resource of the figures", {name: LABELS[name] for name in ("cpu", "memory")}),
                    ],
                    className="drm-card-head",
                ),
                *_graph(KEY, "Used of what is allocated, over time"),
            ],
            className="drm-card",
        ),
        *recommendations.cards(),
        html.Div(
            [
                html.Section(
                    [
                        html.Div(
                            [
                                html.H2("Tasks: asked for and used"),
                                segments(ids.EFFICIENCY_BY, "Tasks by", {"name": "by name", "shape": "by request"}),
                            ],
                            className="drm-card-head",
                        ),
                        *_graph(ids.EFFICIENCY_TASKS_KEY, "Tasks: requested and used"),
                    ],
                    className="drm-card",
                ),
                html.Section(
                    [
                        html.Div(html.H2("Workers: allocated and used"), className="drm-card-head"),
                        *_graph(ids.EFFICIENCY_WORKERS_KEY, "Workers: allocated and used"),
                    ],
                    className="drm-card",
                ),
            ],
            className="drm-pair",
        ),
    ]


def _graph(key: str, name: str) -> list[Component]:
    return [
        html.P("", id=ids.empty(key), className="drm-empty"),
        figure(key, name),
        html.P("", id=ids.card(key, "note"), className="drm-note"),
    ]
