"""The Resource Summary: what the header's tick shows of the Snapshot that it was given. What is not known, or not there, is left out."""

from __future__ import annotations

from typing import Any

from drm import ids
from drm.address import leads_to
from drm.callbacks import elements as html
from drm.callbacks.elements import Element
from drm.figures import summary
from drm.figures.units import LABELS, UNKNOWN
from drm.snapshot import Snapshot

HIDDEN_FROM_READERS: dict[str, Any] = {"aria-hidden": "true"}
"""The bars say what the texts beside them say."""


def items(snapshot: Snapshot, events: tuple[int, int], range_seconds: float, budget: str) -> list[Element]:
    """The strip's content; `events`: the scale-ups and scale-downs of the range; `budget`: what is to be said of it, in a few words."""
    cost = summary.cost_text(snapshot)
    return [
        _item("workers", "Active workers", summary.workers_text(snapshot)),
        *(_resource(name, text) for name, text in summary.resource_texts(snapshot).items()),
        _item("scaling", "Scaling", summary.scaling_text(events, range_seconds)),
        *([_cost(cost or UNKNOWN, budget)] if cost or budget else []),
    ]


def _item(name: str, heading: str, text: dict[str, str]) -> Element:
    notes = [html.Span(text[part], id=ids.summary(name, part), className=f"drm-summary-{part}") for part in text if part != "value"]
    return html.Div(
        [
            html.Div(heading, className="drm-summary-name"),
            html.Div(text["value"], id=ids.summary(name, "value"), className="drm-summary-value"),
            html.Div(notes, className="drm-note"),
        ],
        id=ids.summary(name, "item"),
        className="drm-summary-item",
    )


def _cost(rate: str, budget: str) -> Element:
    """The rate opens the instances that it is made of, what is said of the budget its forecast."""
    name, to_cloud = "cost", {ids.TABS: "cloud"}
    instances: dict[str, Any] = leads_to(ids.CLOUD_TABLE, **to_cloud)
    forecast: dict[str, Any] = leads_to(ids.SPENDING_TILES, **to_cloud) | {"title": "Show the budget and its forecast"}
    told = html.Button(budget, id=ids.summary(name, "warning"), className="drm-warning drm-money", **forecast)
    return html.Div(
        [
            html.Div("Cost rate", className="drm-summary-name"),
            html.Button(rate, id=ids.summary(name, "value"), className="drm-summary-value drm-money", **instances),
            html.Div(told if budget else None, className="drm-note"),
        ],
        id=ids.summary(name, "item"),
        className="drm-summary-item",
    )


def _resource(name: str, text: dict[str, Any]) -> Element:
    """Capacity is the track, allocated the wide bar, used the narrow one within: one bar, three numbers."""
    return html.Div(
        [
            html.Div(
                [
                    html.Span(LABELS[name], className="drm-summary-name"),
                    html.Span(text["total"], id=ids.summary(name, "total"), className="drm-summary-value"),
                ],
                className="drm-bar-head",
            ),
            html.Div([_bar(part, text) for part in ("allocated", "used")], className="drm-bar", **HIDDEN_FROM_READERS),
            html.Div(
                [html.Span(text[part], id=ids.summary(name, part), className=f"drm-key drm-key-{part}") for part in ("used", "allocated")],
                className="drm-bar-head drm-note",
            ),
        ],
        id=ids.summary(name, "item"),
        className="drm-summary-item drm-summary-resource",
    )


def _bar(part: str, text: dict[str, Any]) -> Element:
    return html.Div(className=f"drm-bar-{part}", style={"width": f"{text[f'{part}_width']:.1f}%"})
