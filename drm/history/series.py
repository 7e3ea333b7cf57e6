"""One level of the fleet's history: named series in float64, the mean and the max of each bucket; NaN is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drm.history.accumulator import Samples
from drm.history.buckets import KeptSeries
from drm.history.levels import BUCKETS, Span
from drm.model import FloatArray


class SeriesRing:
    """(k, buckets) per series; a series that appears later is missing before."""

    def __init__(self, buckets: int = BUCKETS) -> None:
        self.buckets = buckets
        self.newest: int | None = None
        """The number of the newest bucket."""
        self._mean: FloatArray = np.empty((0, self.buckets))
        self._max: FloatArray = np.empty((0, self.buckets))

    def open(self, bucket: int) -> None:
        """Begins a bucket: it and those that were skipped are missing."""
        if self.newest is not None:
            blank = (self.newest + 1 + np.arange(min(bucket - self.newest, self.buckets))) % self.buckets
            self._mean[:, blank] = self._max[:, blank] = np.nan
        self.newest = bucket

    def write(self, mean: Samples, maximum: Samples) -> None:
        """The newest bucket of all series, (k,) each."""
        more = len(mean) - len(self._mean)
        if more:
            missing = np.full((more, self.buckets), np.nan)
            self._mean, self._max = np.vstack([self._mean, missing]), np.vstack([self._max, missing])
        column = (self.newest or 0) % self.buckets
        self._mean[:, column], self._max[:, column] = mean, maximum

    def load(self, kept: KeptSeries, order: Sequence[int], newest: int) -> None:
        """Takes over what an earlier run kept, into an empty ring; its series i is number `order[i]` here. `newest`: the newest bucket."""
        self.newest = newest
        self._mean, self._max = (np.full((max(order, default=-1) + 1, self.buckets), np.nan) for _ in range(2))
        inside = (kept.bucket > newest - self.buckets) & (kept.bucket <= newest)
        row, column = np.asarray(order, np.intp)[kept.series[inside]], kept.bucket[inside] % self.buckets
        self._mean[row, column], self._max[row, column] = kept.mean[inside], kept.max[inside]

    def read(self, span: Span) -> tuple[FloatArray, FloatArray]:
        """(mean, max) of all series, (k, c)."""
        shape = (len(self._mean), span.columns * span.factor)
        mean, maximum = np.full(shape, np.nan), np.full(shape, np.nan)
        if self.newest is not None:
            position, columns = span.kept(self.newest, self.buckets)
            mean[:, position], maximum[:, position] = self._mean[:, columns], self._max[:, columns]
        grouped = (shape[0], span.columns, span.factor)
        mean, maximum = mean.reshape(grouped), maximum.reshape(grouped)
        known = ~np.isnan(mean)
        count = known.sum(axis=2)
        total = np.where(known, mean, 0.0).sum(axis=2)
        highest = np.where(known, maximum, -np.inf).max(axis=2)
        return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0), np.where(count > 0, highest, np.nan)
