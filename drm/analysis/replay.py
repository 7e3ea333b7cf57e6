"""Replays: sizes of a pool over time before and after a change, added up, with the time in which work waits for a worker."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drm.analysis.first_fit import on_types, worth
from drm.analysis.moments import Moments
from drm.analysis.recommendation import Replay
from drm.analysis.recorded import Recorded
from drm.model import FloatArray, WorkerType

LEAST_OVERHEAD, MOST_OVERHEAD = 0.5, 4.0
STEPS = 40
"""Of the halving that fits the overhead."""


def of_bounds(record: Recorded, minimum: FloatArray) -> Replay:
    """Another minimum (c,): size = what the policy wanted, within the bounds, bucket by bucket, at the mean price; each worker that goes
    stays as long as those that went did (`Recorded.leaving_hours`)."""
    before, after = (np.clip(record.wanted, low, np.maximum(record.maximum, low)) for low in (record.minimum, minimum))
    hours_before, hours_after = (
        float(size.sum()) * record.step_seconds / 3600.0 + departures(size) * record.leaving_hours for size in (before, after)
    )
    return _replay(record, hours_before, hours_after, waits=(_waits(record, before), _waits(record, after)))


def departures(sizes: FloatArray) -> float:
    """How many workers go as a pool takes these sizes (c,)."""
    return float(np.maximum(-np.diff(sizes), 0.0).sum())


def of_fewer(record: Recorded, fewer: FloatArray, hourly: float) -> Replay:
    """So many workers (c,) less, which held nothing, bucket by bucket; each costs so much an hour."""
    hours = record.step_seconds / 3600.0
    before, less = float(record.workers.sum() * hours), float(fewer.sum() * hours)
    whole = _replay(record, before, before - less, waits=(math.nan, math.nan))
    return replace(whole, cost_after=whole.cost_before - less * hourly)


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """What packing says of the pool as it is at k moments; the basis of replays of other requests and other types."""

    record: Recorded
    moments: Moments
    types: tuple[WorkerType, ...]
    """m, those in use."""
    needed: npt.NDArray[np.int64]
    """(k, m) workers that first-fit decreasing fills."""
    still: int
    """Workers that take no task, whatever is asked for."""
    overhead: float
    """What workers needed are multiplied by, so that the mean size of the moments is that of the recorded buckets."""

    def sizes(self, needed: npt.NDArray[np.int64]) -> FloatArray:
        """(k,): the workers of a pool that needs so many (k, m), with the overhead and within the minimum."""
        low = self.record.minimum[self.moments.buckets]
        return np.asarray(np.maximum(needed.sum(axis=1) * self.overhead + self.still, low), np.float64)

    def replay(self, requests: FloatArray, types: tuple[WorkerType, ...] | None = None) -> Replay | None:
        """Other requests (s, 4), or on other types; None where a request fits on none of them."""
        on = self.types if types is None else types
        needed = on_types(on, requests, list(self.moments.counts))
        if needed is None:
            return None
        record, hours = self.record, self.record.hours / len(self.moments.buckets)
        before, after = self.sizes(self.needed), self.sizes(needed)
        cost_before = float((before * _mean_price(self.types, self.needed)).sum() * hours)
        cost_after = float((after * _mean_price(on, needed)).sum() * hours)
        # What was paid is known better than what packing says; only the relation of the two is taken from the replay.
        scale = record.paid / cost_before if cost_before > 0 else math.nan
        return Replay(
            since=record.since,
            until=record.since + record.hours * 3600.0,
            moments=len(self.moments.buckets),
            hours_before=float(before.sum() * hours),
            hours_after=float(after.sum() * hours),
            cost_before=cost_before * scale,
            cost_after=cost_after * scale,
            waits_before=_beyond(record, self.moments, before),
            waits_after=_beyond(record, self.moments, after),
            overhead=self.overhead,
        )

    def replay_set(self, types: tuple[WorkerType, ...]) -> Replay | None:
        """The recorded demand on a set of types. A pool of several is compared as it was recorded, wherever its tasks stood; of the set
        there are as many more workers than packing needs as the pool had beyond those that its policy wanted."""
        if len(self.types) == 1:
            return self.replay(self.moments.requests, types)
        needed = on_types(types, self.moments.requests, list(self.moments.counts))
        if needed is None:
            return None
        record, each = self.record, self.record.hours / len(self.moments.buckets)
        wanted = float(record.wanted.sum())
        more = max(1.0, float(record.workers.sum()) / wanted) if wanted > 0 else 1.0
        after = replace(self, overhead=more).sizes(needed)
        return Replay(
            since=record.since,
            until=record.since + record.hours * 3600.0,
            moments=len(self.moments.buckets),
            hours_before=float(record.workers.mean()) * record.hours,
            hours_after=float(after.sum()) * each,
            cost_before=record.paid,
            cost_after=float((after * _mean_price(types, needed)).sum()) * each,
            waits_before=math.nan,
            waits_after=_beyond(record, self.moments, after),
            overhead=more,
        )


def pack(record: Recorded, moments: Moments, still: int) -> Packed | None:
    """None where a recorded request fits on no type in use."""
    types = tuple(one.type for one in record.in_use)
    needed = on_types(types, moments.requests, list(moments.counts)) if types else None
    if needed is None:
        return None
    packed, recorded = Packed(record, moments, types, needed, still, 1.0), float(record.workers.mean()) * len(moments.buckets)
    return replace(packed, overhead=_fitted(lambda overhead: float(replace(packed, overhead=overhead).sizes(needed).sum()), recorded))


def _fitted(sum_of_sizes: Callable[[float], float], recorded: float) -> float:
    """The overhead with which the sizes add up to those recorded; 1 where they do so anyway."""
    least, most = LEAST_OVERHEAD, MOST_OVERHEAD
    low, high = (1.0, most) if sum_of_sizes(1.0) < recorded else (least, 1.0)
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if sum_of_sizes(middle) < recorded else (low, middle)
    return high


def _mean_price(types: tuple[WorkerType, ...], needed: npt.NDArray[np.int64]) -> FloatArray:
    """(k,): of a worker of so many (k, m); where none is needed, that of the first type. Types of unknown price are weighed."""
    prices = np.array([worth(one) for one in types])
    whole = needed.sum(axis=1)
    return np.asarray(np.divide(needed @ prices, whole, out=np.full(len(whole), prices[0]), where=whole > 0), np.float64)


def _replay(record: Recorded, before: float, after: float, waits: tuple[float, float]) -> Replay:
    hourly = record.hourly
    return Replay(
        since=record.since,
        until=record.since + record.hours * 3600.0,
        moments=len(record.times),
        hours_before=before,
        hours_after=after,
        cost_before=before * hourly,
        cost_after=after * hourly,
        waits_before=waits[0],
        waits_after=waits[1],
    )


def _waits(record: Recorded, sizes: FloatArray) -> float:
    """The part of the time in which a worker boots that the last bucket did not have, or more is wanted than the maximum."""
    if not len(sizes):
        return math.nan
    grown = np.append(False, record.wanted[1:] > sizes[:-1] + 1e-9)
    if grown.any() and math.isnan(record.boot_seconds):
        return math.nan
    boot = min(record.step_seconds, record.boot_seconds) if grown.any() else 0.0
    return float(np.where(record.wanted > record.maximum, record.step_seconds, np.where(grown, boot, 0.0)).mean() / record.step_seconds)


def _beyond(record: Recorded, moments: Moments, sizes: FloatArray) -> float:
    """The part of the moments at which more workers are needed than the maximum."""
    return float((sizes > record.maximum[moments.buckets] + 1e-9).mean())
