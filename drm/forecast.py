"""How many busy workers to expect: from the same time of yesterday, and from the trend of the last minutes."""

from __future__ import annotations

import math

import numpy as np

from drm.model import FloatArray

STEP_SECONDS = 60.0
DAY_STEPS = 1440
KEPT = DAY_STEPS + 180
TREND_STEPS = 10


def forecast(yesterday: FloatArray, recent: FloatArray, lead_steps: float) -> float:
    """The larger of two: the most of `yesterday` (workers wanted from this time of the day on, over the lead time), and the straight line
    through `recent` (k,), oldest first, continued for the lead time (least squares, never below 0). NaN where neither is known."""
    known = yesterday[~np.isnan(yesterday)]
    daily = float(known.max()) if len(known) else math.nan
    steps = np.flatnonzero(~np.isnan(recent))
    trend = math.nan
    if len(steps) >= 3:
        slope, level = np.polyfit(steps.astype(float), recent[steps], 1)
        trend = max(0.0, float(level + slope * (len(recent) - 1 + lead_steps)))
    return float(np.fmax(daily, trend))


class DemandHistory:
    """The most workers that were wanted in each minute of the last day and some hours."""

    def __init__(self) -> None:
        self._wanted: FloatArray = np.full(KEPT, np.nan)
        self._newest: int | None = None

    def append(self, now: float, wanted: float) -> None:
        """What is wanted now (epoch seconds, workers)."""
        step = math.floor(now / STEP_SECONDS)
        if self._newest is None or step > self._newest:
            skipped = 1 if self._newest is None else min(step - self._newest, KEPT)
            self._wanted[(step - np.arange(skipped)) % KEPT] = np.nan
            self._newest = step
        cell = step % KEPT
        self._wanted[cell] = np.fmax(self._wanted[cell], wanted)

    def forecast(self, now: float, lead_seconds: float) -> float:
        """Busy workers to expect within the lead time; NaN before three minutes are known."""
        step = math.floor(now / STEP_SECONDS)
        lead = min(math.ceil(lead_seconds / STEP_SECONDS), KEPT - DAY_STEPS - 1)
        yesterday = self._wanted[(step - DAY_STEPS + np.arange(lead + 1)) % KEPT]
        recent = self._wanted[(step - TREND_STEPS + 1 + np.arange(TREND_STEPS)) % KEPT]
        return forecast(yesterday, recent, lead_seconds / STEP_SECONDS)
