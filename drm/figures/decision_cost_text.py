"""What a decision cost or saved, in words with the numbers and the formulas."""

from __future__ import annotations

import math

from drm.analysis.decision_cost import MOST_SECONDS, DecisionCost
from drm.cloud.accrual import HOUR_SECONDS
from drm.figures.units import NOUNS, UNKNOWN, amount, duration, money, number, percent

DAY = duration(MOST_SECONDS)
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


def heading(cost: DecisionCost) -> str:
    """What the account is of."""
    return "What it cost" if cost.action == "scale_up" else "What it saved"


def facts(cost: DecisionCost) -> list[tuple[str, str]]:
    """(label, text) of the account."""
    ended = f"over, since the pool grew again (decision {cost.next_id})" if cost.end == "grew" else ENDS[cost.end]
    so_far = " so far" if cost.end == "open" else ""
    worker_hours = f"{number(cost.worker_seconds / HOUR_SECONDS)} worker-hours in {duration(cost.until - cost.since)}"
    found = [("Cost" if cost.action == "scale_up" else "Saved", f"{money(cost.money, cost.currency)}{so_far}, for {worker_hours}: {ended}")]
    if cost.action == "scale_up":
        return [*found, ("Of it idle", _idle(cost)), ("Waiting avoided", _waiting(cost, "ran on them that had no room elsewhere"))]
    return [*found, ("Waited for it", _waiting(cost, "of the waiting work would have run on them"))]


def formula(cost: DecisionCost) -> str:
    """How it was worked out."""
    return (GREW if cost.action == "scale_up" else SHRANK) + ALONE + (NOT_KEPT if math.isnan(cost.worker_seconds) else "")


def _idle(cost: DecisionCost) -> str:
    if math.isnan(cost.idle_share):
        return f"{UNKNOWN}: no tick was recorded with them" if not cost.resource else "they had not come yet"
    worth = f", {money(cost.idle_share * cost.money, cost.currency)}" if math.isfinite(cost.money) else ""
    return f"{percent(cost.idle_share)} of their {NOUNS[cost.resource]}{worth}: nothing needed it, or the rest of the pool had room"


def _waiting(cost: DecisionCost, what: str) -> str:
    if not cost.resource:
        return f"{UNKNOWN}: no tick was recorded with them"
    ran = f"{amount(cost.resource, cost.needed / HOUR_SECONDS)} for an hour {what}"
    if math.isnan(cost.waiting_task_seconds):
        return f"{UNKNOWN}, since no task had ended whose run time would tell; {ran if math.isfinite(cost.needed) else ''}".rstrip("; ")
    if not cost.waiting_task_seconds:
        return "none" if not cost.needed else f"none to speak of; {ran}"
    return f"{number(cost.waiting_task_seconds / HOUR_SECONDS)} task-hours; {ran}"
