"""Rows of the history file as what they were made of: tasks, and kinds of instances. The way back from `rows`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from drm.model import InstanceKind, Price, Resources, Task

KIND_COLUMNS = "provider, region, type, market, price, currency, price_source, price_date"
TASK_COLUMNS = (
    "task_id, attempt, name, state, reason, cpu, memory, gpu, gpu_memory, worker_id, submitted_at, placed_at, started_at, finished_at, "
    "hint_seconds"
)


def task_of(row: Sequence[Any], used: Sequence[Any] = (False,)) -> Task:
    """From the values of `TASK_COLUMNS`; `used`: whether that was measured, and what it was, in the order of `RESOURCES`."""
    task_id, attempt, name, state, reason, cpu, memory, gpu, gpu_memory, worker_id, submitted, placed, started, finished, hint = row
    return Task(
        id=task_id,
        name=name,
        resources=resources_of(cpu, memory, gpu, gpu_memory),
        state=state,
        submitted_at=submitted,
        attempt=attempt,
        worker_id=worker_id,
        placed_at=_known(placed),
        started_at=_known(started),
        finished_at=_known(finished),
        duration_hint_seconds=hint,
        reason=reason,
        used=Resources(*(amount or 0.0 for amount in used[1:])) if used[0] else None,
    )


@lru_cache(maxsize=4096)
def resources_of(cpu: float, memory: float, gpu: float, gpu_memory: float) -> Resources:
    """The same object for the same amounts: many workers and tasks have few shapes."""
    return Resources(cpu, memory, gpu, gpu_memory)


@lru_cache(maxsize=4096)
def _price(hourly: float, currency: str, source: str, date: str) -> Price:
    return Price(hourly, currency, source, date)


def kind_of(columns: Sequence[Any]) -> InstanceKind:
    """From the values of `KIND_COLUMNS`."""
    provider, region, kind, market, price, currency, source, date = columns
    return InstanceKind(provider, region, kind, market, None if price is None else _price(price, currency, source, date))


def _known(value: float | None) -> float:
    return math.nan if value is None else value
