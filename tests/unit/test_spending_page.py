"""The card of spend to date, forecast and budget, and what the header says of a budget."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from drm import ids
from drm.analysis.decision_cost import decision_cost
from drm.analysis.outlook import Outlook, look_ahead, outlook
from drm.analysis.spend_course import STEPS_SECONDS, course
from drm.budget import PERIODS, Budget, Period, extent
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.figures import budget_text, spending, summary
from drm.figures.units import money
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import Price, Resources, WorkerType
from drm.period_spend import PeriodSpend
from drm.state import DRMState
from tests.unit.contents import elements
from tests.unit.page_pool import state_with_history
from tests.unit.test_callbacks import TICK, Page

START = datetime(2026, 1, 20, 12, tzinfo=UTC).timestamp()
STEP, HOUR = 600.0, 3600.0
BUDGET = Budget(hour=0.01, day=2.0, month=900.0)


@pytest.fixture(scope="module")
def state() -> DRMState:
    """A simulated pool of three days, whose budget of a day is soon spent."""
    state = DRMState(
        DynamicResourceManager(SimulatedEngine(6, 3), "manual,workers=4", Bounds(0, 6), budget=BUDGET, interval_seconds=STEP, now=START)
    )
    for tick in range(433):
        state.advance(START + tick * STEP)
    return state


@pytest.fixture(scope="module")
def page(state: DRMState) -> Page:
    return Page(state)


def ahead(period: Period, spent: float, budget: float, hourly: float, now: float = START, days: float = 0.0, sway: float = 0.0) -> Outlook:
    """Of a pool that costs so much an hour; on every second day so much more, on the others less."""
    start, end = extent(period, now)
    times = np.arange(now - days * 24 * HOUR, now, HOUR)
    rates = hourly + sway * np.where(times // (24 * HOUR) % 2, 1, -1)
    return outlook(PeriodSpend(period, start, end, now, start, spent, "EUR"), now, hourly, times, rates, budget)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (ahead("day", 10, 100, 2), ""),
        (
            ahead("day", 10, 30, 2),
            "The day's budget of 30.00 EUR will be spent at 22:00 UTC at the present rate; 13 % over at the day's end.",
        ),
        (
            ahead("month", 700, 800, 1.5, days=3),
            "The month's budget of 800.00 EUR will be spent on the 23rd at 06:40 UTC at the present pattern; 39 % over at the month's end.",
        ),
        (
            ahead("day", 45, 40.0, 2),
            "The day's budget of 40.00 EUR is spent, 5.00 EUR over: nothing is added to the pool until the day ends, in 12 h.",
        ),
        (
            ahead("day", 0, 26, 2, days=4, sway=1),
            "The day's budget of 26.00 EUR may be spent at 19:07 UTC already: the forecast's range ends 69 % over.",
        ),
        (
            ahead("day", math.nan, 26, 2),
            "The day's budget of 26.00 EUR: what was spent is unknown, because a price is, or prices are in several currencies.",
        ),
        (
            ahead("day", 1, 26, math.nan),
            "The day's budget of 26.00 EUR: whether it will hold is unknown, because what the pool costs an hour is.",
        ),
    ],
)
def test_a_budget_that_will_not_hold_says_when(told: Outlook, words: str) -> None:
    """In words, with the time and by how much."""
    assert budget_text.alert(told) == words


def test_the_rate_has_a_budget_of_its_own() -> None:
    """And the header is told the most pressing in a few words."""
    assert budget_text.alerts(Budget(hour=2.0), 2.3, []) == ["The pool costs 2.30 an hour, its budget is 2.00: 15 % over."]
    assert budget_text.alerts(Budget(hour=2.0), 2.0, []) == budget_text.alerts(Budget(hour=2.0), math.nan, []) == []
    brief = [
        (ahead("day", 45, 40, 2), "the day's budget is spent"),
        (ahead("month", 700, 800, 1.5, days=3), "budget: 39 % over at the month's end"),
        (ahead("day", 0, 26, 2, days=4, sway=1), "the day's budget may not hold"),
        (ahead("day", 1, 26, math.nan), "the day's budget: unknown"),
        (ahead("day", 1, 260, 2), ""),
    ]
    for one, words in brief:
        assert budget_text.briefly([one], Budget(), 2.0) == words
    assert budget_text.briefly([brief[-1][0]], Budget(hour=1.0), 2.0) == "above the hour's budget"


def test_what_is_many_times_as_much_is_said_so() -> None:
    """Thousands of percent are hard to read."""
    far = ahead("day", 0, 0.02, 9)
    assert budget_text.alert(far).endswith("5400 times as much at the day's end.")
    assert budget_text.tiles(far, Budget(day=0.02), 9.0)[-1].note == "0 % spent, 5400 times at its end"


def test_a_rate_without_a_name_of_its_currency_is_known_and_one_of_two_currencies_is_not() -> None:
    """--worker-price names none."""
    for currencies, told in ((("", ""), "4/h"), (("EUR", "EUR"), "4 EUR/h"), (("EUR", "USD"), "")):
        types = [WorkerType(name, Resources(cpu=1), Price(2.0, one, "", "")) for name, one in zip("ab", currencies, strict=True)]
        manager = DynamicResourceManager(ExternalEngine(), worker_types=types, now=START)
        for name in "ab":
            manager.register_worker(name, capacity=Resources(cpu=1), labels={"worker_type": name})
        assert summary.cost_text(manager.advance(START)) == told


def test_the_card_agrees_with_the_sums_of_the_pool(state: DRMState, page: Page) -> None:
    """Spent since the period began, its parts to the cent, and a line from nothing to the sum."""
    for period in ("day", "month"):
        answer = page.call(ids.wire("spending"), drm_cloud_tick=TICK, drm_spend_period=period)
        spend = state.period_spend(period)  # type: ignore[arg-type]
        tiles = json.dumps(answer[ids.SPENDING_TILES]["content"])
        assert money(spend.spent, "USD") in tiles and f"Budget of the {period}" in tiles and "% spent" in tiles
        table = [re.findall(r'"children": "([^"]+ USD)"', json.dumps(answer[ids.SPENDING_PARTS_TABLE]["content"]))][0]
        amounts = [float(one.removesuffix(" USD")) for one in table]
        assert amounts[-1] == pytest.approx(spend.spent, abs=0.005) == pytest.approx(sum(line.spent for line in spend.lines), abs=0.005)
        figure = answer[ids.wire("spending")]["data"]
        lines = {trace["name"]: trace for trace in figure["data"]}
        assert lines["spent"]["y"][0] == 0 and lines["spent"]["y"][-1] == pytest.approx(spend.spent, abs=1e-3)
        assert lines["forecast"]["x"][0] == lines["spent"]["x"][-1] == state.end() and lines["forecast"]["x"][-1] == spend.end
        assert lines["forecast"]["y"][0] == pytest.approx(spend.spent, abs=1e-3)
        assert all(
            low <= level <= high for low, level, high in zip(*(lines[name]["y"] for name in ("lowest", "forecast", "highest")), strict=True)
        )
        json.dumps(figure, allow_nan=False)
    assert state.period_spend("day").since == extent("day", state.end())[0] and state.period_spend("month").since == START


@pytest.mark.parametrize("period", PERIODS)
def test_what_a_forecast_is_made_of_adds_up_to_it(period: Period) -> None:
    """What was spent and what each hour or day that is left will cost are the forecast; the budget and what is left of it follow."""
    told = ahead(period, 3.0, 900.0, 0.5, now=START + 1234.0, days=3.0)
    rows = budget_text.forecast_rows(told)
    level = float(told.level[-1])
    *parts, whole, _, left = rows
    amounts = [float(row.expected.split(" ")[0].replace("\u202f", "")) for row in rows]
    assert parts[0].is_spent and whole.is_sum and left.name == "Left of it"
    assert sum(amounts[: len(parts)]) == pytest.approx(level, abs=0.006 * len(parts))
    assert amounts[len(parts)] == pytest.approx(level, abs=0.006)
    assert amounts[-2] == 900.0 and amounts[-1] == pytest.approx(900.0 - level, abs=0.6)
    assert len(parts) - 1 == 12
    assert budget_text.forecast_rows(ahead(period, 3.0, 900.0, math.nan)) == []


def test_a_budget_far_above_is_told_and_not_drawn(state: DRMState) -> None:
    """It would flatten the rest."""
    marks = state.spend_marks(0.0)
    told = look_ahead(state, "day")
    for budget, is_drawn in ((2.0, True), (10_000.0, False), (math.inf, False)):
        told = ahead("day", told.spend.spent, budget, 0.5, state.end())
        figure = spending.build(course(marks, STEPS_SECONDS["day"]), told, "dark")
        assert figure is not None and ("budget" in [trace["name"] for trace in figure["data"]]) == is_drawn


def test_the_header_and_the_card_tell_the_alerts(state: DRMState, page: Page) -> None:
    """The day's budget is spent, and the rate is beyond the hour's; the header's words lead to the card."""
    header = page.call(ids.HEALTH, drm_shell_tick=TICK)
    assert elements(header[ids.SUMMARY]["content"])[ids.summary("cost", "warning")]["children"] == "the day's budget is spent"
    told = json.dumps(page.call(ids.wire("spending"), drm_cloud_tick=TICK, drm_spend_period="day")[ids.SPENDING_ALERTS]["content"])
    assert "The day's budget of 2.00 USD is spent" in told and "its budget is 0.01" in told
    strip = json.dumps(header[ids.SUMMARY]["content"])
    assert f'"data-drm-parts": "{ids.CLOUD_TABLE}"' in strip and f'"data-drm-parts": "{ids.SPENDING_TILES}"' in strip


