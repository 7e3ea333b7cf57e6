"""How what was spent grew over time, from the sums that are kept of moments that have passed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from drm.budget import Period
from drm.cloud.accrual import HOUR_SECONDS, Spend
from drm.history.levels import bucket_of
from drm.model import FloatArray
from drm.period_spend import spent_lines

STEPS_SECONDS: Mapping[Period, float] = MappingProxyType({"day": 300.0, "month": 7200.0})
"""How near to each other points are at least, by period: a few hundred of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Points of a rising line. Times are epoch seconds, money as in `PeriodSpend`."""

    times: FloatArray
    spent: FloatArray


def course(marks: Sequence[Spend], step_seconds: float) -> Course:
    """What had been spent since the first mark by the first one of each step and by the last; marks are oldest first."""
    chosen = [
        one
        for last, one in zip((None, *marks), marks, strict=False)
        if last is None or one is marks[-1] or bucket_of(last.time, step_seconds) < bucket_of(one.time, step_seconds)
    ]
    if not chosen:
        return Course(np.empty(0), np.empty(0))
    end = chosen[-1]
    sums = np.zeros((len(chosen), len(end.kinds)))
    for row, one in enumerate(chosen):
        sums[row, : len(one.seconds)] = one.seconds
    sums -= sums[0].copy()
    # Two currencies are not added up, and what cost nothing needs no price.
    mixed = len({line.kind.price.currency for line in spent_lines(chosen[0], end) if line.kind.price}) > 1
    each = np.where(sums == 0, 0.0, sums / HOUR_SECONDS * end.hourly) if len(end.kinds) else sums
    return Course(np.array([one.time for one in chosen]), np.full(len(chosen), math.nan) if mixed else each.sum(axis=1))
