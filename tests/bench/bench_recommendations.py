"""What recommendations over a month cost: 30 days of a pool with 50 names of tasks, half of them asking for too much."""

from __future__ import annotations

import statistics

from drm.analysis.recommendations import advise
from drm.model import Resources
from tests.bench.calibration import record, timed
from tests.unit.planted_month import DAY_SECONDS, DAYS, GIB, LARGE, MEMORY_RICH, STANDARD, Kind, Month, Plan

NAMES = 50


def test_a_month_of_fifty_names() -> None:
    """All kinds of recommendations, 24 moments replayed for each of 25 requests and for a choice among three types: 2 s or less."""
    kinds = tuple(
        Kind(
            f"kind-{number}",
            Resources(cpu=1 + number % 4, memory=(2 + number % 5) * GIB),
            Resources(cpu=(1 + number % 4) * (0.3 if number % 2 else 0.9), memory=(2 + number % 5) * GIB * 0.85),
            0.3,
            1.3,
        )
        for number in range(NAMES)
    )
    month = Month(Plan(kinds=kinds))
    candidates = (STANDARD, LARGE, MEMORY_RICH)
    found = advise(month.state, DAYS * DAY_SECONDS, candidates).recommendations
    assert sum(one.kind == "request" for one in found) == NAMES // 2
    times = timed(lambda: advise(month.state, DAYS * DAY_SECONDS, candidates), 5)
    record(f"recommendations: {DAYS} days x {NAMES} names", statistics.median(times), "ms", 2000)
    assert statistics.median(times) < 2000
