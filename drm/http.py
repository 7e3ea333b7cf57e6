"""The API: a Flask blueprint over one state. GET only, strict JSON (a number that is unknown is null).

`at` (epoch seconds) asks for the pool as it was at a moment; without it the answer is of the present.
"""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
from flask import Blueprint, Response, request

from drm.analysis.decision_cost import decision_cost
from drm.budget_api import BUDGET_PATH, account_json, budget_json
from drm.cloud.price_list import read_price_list
from drm.costs_api import COSTS_PATH, costs_json
from drm.decision import ScalingDecision
from drm.errors import InvalidValueError, UnknownIdError
from drm.export_api import PATHS as EXPORT_PATHS
from drm.export_api import add_routes
from drm.ledger_query import Query
from drm.metrics import METRICS_PATH, Metrics
from drm.model import NAME_LIMIT, RESOURCES, WORKER_STATES, FloatArray
from drm.recommendations_api import RECOMMENDATIONS_PATH, recommendations_json
from drm.snapshot import Snapshot
from drm.state import DRMState
from drm.view import View

WORD_FIELDS = ("action", "code", "actor", "outcome", "kind")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

PATHS = (
    "/api/v1/snapshot",
    "/api/v1/decisions",
    "/api/v1/decisions/ID",
    "/api/v1/explain",
    BUDGET_PATH,
    COSTS_PATH,
    RECOMMENDATIONS_PATH,
    *EXPORT_PATHS,
)
DIGITS = 15
"""Of the longest number that is read as an id."""

STALE_INTERVALS = 3
"""A tick older than so many intervals makes the program not ready."""


def create_blueprint(state: DRMState, url_prefix: str = "") -> Blueprint:
    """`/healthz`, `/readyz`, `/metrics` and `/api/v1/...` under the prefix (without a slash at its end)."""
    # The last snapshot and its JSON: any number of readers cost one encoding per tick.
    told: tuple[Snapshot | None, str] = None, ""
    metrics = Metrics(state)
    blueprint = Blueprint(f"drm{url_prefix.replace('/', '-')}", __name__, url_prefix=url_prefix or None)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return _answer({"status": "up"})

    @blueprint.get("/readyz")
    def readyz() -> Response:
        reason = why_not_ready(state, time.monotonic())
        return _answer({"ready": not reason, "reason": reason}, 503 if reason else 200)

    @blueprint.get(METRICS_PATH)
    def of_prometheus() -> Response:
        body, content_type = metrics.answer(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type, headers={"Cache-Control": "no-store"})

    @blueprint.get("/api/v1/snapshot")
    def snapshot() -> Response:
        nonlocal told
        if "at" in request.args:
            return _of_moment(state, lambda view: _answer(snapshot_json(view.snapshot, view.unknown)))
        snapshot = state.snapshot
        if told[0] is not snapshot:
            told = snapshot, _text(snapshot_json(snapshot))
        return _response(told[1])

    @blueprint.get("/api/v1/decisions")
    def decisions() -> Response:
        return _of_moment(state, lambda view: _answer(decisions_json(view, read_query(request.args))))

    @blueprint.get("/api/v1/decisions/<decision_id>")
    def decision(decision_id: str) -> Response:
        if not (decision_id.isascii() and decision_id.isdigit() and len(decision_id) <= DIGITS):
            return _answer({"error": f"a decision's id is a whole number, got {decision_id[:NAME_LIMIT]!r}"}, 400)
        return _of_moment(state, lambda view: _answer(_with_account(view, view.ledger.get(int(decision_id)))))

    @blueprint.get("/api/v1/explain")
    def explain() -> Response:
        return _of_moment(state, _explained)

    @blueprint.get(BUDGET_PATH)
    def budget() -> Response:
        return _of_moment(state, lambda view: _answer(budget_json(view, request.args)))

    @blueprint.get(COSTS_PATH)
    def costs() -> Response:
        return _of_moment(state, lambda view: _answer(costs_json(view, request.args)))

    prices = functools.cache(read_price_list)

    @blueprint.get(RECOMMENDATIONS_PATH)
    def recommendations() -> Response:
        types = state.manager.worker_types
        return _of_moment(state, lambda view: _answer(recommendations_json(view, types, prices, request.args)))

    add_routes(blueprint, state)

    # Errors are JSON too; a blueprint hears of none that is made before a route is found.
    @blueprint.route("/api/<path:rest>", methods=METHODS)
    @blueprint.route("/healthz", methods=METHODS[1:])
    @blueprint.route("/readyz", methods=METHODS[1:])
    @blueprint.route(METRICS_PATH, methods=METHODS[1:])
    def nothing_there(rest: str = "") -> Response:
        if request.method in METHODS[1:]:
            refused = _answer({"error": f"{request.method} is not allowed here: this API is read with GET"}, 405)
            refused.headers["Allow"] = "GET, HEAD, OPTIONS"
            return refused
        return _answer({"error": f"there is no /api/{rest[:NAME_LIMIT]}; there is {', '.join(PATHS)}"}, 404)

    return blueprint


