"""What a pool may cost: per hour, per calendar day and per calendar month, in the currency of its prices. Days are those of UTC."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from drm.errors import InvalidValueError

Period = Literal["day", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)
"""What has a sum that begins anew; an hour's budget is compared with the cost rate."""
UNITS = ("hour", *PERIODS)
RULE = "amounts that are finite and more than 0, as in 2.5 (an hour) or 2/hour,40/day,900/month"


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that the pool may cost; None: no limit."""

    hour: float | None = None
    day: float | None = None
    month: float | None = None

    def __post_init__(self) -> None:
        for unit in UNITS:
            amount = getattr(self, unit)
            if amount is not None and not _is_amount(amount):
                raise InvalidValueError(f"budget must be more than 0 {_each(unit)} and finite, got {amount!r}: leave it out for no limit")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Reads `2.5`, which is per hour, or amounts with their units as in `2/hour,40/day,900/month`."""
        amounts: dict[str, float] = {}
        for part in text.split(","):
            amount, slash, unit = (one.strip() for one in part.partition("/"))
            unit = unit if slash else "hour"
            if unit not in UNITS:
                raise InvalidValueError(f"{unit!r} is none of {', '.join(UNITS)}: it must be {RULE}")
            if unit in amounts:
                raise InvalidValueError(f"it has two amounts for a {unit}: leave out one")
            try:
                amounts[unit] = float(amount)
            except ValueError:
                amounts[unit] = math.nan
            if not _is_amount(amounts[unit]):
                raise InvalidValueError(f"it must be {RULE}; leave it out for no limit")
        return cls(**amounts)

    @classmethod
    def of(cls, given: Budget | float | None) -> Budget:
        """As a program gives it: a Budget, an amount per hour, or None for no limit."""
        return given if isinstance(given, Budget) else cls(hour=given)

    def most(self, unit: Literal["hour", "day", "month"]) -> float:
        """The amount of a unit; infinite where there is no limit."""
        amount: float | None = getattr(self, unit)
        return math.inf if amount is None else amount


def extent(period: Period, moment: float) -> tuple[float, float]:
    """When the day or month that holds a moment began, and when it ends (epoch seconds)."""
    at = datetime.fromtimestamp(moment, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return at.timestamp(), (at + timedelta(days=1)).timestamp()
    first = at.replace(day=1)
    return first.timestamp(), (first + timedelta(days=32)).replace(day=1).timestamp()


def _is_amount(amount: object) -> bool:
    return isinstance(amount, (int, float)) and not isinstance(amount, bool) and math.isfinite(amount) and amount > 0


def _each(unit: str) -> str:
    return "an hour" if unit == "hour" else f"a {unit}"
