"""The four levels of history, and which of their buckets a window shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.model import FloatArray

STEPS_SECONDS = (5.0, 60.0, 600.0, 3600.0)
"""One bucket of each level: 1 h, 12 h, 5 d and 30 d are kept. Each step is a multiple of the one before, so buckets close together."""

BUCKETS = 720
"""The most buckets that a level keeps."""


def buckets_kept(retention_seconds: float) -> tuple[int, ...]:
    """The buckets that each level keeps of so long a time, the open one included."""
    return tuple(BUCKETS if retention_seconds >= step * BUCKETS else math.ceil(retention_seconds / step) + 1 for step in STEPS_SECONDS)


def bucket_of(now: float, step_seconds: float) -> int:
    """The number of the bucket that holds a time (epoch seconds)."""
    return math.floor(now / step_seconds)


def choose_level(
    range_seconds: float,
    sampling_seconds: float,
    behind: Sequence[int] = (0,) * len(STEPS_SECONDS),
    kept: Sequence[int] = (BUCKETS,) * len(STEPS_SECONDS),
) -> int:
    """The finest level that still keeps the start of the range and whose buckets hold at least one sample each; the coarsest where none
    does. `behind`: by how many buckets of each level the range ends before the newest one; `kept`: how many each level keeps."""
    for level, (step, buckets, most) in enumerate(zip(STEPS_SECONDS, behind, kept, strict=True)):
        if buckets + math.ceil(range_seconds / step) <= most and step >= sampling_seconds:
            return level
    return len(STEPS_SECONDS) - 1


@dataclass(frozen=True, slots=True)
class Span:
    """c columns of `factor` whole buckets each; their edges are multiples of the column, so a picture does not flicker as time goes on."""

    step_seconds: float
    first: int
    """The number of the first bucket."""
    factor: int
    columns: int

    @classmethod
    def ending(cls, end: float, range_seconds: float, step_seconds: float, most_columns: int) -> Span:
        """The columns over the range before `end`, whose last one holds `end`; no more than asked for."""
        buckets = min(BUCKETS, max(1, math.ceil(range_seconds / step_seconds)))
        factor = math.ceil(buckets / most_columns)
        columns = math.ceil(buckets / factor)
        last_column = bucket_of(end, step_seconds) // factor
        return cls(step_seconds, (last_column - columns + 1) * factor, factor, columns)

    @property
    def times(self) -> FloatArray:
        """(c,) the start of each column, epoch seconds."""
        return np.asarray((self.first + np.arange(self.columns) * self.factor) * self.step_seconds, dtype=np.float64)

    @property
    def column_seconds(self) -> float:
        """How long one column is."""
        return self.factor * self.step_seconds

    def kept(self, newest: int, buckets: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The buckets of the span that a ring of so many with this newest one keeps: their position in the span, and in the ring."""
        numbers = self.first + np.arange(self.columns * self.factor)
        position = np.flatnonzero((numbers > newest - buckets) & (numbers <= newest))
        return position, numbers[position] % buckets
