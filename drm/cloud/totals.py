"""What all providers together have and cost: one line for each provider, region, type and market, and sums that never hide an unknown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drm.cloud.accrual import Spend
from drm.model import WORKER_STATES, InstanceKind, WorkerState


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of instance."""

    kind: InstanceKind
    states: Mapping[WorkerState, int]
    """Instances by state; only states that one is in."""
    charged: int
    """Of them, those that cost something now."""
    rate: float
    """Per hour now; NaN where the price is not known."""
    spent: float
    """Since the first look; NaN where the price is not known."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Several lines in one. NaN where a price is not known or the lines have several currencies; `known_*` is what is known at least."""

    instances: int
    rate: float
    spent: float
    known_rate: float
    known_spent: float
    unpriced: int
    """Instances that cost something, and of which nobody knows what."""
    currencies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a provider is not in the totals as it is now."""

    provider: str
    at: float
    """When it was asked."""
    error: str


@dataclass(frozen=True, slots=True)
class Totals:
    """All lines, by provider, region, type and market, and what went wrong."""

    lines: tuple[Line, ...]
    problems: tuple[Problem, ...]
    time: float
    """Of the latest look; NaN before the first."""
    since: float
    """From when on spend is counted."""
    uncounted_seconds: float

    @property
    def sum(self) -> Sum:
        """All of them."""
        return summed(self.lines)

    def by(self, *names: str) -> dict[tuple[str | None, ...], Sum]:
        """Sums by fields of the kind, as in `by("provider")` or `by("region", "market")`, in the order of the lines."""
        grouped: dict[tuple[str | None, ...], list[Line]] = {}
        for line in self.lines:
            grouped.setdefault(tuple(getattr(line.kind, name) for name in names), []).append(line)
        return {key: summed(lines) for key, lines in grouped.items()}


def lines_of(spend: Spend) -> list[Line]:
    """The lines of one accrual: kinds of which there is or was an instance."""
    columns = zip(
        spend.kinds,
        spend.counts.tolist(),
        spend.charged.tolist(),
        spend.rate.tolist(),
        spend.spent.tolist(),
        spend.seconds.tolist(),
        strict=True,
    )
    return [
        Line(kind, {state: number for state, number in zip(WORKER_STATES, counts, strict=True) if number}, charged, rate, spent)
        for kind, counts, charged, rate, spent, seconds in columns
        if seconds or any(counts)
    ]


def in_order(lines: Iterable[Line]) -> tuple[Line, ...]:
    """By provider, region, type and market; what is not said comes last."""
    return tuple(sorted(lines, key=lambda line: tuple(str(part or "~") for part in _place(line.kind))))


def summed(lines: Iterable[Line]) -> Sum:
    """Their sum."""
    lines = tuple(lines)
    currencies = tuple(sorted({line.kind.price.currency for line in lines if line.kind.price}))
    one = len(currencies) < 2
    rates, amounts = [line.rate for line in lines], [line.spent for line in lines]
    return Sum(
        instances=sum(sum(line.states.values()) for line in lines),
        rate=math.fsum(rates) if one else math.nan,
        spent=math.fsum(amounts) if one else math.nan,
        known_rate=_known(rates) if one else math.nan,
        known_spent=_known(amounts) if one else math.nan,
        unpriced=sum(line.charged for line in lines if line.kind.price is None),
        currencies=currencies,
    )


def _place(kind: InstanceKind) -> tuple[str | None, ...]:
    return kind.provider, kind.region, kind.type, kind.market


def _known(amounts: Iterable[float]) -> float:
    return math.fsum(amount for amount in amounts if not math.isnan(amount))
