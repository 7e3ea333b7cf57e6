"""What a recommendation is: one change of a pool, what it saves in a month, and all that says so.

Money is in one currency, a month has 730 hours. What is not known is NaN, never 0. A saving is that of the one change with all others left
as they were, so savings of several do not add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MONTH_HOURS = 730.0
"""365 days / 12."""
DAY_SECONDS = 86400.0

Kind = Literal["request", "idle_worker", "min_bound", "instance_type", "market"]
KINDS: tuple[Kind, ...] = ("request", "idle_worker", "min_bound", "instance_type", "market")
Confidence = Literal["low", "medium", "high"]
CONFIDENCES: tuple[Confidence, ...] = ("low", "medium", "high")

HIGH_SAMPLES, MEDIUM_SAMPLES = 100, 20
HIGH_SECONDS, MEDIUM_SECONDS = 7 * DAY_SECONDS, DAY_SECONDS


def confidence(samples: int, span_seconds: float) -> Confidence:
    """high: 100 samples or more over 7 days or more (a whole week); medium: 20 over a day; low: what is less."""
    if samples >= HIGH_SAMPLES and span_seconds >= HIGH_SECONDS:
        return "high"
    return "medium" if samples >= MEDIUM_SAMPLES and span_seconds >= MEDIUM_SECONDS else "low"


@dataclass(frozen=True, slots=True)
class Replay:
    """The recorded demand under the pool as it is, and under the change: sums over the time that was recorded.

    The pool of a replay follows its need at once, within its bounds. Not in it: cooldowns, idle grace and step limits but as the overhead
    that was recorded; tasks that run longer or shorter after the change; other tasks coming.
    """

    since: float
    until: float
    moments: int
    """How many moments of that time were replayed; each stands for an equal part of it."""
    hours_before: float
    hours_after: float
    """Worker-hours."""
    cost_before: float
    cost_after: float
    """NaN where a price is not known."""
    waits_before: float
    waits_after: float
    """The part of the time in which work waits for a worker to boot, or for room beyond the maximum; NaN where that was not replayed."""
    overhead: float = 1.0
    """Workers recorded / workers that packing alone needs: by what the replay was multiplied."""

    @property
    def hours(self) -> float:
        """The length of the time."""
        return (self.until - self.since) / 3600.0

    @property
    def saved_hours(self) -> float:
        """Worker-hours in a month."""
        return (self.hours_before - self.hours_after) / self.hours * MONTH_HOURS if self.hours > 0 else math.nan

    @property
    def saved(self) -> float:
        """Money in a month."""
        return (self.cost_before - self.cost_after) / self.hours * MONTH_HOURS if self.hours > 0 else math.nan


@dataclass(frozen=True, slots=True)
class Basis:
    """What a recommendation rests on."""

    samples: int
    """Measured attempts, or recorded buckets of time."""
    since: float
    until: float
    numbers: Mapping[str, float]
    """By name, each with its unit in it or that of its resource: p50_cpu, p95_cpu, max_memory, paid_hours, ..."""

    @property
    def span_seconds(self) -> float:
        """How long it was looked at."""
        return self.until - self.since


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One change."""

    kind: Kind
    subject: str
    """The name of the tasks, the worker, `minimum`, or the type."""
    change: str
    """What to do, in words."""
    now: Mapping[str, float]
    suggested: Mapping[str, float]
    """now, suggested: the numbers to change, by name (cpu, memory, ..., min_workers, workers, or by type)."""
    saving: float
    """Money in a month; less than 0: it costs so much more; NaN where prices are not known."""
    saving_hours: float
    """Worker-hours in a month."""
    currency: str
    """Empty where no price is known."""
    basis: Basis
    confidence: Confidence
    risk: str
    """What may go wrong, with its number."""
    risk_share: float
    """That number, as a part of attempts or of the time, or per instance-hour; NaN where it is not known."""
    formula: str
    """How the saving came about, with the numbers."""
    replay: Replay | None
    freed: float = math.nan
    """Of a request: what the freed capacity is worth in a month, whether or not the pool gets smaller."""
    guards: bool = False
    """Whether it is against tasks that fail or are slow, rather than to save."""

    @property
    def size(self) -> float:
        """By what recommendations are put in order: money where it is known, else worker-hours."""
        return self.saving_hours if math.isnan(self.saving) else self.saving


def in_order(found: list[Recommendation]) -> tuple[Recommendation, ...]:
    """What guards against failures first, then what saves most; what has a price before what has none."""
    return tuple(sorted(found, key=lambda one: (not one.guards, math.isnan(one.saving), -one.size, one.kind, one.subject)))
