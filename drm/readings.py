"""What is read off the pool, changing nothing: an evaluation's conditions, Snapshot and series."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from drm.decision import Band, Bounds, ScalingDecision
from drm.demand import ARRIVING_CODES, Demand
from drm.engines import Engine
from drm.fleet import RUNNING
from drm.model import IS_ACTIVE, RESOURCES, STATE_CODE, FloatArray
from drm.policies import Policy
from drm.policies.conditions import Conditions
from drm.pool import Pool
from drm.snapshot import Snapshot

Number = TypeVar("Number", bound=np.generic)

MOST_WORKERS = 10_000
GONE_CODES = (STATE_CODE["lost"], STATE_CODE["terminated"])


def default_bounds(engine: Engine) -> Bounds:
    """As many workers as the engine's machine holds; 1 to 4 where that is unknown; any number where it has no launcher."""
    if engine.no_launcher_reason is not None:
        return Bounds(0, MOST_WORKERS)
    machine = engine.machine
    if not engine.worker_types or machine is None:
        return Bounds(1, 4)
    shape = engine.worker_types[0].shape.vector()
    asked = shape > 0
    most = (machine.vector()[asked] / shape[asked]).min(initial=1.0)
    return Bounds(1, max(1, math.floor(most + 1e-9)))


def read_conditions(
    pool: Pool,
    demand: Demand,
    utilization: Mapping[str, float],
    now: float,
    *,
    ready: bool,
    unanswered: Mapping[str, int],
    policy: Policy,
    silent_after: float,
) -> Conditions:
    """The conditions of an evaluation as far as they are of the pool; `utilization` as `Pool.utilization`."""
    fleet = pool.fleet
    active = IS_ACTIVE[fleet.states]
    arriving = int(np.isin(fleet.states, ARRIVING_CODES).sum()) + sum(unanswered.values())
    draining = int((fleet.states == STATE_CODE["draining"]).sum())
    placeable = int(active.sum()) - draining
    idle_since = fleet.idle_since[(fleet.states == RUNNING) & ~np.isnan(fleet.idle_since)]
    # Of whom nothing was ever heard, that is long ago.
    ages = np.nan_to_num(now - fleet.last_seen[active], nan=math.inf)
    shares = [share for share in utilization.values() if not math.isnan(share)]
    lost = pool.listed_lost()
    return Conditions(
        ready=float(ready),
        data_age_seconds=max(0.0, float(ages.min(initial=math.inf))) if len(ages) else 0.0,
        current_workers=placeable + arriving,
        arriving_workers=arriving,
        busy_workers=placeable - len(idle_since),
        retirable_workers=int((fleet.states == RUNNING).sum()),
        draining_workers=draining,
        idle_workers=len(idle_since),
        longest_idle_seconds=float((now - idle_since).max(initial=0.0)),
        ripe_workers=int((now - idle_since >= policy.grace_seconds).sum()),
        queued_tasks=int(demand.counts.sum()),
        running_tasks=len(pool.tasks.running),
        covered_workers=demand.covered,
        needed_workers=demand.needed,
        able_workers=demand.able,
        task_seconds=demand.task_seconds,
        utilization=max(shares, default=math.nan),
        ordered_workers=policy.parameters.get("workers", 0.0),
        cost_rate=cost_rate(pool) + sum(pool.worker_types[name].hourly * count for name, count in unanswered.items()),
        worker_price=demand.worker_type.hourly if demand.worker_type else math.nan,
        known_workers=len(ages) + lost,
        silent_workers=int((ages > silent_after).sum()) + lost,
    )


def cost_rate(pool: Pool) -> float:
    """What the workers that are here cost per hour, those on their way included; NaN where the price of one is not known."""
    present = ~np.isin(pool.fleet.states, GONE_CODES)
    return float(pool.fleet.price[present].sum()) if present.any() else 0.0 if _priced(pool) else math.nan


