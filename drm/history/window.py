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