def _of_moment(state: DRMState, answer: Callable[[View], Response]) -> Response:
    """The answer of the view that the request asks for; 400 or 404 with the sentence where there is none."""
    try:
        return answer(state.at(_epoch_seconds("at", request.args["at"]) if "at" in request.args else None))
    except InvalidValueError as error:
        return _answer({"error": str(error)}, 400)
    except UnknownIdError as error:
        return _answer({"error": str(error)}, 404)


def _with_account(view: View, decision: ScalingDecision) -> dict[str, Any]:
    return {**decision_json(decision), "account": account_json(decision_cost(view, decision))}


def _explained(view: View) -> Response:
    decision = view.explain_now()
    if decision is None:
        return _answer({"error": f"no evaluation is kept of this moment: {' '.join(view.unknown)}"}, 404)
    return _answer(decision_json(decision))


def why_not_ready(state: DRMState, monotonic: float) -> str:
    """Why the numbers cannot be relied upon at that time of `time.monotonic()`; empty where they can."""
    health = state.health
    if math.isnan(health.ticked_monotonic):
        return health.error or "no tick has run yet"
    age = monotonic - health.ticked_monotonic
    limit = STALE_INTERVALS * health.interval_seconds
    if age > limit:
        return f"the last tick is {age:.1f} s old, more than {limit:g} s" + (f": {health.error}" if health.error else "")
    return "" if state.snapshot.ready else "the engine is starting"


def snapshot_json(snapshot: Snapshot, unknown: Sequence[str] = ()) -> dict[str, Any]:
    """The snapshot for JSON, with what is not known of it in words. A resource that a worker does not have is left out; what was not
    measured is null."""
    present = (snapshot.capacity > 0).tolist()
    columns = [_known(column) for column in (snapshot.capacity, snapshot.allocated, snapshot.used)]
    workers = [
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
        "source": {"kind": snapshot.source.kind, "label": snapshot.source.label},
        "version": snapshot.version,
        "time": _number(snapshot.time),
        "ready": snapshot.ready,
        "workers": workers,
        "tasks": snapshot.tasks.as_dict(),
        "demand": dict(zip(RESOURCES, _known(snapshot.demand), strict=True)),
        "current": snapshot.current,
        "desired": snapshot.desired,
        "bounds": _plain(snapshot.bounds),
        "last_decision": decision_json(snapshot.last_decision),
        "last_action": decision_json(snapshot.last_action),
        "unknown": list(unknown),
    }


def decision_json(decision: ScalingDecision | None) -> Any:
    """A decision with all that it rested on, for JSON, and what follows from that: `kind`, `target`, `evaluations`."""
    if decision is None:
        return None
    return {**_plain(decision), "kind": decision.kind, "target": decision.target, "evaluations": decision.evaluations}


def read_query(arguments: Mapping[str, str]) -> Query:
    """Which decisions a request asks for, newest first: `limit`, `before`, `since`, `until`, and the words of `Query`, several of which are
    separated by commas. InvalidValueError with the name, the value and the rule."""
    known = ("at", "limit", "before", "since", "until", "worker", *WORD_FIELDS)
    given: dict[str, Any] = {}
    for name, text in arguments.items():
        if name not in known:
            raise InvalidValueError(f"there is no {name[:NAME_LIMIT]!r} to ask decisions by; there is {', '.join(known)}")
        if name == "at":
            continue
        if name in ("limit", "before"):
            if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
                raise InvalidValueError(f"{name} must be a whole number, got {text[:NAME_LIMIT]!r}")
            given[name] = int(text)
        elif name in ("since", "until"):
            given[name] = _epoch_seconds(name, text)
        else:
            given[name] = text if name == "worker" else tuple(text.split(","))
    return Query(**given)


def decisions_json(view: View, query: Query) -> dict[str, Any]:
    """A page of decisions, newest first, and `next`: what to give as `before` for the page after it; null on the last one."""
    found = view.ledger.query(query)
    more = bool(found) and view.ledger.count(replace(query, before=found[-1].id)) > 0
    return {"decisions": [decision_json(one) for one in found], "next": found[-1].id if more else None}


def _epoch_seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InvalidValueError(f"{name} must be epoch seconds, got {text[:NAME_LIMIT]!r}")
    return seconds


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return _number(value)
    if is_dataclass(value):
        return {column.name: _plain(getattr(value, column.name)) for column in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _known(column: FloatArray) -> list[Any]:
    """Nested lists in which what is not finite is None."""
    listed = column.astype(object)
    listed[~np.isfinite(column)] = None
    return list(listed.tolist())


def _named(amounts: list[Any], present: list[bool]) -> dict[str, Any]:
    return dict(zip(compress(RESOURCES, present), compress(amounts, present), strict=True))


def _answer(body: Any, status: int = 200) -> Response:
    return _response(_text(body), status)


def _text(body: Any) -> str:
    return json.dumps(body, allow_nan=False)


def _response(text: str, status: int = 200) -> Response:
    return Response(text, status, mimetype="application/json", headers={"Cache-Control": "no-store"})
