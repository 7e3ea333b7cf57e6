"""What a pool may cost by hour, day and month, and what it has cost in the running day and month."""

from __future__ import annotations

import math
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.budget import Budget, extent
from drm.cloud.accrual import STATES, Accrual
from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.errors import InvalidValueError
from drm.history.spend_marks import SpendMarks
from drm.history.store import HistoryStore
from drm.manager import DynamicResourceManager
from drm.model import STATE_CODE, InstanceKind, Price
from drm.period_spend import PeriodSpends, period_spend, spent_between

HOUR, DAY = 3600.0, 86_400.0
MONDAY = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
CHEAP = InstanceKind("p", "r", "a", "on_demand", Price(2.0, "USD", "here", "2026-01-01"))
OTHER = InstanceKind("p", "r", "b", "on_demand", Price(3.0, "EUR", "here", "2026-01-01"))
UNPRICED = InstanceKind("p", "r", "c")


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("2.5", Budget(hour=2.5)),
        ("40/day", Budget(day=40.0)),
        (" 900/month , 2/hour,40 / day", Budget(2.0, 40.0, 900.0)),
    ],
)
def test_a_budget_is_read_from_a_text(text: str, budget: Budget) -> None:
    """An amount alone is per hour, as it always was."""
    assert Budget.parse(text) == budget