def test_a_moment_of_the_past_has_the_budget_of_its_evaluation(state: DRMState, page: Page) -> None:
    """And what had been spent by then; before all data nothing."""
    moment = START + 30 * HOUR
    then = state.at(moment)
    assert then.budget == BUDGET
    spend = then.period_spend("day")
    assert (spend.start, spend.until) == (extent("day", moment)[0], moment) and 0 < spend.spent < state.period_spend("month").spent
    answer = page.call(ids.wire("spending"), drm_cloud_tick={**TICK, "at": str(moment)}, drm_spend_period="day")
    assert money(spend.spent, "USD") in json.dumps(answer[ids.SPENDING_TILES]["content"])
    before = page.call(ids.wire("spending"), drm_cloud_tick={**TICK, "at": "5.0"}, drm_spend_period="month")
    assert before[ids.empty("spending")]["children"].startswith("Nothing was spent") and before[ids.SPENDING_PARTS]["hidden"]


def test_a_pool_without_prices_says_unknown() -> None:
    """Never 0, and no budget is none."""
    page = Page(state_with_history())
    answer = page.call(ids.wire("spending"), drm_cloud_tick=TICK, drm_spend_period="day")
    told = json.dumps(answer[ids.SPENDING_TILES]["content"])
    assert told.count('"unknown"') == 3 and '"none"' in told and "0.00" not in told
    assert answer[ids.wire("spending")]["data"]["data"] == [] and answer[ids.SPENDING_ALERTS]["content"] == []


