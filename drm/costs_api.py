"""What `/api/v1/costs` answers: what a time cost and what for, of all workers and by what tells kinds of instances apart; and what tasks
of each name took since the controller started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from drm.analysis.ladder import PIECES, STEPS, Amount, Ladder, by_key, ladder
from drm.answers import number, plain
from drm.cloud.accrual import HOUR_SECONDS, Spend
from drm.errors import UnknownIdError
from drm.meter import TaskCosts
from drm.model import NAME_LIMIT
from drm.parameters import NAME, RANGE, AtMoment, some_of, written
from drm.routes import Call, Route
from drm.state import DRMState
from drm.tabs import DEFAULT_RANGE
from drm.view import View

COSTS_PATH = "/api/v1/costs"
BY = ("provider", "region", "type", "market")
AMOUNTS = ("requested_hours", "used_hours", "useful_hours", "cost")


class CostsParameters(AtMoment):
    """Which time, and what it is told by."""

    range: Annotated[float, RANGE] = written(DEFAULT_RANGE)
    """How long before the moment."""
    by: Annotated[tuple[str, ...], some_of(BY)] = written("provider,type")
    """What tells the groups of `by` apart."""
    worker: Annotated[str | None, NAME] = None
    """The id of a worker: then the account of it alone."""


class AmountAnswer(TypedDict):
    """Worker-hours, and their money; null where a price is not known."""

    worker_hours: float
    cost: float | None


class AccountAnswer(TypedDict):
    """The rungs of the ladder from what was paid to what was useful, and the pieces between them (docs/cost-split.md)."""

    rungs: dict[str, AmountAnswer]
    pieces: dict[str, AmountAnswer]
    unpriced_hours: float


class GroupAnswer(AccountAnswer):
    """Of the instances that agree in what was asked to tell them apart."""

    currency: str | None
    provider: NotRequired[str | None]
    region: NotRequired[str | None]
    type: NotRequired[str | None]
    market: NotRequired[str | None]


class TaskAnswer(TypedDict):
    """The ended attempts at tasks of one name."""

    name: str
    attempts: int
    requested_hours: float
    used_hours: float | None
    useful_hours: float | None
    cost: float | None


class TasksAnswer(TypedDict):
    """By name, the dearest first."""

    since: float | None
    names: list[TaskAnswer]


class CostsAnswer(TypedDict):
    """The account of a range; null where nothing is known of it."""

    since: float | None
    until: float | None
    currency: str | None
    all: AccountAnswer | None
    worker: NotRequired[Annotated[str, Field(description="Where the account of one worker was asked for; then without `by` and `tasks`.")]]
    by: NotRequired[list[GroupAnswer]]
    tasks: NotRequired[TasksAnswer | None]


def costs_routes(state: DRMState, version: Callable[[], str]) -> tuple[Route[Any, Any], ...]:
    """The route over a state."""

    def costs(call: Call[CostsParameters, Any]) -> CostsAnswer:
        return costs_json(state.at(call.query.at), call.query)

    return (
        Route(
            COSTS_PATH,
            "What a time cost, and what for",
            costs,
            query=CostsParameters,
            answer=CostsAnswer,
            version=version,
            problems=("unknown-id",),
        ),
    )


def costs_json(view: View, asked: CostsParameters) -> CostsAnswer:
    """The account of a range by what was asked. UnknownIdError where no worker of that id is known."""
    if asked.worker is not None:
        return _worker_json(view, asked.worker, asked.range)
    fields = asked.by
    start, end = view.spends(asked.range)
    whole = None if end is None else ladder(start, end)
    if end is None or whole is None:
        return {"since": None, "until": None, "currency": None, "all": None, "by": [], "tasks": None}
    groups = by_key(start, end, lambda kind: tuple(getattr(kind, field) for field in fields)) or {}
    by: list[Any] = [
        {**dict(zip(fields, key, strict=True)), "currency": one.currency or None, **_account(one)} for key, one in groups.items()
    ]
    return {
        "since": number(whole.since),
        "until": number(whole.until),
        "currency": whole.currency or None,
        "all": _account(whole),
        "by": by,
        "tasks": None if view.moment is not None else _tasks(view.task_costs(), end),
    }


def _worker_json(view: View, worker_id: str, range_seconds: float) -> CostsAnswer:
    if not view.lifetimes_of(worker_id):
        raise UnknownIdError(f"no worker has or had the id {worker_id[:NAME_LIMIT]!r}; ids are those of /api/v1/snapshot")
    spend = view.worker_spend(worker_id, range_seconds)
    found = None if spend is None else ladder(None, spend)
    if found is None:
        return {"worker": worker_id, "since": None, "until": None, "currency": None, "all": None}
    return {
        "worker": worker_id,
        "since": number(found.since),
        "until": number(found.until),
        "currency": found.currency or None,
        "all": _account(found),
    }


def _account(found: Ladder) -> AccountAnswer:
    return {
        "rungs": {name: _amount(found.rung(name)) for name in STEPS},
        "pieces": {name: _amount(found.pieces[name]) for name in PIECES},
        "unpriced_hours": found.unpriced_seconds / HOUR_SECONDS,
    }


def _amount(amount: Amount) -> AmountAnswer:
    return {"worker_hours": amount.seconds / HOUR_SECONDS, "cost": number(amount.money)}


def _tasks(costs: TaskCosts, end: Spend) -> TasksAnswer:
    """By name: worker-hours, and the cost of what was requested."""
    names: dict[str, Any] = {}
    for (name, kind), cost in costs.items():
        row = names.setdefault(name, {"name": name, "attempts": 0, **dict.fromkeys(AMOUNTS, 0.0)})
        row["attempts"] += cost.attempts
        amounts = cost.requested, cost.used, cost.useful, cost.requested * kind.hourly
        for column, amount in zip(AMOUNTS, amounts, strict=True):
            row[column] += amount / HOUR_SECONDS
    dearest: list[Any] = sorted(names.values(), key=lambda row: (-row["requested_hours"], row["name"]))
    return {"since": number(end.since), "names": plain(dearest)}
