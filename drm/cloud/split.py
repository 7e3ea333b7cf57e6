"""What the time of a worker is paid for: each moment of it in parts that add up to the whole.

A worker has one price for several resources, which share it: resource r weighs capacity_r * unit price_r, divided by the sum of that over
its resources. The unit prices are only ever used in that ratio; they are OpenCost's defaults (docs/cost-split.md). What is free on a worker
has one cause at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.decision import ScalingDecision
from drm.model import STATE_CODE, FloatArray, TaskState
from drm.placement import SLACK
from drm.snapshot import Snapshot

UNIT_PRICES = np.array([0.031611, 0.004237 / 2**30, 0.95, 0.0])
"""(4,) per core, byte, device and byte of a device's memory (which comes with the device); per hour, in any currency."""

PARTS = (
    "used",
    "unused",
    "unmeasured",
    "others",
    "stranded",
    "spare",
    "kept",
    "min_bound",
    "idle_grace",
    "cooldown",
    "held",
    "draining",
    "boot",
    "billing_minimum",
)
"""used, unused: of what tasks and reservations requested. unmeasured: requested, and nobody knows whether it was used. others: held by
other users of the workers. stranded: free on a worker that holds something, and no waiting request fits there; spare: the same where one
would fit or none waits. Idle workers are kept (the policy wants them), there for the min_bound, or wait for their idle_grace, a cooldown
(or the stabilization window, the step limit, the third that may leave at once), or are held by another limit. draining: free on a worker
that takes no more tasks, as it is about to leave. boot: before its first tick as running. billing_minimum: billed for a worker that went
before its provider's least time, or before the hour that it had begun was over."""
USED, UNUSED, UNMEASURED, OTHERS, STRANDED, SPARE, KEPT, MIN_BOUND, IDLE_GRACE, COOLDOWN, HELD, DRAINING, BOOT, BILLING_MINIMUM = range(
    len(PARTS)
)

ENDED: tuple[TaskState, ...] = ("done", "failed", "lost", "cancelled")
"""How an attempt at a task ends. Only what a done one used was useful."""

_CAUSES: Mapping[str, int] = {
    "idle_grace": IDLE_GRACE,
    "cooldown": COOLDOWN,
    "stabilization": COOLDOWN,
    "step_limit": COOLDOWN,
    "at_once": COOLDOWN,
}
"""Which limit of the pipeline keeps idle workers that are too many; any other one holds them."""

_RUNNING, _DRAINING = STATE_CODE["running"], STATE_CODE["draining"]
_BOOTING = np.array([state in ("pending", "booting") for state in STATE_CODE])
_ONES = np.ones(4)
_CHARGED = np.array([state not in ("lost", "terminated") for state in STATE_CODE])


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """How the worker-second that begins now is divided, (n,) each; used, unused, unmeasured, others and free add up to 1, and to 0 of a
    worker that is not charged."""

    used: FloatArray
    unused: FloatArray
    unmeasured: FloatArray
    others: FloatArray
    free: FloatArray
    cause: npt.NDArray[np.intp]
    """(n,): the part of `PARTS` that what is free is."""
    booked: FloatArray
    """(n,): what is requested, be it more than the worker has."""

    def by_kind(self, kind: npt.NDArray[np.int64], kinds: int) -> FloatArray:
        """(k, 14): their sums."""
        sums = np.zeros((kinds, len(PARTS)))
        for part, column in ((USED, self.used), (UNUSED, self.unused), (UNMEASURED, self.unmeasured), (OTHERS, self.others)):
            if column.any():
                sums[:, part] = np.bincount(kind, weights=column, minlength=kinds)
        sums += np.bincount(kind * len(PARTS) + self.cause, weights=self.free, minlength=sums.size).reshape(sums.shape)
        return sums


def weights(capacity: FloatArray) -> FloatArray:
    """(n, 4): what part of its worker's price one unit of each resource is; 0 where the worker has none of it. capacity: (n, 4)."""
    worth = capacity * UNIT_PRICES
    whole = worth.sum(axis=1, keepdims=True)
    share = np.divide(UNIT_PRICES, whole, out=np.zeros_like(worth), where=(whole > 0) & (capacity > 0))
    return np.asarray(share, np.float64)


