"""What `/api/v1/budget` answers: what the running day and month have cost, and will have by their ends; and a decision's account."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from drm.analysis.decision_cost import DecisionCost
from drm.analysis.outlook import Outlook, look_ahead, one_rate
from drm.budget import PERIODS
from drm.errors import InvalidValueError
from drm.figures.budget_text import alerts
from drm.model import NAME_LIMIT
from drm.view import View

BUDGET_PATH = "/api/v1/budget"


def budget_json(view: View, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Money is in `currency`; null where it is not known, or there is no budget. `alerts` are the page's sentences. InvalidValueError for
    any argument but `at`."""
    for name in arguments:
        if name != "at":
            raise InvalidValueError(f"there is no {name[:NAME_LIMIT]!r} to ask the budget by; there is at")
    budget, rate = view.budget, one_rate(view.snapshot)
    ahead = {period: look_ahead(view, period) for period in PERIODS}
    return {
        "hour": {"budget": budget.hour, "rate": _number(rate)},
        **{period: _period(one) for period, one in ahead.items()},
        "alerts": alerts(budget, rate, ahead.values()),
    }


def account_json(cost: DecisionCost | None) -> dict[str, Any] | None:
    """What a decision cost or saved, by the names of `DecisionCost`; null of one that changed nothing."""
    if cost is None:
        return None
    told = {column.name: getattr(cost, column.name) for column in fields(cost)} | {"idle_share": cost.idle_share}
    told["workers"] = [{"id": worker_id, "seconds": seconds, "hourly": _number(hourly)} for worker_id, seconds, hourly in cost.workers]
    return {name: _number(value) if isinstance(value, float) else value for name, value in told.items()}


def _period(ahead: Outlook) -> dict[str, Any]:
    spend = ahead.spend
    numbers = {
        "start": spend.start,
        "end": spend.end,
        "since": spend.since,
        "spent": spend.spent,
        "forecast": float(ahead.level[-1]),
        "low": float(ahead.low[-1]),
        "high": float(ahead.high[-1]),
        "budget": ahead.budget,
        "over_at": ahead.over_at,
        "may_be_over_at": ahead.may_be_over_at,
    }
    return {
        "currency": ahead.currency or None,
        "basis": ahead.basis,
        "days": ahead.days,
        **{name: _number(one) for name, one in numbers.items()},
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
