"""More workers than rows: which of them share a row of a heatmap, and in which order rows stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from drm.history.window import CELLS_PER_UNIT, MISSING, Row

Cells = npt.NDArray[np.uint8]

LOAD_STEP = 0.05
"""Workers whose mean load differs by less stand in the order of their ids, so that rows do not dance from one refresh to the next."""
HIGH_PERCENT = 95
"""Of this part of its members a group's `high` is the most."""
NAMES_REMEMBERED = 32_768

Order = Literal["part", "load", "name"]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Of n workers those that are shown, and how."""

    shown: npt.NDArray[np.bool_]
    """(n,)"""
    part: tuple[str, ...]
    """(n,) in words what workers of one row share; parts stand in the order of these words."""
    order: Order
    """By part and in it by load where rows are shared, by name where they are not; or all by load, or all by name."""
    is_filtered: bool
    """Whether some might be left out."""


Arrange = Callable[[Sequence[str]], Arrangement]
"""Arranges workers, given in natural order of their ids."""


def as_they_are(worker_ids: Sequence[str]) -> Arrangement:
    """All of one part."""
    return Arrangement(np.ones(len(worker_ids), bool), ("",) * len(worker_ids), "part", is_filtered=False)


@lru_cache(NAMES_REMEMBERED)
def natural_key(worker_id: str) -> str:
    """Sorts w2 before w10."""
    return re.sub(r"[0-9]+", _sortable, worker_id)


def _sortable(digits: re.Match[str]) -> str:
    """The longer number is the larger one; numbers come before letters."""
    number = digits[0].lstrip("0")
    return f"\0{chr(32 + len(number))}{number}"


def singly(
    worker_ids: Sequence[str], mean: Cells, maximum: Cells, _most_rows: int, arrangement: Arrangement, *, high: bool
) -> tuple[list[Row], Cells, Cells, Cells | None]:
    """As `grouped`, with a row for each worker; the high of one is its mean."""
    if arrangement.order == "load":
        order = np.argsort(_load(mean), kind="stable")
    elif arrangement.order == "part":
        order = np.array(sorted(range(len(worker_ids)), key=arrangement.part.__getitem__), np.intp)
    else:
        order = np.arange(len(worker_ids))
    rows = [Row(worker_ids[row], (worker_ids[row],), worker_ids[row]) for row in order.tolist()]
    return rows, mean[order], maximum[order], mean[order] if high else None


def grouped(
    worker_ids: Sequence[str], mean: Cells, maximum: Cells, most_rows: int, arrangement: Arrangement, *, high: bool
) -> tuple[list[Row], Cells, Cells, Cells | None]:
    """The rows, and their (r, c) mean, max and, if asked for, high: neighbours together, within their part, as evenly as it goes.

    `worker_ids` are in natural order; mean, maximum: (k, c). The mean of a group is the mean of its members' means, its high the least that
    95 of 100 of their means do not exceed.
    """
    load, part = _load(mean), arrangement.part
    by_name = arrangement.order == "name"
    loads = [0] * len(worker_ids) if by_name else load.tolist()
    order = sorted(range(len(worker_ids)), key=lambda row: (part[row], loads[row]))
    parts = [list(members) for _, members in groupby(order, key=lambda row: part[row])]
    shares = _shares([len(members) for members in parts], most_rows)
    chunks = [sorted(chunk) for members, count in zip(parts, shares, strict=True) for chunk in _split(members, count)]
    if by_name:
        chunks.sort(key=lambda chunk: chunk[0])
    elif arrangement.order == "load":
        chunks.sort(key=lambda chunk: float(load[chunk].mean()))
    peaks, rows, means, maxima, highs = _peaks(maximum, load), [], [], [], []
    for members in chunks:
        hottest = worker_ids[members[int(np.argmax(peaks[members]))]]
        ids = tuple(worker_ids[row] for row in members)
        rows.append(Row(_label(ids, part[members[0]], None if by_name else load[members]), ids, hottest))
        cells = mean[members]
        means.append(_mean_of(cells))
        # Missing is the largest byte; one up it wraps to the smallest, and one down again after the max.
        maxima.append(np.maximum.reduce(maximum[members] + np.uint8(1), axis=0) - np.uint8(1))
        if high:
            highs.append(_high_of(cells))
    return rows, np.array(means, np.uint8), np.array(maxima, np.uint8), np.array(highs, np.uint8) if high else None


def _load(mean: Cells) -> npt.NDArray[np.int64]:
    """The mean over the window, highest first, in whole `LOAD_STEP`s; a worker without a sample comes last."""
    known = (mean != MISSING).sum(axis=1)
    total = mean.sum(axis=1, dtype=np.int64) - MISSING * (mean.shape[1] - known)
    steps = np.rint(total / np.maximum(known, 1) / (CELLS_PER_UNIT * LOAD_STEP)).astype(np.int64)
    return np.where(known > 0, -steps, 1)


def _peaks(maximum: Cells, load: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(k,) larger for a worker with a higher maximum, and among those with the same for one with more load."""
    peaks: npt.NDArray[np.int64] = np.max(maximum + np.uint8(1), axis=1, initial=0).astype(np.int64) * 1000 - load
    return peaks


def _shares(sizes: Sequence[int], most_rows: int) -> list[int]:
    """How many rows each part gets: at least one, no more than it has workers, and otherwise by size."""
    total = sum(sizes)
    spare = max(0, most_rows - len(sizes))
    return [min(size, 1 + size * spare // total) for size in sizes]


def _split(members: list[int], count: int) -> list[list[int]]:
    edges = [round(index * len(members) / count) for index in range(count + 1)]
    return [members[start:end] for start, end in pairwise(edges)]


def _label(worker_ids: Sequence[str], part: str, load: npt.NDArray[np.int64] | None) -> str:
    """Of a group by name from which to which, else how much its members are loaded."""
    if len(worker_ids) == 1:
        return worker_ids[0]
    count = f"{part}: {len(worker_ids)}" if part else f"{len(worker_ids)} workers"
    if load is None:
        return f"{count}, {worker_ids[0]} to {worker_ids[-1]}"
    least, most = (round(-100 * LOAD_STEP * float(one)) for one in (load.max(), load.min()))
    return f"{count} at {most} %" if least == most else f"{count} at {least}–{most} %"


def _mean_of(cells: Cells) -> Cells:
    known = cells != MISSING
    count = known.sum(axis=0)
    total = np.where(known, cells, 0).sum(axis=0, dtype=np.int64)
    return np.where(count > 0, (total + count // 2) // np.maximum(count, 1), MISSING).astype(np.uint8)


def _high_of(cells: Cells) -> Cells:
    """The nearest rank among the known; missing, the largest byte, sorts last."""
    known = (cells != MISSING).sum(axis=0)
    rank = np.maximum(-(-known * HIGH_PERCENT // 100) - 1, 0)
    high = np.take_along_axis(np.sort(cells, axis=0), rank[None, :], axis=0)[0]
    return np.where(known > 0, high, MISSING).astype(np.uint8)
