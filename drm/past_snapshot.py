"""The snapshot of a moment that has passed, out of what is kept of it: what is not kept is NaN or None."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from drm.decision import Band, Bounds, ScalingDecision
from drm.engines import Engine
from drm.history.lifetimes import Present
from drm.history.window import Sample
from drm.model import IS_ACTIVE, RESOURCES, STATE_CODE, FloatArray, Resources, Task
from drm.placement import fits
from drm.snapshot import MOST_LINES, Snapshot, TaskCounts, WaitingLine
from drm.task_times import WAITS

Number = TypeVar("Number", bound=np.generic)

GONE_CODES = (STATE_CODE["lost"], STATE_CODE["terminated"])
WATCHED, ABOVE, BELOW = "watched_", "_above", "_below"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of one moment."""

    present: Present
    """Who was there."""
    sample: Sample
    """What was measured in the bucket that holds it."""
    tasks: tuple[Task, ...] | None
    """Those that ran or waited; None: not kept."""
    stood: ScalingDecision | None
    """The evaluation that stood."""
    is_recorded: bool
    """Whether there was a tick."""
    is_shared: bool
    """Whether others may have used the workers as well."""


def past_snapshot(live: Snapshot, engine: Engine, moment: float, kept: Kept, last_action: ScalingDecision | None) -> Snapshot:
    """What a tick at `moment` would have shown; `live`: the present one, for what never changes."""
    there, sample, decision = kept.present, kept.sample, kept.stood
    active = IS_ACTIVE[there.states]
    here = ~np.isin(there.states, GONE_CODES)
    series = sample.fleet
    running = None if kept.tasks is None else tuple(task for task in kept.tasks if task.state == "running")
    waiting = None if kept.tasks is None else _lines(kept, engine, [task for task in kept.tasks if task.state == "queued"])
    idle_since = np.where(there.states == STATE_CODE["running"], np.fmax(sample.idle_since, there.started_at), np.nan)
    idle_since[np.isnan(sample.idle_since)] = np.nan
    return replace(
        live,
        version=0,
        time=moment,
        ready=kept.is_recorded,
        worker_ids=there.worker_ids,
        states=there.states,
        capacity=there.capacity,
        allocated=_frozen(_amounts(sample.allocated, there.capacity, active, nobody=0.0)),
        used=_frozen(_amounts(sample.used, there.capacity, active, nobody=math.nan)),
        occupied=_frozen(np.full_like(there.capacity, math.nan if kept.is_shared else 0.0)),
        open_slots=_frozen((there.states == STATE_CODE["running"]).astype(np.int64)),
        started_at=there.started_at,
        idle_since=_frozen(idle_since),
        price=there.price,
        kinds=there.kinds,
        kind=there.kind,
        tasks=_counts(kept, running, waiting),
        demand=_frozen(np.array([series.get(f"demand_{name}", math.nan) for name in RESOURCES])),
        current=None if decision is None else decision.target,
        desired=None if decision is None else decision.desired,
        bounds=None if decision is None else _bounds(decision),
        oversubscribed=engine.machine is not None and bool((there.capacity[here].sum(axis=0) > engine.machine.vector() * (1 + 1e-9)).any()),
        running_tasks=running,
        finished_tasks=tuple(task for task in live.finished_tasks if task.finished_at <= moment),
        waiting=None if waiting is None else tuple(waiting[:MOST_LINES]),
        infeasible_reason="no worker of then and no type that can be launched holds them",
        cost_rate=float(there.price[here].sum()) if here.any() else series.get("cost_rate", math.nan),
        waits={name: series.get(name, math.nan) for name in WAITS},
        bands=_bands(sample),
        last_decision=decision,
        last_action=last_action,
    )


def _counts(kept: Kept, running: tuple[Task, ...] | None, waiting: list[WaitingLine] | None) -> TaskCounts:
    """Of tasks that are not told one by one the means of the bucket, in whole tasks."""
    queued = _whole(kept.sample.fleet.get("tasks_queued")) if waiting is None else sum(line.count for line in waiting)
    return TaskCounts(
        queued=queued,
        running=_whole(kept.sample.fleet.get("tasks_running")) if running is None else len(running),
        done=None,
        failed=None,
        lost=None,
        cancelled=None,
        infeasible=None if waiting is None else sum(line.count for line in waiting if not line.feasible),
        foreign=None if kept.is_shared else 0,
    )


def _lines(kept: Kept, engine: Engine, queued: list[Task]) -> list[WaitingLine]:
    """By request, those that wait longest first."""
    lines: dict[Resources, list[Task]] = defaultdict(list)
    for task in sorted(queued, key=lambda task: task.submitted_at):
        lines[task.resources].append(task)
    shapes = [one.shape.vector() for one in engine.worker_types]
    holders = np.vstack([kept.present.capacity, *shapes])
    return [
        WaitingLine(request, len(tasks), tasks[-1].reason, tasks[0].submitted_at, bool(fits(holders, request.vector()).any()))
        for request, tasks in lines.items()
    ]


def _amounts(fractions: FloatArray, capacity: FloatArray, active: npt.NDArray[np.bool_], nobody: float) -> FloatArray:
    """Fractions (n, 4) of capacities; `nobody`: of workers that hold no task, and of what a worker does not have."""
    return np.where(active[:, None] & (capacity > 0), fractions * capacity, nobody)


def _bounds(decision: ScalingDecision) -> Bounds | None:
    """A run of evaluations ends where a person changes the bounds, so those of its first one hold."""
    limits = {one.name: one.value for one in decision.inputs}
    most = limits.get("max_workers", math.inf)
    return Bounds(int(limits.get("min_workers", 0)), int(most)) if math.isfinite(most) else None


def _bands(sample: Sample) -> tuple[Band, ...]:
    names = [name for name in sample.fleet if name.startswith(WATCHED) and not name.endswith((ABOVE, BELOW))]
    bands = [
        Band(name.removeprefix(WATCHED), *(sample.fleet.get(f"{name}{side}", math.nan) for side in ("", ABOVE, BELOW))) for name in names
    ]
    return tuple(band for band in bands if not math.isnan(band.value))


def _whole(mean: float | None) -> int | None:
    return None if mean is None or math.isnan(mean) else round(mean)


def _frozen(column: npt.NDArray[Number]) -> npt.NDArray[Number]:
    column.flags.writeable = False
    return column
