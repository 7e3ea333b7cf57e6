"""Stranded capacity: what is free on workers and fits no request that waits, by what is lacking there.

Requests that no worker of the pool could ever hold strand nothing: it is not free capacity that they lack.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.model import IS_ACTIVE, RESOURCES, FloatArray
from drm.placement import SLACK
from drm.snapshot import Snapshot, WaitingLine


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Why the tasks of one request fit on no worker that takes tasks."""

    line: WaitingLine
    fits: int
    """Workers that have room for one now."""
    blocked: tuple[int, ...]
    """(4,): workers on which this resource is what it lacks most."""
    closest: str | None
    """The worker that lacks least; None where all lack a resource altogether."""
    resource: str
    """What is lacking there, and how much of it."""
    lack: float


@dataclass(frozen=True, slots=True, eq=False)
class Stranded:
    """Where the free capacity is: free >= stranded + closed, in each resource; the rest takes what waits, or nothing waits."""

    free: FloatArray
    closed: FloatArray
    """free, closed: (4,); closed is free on workers that take no task now (cordoned, draining, or holding as many as they may)."""
    by_blocker: tuple[tuple[str, int, FloatArray], ...]
    """(resource, workers, amounts (4,)) of workers on which no request in the queue fits, by what the one that comes closest lacks."""
    lines: tuple[Unplaced, ...]
    infeasible: int
    """Queued tasks that no worker of the pool could ever hold."""

    @property
    def amounts(self) -> FloatArray:
        """(4,): what is stranded."""
        return np.sum([amounts for _, _, amounts in self.by_blocker], axis=0) if self.by_blocker else np.zeros(4)

    @property
    def workers(self) -> int:
        """On how many workers."""
        return sum(workers for _, workers, _ in self.by_blocker)


def stranded(snapshot: Snapshot) -> Stranded | None:
    """What is free on active workers and fits none of the requests that wait; None where one of both is not known of a moment of the
    past."""
    active = IS_ACTIVE[snapshot.states]
    held = snapshot.allocated[active] + snapshot.occupied[active]
    if snapshot.waiting is None or np.isnan(held).any():
        return None
    free = np.where(active[:, None], np.maximum(snapshot.capacity - snapshot.allocated - snapshot.occupied, 0.0), 0.0)
    taking = active & (snapshot.open_slots > 0)
    least, blocker = np.full(len(free), np.inf), np.full(len(free), -1)
    unplaced = []
    for line in snapshot.waiting:
        if not line.feasible:
            continue
        request = line.resources.vector()
        short = np.where(free < request * (1 - SLACK), request - free, 0.0)
        share = np.divide(short, snapshot.capacity, out=np.where(short > 0, np.inf, 0.0), where=snapshot.capacity > 0)
        worst, which = share.max(axis=1), share.argmax(axis=1)
        closer = (worst < least) | (blocker < 0)
        least, blocker = np.where(closer, worst, least), np.where(closer, which, blocker)
        unplaced.append(_unplaced(snapshot, line, short, np.where(taking, worst, np.inf), which, taking & (worst > 0)))
    holding_some = taking & (free > 0).any(axis=1) & (least > 0)
    parts = []
    for index, resource in enumerate(RESOURCES):
        rows = holding_some & (blocker == index)
        if rows.any():
            parts.append((resource, int(rows.sum()), free[rows].sum(axis=0)))
    return Stranded(free.sum(axis=0), free[active & ~taking].sum(axis=0), tuple(parts), tuple(unplaced), snapshot.tasks.infeasible or 0)


def _unplaced(
    snapshot: Snapshot, line: WaitingLine, short: FloatArray, worst: FloatArray, which: npt.NDArray[np.intp], blocked: npt.NDArray[np.bool_]
) -> Unplaced:
    counts = np.bincount(which[blocked], minlength=len(RESOURCES))
    best = int(worst.argmin()) if len(worst) else -1
    known = best >= 0 and math.isfinite(worst[best])
    return Unplaced(
        line=line,
        fits=int((worst <= 0).sum()),
        blocked=tuple(counts.tolist()),
        closest=snapshot.worker_ids[best] if known else None,
        resource=RESOURCES[int(which[best])] if known else RESOURCES[int(counts.argmax())],
        lack=float(short[best, which[best]]) if known else math.nan,
    )
