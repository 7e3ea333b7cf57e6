"""Which worker takes a task: multi-dimensional best fit over columns.

Best fit is the worker whose largest remaining fraction of capacity is smallest once the task is on it. Placing a task on a worker lowers
its remaining fractions, so that worker stays the best one for the next task of the same request until it is full: k equal tasks fill the
workers in the order of their scores, which gives exactly what a loop over the tasks would, in one sort instead of k scans.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drm.model import FloatArray

Rows = npt.NDArray[np.intp]

SLACK = 1e-9
"""Sums of fractions of a core miss the whole by rounding; this much of the request is forgiven."""

MOST_FILLED = 4096
"""Empty workers that are filled one by one to find how many it takes: what is wanted beyond is asked for again as these arrive."""
CELLS_PER_CALL = 2_500_000
"""Requests x workers that one call looks at; what is left over waits for the next, so that a tick stays short."""


def fits(room: FloatArray, request: FloatArray) -> npt.NDArray[np.bool_]:
    """(n,): where a request (4,) fits into room (n, 4), or requests (n, 4) fit into one room (4,)."""
    return np.asarray((room >= request * (1.0 - SLACK)).all(axis=-1))


def blocking_resource(room: FloatArray, request: FloatArray) -> int:
    """The index of the resource of which the request (4,) asks most beyond the roomiest row of room (n, 4)."""
    most = room.max(axis=0, initial=0.0)
    asked = request > 0
    shortage = np.where(asked, np.where(most > 0, request / np.where(most > 0, most, 1.0), np.inf), -np.inf)
    return int(shortage.argmax())


def place(
    free: FloatArray, slots: npt.NDArray[np.int64], capacity: FloatArray, requests: FloatArray, counts: npt.NDArray[np.int64]
) -> list[Rows]:
    """For each request the rows that take its tasks, first task first; fewer than its count where no more fit.

    free, capacity: (n, 4); slots (n,): how many more tasks a row takes; requests (s, 4) in the order in which they are served;
    counts (s,): tasks of each. The arguments are left as they were.
    """
    # One row per resource: numpy reduces over a long last axis many times faster than over one of four.
    free, slots = free.T.copy(order="C"), slots.copy()
    whole = capacity.T.copy(order="C")
    scale = np.divide(1.0, whole, out=np.zeros_like(whole), where=whole > 0)
    placed: list[Rows] = []
    nobody: Rows = np.empty(0, dtype=np.intp)
    most = _most(free, slots)
    calls_left = max(1, CELLS_PER_CALL // max(1, len(slots)))
    for request, count in zip(requests, counts, strict=True):
        if calls_left == 0 or (request * (1.0 - SLACK) > most).any():
            placed.append(nobody)
            continue
        calls_left -= 1
        rows = _fill(free, slots, scale, request[:, None], int(count))
        if len(rows):
            most = _most(free, slots)
        placed.append(rows)
    return placed


def _most(free: FloatArray, slots: npt.NDArray[np.int64]) -> FloatArray:
    """(4,): the largest amount of each resource that is free on a row that takes tasks."""
    return np.asarray(np.where(slots > 0, free, 0.0).max(axis=1, initial=0.0))


def _fill(free: FloatArray, slots: npt.NDArray[np.int64], scale: FloatArray, request: FloatArray, count: int) -> Rows:
    """Places up to `count` tasks of one request (4, 1), and takes what they need from `free` (4, n) and `slots` (n,)."""
    candidates = np.flatnonzero((free >= request * (1.0 - SLACK)).all(axis=0) & (slots > 0))
    if not len(candidates):
        return candidates
    room = free[:, candidates]
    score = ((room - request) * scale[:, candidates]).max(axis=0)
    if count == 1:
        taken = candidates[[score.argmin()]]
        free[:, taken] -= request
        slots[taken] -= 1
        return taken
    asked = request[:, 0] > 0
    depth = slots[candidates]
    if asked.any():
        depth = np.minimum(depth, np.floor(room[asked] / request[asked] + SLACK).min(axis=0).astype(np.int64))
        depth = np.maximum(depth, 1)
    order = np.argsort(score, kind="stable")
    ends = np.cumsum(depth[order])
    last = int(np.searchsorted(ends, count))
    order = order[: last + 1]
    filled = depth[order]
    if last < len(ends):
        filled[-1] -= ends[last] - count
    rows = candidates[order]
    free[:, rows] -= filled * request
    slots[rows] -= filled
    return np.repeat(rows, filled)


def rows_taken(placed: Sequence[Rows]) -> int:
    """How many different rows what `place` returned has."""
    # Ten times as fast as np.unique, which need not be sorted here.
    return int(np.count_nonzero(np.bincount(np.concatenate(placed))))


def rows_filled(shape: FloatArray, slots: int, requests: FloatArray, counts: npt.NDArray[np.int64], most_rows: int) -> int:
    """How many empty workers of one shape (4,) hold all these tasks, by the same best fit.

    Beyond `most_rows` or `MOST_FILLED` the rest is estimated from below, by the resource of which it needs most. Requests must fit into the
    shape.
    """
    total = int(counts.sum())
    if total == 0:
        return 0
    # Tasks of one request open no more empty rows than they would fill alone: what lies beyond is never reached.
    depth = np.divide(shape, requests, out=np.full_like(requests, slots), where=requests > 0).min(axis=1)
    alone = np.ceil(counts / np.clip(np.floor(depth + SLACK), 1, slots)).sum()
    n = max(1, int(min(alone, total, most_rows, MOST_FILLED)))
    capacity = np.tile(shape, (n, 1))
    placed = place(capacity, np.full(n, slots, dtype=np.int64), capacity, requests, counts)
    used = rows_taken(placed)
    left = counts - np.array([len(rows) for rows in placed], dtype=np.int64)
    if not left.any():
        return used
    needed = left @ requests
    share = np.divide(needed, shape, out=np.zeros(4), where=shape > 0).max()
    return used + max(1, int(np.ceil(max(share, left.sum() / slots) - SLACK)))
