"""Budgets of a day and of a month: whether one is spent, and that in words."""

from __future__ import annotations

import math

from drm.budget import PERIODS, Period
from drm.policies.conditions import Conditions

EPSILON = 1e-9


def used_up(seen: Conditions) -> list[Period]:
    """The periods whose budget is spent, or of which nobody knows whether it is."""
    return [
        period
        for period in PERIODS
        if math.isfinite(most := getattr(seen, f"{period}_budget"))
        and getattr(seen, f"{period}_left_seconds") > 0
        and not getattr(seen, f"{period}_spent") < most
    ]


def spent_text(period: Period, seen: Conditions) -> str:
    """What a budget that is used up stops, with its numbers."""
    most, spent = getattr(seen, f"{period}_budget"), getattr(seen, f"{period}_spent")
    if math.isnan(spent):
        return f"the budget is {most:g} a {period}, and what was spent is not known: set the price of the workers"
    left = span(getattr(seen, f"{period}_left_seconds"))
    return f"the budget of the {period} is {most:g}, and {spent:.6g} was spent: nothing is added until it ends, in {left}"


def span(amount: float) -> str:
    """A long time in one unit, rounded up, so that none is left once it has passed."""
    for size, most, unit in ((1, 120, "s"), (60, 120, "min"), (3600, 48, "h")):
        if math.ceil(amount / size - EPSILON) <= most:
            return f"{math.ceil(amount / size - EPSILON)} {unit}"
    return f"{math.ceil(amount / 86400 - EPSILON)} days"
