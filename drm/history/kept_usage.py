"""What ended tasks used, read from the history file: of each shape the newest samples, among millions of attempts.

Most shapes have enough of them in the last minutes, so time is gone back over in slices, each some times as long as the one before it, for
those shapes of which there are too few yet, and no further than there are any.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from drm.history.attempts import NOTHING_LEARNT, request_of, ticks_of
from drm.history.file import HistoryFile
from drm.history.known_shapes import Key, KnownShapes
from drm.history.schema import TICKS_A_SECOND
from drm.model import RESOURCES
from drm.task_usage import OUTCOMES, SAMPLE, SAMPLES_KEPT, SHAPES_KEPT, Samples, TaskShape, UsageView

FIRST_SECONDS, WIDER = 900, 8
"""How long the first slice is, and how many times as long the next one."""
FEWEST_ROWS = 20_000
"""A slice with fewer is made longer."""
MOST_ROWS = 250_000
"""Of a slice with more the newest rows of each shape are looked for before they are read."""


def _text(words: Collection[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


_WANTED = "WITH wanted AS (SELECT unnest($names) AS name, unnest($requests) AS request, unnest(range(len($names))) AS shape) "
_ENDED = (
    "FROM attempts JOIN wanted USING (name, request) WHERE finished > $start AND finished <= $stop AND waited IS NOT NULL "
    f"AND state IN ({_text(OUTCOMES)}) AND (state <> 'lost' OR reason NOT IN ({_text(NOTHING_LEARNT)}))"
)
_RAN = "greatest(0, took - waited - coalesce(delayed, 0))"
_ROWS = (
    f"shape, finished, attempts.rowid AS written, {_RAN} / {TICKS_A_SECOND}.0 AS run_seconds, hint_seconds, used_cpu, used_memory, "
    f"used_gpu, used_gpu_memory, list_position([{_text(OUTCOMES)}], state) - 1 AS outcome, coalesce(out_of_memory, false) AS out_of_memory"
)
_ALL = f"{_WANTED} SELECT {_ROWS} {_ENDED}"
_NEWEST = (
    # A heap for each shape, where a window over millions of tasks would sort them all.
    f"{_WANTED}, newest AS (SELECT shape, list_min(max(finished, {SAMPLES_KEPT})) AS newest_since {_ENDED} GROUP BY shape) "
    f"SELECT {_ROWS} {_ENDED.replace(' WHERE', ' JOIN newest USING (shape) WHERE')} AND finished >= newest_since"
)


def usage(file: HistoryFile, known: KnownShapes, since: float, until: float) -> UsageView:
    """The newest samples of each shape of the tasks that ended in a time; of those that ended at once the last written ones. `known`: what
    earlier calls for the same file have found out."""
    found: dict[Key, Samples] = {}
    oldest, newest = file.read("SELECT coalesce(min(finished), 0), coalesce(max(finished), 0) FROM attempts")[0]
    first, last = max(ticks_of(since), oldest - 1), min(ticks_of(until), newest)
    wanted = sorted(known.between(file, first, last))
    for start, stop, rows in _slices(file, first, last) if wanted else ():
        for shape, samples in _newest(file, start, stop, wanted, _NEWEST if rows > MOST_ROWS else _ALL):
            found[shape] = np.concatenate([samples, found[shape]])[-SAMPLES_KEPT:] if shape in found else samples
        wanted = [shape for shape in wanted if len(found.get(shape, ())) < SAMPLES_KEPT]
        if not wanted:
            break
    for samples in found.values():
        samples.flags.writeable = False
    latest = sorted(sorted(found), key=lambda shape: float(found[shape]["finished_at"][-1]))[-SHAPES_KEPT:]
    shapes = {TaskShape(name, request_of(request)): found[name, request] for name, request in latest}
    return UsageView(sum(map(len, found.values())), MappingProxyType(shapes), max(0, len(found) - SHAPES_KEPT))


def _slices(file: HistoryFile, since: int, until: int) -> Iterator[tuple[int, int, int]]:
    """The time in ticks, in parts (after, up to), newest first, with how many rows each has."""
    stop, length = until, FIRST_SECONDS * TICKS_A_SECOND
    while stop > since:
        start = max(since, stop - length)
        rows = file.read("SELECT count(*) FROM attempts WHERE finished > ? AND finished <= ?", [start, stop])[0][0]
        if rows >= FEWEST_ROWS or start == since:
            yield start, stop, rows
            stop, length = start, length * WIDER
        else:
            length *= max(2, min(WIDER, FEWEST_ROWS // max(1, rows) + 1))


def _newest(file: HistoryFile, start: int, stop: int, shapes: Sequence[Key], query: str) -> Iterator[tuple[Key, Samples]]:
    """Of each of these shapes that ended in a slice the newest samples, oldest first."""
    names, requests = map(list, zip(*shapes, strict=True))
    rows = file.columns(query, {"start": start, "stop": stop, "names": names, "requests": requests})
    order = np.lexsort((rows["written"], rows["finished"], rows["shape"]))
    shape = rows["shape"][order]
    samples = np.zeros(len(order), SAMPLE)
    samples["finished_at"] = rows["finished"][order] / TICKS_A_SECOND
    for field in ("run_seconds", "outcome", "out_of_memory"):
        samples[field] = rows[field][order]
    samples["hint_seconds"] = np.ma.filled(rows["hint_seconds"], np.nan)[order]
    for index, resource in enumerate(RESOURCES):
        samples["used"][:, index] = np.ma.filled(rows[f"used_{resource}"], np.nan)[order]
    for first, end in pairwise((*np.flatnonzero(np.diff(shape, prepend=-1)).tolist(), len(order))):
        yield shapes[shape[first]], samples[max(first, end - SAMPLES_KEPT) : end].copy()
