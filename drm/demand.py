"""Demand: what waits in the pool, and which workers would hold it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.fleet import RUNNING, Fleet
from drm.model import STATE_CODE, FloatArray, WorkerType
from drm.offers import best_offer
from drm.placement import fits, place, rows_filled, rows_taken
from drm.pool import Pool

ARRIVING_CODES = (STATE_CODE["pending"], STATE_CODE["booting"])
UNLIMITED_SLOTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Demand:
    """What waits, and what it would take. Workers are counted whole."""

    requests: FloatArray
    counts: npt.NDArray[np.int64]
    """requests (s, 4), counts (s,): the lines that the pool could hold."""
    covered: int
    """Arriving workers that the waiting tasks fill."""
    needed: int
    """Empty workers beyond those that hold all of them at once."""
    able: int
    """Busy workers that are large enough for every kind of waiting task."""
    task_seconds: float
    """Expected run time of a waiting task; NaN where none is known."""
    worker_type: WorkerType | None
    """Which type a scale-up takes."""


def read_demand(pool: Pool, unanswered: Mapping[str, int], most_workers: int) -> Demand:
    """Fills the arriving workers with what waits, and finds the type that holds the rest at the lowest price per task."""
    fleet = pool.fleet
    requests, counts = pool.waiting()
    types = tuple(pool.worker_types.values())
    slots = int(fleet.slots.max(initial=0)) or UNLIMITED_SLOTS
    if not len(counts):
        return Demand(requests, counts, 0, 0, 0, math.nan, types[0] if types else None)
    rows = np.flatnonzero(np.isin(fleet.states, ARRIVING_CODES))
    coming = [fleet.capacity[rows], *(np.tile(pool.worker_types[name].shape.vector(), (count, 1)) for name, count in unanswered.items())]
    capacity = np.vstack(coming)
    placed = place(capacity, np.full(len(capacity), slots), capacity, requests, counts)
    covered = rows_taken(placed)
    left = counts - np.array([len(taken) for taken in placed], dtype=np.int64)
    offer = best_offer(types, slots, requests, left, most_workers)
    needed = offer.workers if offer else 0
    if not types:
        needed = _like_those_here(fleet, slots, requests, left, most_workers)
    busy = (fleet.states == RUNNING) & np.isnan(fleet.idle_since)
    able = int(fits(fleet.capacity[busy], requests[left > 0].max(axis=0)).sum()) if left.any() else 0
    seconds = pool.expected_seconds()
    known = ~np.isnan(seconds)
    task_seconds = float(np.average(seconds[known], weights=counts[known])) if known.any() else math.nan
    return Demand(requests, counts, covered, needed, able, task_seconds, offer.worker_type if offer else types[0] if types else None)


def _like_those_here(fleet: Fleet, slots: int, requests: FloatArray, counts: npt.NDArray[np.int64], most_workers: int) -> int:
    """Workers that the waiting tasks would fill, were they all as the most common one here, where nobody says what could be launched."""
    if not len(fleet):
        return min(1, int(counts.sum()))
    common, _ = Counter(map(tuple, fleet.capacity.tolist())).most_common(1)[0]
    shape = np.array(common)
    holds = fits(shape, requests)
    return rows_filled(shape, slots, requests[holds], counts[holds], most_workers)
