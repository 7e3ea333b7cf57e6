"""How long something took, over and over: sums for a scraper, and the last ones for people."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: the upper ends of a histogram's buckets; the last one is open."""
KEPT = 600
"""The last ones, from which percentiles are: ten minutes of ticks at one a second."""


class Durations:
    """One writer at a time; a reader of any thread sees numbers that belong together but for the one that is being noted."""

    __slots__ = ("_counts", "_kept", "seconds")

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self._kept: deque[float] = deque(maxlen=KEPT)
        self.seconds = 0.0
        """In all."""

    def note(self, seconds: float) -> None:
        """Another one."""
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self._kept.append(seconds)
        self.seconds += seconds

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self._counts)

    @property
    def last(self) -> float:
        """The last one; NaN before the first."""
        return self._kept[-1] if self._kept else math.nan

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Of the last `KEPT`: for each share in [0, 1] the smallest one that so large a share does not exceed; NaN before the first."""
        kept = sorted(self._kept.copy())
        return [kept[max(0, math.ceil(share * len(kept)) - 1)] if kept else math.nan for share in shares]

    def buckets(self) -> list[tuple[str, float]]:
        """(upper end, how many took at most so long), as a histogram of Prometheus has them."""
        counts, total = list(self._counts), 0
        named = []
        for end, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
            total += count
            named.append((end, float(total)))
        return named
