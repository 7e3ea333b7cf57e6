"""What the card of spend to date shows as elements: alerts, tiles, and the parts of the sum."""

from __future__ import annotations

from collections.abc import Sequence

from drm import ids
from drm.analysis.outlook import Outlook
from drm.budget import Budget
from drm.callbacks import elements as html
from drm.callbacks.elements import Element
from drm.callbacks.money_link import money_link
from drm.figures import budget_text

FORECAST_HEADS = ("When (UTC)", "Spent, or expected", "By then", "Range by then")
HEADS = ("Kind of instance", "Instance-hours", "Price an hour", "Spent")
NUMBERS = "drm-number drm-right"
PARTS_OF = {
    "rate": ids.CLOUD_TABLE,
    "spent": ids.SPENDING_PARTS_TABLE,
    "forecast": ids.SPENDING_FORECAST_TABLE,
    "budget": ids.SPENDING_FORECAST_TABLE,
}
"""Where the parts of a tile stand."""


def alerts(sentences: Sequence[str]) -> list[Element]:
    """One line each."""
    return [html.P(text, className="drm-warning") for text in sentences]


def tiles(ahead: Outlook, budget: Budget, rate: float) -> list[Element]:
    """The numbers of the card."""
    return [_tile(one) for one in budget_text.tiles(ahead, budget, rate)]


def parts(ahead: Outlook) -> Element | None:
    """The sum by kind of instance; None where nothing was spent. An amount opens what it was spent for."""
    rows = budget_text.parts(ahead)
    if not rows:
        return None
    head = [html.Th(text, scope="col", className=NUMBERS if index else None) for index, text in enumerate(HEADS)]
    return html.Table(
        [html.Thead(html.Tr(head)), html.Tbody([_row(*row, is_sum=row is rows[-1]) for row in rows])],
        className="table table-sm drm-table",
    )


def forecast(ahead: Outlook) -> Element | None:
    """What the forecast is added up from, and what it leaves of the budget; None where there is none."""
    rows = budget_text.forecast_rows(ahead)
    if not rows:
        return None
    head = [html.Th(text, scope="col", className=NUMBERS if index else None) for index, text in enumerate(FORECAST_HEADS)]
    lines = []
    for one in rows:
        expected = money_link(one.expected, ids.SPENDING_PARTS_TABLE) if one.is_spent else one.expected
        cells = [html.Td(cell, className=NUMBERS) for cell in (expected, one.by_then, one.extent)]
        lines.append(html.Tr([html.Th(one.name, scope="row"), *cells], className="drm-sum" if one.is_sum else None))
    return html.Table([html.Thead(html.Tr(head)), html.Tbody(lines)], className="table table-sm drm-table")


def _tile(one: budget_text.Tile) -> Element:
    shown = money_link(one.value, PARTS_OF[one.key]) if one.key in PARTS_OF else one.value
    return html.Div(
        [
            html.Div(one.name, className="drm-note"),
            html.Div(shown, className="drm-tile-value"),
            html.Div(one.note, className="drm-warning" if one.is_warning else "drm-note"),
        ]
    )


def _row(name: str, hours: str, price: str, spent: str, *, is_sum: bool) -> Element:
    of = {ids.LADDER_OF: "all" if is_sum else name}
    cells = (hours, price, money_link(spent, ids.LADDER_TABLE, **of))
    return html.Tr(
        [html.Th(name, scope="row"), *(html.Td(cell, className=NUMBERS) for cell in cells)], className="drm-sum" if is_sum else None
    )
