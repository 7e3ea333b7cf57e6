"""How many workers hold tasks of given requests: first-fit decreasing over vectors, by groups of workers that are filled alike.

Tasks are taken by their largest share of a worker, largest first, each into the first worker that has room. For one resource that needs at
most 11/9 of the fewest workers, and one more (Johnson); for several it is a heuristic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drm.cloud.split import UNIT_PRICES
from drm.model import FloatArray, WorkerType
from drm.placement import SLACK, fits

Counts = npt.NDArray[np.int64]


def shares(shape: FloatArray, requests: FloatArray) -> FloatArray:
    """(s,): the largest part of a worker of this shape (4,) that one task of each request (s, 4) takes; inf where it does not fit."""
    part = np.divide(requests, shape, out=np.where(requests > 0, np.inf, 0.0), where=shape > 0).max(axis=1, initial=0.0)
    return np.asarray(np.where(fits(shape, requests), part, np.inf), np.float64)


def workers_needed(shape: FloatArray, requests: FloatArray, counts: Counts) -> int:
    """How many empty workers of one shape (4,) first-fit decreasing fills with counts (s,) of requests (s, 4), each of which fits one."""
    order = np.argsort(-shares(shape, requests), kind="stable")
    order = order[(counts[order] > 0) & (requests[order] > 0).any(axis=1)]
    room, number = np.empty((0, 4)), np.empty(0, np.int64)
    for index in order:
        request, left = requests[index], int(counts[index])
        if len(number):
            room, number, left = _fill(room, number, request, left)
        if left:
            each = int(_depth(shape[None], request)[0])
            full, rest = divmod(left, each)
            room = np.vstack([room, *([shape - each * request] if full else []), *([shape - rest * request] if rest else [])])
            number = np.append(number, [*([full] if full else []), *([1] if rest else [])])
    return int(number.sum())


def _depth(room: FloatArray, request: FloatArray) -> Counts:
    """(g,): how many tasks of a request fit into each room (g, 4)."""
    asked = request > 0
    return np.asarray(np.floor((room[:, asked] / request[asked]).min(axis=1) + SLACK), np.int64)


def _fill(room: FloatArray, number: Counts, request: FloatArray, left: int) -> tuple[FloatArray, Counts, int]:
    """The workers that are open, filled in their order with up to `left` tasks, and how many tasks are left then."""
    depth = np.maximum(_depth(room, request), 0)
    ends = np.cumsum(depth * number)
    last = int(np.searchsorted(ends, left))
    if last == len(ends):
        return room - depth[:, None] * request, number, left - int(ends[-1])
    before = left - (int(ends[last - 1]) if last else 0)
    each = int(depth[last])
    full, rest = divmod(before, each) if each else (0, 0)
    parts = [(full, each), (1 if rest else 0, rest), (int(number[last]) - full - (1 if rest else 0), 0)]
    split = [(count, taken) for count, taken in parts if count > 0]
    room = np.vstack([room[:last] - depth[:last, None] * request, *[room[last] - taken * request for _, taken in split], room[last + 1 :]])
    return room, np.concatenate([number[:last], [count for count, _ in split], number[last + 1 :]]).astype(np.int64), 0


def worth(one: WorkerType) -> float:
    """What a type is weighed by where types are compared: its price, or what OpenCost's unit prices make of it where that is not known."""
    return float(one.shape.vector() @ UNIT_PRICES) if math.isnan(one.hourly) else one.hourly


def on_types(types: Sequence[WorkerType], requests: FloatArray, counts: Sequence[Counts]) -> npt.NDArray[np.int64] | None:
    """(k, m): how many workers of each of m types hold counts[k] of the requests; None where a request fits on none of them.

    Each request goes to the type on which its share of a worker costs least, and each type is filled first-fit decreasing.
    """
    if not len(requests):
        return np.zeros((len(counts), len(types)), np.int64)
    # Names that ask for the same are packed as one.
    requests, same = np.unique(requests, axis=0, return_inverse=True)
    counts = [np.bincount(same.ravel(), weights=each, minlength=len(requests)).astype(np.int64) for each in counts]
    prices = np.array([[worth(one)] for one in types])
    cost = np.vstack([shares(one.shape.vector(), requests) for one in types]) * np.maximum(prices, 1e-9)
    if not np.isfinite(cost.min(axis=0)).all():
        return None
    goes = cost.argmin(axis=0)
    found = np.zeros((len(counts), len(types)), np.int64)
    for place, one in enumerate(types):
        rows = np.flatnonzero(goes == place)
        if len(rows):
            shape = one.shape.vector()
            found[:, place] = [workers_needed(shape, requests[rows], each[rows]) for each in counts]
    return found
