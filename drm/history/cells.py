"""One level of the workers' history: one byte for the mean and one for the max of each bucket, time-major `[metric][bucket, row]`.

A stored byte is the cell + 1, so that 0 is "missing": fresh memory is blank without being touched, and a maximum skips what is missing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from drm.history.accumulator import Samples
from drm.history.buckets import Cells, KeptCells
from drm.history.levels import BUCKETS, Span
from drm.history.window import CELLS_PER_UNIT, MISSING
from drm.model import FloatArray

Rows = npt.NDArray[np.intp]

FEWEST_ROWS = 16


class CellRing:
    """Workers by row. A worker that went keeps its row until its last sample has left the level.

    Where more than `most_rows` are taken, those that went first fold into one: their max, and the mean of their means.
    """

    def __init__(self, metrics: int, buckets: int = BUCKETS) -> None:
        self.buckets = buckets
        self.newest: int | None = None
        """The number of the newest bucket."""
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._departed: OrderedDict[str, int] = OrderedDict()
        self._mean: Cells = np.zeros((metrics, self.buckets, FEWEST_ROWS), np.uint8)
        self._max = np.zeros_like(self._mean)
        self._folded_sum = np.zeros((metrics, self.buckets))
        self._folded_count = np.zeros((metrics, self.buckets))
        self._folded_max: Cells = np.zeros((metrics, self.buckets), np.uint8)
        self.folds = 0
        """Counts the workers that were folded."""

    def __contains__(self, worker_id: str) -> bool:
        return worker_id in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    @property
    def nbytes(self) -> int:
        """Bytes reserved for cells."""
        return self._mean.nbytes + self._max.nbytes

    def open(self, bucket: int) -> None:
        """Begins a bucket: it and those that were skipped are blank, and rows without a sample left are free again."""
        if self.newest is not None:
            blank = (self.newest + 1 + np.arange(min(bucket - self.newest, self.buckets))) % self.buckets
            for store in (self._mean, self._max, self._folded_sum, self._folded_count, self._folded_max):
                store[:, blank] = 0
        self.newest = bucket
        while self._departed and next(iter(self._departed.values())) <= bucket - self.buckets:
            worker_id, _ = self._departed.popitem(last=False)
            self._free.append(self._rows.pop(worker_id))

    def join(self, worker_ids: Sequence[str], most_rows: int) -> Rows:
        """The rows of workers that are here now; new ones get one."""
        for worker_id in worker_ids:
            self._departed.pop(worker_id, None)
        new = [worker_id for worker_id in worker_ids if worker_id not in self._rows]
        while self._departed and len(self._rows) + len(new) > most_rows:
            self._fold(self._departed.popitem(last=False)[0])
        ever_used = len(self._rows) + len(self._free)
        self._grow(ever_used, max(ever_used, len(self._rows) + len(new)))
        unused = iter(range(ever_used, self._mean.shape[2]))
        for worker_id in new:
            self._rows[worker_id] = self._free.pop() if self._free else next(unused)
        return np.fromiter((self._rows[worker_id] for worker_id in worker_ids), np.intp, len(worker_ids))

    def depart(self, worker_ids: Sequence[str]) -> None:
        """Workers that are here no more."""
        for worker_id in worker_ids:
            self._departed[worker_id] = self.newest or 0

    def write(self, rows: Rows, mean: Samples, maximum: Samples) -> tuple[Cells, Cells]:
        """The newest bucket of these rows, as fractions (metrics, k); NaN is missing. Returns both as stored bytes."""
        column = (self.newest or 0) % self.buckets
        cells = _stored(mean), _stored(maximum)
        for store, one in zip((self._mean, self._max), cells, strict=True):
            store[:, column, rows] = one
        return cells

    def blank(self, worker_id: str, buckets: Iterable[int]) -> list[int]:
        """Those of these buckets, all of them kept, in which nothing is known of a worker."""
        row = self._rows[worker_id]
        return [bucket for bucket in buckets if not self._max[:, bucket % self.buckets, row].any()]

    def fill(self, bucket: int, worker_ids: Sequence[str], mean: Samples, maximum: Samples) -> tuple[Cells, Cells]:
        """A kept bucket of these workers, as `write` does of the newest one."""
        rows = np.fromiter((self._rows[worker_id] for worker_id in worker_ids), np.intp, len(worker_ids))
        cells = _stored(mean), _stored(maximum)
        for store, one in zip((self._mean, self._max), cells, strict=True):
            store[:, bucket % self.buckets, rows] = one
        return cells

    def load(self, kept: KeptCells, newest: int, most_rows: int) -> None:
        """Takes over what an earlier run kept, into an empty ring whose newest bucket is `newest`; all its workers count as gone."""
        self.newest = newest
        inside = (kept.bucket > newest - self.buckets) & (kept.bucket <= newest)
        worker, bucket = kept.worker[inside], kept.bucket[inside]
        mean, maximum = kept.mean[:, inside], kept.max[:, inside]
        last = np.full(len(kept.worker_ids), newest - self.buckets)
        np.maximum.at(last, worker, bucket)
        order = [index for index in np.argsort(last, kind="stable") if last[index] > newest - self.buckets]
        folded, shown = order[: max(0, len(order) - most_rows)], order[max(0, len(order) - most_rows) :]
        self._load_folded(np.isin(worker, folded), bucket, mean, maximum)
        self.folds += len(folded)
        rows = np.full(len(kept.worker_ids), -1)
        rows[shown] = self.join([kept.worker_ids[index] for index in shown], len(shown))
        has_row = rows[worker] >= 0
        column, row = bucket[has_row] % self.buckets, rows[worker[has_row]]
        self._mean[:, column, row], self._max[:, column, row] = mean[:, has_row], maximum[:, has_row]
        for index in shown:
            self._departed[kept.worker_ids[index]] = int(last[index])

    def _load_folded(self, chosen: npt.NDArray[np.bool_], bucket: npt.NDArray[np.int64], mean: Cells, maximum: Cells) -> None:
        if not chosen.any():
            return
        column = bucket[chosen] % self.buckets
        for metric in range(len(mean)):
            # As numbers of the type that they are added to: several times as fast.
            means = mean[metric, chosen].astype(float)
            np.add.at(self._folded_sum[metric], column, means)
            np.add.at(self._folded_count[metric], column, (means > 0).astype(float))
            np.maximum.at(self._folded_max[metric], column, maximum[metric, chosen])

    def read(self, metric: int, span: Span, worker_ids: Sequence[str]) -> tuple[Cells, Cells]:
        """(mean, max) of these workers, (k, c) as cells."""
        return reduced(*self.stored(metric, span, worker_ids), span.factor)

    def stored(self, metric: int, span: Span, worker_ids: Sequence[str]) -> tuple[Cells, Cells]:
        """A copy of what is kept of them, (buckets, k) as stored bytes, for `reduced`, which needs the ring no more."""
        rows = np.fromiter((self._rows[worker_id] for worker_id in worker_ids), np.intp, len(worker_ids))
        position, columns = span.kept(self._newest(), self.buckets)
        shape = (span.columns * span.factor, len(rows))
        mean, maximum = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        mean[position] = np.take(self._mean[metric][columns], rows, axis=1)
        maximum[position] = np.take(self._max[metric][columns], rows, axis=1)
        return mean, maximum

    def means(self, metrics: Sequence[int], span: Span, worker_ids: Sequence[str]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """(metrics, k): mean fractions over the buckets in which all metrics are known and the last one is more than nothing; NaN where
        there is none. (k,): where all were known at some time."""
        size = self._mean.shape[2]
        sums, count = np.zeros((len(metrics), size), np.uint32), np.zeros(size, np.uint32)
        ever_known, counted = np.zeros(size, bool), np.empty(size, np.uint8)
        for column in span.kept(self._newest(), self.buckets)[1]:
            # Whole columns, those of no worker included: several times as fast as gathering rows of each. Stored bytes are the cell + 1.
            cells = [self._mean[metric, column] for metric in metrics]
            known = np.minimum.reduce(cells) > 0
            ever_known |= known
            known &= cells[-1] > 1
            count += known
            for total, one in zip(sums, cells, strict=True):
                np.multiply(one, known, out=counted)
                total += counted
        rows = np.fromiter((self._rows[worker_id] for worker_id in worker_ids), np.intp, len(worker_ids))
        steps, columns = (sums[:, rows] - count[rows]).astype(np.float64), count[rows] * CELLS_PER_UNIT
        means: FloatArray = np.divide(steps, columns, out=np.full_like(steps, np.nan), where=columns > 0)
        return means, ever_known[rows]

    def read_each(self, metrics: Sequence[int], buckets: npt.NDArray[np.int64], worker_ids: Sequence[str]) -> tuple[Cells, Cells]:
        """(mean, max) of each worker in buckets of its own: of the numbers (k, c) the cells (metrics, k, c)."""
        rows = np.fromiter((self._rows[worker_id] for worker_id in worker_ids), np.intp, len(worker_ids))
        kept = (buckets > self._newest() - self.buckets) & (buckets <= self._newest())
        place = np.array(metrics, np.intp)[:, None, None], (buckets % self.buckets)[None], rows[None, :, None]
        # One less, and 0 ("missing") wraps around to 255, which is MISSING.
        mean, maximum = (np.where(kept, store[place], np.uint8(0)) - np.uint8(1) for store in (self._mean, self._max))
        return mean, maximum

    def quiet_buckets(self, metrics: Sequence[int], last: int, worker_ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """(k,): for how many buckets in a row up to the one with the number `last` all these metrics were known and 0."""
        rows = np.fromiter((self._rows[worker_id] for worker_id in worker_ids), np.intp, len(worker_ids))
        count, still = np.zeros(len(rows), np.int64), np.ones(len(rows), bool)
        oldest = self._newest() - self.buckets + 1
        for bucket in range(last, oldest - 1, -1):
            # Stored bytes are the cell + 1.
            still &= np.logical_and.reduce([self._mean[metric, bucket % self.buckets, rows] == 1 for metric in metrics])
            if bucket > self._newest() or not still.any():
                break
            count += still
        return count

    def read_folded(self, metric: int, span: Span) -> tuple[Cells, Cells] | None:
        """(mean, max) of the folded workers, (1, c) as cells; None where the span holds nothing of them."""
        position, columns = span.kept(self._newest(), self.buckets)
        sums, counts = self._folded_sum[metric][columns], self._folded_count[metric][columns]
        if not counts.any():
            return None
        shape = (span.columns * span.factor, 1)
        mean, maximum = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        mean[position, 0] = np.where(counts > 0, np.rint(sums / np.maximum(counts, 1)), 0)
        maximum[position, 0] = self._folded_max[metric][columns]
        return reduced(mean, maximum, span.factor)

    def seen_since(self, bucket: int) -> list[str]:
        """The workers with a row that were here in this bucket or after it."""
        return [worker_id for worker_id in self._rows if self._departed.get(worker_id, bucket) >= bucket]

    def _newest(self) -> int:
        return -(10**18) if self.newest is None else self.newest

    def _fold(self, worker_id: str) -> None:
        self.folds += 1
        row = self._rows.pop(worker_id)
        mean = self._mean[:, :, row]
        self._folded_sum += mean
        self._folded_count += mean > 0
        np.maximum(self._folded_max, self._max[:, :, row], out=self._folded_max)
        self._mean[:, :, row] = self._max[:, :, row] = 0
        self._free.append(row)

    def _grow(self, used: int, rows: int) -> None:
        held = self._mean.shape[2]
        if rows <= held:
            return
        size = max(rows, held + held // 2)
        for name in ("_mean", "_max"):
            store = getattr(self, name)
            grown = np.zeros((*store.shape[:2], size), np.uint8)
            # Only what is in use: touching the rest would make it real memory.
            grown[:, :, :used] = store[:, :, :used]
            setattr(self, name, grown)


def _stored(fractions: Samples) -> Cells:
    # + 1 for the shift and + 0.5 to round; what is beyond the last step counts as the last step.
    steps = np.minimum(fractions * CELLS_PER_UNIT + 1.5, float(MISSING))
    # Of NaN and 0 it takes 0.
    cells: Cells = np.fmax(steps, 0.0).astype(np.uint8)
    return cells


def reduced(mean: Cells, maximum: Cells, factor: int) -> tuple[Cells, Cells]:
    """Stored bytes (buckets, k) -> cells (k, c), `factor` buckets to a column."""
    if factor > 1:
        # Of no workers there are buckets too, whose number cannot be told from the size of nothing.
        mean3, max3 = (store.reshape(len(store) // factor, factor, store.shape[1]) for store in (mean, maximum))
        total = np.zeros(mean3[:, 0].shape, np.uint32)
        count = np.zeros(mean3[:, 0].shape, np.uint32)
        maximum = max3[:, 0].copy()
        for part in range(factor):
            total += mean3[:, part]
            count += mean3[:, part] > 0
            np.maximum(maximum, max3[:, part], out=maximum)
        mean = ((total + count // 2) // np.maximum(count, 1)).astype(np.uint8)
    # One less, and 0 ("missing") wraps around to 255, which is MISSING.
    return np.ascontiguousarray((mean - np.uint8(1)).T), np.ascontiguousarray((maximum - np.uint8(1)).T)
