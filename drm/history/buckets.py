"""Buckets on their way between RAM and what survives: closed ones to be written, and those of an earlier run to be taken over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.model import RESOURCES, FloatArray

Cells = npt.NDArray[np.uint8]

MEASURES = ("used", "allocated")
SETS = (slice(0, 2), slice(2, 4))
"""Two sets of cells: cpu and memory of all workers, and gpu and gpu_memory of those that have a GPU."""


def metric_names(resources: slice) -> tuple[tuple[str, str], ...]:
    """(measure, resource) of the metrics of one set of cells, in their order."""
    return tuple((measure, resource) for measure in MEASURES for resource in RESOURCES[resources])


@dataclass(frozen=True, slots=True, eq=False)
class ClosedCells:
    """One bucket of one level for k workers, of one set of cells. A stored byte is the cell + 1; 0 is missing."""

    level: int
    start: float
    resources: slice
    worker_ids: tuple[str, ...]
    mean: Cells
    max: Cells
    """mean, max: (metrics, k)"""

    @property
    def sampled(self) -> ClosedCells:
        """Only those of whom there is a sample."""
        has = np.asarray(self.max.any(axis=0))
        return self if has.all() else self.of(np.flatnonzero(has).tolist())

    def of(self, cells: Sequence[int]) -> ClosedCells:
        """Only those that stand at these places."""
        ids = tuple(self.worker_ids[cell] for cell in cells)
        return ClosedCells(self.level, self.start, self.resources, ids, self.mean[:, cells], self.max[:, cells])


@dataclass(frozen=True, slots=True, eq=False)
class ClosedSeries:
    """One bucket of one level for the fleet's series; NaN is missing."""

    level: int
    start: float
    names: tuple[str, ...]
    mean: FloatArray
    max: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class KeptCells:
    """Many buckets of one level, of one set of cells: sample i is of worker `worker_ids[worker[i]]` in the bucket numbered `bucket[i]`."""

    worker_ids: tuple[str, ...]
    worker: npt.NDArray[np.intp]
    bucket: npt.NDArray[np.int64]
    mean: Cells
    max: Cells
    """mean, max: (metrics, m) stored bytes."""

    @classmethod
    def of(cls, closed: ClosedCells) -> KeptCells:
        """One closed bucket."""
        workers = len(closed.worker_ids)
        return cls(closed.worker_ids, np.arange(workers), np.zeros(workers, np.int64), closed.mean, closed.max)

    @property
    def most_at_once(self) -> int:
        """The most workers of one bucket."""
        return int(np.bincount(self.bucket - self.bucket.min()).max()) if len(self.bucket) else 0

    def within(self, buckets: range) -> KeptCells:
        """Only the buckets with these numbers."""
        chosen = (self.bucket >= buckets.start) & (self.bucket < buckets.stop)
        return KeptCells(self.worker_ids, self.worker[chosen], self.bucket[chosen], self.mean[:, chosen], self.max[:, chosen])


@dataclass(frozen=True, slots=True, eq=False)
class KeptSeries:
    """Many buckets of one level of the fleet's series: value i is of the series `names[series[i]]` in the bucket numbered `bucket[i]`."""

    names: tuple[str, ...]
    series: npt.NDArray[np.intp]
    bucket: npt.NDArray[np.int64]
    mean: FloatArray
    max: FloatArray

    def within(self, buckets: range) -> KeptSeries:
        """Only the buckets with these numbers."""
        chosen = (self.bucket >= buckets.start) & (self.bucket < buckets.stop)
        return KeptSeries(self.names, self.series[chosen], self.bucket[chosen], self.mean[chosen], self.max[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class OpenBucket:
    """What the open bucket of the finest level held: of workers, by set of cells, and of the fleet."""

    level: int
    start: float
    samples: int
    """So many ticks went into it."""
    cells: tuple[ClosedCells, ...]
    fleet: ClosedSeries | None


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """All that an earlier run kept of the rings."""

    until: float
    """The last time of which it knows."""
    cells: tuple[tuple[KeptCells, ...], ...]
    """By level, then by set of cells."""
    series: tuple[KeptSeries, ...]
    """By level."""
    open: OpenBucket | None
