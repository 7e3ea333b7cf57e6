"""What an earlier run kept of the rings, taken over by those of a new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from drm.history.bucketing import Bucketing
from drm.history.buckets import Kept, KeptCells, KeptSeries, OpenBucket
from drm.history.levels import STEPS_SECONDS, bucket_of

Buckets = TypeVar("Buckets", KeptCells, KeptSeries)


def load(into: Bucketing, kept: Kept, living: Sequence[str]) -> None:
    """Takes over what an earlier run kept, before the first sample of this one. `living`: the workers of which more may come; what was
    open of them goes on."""
    into.newest = [bucket_of(kept.until, step) for step in STEPS_SECONDS]
    _load_cells(into, kept, living)
    into.matched_ids = None
    _load_series(into, kept)
    opened = _still_open(into, kept)
    into.open_samples = opened.samples if opened else 0
    into.changes = [changes + 1 for changes in into.changes]


def _load_cells(into: Bucketing, kept: Kept, living: Sequence[str]) -> None:
    opened = _still_open(into, kept)
    for index, workers in enumerate((into.all, into.gpu)):
        levels = [cells[index] for cells in kept.cells]
        into.largest = max(into.largest, *(one.most_at_once for one in levels))
        for level, one in enumerate(levels):
            workers.rings[level].load(one, into.newest[level], into.most_rows)
        still_open = [closed for closed in opened.cells if closed.resources == workers.resources] if opened else []
        known = {one for ring in workers.rings for one in ring} | {one for closed in still_open for one in closed.worker_ids}
        workers.set_members(tuple(one for one in living if one in known), into.most_rows)
        for level in into.kept_levels[1:]:
            workers.resume(level, *_closed_within(into, level, levels))
        for closed in still_open:
            workers.resume(closed.level, KeptCells.of(closed), opened.samples if opened else 1)


def _load_series(into: Bucketing, kept: Kept) -> None:
    opened = _still_open(into, kept)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for one in kept.series for name in one.names))}
    if opened and opened.fleet:
        for name in opened.fleet.names:
            numbers.setdefault(name, len(numbers))
    into.names = tuple(numbers)
    into.fleet.take(np.empty(0, np.intp), len(into.names))
    for level, series in enumerate(kept.series):
        into.fleet.rings[level].load(series, [numbers[name] for name in series.names], into.newest[level])
    for level in into.kept_levels[1:]:
        finer, samples = _closed_within(into, level, kept.series)
        rows = np.array([numbers[name] for name in finer.names], np.intp)[finer.series]
        into.fleet.open[level].restore_values(rows, finer.mean, finer.max, samples)
    if opened and opened.fleet:
        rows = np.array([numbers[name] for name in opened.fleet.names], np.intp)
        into.fleet.open[opened.level].restore_values(rows, opened.fleet.mean, opened.fleet.max, opened.samples)


def _still_open(into: Bucketing, kept: Kept) -> OpenBucket | None:
    """What was open when an earlier run ended, if that is the newest bucket of the finest level that is kept here."""
    opened, finest = kept.open, into.kept_levels[0]
    if opened is None or opened.level != finest or bucket_of(opened.start, STEPS_SECONDS[finest]) != into.newest[finest]:
        return None
    return opened


def _closed_within(into: Bucketing, level: int, kept: Sequence[Buckets]) -> tuple[Buckets, int]:
    """The closed buckets of the open one of a level, but for those of the open one of the next finer level; and how many samples each
    of them stands for. They are of the finest level that has any: there a worker's first bucket is the least part of the whole."""
    start, end = into.newest[level] * STEPS_SECONDS[level], into.newest[level - 1] * STEPS_SECONDS[level - 1]
    for finer in range(into.kept_levels[0], level):
        step = STEPS_SECONDS[finer]
        found = kept[finer].within(range(round(start / step), round(end / step)))
        if len(found.bucket) or finer == level - 1:
            break
    return found, max(1, round(step / into.sampling_seconds))
