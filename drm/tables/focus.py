"""Costs by hour or day and kind of instance, with the columns of FOCUS (the FinOps Open Cost and Usage Specification, 1.2) where they fit.

Amounts are those of the account of the range: each row is the difference of two sums, and all rows add up to what was paid in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from drm.budget import extent
from drm.cloud.accrual import HOUR_SECONDS, Spend
from drm.figures.units import plain
from drm.period_spend import SpentLine, spent_lines
from drm.tables.table import Block, Kind, Table
from drm.view import View

DAY_SECONDS = 24 * HOUR_SECONDS
PRICING = {"on_demand": "Standard", "spot": "Dynamic", None: None}
"""Price categories of FOCUS by market."""

COLUMNS: dict[str, Kind] = {
    "BillingPeriodStart": "text",
    "BillingPeriodEnd": "text",
    "ChargePeriodStart": "text",
    "ChargePeriodEnd": "text",
    "ChargeCategory": "text",
    "ChargeFrequency": "text",
    "ChargeDescription": "text",
    "ProviderName": "text",
    "RegionId": "text",
    "ServiceCategory": "text",
    "ResourceType": "text",
    "SkuId": "text",
    "PricingCategory": "text",
    "PricingQuantity": "number",
    "PricingUnit": "text",
    "ConsumedQuantity": "number",
    "ConsumedUnit": "text",
    "ListUnitPrice": "number",
    "ListCost": "number",
    "ContractedCost": "number",
    "BilledCost": "number",
    "EffectiveCost": "number",
    "BillingCurrency": "text",
    "Tags": "text",
    "x_PriceSource": "text",
    "x_PriceDate": "text",
}


def focus(view: View, source: str, range_seconds: float) -> Table:
    """One row for each charge period and kind of instance on which anything was spent, oldest first; by hour for ranges of up to a day."""
    return Table("focus", source, COLUMNS, _blocks(view, range_seconds))


def _blocks(view: View, range_seconds: float) -> Iterator[Block]:
    start, end = view.spends(range_seconds)
    if end is None:
        return
    step = HOUR_SECONDS if range_seconds <= DAY_SECONDS else DAY_SECONDS
    for since, until, first, last in _periods(view, start, end, step):
        rows = [_row(line, since, until) for line in spent_lines(first, last)]
        if rows:
            yield dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))


def _periods(view: View, start: Spend | None, end: Spend, step: float) -> Iterator[tuple[float, float, Spend | None, Spend]]:
    """(begin, end, the sums then): hours or days (UTC) between two sums, the first and last as far as they lie between them."""
    since = end.since if start is None else start.time
    marks = [one for one in view.spend_marks(since) if one.time < end.time]
    begin, first = since, start
    for mark in marks:
        # The first tick after an edge; what came before it is less than a tick.
        edge = math.floor(mark.time / step) * step
        if edge > begin and mark is not first:
            yield begin, edge, first, mark
            begin, first = edge, mark
    if end.time > begin:
        yield begin, end.time, first, end


def _row(line: SpentLine, since: float, until: float) -> tuple[Any, ...]:
    kind, price, hours = line.kind, line.kind.price, line.seconds / HOUR_SECONDS
    cost = None if price is None else line.spent
    month = extent("month", since)
    market = (kind.market or "").replace("_", "-")
    told = " ".join(part for part in (kind.type, market) if part) or "a worker"
    return (
        *(_time(edge) for edge in (*month, since, until)),
        "Usage",
        "Usage-Based",
        f"{hours:.6g} hours of {plain(told, 80)}",
        *(plain(name, 80) if name else None for name in (kind.provider, kind.region)),
        "Compute",
        "Worker",
        plain(kind.type, 80) if kind.type else None,
        PRICING[kind.market],
        *(hours, "Hours") * 2,
        None if price is None else price.hourly,
        *(cost,) * 4,
        plain(price.currency, 8) or None if price else None,
        json.dumps({"market": market} if market else {}),
        *((plain(price.source, 80), plain(price.date, 40)) if price else (None, None)),
    )


def _time(moment: float) -> str:
    """As FOCUS writes one."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
