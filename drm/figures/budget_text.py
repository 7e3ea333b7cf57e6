"""Budgets and forecasts in words. Times are UTC, as the days and months are to which they belong."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from drm.analysis.outlook import DAY_SECONDS, Outlook
from drm.budget import Budget
from drm.cloud.accrual import HOUR_SECONDS
from drm.figures.ladder_text import kind_text
from drm.figures.units import UNKNOWN, count, duration, money, number, percent

ENDINGS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
MANY_TIMES = 10.0
"""From here on a share is told as so many times."""
PATTERN = {"days": "at the present pattern", "day": "at the pattern of the one day that is known", "present": "at the present rate"}


@dataclass(frozen=True, slots=True)
class Tile:
    """One number of a card."""

    key: str
    """`rate`, `spent`, `forecast` or `budget`."""
    name: str
    value: str
    note: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """A part of a forecast."""

    name: str
    expected: str
    by_then: str = ""
    extent: str = ""
    """The range by then."""
    is_spent: bool = False
    is_sum: bool = False


def alerts(budget: Budget, rate: float, outlooks: Iterable[Outlook]) -> list[str]:
    """A sentence for each budget that is spent, will be, may be, or of which nobody knows. `rate`: per hour now."""
    told = [_of_rate(budget, rate)] if budget.hour is not None else []
    return [sentence for sentence in (*told, *(alert(one) for one in outlooks if math.isfinite(one.budget))) if sentence]


def briefly(outlooks: Iterable[Outlook], budget: Budget, rate: float) -> str:
    """The most pressing of them in a few words; empty where all budgets hold."""
    for ahead in outlooks:
        spend, level, high = ahead.spend, float(ahead.level[-1]), float(ahead.high[-1])
        if spend.spent >= ahead.budget:
            return f"the {spend.period}'s budget is spent"
        if level > ahead.budget:
            return f"budget: {_beyond(level, ahead.budget)} at the {spend.period}'s end"
        if high > ahead.budget:
            return f"the {spend.period}'s budget may not hold"
        if math.isnan(level):
            return f"the {spend.period}'s budget: {UNKNOWN}"
    return "above the hour's budget" if _is_over(rate, budget.hour) else ""


def alert(ahead: Outlook) -> str:
    """What is to be said of the budget of a day or month; empty where it holds."""
    spend, budget, level, high = ahead.spend, ahead.budget, float(ahead.level[-1]), float(ahead.high[-1])
    named, whole = f"The {spend.period}'s budget of {money(budget, ahead.currency)}", spend.period
    if math.isnan(spend.spent):
        return f"{named}: what was spent is {UNKNOWN}, because a price is, or prices are in several currencies."
    if spend.spent >= budget:
        over = f", {money(spend.spent - budget, ahead.currency)} over" if spend.spent > budget else ""
        left = duration(spend.end - ahead.times[0])
        return f"{named} is spent{over}: nothing is added to the pool until the {whole} ends, in {left}."
    if math.isnan(level):
        return f"{named}: whether it will hold is {UNKNOWN}, because what the pool costs an hour is."
    if level > budget:
        beyond = _beyond(level, budget)
        return f"{named} will be spent {when(ahead.over_at, ahead)} {PATTERN[ahead.basis]}; {beyond} at the {whole}'s end."
    if high > budget:
        beyond = _beyond(high, budget)
        return f"{named} may be spent {when(ahead.may_be_over_at, ahead)} already: the forecast's range ends {beyond}."
    return ""


def tiles(ahead: Outlook, budget: Budget, rate: float) -> list[Tile]:
    """What a card says of a period: the rate now, what was spent, what will be, and the budget."""
    spend, level = ahead.spend, float(ahead.level[-1])
    currency, whole = ahead.currency, spend.period
    hourly = "" if budget.hour is None else f"budget {money(budget.hour, currency)} an hour"
    began = f"since {moment(spend.since, ahead)}" if math.isfinite(spend.since) else "nothing was seen yet"
    part = "" if spend.is_whole or math.isnan(spend.since) else "; nothing is kept of before"
    low, high = (money(float(line[-1]), "") for line in (ahead.low, ahead.high))
    has = math.isfinite(ahead.budget)
    used = _share(spend.spent / ahead.budget) if has else ""
    will = f", {_share(level / ahead.budget)} at its end" if has and math.isfinite(level) else ""
    return [
        Tile("rate", "Spend rate", f"{money(rate, currency)}/h" if math.isfinite(rate) else UNKNOWN, hourly, _is_over(rate, budget.hour)),
        Tile("spent", f"Spent this {whole}", money(spend.spent, currency), f"{began}{part}"),
        Tile("forecast", f"Forecast for the {whole}'s end", money(level, currency), f"{low} to {high}" if math.isfinite(level) else ""),
        Tile(
            "budget",
            f"Budget of the {whole}",
            money(ahead.budget, currency) if has else "none",
            f"{used} spent{will}" if has else f"--budget sets one, as in 40/{whole}",
            bool(alert(ahead)) if has else False,
        ),
    ]


def basis_text(ahead: Outlook) -> str:
    """What the forecast rests on."""
    if ahead.basis == "present":
        return (
            "Forecast: less than a day is known, so the present rate goes on; the range goes from the lowest to the highest hour so far. "
            "Days are UTC."
        )
    if ahead.basis == "day":
        return (
            "Forecast: each hour that is left costs what that hour of the day did in the one day that is known; the range goes from the "
            "lowest to the highest hour so far. Days are UTC."
        )
    return (
        f"Forecast: each hour that is left costs the mean of that hour over {count(ahead.days, 'day')} and more; the range holds four "
        "times out of five where days are alike. Days are UTC."
    )


def forecast_rows(ahead: Outlook) -> list[ForecastRow]:
    """What was spent, each hour of a day or each day of a month that is left, their sum, and the budget; empty without a forecast."""
    if not math.isfinite(float(ahead.level[-1])):
        return []
    whole, currency = ahead.spend.period, ahead.currency
    rows = [ForecastRow("Spent so far", money(float(ahead.level[0]), currency), money(float(ahead.level[0]), currency), is_spent=True)]
    step = HOUR_SECONDS if whole == "day" else DAY_SECONDS
    # The last time of each hour or day that is left.
    last = [index for index in range(1, len(ahead.times)) if index == len(ahead.times) - 1 or ahead.times[index] % step == 0]
    for before, index in pairwise([0, *last]):
        level, low, high = (float(line[index]) for line in (ahead.level, ahead.low, ahead.high))
        begun, ended = (datetime.fromtimestamp(float(ahead.times[one]), UTC) for one in (before, index))
        name = f"{begun:%H:%M} to {ended:%H:%M}" if whole == "day" else f"the {begun.day}{ENDINGS.get(begun.day, 'th')}"
        extent = f"{money(low, '')} to {money(high, '')}"
        rows.append(ForecastRow(name, money(level - float(ahead.level[before]), currency), money(level, currency), extent))
    level = float(ahead.level[-1])
    rows.append(ForecastRow(f"Forecast for the {whole}'s end", money(level, currency), is_sum=True))
    if math.isfinite(ahead.budget):
        left = ahead.budget - level
        rows.append(ForecastRow(f"Budget of the {whole}", money(ahead.budget, currency)))
        rows.append(ForecastRow("Left of it" if left >= 0 else "Beyond it", money(abs(left), currency), is_sum=True))
    return rows


def parts(ahead: Outlook) -> list[tuple[str, str, str, str]]:
    """(kind, instance-hours, price an hour, what that comes to) of all that was spent in the period; the last row is their sum."""
    spend = ahead.spend
    rows = []
    for line in spend.lines:
        price = line.kind.price
        currency = price.currency if price else ""
        hours = number(line.seconds / HOUR_SECONDS)
        rows.append((kind_text(line.kind), hours, money(line.kind.hourly, currency), money(line.spent, currency)))
    whole = number(math.fsum(line.seconds for line in spend.lines) / HOUR_SECONDS)
    return [*rows, ("Sum", whole, "", money(spend.spent, spend.currency))] if rows else []


def moment(time: float, ahead: Outlook) -> str:
    """A time within the period: `14:00 UTC`, `the 23rd at 14:00 UTC`."""
    at = datetime.fromtimestamp(time, UTC)
    clock = f"{at:%H:%M} UTC"
    return clock if ahead.spend.period == "day" else f"the {at.day}{ENDINGS.get(at.day, 'th')} at {clock}"


def when(time: float, ahead: Outlook) -> str:
    """The same where something happens: `at 14:00 UTC`, `on the 23rd at 14:00 UTC`."""
    return f"{'at' if ahead.spend.period == 'day' else 'on'} {moment(time, ahead)}"


def _of_rate(budget: Budget, rate: float) -> str:
    if budget.hour is None or not rate > budget.hour:
        return ""
    return f"The pool costs {money(rate, '')} an hour, its budget is {money(budget.hour, '')}: {_beyond(rate, budget.hour)}."


def _is_over(rate: float, most: float | None) -> bool:
    return most is not None and rate > most


def _beyond(amount: float, budget: float) -> str:
    over = amount / budget - 1
    if over >= MANY_TIMES:
        return f"{_share(over + 1)} as much"
    return f"{'less than 1 %' if over < 0.005 else percent(over)} over"


def _share(share: float) -> str:
    return percent(share) if share < MANY_TIMES else f"{number(share)} times"
