"""A time cut where clocks are full: a few slices for the columns of a table."""

from __future__ import annotations

import math

STEPS_SECONDS = (60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 432_000.0)
MOST = 8


def slices(since: float, until: float, most: int = MOST) -> list[float]:
    """Epoch seconds (k,) from `since` to `until`, k - 1 <= `most`: between them multiples of the shortest step that makes so few."""
    last = STEPS_SECONDS[-1]
    for step in (*STEPS_SECONDS, last * math.ceil((until - since) / last)):
        first = math.floor(since / step) + 1
        inside = [one * step for one in range(first, math.ceil(until / step))]
        if len(inside) < most:
            return [since, *inside, until]
    return [since, until]
