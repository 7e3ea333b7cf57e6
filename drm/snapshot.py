"""The pool at one moment, as every reader sees it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt

from drm.decision import Band, Bounds, ScalingDecision
from drm.model import IS_ACTIVE, STATE_CODE, FloatArray, InstanceKind, Resources, Task, WorkerState

MOST_LINES = 50
"""So many lines of the queue a snapshot holds."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the numbers come from, for the badge on every page."""

    kind: Literal["live", "external", "simulated"]
    label: str


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """Tasks by state. queued and running are now; the others are totals since the start. None: not known of a moment of the past."""

    queued: int | None = 0
    running: int | None = 0
    done: int | None = 0
    failed: int | None = 0
    lost: int | None = 0
    cancelled: int | None = 0
    infeasible: int | None = 0
    """Queued tasks that no worker of the pool could ever hold; part of `queued`."""
    foreign: int | None = 0
    """Tasks of other users on the same workers; not ours to move."""

    def as_dict(self) -> dict[str, int | None]:
        """The counts by name."""
        return {column.name: getattr(self, column.name) for column in fields(self)}


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """The queued tasks of one request."""

    resources: Resources
    count: int
    reason: str
    """Why they wait, as of the last placement."""
    oldest_submitted_at: float
    feasible: bool
    """Whether a worker of the pool could ever hold one."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The pool at one moment. Arrays are read-only; row i belongs to `worker_ids[i]`.

    What is not known of a moment of the past is NaN or None.
    """

    source: Source
    version: int
    """Counts the ticks; 0 before the first, and of a moment of the past."""
    time: float
    ready: bool
    worker_ids: tuple[str, ...]
    states: npt.NDArray[np.uint8]
    """(n,) codes of `STATE_CODE`."""
    capacity: FloatArray
    allocated: FloatArray
    used: FloatArray
    """capacity, allocated, used: float64 (n, 4); used is NaN where nothing was measured."""
    occupied: FloatArray
    """(n, 4): held by others than us."""
    open_slots: npt.NDArray[np.int64]
    """(n,): how many more tasks each worker takes now, whatever they ask for; 0 where it takes none."""
    started_at: FloatArray
    """(n,)"""
    idle_since: FloatArray
    """(n,) since when it has had nothing to do; NaN while it has."""
    price: FloatArray
    """(n,) what it costs per hour; NaN where that is not known."""
    kinds: tuple[InstanceKind, ...]
    """What the workers stand on: worker i is of `kinds[kind[i]]`."""
    kind: npt.NDArray[np.int64]
    """(n,)"""
    tasks: TaskCounts
    demand: FloatArray
    """(4,): running + queued work that the pool could ever hold."""
    current: int | None
    desired: int | None
    bounds: Bounds | None
    oversubscribed: bool
    """The pool's capacity is more than what the machine has."""
    running_tasks: tuple[Task, ...] | None
    finished_tasks: tuple[Task, ...]
    """The latest that ended, oldest first."""
    waiting: tuple[WaitingLine, ...] | None
    """The queue by request, in the order in which it is served; the first `MOST_LINES` lines."""
    infeasible_reason: str
    cost_rate: float
    """What the pool costs per hour; NaN where a price is not known."""
    currency: str
    """Of that rate; empty where no price is known, or prices are in several."""
    waits: Mapping[str, float]
    """Mean seconds that tasks waited and ran, of those that were placed or ended since the last snapshot, by `drm.task_times.WAITS`."""
    bands: tuple[Band, ...]
    """What the policy watched, with its thresholds."""
    last_decision: ScalingDecision | None
    last_action: ScalingDecision | None
    """The last decision that was not `maintain`."""
    labels: Mapping[str, Mapping[str, str]]
    """By worker, of those that have any; in a snapshot of the past what they say now."""

    @property
    def is_past(self) -> bool:
        """Whether it is of a moment that has passed, rather than the last tick's."""
        return self.version == 0 and not math.isnan(self.time)

    def count(self, *states: WorkerState) -> int:
        """How many workers are in one of these states."""
        numbers = np.bincount(self.states, minlength=len(STATE_CODE))
        return sum(int(numbers[STATE_CODE[state]]) for state in states)

    def totals(self, columns: FloatArray) -> FloatArray:
        """Sums (4,) of `capacity`, `allocated` or `used` over the workers that can run tasks; NaN where of no such worker it is known."""
        rows = columns[IS_ACTIVE[self.states]]
        known = ~np.isnan(rows)
        nobody = np.nan if columns is self.used or len(rows) else 0.0
        return np.where(known.any(axis=0), np.where(known, rows, 0.0).sum(axis=0), nobody)

    def measured(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(4,), (4,): of how many workers that can run tasks each resource was measured, and how many have it."""
        active = IS_ACTIVE[self.states]
        return count_measured(self.used[active], self.capacity[active])

    def utilization(self) -> FloatArray:
        """(4,): used / capacity over the workers that can run tasks and were measured; NaN where none was."""
        used, capacity = (columns[IS_ACTIVE[self.states]] for columns in (self.used, self.capacity))
        return utilization(used, capacity)


def utilization(used: FloatArray, capacity: FloatArray) -> FloatArray:
    """(4,): used / capacity of used, capacity (n, 4), over the rows that were measured; NaN where none was."""
    measured = ~np.isnan(used) & (capacity > 0)
    held = np.where(measured, capacity, 0.0).sum(axis=0)
    share: FloatArray = np.divide(np.where(measured, used, 0.0).sum(axis=0), held, out=np.full(4, np.nan), where=held > 0)
    return share


def count_measured(used: FloatArray, capacity: FloatArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(4,), (4,): of how many rows (n, 4) each resource was measured, and how many have it."""
    has = capacity > 0
    return (has & ~np.isnan(used)).sum(axis=0), has.sum(axis=0)
