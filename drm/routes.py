"""A route of the API, declared once: the Flask blueprint and the OpenAPI document are both made from it.

    Route("/api/v1/workers/{worker_id}/report", "A worker's heartbeat", respond, method="POST", query=WorkerPath, body=Report, answer=Taken)

`respond(call)` gets the parameters (those of the path among them) and the body as models, and returns what is encoded as JSON, or a Flask
Response as it is. A DRMError that it raises becomes a problem (drm/problems.py); ProblemError says of which kind.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError

from drm.calls import BODY_LIMIT, DEPTH_LIMIT, is_deeper, strict_json
from drm.errors import DRMError
from drm.kept_answers import KeptAnswers
from drm.parameters import Parameters, sentence
from drm.problems import KINDS, PROBLEM_TYPE, Kind, ProblemError, kind_of, problem_text
from drm.trust import refuse_other_origin

logger = logging.getLogger(__name__)

JSON, NDJSON = "application/json", "application/x-ndjson"
NO_STORE = {"Cache-Control": "no-store"}
TO_CHECK = {"Cache-Control": "private, no-cache"}
"""May be kept, and is to be asked for again with its ETag."""
CHUNK_BYTES = 64 * 1024

P = TypeVar("P", bound=Parameters)
B = TypeVar("B", bound=BaseModel)


class NoBody(BaseModel):
    """Of a route that takes none."""


@dataclass(frozen=True, slots=True)
class Call(Generic[P, B]):
    """What a request asks for."""

    query: P
    """The parameters, of the path and of the query."""
    body: B


@dataclass(frozen=True)
class Route(Generic[P, B]):
    """One method of one path."""

    path: str
    """Parameters in braces, as in `/api/v1/decisions/{decision_id}`; `{+worker_id}` may hold slashes."""
    summary: str
    respond: Callable[[Call[P, B]], Any]
    method: str = "GET"
    query: type[P] = Parameters  # type: ignore[assignment]  # the model of the route; none: it takes no parameters
    body: type[B] = NoBody  # type: ignore[assignment]
    answer: Any = None
    """The type of the JSON that `respond` returns: what pydantic takes for a type, such as a TypedDict."""
    status: int = 200
    """Of an answer that is no problem."""
    media_types: tuple[str, ...] = ()
    """Of answers that are no JSON: `respond` then gives a Response."""
    rows: Callable[[Call[P, B]], Iterator[Any]] | None = None
    """The same answer row by row, for who accepts ndjson."""
    row: Any = None
    """The type of a row."""
    version: Callable[[], str] | None = None
    """What changes when the answer without `at` may have. Such an answer has an ETag and is encoded once."""
    problems: tuple[str, ...] = ()
    """Kinds of problems of `KINDS` that it has beside those of its parameters and its body."""
    guard: Callable[[], None] | None = None
    """Raises a ProblemError for who may not ask, before the body is read."""
    needs_token: bool = True
    """Whether a program with a token asks for it here."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further members of the operation in the document."""

    @property
    def rule(self) -> str:
        """The path as Flask writes it."""
        return re.sub(r"\{(\+?)(\w+)\}", lambda found: f"<{'path:' if found[1] else ''}{found[2]}>", self.path)

    @property
    def path_names(self) -> tuple[str, ...]:
        """The parameters that stand in the path."""
        return tuple(re.findall(r"\{\+?(\w+)\}", self.path))

    @property
    def query_names(self) -> tuple[str, ...]:
        """The parameters that stand in the query."""
        return tuple(name for name in self.query.model_fields if name not in self.path_names)

    @property
    def has_body(self) -> bool:
        """Whether it takes one."""
        return self.body is not NoBody


def add_routes(blueprint: Blueprint, routes: Iterable[Route[Any, Any]]) -> None:
    """Adds the routes to a blueprint."""
    for route in routes:
        blueprint.add_url_rule(route.rule, f"{route.method} {route.path}".replace(".", "-"), _view(route), methods=[route.method])


