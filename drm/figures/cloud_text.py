"""Clouds in words: the sums, and the lines of the table. What is not known is said, never 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from drm.cloud.accrual import UNNAMED
from drm.cloud.price_file import staleness
from drm.cloud.totals import Line, Sum, Totals, summed
from drm.figures.ladder_text import ALL, kind_text, provider_text
from drm.figures.units import UNKNOWN, count, duration, money, plain
from drm.model import Price

MOST_LINES = 50
NOT_SAID, NONE = UNNAMED, "–"
MARKETS = {"on_demand": "on-demand", "spot": "spot", None: NONE}
NOT_KEPT = "what they had cost by then is not kept"


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of the table, as text."""

    provider: str
    region: str
    type: str
    market: str
    instances: str
    price: str
    price_source: str
    price_age: str
    """That the price is old; empty where it is not."""
    rate: str
    spent: str
    kind: str
    """As the account of what was paid names it."""
    is_sum: bool = False


def sentence(totals: Totals, *, simulated: bool, past: bool = False) -> str:
    """All providers in one sentence; `past`: of a moment that has passed."""
    if math.isnan(totals.time):
        return "Nothing is known yet: the first tick of the controller tells what there is."
    if not totals.lines:
        return "There is no instance, and there was none: nothing is charged."
    whole, providers = totals.sum, {line.kind.provider for line in totals.lines}
    where = f" at {count(len(providers), 'provider')}" if providers != {None} else ", whose provider is not said"
    when, ago = ("then", "before") if past else ("now", "ago")
    now = _now(whole, when) if any(line.charged for line in totals.lines) else f"None of them is charged {when}"
    spent = _so_far(whole, f"{duration(totals.time - totals.since)} {ago}")
    shown = f"{count(whole.instances, 'instance')}{where}. {now}; {NOT_KEPT if math.isnan(totals.since) else spent}."
    return f"SIMULATED, prices included: {shown}" if simulated else shown


def warnings(totals: Totals) -> list[str]:
    """What makes the sums less than whole."""
    found, whole = [], totals.sum
    if len(whole.currencies) > 1:
        found.append(
            f"Prices are in {', '.join(plain(one, 8) or 'an unnamed currency' for one in whole.currencies)}: they are not added up."
        )
    if whole.unpriced:
        found.append(
            f"The price of {count(whole.unpriced, 'instance')} is not known, so no sum of {'it' if whole.unpriced == 1 else 'them'} is: "
            "--worker-price says what a worker of this machine costs, 0 if nothing; a worker type has an hourly_price."
        )
    if lost := sum(line.states.get("lost", 0) for line in totals.lines):
        found.append(f"{count(lost, 'lost worker')} not charged: whether the machine still runs is not known.")
    if totals.uncounted_seconds > 0:
        found.append(f"{duration(totals.uncounted_seconds)} in which no tick came (a clock that jumped, or a sleep) are not charged.")
    for problem in totals.problems:
        asked = "" if math.isnan(problem.at) else f" when asked at {datetime.fromtimestamp(problem.at, UTC):%Y-%m-%d %H:%M:%S} UTC"
        found.append(f"{plain(problem.provider, 40)}{asked}: {plain(problem.error, 200)}")
    return found


def table(totals: Totals) -> list[TableRow]:
    """A row for each kind of instance, a sum for each provider that has several, and the sum of all."""
    rows: list[TableRow] = []
    shown, rest = totals.lines[:MOST_LINES], totals.lines[MOST_LINES:]
    for provider in dict.fromkeys(line.kind.provider for line in shown):
        lines = [line for line in shown if line.kind.provider == provider]
        rows += [_row(line, totals.time) for line in lines]
        if len(lines) > 1:
            rows.append(_sum_row(f"{_name(provider)}, together", summed(lines), provider_text(provider)))
    if rest:
        rows.append(_sum_row(f"{len(rest)} further kinds", summed(rest), ALL["value"]))
    if len({line.kind.provider for line in totals.lines}) > 1:
        rows.append(_sum_row("All", totals.sum, ALL["value"]))
    return rows


def currency_of(whole: Sum) -> str:
    """The one currency of a sum; empty where there are none or several."""
    return whole.currencies[0] if len(whole.currencies) == 1 else ""


def _now(whole: Sum, when: str) -> str:
    currency = currency_of(whole)
    if not math.isnan(whole.rate):
        return f"They cost {money(whole.rate, currency)} an hour {when}"
    known = f", of {money(whole.known_rate, currency)} is known" if whole.known_rate > 0 else ""
    return f"What they cost an hour is {UNKNOWN}{known}"


def _so_far(whole: Sum, span: str) -> str:
    currency = currency_of(whole)
    if not math.isnan(whole.spent):
        return f"{money(whole.spent, currency)} since the controller started {span}"
    known = f", of {money(whole.known_spent, currency)} is known" if whole.known_spent > 0 else ""
    return f"what they have cost since the controller started {span} is {UNKNOWN}{known}"


def _row(line: Line, now: float) -> TableRow:
    kind, price = line.kind, line.kind.price
    currency = price.currency if price else ""
    return TableRow(
        provider=_name(kind.provider),
        region=plain(kind.region or NONE, 40),
        type=plain(kind.type or NOT_SAID, 40),
        market=MARKETS[kind.market],
        instances=", ".join(f"{number} {state}" for state, number in line.states.items()) or "none now",
        price=money(kind.hourly, currency),
        price_source=_source(price),
        price_age="" if price is None else staleness(price, now),
        rate=money(line.rate, currency),
        spent=money(line.spent, currency),
        kind=kind_text(kind),
    )


def _sum_row(title: str, whole: Sum, kind: str) -> TableRow:
    currency = currency_of(whole)
    instances = count(whole.instances, "instance")
    rate, spent = money(whole.rate, currency), money(whole.spent, currency)
    return TableRow(title, "", "", "", instances, "", "", "", rate, spent, kind, is_sum=True)


def _source(price: Price | None) -> str:
    return "" if price is None else ", ".join(plain(part, 60) for part in (price.source, price.date) if part)


def _name(provider: str | None) -> str:
    return plain(provider or NOT_SAID, 40)
