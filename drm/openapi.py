"""The OpenAPI 3.1 document of routes: all that it says comes from their declarations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema
from typing_extensions import TypedDict

from drm.problems import KINDS, PROBLEM_TYPE, URN
from drm.routes import JSON, NDJSON, Route
from drm.version import __version__

REF = "#/components/schemas/{model}"
ALWAYS = ("wrong-host", "wrong-process", "internal-error")
"""Kinds of problems that any route may have."""
DESCRIPTION = (
    "What an elastic pool of workers is doing, what it costs, and why it scaled, or did not. Times are epoch seconds, memory is bytes, CPU "
    "is cores; a number that is not known is null. Parameters that are not named here are refused. docs/api.md has examples."
)


class Problem(TypedDict):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


def document(routes: Sequence[Route[Any, Any]], server: str) -> dict[str, Any]:
    """Of all routes, which lie below the path `server` (`/` where below nothing)."""
    schemas, definitions = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path.replace("{+", "{"), {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "drm",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The token that the program was started with."}
            },
        },
    }


def _schemas(routes: Iterable[Route[Any, Any]]) -> tuple[dict[int, dict[str, Any]], dict[str, Any]]:
    """The schema of each type by its id, and what they refer to."""
    answers = {id(told): told for route in routes for told in (route.answer, route.row, Problem) if told is not None}
    bodies = {id(route.body): route.body for route in routes if route.has_body}
    of_answers, told = TypeAdapter.json_schemas(
        [(key, "serialization", TypeAdapter(kind)) for key, kind in answers.items()], ref_template=REF
    )
    of_bodies, told_bodies = models_json_schema([(body, "validation") for body in bodies.values()], ref_template=REF)
    schemas = {key: schema for (key, _), schema in of_answers.items()}
    schemas |= {key: of_bodies[body, "validation"] for key, body in bodies.items()}
    return schemas, {**told.get("$defs", {}), **told_bodies.get("$defs", {})}


def _operation(route: Route[Any, Any], schemas: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": "-".join(
            [route.method.lower(), *(part.strip("{+}") for part in route.path.split("/") if part not in ("", "api", "v1"))]
        ),
        "summary": route.summary,
        "parameters": [*_parameters(route), *_conditions(route)],
        "responses": _responses(route, schemas),
        "security": [{"token": []}] if route.method != "GET" else [{}, {"token": []}] if route.needs_token else [],
    }
    if route.has_body:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schemas[id(route.body)]}}}
    return operation | dict(route.extra)


def _parameters(route: Route[Any, Any]) -> list[dict[str, Any]]:
    properties = TypeAdapter(route.query).json_schema()["properties"] if route.query.model_fields else {}
    told = []
    for name, field in route.query.model_fields.items():
        schema = {key: value for key, value in properties[name].items() if key not in ("title", "description", "default")}
        if isinstance(field.default, (str, int, float)):
            schema["default"] = field.default
        is_in_path = name in route.path_names
        told.append(
            {
                "name": name,
                "in": "path" if is_in_path else "query",
                "required": is_in_path or field.is_required(),
                **({"description": field.description} if field.description else {}),
                "schema": schema,
            }
        )
    return told


def _conditions(route: Route[Any, Any]) -> list[dict[str, Any]]:
    if route.version is None:
        return []
    return [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "The ETag of the answer that the client has: 304 where it is still the present one.",
            "schema": {"type": "string"},
        }
    ]


def _responses(route: Route[Any, Any], schemas: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {media_type: {} for media_type in route.media_types}
    if route.answer is not None:
        content[JSON] = {"schema": schemas[id(route.answer)]}
    if route.rows is not None:
        # A line is a row; a schema of the whole body would say less.
        content[NDJSON] = {"schema": {"type": "string", "description": "A JSON object a line.", "contentSchema": schemas[id(route.row)]}}
    answers: dict[str, Any] = {
        str(route.status): {"description": HTTPStatus(route.status).phrase, **({"content": content} if content else {})}
    }
    if route.version is not None:
        answers[str(route.status)]["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "Of an answer of the present."}}
        answers["304"] = {"description": HTTPStatus.NOT_MODIFIED.phrase}
    for status, names in _problems(route).items():
        answers[str(status)] = {
            "description": "; ".join(f"{KINDS[name].title} ({URN}{name})" for name in names),
            "content": {PROBLEM_TYPE: {"schema": schemas[id(Problem)]}},
        }
    return answers


def _problems(route: Route[Any, Any]) -> dict[int, list[str]]:
    """The names of the kinds that a route may answer with, by status."""
    names = [*ALWAYS, *route.problems]
    if route.query.model_config.get("extra") != "ignore":
        names += ["unknown-parameter", "repeated-parameter"]
    if route.query.model_fields:
        names.append("invalid-parameter")
    if route.needs_token:
        names += ["unauthenticated", "too-many-requests"]
    if route.method != "GET":
        names.append("other-origin")
    if route.has_body:
        names += ["invalid-body", "body-too-large", "unsupported-media-type"]
    by_status: dict[int, list[str]] = {}
    for name in dict.fromkeys(names):
        by_status.setdefault(KINDS[name].status, []).append(name)
    return dict(sorted(by_status.items()))
