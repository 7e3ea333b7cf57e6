"""Spend as it stood at moments of the past: the sums at the first tick of each minute, of each ten minutes and of each hour, in RAM.

What a time cost is the difference of two of them, so that the parts of a long range add up as exactly as those of a tick.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from itertools import islice

from drm.cloud.accrual import Spend
from drm.history.levels import BUCKETS, STEPS_SECONDS, bucket_of

STEPS = STEPS_SECONDS[1:]
"""12 h, 5 d and 30 d are kept, as of the levels of the history."""
MOST_ROWS = 200_000
"""Labels come from outside: so many sums of kinds are kept at most, those of the oldest minutes go first."""


class SpendMarks:
    """Thread-safe: one writer keeps, any number of readers ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._levels: tuple[deque[Spend], ...] = tuple(deque(maxlen=BUCKETS) for _ in STEPS)
        self._rows = 0

    def keep(self, spend: Spend) -> None:
        """The sums after a tick, which are those of a mark where it is the first of a minute."""
        with self._lock:
            for step, marks in zip(STEPS, self._levels, strict=True):
                if marks and bucket_of(marks[-1].time, step) >= bucket_of(spend.time, step):
                    break
                if len(marks) == marks.maxlen:
                    self._rows -= len(marks[0].kinds)
                marks.append(spend)
                self._rows += len(spend.kinds)
            self._trim()

    def load(self, marks: Iterable[Spend]) -> None:
        """Takes over those of an earlier run, oldest first."""
        for spend in marks:
            self.keep(spend)

    def at(self, moment: float) -> Spend | None:
        """The newest mark that is not after a moment; None where none is kept."""
        with self._lock:
            found = [self._last(marks, moment) for marks in self._levels]
        return max((one for one in found if one is not None), key=lambda one: one.time, default=None)

    def after(self, moment: float) -> Spend | None:
        """The oldest mark that is not before a moment; None where none is kept."""
        with self._lock:
            return min(
                (marks[place] for marks, place in self._places(moment) if place < len(marks)), key=lambda one: one.time, default=None
            )

    def between(self, since: float, until: float) -> tuple[Spend, ...]:
        """All marks of a time, both ends included, oldest first."""
        with self._lock:
            found = {one.time: one for marks, place in self._places(since) for one in islice(marks, place, None) if one.time <= until}
        return tuple(found[time] for time in sorted(found))

    def first(self) -> Spend | None:
        """The oldest mark; None where none is kept."""
        with self._lock:
            return min((marks[0] for marks in self._levels if marks), key=lambda one: one.time, default=None)

    def _places(self, moment: float) -> list[tuple[deque[Spend], int]]:
        """Of each level where the marks begin that are not before a moment."""
        return [(marks, bisect_left(marks, moment, key=lambda one: one.time)) for marks in self._levels]

    @staticmethod
    def _last(marks: deque[Spend], moment: float) -> Spend | None:
        place = bisect_right(marks, moment, key=lambda one: one.time)
        return marks[place - 1] if place else None

    def _trim(self) -> None:
        for marks in self._levels:
            while self._rows > MOST_ROWS and len(marks) > 1:
                self._rows -= len(marks.popleft().kinds)
