"""Which worker takes a task: multi-dimensional best fit over columns.

Best fit is the worker whose largest remaining fraction of capacity is smallest once the task is on it. Placing a task on a worker lowers
its remaining fractions, so that worker stays the best one for the next task of the same request until it is full: k equal tasks fill the
workers in the order of their scores, which gives exactly what a loop over the tasks would, in one sort instead of k scans.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drm.model import FloatArray

Rows = npt.NDArray[np.intp]

SLACK = 1e-9
"""Sums of fractions of a core miss the whole by rounding; this much of the request is forgiven."""

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
    free, slots = free.copy(), slots.copy()
    scale = np.divide(1.0, capacity, out=np.zeros_like(capacity), where=capacity > 0)
    placed: list[Rows] = []
    nobody: Rows = np.empty(0, dtype=np.intp)
    most = free[slots > 0].max(axis=0, initial=0.0)
    calls_left = max(1, CELLS_PER_CALL // max(1, len(free)))
    for request, count in zip(requests, counts, strict=True):
        if calls_left == 0 or (request * (1.0 - SLACK) > most).any():
            placed.append(nobody)
            continue
        calls_left -= 1
        rows = _fill(free, slots, scale, request, int(count))
        if len(rows):
            most = free[slots > 0].max(axis=0, initial=0.0)
        placed.append(rows)
    return placed


def _fill(free: FloatArray, slots: npt.NDArray[np.int64], scale: FloatArray, request: FloatArray, count: int) -> Rows:
    """Places up to `count` tasks of one request, and takes what they need from `free` and `slots`."""
    candidates = np.flatnonzero(fits(free, request) & (slots > 0))
    if not len(candidates):
        return candidates
    room = free[candidates]
    score = ((room - request) * scale[candidates]).max(axis=1)
    if count == 1:
        taken = candidates[[score.argmin()]]
        free[taken] -= request
        slots[taken] -= 1
        return taken
    asked = request > 0
    depth = slots[candidates]
    if asked.any():
        depth = np.minimum(depth, np.floor(room[:, asked] / request[asked] + SLACK).min(axis=1).astype(np.int64))
        depth = np.maximum(depth, 1)
    order = np.argsort(score, kind="stable")
    ends = np.cumsum(depth[order])
    last = int(np.searchsorted(ends, count))
    order = order[: last + 1]
    filled = depth[order]
    if last < len(ends):
        filled[-1] -= ends[last] - count
    rows = candidates[order]
    free[rows] -= filled[:, None] * request
    slots[rows] -= filled
    return np.repeat(rows, filled)


def rows_filled(shape: FloatArray, slots: int, requests: FloatArray, counts: npt.NDArray[np.int64], most_rows: int) -> int:
    """How many empty workers of one shape (4,) hold all these tasks, by the same best fit.

    Beyond `most_rows` the rest is estimated from below, by the resource of which it needs most. Requests must fit into the shape.
    """
    total = int(counts.sum())
    if total == 0:
        return 0
    n = max(1, min(total, most_rows))
    capacity = np.tile(shape, (n, 1))
    placed = place(capacity, np.full(n, slots, dtype=np.int64), capacity, requests, counts)
    used = len(np.unique(np.concatenate(placed)))
    left = counts - np.array([len(rows) for rows in placed], dtype=np.int64)
    if not left.any():
        return used
    needed = left @ requests
    share = np.divide(needed, shape, out=np.zeros(4), where=shape > 0).max()
    return used + max(1, int(np.ceil(max(share, left.sum() / slots) - SLACK)))
