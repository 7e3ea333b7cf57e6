"""Samples of ended tasks for the tests of efficiency: what a kind of task used is given, not measured."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

from drm.model import Resources, Task
from drm.observation import TaskReport
from drm.task_usage import TaskUsage

MIB = 2.0**20
GIB = 2.0**30
START = 1_800_000_000.0


def plant(
    usage: TaskUsage,
    name: str,
    request: Resources,
    used: Iterable[Resources | None],
    *,
    outcome: Literal["done", "failed", "cancelled", "lost"] = "done",
    run_seconds: float = 10.0,
    every_seconds: float = 10.0,
    hint_seconds: float | None = None,
    **report: Any,
) -> float:
    """One attempt after the other, the first placed at `START`, one every so often; returns when the last one ended."""
    ended = math.nan
    for number, amount in enumerate(used):
        placed = START + number * every_seconds
        ended = placed + run_seconds
        task = Task(f"{name}-{number}", name, request, "running", placed, placed_at=placed, duration_hint_seconds=hint_seconds)
        usage.ended(task, TaskReport(task.id, outcome, started_at=placed, finished_at=ended, used=amount, **report), ended)
    return ended
