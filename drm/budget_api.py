"""What `/api/v1/budget` answers: what the running day and month have cost, and will have by their ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from drm.analysis.outlook import Basis, Outlook, look_ahead, one_rate
from drm.answers import number
from drm.budget import PERIODS
from drm.figures.budget_text import alerts
from drm.parameters import AtMoment
from drm.routes import Call, Route
from drm.state import DRMState
from drm.view import View

BUDGET_PATH = "/api/v1/budget"


class HourAnswer(TypedDict):
    """What may be spent in an hour, and what is."""

    budget: float | None
    rate: float | None


class PeriodAnswer(TypedDict):
    """A day or a month (UTC). Money is in `currency`."""

    currency: str | None
    basis: Basis
    days: int
    start: float | None
    end: float | None
    since: Annotated[float | None, Field(description="From when on it is known what was spent.")]
    spent: float | None
    forecast: float | None
    low: float | None
    high: float | None
    budget: float | None
    over_at: float | None
    may_be_over_at: float | None


class BudgetAnswer(TypedDict):
    """What is spent, will be, and may be; null where that is not known, or there is no budget."""

    hour: HourAnswer
    day: PeriodAnswer
    month: PeriodAnswer
    alerts: Annotated[list[str], Field(description="The sentences of the page.")]


def budget_routes(state: DRMState, version: Callable[[], str]) -> tuple[Route[Any, Any], ...]:
    """The route over a state."""

    def budget(call: Call[AtMoment, Any]) -> BudgetAnswer:
        return budget_json(state.at(call.query.at))

    return (Route(BUDGET_PATH, "What day and month have cost, and will", budget, query=AtMoment, answer=BudgetAnswer, version=version),)


def budget_json(view: View) -> BudgetAnswer:
    """As of the view's moment."""
    budget, rate = view.budget, one_rate(view.snapshot)
    ahead = {period: look_ahead(view, period) for period in PERIODS}
    return {
        "hour": {"budget": budget.hour, "rate": number(rate)},
        "day": _period(ahead["day"]),
        "month": _period(ahead["month"]),
        "alerts": alerts(budget, rate, ahead.values()),
    }


def _period(ahead: Outlook) -> PeriodAnswer:
    spend = ahead.spend
    return {
        "currency": ahead.currency or None,
        "basis": ahead.basis,
        "days": ahead.days,
        "start": number(spend.start),
        "end": number(spend.end),
        "since": number(spend.since),
        "spent": number(spend.spent),
        "forecast": number(ahead.level[-1]),
        "low": number(ahead.low[-1]),
        "high": number(ahead.high[-1]),
        "budget": number(ahead.budget),
        "over_at": number(ahead.over_at),
        "may_be_over_at": number(ahead.may_be_over_at),
    }
