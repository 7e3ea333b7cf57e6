"""What the pool's workers have cost in the running day and month, from the sums that are kept of moments that have passed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drm.budget import PERIODS, Budget, Period, extent
from drm.cloud.accrual import HOUR_SECONDS, Accrual, Spend
from drm.history.spend_marks import SpendMarks
from drm.model import FloatArray


@dataclass(frozen=True, slots=True)
class PeriodSpend:
    """One day or month, as far as it has gone. Times are epoch seconds."""

    period: Period
    start: float
    end: float
    until: float
    """Of the last look that is counted; NaN before the first."""
    since: float
    """From when on it is counted: the start, or where nothing is known of then, the first look after it; NaN before that."""
    spent: float
    """NaN where a price is not known, or prices are in several currencies."""
    currency: str
    """Empty where none is known, or there are several."""

    @property
    def is_whole(self) -> bool:
        """Whether it is counted from the start of the period on."""
        return self.since <= self.start


def spent_between(start: Spend | None, end: Spend) -> tuple[float, str]:
    """(money, its currency) from one look to a later one; `start` None: from the first look on. NaN and empty as in `PeriodSpend`."""
    seconds = end.seconds.copy()
    if start is not None:
        seconds[: len(start.seconds)] -= start.seconds
    return priced(seconds, end)


def priced(seconds: FloatArray, spend: Spend) -> tuple[float, str]:
    """(money, its currency) of instance-seconds (k,) of the kinds of a spend."""
    rows = np.flatnonzero(seconds)
    prices = [spend.kinds[row].price for row in rows.tolist()]
    currencies = {price.currency for price in prices if price is not None}
    if len(currencies) > 1:
        return math.nan, ""
    hourly = (math.nan if price is None else price.hourly for price in prices)
    amount = math.fsum(each / HOUR_SECONDS * price for each, price in zip(seconds[rows].tolist(), hourly, strict=True))
    return amount, next(iter(currencies), "")


def period_spend(period: Period, moment: float, last: Spend | None, marks: SpendMarks) -> PeriodSpend:
    """The period that holds a moment, up to `last`, the newest look that is not after it (None: there was none).

    Sums are kept of the first tick of each hour at least, so the one after the start leaves out less than a tick.
    """
    start, end = extent(period, moment)
    if last is None or math.isnan(last.time):
        return PeriodSpend(period, start, end, math.nan, math.nan, 0.0, "")
    return _since(period, start, end, last, _base(start, last, marks), is_whole=marks.at(start) is not None)


class PeriodSpends:
    """The same of the present, for each tick: keeps what it found at the begin of a period, which a long month may outlive in the marks.

    For one thread at a time: the manager's lock guards it.
    """

    def __init__(self, accrual: Accrual, marks: SpendMarks) -> None:
        self._accrual, self._marks = accrual, marks
        self._begun: dict[Period, tuple[float, Spend, bool]] = {}
        """The start of the running period, the sums then, and whether something is known of before."""

    def read(self, period: Period, now: float) -> PeriodSpend:
        """What was spent in the period that holds `now`, as of the last look."""
        last = self._accrual.spend
        start, end = extent(period, now)
        if math.isnan(last.time):
            return PeriodSpend(period, start, end, math.nan, math.nan, 0.0, "")
        begun = self._begun.get(period)
        if begun is None or begun[0] != start:
            begun = start, _base(start, last, self._marks), self._marks.at(start) is not None
            if begun[1] is not last:
                self._begun[period] = begun
        return _since(period, start, end, last, begun[1], is_whole=begun[2])

    def conditions(self, budget: Budget, now: float) -> dict[str, float]:
        """The conditions of an evaluation: of each period that has a budget what was spent, what may be, and how long it lasts."""
        found: dict[str, float] = {}
        for period in PERIODS:
            most = budget.most(period)
            if math.isfinite(most):
                seen = self.read(period, now)
                found |= {f"{period}_spent": seen.spent, f"{period}_budget": most, f"{period}_left_seconds": seen.end - now}
        return found


def _base(start: float, last: Spend, marks: SpendMarks) -> Spend:
    """The sums at the first mark that is not before the start; those of now where none has been made since."""
    return marks.after(start) or last


def _since(period: Period, start: float, end: float, last: Spend, base: Spend, *, is_whole: bool) -> PeriodSpend:
    if base.time > last.time:
        base = last
    spent, currency = spent_between(base, last)
    return PeriodSpend(period, start, end, last.time, start if is_whole else base.time, spent, currency)
