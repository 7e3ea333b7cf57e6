"""Values as the API tells them, and the types of what it tells. A number that is not known, NaN inside, is null outside."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema
from typing_extensions import TypedDict


def number(value: float) -> float | None:
    """Null where it is not finite."""
    return float(value) if math.isfinite(value) else None


def plain(value: Any) -> Any:
    """A value of dataclasses, mappings, sequences and numbers, for JSON."""
    if isinstance(value, float):
        return number(value)
    if is_dataclass(value):
        return {column.name: plain(getattr(value, column.name)) for column in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def described(kind: type, name: str = "", /, **further: Any) -> Any:
    """The type of what `plain` makes of a dataclass, under a name of its own, with further members beside those of the dataclass."""
    names = [column.name for column in fields(kind)]
    hints = {member: told(hint) for member, hint in get_type_hints(kind).items() if member in names}
    made = TypedDict(name or kind.__name__, {**hints, **further})  # type: ignore[misc]  # made of what the dataclass says
    made.__doc__ = kind.__doc__
    return made


@lru_cache
def _described(kind: type) -> Any:
    return described(kind)


@dataclass(frozen=True)
class Told:
    """Says in an annotation of Any of which type it is once told, where that type is made from a dataclass."""

    kind: Any
    """Or a function that gives it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """For pydantic."""
        return handler.generate_schema(told(self.kind() if isinstance(self.kind, types.FunctionType) else self.kind))


def told(hint: Any) -> Any:
    """The type in JSON of a value that has a type in Python."""
    if hint is float:
        return float | None
    if isinstance(hint, type) and is_dataclass(hint):
        return _described(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return Union[tuple(told(one) for one in arguments)]  # noqa: UP007  # of types that are known at run time only
    if origin is tuple:
        return list[told(arguments[0])]  # type: ignore[misc]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dict[str, told(arguments[1])]  # type: ignore[misc]
    return hint
