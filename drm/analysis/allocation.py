"""How a pool's capacity is allocated: which workers are shown, what they hold, what is packed, stranded and uneven.

Rows are numbers of rows of the snapshot. Only active workers count: others hold no task.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.analysis.imbalance import Imbalance, imbalance
from drm.analysis.packing import Packed, Rows, mean_packing, packing
from drm.analysis.stranded import Stranded, stranded
from drm.history.grouping import natural_key
from drm.model import IS_ACTIVE, RESOURCES, WORKER_STATES, FloatArray
from drm.snapshot import Snapshot, count_measured, utilization

SORTS = ("name", "allocated", "slack")
"""By name; the most allocated first; the most slack (allocated - used) first."""
SLACK_STEP = 0.05
"""Slack is measured and never quite still: amounts that differ by less than this part of the largest worker keep their order."""
MOST_ROWS, MOST_SEGMENTS = 30, 300
"""What one answer shows at most, however many workers there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Holding:
    """What one worker, or several together, has and holds."""

    label: str
    """The worker's id; empty where several are summed."""
    state: str
    workers: int
    capacity: FloatArray
    allocated: FloatArray
    used: FloatArray
    """capacity, allocated, used: (4,); used is NaN where nothing was measured."""
    utilization: FloatArray
    """(4,): used / capacity over those that were measured."""
    measured: npt.NDArray[np.int64]
    having: npt.NDArray[np.int64]
    """(4,): of how many each resource was measured, and how many have it."""


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """Everything that is to be said of a snapshot's allocation, with one resource looked at."""

    resource: str
    """The one that was asked for; the first that is there where the pool has none of that."""
    present: tuple[str, ...]
    """What active workers have; empty where there is none of them."""
    shown: int
    hidden: int
    """Workers with a row of their own, and without."""
    holdings: tuple[Holding, ...]
    """All workers, if there are several; each of those shown; the others together, if there are others."""
    packed: tuple[Packed, ...]
    """Workers that have the resource, in the same order; the others' mean, if there are others."""
    packed_hidden: int
    """packed, packed_hidden: empty and 0 where it is not known which tasks ran."""
    stranded: Stranded | None
    """None: not known of a moment of the past."""
    imbalance: Imbalance | None


def look(snapshot: Snapshot, resource: str, sort: str, most_rows: int = MOST_ROWS, most_segments: int = MOST_SEGMENTS) -> Allocation:
    """The allocation of a snapshot, in at most so many rows and segments."""
    active = IS_ACTIVE[snapshot.states]
    present = tuple(name for index, name in enumerate(RESOURCES) if (snapshot.capacity[active, index] > 0).any())
    if present and resource not in present:
        resource = present[0]
    rows = ordered(snapshot, resource, sort)
    shown, rest = rows[:most_rows], rows[most_rows:]
    holders = rows[snapshot.capacity[rows, RESOURCES.index(resource)] > 0]
    few, others = (holders[:most_rows], holders[most_rows:]) if snapshot.running_tasks is not None else (holders[:0], holders[:0])
    packed = packing(snapshot, resource, few, most_segments)
    return Allocation(
        resource=resource,
        present=present,
        shown=len(shown),
        hidden=len(rest),
        holdings=(
            *([holding(snapshot, rows)] if len(rows) > 1 else []),
            *(holding(snapshot, rows[at : at + 1]) for at in range(len(shown))),
            *([holding(snapshot, rest)] if len(rest) else []),
        ),
        packed=(*packed, *([mean_packing(snapshot, resource, others)] if len(others) else [])),
        packed_hidden=len(others),
        stranded=stranded(snapshot),
        imbalance=imbalance(snapshot, resource),
    )


def ordered(snapshot: Snapshot, resource: str, sort: str) -> Rows:
    """The active rows; those without the resource come last, unless by name."""
    index = RESOURCES.index(resource)
    rows = np.flatnonzero(IS_ACTIVE[snapshot.states])
    if sort == "name":
        return np.array(sorted(rows.tolist(), key=lambda row: natural_key(snapshot.worker_ids[row])), dtype=np.intp)
    capacity, allocated = snapshot.capacity[rows, index], snapshot.allocated[rows, index]
    if sort == "slack":
        step = SLACK_STEP * float(capacity.max(initial=0.0)) or 1.0
        key = np.rint((allocated - snapshot.used[rows, index]) / step)
    else:
        key = np.divide(allocated, capacity, out=np.full(len(rows), np.nan), where=capacity > 0)
    # NaN sorts last.
    return rows[np.argsort(np.where(capacity > 0, -key, np.nan), kind="stable")]


def holding(snapshot: Snapshot, rows: Rows) -> Holding:
    """What these rows have and hold together."""
    capacity, allocated, used = (columns[rows] for columns in (snapshot.capacity, snapshot.allocated, snapshot.used))
    alone = len(rows) == 1
    measured, having = count_measured(used, capacity)
    return Holding(
        label=snapshot.worker_ids[rows[0]] if alone else "",
        state=WORKER_STATES[snapshot.states[rows[0]]] if alone else "",
        workers=len(rows),
        capacity=capacity.sum(axis=0),
        allocated=allocated.sum(axis=0),
        used=np.where(np.isnan(used).all(axis=0), np.nan, np.nansum(used, axis=0)),
        utilization=utilization(used, capacity),
        measured=measured,
        having=having,
    )
