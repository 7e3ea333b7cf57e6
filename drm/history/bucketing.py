"""How samples become buckets: they go into the open bucket of the finest level, and as a bucket closes, its sums go on into the next level,
so that every mean is the mean of the samples."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from drm.errors import InvalidValueError
from drm.history.buckets import SETS, ClosedCells, ClosedSeries, OpenBucket
from drm.history.cascade import Cascade, WorkerCells
from drm.history.levels import STEPS_SECONDS, bucket_of, buckets_kept, choose_level
from drm.history.series import SeriesRing
from drm.model import FloatArray

ROWS_PER_WORKER, FEWEST_KEPT = 2, 150
"""Rows are kept for twice the largest fleet, and for as many as a screen shows; of more, those that went first share one."""


class Bucketing:
    """The rings of workers and of the fleet with their open buckets. Not thread-safe: whoever holds it has a lock."""

    def __init__(self, sampling_seconds: float, retention_seconds: float) -> None:
        if not (math.isfinite(sampling_seconds) and sampling_seconds > 0):
            raise InvalidValueError(f"the sampling interval must be positive and finite, got {sampling_seconds!r} s")
        self.sampling_seconds = sampling_seconds
        self.kept = buckets_kept(retention_seconds)
        """How many buckets each level keeps."""
        self.fleet = Cascade([SeriesRing(buckets) for buckets in self.kept], (0,), np.float64)
        self.names: tuple[str, ...] = ()
        """Of the fleet's series."""
        self.all, self.gpu = (WorkerCells(resources, self.kept) for resources in SETS)
        self.matched_ids: tuple[str, ...] | None = ()
        """Of whom the last sample was; None where what an earlier run kept is to be matched with the next one."""
        self._has_gpu: npt.NDArray[np.bool_] = np.empty(0, bool)
        self._orders: tuple[npt.NDArray[np.intp], ...] = (np.empty(0, np.intp), np.empty(0, np.intp))
        self.largest = 0
        """The most workers of one sample."""
        self.newest = [-(2**62)] * len(STEPS_SECONDS)
        """The number of the open bucket, by level."""
        self.changes = [0] * len(STEPS_SECONDS)
        """Counts what a reader of a level may see as new."""
        self.fills = 0
        """Counts how often closed buckets were filled by samples that came late."""
        self._closed: list[ClosedCells | ClosedSeries] | None = None
        self.open_samples = 0
        """So many samples are in the open bucket of the finest kept level."""

    @property
    def kept_levels(self) -> range:
        """The levels of which each bucket holds at least a sample."""
        return range(choose_level(0.0, self.sampling_seconds), len(STEPS_SECONDS))

    @property
    def most_rows(self) -> int:
        """So many workers have rows of their own."""
        return max(FEWEST_KEPT, ROWS_PER_WORKER * self.largest)

    def keep_closed(self) -> None:
        """From now on buckets that close wait for `take_closed`."""
        self._closed = []

    def take_closed(self) -> tuple[ClosedCells | ClosedSeries, ...]:
        """The buckets that have closed since the last call, oldest first, of the levels that hold at least a sample each."""
        closed, self._closed = tuple(self._closed or ()), []
        return closed

    def keep_late(self, closed: ClosedCells) -> None:
        """A bucket that was closed, and blank for these workers, has been filled."""
        self._keep(closed.level, closed)

    def open_bucket(self) -> OpenBucket | None:
        """The open bucket of the finest kept level as it stands; None before the first sample."""
        level = self.kept_levels[0]
        if not self.names:
            return None
        cells = [workers.closed(level) for workers in (self.all, self.gpu)]
        series = self._closed_series(level)
        return OpenBucket(level, series.start, self.open_samples, tuple(one for one in cells if one is not None), series)

    def append(
        self,
        now: float,
        worker_ids: tuple[str, ...],
        used: FloatArray,
        allocated: FloatArray,
        has_gpu: npt.NDArray[np.bool_],
        fleet: Mapping[str, float],
    ) -> None:
        """One sample; see `Rings.append`."""
        self._turn(now)
        if (worker_ids is not self.matched_ids and worker_ids != self.matched_ids) or not np.array_equal(has_gpu, self._has_gpu):
            self._take_members(worker_ids, has_gpu)
        for workers, order in zip((self.all, self.gpu), self._orders, strict=True):
            if workers.ids:
                workers.open[0].add(workers.samples(used, allocated, order))
        self._take_names(fleet)
        self.fleet.open[0].add(np.array([fleet.get(name, math.nan) for name in self.names], float))
        self.open_samples += 1
        self.changes[0] += 1

    def _turn(self, now: float) -> None:
        """Closes the buckets that are over, from the finest level up, and begins the next ones."""
        for level, step in enumerate(STEPS_SECONDS):
            bucket = bucket_of(now, step)
            if bucket <= self.newest[level]:
                return
            first_ever = self.newest[level] < -(2**61)
            self.newest[level] = bucket
            for workers in (self.all, self.gpu):
                if not first_ever:
                    if self._is_kept(level):
                        self._keep(level, workers.closed(level))
                    else:
                        workers.flush(level)
                    workers.close(level)
                workers.rings[level].open(bucket)
            if not first_ever:
                if self.names:
                    self.fleet.rings[level].write(*self.fleet.written(level))
                    self._keep(level, self._closed_series(level) if self._is_kept(level) else None)
                self.fleet.close(level)
            self.fleet.rings[level].open(bucket)
            if level == self.kept_levels[0]:
                self.open_samples = 0
            for coarser in (level, *range(level + 1, min(level + 2, len(STEPS_SECONDS)))):
                self.changes[coarser] += 1

    def _is_kept(self, level: int) -> bool:
        return self._closed is not None and level in self.kept_levels

    def _keep(self, level: int, closed: ClosedCells | ClosedSeries | None) -> None:
        if closed is not None and self._closed is not None:
            self._closed.append(closed)

    def _closed_series(self, level: int) -> ClosedSeries:
        mean, maximum = (np.asarray(column, np.float64) for column in self.fleet.written(level))
        return ClosedSeries(level, (self.fleet.rings[level].newest or 0) * STEPS_SECONDS[level], self.names, mean, maximum)

    def _take_members(self, worker_ids: tuple[str, ...], has_gpu: npt.NDArray[np.bool_]) -> None:
        self.largest = max(self.largest, len(worker_ids))
        with_gpu = tuple(worker_id for worker_id, has in zip(worker_ids, has_gpu, strict=True) if has)
        column = {worker_id: index for index, worker_id in enumerate(worker_ids)}
        for workers, members in ((self.all, worker_ids), (self.gpu, with_gpu)):
            # The open buckets of those who go close with them.
            for closed in workers.set_members(members, self.most_rows):
                if self._is_kept(closed.level):
                    self._keep(closed.level, closed)
        self._orders = tuple(
            np.fromiter((column[worker_id] for worker_id in workers.ids), np.intp, len(workers.ids)) for workers in (self.all, self.gpu)
        )
        self.matched_ids, self._has_gpu = worker_ids, has_gpu.copy()
        self.changes = [changes + 1 for changes in self.changes]

    def _take_names(self, fleet: Mapping[str, float]) -> None:
        new = [name for name in fleet if name not in self.names]
        if new:
            known = len(self.names)
            self.names = (*self.names, *new)
            self.fleet.take(np.arange(known), len(self.names))
