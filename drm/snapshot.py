"""The pool at one moment, as every reader sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt

from drm.decision import Bounds, ScalingDecision
from drm.model import ACTIVE_CODES, STATE_CODE, FloatArray, Task, WorkerState


@dataclass(frozen=True, slots=True)
class Source:
    """Where the numbers come from, for the badge on every page."""

    kind: Literal["live", "external", "simulated"]
    label: str


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """Tasks by state. queued and running are now; the others are totals since the start."""

    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    lost: int = 0
    cancelled: int = 0
    infeasible: int = 0
    """Queued tasks that no worker of the pool could ever hold; part of `queued`."""
    foreign: int = 0
    """Tasks of other users on the same workers; not ours to move."""

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {column.name: getattr(self, column.name) for column in fields(self)}


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The pool at one moment. Arrays are read-only; row i belongs to `worker_ids[i]`."""

    source: Source
    version: int
    time: float
    ready: bool
    worker_ids: tuple[str, ...]
    states: npt.NDArray[np.uint8]
    """(n,) codes of `STATE_CODE`."""
    capacity: FloatArray
    allocated: FloatArray
    used: FloatArray
    """capacity, allocated, used: float64 (n, 4); used is NaN where nothing was measured."""
    started_at: FloatArray
    """(n,)"""
    tasks: TaskCounts
    demand: FloatArray
    """(4,): running + queued work that the pool could ever hold."""
    current: int
    desired: int
    bounds: Bounds
    oversubscribed: bool
    """The pool's capacity is more than what the machine has."""
    running_tasks: tuple[Task, ...]
    finished_tasks: tuple[Task, ...]
    """The latest that ended, oldest first."""
    infeasible_reason: str
    cost_rate: float
    """What the pool costs per hour; NaN where a price is not known."""
    waits: Mapping[str, float]
    """Mean seconds that tasks waited and ran, of those that were placed or ended since the last snapshot, by `drm.task_times.WAITS`."""
    last_decision: ScalingDecision | None
    last_action: ScalingDecision | None
    """The last decision that was not `maintain`."""

    def count(self, *states: WorkerState) -> int:
        """How many workers are in one of these states."""
        return int(np.isin(self.states, [STATE_CODE[state] for state in states]).sum())

    def totals(self, columns: FloatArray) -> FloatArray:
        """Sums (4,) of `capacity`, `allocated` or `used` over the workers that can run tasks; NaN where no such worker was measured."""
        rows = columns[np.isin(self.states, ACTIVE_CODES)]
        known = ~np.isnan(rows)
        return np.where(known.any(axis=0), np.where(known, rows, 0.0).sum(axis=0), np.nan if columns is self.used else 0.0)
