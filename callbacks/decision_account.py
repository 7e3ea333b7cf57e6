"""What a decision cost or saved, as elements: the numbers, how they were worked out, and the workers that they are added up from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drm import ids
from drm.analysis.decision_cost import DecisionCost
from drm.callbacks import elements as html
from drm.callbacks.elements import Element
from drm.callbacks.money_link import money_link
from drm.figures import decision_cost_text
from drm.figures.decision_cost_text import WorkerRow
from drm.figures.units import plain

HEADS = ("Worker", "Hours", "Price an hour", "Comes to")
NUMBERS, SUM = "drm-number drm-right", "drm-sum"


def body(cost: DecisionCost) -> list[Element]:
    """The account; an amount opens the workers that it is the sum of, or the formula by which it is a part of that sum."""
    rows = decision_cost_text.worker_rows(cost)
    opens = [ids.DECISION_WORKERS_TABLE if rows else ids.DECISION_FORMULA, ids.DECISION_FORMULA]
    facts = []
    for index, (label, amount, text) in enumerate(decision_cost_text.facts(cost)):
        facts.append((label, [money_link(amount, opens[index]), text] if amount else text))
    return [
        html.H3(decision_cost_text.heading(cost)),
        facts_list(facts),
        html.P(decision_cost_text.formula(cost), id=ids.DECISION_FORMULA, className="drm-note"),
        *([_workers(rows)] if rows else []),
    ]


def facts_list(found: Sequence[tuple[str, Any]]) -> Element:
    """Labels and what is said of each."""
    return html.Dl([part for label, text in found for part in (html.Dt(label), html.Dd(text))], className="drm-facts")


def _workers(rows: Sequence[WorkerRow]) -> Element:
    lines = []
    for row in rows:
        cells = [html.Td(text, className=NUMBERS) for text in (row.hours, row.price, row.money)]
        lines.append(html.Tr([html.Th(plain(row.name), scope="row"), *cells], className=SUM if row.is_sum else None))
    head = html.Tr([html.Th(name, scope="col", className=NUMBERS if index else None) for index, name in enumerate(HEADS)])
    table = html.Table([html.Thead(head), html.Tbody(lines)], className="table table-sm drm-table")
    return html.Details(
        [html.Summary("By worker"), html.Div(table, id=ids.DECISION_WORKERS_TABLE, className="drm-scroll")], className="drm-parts"
    )
