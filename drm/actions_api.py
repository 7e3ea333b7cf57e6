"""The actions over HTTP, for the page and for programs; there are none of these routes unless the program was started with them.

With `"preview": true` each says what would happen, without that it does it. The door of the server, or the host's, has seen the request
already; here stands what holds for actions alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

from flask import Blueprint, Response, current_app, request
from pydantic import BaseModel, Field, ValidationError

from drm.actions import Action, Cordon, Drain, SetBounds, SetPolicy, Uncordon
from drm.decision import Bounds
from drm.errors import DRMError, InvalidValueError
from drm.figures.units import plain
from drm.guards import trust_of
from drm.hosting import is_loopback
from drm.ingest_api import Body, Name, of_error, one_sentence, problem, refuse_body
from drm.ledger_query import Query
from drm.policies import create_policy, parse_policy, policy_kinds
from drm.state import DRMState
from drm.trust import LOOPBACK, Refusal, host_name, refuse_other_origin

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


def add_action_routes(blueprint: Blueprint, state: DRMState) -> None:
    """Adds the routes to the blueprint of the API."""
    policies = {name: [ParameterOf(**asdict(one)) for one in kind.described()] for name, kind in policy_kinds().items()}

    @blueprint.get(ACTIONS_PATH)
    def present() -> Response:
        manager = state.manager
        bounds = manager.bounds
        return _answer(
            Present(
                bounds={"min": bounds.min, "max": bounds.max},
                policy=manager.policy.name,
                parameters=dict(manager.policy.parameters),
                policies=policies,
            )
        )

    @blueprint.post(f"{ACTIONS_PATH}/cordon")
    def cordon() -> Response:
        return _act(state, OfWorker, lambda asked: Cordon(asked.worker))

    @blueprint.post(f"{ACTIONS_PATH}/uncordon")
    def uncordon() -> Response:
        return _act(state, OfWorker, lambda asked: Uncordon(asked.worker))

    @blueprint.post(f"{ACTIONS_PATH}/drain")
    def drain() -> Response:
        return _act(state, OfWorker, lambda asked: Drain(asked.worker))

    @blueprint.post(f"{ACTIONS_PATH}/bounds")
    def bounds() -> Response:
        return _act(state, NewBounds, lambda asked: SetBounds(Bounds(asked.min, asked.max)))

    @blueprint.post(f"{ACTIONS_PATH}/policy")
    def policy() -> Response:
        return _act(state, NewPolicy, _policy)


def _policy(asked: NewPolicy) -> Action:
    if asked.parameters is None:
        return SetPolicy(parse_policy(asked.policy))
    return SetPolicy(create_policy(asked.policy, **asked.parameters))


def _act(state: DRMState, kind: type[Any], action_of: Callable[[Any], Action]) -> Response:
    refusal = _refuse_actor() or refuse_body(request.mimetype, request.headers.get("Content-Encoding", ""), request.content_length)
    if refusal is not None:
        return problem(refusal.status, refusal.message)
    by = f"{_user()} at {plain(request.remote_addr or 'an unknown address', 60)}"
    try:
        try:
            asked: Asked = kind.model_validate_json(request.get_data())
        except ValidationError as error:
            raise InvalidValueError(one_sentence(error)) from None
        action = action_of(asked)
        told = action.preview(state.manager)
        if asked.preview:
            return _answer(Told(done=False, sentence=told, actor=by))
        done = action.perform(state.manager, by)
    except DRMError as error:
        return of_error(error)
    kept = state.manager.decisions(Query(actor="user", limit=1))
    return _answer(Told(done=True, sentence=done, actor=by, decision=kept[0].id if kept else None))


def _refuse_actor() -> Refusal | None:
    """Only our own pages, and without a token only this machine, called by a name that only this machine has."""
    refusal = refuse_other_origin(request.host, request.headers.get("Origin"))
    if refusal is None and request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        refusal = Refusal(403, "this request comes from a page of another site")
    trust = trust_of(current_app)
    if refusal is None and trust is not None and not trust.has_door:
        is_here = is_loopback(request.remote_addr or "") and host_name(request.host) in LOOPBACK
        refusal = None if is_here else Refusal(403, "without a token only this machine may change the pool: start the program with --token")
    return refusal


def _user() -> str:
    """A host that knows its users says who it is."""
    return f"user {plain(request.remote_user, 60)}" if request.remote_user else "a user"


def _answer(told: BaseModel) -> Response:
    return Response(told.model_dump_json(), mimetype="application/json", headers={"Cache-Control": "no-store"})
