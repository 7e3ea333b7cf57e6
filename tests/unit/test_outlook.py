"""What a day or month will have cost: level and range from the daily pattern, and when a budget is passed."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.analysis.outlook import outlook
from drm.budget import Period, extent
from drm.period_spend import PeriodSpend

HOUR, DAY = 3600.0, 86_400.0
NOON = datetime(2026, 1, 21, 12, tzinfo=UTC).timestamp()
DAILY = 2.0 + np.sin(np.arange(24) / 24 * 2 * math.pi)


def spent(period: Period, amount: float, now: float = NOON) -> PeriodSpend:
    start, end = extent(period, now)
    return PeriodSpend(period, start, end, now, start, amount, "USD")


def recorded(days: float, factors: np.ndarray | None = None, now: float = NOON) -> tuple[np.ndarray, np.ndarray]:
    """The hours before now; each day is the pattern times its factor."""
    times = np.arange(now - days * DAY, now, HOUR)
    hour = (times // HOUR).astype(int)
    scale = np.ones(len(times)) if factors is None else factors[(hour // 24) % len(factors)]
    return times, DAILY[hour % 24] * scale


def test_a_pattern_that_repeats_is_forecast_without_a_range() -> None:
    """Noon to midnight of the same hours, and ten days more to the month's end."""
    day = outlook(spent("day", 30.0), NOON, 9.0, *recorded(5))
    assert day.basis == "days" and day.days == 5
    assert day.level[-1] == day.low[-1] == day.high[-1] == pytest.approx(30 + DAILY[12:].sum())
    month = outlook(spent("month", 30.0), NOON, 9.0, *recorded(5))
    assert month.level[-1] == pytest.approx(30 + DAILY[12:].sum() + 10 * DAILY.sum()) and month.times[-1] == NOON + 12 * HOUR + 10 * DAY
    assert month.times[0] == NOON and len(month.times) == 1 + 12 + 240


def test_the_range_is_that_of_the_docstring() -> None:
    """Two kinds of days, of which the mean is certain to a tenth of ten days."""
    factors = np.array([0.5, 1.5])
    found = outlook(spent("month", 0.0), NOON, 1.0, *recorded(10, factors))
    each = DAILY * np.std(factors[np.arange(10) % 2], ddof=1)
    of_days = [each[12:].sum(), *[each.sum()] * 10]
    deviation = math.sqrt(sum(one**2 for one in of_days) + sum(of_days) ** 2 / 10)
    assert found.high[-1] - found.level[-1] == pytest.approx(1.28 * deviation)
    assert found.level[-1] - found.low[-1] == pytest.approx(1.28 * deviation)


def test_the_range_holds_four_of_five_times() -> None:
    """Days that vary by themselves, as many as it takes to count."""
    random = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        factors = random.normal(1.0, 0.3, 15)
        start = extent("day", NOON)[0]
        found = outlook(spent("day", 0.0, start), start, 1.0, *recorded(14, factors, start))
        actual = DAILY.sum() * factors[int(start // DAY) % 15]
        held += bool(found.low[-1] <= actual <= found.high[-1])
    assert 0.72 <= held / 400 <= 0.88


def test_one_day_gives_a_level_and_the_lowest_and_highest_hour() -> None:
    """Nothing is known of how days differ."""
    found = outlook(spent("day", 1.0), NOON, 2.0, *recorded(1))
    assert found.basis == "day" and found.level[-1] == pytest.approx(1 + DAILY[12:].sum())
    assert found.low[-1] == pytest.approx(1 + 12 * DAILY.min()) and found.high[-1] == pytest.approx(1 + 12 * DAILY.max())


def test_less_than_a_day_goes_on_at_the_present_rate() -> None:
    """Six hours, and none at all."""
    found = outlook(spent("day", 1.0), NOON, 2.0, *recorded(0.25))
    assert found.basis == "present" and found.level[-1] == pytest.approx(1 + 12 * 2.0)
    assert found.low[-1] == pytest.approx(1 + 12 * 2.0) and found.high[-1] == pytest.approx(1 + 12 * DAILY[6:12].max())
    none = outlook(spent("day", 1.0), NOON, 2.0, np.empty(0), np.empty(0))
    assert none.level[-1] == none.low[-1] == none.high[-1] == pytest.approx(25.0)


def test_what_is_not_known_stays_so() -> None:
    """A price that nobody knows, in the sum or in the rate."""
    assert math.isnan(outlook(spent("day", math.nan), NOON, 1.0, *recorded(3)).level[-1])
    unpriced = outlook(spent("day", 1.0), NOON, math.nan, np.array([NOON - HOUR]), np.array([math.nan]), 5.0)
    assert math.isnan(unpriced.level[-1]) and math.isnan(unpriced.over_at)


def test_a_budget_is_passed_at_a_moment() -> None:
    """Within an hour, by its rate; now where it is spent; never where the end comes first."""
    flat = np.full(48, 2.0)
    times = np.arange(NOON - 2 * DAY, NOON, HOUR)
    assert outlook(spent("day", 10.0), NOON, 2.0, times, flat, 15.0).over_at == pytest.approx(NOON + 2.5 * HOUR)
    assert outlook(spent("day", 10.0), NOON, 2.0, times, flat, 10.0).over_at == NOON
    assert math.isnan(outlook(spent("day", 10.0), NOON, 2.0, times, flat, 34.5).over_at)
    assert math.isnan(outlook(spent("day", 10.0), NOON, 2.0, times, flat).over_at)
    may = outlook(spent("day", 0.0), NOON, 2.0, *recorded(6, np.array([0.5, 1.5])), 26.0)
    assert math.isnan(may.over_at) and NOON < may.may_be_over_at < NOON + 12 * HOUR


@given(
    st.floats(0, 31 * DAY - 1),
    st.sampled_from(["day", "month"]),
    st.lists(st.one_of(st.just(math.nan), st.floats(0, 100)), max_size=100),
    st.floats(0, 100),
    st.floats(0, 1000),
)
def test_a_forecast_rises_within_its_range(into: float, period: Period, rates: list[float], rate: float, amount: float) -> None:
    """Whatever was recorded: it begins with what was spent, never falls, and its level lies in its range."""
    now = datetime(2026, 1, 1, tzinfo=UTC).timestamp() + into
    times = (now // HOUR - len(rates) + np.arange(len(rates))) * HOUR
    found = outlook(spent(period, amount, now), now, rate, times, np.array(rates))
    assert found.times[-1] == found.spend.end and (np.diff(found.times) > 0).all() and (np.diff(found.times) <= HOUR).all()
    for line in (found.level, found.low, found.high):
        assert line[0] == amount and (np.diff(line) >= -1e-9).all()
    assert (found.low <= found.level + 1e-6).all() and (found.level <= found.high + 1e-6).all()
