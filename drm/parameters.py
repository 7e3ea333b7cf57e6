"""The parameters of a request as models: what a field reads is what the OpenAPI document says of it.

A rule is a `Reading`: it turns the text into the value, and describes itself as JSON Schema. A wrong text raises InvalidValueError with one
sentence that names the parameter, the value and the rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

from drm.errors import InvalidValueError
from drm.model import NAME_LIMIT
from drm.problems import ProblemError
from drm.tabs import LONGEST_SECONDS, RANGES, SHORTEST_SECONDS, range_seconds

DIGITS = 15
"""Of the longest whole number that is read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the text of a parameter is read (`read(name, text)`, InvalidValueError), and what the document says of it."""

    read: Callable[[str, str], Any]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """For pydantic."""
        # A default that is a text is read as one that was sent.
        return core_schema.with_info_plain_validator_function(
            lambda text, info: self.read(str(info.field_name), text) if isinstance(text, str) else text
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """For pydantic."""
        return dict(self.schema)


def whole_number(least: int = 0, most: int = 10**DIGITS - 1) -> Reading:
    """A whole number in these limits."""

    def read(name: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= DIGITS and least <= int(text) <= most):
            raise InvalidValueError(f"{name} must be a whole number from {least} to {most}, got {text[:NAME_LIMIT]!r}")
        return int(text)

    return Reading(read, {"type": "integer", "minimum": least, "maximum": most})


def one_of(words: Iterable[str]) -> Reading:
    """One of these words."""
    known = tuple(words)

    def read(name: str, text: str) -> str:
        if text not in known:
            raise InvalidValueError(f"{name} must be one of {', '.join(known)}, got {text[:NAME_LIMIT]!r}")
        return text

    return Reading(read, {"type": "string", "enum": list(known)})


def some_of(words: Iterable[str] = ()) -> Reading:
    """Several of these words, separated by commas; any words where none is named."""
    known = tuple(words)

    def read(name: str, text: str) -> tuple[str, ...]:
        given = tuple(text.split(","))
        for word in given:
            if known and word not in known:
                raise InvalidValueError(f"{name} must be some of {', '.join(known)}, separated by commas, got {word[:NAME_LIMIT]!r}")
        return given

    return Reading(read, {"type": "string", "pattern": f"^({'|'.join(known)})(,({'|'.join(known)}))*$"} if known else {"type": "string"})


def _epoch_seconds(name: str, text: str) -> float:
    try:
        seconds = float(text) if text.isascii() else math.nan
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InvalidValueError(f"{name} must be epoch seconds, got {text[:NAME_LIMIT]!r}")
    return seconds


def read_range(name: str, text: str) -> float:
    """Seconds of a range to choose from, or of one as in `1380s`."""
    seconds = range_seconds(text)
    if seconds is None:
        raise InvalidValueError(
            f"{name} must be one of {', '.join(RANGES)}, or seconds from {SHORTEST_SECONDS:g}s to {LONGEST_SECONDS:.0f}s as in 1380s, "
            f"got {text[:NAME_LIMIT]!r}"
        )
    return seconds


EPOCH_SECONDS = Reading(_epoch_seconds, {"type": "number"})
MOMENT = Reading(_epoch_seconds, {"type": "number", "minimum": 0})
"""One that the state answers for: it knows which have been, and refuses others."""
RANGE = Reading(
    read_range,
    {"type": "string", "pattern": rf"^({'|'.join(RANGES)}|[0-9]{{1,9}}(\.[0-9]{{1,6}})?s)$"},
)
NAME = Reading(lambda _, text: text, {"type": "string"})
"""Any text: what is not known is not found."""


def written(text: str) -> Any:
    """A default, as a request would write it."""
    return Field(text)


class Parameters(BaseModel):
    """The parameters of a route, of its path and of its query; a field that has a default may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)

    @classmethod
    def of(cls, query: Iterable[tuple[str, str]] = (), path: Mapping[str, str] | None = None) -> Self:
        """What a request says. ProblemError for a name that there is not or that stands twice, InvalidValueError for a value."""
        given = dict(path or {})
        known = [name for name in cls.model_fields if name not in given]
        for name, text in query:
            if name not in known:
                if cls.model_config.get("extra") == "ignore":
                    continue
                there = f"there is {', '.join(known)}" if known else "there is none"
                raise ProblemError("unknown-parameter", f"there is no parameter {name[:NAME_LIMIT]!r} here; {there}")
            if name in given:
                raise ProblemError("repeated-parameter", f"{name} stands more than once: give it once, several words separated by commas")
            given[name] = text
        # What is needed and not given is read as empty, so that its rule is told.
        given |= {name: "" for name in known if name not in given and cls.model_fields[name].is_required()}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise InvalidValueError(sentence(error, known)) from None


class Whatever(Parameters):
    """Of a route that looks at none, and refuses none: those who watch a program add their own."""

    model_config = ConfigDict(extra="ignore")


class AtMoment(Parameters):
    """What is answered as of a moment."""

    at: Annotated[float | None, MOMENT] = None
    """The moment in epoch seconds, not in the future; without it the answer is of the present."""


def sentence(error: ValidationError, known: Collection[str] = ()) -> str:
    """The first thing that is wrong, in one sentence: ours where a rule of ours was broken, and else what is wrong, and where."""
    told = error.errors(include_url=False)
    # A name that is misspelt is missing as well; what stands there says more.
    first = next((one for one in told if one["type"] == "extra_forbidden"), told[0])
    ours = first.get("ctx", {}).get("error")
    # A key of the body may hold anything.
    named = ".".join(str(part)[:NAME_LIMIT] for part in first["loc"])
    where = "".join(one if one.isprintable() else "?" for one in named) or "the body"
    if isinstance(ours, InvalidValueError):
        return str(ours)
    if first["type"] == "missing":
        return f"{where} is missing" + (f"; there is {', '.join(known)}" if known else "")
    if first["type"] == "extra_forbidden":
        return f"there is no {where!r} here" + (f"; there is {', '.join(known)}" if known else "")
    rule = first["msg"][:1].lower() + first["msg"][1:]
    return f"{where}: {rule}, got {str(first['input'])[:NAME_LIMIT]!r}"
