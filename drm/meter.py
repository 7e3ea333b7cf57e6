"""What a pool's workers have cost so far, and what for: each worker-second in its parts, and what each attempt at a task took.

As there, the time between two looks is charged for what the earlier one saw. An attempt takes its request's share of its worker from the
look that saw it placed until the one that saw its end; of what its worker used it has the part that it has of what was requested there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drm.cloud.accrual import CHARGED, STATES, Accrual, Spend
from drm.cloud.billing import Billing
from drm.cloud.split import BILLING_MINIMUM, ENDED, OTHERS, PARTS, UNMEASURED, UNUSED, USED, Shares, shares, weights
from drm.history.worker_spends import WorkerSpends
from drm.model import FloatArray, InstanceKind, Task
from drm.snapshot import Snapshot
from drm.tasks import TaskChange

MOST_NAMES = 1_000
"""Names of tasks come from outside: further ones share one."""
OTHER_NAMES = "other names"


@dataclass(frozen=True, slots=True)
class TaskCost:
    """What the ended attempts at tasks of one name took on one kind of instance, in worker-seconds."""

    attempts: int = 0
    requested: float = 0.0
    used: float = 0.0
    useful: float = 0.0
    """What done ones used."""


TaskCosts = Mapping[tuple[str, InstanceKind], TaskCost]
"""By name of task and kind of instance."""


@dataclass(frozen=True, slots=True)
class _Open:
    """An attempt that runs: the part of its worker that it asked for, and where the worker's counters stood."""

    worker_id: str
    share: float
    seconds: float
    used: float


