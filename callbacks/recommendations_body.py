"""What the cards of recommendations and idle causes show as elements. The browser itself opens a recommendation, by click or by key."""

from __future__ import annotations

from typing import Any

from drm import ids
from drm.callbacks import elements as html
from drm.callbacks.elements import Element
from drm.callbacks.money_link import money_link
from drm.figures import idle_causes
from drm.figures.recommendations import Line

HEADS = ("What", "Task, worker or type", "Change", "Saves a month", "Confidence", "Risk")
CAUSE_HEADS = ("Cause", "What it is", "Of what was paid", "Share", "Worker-hours", "Cost")
HIDDEN: dict[str, Any] = {"aria-hidden": "true"}
"""Bars and heads say what the texts beside them say."""
NUMBERS, NUMBER_HEADS = "drm-number drm-right", 3


def table(lines: list[Line]) -> Element | None:
    """A line for each, with its detail below once it is chosen; None where there is none."""
    if not lines:
        return None
    head = html.Div([html.Span(text) for text in HEADS], className="drm-advice-row drm-advice-head", **HIDDEN)
    return html.Div([head, *map(_line, lines)], className="drm-advice")


def causes(rows: list[idle_causes.Row]) -> Element | None:
    """A row for each cause; None where nothing stood idle."""
    if not rows:
        return None
    head = [
        html.Th(text, scope="col", className=NUMBERS if index >= len(CAUSE_HEADS) - NUMBER_HEADS else None)
        for index, text in enumerate(CAUSE_HEADS)
    ]
    return html.Table(
        [html.Thead(html.Tr(head)), html.Tbody([_cause(one) for one in rows])],
        className="table table-sm drm-table drm-table-wide drm-ladder",
    )


def _line(one: Line) -> Element:
    cells = [
        html.Span(one.what, className=f"drm-advice-what{' drm-advice-guards' if one.guards else ''}"),
        html.Span(one.subject),
        html.Span(one.change),
        html.Span(one.saving, className="drm-number"),
        html.Span(one.confidence, className=f"drm-advice-{one.confidence}"),
        html.Span(one.risk),
    ]
    facts = [part for name, text in one.facts for part in (html.Dt(name), html.Dd(text))]
    parts = [html.Summary(cells, className="drm-advice-row"), html.Dl(facts, className="drm-facts")]
    marks: dict[str, Any] = {"data-key": one.key}
    return html.Details(parts, **marks)


def _cause(one: idle_causes.Row) -> Element:
    bar = html.Div(className="drm-fall drm-fall-piece", style={"left": "0%", "width": f"{one.width:.2f}%"})
    cells = [
        html.Th(one.name, scope="row"),
        html.Td(one.detail, className="drm-note drm-detail"),
        html.Td(html.Div(bar, className="drm-fall-track", **HIDDEN)),
        *(html.Td(text, className=NUMBERS) for text in (one.share, one.hours)),
        html.Td(money_link(one.money, ids.LADDER_TABLE, **{ids.TABS: "cloud"}), className=NUMBERS),
    ]
    return html.Tr(cells)
