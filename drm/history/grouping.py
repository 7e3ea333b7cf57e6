"""More workers than rows: which of them share a row of a heatmap."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt

from drm.history.window import CELLS_PER_UNIT, MISSING, Row

Cells = npt.NDArray[np.uint8]

LOAD_STEP = 0.05
"""Workers whose mean load differs by less stand in the order of their ids, so that rows do not dance from one refresh to the next."""


def natural_key(worker_id: str) -> tuple[tuple[bool, int, str], ...]:
    """Sorts w2 before w10."""
    return tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.findall(r"\d+|\D+", worker_id))


def grouped(
    worker_ids: Sequence[str], mean: Cells, maximum: Cells, most_rows: int, pools: Mapping[str, str] | None
) -> tuple[list[Row], Cells, Cells]:
    """The rows, and their (r, c) mean and max: by pool, then by load, neighbours together, as evenly as it goes.

    `worker_ids` are in natural order; mean, maximum: (k, c). The mean of a group is the mean of its members' means.
    """
    load = _load(mean)
    pool = [(pools or {}).get(worker_id, "") for worker_id in worker_ids]
    order = sorted(range(len(worker_ids)), key=lambda row: (pool[row], load[row]))
    parts = [list(members) for _, members in groupby(order, key=lambda row: pool[row])]
    chunks = [
        chunk for part, count in zip(parts, _shares([len(part) for part in parts], most_rows), strict=True) for chunk in _split(part, count)
    ]
    rows, means, maxima = [], [], []
    for chunk in chunks:
        members = sorted(chunk)
        rows.append(_row([worker_ids[row] for row in members], pool[members[0]]))
        means.append(_mean_of(mean[members]))
        # Missing is the largest byte; one up it wraps to the smallest, and one down again after the max.
        maxima.append(np.maximum.reduce(maximum[members] + np.uint8(1), axis=0) - np.uint8(1))
    return rows, np.array(means, np.uint8), np.array(maxima, np.uint8)


def _load(mean: Cells) -> npt.NDArray[np.int64]:
    """The mean over the window, highest first, in whole `LOAD_STEP`s; a worker without a sample comes last."""
    known = mean != MISSING
    total = np.where(known, mean, 0).sum(axis=1, dtype=np.int64)
    steps = np.rint(total / np.maximum(known.sum(axis=1), 1) / (CELLS_PER_UNIT * LOAD_STEP)).astype(np.int64)
    return np.where(known.any(axis=1), -steps, 1)


def _shares(sizes: Sequence[int], most_rows: int) -> list[int]:
    """How many rows each pool gets: at least one, no more than it has workers, and otherwise by size."""
    total = sum(sizes)
    spare = max(0, most_rows - len(sizes))
    return [min(size, 1 + size * spare // total) for size in sizes]


def _split(members: list[int], count: int) -> list[list[int]]:
    edges = [round(index * len(members) / count) for index in range(count + 1)]
    return [members[start:end] for start, end in pairwise(edges)]


def _row(worker_ids: list[str], pool: str) -> Row:
    if len(worker_ids) == 1:
        return Row(worker_ids[0], (worker_ids[0],))
    label = f"{len(worker_ids)} workers, {worker_ids[0]} to {worker_ids[-1]}"
    return Row(f"{pool}: {label}" if pool else label, tuple(worker_ids))


def _mean_of(cells: Cells) -> Cells:
    known = cells != MISSING
    count = known.sum(axis=0)
    total = np.where(known, cells, 0).sum(axis=0, dtype=np.int64)
    return np.where(count > 0, (total + count // 2) // np.maximum(count, 1), MISSING).astype(np.uint8)
