"""What was recorded of a pool over a range, as recommendations read it: its demand and size by bucket, its bill, its workers and types."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drm.analysis.ladder import Ladder, ladder
from drm.cloud.accrual import CHARGED, HOUR_SECONDS
from drm.cloud.split import weights
from drm.history.lifetimes import Lifetime
from drm.model import RESOURCES, STATE_CODE, FloatArray, WorkerType
from drm.snapshot import Snapshot
from drm.task_usage import UsageView
from drm.view import View

COLUMNS = 720
INSTANCES = "instances@"
"""How the series of what is charged of each provider begin (`drm.cloud.accrual.provider_series`)."""


@dataclass(frozen=True, slots=True)
class InUse:
    """A type of workers that the pool had in the range."""

    type: WorkerType
    hours: float
    """Worker-hours of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """Arrays are over the c buckets of which demand and size are known."""

    since: float
    until: float
    step_seconds: float
    times: FloatArray
    """(c,) the start of each bucket."""
    demand: FloatArray
    """(c, 4) running + queued work."""
    workers: FloatArray
    """(c,) workers that are charged."""
    wanted: FloatArray
    """(c,) what the policy wanted, before the bounds."""
    minimum: FloatArray
    maximum: FloatArray
    """(c,) the bounds; 0 and inf where none was recorded."""
    ladder: Ladder | None
    usage: UsageView
    lifetimes: tuple[Lifetime, ...]
    snapshot: Snapshot
    in_use: tuple[InUse, ...]
    """By hours, most first."""

    @property
    def hours(self) -> float:
        """How much time is recorded."""
        return len(self.times) * self.step_seconds / HOUR_SECONDS

    @property
    def currency(self) -> str:
        """Of the bill, or of the workers that are there; empty where no price is known or there are several."""
        return (self.ladder.currency if self.ladder else "") or self.snapshot.currency

    @property
    def hourly(self) -> float:
        """The mean price of a worker-hour that was paid; NaN where a price is not known."""
        if self.ladder is None or not self.ladder.paid.seconds > 0:
            return math.nan
        return self.ladder.paid.money / self.ladder.paid.seconds * HOUR_SECONDS

    @property
    def paid(self) -> float:
        """What the recorded time cost, at the rate of the bill; NaN where a price is not known."""
        if self.ladder is None or not self.ladder.until > self.ladder.since:
            return math.nan
        return self.ladder.paid.money / (self.ladder.until - self.ladder.since) * HOUR_SECONDS * self.hours

    @property
    def leaving_hours(self) -> float:
        """How long a worker that goes has waited for it on average: its grace, cooldown and draining; 0 where none went."""
        gone = sum(self.since < one.ended_at <= self.until for one in self.lifetimes)
        if self.ladder is None or not gone:
            return 0.0
        return sum(self.ladder.pieces[part].seconds for part in ("idle_grace", "cooldown", "draining")) / HOUR_SECONDS / gone

    @property
    def unit_prices(self) -> FloatArray:
        """(4,): what one unit of each resource costs an hour, by the shares of the types in use; NaN where a price is not known."""
        worth, amount = np.zeros(4), np.zeros(4)
        for one in self.in_use:
            shape = one.type.shape.vector()
            worth += one.hours * one.type.hourly * weights(shape[None])[0] * shape
            amount += one.hours * shape
        return np.divide(worth, amount, out=np.zeros(4), where=amount > 0)

    @property
    def boot_seconds(self) -> float:
        """The mean time from a worker's first tick to its first one as running, of those that began in the range; NaN where none did."""
        took = [one.started_at - one.began_at for one in self.lifetimes if one.began_at > self.since and one.started_at > one.began_at]
        return sum(took) / len(took) if took else math.nan


def read(view: View, range_seconds: float) -> Recorded | None:
    """The range before the end of a view; None before the first tick."""
    snapshot = view.snapshot
    if math.isnan(snapshot.time):
        return None
    window = view.fleet(range_seconds, COLUMNS)
    blank = np.full(len(window.times), np.nan)

    def series(name: str) -> FloatArray:
        return window.mean.get(name, blank)

    demand = np.column_stack([series(f"demand_{name}") for name in RESOURCES])
    charged = [window.mean[name] for name in window.mean if name.startswith(INSTANCES)]
    workers = np.where(np.isnan(charged).all(axis=0), np.nan, np.nansum(charged, axis=0)) if charged else blank
    wanted = series("desired")
    known = np.flatnonzero(~np.isnan(demand).any(axis=1) & ~np.isnan(workers) & ~np.isnan(wanted))
    start, end = view.spends(range_seconds)
    lifetimes = view.lifetimes_in(range_seconds)
    until = snapshot.time
    begun = min((one.began_at for one in lifetimes), default=until)
    since = max(view.start(range_seconds), begun)
    return Recorded(
        since=since,
        until=until,
        step_seconds=window.step_seconds,
        times=window.times[known],
        demand=demand[known],
        workers=workers[known],
        wanted=wanted[known],
        minimum=np.nan_to_num(series("min_workers")[known], nan=0.0),
        maximum=np.nan_to_num(series("max_workers")[known], nan=np.inf),
        ladder=None if end is None else ladder(start, end),
        usage=view.task_usage(range_seconds),
        lifetimes=lifetimes,
        snapshot=snapshot,
        in_use=_in_use(lifetimes, since, until),
    )


def charged_seconds(one: Lifetime, since: float, until: float) -> float:
    """For how long a worker cost something between two moments."""
    ends = [at for at, _ in one.states[1:]] + [math.inf]
    return sum(
        max(0.0, min(end, until) - max(at, since)) for (at, state), end in zip(one.states, ends, strict=True) if CHARGED[STATE_CODE[state]]
    )


def _in_use(lifetimes: Sequence[Lifetime], since: float, until: float) -> tuple[InUse, ...]:
    hours: dict[WorkerType, float] = {}
    for one in lifetimes:
        kind = one.kind
        market = kind.market or "on_demand"
        name = kind.type or ("worker" if kind.provider is None else f"{kind.provider} worker")
        worker_type = WorkerType(name, one.capacity, kind.price, market, kind.provider, kind.region)
        hours[worker_type] = hours.get(worker_type, 0.0) + charged_seconds(one, since, until) / HOUR_SECONDS
    found = [InUse(worker_type, amount) for worker_type, amount in hours.items() if amount > 0]
    return tuple(sorted(found, key=lambda one: (-one.hours, one.type.name)))
