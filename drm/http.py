"""The API: a Flask blueprint over one state. GET only, strict JSON (a number that is unknown is null)."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from itertools import compress
from typing import Any

import numpy as np
from flask import Blueprint, Response, request

from drm.decision import ScalingDecision
from drm.model import NAME_LIMIT, RESOURCES, WORKER_STATES, FloatArray
from drm.snapshot import Snapshot
from drm.state import DRMState

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

STALE_INTERVALS = 3
"""A tick older than so many intervals makes the program not ready."""


def create_blueprint(state: DRMState, url_prefix: str = "") -> Blueprint:
    """`/healthz`, `/readyz` and `/api/v1/snapshot` under the prefix (without a slash at its end)."""
    # The last snapshot and its JSON: any number of readers cost one encoding per tick.
    told: tuple[Snapshot | None, str] = None, ""
    blueprint = Blueprint(f"drm{url_prefix.replace('/', '-')}", __name__, url_prefix=url_prefix or None)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return _answer({"status": "up"})

    @blueprint.get("/readyz")
    def readyz() -> Response:
        reason = why_not_ready(state, time.monotonic())
        return _answer({"ready": not reason, "reason": reason}, 503 if reason else 200)

    @blueprint.get("/api/v1/snapshot")
    def snapshot() -> Response:
        nonlocal told
        snapshot = state.snapshot
        if told[0] is not snapshot:
            told = snapshot, _text(snapshot_json(snapshot))
        return _response(told[1])

    # Errors are JSON too; a blueprint hears of none that is made before a route is found.
    @blueprint.route("/api/<path:rest>", methods=METHODS)
    @blueprint.route("/healthz", methods=METHODS[1:])
    @blueprint.route("/readyz", methods=METHODS[1:])
    def nothing_there(rest: str = "") -> Response:
        if request.method in METHODS[1:]:
            refused = _answer({"error": f"{request.method} is not allowed here: this API is read with GET"}, 405)
            refused.headers["Allow"] = "GET, HEAD, OPTIONS"
            return refused
        return _answer({"error": f"there is no /api/{rest[:NAME_LIMIT]}; there is /api/v1/snapshot"}, 404)

    return blueprint


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


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot for JSON. A resource that a worker does not have is left out; what was not measured is null."""
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
        "demand": dict(zip(RESOURCES, snapshot.demand.tolist(), strict=True)),
        "current": snapshot.current,
        "desired": snapshot.desired,
        "bounds": {"min": snapshot.bounds.min, "max": snapshot.bounds.max},
        "last_decision": decision_json(snapshot.last_decision),
        "last_action": decision_json(snapshot.last_action),
    }


def decision_json(decision: ScalingDecision | None) -> Any:
    """A decision with all that it rested on, for JSON."""
    return None if decision is None else _plain(decision)


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
