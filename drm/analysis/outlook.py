"""What a day or month will have cost by its end: a level and a range, from what the pool has cost at each hour of the day before.

Level: what was spent, and for each hour that is left the mean cost rate of that hour of the day over the days that are known. Range: the
hours of one day rise and fall together, and days by themselves. With S(d) the sum, over the hours left of day d, of the standard deviations
of these hours, and n days known, sd^2 = sum of S(d)^2 + (sum of S(d))^2 / n; the last part is there because the mean itself is not certain.
The range is 1.28 sd to both sides, which holds four times out of five where days are alike. Before two days are known the range goes from
the lowest to the highest hour, and before one is known the level from the present rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from drm.budget import Period
from drm.cloud.accrual import HOUR_SECONDS
from drm.history.levels import BUCKETS, STEPS_SECONDS
from drm.model import FloatArray
from drm.period_spend import PeriodSpend
from drm.snapshot import Snapshot
from drm.view import View

HOURS_OF_DAY = 24
DAY_SECONDS = HOURS_OF_DAY * HOUR_SECONDS
DAYS_SECONDS = STEPS_SECONDS[-1] * BUCKETS
"""30 days, of which hours are kept."""
FOUR_OF_FIVE = 1.28
"""Standard deviations to both sides of the mean that hold 80 % of a normal distribution."""
Basis = Literal["days", "day", "present"]
"""Two days and more are known; one is; less than one is."""


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """A period up to its end. Money is in the currency of `spend`; NaN where it is not known."""

    spend: PeriodSpend
    budget: float
    """Infinite where there is none."""
    basis: Basis
    days: int
    """Of how many days each hour is known, at least."""
    times: FloatArray
    """(h,) now, the begin of each hour that is left, and the end."""
    level: FloatArray
    low: FloatArray
    high: FloatArray
    """level, low, high: (h,) what will have been spent by then."""
    currency: str
    """Of what was spent, or of the pool where nothing was; empty where it is not known."""

    @property
    def over_at(self) -> float:
        """When the level passes the budget; NaN where it does not, now where it has."""
        return _crossing(self.times, self.level, self.budget)

    @property
    def may_be_over_at(self) -> float:
        """When the upper end of the range does."""
        return _crossing(self.times, self.high, self.budget)


def outlook(
    spend: PeriodSpend, now: float, rate: float, times: FloatArray, rates: FloatArray, budget: float = math.inf, currency: str = ""
) -> Outlook:
    """`rate`: what the pool costs per hour now. `times`, `rates` (c,): the begin of each recorded hour, and the mean cost rate in it; NaN
    where nothing was recorded or a price was not known."""
    edges = _edges(now, spend.end)
    hours = np.diff(edges) / HOUR_SECONDS
    of_day = (edges[:-1] // HOUR_SECONDS).astype(np.int64) % HOURS_OF_DAY
    known = np.isfinite(rates)
    seen, hour = rates[known], (times[known] // HOUR_SECONDS).astype(np.int64) % HOURS_OF_DAY
    counts = np.bincount(hour, minlength=HOURS_OF_DAY)
    days = int(counts.min())
    means = np.bincount(hour, seen, HOURS_OF_DAY) / np.maximum(counts, 1)
    level = hours * (means[of_day] if days else rate)
    if days >= 2:
        squares = np.bincount(hour, (seen - means[hour]) ** 2, HOURS_OF_DAY)
        spread = FOUR_OF_FIVE * _spread(np.sqrt(squares / np.maximum(counts - 1, 1))[of_day] * hours, edges[:-1], days)
        low, high = np.maximum(0.0, np.cumsum(level) - spread), np.cumsum(level) + spread
    else:
        lowest, highest = (float(end) for end in (np.fmin(seen.min(initial=math.inf), rate), np.fmax(seen.max(initial=-math.inf), rate)))
        low, high = np.cumsum(hours * lowest), np.cumsum(hours * highest)
    return Outlook(
        spend=spend,
        budget=budget,
        basis="days" if days >= 2 else "day" if days else "present",
        days=days,
        times=edges,
        level=spend.spent + np.concatenate([[0.0], np.cumsum(level)]),
        # What is spent does not come back.
        low=spend.spent + np.concatenate([[0.0], np.maximum.accumulate(low)]),
        high=spend.spent + np.concatenate([[0.0], high]),
        currency=spend.currency or currency,
    )


def one_rate(snapshot: Snapshot) -> float:
    """What the pool costs per hour; NaN where a price is not known, or prices are in several currencies."""
    here = {snapshot.kinds[number].price for number in np.unique(snapshot.kind).tolist()}
    currencies = {price.currency for price in here if price is not None}
    return snapshot.cost_rate if len(currencies) < 2 else math.nan


def look_ahead(view: View, period: Period) -> Outlook:
    """The running day or month of the pool that a view shows, by the rates of the 30 days before."""
    window = view.fleet(DAYS_SECONDS, BUCKETS)
    rates = window.mean.get("cost_rate", np.full(len(window.times), math.nan))
    snapshot = view.snapshot
    spend, most = view.period_spend(period), view.budget.most(period)
    return outlook(spend, view.end(), one_rate(snapshot), window.times, rates, most, snapshot.currency)


def _edges(now: float, end: float) -> FloatArray:
    first = (math.floor(now / HOUR_SECONDS) + 1) * HOUR_SECONDS
    return np.array([now, *np.arange(first, end, HOUR_SECONDS).tolist(), end])


def _spread(deviations: FloatArray, begins: FloatArray, days: int) -> FloatArray:
    """(h,) the standard deviation of the sum up to the end of each hour."""
    day = (begins // DAY_SECONDS).astype(np.int64)
    whole = np.cumsum(deviations)
    first = np.searchsorted(day, day)
    before = np.concatenate([[0.0], whole])[first]
    of_day = whole - before
    last = np.append(day[1:] != day[:-1], True)
    ended = np.cumsum(np.where(last, of_day**2, 0.0))
    of_days_before = np.concatenate([[0.0], ended])[first]
    return np.asarray(np.sqrt(of_days_before + of_day**2 + whole**2 / days), np.float64)


def _crossing(times: FloatArray, amounts: FloatArray, budget: float) -> float:
    """Where a rising line reaches an amount."""
    reached = np.flatnonzero(amounts >= budget)
    if not len(reached):
        return math.nan
    at = int(reached[0])
    if at == 0:
        return float(times[0])
    low, high = float(amounts[at - 1]), float(amounts[at])
    return float(times[at - 1] + (times[at] - times[at - 1]) * (budget - low) / (high - low))
