"""The API: a Flask blueprint over one state, made of the routes that `drm/*_api.py` declare. Strict JSON: a number that is unknown is null.

`at` (epoch seconds) asks for the pool as it was at a moment; without it the answer is of the present.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote

from flask import Blueprint, Response, request
from typing_extensions import TypedDict

from drm.actions_api import action_routes
from drm.budget_api import budget_routes
from drm.costs_api import costs_routes
from drm.export_api import export_routes
from drm.ingest_api import ingest_routes
from drm.metrics import METRICS_PATH, Metrics
from drm.model import NAME_LIMIT
from drm.openapi import document
from drm.parameters import Whatever
from drm.pool_api import pool_routes
from drm.problems import KINDS
from drm.recommendations_api import recommendations_routes
from drm.routes import JSON, TO_CHECK, Route, add_routes, refused
from drm.state import DRMState

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "QUERY")
OPENAPI_PATH = "/api/v1/openapi.json"
HEALTH_PATH, READY_PATH = "/healthz", "/readyz"

STALE_INTERVALS = 3
"""A tick older than so many intervals makes the program not ready."""


class Up(TypedDict):
    """The process answers."""

    status: Literal["up"]


class Ready(TypedDict):
    """Whether the numbers can be relied upon."""

    ready: bool
    reason: str


def create_blueprint(state: DRMState, url_prefix: str = "", *, actions: bool = False) -> Blueprint:
    """`/healthz`, `/readyz`, `/metrics` and `/api/v1/...` under the prefix (without a slash at its end); `actions`: with those that change
    the pool."""
    blueprint = Blueprint(f"drm{url_prefix.replace('/', '-')}", __name__, url_prefix=url_prefix or None)
    routes = all_routes(state, url_prefix, actions=actions)
    add_routes(blueprint, routes)

    # Errors are problems too; a blueprint hears of none that is made before a route is found.
    def nothing_there(**_: str) -> Response:
        path = request.path.removeprefix(url_prefix)
        allowed = [route.method for route in routes if re.fullmatch(_pattern(route), path)]
        if allowed:
            answer = refused(KINDS["method-not-allowed"], f"{request.method} is not allowed here: there is {', '.join(allowed)}")
            answer.headers["Allow"] = ", ".join([*allowed, *(["HEAD"] if "GET" in allowed else []), "OPTIONS"])
            return answer
        there = ", ".join(dict.fromkeys(route.path.replace("{+", "{") for route in routes))
        return refused(KINDS["unknown-path"], f"there is no {path[:NAME_LIMIT]}; there is {there}")

    for rule in ("/api/<path:rest>", "/api/", HEALTH_PATH, READY_PATH, METRICS_PATH):
        methods = [method for method in METHODS if method != "GET" or rule.startswith("/api/")]
        blueprint.add_url_rule(rule, "nothing_there", nothing_there, methods=methods, strict_slashes=False)
    return blueprint


def all_routes(state: DRMState, url_prefix: str = "", *, actions: bool = False) -> tuple[Route[Any, Any], ...]:
    """All that the API answers to, in the order of its document."""

    def version() -> str:
        return f"{state.snapshot.version}.{state.ledger.changes}"

    of_the_state = (
        *pool_routes(state, version),
        *budget_routes(state, version),
        *costs_routes(state, version),
        *recommendations_routes(state, version),
        *export_routes(state),
        *ingest_routes(state),
        *(action_routes(state) if actions else ()),
        *_operations(state),
    )

    @lru_cache(maxsize=4)
    def told(root: str) -> tuple[bytes, str]:
        text = json.dumps(document(routes, f"{root}{url_prefix}" or "/"), allow_nan=False).encode()
        return text, hashlib.sha256(text).hexdigest()[:16]

    def openapi(_: Any) -> Response:
        root = quote(request.script_root.strip("/"))
        text, tag = told(f"/{root}" if root else "")
        answer = Response(text, mimetype=JSON, headers=TO_CHECK)
        answer.set_etag(tag)
        answer.make_conditional(request)
        return answer

    routes: tuple[Route[Any, Any], ...] = (*of_the_state, Route(OPENAPI_PATH, "This document", openapi, answer=dict[str, Any]))
    return routes


def _operations(state: DRMState) -> tuple[Route[Any, Any], ...]:
    metrics = Metrics(state)

    def ready(_: Any) -> Any:
        reason = why_not_ready(state, time.monotonic())
        return refused(KINDS["not-ready"], reason, ready=False, reason=reason) if reason else {"ready": True, "reason": ""}

    def of_prometheus(_: Any) -> Response:
        body, content_type = metrics.answer(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type, headers={"Cache-Control": "no-store"})

    return (
        Route(HEALTH_PATH, "Whether the process answers", lambda _: {"status": "up"}, query=Whatever, answer=Up, needs_token=False),
        Route(READY_PATH, "Whether the numbers can be relied upon", ready, query=Whatever, answer=Ready, problems=("not-ready",)),
        Route(
            METRICS_PATH,
            "The pool, its cost and the controller for Prometheus",
            of_prometheus,
            query=Whatever,
            media_types=("text/plain", "application/openmetrics-text"),
        ),
    )


def _pattern(route: Route[Any, Any]) -> str:
    """What paths of the route look like."""
    parts: Sequence[str] = re.split(r"(\{\+?\w+\})", route.path)
    return "".join((".+" if part.startswith("{+") else "[^/]+") if part.startswith("{") else re.escape(part) for part in parts)


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
