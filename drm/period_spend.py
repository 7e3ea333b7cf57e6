"""What the pool's workers have cost in the running day and month, from the sums that are kept of moments that have passed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from drm.budget import PERIODS, Budget, Period, extent
from drm.cloud.accrual import HOUR_SECONDS, STATES, Accrual, Spend
from drm.history.spend_marks import SpendMarks
from drm.model import FloatArray, InstanceKind


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
    first: Spend | None = field(default=None, repr=False)
    last: Spend | None = field(default=None, repr=False)
    """first, last: the sums between which it lies; None before the first look."""

    @property
    def is_whole(self) -> bool:
        """Whether it is counted from the start of the period on."""
        return self.since <= self.start

    @property
    def lines(self) -> list[SpentLine]:
        """Its parts, which add up to it."""
        return [] if self.last is None else spent_lines(self.first, self.last)


@dataclass(frozen=True, slots=True)
class SpentLine:
    """What the instances of one kind have cost in a time."""

    kind: InstanceKind
    seconds: float
    """Instance-seconds that were charged."""
    spent: float
    """NaN where the price is not known."""


def spent_lines(start: Spend | None, end: Spend) -> list[SpentLine]:
    """The kinds on which anything was spent from one look to a later one, the dearest first; `start` None: from the first look on."""
    seconds = _seconds_between(start, end)
    found = [
        SpentLine(end.kinds[row], float(seconds[row]), float(seconds[row]) / HOUR_SECONDS * end.kinds[row].hourly)
        for row in np.flatnonzero(seconds).tolist()
    ]
    return sorted(found, key=lambda line: (math.isnan(line.spent), -line.spent, -line.seconds))


def spent_between(start: Spend | None, end: Spend) -> tuple[float, str]:
    """(money, its currency) from one look to a later one; `start` None: from the first look on. NaN and empty as in `PeriodSpend`."""
    lines = spent_lines(start, end)
    currencies = {line.kind.price.currency for line in lines if line.kind.price}
    if len(currencies) > 1:
        return math.nan, ""
    return math.fsum(line.spent for line in lines), next(iter(currencies), "")


def _seconds_between(start: Spend | None, end: Spend) -> FloatArray:
    """(k,) of the kinds of the end, which begin with those of the start."""
    seconds = end.seconds.copy()
    if start is not None:
        seconds[: len(start.seconds)] -= start.seconds
    return seconds


def nothing_spent(since: float) -> Spend:
    """What had been charged when the counting began."""
    return Spend(since, since, (), np.empty((0, STATES), np.int64), np.empty(0), 0.0)


def period_spend(period: Period, moment: float, last: Spend | None, marks: SpendMarks) -> PeriodSpend:
    """The period that holds a moment, up to `last`, the newest look that is not after it (None: there was none).

    Sums are kept of the first tick of each hour at least, so the one after the start leaves out less than a tick.
    """
    start, end = extent(period, moment)
    if last is None or math.isnan(last.since):
        return PeriodSpend(period, start, end, math.nan, math.nan, 0.0, "")
    return _since(period, start, end, last, _base(start, last, marks), is_whole=marks.at(start) is not None)


class PeriodSpends:
    """The same of the present, for each tick: keeps what it found at the begin of a period, which a long month may outlive in the marks.

    For any thread: what it rests on is replaced whole, and what it keeps is the same whoever finds it.
    """

    def __init__(self, accrual: Accrual, marks: SpendMarks) -> None:
        self._accrual, self._marks = accrual, marks
        self._begun: dict[Period, tuple[float, Spend, bool]] = {}
        """The start of the running period, the sums then, and whether something is known of before."""

    def read(self, period: Period, now: float) -> PeriodSpend:
        """What was spent in the period that holds `now`, as of the last look."""
        last = self._accrual.spend
        start, end = extent(period, now)
        if math.isnan(last.since):
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
    """The sums at the first mark that is not before the start, or those of now where none has been made since; none where counting began
    within the period."""
    return nothing_spent(last.since) if last.since >= start else marks.after(start) or last


def _since(period: Period, start: float, end: float, last: Spend, base: Spend, *, is_whole: bool) -> PeriodSpend:
    if base.time > last.time:
        base = last
    spent, currency = spent_between(base, last)
    return PeriodSpend(period, start, end, last.time, start if is_whole else base.time, spent, currency, base, last)
