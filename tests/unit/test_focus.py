"""Costs in the columns of FOCUS: the same money as the API's, day by day and kind by kind."""

from __future__ import annotations

import csv
import io
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.http import create_blueprint
from drm.manager import DynamicResourceManager
from drm.state import DRMState
from drm.tables.focus import COLUMNS
from tests.unit.page_pool import state_with_history

START, STEP = 1_767_600_000.0, 1200.0
DOCS = Path(__file__).resolve().parents[2] / "docs" / "cost-split.md"


@pytest.fixture(scope="module")
def state() -> DRMState:
    """A simulated pool of two days and a half, from eight in the morning."""
    state = DRMState(DynamicResourceManager(SimulatedEngine(8, 3), bounds=Bounds(2, 8), interval_seconds=STEP, now=START))
    for tick in range(181):
        state.advance(START + tick * STEP)
    return state


def client(state: DRMState) -> Any:
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(state))
    return app.test_client()


def rows_of(state: DRMState, query: str) -> list[dict[str, str]]:
    with client(state).get(f"/api/v1/export?tab=cloud&table=focus&{query}") as answer:
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.mark.parametrize("query", ["range=30d", "range=7d", "range=24h", "range=90000s", "range=1h", f"range=24h&at={START + 100_000}"])
def test_the_rows_add_up_to_what_the_api_tells(state: DRMState, query: str) -> None:
    """In all and by kind of instance, to the last digit that a float holds; periods follow one another without a gap."""
    rows = rows_of(state, query)
    told = client(state).get(f"/api/v1/costs?{query}&by=provider,region,type,market").json
    assert math.fsum(float(row["BilledCost"]) for row in rows) == pytest.approx(told["all"]["rungs"]["paid"]["cost"], rel=1e-9)
    assert math.fsum(float(row["ConsumedQuantity"]) for row in rows) == pytest.approx(
        told["all"]["rungs"]["paid"]["worker_hours"], rel=1e-9
    )
    for group in told["by"]:
        own = [
            row
            for row in rows
            if (row["ProviderName"], row["RegionId"], row["SkuId"]) == (group["provider"], group["region"], group["type"])
        ]
        assert math.fsum(float(row["BilledCost"]) for row in own) == pytest.approx(group["rungs"]["paid"]["cost"], rel=1e-9)
    periods = sorted({(row["ChargePeriodStart"], row["ChargePeriodEnd"]) for row in rows})
    assert all(before[1] == after[0] for before, after in pairwise(periods))


def test_days_are_those_of_utc_and_short_ranges_are_told_by_hour(state: DRMState) -> None:
    """The first and the last as far as they go."""
    days = sorted({(row["ChargePeriodStart"], row["ChargePeriodEnd"]) for row in rows_of(state, "range=7d")})
    assert days == [
        ("2026-01-05T08:00:00Z", "2026-01-06T00:00:00Z"),
        ("2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z"),
        ("2026-01-07T00:00:00Z", "2026-01-07T20:00:00Z"),
    ]
    hours = sorted({row["ChargePeriodStart"] for row in rows_of(state, "range=6h")})
    assert hours == [f"2026-01-07T{hour}:00:00Z" for hour in range(14, 20)]


def test_each_row_is_a_charge_with_its_price(state: DRMState) -> None:
    """Hours times price, the four costs alike, and where the price is from."""
    for row in rows_of(state, "range=7d"):
        cost = float(row["ConsumedQuantity"]) * float(row["ListUnitPrice"])
        assert all(float(row[name]) == pytest.approx(cost) for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"))
        assert (row["ChargeCategory"], row["PricingUnit"], row["BillingCurrency"]) == ("Usage", "Hours", "USD")
        assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
        assert (row["x_PriceSource"], row["x_PriceDate"]) == ("simulated", "2026-01-05") and row["source"].startswith("SIMULATED")
        assert json.loads(row["Tags"])["market"] == ("spot" if row["PricingCategory"] == "Dynamic" else "on-demand")


def test_an_unknown_price_is_blank() -> None:
    """Hours are known; money and its currency are not."""
    (row,) = rows_of(state_with_history(), "range=1h")
    assert float(row["ConsumedQuantity"]) > 0
    assert not any(row[name] for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ListUnitPrice", "BillingCurrency"))


def test_the_documentation_tells_of_each_column() -> None:
    """docs/cost-split.md."""
    page = DOCS.read_text().partition("## For other tools")[2]
    assert [name for name in COLUMNS if f"`{name}`" not in page and not name.endswith("Unit")] == []
