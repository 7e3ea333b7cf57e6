"""What a bucket that is still open has come to: sums, counts and maxima of samples, of which NaN is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from drm.history.buckets import Cells
from drm.history.window import CELLS_PER_UNIT
from drm.model import FloatArray

Samples = npt.NDArray[np.floating[Any]]


class Accumulator:
    """Sum, count and max per cell; the shape is that of the samples."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.sum: Samples = np.zeros(shape, dtype)
        self.count: Samples = np.zeros(shape, dtype)
        self.max: Samples = np.full(shape, -np.inf, dtype)

    def add(self, samples: Samples) -> None:
        """One more sample per cell."""
        known = samples == samples
        np.add(self.sum, samples, out=self.sum, where=known)
        self.count += known
        np.fmax(self.max, samples, out=self.max)

    def merge(self, other: Accumulator) -> None:
        """All samples of another one over the same cells."""
        self.sum += other.sum
        self.count += other.count
        np.maximum(self.max, other.max, out=self.max)

    def restore(self, cells: npt.NDArray[np.intp], mean: Cells, maximum: Cells, samples: int) -> None:
        """Adds buckets that were kept as stored bytes (metrics, m), of these cells of the last axis (-1: of none), as `samples` each."""
        chosen = cells >= 0
        for metric in range(len(mean)):
            known = chosen & (mean[metric] > 0)
            fractions = (mean[metric, known].astype(np.float64) - 1) / CELLS_PER_UNIT
            highest = (maximum[metric, known].astype(np.float64) - 1) / CELLS_PER_UNIT
            self._add_buckets((metric,), cells[known], fractions, highest, samples)

    def restore_values(self, cells: npt.NDArray[np.intp], mean: FloatArray, maximum: FloatArray, samples: int) -> None:
        """Adds buckets that were kept as numbers (m,), of these cells, as `samples` each."""
        known = ~np.isnan(mean)
        self._add_buckets((), cells[known], mean[known], maximum[known], samples)

    def _add_buckets(self, at: tuple[int, ...], cells: npt.NDArray[np.intp], mean: FloatArray, maximum: FloatArray, samples: int) -> None:
        # Of the same type as where they go: several times as fast as where each has to be converted.
        kind = self.sum.dtype
        np.add.at(self.sum[at], cells, (mean * samples).astype(kind))
        np.add.at(self.count[at], cells, np.full(len(cells), samples, kind))
        np.maximum.at(self.max[at], cells, maximum.astype(kind))

    def clear(self) -> None:
        """Back to no samples."""
        self.sum.fill(0.0)
        self.count.fill(0.0)
        self.max.fill(-np.inf)

    def taken(self, cells: npt.NDArray[np.intp], size: int) -> Accumulator:
        """A new one over `size` cells of the last axis, of which the first hold these cells of this one, in their order."""
        moved = Accumulator((*self.sum.shape[:-1], size), self.sum.dtype)
        for name in ("sum", "count", "max"):
            getattr(moved, name)[..., : len(cells)] = getattr(self, name)[..., cells]
        return moved

    def result(self) -> tuple[Samples, Samples]:
        """(mean, max) per cell; NaN where there was no sample."""
        known = self.count > 0
        mean = np.divide(self.sum, self.count, out=np.full_like(self.sum, np.nan), where=known)
        # A sum of many equal samples may round to more than their multiple.
        return np.minimum(mean, self.max, out=mean, where=known), np.where(known, self.max, np.nan)
