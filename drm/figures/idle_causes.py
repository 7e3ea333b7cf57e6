"""Idle causes: the parts of what was paid in which a worker, or what is free on it, stood idle, the largest first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from drm.analysis.ladder import NOTHING, Ladder
from drm.figures.ladder_text import NOT_KEPT, NOTHING_YET, PIECES, hours
from drm.figures.units import UNKNOWN, money, percent

CAUSES = ("min_bound", "kept", "held", "cooldown", "idle_grace", "stranded", "spare", "boot", "draining", "billing_minimum")
LEAST_SHARE = 0.0005


@dataclass(frozen=True, slots=True)
class Row:
    """One cause."""

    name: str
    detail: str
    share: str
    hours: str
    """Worker-hours."""
    money: str
    width: float
    """Of its bar, in percent of what was paid."""


def rows(found: Ladder | None) -> list[Row]:
    """The causes that took something, largest share first."""
    if found is None or not found.paid.seconds > 0:
        return []
    shares = {cause: found.share(cause) for cause in CAUSES}
    order = sorted((cause for cause in CAUSES if shares[cause] >= LEAST_SHARE), key=lambda cause: -shares[cause])
    return [_row(found, cause, shares[cause]) for cause in order]


def sentence(found: Ladder | None, *, past: bool) -> str:
    """How much of what was paid was idle."""
    if found is None:
        return NOT_KEPT if past else NOTHING_YET
    if not found.paid.seconds > 0:
        return NOTHING_YET
    whole = sum((found.pieces[cause] for cause in CAUSES), NOTHING)
    cost = f"{money(whole.money, found.currency)}, " if math.isfinite(whole.money) else ""
    share = sum(found.share(cause) for cause in CAUSES)
    return f"{cost}{hours(whole.seconds)} worker-hours, {percent(share)} of what was paid, held no task."


def _row(found: Ladder, cause: str, share: float) -> Row:
    name, detail = PIECES[cause]
    amount = found.pieces[cause]
    cost = money(amount.money, found.currency) if math.isfinite(amount.money) and amount.money >= 0 else UNKNOWN
    return Row(
        name, detail, "under 1 %" if share < 0.005 else percent(share), hours(amount.seconds), cost, max(0.0, min(100.0, share * 100))
    )
