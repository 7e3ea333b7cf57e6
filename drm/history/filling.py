"""Samples that come late fill closed buckets in which nothing is known of their worker; whatever was recorded in its time stays as it is.

A sample holds until the next one, as it does for a worker that is heard of, but not for longer than `HELD_SECONDS`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from drm.history.bucketing import Bucketing
from drm.history.buckets import ClosedCells
from drm.history.cascade import WorkerCells
from drm.history.levels import STEPS_SECONDS, bucket_of
from drm.model import FloatArray
from drm.observation import LateSample

HELD_SECONDS = 60.0


def fill(buckets: Bucketing, samples: Iterable[LateSample]) -> int:
    """Puts samples where they belong, and returns how many buckets that filled. Those of workers without a row are left out."""
    by_worker: dict[str, list[LateSample]] = {}
    for one in samples:
        by_worker.setdefault(one.worker_id, []).append(one)
    fine = {worker_id: _fine(own, buckets.newest[0]) for worker_id, own in by_worker.items()}
    filled = 0
    for level in buckets.kept_levels:
        for workers in (buckets.all, buckets.gpu):
            closed = _fill_level(buckets, workers, level, fine)
            filled += sum(len(one.worker_ids) for one in closed)
            for cells in closed:
                buckets.keep_late(cells)
    buckets.fills += bool(filled)
    return filled


def _fine(samples: Sequence[LateSample], newest: int) -> dict[int, FloatArray]:
    """What was used in each closed bucket of the finest level: the mean of its samples, or the one that holds then."""
    ordered = sorted(samples, key=lambda one: one.time)
    step, found, held = STEPS_SECONDS[0], {}, {}
    sums: dict[int, list[FloatArray]] = {}
    for index, one in enumerate(ordered):
        first = bucket_of(one.time, step)
        sums.setdefault(first, []).append(one.used)
        until = min(one.time + HELD_SECONDS, ordered[index + 1].time if index + 1 < len(ordered) else one.time)
        held.update(dict.fromkeys(range(first + 1, bucket_of(until, step)), one.used))
    found = held | {bucket: _mean(own) for bucket, own in sums.items()}
    return {bucket: used for bucket, used in found.items() if bucket < newest}


def _fill_level(buckets: Bucketing, workers: WorkerCells, level: int, fine: Mapping[str, Mapping[int, FloatArray]]) -> list[ClosedCells]:
    ring, newest = workers.rings[level], buckets.newest[level]
    factor = round(STEPS_SECONDS[level] / STEPS_SECONDS[0])
    columns: dict[int, list[tuple[str, FloatArray, FloatArray]]] = {}
    for worker_id, cells in fine.items():
        if worker_id not in ring:
            continue
        parts: dict[int, list[FloatArray]] = {}
        for bucket, used in cells.items():
            if newest - buckets.kept[level] < bucket // factor < newest and not np.isnan(used[workers.resources]).all():
                parts.setdefault(bucket // factor, []).append(used[workers.resources])
        for bucket in ring.blank(worker_id, parts):
            columns.setdefault(bucket, []).append((worker_id, _mean(parts[bucket]), np.fmax.reduce(parts[bucket])))
    closed = []
    for bucket, rows in sorted(columns.items()):
        ids = tuple(worker_id for worker_id, _, _ in rows)
        # What was allocated then is not known.
        unknown = np.full((len(rows[0][1]), len(rows)), math.nan)
        mean, maximum = (np.vstack([np.array([row[part] for row in rows]).T, unknown]) for part in (1, 2))
        stored = ring.fill(bucket, ids, mean, maximum)
        closed.append(ClosedCells(level, bucket * STEPS_SECONDS[level], workers.resources, ids, *stored))
    return closed


def _mean(samples: Sequence[FloatArray]) -> FloatArray:
    columns = np.array(samples)
    known = ~np.isnan(columns)
    count = known.sum(axis=0)
    mean: FloatArray = np.divide(np.where(known, columns, 0.0).sum(axis=0), count, out=np.full(columns.shape[1], np.nan), where=count > 0)
    return mean
