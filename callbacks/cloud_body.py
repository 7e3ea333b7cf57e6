"""What the Cloud tab shows as elements: warnings, the table of kinds, the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drm import ids
from drm.callbacks import elements as html
from drm.callbacks.elements import Element
from drm.callbacks.money_link import money_link
from drm.cloud.comparison import compare
from drm.cloud.price_list import PriceList
from drm.cloud.totals import Totals
from drm.figures import cloud_text, comparison_text
from drm.snapshot import Snapshot

HEADS = ("Provider", "Region", "Type", "Market", "Instances", "Price an hour", "Rate an hour", "Spent")
NUMBER_HEADS = 3
"""The last ones."""
COMPARED_HEADS = ("What", "Amount", "Instances", "Decided by", "An hour", "A month")
COMPARED_AMOUNTS = 2
NUMBERS = "drm-number drm-right"


def warnings(totals: Totals) -> list[Element]:
    """One line each."""
    return [html.P(text, className="drm-warning") for text in cloud_text.warnings(totals)]


def table(totals: Totals) -> Element | None:
    """The kinds of instances; None where there is none."""
    rows = []
    for row in cloud_text.table(totals):
        price: list[Any] = [row.price, *([html.Br(), html.Span(row.price_source, className="drm-note")] if row.price_source else [])]
        price += [html.Br(), html.Span(row.price_age, className="drm-warning")] if row.price_age else []
        named = (row.instances,) if row.is_sum else (row.region, row.type, row.market, row.instances)
        title = html.Th(row.provider, scope="row", colSpan=len(HEADS) - NUMBER_HEADS - len(named))
        cells: list[Element] = [title, *(html.Td(text) for text in named)]
        # What an amount was paid for stands in the account of its kind.
        rate, spent = (money_link(text, ids.LADDER_TABLE, **{ids.LADDER_OF: row.kind}) for text in (row.rate, row.spent))
        cells += [html.Td(price, className=NUMBERS), html.Td(rate, className=NUMBERS), html.Td(spent, className=NUMBERS)]
        rows.append(html.Tr(cells, className="drm-sum" if row.is_sum else None))
    return _table(HEADS, rows, NUMBER_HEADS) if rows else None


def comparison(prices: PriceList, snapshot: Snapshot, name: str, region: str) -> list[Element]:
    """What the pool's capacity and its demand would cost on one type, with the price's source and date and the formula."""
    if prices.problem:
        return [html.P(prices.problem, className="drm-sentence")]
    worker_type = prices.find(name.strip().lower(), region)
    if worker_type is None:
        return [html.P(comparison_text.no_such_type(prices, name, region), className="drm-sentence")]
    told, age = comparison_text.price_text(prices, worker_type, snapshot.time)
    rows = [
        html.Tr(
            [
                html.Th(title, scope="row"),
                *(html.Td(text) for text in texts[:-COMPARED_AMOUNTS]),
                *(html.Td(money_link(text, ids.COMPARISON_FORMULA), className=NUMBERS) for text in texts[-COMPARED_AMOUNTS:]),
            ]
        )
        for title, amounts in (("The pool's capacity", snapshot.totals(snapshot.capacity)), ("The demand now", snapshot.demand))
        for texts in [comparison_text.comparison_row("", amounts, compare(amounts, worker_type), worker_type)[1:]]
    ]
    return [
        html.P(told),
        *([html.P(age, className="drm-warning")] if age else []),
        html.Div(_table(COMPARED_HEADS, rows, COMPARED_AMOUNTS), className="drm-scroll"),
        html.P(comparison_text.formula(worker_type), id=ids.COMPARISON_FORMULA, className="drm-note"),
    ]


def _table(heads: Sequence[str], rows: Sequence[Element], numbers: int) -> Element:
    """The last `numbers` columns hold numbers."""
    first = len(heads) - numbers
    columns = [html.Th(text, scope="col", className=NUMBERS if index >= first else None) for index, text in enumerate(heads)]
    return html.Table([html.Thead(html.Tr(columns)), html.Tbody(rows)], className="table table-sm drm-table drm-table-wide")
