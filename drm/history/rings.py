"""What the screen reads: the recent past of each worker and of the fleet, in RAM, at four levels of detail.

Samples go into the open bucket of the finest level; as a bucket closes, its sums go on into the next level, so that every mean is the mean
of the samples. The open bucket is the last column of a window.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from drm.errors import InvalidValueError, UnknownIdError
from drm.history.accumulator import Accumulator, Samples
from drm.history.cells import CellRing
from drm.history.grouping import grouped, natural_key
from drm.history.levels import STEPS_SECONDS, Span, bucket_of, choose_level
from drm.history.series import SeriesRing
from drm.history.window import CELLS_PER_UNIT, MISSING, HeatmapWindow, Row, SeriesWindow
from drm.model import RESOURCES, FloatArray

MEASURES = ("used", "allocated")
ROWS_PER_WORKER, FEWEST_KEPT = 2, 150
"""Rows are kept for twice the largest fleet, and for as many as a screen shows; of more, those that went first share one."""

FOLDED_LABEL = "earlier workers, together"

Ring = TypeVar("Ring", CellRing, SeriesRing)


class _Cascade(Generic[Ring]):
    """The four levels of one kind of ring, with the open bucket of each; cells are in the order of the samples."""

    def __init__(self, rings: Sequence[Ring], shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.rings: Sequence[Ring] = rings
        self.open = [Accumulator(shape, dtype) for _ in rings]

    def written(self, level: int) -> tuple[Samples, Samples]:
        """(mean, max) of the open bucket of a level: what it was given, and what is still open below."""
        if level == 0:
            return self.open[0].result()
        whole = Accumulator(self.open[level].sum.shape, self.open[level].sum.dtype)
        for accumulator in self.open[: level + 1]:
            whole.merge(accumulator)
        return whole.result()

    def close(self, level: int) -> None:
        """Passes what a closed bucket held on to the next level."""
        if level + 1 < len(self.open):
            self.open[level + 1].merge(self.open[level])
        self.open[level].clear()

    def take(self, cells: npt.NDArray[np.intp], size: int) -> None:
        """Moves the open buckets to a new order of cells, `size` in all."""
        self.open = [accumulator.taken(cells, size) for accumulator in self.open]


class _Workers(_Cascade[CellRing]):
    """The cells of one set of workers: those of all for cpu and memory, those with a GPU for gpu and gpu_memory."""

    def __init__(self, resources: slice) -> None:
        self.resources = resources
        self.names = [(measure, resource) for measure in MEASURES for resource in RESOURCES[resources]]
        super().__init__([CellRing(len(self.names)) for _ in STEPS_SECONDS], (len(self.names), 0), np.float32)
        self.ids: tuple[str, ...] = ()
        self._rows: list[npt.NDArray[np.intp]] = [np.empty(0, np.intp) for _ in STEPS_SECONDS]

    def flush(self, level: int) -> None:
        """Writes the open bucket as it stands."""
        if self.ids:
            self.rings[level].write(self._rows[level], *self.written(level))

    def set_members(self, worker_ids: tuple[str, ...], most_rows: int) -> None:
        """Takes over who is here; those who went keep what they have."""
        for level in range(len(self.rings)):
            self.flush(level)
        place = {worker_id: cell for cell, worker_id in enumerate(self.ids)}
        stayed = [worker_id for worker_id in worker_ids if worker_id in place]
        came = [worker_id for worker_id in worker_ids if worker_id not in place]
        here = set(stayed)
        gone = [worker_id for worker_id in self.ids if worker_id not in here]
        self.ids = (*stayed, *came)
        self.take(np.fromiter((place[worker_id] for worker_id in stayed), np.intp, len(stayed)), len(self.ids))
        for ring in self.rings:
            ring.depart(gone)
        self._rows = [ring.join(self.ids, most_rows) for ring in self.rings]

    def samples(self, used: FloatArray, allocated: FloatArray, order: npt.NDArray[np.intp]) -> Samples:
        """(metrics, k) for its workers, which stand at `order` in the columns."""
        columns = [measure[order, resource] for measure in (used, allocated) for resource in range(*self.resources.indices(len(RESOURCES)))]
        return np.array(columns, np.float32)


class Rings:
    """History in RAM. Thread-safe: one writer appends, any number of readers ask; a short lock of its own guards the bytes.

    `sampling_seconds`: how often `append` is called; no window shows buckets shorter than that.
    A sample older than the newest one counts into the open bucket; buckets that got no sample are missing.
    """

    def __init__(self, sampling_seconds: float) -> None:
        if not (math.isfinite(sampling_seconds) and sampling_seconds > 0):
            raise InvalidValueError(f"the sampling interval must be positive and finite, got {sampling_seconds!r} s")
        self.sampling_seconds = sampling_seconds
        self._lock = threading.Lock()
        self._fleet = _Cascade([SeriesRing() for _ in STEPS_SECONDS], (0,), np.float64)
        self._names: tuple[str, ...] = ()
        self._all, self._gpu = _Workers(slice(0, 2)), _Workers(slice(2, 4))
        self._ids: tuple[str, ...] = ()
        self._has_gpu: npt.NDArray[np.bool_] = np.empty(0, bool)
        self._orders: tuple[npt.NDArray[np.intp], ...] = (np.empty(0, np.intp), np.empty(0, np.intp))
        self._largest = 0
        self._newest = [-(2**62)] * len(STEPS_SECONDS)
        self._changes = [0] * len(STEPS_SECONDS)

    def append(
        self,
        now: float,
        worker_ids: tuple[str, ...],
        used: FloatArray,
        allocated: FloatArray,
        has_gpu: npt.NDArray[np.bool_],
        fleet: Mapping[str, float],
    ) -> None:
        """One sample of n workers, (n, 4) fractions of their capacity (NaN: not measured), and of the fleet's series, in their units.

        `worker_ids` may be the same object as long as the membership is the same, which saves comparing it.
        """
        with self._lock:
            self._turn(now)
            if (worker_ids is not self._ids and worker_ids != self._ids) or not np.array_equal(has_gpu, self._has_gpu):
                self._take_members(worker_ids, has_gpu)
            for workers, order in zip((self._all, self._gpu), self._orders, strict=True):
                if workers.ids:
                    workers.open[0].add(workers.samples(used, allocated, order))
            self._take_names(fleet)
            self._fleet.open[0].add(np.array([fleet.get(name, math.nan) for name in self._names], float))
            self._changes[0] += 1

    def heatmap(
        self,
        resource: str,
        measure: str,
        range_seconds: float,
        end: float,
        rows: int = 150,
        columns: int = 360,
        worker_ids: Sequence[str] | None = None,
        pools: Mapping[str, str] | None = None,
    ) -> HeatmapWindow:
        """Workers x time for one resource and measure, in natural order of ids; more workers than `rows` are grouped by pool and load.

        `worker_ids`: only these, as far as they are kept. `end`: epoch seconds; the last column holds it.
        """
        workers = self._all if resource in RESOURCES[self._all.resources] else self._gpu
        metric = workers.names.index((measure, resource))
        level, span = self._span(range_seconds, end, columns)
        with self._lock:
            ring = workers.rings[level]
            workers.flush(level)
            kept = ring.seen_since(span.first)
            wanted = kept if worker_ids is None else list(dict.fromkeys(set(kept) & set(worker_ids)))
            wanted.sort(key=natural_key)
            mean, maximum = ring.read(metric, span, wanted)
            folded = ring.read_folded(metric, span) if worker_ids is None else None
            etag = self._etag(level, span)
        sampled = (maximum != MISSING).any(axis=1)
        if not sampled.all():
            mean, maximum = mean[sampled], maximum[sampled]
            wanted = [worker_id for worker_id, has_sample in zip(wanted, sampled, strict=True) if has_sample]
        shown = [Row(worker_id, (worker_id,)) for worker_id in wanted]
        if len(wanted) > rows:
            shown, mean, maximum = grouped(wanted, mean, maximum, rows, pools)
        if folded is not None:
            shown.append(Row(FOLDED_LABEL, ()))
            mean, maximum = np.vstack([mean, folded[0]]), np.vstack([maximum, folded[1]])
        return HeatmapWindow(
            etag=etag,
            start=float(span.times[0]),
            end=end,
            step_seconds=span.column_seconds,
            times=_frozen(span.times),
            rows=tuple(shown),
            mean=_frozen(mean),
            max=_frozen(maximum),
        )

    def fleet(self, range_seconds: float, end: float, columns: int = 360) -> SeriesWindow:
        """The fleet's series, in their units."""
        level, span = self._span(range_seconds, end, columns)
        with self._lock:
            ring = self._fleet.rings[level]
            if self._names:
                ring.write(*self._fleet.written(level))
            mean, maximum = ring.read(span)
            names, etag = self._names, self._etag(level, span)
        return _series(span, end, etag, names, mean, maximum)

    def worker(self, worker_id: str, range_seconds: float, end: float, columns: int = 360) -> SeriesWindow:
        """The series `used_cpu`, `allocated_cpu`, ... of one worker, as fractions of its capacity. UnknownIdError where none is kept."""
        level, span = self._span(range_seconds, end, columns)
        series: dict[str, tuple[FloatArray, FloatArray]] = {}
        with self._lock:
            for workers in (self._all, self._gpu):
                ring = workers.rings[level]
                if worker_id not in ring:
                    continue
                workers.flush(level)
                for metric, (measure, resource) in enumerate(workers.names):
                    mean, maximum = ring.read(metric, span, [worker_id])
                    series[f"{measure}_{resource}"] = (_fractions(mean[0]), _fractions(maximum[0]))
            etag = self._etag(level, span)
        if not series:
            raise UnknownIdError(f"no history is kept of a worker {worker_id!r}: look it up in the rows of a heatmap")
        names = tuple(series)
        return _series(span, end, etag, names, np.array([series[name][0] for name in names]), np.array([series[name][1] for name in names]))

    def _span(self, range_seconds: float, end: float, columns: int) -> tuple[int, Span]:
        level = choose_level(range_seconds, self.sampling_seconds)
        return level, Span.ending(end, range_seconds, STEPS_SECONDS[level], columns)

    def _etag(self, level: int, span: Span) -> str:
        """A window is new with each tick at the finest level, and at the others as a bucket of the next finer one closes."""
        return f"{level}.{span.first}.{span.columns}.{self._changes[level]}"

    def _turn(self, now: float) -> None:
        """Closes the buckets that are over, from the finest level up, and begins the next ones."""
        for level, step in enumerate(STEPS_SECONDS):
            bucket = bucket_of(now, step)
            if bucket <= self._newest[level]:
                return
            first_ever = self._newest[level] < -(2**61)
            self._newest[level] = bucket
            for workers in (self._all, self._gpu):
                if not first_ever:
                    workers.flush(level)
                    workers.close(level)
                workers.rings[level].open(bucket)
            if not first_ever:
                if self._names:
                    self._fleet.rings[level].write(*self._fleet.written(level))
                self._fleet.close(level)
            self._fleet.rings[level].open(bucket)
            for coarser in (level, *range(level + 1, min(level + 2, len(STEPS_SECONDS)))):
                self._changes[coarser] += 1

    def _take_members(self, worker_ids: tuple[str, ...], has_gpu: npt.NDArray[np.bool_]) -> None:
        self._largest = max(self._largest, len(worker_ids))
        most_rows = max(FEWEST_KEPT, ROWS_PER_WORKER * self._largest)
        with_gpu = tuple(worker_id for worker_id, has in zip(worker_ids, has_gpu, strict=True) if has)
        column = {worker_id: index for index, worker_id in enumerate(worker_ids)}
        for workers, members in ((self._all, worker_ids), (self._gpu, with_gpu)):
            workers.set_members(members, most_rows)
        self._orders = tuple(
            np.fromiter((column[worker_id] for worker_id in workers.ids), np.intp, len(workers.ids)) for workers in (self._all, self._gpu)
        )
        self._ids, self._has_gpu = worker_ids, has_gpu.copy()
        self._changes = [changes + 1 for changes in self._changes]

    def _take_names(self, fleet: Mapping[str, float]) -> None:
        new = [name for name in fleet if name not in self._names]
        if new:
            known = len(self._names)
            self._names = (*self._names, *new)
            self._fleet.take(np.arange(known), len(self._names))


def _series(span: Span, end: float, etag: str, names: Sequence[str], mean: FloatArray, maximum: FloatArray) -> SeriesWindow:
    return SeriesWindow(
        etag=etag,
        start=float(span.times[0]),
        end=end,
        step_seconds=span.column_seconds,
        times=_frozen(span.times),
        mean={name: _frozen(row) for name, row in zip(names, mean, strict=False)},
        max={name: _frozen(row) for name, row in zip(names, maximum, strict=False)},
    )


def _fractions(cells: npt.NDArray[np.uint8]) -> FloatArray:
    return np.where(cells == MISSING, np.nan, cells / CELLS_PER_UNIT)


Column = TypeVar("Column", bound=npt.NDArray[np.generic])


def _frozen(column: Column) -> Column:
    column.flags.writeable = False
    return column
