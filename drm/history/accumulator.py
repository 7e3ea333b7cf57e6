"""What a bucket that is still open has come to: sums, counts and maxima of samples, of which NaN is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

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
        return mean, np.where(known, self.max, np.nan)