@pytest.mark.parametrize("hostile", [None, "week", 7, [], {"a": 1}])
def test_periods_that_no_page_sends_are_refused(page: Page, hostile: Any) -> None:
    """400, never an error of the server."""
    page.call(ids.wire("spending"), drm_cloud_tick=TICK, drm_spend_period=hostile)
    assert page.status == 400


def test_the_figure_is_sent_once_a_minute(page: Page) -> None:
    """Its numbers with each tick."""
    first = page.call(ids.wire("spending"), drm_cloud_tick=TICK, drm_spend_period="day")
    again = page.call(
        ids.wire("spending"), drm_cloud_tick=TICK, drm_spend_period="day", drm_spending_drawn=first[ids.drawn("spending")]["data"]
    )
    assert ids.wire("spending") not in again and again[ids.SPENDING_TILES] == first[ids.SPENDING_TILES]


def test_the_api_tells_what_the_card_shows(state: DRMState, page: Page) -> None:
    """Spent, forecast and budget of both periods, of the present and of a moment; a wrong argument is named."""
    told = page.client.get("/drm-dashboard/api/v1/budget").json
    for period in ("day", "month"):
        own, seen = told[period], look_ahead(state, period)  # type: ignore[arg-type]
        assert (own["spent"], own["since"], own["end"]) == (seen.spend.spent, seen.spend.since, seen.spend.end)
        assert own["low"] <= own["forecast"] <= own["high"] and own["forecast"] == seen.level[-1] and own["basis"] == "days"
    assert (told["hour"]["budget"], told["day"]["budget"], told["month"]["budget"]) == (0.01, 2.0, 900.0)
    assert told["day"]["over_at"] == state.end() and told["hour"]["rate"] == state.snapshot.cost_rate
    assert budget_text.alert(look_ahead(state, "day")) in told["alerts"]
    then = page.client.get(f"/drm-dashboard/api/v1/budget?at={START + 30 * HOUR}").json
    assert then["day"]["spent"] == state.at(START + 30 * HOUR).period_spend("day").spent
    assert "there is no parameter 'period' here" in page.client.get("/drm-dashboard/api/v1/budget?period=day").json["detail"]


def test_the_api_tells_what_a_decision_cost() -> None:
    """Of one that grew the pool; of one that left it as it is there is none."""
    state = DRMState(DynamicResourceManager(SimulatedEngine(20, 7), bounds=Bounds(1, 20), interval_seconds=15.0, now=START))
    for tick in range(120):
        state.advance(START + tick * 15.0)
    client = Page(state).client
    (grew,) = state.ledger.query(Query(action="scale_up", limit=1, descending=False))
    cost = decision_cost(state, grew)
    told = client.get(f"/drm-dashboard/api/v1/decisions/{grew.id}").json["account"]
    assert cost is not None and (told["money"], told["end"], told["worker_seconds"]) == (cost.money, cost.end, cost.worker_seconds)
    (kept,) = state.ledger.query(Query(action="maintain", limit=1))
    assert client.get(f"/drm-dashboard/api/v1/decisions/{kept.id}").json["account"] is None
