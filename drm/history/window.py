"""What a query over time answers: read-only columns, no more of them than were asked for.

`times` holds the start of each column's bucket. A column without a sample is NaN (or `MISSING` in one-byte cells), never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.model import FloatArray

MISSING = 255
"""The one-byte cell of a bucket that holds no sample."""

CELLS_PER_UNIT = 200.0
"""A cell counts steps of 0.5 %: 200 is 100 %; 254 (127 %) is also anything above."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a heatmap: a worker, or a group of workers that share a row."""

    label: str
    worker_ids: tuple[str, ...]
    """One id for a worker, several for a group, none for terminated workers whose rows were folded together."""
    hottest: str = ""
    """The worker with the highest cell; empty where none has an id."""


@dataclass(frozen=True, slots=True, eq=False)
class HeatmapWindow:
    """Workers x time for one metric, as r rows and c columns."""

    etag: str
    """Changes exactly when the window's content may have changed."""
    start: float
    end: float
    step_seconds: float
    times: FloatArray
    """(c,)"""
    rows: tuple[Row, ...]
    mean: npt.NDArray[np.uint8]
    max: npt.NDArray[np.uint8]
    """mean and max: (r, c) cells; in a group the mean of the means and the max of the maxima of its members."""
    high: npt.NDArray[np.uint8] | None
    """(r, c) cells, where they were asked for: the least that 95 of 100 means of members do not exceed; the mean of a worker by itself."""
    workers: int
    """How many workers these rows are."""
    left_out: int
    """How many more were sampled that were not asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class WorkerMeans:
    """Means of w workers over a range for one resource, as fractions of their capacity, in steps of half a percent.

    Both means are over the buckets in which both were known and something was allocated; NaN where there was none.
    """

    etag: str
    worker_ids: tuple[str, ...]
    used: FloatArray
    allocated: FloatArray
    """(w,)"""
    known: npt.NDArray[np.bool_]
    """(w,) whether both were known at some time."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One bucket of n workers and of the fleet; NaN where nothing was measured."""

    etag: str
    start: float
    step_seconds: float
    used: FloatArray
    allocated: FloatArray
    """used, allocated: (n, 4) mean fractions of capacity."""
    idle_since: FloatArray
    """(n,) the start of the first of those buckets in a row in which nothing was allocated; NaN where something was."""
    fleet: Mapping[str, float]
    """Means by name of the series."""


@dataclass(frozen=True, slots=True, eq=False)
class LastHours:
    """The last hour of each of n lives, in `POINTS` equal parts; NaN where nothing was measured, or before it began.

    Where buckets are longer than a part, which is so at an age of half a day and more, several parts in a row are of one bucket.
    """

    mean: FloatArray
    max: FloatArray
    """mean and max: (2, n, `POINTS`) cpu and memory that was used, as fractions of capacity."""


LAST_SECONDS, POINTS = 3600.0, 60


@dataclass(frozen=True, slots=True, eq=False)
class SeriesWindow:
    """Named series over time: of the fleet (in the units of their names), or of one worker (fractions of its capacity)."""

    etag: str
    start: float
    end: float
    step_seconds: float
    times: FloatArray
    """(c,)"""
    mean: Mapping[str, FloatArray]
    max: Mapping[str, FloatArray]
    """mean and max: (c,) by name of the series, NaN where there was no sample."""
