"""Typed parameters: each with its unit, range, default and a sentence, stated once where the dataclass has its field."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

from drm.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter is: `low` <= value <= `high`, in `unit`."""

    name: str
    unit: str
    low: float
    high: float
    default: float
    sentence: str


def parameter(default: float, unit: str, low: float, high: float, sentence: str) -> Any:
    """A dataclass field that is a parameter."""
    return dataclasses.field(default=default, metadata={"unit": unit, "low": low, "high": high, "sentence": sentence})


@dataclass(frozen=True)
class ParameterSet:
    """Base of frozen dataclasses whose fields are made by `parameter`; a value outside its range raises InvalidValueError."""

    def __post_init__(self) -> None:
        for one in self.described():
            value = getattr(self, one.name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (is_number and math.isfinite(value) and one.low <= value <= one.high):
                raise InvalidValueError(f"{one.name} must be a number of {one.unit} from {one.low:g} to {one.high:g}, got {value!r}")
            object.__setattr__(self, one.name, float(value))

    @classmethod
    def described(cls) -> tuple[Parameter, ...]:
        """What its parameters are."""
        return tuple(Parameter(name=one.name, default=float(cast(float, one.default)), **one.metadata) for one in dataclasses.fields(cls))

    @classmethod
    def of(cls, values: Mapping[str, float]) -> Self:
        """The set with these values; the others have their defaults. InvalidValueError where it has no such parameter."""
        known = [one.name for one in cls.described()]
        for name in values:
            if name not in known:
                raise InvalidValueError(f"{name!r} is no parameter here; these are: {', '.join(known) or 'none'}")
        return cls(**values)

    @property
    def parameters(self) -> Mapping[str, float]:
        """The values by name."""
        return {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
