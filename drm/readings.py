"""What is read off the pool, changing nothing: the policy's signals, the victims of a scale-down, the Snapshot, and the recorded series."""

from __future__ import annotations

import math
from collections import Counter
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from drm.decision import Bounds, ScalingDecision
from drm.engines import Engine
from drm.fleet import RUNNING, Fleet
from drm.model import ACTIVE_CODES, RESOURCES, STATE_CODE, FloatArray
from drm.placement import fits, rows_filled
from drm.policies import Signals
from drm.pool import Pool
from drm.snapshot import Snapshot

Number = TypeVar("Number", bound=np.generic)

MOST_WORKERS = 10_000
ARRIVING_CODES = (STATE_CODE["pending"], STATE_CODE["booting"])
UNLIMITED_SLOTS = 1_000_000


def default_bounds(engine: Engine) -> Bounds:
    """As many workers as the engine's machine holds; 1 to 4 where that is unknown; any number where it has no launcher."""
    if engine.no_launcher_reason is not None:
        return Bounds(0, MOST_WORKERS)
    shape, machine = engine.worker_shape, engine.machine
    if shape is None or machine is None:
        return Bounds(1, 4)
    asked = shape.vector() > 0
    most = (machine.vector()[asked] / shape.vector()[asked]).min(initial=1.0)
    return Bounds(1, max(1, math.floor(most + 1e-9)))


def read_signals(pool: Pool, now: float, *, ready: bool, unanswered: int, most_workers: int) -> Signals:
    """What the policy sees. `unanswered`: workers that were asked for and are in no column yet."""
    fleet = pool.fleet
    arriving = int(np.isin(fleet.states, ARRIVING_CODES).sum()) + unanswered
    placeable = int((np.isin(fleet.states, ACTIVE_CODES) & (fleet.states != STATE_CODE["draining"])).sum())
    idle_since = fleet.idle_since[(fleet.states == RUNNING) & ~np.isnan(fleet.idle_since)]
    requests, counts = pool.waiting()
    return Signals(
        now=now,
        ready=ready,
        current=placeable + arriving,
        arriving=arriving,
        busy=placeable - len(idle_since),
        needed=_workers_needed(pool, requests, counts, most_workers),
        idle_seconds=np.sort(now - idle_since)[::-1],
        queued=int(counts.sum()),
        running=len(pool.tasks.running),
        queued_demand=counts @ requests,
        utilization=np.array(list(pool.utilization().values())),
    )


def idle_first(fleet: Fleet) -> list[str]:
    """The ids of running workers in the order in which they may go: the longest idle ones, then those with the fewest reservations."""
    rows = np.flatnonzero(fleet.states == RUNNING)
    idle_since = np.nan_to_num(fleet.idle_since[rows], nan=np.inf)
    order = np.lexsort((fleet.reserved[rows], idle_since))
    return [fleet.ids[row] for row in rows[order]]


def take_snapshot(
    pool: Pool,
    engine: Engine,
    bounds: Bounds,
    last_decision: ScalingDecision | None,
    last_action: ScalingDecision | None,
    *,
    version: int,
    now: float,
    ready: bool,
    unanswered: int,
) -> Snapshot:
    """A frozen copy of the pool."""
    fleet = pool.fleet
    infeasible, infeasible_reason = pool.infeasible()
    requests, counts = pool.waiting()
    active = np.isin(fleet.states, ACTIVE_CODES)
    present = active | np.isin(fleet.states, ARRIVING_CODES)
    current = int((present & (fleet.states != STATE_CODE["draining"])).sum()) + unanswered
    machine = engine.machine
    return Snapshot(
        source=engine.source,
        version=version,
        time=now,
        ready=ready,
        worker_ids=fleet.ids,
        states=_frozen(fleet.states),
        capacity=_frozen(fleet.capacity),
        allocated=_frozen(fleet.allocated),
        used=_frozen(fleet.used),
        started_at=_frozen(fleet.started_at),
        tasks=pool.tasks.counts(infeasible, pool.foreign_tasks),
        demand=_frozen(fleet.allocated[active].sum(axis=0) + counts @ requests),
        current=current,
        desired=last_decision.desired if last_decision else current,
        bounds=bounds,
        oversubscribed=machine is not None and bool((fleet.capacity[present].sum(axis=0) > machine.vector() * (1 + 1e-9)).any()),
        running_tasks=tuple(pool.tasks.running.values()),
        finished_tasks=tuple(pool.tasks.finished),
        infeasible_reason=infeasible_reason,
        last_decision=last_decision,
        last_action=last_action,
    )


def fleet_series(snapshot: Snapshot) -> dict[str, float]:
    """The numbers of the whole pool that are recorded each tick: sums in the units of their resource, and counts."""
    series = {
        f"{measure}_{name}": float(amount)
        for measure, totals in (
            ("demand", snapshot.demand),
            ("capacity", snapshot.totals(snapshot.capacity)),
            ("allocated", snapshot.totals(snapshot.allocated)),
            ("used", snapshot.totals(snapshot.used)),
        )
        for name, amount in zip(RESOURCES, totals, strict=True)
    }
    return series | {
        "workers_current": snapshot.current,
        "workers_running": snapshot.count("running", "cordoned"),
        "workers_booting": snapshot.count("pending", "booting"),
        "workers_draining": snapshot.count("draining"),
        "workers_lost": snapshot.count("lost"),
        "desired": snapshot.desired,
        "tasks_queued": snapshot.tasks.queued,
        "tasks_running": snapshot.tasks.running,
    }


def fractions_of_capacity(snapshot: Snapshot) -> tuple[FloatArray, FloatArray]:
    """used / capacity and allocated / capacity, (n, 4) each; NaN where a worker is not active or has none of a resource."""
    known = np.isin(snapshot.states, ACTIVE_CODES)[:, None] & (snapshot.capacity > 0)
    blank = np.full_like(snapshot.capacity, np.nan)
    used = np.divide(snapshot.used, snapshot.capacity, out=blank.copy(), where=known)
    return used, np.divide(snapshot.allocated, snapshot.capacity, out=blank, where=known)


def _workers_needed(pool: Pool, requests: FloatArray, counts: npt.NDArray[np.int64], most_workers: int) -> int:
    """Empty workers that hold all waiting tasks. Tasks that only a larger worker than the launched ones could hold wait for that one."""
    shape, slots = _launched_shape(pool)
    if shape is None:
        return min(1, int(counts.sum()))
    holds = fits(shape, requests)
    return rows_filled(shape, slots, requests[holds], counts[holds], most_workers)


def _launched_shape(pool: Pool) -> tuple[FloatArray | None, int]:
    """What a new worker has, and how many tasks it takes; as the most common one here, where the engine does not say."""
    fleet = pool.fleet
    slots = int(fleet.slots.max(initial=0)) or UNLIMITED_SLOTS
    if pool.worker_shape is not None:
        return pool.worker_shape.vector(), slots
    if not len(fleet):
        return None, slots
    common, _ = Counter(map(tuple, fleet.capacity.tolist())).most_common(1)[0]
    return np.array(common), slots


def _frozen(column: npt.NDArray[Number]) -> npt.NDArray[Number]:
    copy = column.copy()
    copy.flags.writeable = False
    return copy