class Meter(Accrual):
    """Meets `Accrual` for the workers of a pool, and adds what each of them was paid for to `workers`."""

    def __init__(self, workers: WorkerSpends) -> None:
        super().__init__()
        self.workers = workers
        self.billing: Mapping[str, Billing] = {}
        """By name of provider, of those that said how they bill."""
        self._by_task: dict[tuple[str, InstanceKind], TaskCost] = {}
        self._names: set[str] = set()
        self._open: dict[str, _Open] = {}
        self._rows: dict[str, int] = {}
        self._ids: tuple[str, ...] = ()
        self._kind: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._capacity: FloatArray = np.empty((0, 4))
        self._weights: FloatArray = np.empty((0, 4))
        self._counters: FloatArray = np.empty((2, 0))
        """(2, n): charged seconds of each worker, and of them used / requested."""
        self._rates: FloatArray = np.empty((2, 0))
        """(2, n): what a second adds to them."""
        self._came: npt.NDArray[np.bool_] = np.empty(0, bool)
        """(n,): whose begin was seen, so that it is known how long they were there."""
        self._shares: Shares | None = None
        """As of the last look."""
        self._parts: FloatArray = np.empty((0, len(PARTS)))
        """(k, 14): what a second adds to the parts."""

    def load(self, spend: Spend) -> None:
        """As `Accrual.load`; attempts of an earlier run are not known of."""
        kinds = len(spend.kinds)
        parts = np.zeros((kinds, len(PARTS))) if spend.parts is None else spend.parts
        ended = np.zeros((kinds, len(ENDED))) if spend.ended is None else spend.ended
        super().load(replace(spend, parts=parts, ended=ended))

    def look(self, snapshot: Snapshot, sampling_seconds: float, changes: Sequence[TaskChange] = ()) -> Spend:
        """A look at the pool, with what its tasks did since the last one."""
        kinds, last = snapshot.kinds, self.spend
        _, counted = self._passed(snapshot.time, sampling_seconds)
        parts, ended = np.zeros((len(kinds), len(PARTS))), np.zeros((len(kinds), len(ENDED)))
        if last.parts is not None and last.ended is not None:
            parts[: len(last.parts)], ended[: len(last.ended)] = last.parts, last.ended
        parts[: len(self._parts)] += counted * self._parts
        self._counters += counted * self._rates
        if self._shares is not None:
            self.workers.add(counted, _columns(self._shares), self._shares.free, self._shares.cause)
        # Who ended is settled on the counters of the workers as the last look knew them.
        for change in changes:
            self._settle(change, kinds, ended)
        was = self._was(snapshot)
        beyond = self._bill_gone(snapshot, was, parts)
        self.workers.tick(snapshot.time)
        self._match(snapshot, was)
        now = self._shares = shares(snapshot, self._weights)
        self._parts, self._rates = now.by_kind(snapshot.kind, len(kinds)), _rates(now)
        for task in _running(changes):
            self._begin(task)
        flat = np.bincount(snapshot.kind * STATES + snapshot.states, minlength=len(kinds) * STATES)
        spend = self.add(snapshot.time, kinds, flat.reshape(len(kinds), STATES), sampling_seconds)
        seconds = spend.seconds + beyond
        for array in (parts, ended, seconds):
            array.flags.writeable = False
        self.spend = replace(spend, seconds=seconds, parts=parts, ended=ended)
        return self.spend

    def task_costs(self) -> dict[tuple[str, InstanceKind], TaskCost]:
        """What the ended attempts took, by name of task and kind of instance: a copy, for any thread."""
        return dict(self._by_task)

    def _was(self, snapshot: Snapshot) -> npt.NDArray[np.intp]:
        """(n,): the row that each worker of the snapshot had at the last look; -1 of those who are new."""
        if snapshot.worker_ids is self._ids:
            return np.arange(len(self._ids))
        return np.fromiter((self._rows.get(worker_id, -1) for worker_id in snapshot.worker_ids), np.intp, len(snapshot.worker_ids))

    def _match(self, snapshot: Snapshot, was: npt.NDArray[np.intp]) -> None:
        """The counters in the order of the snapshot's workers; who is new begins at nothing."""
        moved = snapshot.worker_ids is not self._ids
        if moved or not np.array_equal(self._kind, snapshot.kind):
            self.workers.members(snapshot.worker_ids, was, snapshot.kinds, snapshot.kind)
        if moved:
            is_first = math.isnan(self.spend.time)
            self._counters = np.where(was >= 0, np.concatenate([self._counters, np.zeros((2, 1))], axis=1)[:, was], 0.0)
            self._came = np.where(was >= 0, np.append(self._came, False)[was], not is_first)
            self._ids = snapshot.worker_ids
            self._rows = {worker_id: row for row, worker_id in enumerate(snapshot.worker_ids)}
        self._kind = snapshot.kind
        if not np.array_equal(self._capacity, snapshot.capacity):
            self._capacity, self._weights = snapshot.capacity, weights(snapshot.capacity)

    def _bill_gone(self, snapshot: Snapshot, was: npt.NDArray[np.intp], parts: FloatArray) -> FloatArray:
        """(k,): seconds that are billed beyond their time for workers that went, added to the parts as well."""
        beyond = np.zeros(len(parts))
        if not self.billing or (snapshot.worker_ids is self._ids and CHARGED[snapshot.states].all()):
            return beyond
        gone = self._came.copy()
        gone[was[(was >= 0) & CHARGED[snapshot.states]]] = False
        for row in np.flatnonzero(gone).tolist():
            kind = int(self._kind[row])
            bill = self.billing.get(snapshot.kinds[kind].provider or "")
            seconds = bill.beyond(float(self._counters[0, row])) if bill else 0.0
            if seconds > 0:
                beyond[kind] += seconds
                parts[kind, BILLING_MINIMUM] += seconds
                self.workers.settle(row, BILLING_MINIMUM, seconds)
        # A lost one may come back: it is billed for having gone once.
        self._came &= ~gone
        return beyond

    def _begin(self, task: Task) -> None:
        row = self._rows.get(task.worker_id or "")
        if row is None or task.worker_id is None:
            return
        share = float(task.resources.vector() @ self._weights[row])
        seconds, used = self._counters[:, row].tolist()
        self._open[task.id] = _Open(task.worker_id, share, seconds, used)

    def _settle(self, change: TaskChange, kinds: Sequence[InstanceKind], ended: FloatArray) -> None:
        task = change.task
        opened = self._open.pop(task.id, None) if task.state in ENDED else None
        row = self._rows.get(opened.worker_id) if opened else None
        if opened is None or row is None:
            return
        seconds, used = (self._counters[:, row] - (opened.seconds, opened.used)).tolist()
        kind = int(self._kind[row])
        how, taken = ENDED.index(task.state), opened.share * used
        ended[kind, how] += taken
        self.workers.settle(row, len(PARTS) + how, taken)
        key = self._name(task.name), kinds[kind]
        before = self._by_task.get(key, TaskCost())
        self._by_task[key] = TaskCost(
            attempts=before.attempts + 1,
            requested=before.requested + opened.share * seconds,
            used=before.used + taken,
            useful=before.useful + (taken if task.state == "done" else 0.0),
        )

    def _name(self, name: str) -> str:
        if name not in self._names and len(self._names) >= MOST_NAMES:
            return OTHER_NAMES
        self._names.add(name)
        return name


def _running(changes: Sequence[TaskChange]) -> list[Task]:
    """The tasks that have come to run, and still do."""
    last = {change.task.id: change.task for change in changes}
    return [task for task in last.values() if task.state == "running"]


def _columns(seen: Shares) -> tuple[tuple[int, FloatArray], ...]:
    return (USED, seen.used), (UNUSED, seen.unused), (UNMEASURED, seen.unmeasured), (OTHERS, seen.others)


def _rates(now: Shares) -> FloatArray:
    charged = now.used + now.unused + now.unmeasured + now.others + now.free
    return np.array([charged, np.divide(now.used, now.booked, out=np.zeros_like(now.booked), where=now.booked > 0)])
