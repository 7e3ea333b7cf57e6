"""What a decision cost or saved, in words with the numbers and the formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from drm.analysis.decision_cost import MOST_SECONDS, DecisionCost
from drm.cloud.accrual import HOUR_SECONDS
from drm.figures.units import NOUNS, UNKNOWN, amount, count, duration, money, number, percent

DAY = duration(MOST_SECONDS)
MOST_WORKERS = 20
"""Told one by one."""
ENDS = {
    "open": "still running",
    "gone": "over, since its workers are gone",
    "bound": f"closed after {DAY}, the longest that is looked at",
}
ALONE = "An estimate: as if work could be cut to fit, with every other decision as it was."
GREW = (
    "Cost: for each of its workers the hours that were paid × its price. Idle: 1 − e / x, where x is what its workers had at a moment, and "
    "e = allocated − (capacity − x) what ran on them and had no room elsewhere. Waiting avoided: without them the work e would have piled "
    "up until the rest had room for it; what would have waited at each moment ÷ the work of one task × time. "
)
SHRANK = (
    "Saved: for each of its workers the hours since it went × its price. Waited: they would have done so much of the waiting work as "
    "they had room for; what of that still waited at each moment ÷ the work of one task × time. "
)
NOT_KEPT = " Of some of its workers nothing is kept any more, so the sum is not known."


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """What one worker, or several, were paid for, or would have been."""

    name: str
    hours: str
    price: str
    """Per hour; empty of several."""
    money: str
    is_sum: bool = False


def heading(cost: DecisionCost) -> str:
    """What the account is of."""
    return "What it cost" if cost.action == "scale_up" else "What it saved"


def facts(cost: DecisionCost) -> list[tuple[str, str, str]]:
    """(label, an amount of money or nothing, what is said of it) of the account."""
    ended = f"over, since the pool grew again (decision {cost.next_id})" if cost.end == "grew" else ENDS[cost.end]
    so_far = " so far" if cost.end == "open" else ""
    worker_hours = f"{number(cost.worker_seconds / HOUR_SECONDS)} worker-hours in {duration(cost.until - cost.since)}"
    label = "Cost" if cost.action == "scale_up" else "Saved"
    found = [(label, money(cost.money, cost.currency), f"{so_far}, for {worker_hours}: {ended}")]
    if cost.action == "scale_up":
        waiting = _waiting(cost, "ran on them that had no room elsewhere")
        return [*found, ("Of it idle", *_idle(cost)), ("Waiting avoided", "", waiting)]
    return [*found, ("Waited for it", "", _waiting(cost, "of the waiting work would have run on them"))]


def worker_rows(cost: DecisionCost) -> list[WorkerRow]:
    """The longest first, then the others together, and the sum."""
    told, others = cost.workers[:MOST_WORKERS], cost.workers[MOST_WORKERS:]
    rows = [_worker_row(one[0], [one], cost.currency, money(one[2], cost.currency)) for one in told]
    if others:
        rows.append(_worker_row(count(len(others), "other worker"), others, cost.currency))
    # Of some workers nothing may be kept any more: then the sum is not known.
    whole = replace(_worker_row("Sum", cost.workers, cost.currency), money=money(cost.money, cost.currency), is_sum=True)
    return [*rows, whole] if rows else []


def formula(cost: DecisionCost) -> str:
    """How it was worked out."""
    return (GREW if cost.action == "scale_up" else SHRANK) + ALONE + (NOT_KEPT if math.isnan(cost.worker_seconds) else "")


def _worker_row(name: str, workers: Sequence[tuple[str, float, float]], currency: str, price: str = "") -> WorkerRow:
    seconds = math.fsum(its for _, its, _ in workers)
    return WorkerRow(
        name, number(seconds / HOUR_SECONDS), price, money(math.fsum(its / HOUR_SECONDS * hourly for _, its, hourly in workers), currency)
    )


def _idle(cost: DecisionCost) -> tuple[str, str]:
    if math.isnan(cost.idle_share):
        return "", f"{UNKNOWN}: no tick was recorded with them" if not cost.resource else "they had not come yet"
    worth = money(cost.idle_share * cost.money, cost.currency) if math.isfinite(cost.money) else ""
    told = f"{percent(cost.idle_share)} of their {NOUNS[cost.resource]}: nothing needed it, or the rest of the pool had room"
    return worth, f", {told}" if worth else told


def _waiting(cost: DecisionCost, what: str) -> str:
    if not cost.resource:
        return f"{UNKNOWN}: no tick was recorded with them"
    ran = f"{amount(cost.resource, cost.needed / HOUR_SECONDS)} for an hour {what}"
    if math.isnan(cost.waiting_task_seconds):
        return f"{UNKNOWN}, since no task had ended whose run time would tell; {ran if math.isfinite(cost.needed) else ''}".rstrip("; ")
    if not cost.waiting_task_seconds:
        return "none" if not cost.needed else f"none to speak of; {ran}"
    return f"{number(cost.waiting_task_seconds / HOUR_SECONDS)} task-hours; {ran}"
