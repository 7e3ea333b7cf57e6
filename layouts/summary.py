"""The Resource Summary: a strip above the tabs of what the pool has, how much of it is used, and how often it scaled."""

from __future__ import annotations

from typing import Any

from dash import html
from dash.development.base_component import Component

from drm import ids
from drm.address import leads_to
from drm.figures.units import LABELS
from drm.model import RESOURCES

NAME: dict[str, Any] = {"aria-label": "Resource Summary"}
HIDDEN_FROM_READERS: dict[str, Any] = {"aria-hidden": "true"}
"""The bars say what the texts beside them say."""


def layout(live_path: str | None) -> Component:
    """The strip. What is not known, or not there, is hidden. `live_path`: where a POST opens a live dashboard, if there is one to open."""
    return html.Section(
        [
            _item("workers", "Active workers", "note", "warning"),
            *(_resource(name) for name in RESOURCES),
            _item("scaling", "Scaling", "note"),
            _cost(),
            *([_live_button(live_path)] if live_path else []),
        ],
        **NAME,
        className="drm-summary",
    )


def _live_button(path: str) -> Component:
    button = html.Button("Open the live dashboard", className="btn btn-sm drm-button", title="In a new tab: this page, pushed at each tick")
    return html.Form(button, action=path, method="POST", target="_blank", className="drm-summary-live")


def _item(name: str, heading: str, *parts: str) -> Component:
    return html.Div(
        [
            html.Div(heading, className="drm-summary-name"),
            html.Div("–", id=ids.summary(name, "value"), className="drm-summary-value"),
            html.Div([html.Span("", id=ids.summary(name, part), className=f"drm-summary-{part}") for part in parts], className="drm-note"),
        ],
        id=ids.summary(name, "item"),
        className="drm-summary-item",
    )


def _cost() -> Component:
    """The rate opens the instances that it is made of, what is said of the budget its forecast."""
    name = "cost"
    to_cloud = {ids.TABS: "cloud"}
    rate: dict[str, Any] = leads_to(ids.CLOUD_TABLE, **to_cloud)
    budget: dict[str, Any] = leads_to(ids.SPENDING_TILES, **to_cloud) | {"title": "Show the budget and its forecast"}
    return html.Div(
        [
            html.Div("Cost rate", className="drm-summary-name"),
            html.Button("–", id=ids.summary(name, "value"), className="drm-summary-value drm-money", **rate),
            html.Div(html.Button("", id=ids.summary(name, "warning"), className="drm-warning drm-money", **budget), className="drm-note"),
        ],
        id=ids.summary(name, "item"),
        className="drm-summary-item",
        hidden=True,
    )


def _resource(name: str) -> Component:
    """Capacity is the track, allocated the wide bar, used the narrow one within: one bar, three numbers."""
    return html.Div(
        [
            html.Div(
                [
                    html.Span(LABELS[name], className="drm-summary-name"),
                    html.Span("", id=ids.summary(name, "total"), className="drm-summary-value"),
                ],
                className="drm-bar-head",
            ),
            html.Div(
                [
                    html.Div(id=ids.summary(name, "allocated-bar"), className="drm-bar-allocated", style={"width": "0%"}),
                    html.Div(id=ids.summary(name, "used-bar"), className="drm-bar-used", style={"width": "0%"}),
                ],
                className="drm-bar",
                **HIDDEN_FROM_READERS,
            ),
            html.Div(
                [
                    html.Span("", id=ids.summary(name, "used"), className="drm-key drm-key-used"),
                    html.Span("", id=ids.summary(name, "allocated"), className="drm-key drm-key-allocated"),
                ],
                className="drm-bar-head drm-note",
            ),
        ],
        id=ids.summary(name, "item"),
        className="drm-summary-item drm-summary-resource",
        hidden=True,
    )
