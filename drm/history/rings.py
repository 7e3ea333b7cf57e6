"""What the screen reads: the recent past of each worker and of the fleet, in RAM, at four levels of detail. The open bucket is the last
column of a window."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from drm.errors import UnknownIdError
from drm.history.bucketing import Bucketing
from drm.history.buckets import MEASURES, ClosedCells, ClosedSeries, Kept, OpenBucket
from drm.history.cells import reduced
from drm.history.filling import fill
from drm.history.grouping import Arrange, as_they_are, grouped, natural_key, singly
from drm.history.levels import BUCKETS, STEPS_SECONDS, Span, bucket_of, choose_level
from drm.history.loading import load
from drm.history.window import (
    CELLS_PER_UNIT,
    LAST_SECONDS,
    MISSING,
    POINTS,
    HeatmapWindow,
    LastHours,
    Row,
    Sample,
    SeriesWindow,
    WorkerMeans,
)
from drm.model import RESOURCES, FloatArray
from drm.observation import LateSample

FOLDED_LABEL = "earlier workers, together"


class Rings:
    """History in RAM. Thread-safe: one writer appends, any number of readers ask; a short lock of its own guards the bytes.

    `sampling_seconds`: how often `append` is called; no window shows buckets shorter than that. `retention_seconds`: how long buckets are
    kept, where that is less than their level holds; what is kept no more is missing.
    A sample older than the newest one counts into the open bucket; buckets that got no sample are missing.
    """

    def __init__(self, sampling_seconds: float, retention_seconds: float = math.inf) -> None:
        self._lock = threading.Lock()
        self._buckets = Bucketing(sampling_seconds, retention_seconds)

    @property
    def sampling_seconds(self) -> float:
        """How often `append` is called."""
        return self._buckets.sampling_seconds

    @sampling_seconds.setter
    def sampling_seconds(self, seconds: float) -> None:
        self._buckets.sampling_seconds = seconds

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
            self._buckets.append(now, worker_ids, used, allocated, has_gpu, fleet)

    def fill(self, late: Sequence[LateSample]) -> int:
        """Takes samples of moments that have passed, for buckets in which nothing is known of their workers; returns how many it filled."""
        with self._lock:
            return fill(self._buckets, late)

    def load(self, kept: Kept, living: Sequence[str]) -> None:
        """Takes over what an earlier run kept, before the first sample of this one. `living`: the workers of which more may come; what was
        open of them goes on."""
        with self._lock:
            load(self._buckets, kept, living)

    def keep_closed(self) -> None:
        """From now on buckets that close wait for `take_closed`."""
        with self._lock:
            self._buckets.keep_closed()

    def take_closed(self) -> tuple[ClosedCells | ClosedSeries, ...]:
        """The buckets that have closed since the last call, oldest first, of the levels that hold at least a sample each."""
        with self._lock:
            return self._buckets.take_closed()

    def open_bucket(self) -> OpenBucket | None:
        """The open bucket of the finest level that holds at least a sample in each of its buckets, as it stands; None before the first."""
        with self._lock:
            return self._buckets.open_bucket()

    def heatmap(
        self,
        resource: str,
        measure: str,
        range_seconds: float,
        end: float,
        rows: int = 150,
        columns: int = 360,
        worker_ids: Sequence[str] | None = None,
        arrange: Arrange = as_they_are,
        *,
        high: bool = False,
    ) -> HeatmapWindow:
        """Workers x time for one resource and measure; more workers than `rows` are grouped by part and load. `worker_ids`: only these, as
        far as they are kept; the rest as `Windows.heatmap`. `end`: epoch seconds; the last column holds it."""
        workers = self._buckets.all if resource in RESOURCES[self._buckets.all.resources] else self._buckets.gpu
        metric = workers.names.index((measure, resource))
        level, span = self._span(range_seconds, end, columns)
        ring = workers.rings[level]
        with self._lock:
            workers.flush(level)
            kept = ring.seen_since(span.first)
        # The tick's thread waits for copies only: names are looked at, and cells put together, between and after them.
        wanted = kept if worker_ids is None else list(set(kept) & set(worker_ids))
        wanted.sort(key=natural_key)
        arrangement = arrange(wanted)
        chosen = [one for one, is_shown in enumerate(arrangement.shown.tolist()) if is_shown]
        with self._lock:
            workers.flush(level)
            chosen = [one for one in chosen if wanted[one] in ring]
            stored = ring.stored(metric, span, [wanted[one] for one in chosen])
            folded = None if worker_ids is not None or arrangement.is_filtered else ring.read_folded(metric, span)
            etag = self._etag(level, span)
        mean, maximum = reduced(*stored, span.factor)
        sampled = np.flatnonzero((maximum != MISSING).any(axis=1))
        mean, maximum = mean[sampled], maximum[sampled]
        chosen = [chosen[one] for one in sampled.tolist()]
        ids = [wanted[one] for one in chosen]
        arrangement = replace(arrangement, part=tuple(arrangement.part[one] for one in chosen))
        shown, mean, maximum, highs = (grouped if len(ids) > rows else singly)(ids, mean, maximum, rows, arrangement, high=high)
        if folded is not None:
            shown.append(Row(FOLDED_LABEL, ()))
            mean, maximum = np.vstack([mean, folded[0]]), np.vstack([maximum, folded[1]])
            highs = None if highs is None else np.vstack([highs, folded[0]])
        return HeatmapWindow(
            etag=etag,
            start=float(span.times[0]),
            end=end,
            step_seconds=span.column_seconds,
            times=_frozen(span.times),
            rows=tuple(shown),
            mean=_frozen(mean),
            max=_frozen(maximum),
            high=None if highs is None else _frozen(highs),
            workers=len(ids),
            left_out=len(kept) - len(wanted) + int((~arrangement.shown).sum()),
        )

    def fleet(self, range_seconds: float, end: float, columns: int = 360) -> SeriesWindow:
        """The fleet's series, in their units."""
        level, span = self._span(range_seconds, end, columns)
        with self._lock:
            ring = self._buckets.fleet.rings[level]
            if self._buckets.names:
                ring.write(*self._buckets.fleet.written(level))
            mean, maximum = ring.read(span)
            names, etag = self._buckets.names, self._etag(level, span)
        return _series(span, end, etag, names, mean, maximum)

    def worker(self, worker_id: str, range_seconds: float, end: float, columns: int = 360) -> SeriesWindow:
        """The series `used_cpu`, `allocated_cpu`, ... of one worker, as fractions of its capacity. UnknownIdError where none is kept."""
        level, span = self._span(range_seconds, end, columns)
        series: dict[str, tuple[FloatArray, FloatArray]] = {}
        with self._lock:
            for workers in (self._buckets.all, self._buckets.gpu):
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

    def worker_means(self, resource: str, range_seconds: float, end: float) -> WorkerMeans:
        """What each worker that was there used and had allocated while anything was, as fractions of its capacity."""
        workers = self._buckets.all if resource in RESOURCES[self._buckets.all.resources] else self._buckets.gpu
        level, span = self._span(range_seconds, end, BUCKETS)
        with self._lock:
            workers.flush(level)
            ids = tuple(workers.rings[level].seen_since(span.first))
            means, known = workers.rings[level].means([workers.names.index((measure, resource)) for measure in MEASURES], span, ids)
            return WorkerMeans(self._etag(level, span), ids, means[0], means[1], known)

    def last_hours(self, worker_ids: Sequence[str], begun: FloatArray, ended: FloatArray) -> LastHours:
        """What lives (n,) under these ids used in the hour before their end; each at the finest level whose buckets are a part or longer,
        hold a sample, and are still kept."""
        # In the tick in which it had ended it was not measured any more.
        last = np.nextafter(ended, -np.inf)
        times = last[:, None] - LAST_SECONDS / POINTS * np.arange(POINTS - 1, -1, -1.0)
        fractions = np.full((2, 2, len(worker_ids), POINTS), np.nan)
        metrics = [self._buckets.all.names.index(("used", resource)) for resource in RESOURCES[self._buckets.all.resources]]
        with self._lock:
            left = np.ones(len(worker_ids), bool)
            for level, step in enumerate(STEPS_SECONDS):
                buckets, ring = np.floor(times / step).astype(np.int64), self._buckets.all.rings[level]
                fits = step >= max(self.sampling_seconds, LAST_SECONDS / POINTS)
                known = np.fromiter((worker_id in ring for worker_id in worker_ids), bool, len(worker_ids))
                here = np.flatnonzero(left & known & fits & (buckets[:, 0] > self._buckets.newest[level] - ring.buckets))
                left[here] = False
                cells = ring.read_each(metrics, buckets[here], [worker_ids[row] for row in here.tolist()])
                fractions[:, :, here] = [_fractions(one) for one in cells]
        fractions[:, :, times < begun[:, None]] = np.nan
        return LastHours(_frozen(fractions[0]), _frozen(fractions[1]))

    def sample(self, moment: float, worker_ids: Sequence[str]) -> Sample:
        """What was measured at a moment of these workers and of the fleet: the bucket that holds it, of the finest level that keeps it."""
        level, span = self._span(0.0, moment, 1)
        fractions = np.full((len(MEASURES), len(worker_ids), len(RESOURCES)), np.nan)
        quiet = np.zeros(len(worker_ids), np.int64)
        with self._lock:
            for workers in (self._buckets.all, self._buckets.gpu):
                ring = workers.rings[level]
                workers.flush(level)
                kept = [row for row, worker_id in enumerate(worker_ids) if worker_id in ring]
                ids = [worker_ids[row] for row in kept]
                for metric, (measure, resource) in enumerate(workers.names):
                    mean, _ = ring.read(metric, span, ids)
                    fractions[MEASURES.index(measure), kept, RESOURCES.index(resource)] = _fractions(mean[:, 0])
                allocated = [metric for metric, (measure, _) in enumerate(workers.names) if measure == "allocated"]
                buckets = ring.quiet_buckets(allocated, span.first, ids)
                # Who has a GPU is quiet where both sets of cells are.
                quiet[kept] = buckets if workers is self._buckets.all else np.minimum(quiet[kept], buckets)
            fleet = self._buckets.fleet.rings[level]
            if self._buckets.names:
                fleet.write(*self._buckets.fleet.written(level))
            series = dict(zip(self._buckets.names, fleet.read(span)[0][:, 0].tolist(), strict=False))
            etag = self._sample_etag(level, span)
        return Sample(
            etag=etag,
            start=float(span.times[0]),
            step_seconds=span.step_seconds,
            used=_frozen(fractions[MEASURES.index("used")]),
            allocated=_frozen(fractions[MEASURES.index("allocated")]),
            idle_since=_frozen(np.where(quiet > 0, (span.first + 1 - quiet) * span.step_seconds, np.nan)),
            fleet=series,
        )

    def sample_etag(self, moment: float) -> str:
        """Changes when what `sample` answers may have."""
        return self._sample_etag(*self._span(0.0, moment, 1))

    def _sample_etag(self, level: int, span: Span) -> str:
        is_closed = span.first < self._buckets.newest[level]
        return f"{level}.{span.first}.{f'closed.{self._buckets.fills}' if is_closed else self._buckets.changes[level]}"

    def _span(self, range_seconds: float, end: float, columns: int) -> tuple[int, Span]:
        behind = [max(0, newest - bucket_of(end, step)) for newest, step in zip(self._buckets.newest, STEPS_SECONDS, strict=True)]
        level = choose_level(range_seconds, self.sampling_seconds, behind, self._buckets.kept)
        return level, Span.ending(end, range_seconds, STEPS_SECONDS[level], columns)

    def _etag(self, level: int, span: Span) -> str:
        """A window is new with each tick at the finest level, and at the others as a bucket of the next finer one closes; one that lies in
        closed buckets only where a bucket of it is kept no more, or workers that went have come to share a row."""
        newest = self._buckets.newest[level]
        if span.first + span.columns * span.factor <= newest:
            gone = max(0, newest - self._buckets.kept[level] + 1 - span.first)
            folds = sum(workers.rings[level].folds for workers in (self._buckets.all, self._buckets.gpu))
            return f"{level}.{span.first}.{span.columns}x{span.factor}.closed.{gone}.{folds}.{self._buckets.fills}"
        return f"{level}.{span.first}.{span.columns}.{self._buckets.changes[level]}"


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
