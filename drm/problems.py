"""How anything of ours says over HTTP that it cannot answer: problem details (RFC 9457), of kinds that programs may rely on.

`type` is `urn:drm:problem:` and the kind's name; docs/api.md lists all of them, and none is renamed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from drm.errors import (
    CapacityError,
    CopyBusyError,
    DRMError,
    DuplicateIdError,
    HistoryError,
    InfeasibleError,
    InvalidValueError,
    NoRoomError,
    QueueFull,
    UnknownIdError,
)
from drm.files import ExportError

PROBLEM_TYPE = "application/problem+json"
URN = "urn:drm:problem:"
LONGEST_DETAIL = 2_000
"""Characters; what a detail quotes comes from outside."""
LONGEST_INSTANCE = 500


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: always of one status and one title."""

    name: str
    status: int
    title: str
    retry_after_seconds: int = 0
    """Where the same request may succeed later without anybody doing anything."""


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("invalid-request", 400, "The request breaks a rule of HTTP or of this server"),
            Kind("wrong-host", 400, "The request calls this server by a name that is not its own"),
            Kind("invalid-parameter", 400, "A parameter breaks its rule"),
            Kind("unknown-parameter", 400, "There is no such parameter here"),
            Kind("repeated-parameter", 400, "A parameter stands more than once"),
            Kind("invalid-body", 400, "The body is not what this route takes"),
            Kind("unauthenticated", 401, "A token is needed, and this request has none that is right"),
            Kind("forbidden", 403, "Who asks may not have this"),
            Kind("other-origin", 403, "The request comes from a page of another site"),
            Kind("unknown-path", 404, "Nothing is there"),
            Kind("unknown-id", 404, "Nothing of that id is known"),
            Kind("nothing-kept", 404, "Nothing is kept of what is asked for"),
            Kind("method-not-allowed", 405, "This path does not take that method"),
            Kind("timeout", 408, "The request took too long to arrive"),
            Kind("conflict", 409, "This cannot be done as things stand"),
            Kind("copy-busy", 409, "A copy is being made already", 5),
            Kind("body-too-large", 413, "The body is larger than this server reads"),
            Kind("unsupported-media-type", 415, "The body is of a type that this route does not take"),
            Kind("too-many-requests", 429, "Too many requests of this kind from one address"),
            Kind("internal-error", 500, "A defect of this program, which its log tells"),
            Kind("not-ready", 503, "The numbers cannot be relied upon now"),
            Kind("busy", 503, "Others have asked first", 5),
            Kind("history-unavailable", 503, "The history cannot be read now", 5),
            Kind("unavailable", 503, "What is asked for cannot be had now", 5),
            Kind("wrong-process", 503, "This process is not the one that manages the pool"),
            Kind("no-room", 507, "The disk has too little room"),
        )
    }
)

OF_STATUS: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid-request",
        401: "unauthenticated",
        403: "forbidden",
        404: "unknown-path",
        405: "method-not-allowed",
        408: "timeout",
        409: "conflict",
        413: "body-too-large",
        415: "unsupported-media-type",
        429: "too-many-requests",
        500: "internal-error",
        503: "unavailable",
        507: "no-room",
    }
)
"""The kind of what is known by its status alone."""

_OF_ERROR: tuple[tuple[type[DRMError], str], ...] = (
    (DuplicateIdError, "conflict"),
    (InvalidValueError, "invalid-parameter"),
    (UnknownIdError, "unknown-id"),
    (CopyBusyError, "copy-busy"),
    (NoRoomError, "no-room"),
    (ExportError, "no-room"),
    (HistoryError, "history-unavailable"),
    (CapacityError, "conflict"),
    (InfeasibleError, "conflict"),
    (QueueFull, "busy"),
)


class ProblemError(DRMError):
    """What a route raises where it cannot answer; `kind` is a name among `KINDS`. Its sentence is the detail."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = KINDS[kind].name


def kind_of(error: DRMError) -> Kind:
    """The kind of an error; `unavailable` for one that is of no other."""
    if isinstance(error, ProblemError):
        return KINDS[error.kind]
    return KINDS[next((name for of, name in _OF_ERROR if isinstance(error, of)), "unavailable")]


def kind_of_status(status: int, name: str = "") -> Kind:
    """The kind by its name, or else the one that a status alone tells; for a status that has none, of whose fault it is."""
    return KINDS[name or OF_STATUS.get(status, "invalid-request" if status < 500 else "internal-error")]


def problem(kind: Kind, detail: str, instance: str, **further: Any) -> dict[str, Any]:
    """The members of the problem. `instance`: the path of the request, as it came. `further`: members that the kind adds."""
    return {
        "type": URN + kind.name,
        "title": kind.title,
        "status": kind.status,
        "detail": detail[:LONGEST_DETAIL],
        "instance": quote(instance, safe="/:@!$&'()*+,;=-._~")[:LONGEST_INSTANCE],
        **further,
    }


def problem_text(kind: Kind, detail: str, instance: str, **further: Any) -> str:
    """The same as JSON."""
    return json.dumps(problem(kind, detail, instance, **further), allow_nan=False)
