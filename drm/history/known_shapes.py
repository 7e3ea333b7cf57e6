"""Which shapes of tasks ended on which day. To look through millions of rows takes long, and days that have passed are as they were."""

from __future__ import annotations

from collections import defaultdict

from drm.history.file import HistoryFile
from drm.history.schema import TICKS_A_SECOND

DAY_TICKS = 86_400 * TICKS_A_SECOND
MOST_DAYS = 100
"""Of so many days it is remembered."""

Key = tuple[str, str]
"""A shape as its rows tell it: name and request."""

_SHAPES = "SELECT {day} AS day, name, request, count(*) FROM attempts WHERE finished >= ? AND finished < ? GROUP BY ALL"


class KnownShapes:
    """For any thread. What is remembered of days counts only while they have as many rows as then; retention takes whole days but for the
    oldest, and a file that began anew has other numbers."""

    def __init__(self) -> None:
        self._days: dict[int, tuple[int, frozenset[Key]]] = {}

    def between(self, file: HistoryFile, start: int, stop: int) -> set[Key]:
        """All shapes with rows after a tick and up to another one."""
        first, end = start + 1, stop + 1
        days = range(-(-first // DAY_TICKS), end // DAY_TICKS)
        if not days:
            return _read(file, first, end)
        edges = days.start * DAY_TICKS, days.stop * DAY_TICKS
        found = _read(file, first, edges[0]) | _read(file, edges[1], end)
        known = [self._days.get(day, (0, frozenset[Key]())) for day in days]
        rows = file.read("SELECT count(*) FROM attempts WHERE finished >= ? AND finished < ?", list(edges))[0][0]
        if sum(count for count, _ in known) != rows:
            known = self._look_through(file, days)
        return found.union(*(shapes for _, shapes in known))

    def _look_through(self, file: HistoryFile, days: range) -> list[tuple[int, frozenset[Key]]]:
        counts: dict[int, int] = defaultdict(int)
        shapes: dict[int, set[Key]] = defaultdict(set)
        query = _SHAPES.format(day=f"finished // {DAY_TICKS}")
        for day, name, request, count in file.read(query, [days.start * DAY_TICKS, days.stop * DAY_TICKS]):
            counts[day] += count
            shapes[day].add((name, request))
        found = {day: (counts[day], frozenset(shapes[day])) for day in days}
        self._days = dict(sorted((self._days | found).items())[-MOST_DAYS:])
        return list(found.values())


def _read(file: HistoryFile, first: int, end: int) -> set[Key]:
    """With rows from a tick on and before another one."""
    if first >= end:
        return set()
    return {(name, request) for _, name, request, _ in file.read(_SHAPES.format(day=0), [first, end])}
