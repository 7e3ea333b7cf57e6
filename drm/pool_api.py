"""What `/api/v1` answers of the pool itself: the snapshot, the decisions, and what the policy would do now, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import compress
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict

from drm.analysis.decision_cost import DecisionCost, decision_cost
from drm.answers import Told, described, number, plain
from drm.decision import Bounds, Kind, ScalingDecision
from drm.errors import InvalidValueError
from drm.ledger_query import ACTIONS, KINDS, LIMIT, OUTCOMES, Query
from drm.model import RESOURCES, WORKER_STATES, FloatArray, WorkerState
from drm.parameters import EPOCH_SECONDS, NAME, AtMoment, some_of, whole_number
from drm.problems import ProblemError
from drm.routes import Call, Route
from drm.snapshot import Snapshot, Source, TaskCounts
from drm.state import DRMState
from drm.view import View

MOST_ROWS = 100_000
"""Decisions of one answer in ndjson."""
PAGE = 500
"""Of them so many are looked up at a time."""

FOLLOWS: dict[str, Any] = {"kind": Kind, "target": int, "evaluations": int | None}
"""What a decision's answer has beside its fields."""


class AccountWorker(TypedDict):
    """What one worker of a decision was paid for."""

    id: str
    seconds: float
    hourly: float | None


Account = described(DecisionCost, "Account", idle_share=float | None, workers=list[AccountWorker])
Decision = described(ScalingDecision, "Decision", **FOLLOWS)
DecisionWithAccount = described(ScalingDecision, "DecisionWithAccount", **FOLLOWS, account=Account | None)


class WorkerAnswer(TypedDict):
    """A worker. A resource that it does not have is left out; what was not measured is null."""

    id: str
    state: WorkerState
    started_at: float | None
    capacity: dict[str, float]
    allocated: dict[str, float | None]
    used: dict[str, float | None]


class SnapshotAnswer(TypedDict):
    """The pool at one moment."""

    source: Annotated[Any, Told(Source)]
    version: Annotated[int, Field(description="Counts the ticks; 0 before the first, and of a moment of the past.")]
    time: float | None
    ready: bool
    workers: list[WorkerAnswer]
    tasks: Annotated[Any, Told(TaskCounts)]
    demand: dict[str, float | None]
    current: int | None
    desired: int | None
    bounds: Annotated[Any, Told(Bounds | None)]
    last_decision: Annotated[Any, Told(Decision | None)]
    last_action: Annotated[Any, Told(Decision | None)]
    unknown: Annotated[list[str], Field(description="What is not known of the moment, in sentences.")]


class DecisionsAnswer(TypedDict):
    """A page of decisions, newest first."""

    decisions: list[Annotated[Any, Told(Decision)]]
    next: Annotated[int | None, Field(description="To give as `before` for the page after this one; null on the last.")]


class DecisionParameters(AtMoment):
    """One decision."""

    decision_id: Annotated[int, whole_number()]
    """A whole number."""


class DecisionsParameters(AtMoment):
    """Which decisions, newest first; of a parameter that takes several words, any of them is meant."""

    limit: Annotated[int, whole_number(1, MOST_ROWS)] = 100
    """The most that are told; in JSON at most 1000."""
    before: Annotated[int | None, whole_number()] = None
    """Only ids below this one: the `next` of the page before."""
    since: Annotated[float | None, EPOCH_SECONDS] = None
    until: Annotated[float | None, EPOCH_SECONDS] = None
    """Not before `since`. A row of many evaluations counts where its run touches them."""
    worker: Annotated[str | None, NAME] = None
    """A worker that the decision brought or gave up, by its id."""
    action: Annotated[tuple[str, ...] | None, some_of(ACTIONS)] = None
    code: Annotated[tuple[str, ...] | None, some_of()] = None
    actor: Annotated[tuple[str, ...] | None, some_of()] = None
    outcome: Annotated[tuple[str, ...] | None, some_of(OUTCOMES)] = None
    kind: Annotated[tuple[str, ...] | None, some_of(KINDS)] = None

    def query(self, limit: int) -> Query:
        """The same to the ledger, at most so many."""
        given = {name: getattr(self, name) for name in type(self).model_fields if name not in ("at", "limit")}
        return Query(limit=limit, **{name: value for name, value in given.items() if value is not None})


