"""The actions over HTTP, for the page and for programs; there are none of these routes unless the program was started with them.

With `"preview": true` each says what would happen, without that it does it. The door of the server, or the host's, has seen the request
already; here stands what holds for actions alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

from flask import current_app, request
from pydantic import Field

from drm.actions import Action, Cordon, Drain, SetBounds, SetPolicy, Uncordon
from drm.decision import Bounds
from drm.figures.units import plain
from drm.guards import trust_of
from drm.hosting import is_loopback
from drm.ingest_api import Body, Name
from drm.ledger_query import Query
from drm.policies import create_policy, parse_policy, policy_kinds
from drm.problems import ProblemError
from drm.routes import Route
from drm.state import DRMState
from drm.trust import LOOPBACK, host_name

ACTIONS_PATH = "/api/v1/actions"


class Asked(Body):
    """What every action takes."""

    preview: bool = Field(default=False, description="say what would happen, and do nothing")


class OfWorker(Asked):
    """Cordon, uncordon, drain."""

    worker: Name


class NewBounds(Asked):
    """How many workers the pool may have."""

    min: int = Field(ge=0, le=10_000)
    max: int = Field(ge=1, le=10_000)


class NewPolicy(Asked):
    """A policy: its name and parameters, or its text as in `queue,target_seconds=60`."""

    policy: Name
    parameters: dict[Name, float] | None = Field(default=None, max_length=64)


class Told(Body):
    """What would happen, or what was done."""

    done: bool
    sentence: str
    actor: str = Field(description="who it is kept under, with where the request came from")
    decision: int | None = Field(default=None, description="the row of the ledger in which it is kept; null before it is done")


class ParameterOf(Body):
    """`low` <= value <= `high`, in `unit`."""

    name: str
    unit: str
    low: float
    high: float
    default: float
    sentence: str


class Present(Body):
    """What the actions would change."""

    bounds: dict[Literal["min", "max"], int]
    policy: str
    parameters: dict[str, float]
    policies: dict[str, list[ParameterOf]] = Field(description="what there is to choose, with the parameters of each")


def action_routes(state: DRMState) -> tuple[Route[Any, Any], ...]:
    """What they are now, and each of them."""
    policies = {name: [ParameterOf(**asdict(one)) for one in kind.described()] for name, kind in policy_kinds().items()}

    def present(_: Any) -> Any:
        bounds, policy = state.manager.bounds, state.manager.policy
        sizes: dict[Literal["min", "max"], int] = {"min": bounds.min, "max": bounds.max}
        return Present(bounds=sizes, policy=policy.name, parameters=dict(policy.parameters), policies=policies).model_dump()

    def route(name: str, summary: str, body: type[Any], action_of: Callable[[Any], Action], *further: str) -> Route[Any, Any]:
        problems = ("forbidden", *further)
        rules: dict[str, Any] = {"method": "POST", "body": body, "answer": Told, "problems": problems, "guard": _refuse_actor}
        return Route(f"{ACTIONS_PATH}/{name}", summary, lambda call: _act(state, call.body, action_of(call.body)), **rules)

    return (
        Route(ACTIONS_PATH, "What the actions would change, and what there is to choose", present, answer=Present),
        route("cordon", "No new task on a worker", OfWorker, lambda asked: Cordon(asked.worker), "unknown-id"),
        route("uncordon", "New tasks on a worker again", OfWorker, lambda asked: Uncordon(asked.worker), "unknown-id"),
        route("drain", "No new task on a worker, and its end after the last", OfWorker, lambda asked: Drain(asked.worker), "unknown-id"),
        route("bounds", "How many workers the pool may have", NewBounds, lambda asked: SetBounds(Bounds(asked.min, asked.max))),
        route("policy", "The scaling policy", NewPolicy, _policy),
    )


def _policy(asked: NewPolicy) -> Action:
    if asked.parameters is None:
        return SetPolicy(parse_policy(asked.policy))
    return SetPolicy(create_policy(asked.policy, **asked.parameters))


def _act(state: DRMState, asked: Asked, action: Action) -> Any:
    by = f"{_user()} at {plain(request.remote_addr or 'an unknown address', 60)}"
    told = action.preview(state.manager)
    if asked.preview:
        return Told(done=False, sentence=told, actor=by).model_dump()
    done = action.perform(state.manager, by)
    kept = state.manager.decisions(Query(actor="user", limit=1))
    return Told(done=True, sentence=done, actor=by, decision=kept[0].id if kept else None).model_dump()


def _refuse_actor() -> None:
    """Only our own pages, and without a token only this machine, called by a name that only this machine has."""
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        raise ProblemError("other-origin", "this request comes from a page of another site")
    trust = trust_of(current_app)
    if trust is not None and not trust.has_door:
        is_here = is_loopback(request.remote_addr or "") and host_name(request.host) in LOOPBACK
        if not is_here:
            raise ProblemError("forbidden", "without a token only this machine may change the pool: start the program with --token")


def _user() -> str:
    """A host that knows its users says who it is."""
    return f"user {plain(request.remote_user, 60)}" if request.remote_user else "a user"