@pytest.mark.parametrize("text", ["", "-1", "inf", "1e999/day", "2/hour,", "1/Day", "1/2/day", "3,4/hour"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    """With the rule."""
    with pytest.raises(InvalidValueError, match="it must be|two amounts"):
        Budget.parse(text)


def test_a_budget_of_a_program_names_the_unit() -> None:
    """Of one of these amounts."""
    with pytest.raises(InvalidValueError, match="budget must be more than 0 a month and finite, got 0"):
        Budget(month=0)


@given(st.floats(0, 4e9), st.sampled_from(["day", "month"]))
def test_a_period_holds_its_moment(moment: float, period: Any) -> None:
    """And its end belongs to the next one, which begins there."""
    start, end = extent(period, moment)
    assert start <= moment < end and extent(period, end)[0] == end and extent(period, start) == (start, end)
    assert (end - start) in ({DAY} if period == "day" else {28 * DAY, 29 * DAY, 30 * DAY, 31 * DAY})


class Looks:
    """An accrual of one instance of each kind, with its marks."""

    def __init__(self, *kinds: InstanceKind) -> None:
        self.kinds, self.accrual, self.marks = kinds, Accrual(), SpendMarks()
        self.spends = PeriodSpends(self.accrual, self.marks)

    def run(self, since: float, until: float, step: float = 600.0) -> None:
        counts = np.zeros((len(self.kinds), STATES), np.int64)
        counts[:, STATE_CODE["running"]] = 1
        for now in np.arange(since, until + 1, step).tolist():
            self.marks.keep(self.accrual.add(now, self.kinds, counts.copy(), step))

    def read(self, period: Any, now: float) -> Any:
        found = period_spend(period, now, self.accrual.spend, self.marks)
        assert repr(self.spends.read(period, now)) == repr(found)
        return found


def test_a_day_is_counted_from_its_begin() -> None:
    """Of two days and a half, the last half; of the month all, which is told to be known since it began only."""
    looks = Looks(CHEAP)
    looks.run(MONDAY - 12 * HOUR, MONDAY + 36 * HOUR)
    now = MONDAY + 36 * HOUR
    day, month = looks.read("day", now), looks.read("month", now)
    assert (day.start, day.end, day.since, day.until) == (MONDAY + DAY, MONDAY + 2 * DAY, MONDAY + DAY, now)
    assert day.spent == pytest.approx(12 * 2.0) and day.currency == "USD" and day.is_whole
    assert month.spent == pytest.approx(48 * 2.0) and month.since == MONDAY - 12 * HOUR and not month.is_whole
    assert looks.read("day", MONDAY + 2 * DAY).spent == 0.0


def test_a_long_month_is_remembered_beyond_what_the_marks_hold() -> None:
    """On the 31st the marks begin on the 1st at noon; what the tick saw of its begin still counts."""
    looks = Looks(CHEAP)
    looks.run(MONDAY - 12 * DAY, MONDAY - 4 * DAY, 3600.0)
    assert looks.spends.read("month", MONDAY - 4 * DAY).spent == pytest.approx(0.0)
    for day in range(30):
        looks.run(MONDAY + (day - 4) * DAY, MONDAY + (day - 3) * DAY, 3600.0)
        looks.spends.read("month", MONDAY + (day - 3) * DAY - 1)
    looks.run(MONDAY + 26 * DAY, MONDAY + 26 * DAY + 20 * HOUR, 900.0)
    now = MONDAY + 26 * DAY + 20 * HOUR
    assert looks.spends.read("month", now).spent == pytest.approx((30 * 24 + 20) * 2.0)
    assert period_spend("month", now, looks.accrual.spend, looks.marks).spent < 30 * 24 * 2.0


def test_a_restart_goes_on_with_the_day(tmp_path: Path) -> None:
    """A run that ends within its first minutes, before the second mark, and the next one: nothing is forgotten, from its first look on."""
    budget = Budget(day=100.0)

    def run(since: float, ticks: int) -> list[float]:
        found = []
        with (
            closing(HistoryStore(tmp_path)) as store,
            DynamicResourceManager(
                SimulatedEngine(20, 1), bounds=Bounds(5, 20), budget=budget, interval_seconds=10.0, now=since, store=store
            ) as manager,
        ):
            for tick in range(ticks):
                manager.advance(since + 10.0 * tick)
                decision = manager.snapshot.last_decision
                assert decision is not None
                inputs = {one.name: one.value for one in decision.inputs}
                found.append(inputs.get("day_spent", 0.0))
            assert manager.period_spend("day").since == MONDAY + HOUR
            return [*found, manager.period_spend("day").spent]

    first = run(MONDAY + HOUR, 12)
    second = run(MONDAY + 2 * HOUR, 12)
    assert 0 == first[0] < first[-1] and second[0] == pytest.approx(first[-1]) and second[-1] > first[-1]


@pytest.mark.parametrize(("kinds", "currency"), [((CHEAP, UNPRICED), "USD"), ((CHEAP, OTHER), ""), ((UNPRICED,), "")])
def test_what_is_not_known_is_no_number(kinds: tuple[InstanceKind, ...], currency: str) -> None:
    """A price that nobody knows, and two currencies."""
    looks = Looks(*kinds)
    looks.run(MONDAY, MONDAY + HOUR)
    found = looks.read("day", MONDAY + HOUR)
    assert math.isnan(found.spent) and found.currency == currency


def test_before_the_first_look_nothing_is_spent() -> None:
    """And no moment is given for it."""
    found = Looks().read("day", MONDAY)
    assert found.spent == 0.0 and math.isnan(found.since) and math.isnan(found.until)


def test_a_budget_of_a_day_that_is_spent_blocks_growth_until_the_next() -> None:
    """A simulated pool: it grows, spends, stays while work waits, and grows again after midnight; the decisions say so."""
    start = MONDAY + 20 * HOUR
    manager = DynamicResourceManager(
        SimulatedEngine(30, 5), "queue", Bounds(0, 30), budget=Budget(day=3.0), interval_seconds=30.0, now=start - 1
    )
    blocked, grown = [], []
    for tick in range(700):
        now = start + 30.0 * tick
        manager.advance(now)
        decision = manager.explain_now()
        inputs = {one.name: one for one in decision.inputs}
        spent, _ = spent_between(manager.spend_marks.after(extent("day", now)[0]), manager.spend)
        assert inputs["day_budget"].value == 3.0 and inputs["day_left_seconds"].value == pytest.approx(extent("day", now)[1] - now)
        assert inputs.get("day_spent") is None or inputs["day_spent"].value <= spent + 1e-9
        if any(one.code == "budget_spent" for one in decision.blockers):
            blocked.append(now)
            assert decision.action != "scale_up" and spent >= 3.0
        if manager.ledger.get(manager.ledger.next_id - 1).action == "scale_up":
            grown.append(now)
    assert blocked and grown[0] <= blocked[0] < MONDAY + DAY and not [now for now in grown if blocked[0] < now < MONDAY + DAY]
    assert [now for now in grown if now >= MONDAY + DAY]
