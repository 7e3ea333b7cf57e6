"""The recorded demand at some moments that stand for all, as numbers of tasks of each shape.

Buckets are put in the order of their size (demand weighed by `drm.cloud.split.UNIT_PRICES`), cut into equal parts, and the middle one of
each part stands for it. Which tasks ran then comes from the kept samples, with those that still run; where a shape's older samples were let
go, from the same time of the day of the days that are kept, else from its mean; those estimates are scaled so that all add up to the
recorded demand. Of very many shapes the smallest are taken together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.analysis.recommendation import DAY_SECONDS
from drm.analysis.recorded import Recorded
from drm.cloud.split import UNIT_PRICES
from drm.model import FloatArray, Resources, Task
from drm.task_usage import SAMPLES_KEPT, TaskShape

MOMENTS = 24
MOST_SHAPES = 64
"""So many are packed one by one: names of tasks come from outside."""
MOST_SCALED = 4.0
"""An estimate is not stretched further to meet the recorded demand: what is left is no task of ours."""
TAIL = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """k moments, s shapes."""

    buckets: npt.NDArray[np.intp]
    """(k,) rows of the recorded series, from the least demand to the most."""
    shapes: tuple[TaskShape, ...]
    requests: FloatArray
    """(s, 4)"""
    counts: npt.NDArray[np.int64]
    """(k, s) running + queued tasks."""
    covered: float
    """The part of the (moment, shape) pairs that is counted, not estimated."""

    def at_the_tail(self) -> int:
        """The moment of the 95th percentile of the demand."""
        return min(len(self.buckets) - 1, math.ceil(TAIL * len(self.buckets)) - 1)


def size_of(demand: FloatArray) -> FloatArray:
    """(c,): demand (c, 4) as one number."""
    return np.asarray(demand @ UNIT_PRICES, np.float64)


def representative(sizes: FloatArray, most: int = MOMENTS) -> npt.NDArray[np.intp]:
    """Of equal parts of the buckets in the order of their sizes (c,) the middle ones, least first."""
    order = np.argsort(sizes, kind="stable")
    number = min(most, len(order))
    return np.asarray(order[((np.arange(number) + 0.5) * len(order) / max(1, number)).astype(np.intp)], np.intp)


def read_moments(record: Recorded, most: int = MOMENTS) -> Moments | None:
    """None where no demand was recorded, or no task of a kind that is known."""
    buckets = representative(size_of(record.demand), most)
    still = _running(record.snapshot.running_tasks or ())
    shapes = [shape for shape in dict.fromkeys((*record.usage.samples, *still)) if shape.request]
    if not len(buckets) or not shapes:
        return None
    times = record.times[buckets] + record.step_seconds / 2
    requests = np.array([shape.request.vector() for shape in shapes])
    counts = np.zeros((len(buckets), len(shapes)))
    known = np.ones(counts.shape, bool)
    for column, shape in enumerate(shapes):
        counts[:, column], known[:, column] = _count(record, shape, still.get(shape, ()), times)
    _scale(counts, known, requests, record.demand[buckets])
    covered = float(known.mean())
    shapes, requests, counts = _largest(shapes, requests, counts)
    return Moments(buckets, tuple(shapes), requests, np.rint(counts).astype(np.int64), covered)


def _largest(shapes: list[TaskShape], requests: FloatArray, counts: FloatArray) -> tuple[list[TaskShape], FloatArray, FloatArray]:
    """The shapes of which most is asked for; further ones share one without a name, of their mean request and as much in all."""
    asked = counts.sum(axis=0) * size_of(requests)
    order = np.argsort(-asked, kind="stable")
    rest = order[MOST_SHAPES - 1 :]
    if len(rest) < 2:
        return shapes, requests, counts
    kept, weight = np.sort(order[: MOST_SHAPES - 1]), counts[:, rest].sum(axis=0)
    mean = weight @ requests[rest] / weight.sum() if weight.any() else requests[rest].mean(axis=0)
    shared = counts[:, rest] @ size_of(requests[rest]) / float(size_of(mean))
    names = [*(shapes[index] for index in kept), TaskShape("", Resources.of(mean))]
    return names, np.vstack([requests[kept], mean]), np.column_stack([counts[:, kept], shared])


def _running(tasks: Sequence[Task]) -> dict[TaskShape, list[float]]:
    """When those that still run began, by shape."""
    begun: dict[TaskShape, list[float]] = {}
    for task in tasks:
        at = task.placed_at if math.isnan(task.started_at) else task.started_at
        begun.setdefault(TaskShape(task.name, task.resources), []).append(at)
    return begun


def _count(record: Recorded, shape: TaskShape, still: Sequence[float], times: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """(k,), (k,): how many ran at these times, and where that is counted."""
    samples = record.usage.samples.get(shape)
    if samples is None or not len(samples):
        ends, starts, first = np.full(len(still), np.inf), np.array(still), -math.inf
    else:
        finished = samples["finished_at"]
        starts = np.concatenate([finished - samples["run_seconds"], still])
        ends = np.concatenate([finished, np.full(len(still), np.inf)])
        first = float(finished.min()) if len(samples) == SAMPLES_KEPT else -math.inf

    def at(moments: FloatArray) -> FloatArray:
        return np.asarray(((starts <= moments[:, None]) & (moments[:, None] < ends)).sum(axis=1), np.float64)

    known = times >= first
    found = np.where(known, at(times), 0.0)
    whole_days = int((record.until - first) // DAY_SECONDS) if math.isfinite(first) else 0
    for row in np.flatnonzero(~known):
        alike = times[row] + DAY_SECONDS * (math.ceil((first - times[row]) / DAY_SECONDS) + np.arange(whole_days))
        alike = alike[alike <= record.until]
        if len(alike):
            found[row] = at(alike).mean()
        else:
            span = record.until - first
            lasted = np.minimum(ends, record.until) - np.maximum(starts, first)
            found[row] = float(np.maximum(lasted, 0.0).sum()) / span if span > 0 else 0.0
    return found, known


def _scale(counts: FloatArray, known: npt.NDArray[np.bool_], requests: FloatArray, demand: FloatArray) -> None:
    """Estimates in place, so that tasks add up to the demand (k, 4) by size."""
    each = size_of(requests)
    counted, guessed = np.where(known, counts, 0.0) @ each, np.where(known, 0.0, counts) @ each
    left = np.maximum(size_of(demand) - counted, 0.0)
    factor = np.divide(left, guessed, out=np.ones(len(left)), where=guessed > 0)
    np.copyto(counts, counts * np.clip(factor, 1 / MOST_SCALED, MOST_SCALED)[:, None], where=~known)
