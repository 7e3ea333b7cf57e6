"""One level of the workers' history: one byte for the mean and one for the max of each bucket, time-major `[metric][bucket, row]`.

A stored byte is the cell + 1, so that 0 is "missing": fresh memory is blank without being touched, and a maximum skips what is missing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drm.history.accumulator import Samples
from drm.history.levels import BUCKETS, Span
from drm.history.window import CELLS_PER_UNIT, MISSING

Cells = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.intp]

FEWEST_ROWS = 16


class CellRing:
    """Workers by row. A worker that went keeps its row until its last sample has left the level.

    Where more than `most_rows` are taken, those that went first fold into one: their max, and the mean of their means.
    """

    def __init__(self, metrics: int) -> None:
        self.newest: int | None = None
        """The number of the newest bucket."""
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._departed: OrderedDict[str, int] = OrderedDict()
        self._mean: Cells = np.zeros((metrics, BUCKETS, FEWEST_ROWS), np.uint8)
        self._max = np.zeros_like(self._mean)
        self._folded_sum = np.zeros((metrics, BUCKETS))
        self._folded_count = np.zeros((metrics, BUCKETS))
        self._folded_max: Cells = np.zeros((metrics, BUCKETS), np.uint8)

    def __contains__(self, worker_id: str) -> bool:
        return worker_id in self._rows

    @property
    def nbytes(self) -> int:
        """Bytes reserved for cells."""
        return self._mean.nbytes + self._max.nbytes

    def open(self, bucket: int) -> None:
        """Begins a bucket: it and those that were skipped are blank, and rows without a sample left are free again."""
        if self.newest is not None:
            blank = (self.newest + 1 + np.arange(min(bucket - self.newest, BUCKETS))) % BUCKETS
            for store in (self._mean, self._max, self._folded_sum, self._folded_count, self._folded_max):
                store[:, blank] = 0
        self.newest = bucket
        while self._departed and next(iter(self._departed.values())) <= bucket - BUCKETS:
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

    def write(self, rows: Rows, mean: Samples, maximum: Samples) -> None:
        """The newest bucket of these rows, as fractions (metrics, k); NaN is missing."""
        column = (self.newest or 0) % BUCKETS
        for store, values in ((self._mean, mean), (self._max, maximum)):
            store[:, column, rows] = _stored(values)

    def read(self, metric: int, span: Span, worker_ids: Sequence[str]) -> tuple[Cells, Cells]:
        """(mean, max) of these workers, (k, c) as cells."""
        rows = np.fromiter((self._rows[worker_id] for worker_id in worker_ids), np.intp, len(worker_ids))
        position, columns = span.kept(self._newest())
        shape = (span.columns * span.factor, len(rows))
        mean, maximum = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        mean[position] = np.take(self._mean[metric][columns], rows, axis=1)
        maximum[position] = np.take(self._max[metric][columns], rows, axis=1)
        return _reduced(mean, maximum, span.factor)

    def read_folded(self, metric: int, span: Span) -> tuple[Cells, Cells] | None:
        """(mean, max) of the folded workers, (1, c) as cells; None where the span holds nothing of them."""
        position, columns = span.kept(self._newest())
        sums, counts = self._folded_sum[metric][columns], self._folded_count[metric][columns]
        if not counts.any():
            return None
        shape = (span.columns * span.factor, 1)
        mean, maximum = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        mean[position, 0] = np.where(counts > 0, np.rint(sums / np.maximum(counts, 1)), 0)
        maximum[position, 0] = self._folded_max[metric][columns]
        return _reduced(mean, maximum, span.factor)

    def seen_since(self, bucket: int) -> list[str]:
        """The workers with a row that were here in this bucket or after it."""
        return [worker_id for worker_id in self._rows if self._departed.get(worker_id, bucket) >= bucket]

    def _newest(self) -> int:
        return -(10**18) if self.newest is None else self.newest

    def _fold(self, worker_id: str) -> None:
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
    return np.where(np.isnan(steps), 0.0, steps).astype(np.uint8)


def _reduced(mean: Cells, maximum: Cells, factor: int) -> tuple[Cells, Cells]:
    """Stored bytes (buckets, k) -> cells (k, c), `factor` buckets to a column."""
    if factor > 1:
        mean3, max3 = (store.reshape(-1, factor, store.shape[1]) for store in (mean, maximum))
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