def shares(snapshot: Snapshot, per_unit: FloatArray) -> Shares:
    """How the workers of a snapshot are used now; `per_unit`: their `weights`."""
    charged = _CHARGED[snapshot.states]
    allocated = snapshot.allocated
    requested = booked = _dot(allocated, per_unit)
    if (allocated > snapshot.capacity).any():
        # A worker may have shrunk below what runs on it.
        allocated = np.minimum(allocated, snapshot.capacity)
        requested = _dot(allocated, per_unit)
    # fmin takes the request where nothing was measured.
    used = _dot(np.fmin(snapshot.used, allocated), per_unit)
    unmeasured = np.zeros(len(used))
    unknown = np.isnan(snapshot.used)
    if unknown.any():
        unmeasured = _dot(np.where(unknown, allocated, 0.0), per_unit)
        used = np.maximum(used - unmeasured, 0.0)
    unused = np.maximum(requested - used - unmeasured, 0.0)
    others = np.zeros(len(used))
    if snapshot.occupied.any():
        others = np.clip(_dot(snapshot.occupied, per_unit), 0.0, np.maximum(1.0 - requested, 0.0))
    if not charged.all():
        used, unused, unmeasured, others = (np.where(charged, one, 0.0) for one in (used, unused, unmeasured, others))
    free = np.maximum(charged - used - unused - unmeasured - others, 0.0)
    return Shares(used, unused, unmeasured, others, free, _causes(snapshot, free), booked)


def _dot(amounts: FloatArray, per_unit: FloatArray) -> FloatArray:
    # Several times as fast as einsum and as a sum over so short an axis.
    return np.asarray((amounts * per_unit) @ _ONES, np.float64)


def _causes(snapshot: Snapshot, free: FloatArray) -> npt.NDArray[np.intp]:
    cause = np.full(len(free), SPARE, np.intp)
    idle = ~np.isnan(snapshot.idle_since)
    partly = ~idle & (free > SLACK)
    if partly.any():
        cause[partly & ~_takes_more(snapshot)] = STRANDED
    _name_idle(snapshot, np.flatnonzero(idle), cause)
    cause[snapshot.states == _DRAINING] = DRAINING
    cause[_BOOTING[snapshot.states]] = BOOT
    return cause


def _takes_more(snapshot: Snapshot) -> npt.NDArray[np.bool_]:
    """(n,): where a request that waits has room, or would have if one waited."""
    open_to_more = snapshot.open_slots > 0
    requests = [line.resources.vector() for line in snapshot.waiting or () if line.feasible]
    if not requests:
        return open_to_more
    free = snapshot.capacity - snapshot.allocated - snapshot.occupied
    fits = np.zeros(len(free), bool)
    for request in requests:
        wanted = request > 0
        fits |= (free[:, wanted] >= request[wanted] * (1 - SLACK)).all(axis=1)
    return np.asarray(open_to_more & fits, bool)


def _name_idle(snapshot: Snapshot, rows: npt.NDArray[np.intp], cause: npt.NDArray[np.intp]) -> None:
    """Of the idle workers those that have been so the longest are too many, then come those of the minimum; the policy wants the rest."""
    decision = snapshot.last_decision
    if decision is None or not len(rows):
        cause[rows] = HELD
        return
    left = decision.current - (decision.count if decision.action == "scale_down" else 0)
    surplus = min(len(rows), max(0, left - decision.bounded))
    minimum = min(len(rows) - surplus, max(0, decision.bounded - decision.desired))
    if 0 < surplus < len(rows) or 0 < minimum < len(rows) - surplus:
        rows = rows[np.argsort(snapshot.idle_since[rows], kind="stable")]
    cause[rows[:surplus]] = _limit(decision)
    cause[rows[surplus : surplus + minimum]] = MIN_BOUND
    cause[rows[surplus + minimum :]] = KEPT


def _limit(decision: ScalingDecision) -> int:
    return next((_CAUSES[blocker.code] for blocker in reversed(decision.blockers) if blocker.code in _CAUSES), HELD)