def take_snapshot(
    pool: Pool,
    engine: Engine,
    bounds: Bounds,
    last_decision: ScalingDecision | None,
    last_action: ScalingDecision | None,
    bands: tuple[Band, ...],
    *,
    version: int,
    now: float,
    ready: bool,
    unanswered: int,
) -> Snapshot:
    """A frozen copy of the pool."""
    fleet = pool.fleet
    infeasible = pool.infeasible()
    requests, counts = pool.waiting()
    active = IS_ACTIVE[fleet.states]
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
        occupied=_frozen(fleet.occupied),
        open_slots=_frozen(fleet.open_slots()),
        started_at=_frozen(fleet.started_at),
        idle_since=_frozen(fleet.idle_since),
        price=_frozen(fleet.price),
        kinds=pool.kinds.all,
        kind=_frozen(fleet.kind),
        tasks=pool.tasks.counts(infeasible.tasks if infeasible else 0, pool.foreign_tasks),
        demand=_frozen(fleet.allocated[active].sum(axis=0) + counts @ requests),
        current=current,
        desired=last_decision.desired if last_decision else current,
        bounds=bounds,
        oversubscribed=machine is not None and bool((fleet.capacity[present].sum(axis=0) > machine.vector() * (1 + 1e-9)).any()),
        running_tasks=tuple(pool.tasks.running.values()),
        finished_tasks=tuple(pool.tasks.finished),
        waiting=pool.waiting_lines(),
        infeasible_reason=infeasible.reason if infeasible else "",
        cost_rate=cost_rate(pool),
        currency=_currency(pool),
        waits=pool.times.take(),
        bands=bands,
        last_decision=last_decision,
        last_action=last_action,
        # Of one worker they are replaced whole, never changed.
        labels=dict(fleet.labels),
    )


def fleet_series(snapshot: Snapshot) -> dict[str, float]:
    """The numbers of the whole pool that are recorded each tick: sums in the units of their resource, and counts."""
    bounds = snapshot.bounds
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
        "workers_current": _number(snapshot.current),
        "workers_running": snapshot.count("running", "cordoned"),
        "workers_booting": snapshot.count("pending", "booting"),
        "workers_draining": snapshot.count("draining"),
        "workers_lost": snapshot.count("lost"),
        "desired": _number(snapshot.desired),
        **({"min_workers": bounds.min, "max_workers": bounds.max} if bounds else {}),
        "cost_rate": snapshot.cost_rate,
        "tasks_queued": _number(snapshot.tasks.queued),
        "tasks_running": _number(snapshot.tasks.running),
        **snapshot.waits,
        **{name: value for band in snapshot.bands for name, value in _band_series(band)},
    }


def _number(amount: int | None) -> float:
    return math.nan if amount is None else float(amount)


def _band_series(band: Band) -> tuple[tuple[str, float], ...]:
    """What a policy watched, as it was at that time: a policy may be changed later."""
    name = f"watched_{band.condition}"
    return (name, band.value), (f"{name}_above", band.above), (f"{name}_below", band.below)


def fractions_of_capacity(snapshot: Snapshot) -> tuple[FloatArray, FloatArray]:
    """used / capacity and allocated / capacity, (n, 4) each; NaN where a worker is not active or has none of a resource."""
    known = IS_ACTIVE[snapshot.states][:, None] & (snapshot.capacity > 0)
    blank = np.full_like(snapshot.capacity, np.nan)
    used = np.divide(snapshot.used, snapshot.capacity, out=blank.copy(), where=known)
    return used, np.divide(snapshot.allocated, snapshot.capacity, out=blank, where=known)


def _priced(pool: Pool) -> bool:
    return any(one.hourly_price is not None for one in pool.worker_types.values())


def _currency(pool: Pool) -> str:
    currencies = {one.hourly_price.currency for one in pool.worker_types.values() if one.hourly_price is not None}
    return currencies.pop() if len(currencies) == 1 else ""


def _frozen(column: npt.NDArray[Number]) -> npt.NDArray[Number]:
    copy = column.copy()
    copy.flags.writeable = False
    return copy