def _view(route: Route[Any, Any]) -> Callable[..., Response]:
    kept = KeptAnswers()

    def view(**path: str) -> Response:
        try:
            call = _call(route, path)
            if route.rows is not None and wants_rows():
                return Response(_lines(route.rows(call)), route.status, mimetype=NDJSON, headers=NO_STORE | {"Vary": "Accept"})
            if route.version is None or "at" in request.args:
                return _json(route, route.respond(call))
            return _current(route, call, kept, route.version())
        except DRMError as error:
            kind = kind_of(error)
            if route.has_body and kind.name == "invalid-parameter":
                kind = KINDS["invalid-body"]
            return refused(kind, str(error))
        except Exception:
            logger.exception("%s %s could not be answered", request.method, route.path)
            return refused(KINDS["internal-error"], "this is a defect of the program: its log has the details")

    return view


def _call(route: Route[Any, Any], path: Mapping[str, str]) -> Call[Any, Any]:
    if route.method != "GET":
        refusal = refuse_other_origin(request.host, request.headers.get("Origin"))
        if refusal is not None:
            raise ProblemError("other-origin", refusal.message)
    if route.guard is not None:
        route.guard()
    query = route.query.of(request.args.items(multi=True), path)
    return Call(query, read_body(route.body) if route.has_body else NoBody())


def read_body(model: type[B]) -> B:
    """The body of the request as a model. ProblemError where it is too large, no strict JSON, or not what the model says."""
    if request.mimetype != JSON:
        raise ProblemError("unsupported-media-type", f"send {JSON}, got {request.mimetype[:100] or 'no content type'!r}")
    if request.content_length is None:
        raise ProblemError("invalid-body", "the body has no stated length: send Content-Length")
    if request.content_length > BODY_LIMIT:
        raise ProblemError("body-too-large", f"the body has {request.content_length} bytes, the limit is {BODY_LIMIT}")
    try:
        told = strict_json(request.get_data())
    except ValueError as error:
        raise ProblemError("invalid-body", f"the body is no JSON: {error}") from None
    if is_deeper(told, DEPTH_LIMIT):
        raise ProblemError("invalid-body", f"the body is nested more than {DEPTH_LIMIT} levels deep")
    try:
        return model.model_validate(told)
    except ValidationError as error:
        raise ProblemError("invalid-body", sentence(error, list(model.model_fields))) from None


def _current(route: Route[Any, Any], call: Call[Any, Any], kept: KeptAnswers, version: str) -> Response:
    """An answer of the present, which as many readers as there are have encoded once, and nobody is sent twice."""
    tag, further = kept.tag(version), TO_CHECK | ({"Vary": "Accept"} if route.rows else {})
    if request.if_none_match.contains_weak(tag):
        answer = Response(status=304, headers=further)
    else:
        body = kept.body(version, call.query, lambda: _encoded(route.respond(call)))
        answer = Response(body, route.status, mimetype=JSON, headers=further)
    answer.set_etag(tag, weak=True)
    return answer


def _json(route: Route[Any, Any], told: Any) -> Response:
    return told if isinstance(told, Response) else Response(_encoded(told), route.status, mimetype=JSON, headers=NO_STORE)


def _encoded(told: Any) -> bytes:
    return json.dumps(told, allow_nan=False).encode()


def wants_rows() -> bool:
    """Whether the request would rather have ndjson than JSON."""
    accept = request.accept_mimetypes
    return accept[NDJSON] > 0 and accept.best_match((JSON, NDJSON)) == NDJSON


def _lines(rows: Iterator[Any]) -> Iterator[str]:
    """A line for each row, in parts that are worth sending."""
    kept: list[str] = []
    length = 0
    for row in rows:
        kept.append(json.dumps(row, allow_nan=False) + "\n")
        length += len(kept[-1])
        if length >= CHUNK_BYTES:
            yield "".join(kept)
            kept, length = [], 0
    yield "".join(kept)


def refused(kind: Kind, detail: str, **further: Any) -> Response:
    """The problem as an answer to the present request."""
    answer = Response(
        problem_text(kind, detail, request.script_root + request.path, **further), kind.status, mimetype=PROBLEM_TYPE, headers=NO_STORE
    )
    if kind.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if kind.retry_after_seconds:
        answer.headers["Retry-After"] = str(kind.retry_after_seconds)
    return answer