def pool_routes(state: DRMState, version: Callable[[], str]) -> tuple[Route[Any, Any], ...]:
    """The routes over a state."""

    def snapshot(call: Call[AtMoment, Any]) -> SnapshotAnswer:
        view = state.at(call.query.at)
        return snapshot_json(view.snapshot, view.unknown)

    def decisions(call: Call[DecisionsParameters, Any]) -> DecisionsAnswer:
        if call.query.limit > LIMIT:
            raise InvalidValueError(
                f"limit must be between 1 and {LIMIT} in JSON, got {call.query.limit}: "
                f"with Accept: application/x-ndjson it may be up to {MOST_ROWS}"
            )
        return decisions_json(state.at(call.query.at), call.query.query(call.query.limit))

    def decision(call: Call[DecisionParameters, Any]) -> dict[str, Any]:
        view = state.at(call.query.at)
        found = view.ledger.get(call.query.decision_id)
        return {**decision_json(found), "account": account_json(decision_cost(view, found))}

    def explain(call: Call[AtMoment, Any]) -> Any:
        view = state.at(call.query.at)
        found = view.explain_now()
        if found is None:
            raise ProblemError("nothing-kept", f"no evaluation is kept of this moment: {' '.join(view.unknown)}")
        return decision_json(found)

    return (
        Route("/api/v1/snapshot", "The pool: workers, tasks, sizes", snapshot, query=AtMoment, answer=SnapshotAnswer, version=version),
        Route(
            "/api/v1/decisions",
            "Every evaluation of the scaling policy, newest first",
            decisions,
            query=DecisionsParameters,
            answer=DecisionsAnswer,
            rows=lambda call: decision_rows(state.at(call.query.at), call.query),
            row=Decision,
            version=version,
        ),
        Route(
            "/api/v1/decisions/{decision_id}",
            "One evaluation with all that it rested on, and its account",
            decision,
            query=DecisionParameters,
            answer=DecisionWithAccount,
            version=version,
            problems=("unknown-id",),
        ),
        Route(
            "/api/v1/explain",
            "What the policy would do now, and why; kept nowhere",
            explain,
            query=AtMoment,
            answer=Decision,
            version=version,
            problems=("nothing-kept",),
        ),
    )


def snapshot_json(snapshot: Snapshot, unknown: Sequence[str] = ()) -> SnapshotAnswer:
    """The snapshot for JSON, with what is not known of it in words. A resource that a worker does not have is left out; what was not
    measured is null."""
    present = (snapshot.capacity > 0).tolist()
    columns = [_known(column) for column in (snapshot.capacity, snapshot.allocated, snapshot.used)]
    workers: list[WorkerAnswer] = [
        {
            "id": worker_id,
            "state": WORKER_STATES[code],
            "started_at": started_at,
            "capacity": _named(capacity, has),
            "allocated": _named(allocated, has),
            "used": _named(used, has),
        }
        for worker_id, code, started_at, has, capacity, allocated, used in zip(
            snapshot.worker_ids, snapshot.states.tolist(), _known(snapshot.started_at), present, *columns, strict=True
        )
    ]
    return {
        "source": plain(snapshot.source),
        "version": snapshot.version,
        "time": number(snapshot.time),
        "ready": snapshot.ready,
        "workers": workers,
        "tasks": plain(snapshot.tasks),
        "demand": dict(zip(RESOURCES, _known(snapshot.demand), strict=True)),
        "current": snapshot.current,
        "desired": snapshot.desired,
        "bounds": plain(snapshot.bounds),
        "last_decision": decision_json(snapshot.last_decision),
        "last_action": decision_json(snapshot.last_action),
        "unknown": list(unknown),
    }


def decision_json(decision: ScalingDecision | None) -> Any:
    """A decision with all that it rested on, for JSON, and what follows from that: `kind`, `target`, `evaluations`."""
    if decision is None:
        return None
    return {**plain(decision), **{name: getattr(decision, name) for name in FOLLOWS}}


def account_json(cost: DecisionCost | None) -> dict[str, Any] | None:
    """What a decision cost or saved, by the names of `DecisionCost`; null of one that changed nothing."""
    if cost is None:
        return None
    workers = [{"id": worker_id, "seconds": seconds, "hourly": number(hourly)} for worker_id, seconds, hourly in cost.workers]
    return {**plain(cost), "idle_share": number(cost.idle_share), "workers": workers}


def decisions_json(view: View, query: Query) -> DecisionsAnswer:
    """A page of decisions, newest first, and `next`: what to give as `before` for the page after it; null on the last one."""
    found = view.ledger.query(query)
    more = bool(found) and view.ledger.count(replace(query, before=found[-1].id)) > 0
    return {"decisions": [decision_json(one) for one in found], "next": found[-1].id if more else None}


def decision_rows(view: View, asked: DecisionsParameters) -> Iterator[Any]:
    """The decisions one by one, newest first; those that a tick adds meanwhile are not among them."""
    query, left = asked.query(LIMIT), asked.limit
    while left > 0:
        query = replace(query, limit=min(PAGE, left))
        ids = view.ledger.ids(query)
        found = (view.ledger.find(one) for one in ids)
        yield from (decision_json(one) for one in found if one is not None)
        if len(ids) < query.limit:
            return
        left -= len(ids)
        query = replace(query, before=ids[-1])


def _known(column: FloatArray) -> list[Any]:
    """Nested lists in which what is not finite is None."""
    listed = column.astype(object)
    listed[~np.isfinite(column)] = None
    return list(listed.tolist())


def _named(amounts: list[Any], present: list[bool]) -> dict[str, Any]:
    return dict(zip(compress(RESOURCES, present), compress(amounts, present), strict=True))
