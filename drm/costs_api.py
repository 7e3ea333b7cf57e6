"""What `/api/v1/costs` answers: what a time cost and what for, of all workers and by what tells kinds of instances apart; and what tasks
of each name took since the controller started."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from drm.analysis.ladder import PIECES, STEPS, Amount, Ladder, by_key, ladder
from drm.cloud.accrual import HOUR_SECONDS, Spend
from drm.errors import InvalidValueError, UnknownIdError
from drm.export_api import read_range
from drm.meter import TaskCosts
from drm.model import NAME_LIMIT
from drm.tabs import DEFAULT_RANGE
from drm.view import View

COSTS_PATH = "/api/v1/costs"
BY = ("provider", "region", "type", "market")
PARAMETERS = ("range", "at", "by", "worker")
AMOUNTS = ("requested_hours", "used_hours", "useful_hours", "cost")


def costs_json(view: View, arguments: Mapping[str, str]) -> dict[str, Any]:
    """The account of a range (`range`, default 15m) by `by`, some of `BY` separated by commas. Amounts are worker-hours and money, which is
    null where a price is not known. With `worker`, its id: the account of that worker alone. InvalidValueError with the name, the value and
    the rule; UnknownIdError where no worker of that id is known."""
    for name in arguments:
        if name not in PARAMETERS:
            raise InvalidValueError(f"there is no {name[:NAME_LIMIT]!r} to ask costs by; there is {', '.join(PARAMETERS)}")
    fields = tuple(arguments.get("by", "provider,type").split(","))
    for field in fields:
        if field not in BY:
            raise InvalidValueError(f"by must be some of {', '.join(BY)}, separated by commas, got {field[:NAME_LIMIT]!r}")
    if "worker" in arguments:
        return _worker_json(view, arguments["worker"], read_range(arguments.get("range", DEFAULT_RANGE)))
    start, end = view.spends(read_range(arguments.get("range", DEFAULT_RANGE)))
    whole = None if end is None else ladder(start, end)
    if end is None or whole is None:
        return {"since": None, "until": None, "currency": None, "all": None, "by": [], "tasks": None}
    groups = by_key(start, end, lambda kind: tuple(getattr(kind, field) for field in fields)) or {}
    return {
        "since": _number(whole.since),
        "until": _number(whole.until),
        "currency": whole.currency or None,
        "all": _account(whole),
        "by": [{**dict(zip(fields, key, strict=True)), "currency": one.currency or None, **_account(one)} for key, one in groups.items()],
        "tasks": None if view.moment is not None else _tasks(view.task_costs(), end),
    }


def _worker_json(view: View, worker_id: str, range_seconds: float) -> dict[str, Any]:
    if not view.lifetimes_of(worker_id):
        raise UnknownIdError(f"no worker has or had the id {worker_id[:NAME_LIMIT]!r}; ids are those of /api/v1/snapshot")
    spend = view.worker_spend(worker_id, range_seconds)
    found = None if spend is None else ladder(None, spend)
    if found is None:
        return {"worker": worker_id, "since": None, "until": None, "currency": None, "all": None}
    return {
        "worker": worker_id,
        "since": _number(found.since),
        "until": _number(found.until),
        "currency": found.currency or None,
        "all": _account(found),
    }


def _account(found: Ladder) -> dict[str, Any]:
    return {
        "rungs": {name: _amount(found.rung(name)) for name in STEPS},
        "pieces": {name: _amount(found.pieces[name]) for name in PIECES},
        "unpriced_hours": found.unpriced_seconds / HOUR_SECONDS,
    }


def _amount(amount: Amount) -> dict[str, float | None]:
    return {"worker_hours": amount.seconds / HOUR_SECONDS, "cost": _number(amount.money)}


def _tasks(costs: TaskCosts, end: Spend) -> dict[str, Any]:
    """By name: worker-hours, and the cost of what was requested."""
    names: dict[str, dict[str, Any]] = {}
    for (name, kind), cost in costs.items():
        row = names.setdefault(name, {"name": name, "attempts": 0, **dict.fromkeys(AMOUNTS, 0.0)})
        row["attempts"] += cost.attempts
        amounts = cost.requested, cost.used, cost.useful, cost.requested * kind.hourly
        for column, amount in zip(AMOUNTS, amounts, strict=True):
            row[column] += amount / HOUR_SECONDS
    dearest = sorted(names.values(), key=lambda row: (-row["requested_hours"], row["name"]))
    return {"since": _number(end.since), "names": [{**row, "cost": _number(row["cost"])} for row in dearest]}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
