"""The workers as columns: row i of every column is the same worker, `ids[i]`.

Rows stand in the order in which workers joined; removing some closes the gap and keeps the order of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from drm.errors import UnknownIdError
from drm.model import RESOURCES, STATE_CODE, WORKER_STATES, FloatArray, Resources, Worker, WorkerState

RUNNING = STATE_CODE["running"]
INITIAL_ROWS = 16

_COLUMNS: Mapping[str, tuple[tuple[int, ...], str, float]] = {
    "capacity": ((4,), "f8", 0.0),
    "allocated": ((4,), "f8", 0.0),
    "used": ((4,), "f8", np.nan),
    "occupied": ((4,), "f8", 0.0),
    "states": ((), "u1", 0),
    "slots": ((), "i8", 0),
    "reserved": ((), "i8", 0),
    "started_at": ((), "f8", np.nan),
    "last_seen": ((), "f8", np.nan),
    "idle_since": ((), "f8", np.nan),
    "price": ((), "f8", np.nan),
    "kind": ((), "i8", 0),
}
"""Column -> shape of one row, dtype, and the value that a new row starts with."""


class Fleet:
    """Columns over n workers, and id <-> row.

    Invariant: `reserved[i]` live reservations add up to `allocated[i]`, which is exactly 0 where there are none.
    """

    capacity: FloatArray
    """(n, 4) what the worker has"""
    allocated: FloatArray
    """(n, 4) the sum of its reservations"""
    used: FloatArray
    """(n, 4) measured; NaN where it was not"""
    occupied: FloatArray
    """(n, 4) held by others than us"""
    states: npt.NDArray[np.uint8]
    """(n,) codes of `STATE_CODE`"""
    slots: npt.NDArray[np.int64]
    """(n,) how many reservations it takes at most"""
    reserved: npt.NDArray[np.int64]
    """(n,) how many reservations it holds"""
    started_at: FloatArray
    """(n,) when it first was `running`; NaN before"""
    last_seen: FloatArray
    """(n,) when it was last heard of"""
    idle_since: FloatArray
    """(n,) since when it has had nothing to do; NaN while it has"""
    price: FloatArray
    """(n,) what it costs per hour; NaN where that is not known"""
    kind: npt.NDArray[np.int64]
    """(n,) the number of its kind of instance, in the pool's `Kinds`"""

    def __init__(self) -> None:
        self._store = {name: np.full((INITIAL_ROWS, *shape), start, dtype) for name, (shape, dtype, start) in _COLUMNS.items()}
        self._rows: dict[str, int] = {}
        self._ids: tuple[str, ...] | None = ()
        self.labels: dict[str, Mapping[str, str]] = {}
        self._bind()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, worker_id: str) -> bool:
        return worker_id in self._rows

    @property
    def ids(self) -> tuple[str, ...]:
        """Worker ids by row; the same object as long as the membership is the same."""
        if self._ids is None:
            self._ids = tuple(self._rows)
        return self._ids

    def row(self, worker_id: str) -> int:
        """The row of a worker; UnknownIdError where there is none."""
        try:
            return self._rows[worker_id]
        except KeyError:
            raise UnknownIdError(f"no worker has the id {worker_id!r}; ids are those of `snapshot.worker_ids`") from None

    def rows(self, worker_ids: Iterable[str]) -> npt.NDArray[np.intp]:
        """The rows of workers that are all known."""
        return np.fromiter((self.row(worker_id) for worker_id in worker_ids), dtype=np.intp)

    def add(
        self,
        worker_ids: Sequence[str],
        capacity: FloatArray,
        slots: npt.NDArray[np.int64],
        states: npt.NDArray[np.uint8],
        labels: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Appends k workers that are not yet here: capacity (k, 4), slots (k,), states (k,)."""
        first, size = len(self._rows), len(self._rows) + len(worker_ids)
        if len(set(worker_ids)) < len(worker_ids) or any(worker_id in self._rows for worker_id in worker_ids):
            raise ValueError("a worker was added twice")
        self._rows.update(zip(worker_ids, range(first, size), strict=True))
        self._reserve_rows(size)
        for name, (_, _, start) in _COLUMNS.items():
            self._store[name][first:size] = start
        self._bind()
        self._ids = None
        self.capacity[first:] = capacity
        self.slots[first:] = slots
        self.states[first:] = states
        self.labels.update({worker_id: dict(labels[worker_id]) for worker_id in worker_ids if labels.get(worker_id)})

    def remove(self, worker_ids: Iterable[str]) -> None:
        """Takes workers out; the other rows move up."""
        gone = set(worker_ids)
        if not gone:
            return
        ids = self.ids
        keep = np.fromiter((worker_id not in gone for worker_id in ids), dtype=bool, count=len(ids))
        size = int(keep.sum())
        for column in self._store.values():
            column[:size] = column[: len(ids)][keep]
        self._rows = {worker_id: row for row, worker_id in enumerate(worker_id for worker_id in ids if worker_id not in gone)}
        self._ids = None
        for worker_id in gone:
            self.labels.pop(worker_id, None)
        self._bind()

    def reserve(self, rows: npt.NDArray[np.intp], request: FloatArray) -> None:
        """Books the same request (4,) on each of these rows, which are idle no more; a row may stand there several times."""
        counts = np.bincount(rows, minlength=len(self))
        touched = np.flatnonzero(counts)
        self.allocated[touched] += counts[touched, None] * request
        self.reserved[touched] += counts[touched]
        self.idle_since[touched] = np.nan

    def release(self, row: int, request: FloatArray) -> None:
        """Gives one request (4,) back."""
        self.reserved[row] -= 1
        # Sums of floats drift; a worker without a reservation has exactly nothing allocated.
        self.allocated[row] = 0.0 if self.reserved[row] == 0 else np.maximum(self.allocated[row] - request, 0.0)

    def set_state(self, worker_id: str, state: WorkerState) -> None:
        """Puts a worker into a state; UnknownIdError where there is none."""
        self.states[self.row(worker_id)] = STATE_CODE[state]

    def state(self, worker_id: str) -> WorkerState:
        """The state of a worker; UnknownIdError where there is none."""
        return WORKER_STATES[int(self.states[self.row(worker_id)])]

    def free(self) -> FloatArray:
        """(n, 4): capacity that is neither allocated nor occupied by others; never negative."""
        return np.maximum(self.capacity - self.allocated - self.occupied, 0.0)

    def open_slots(self) -> npt.NDArray[np.int64]:
        """(n,): how many more reservations each worker takes now; 0 where it is not running."""
        return np.where(self.states == RUNNING, np.maximum(self.slots - self.reserved, 0), 0)

    def worker(self, worker_id: str) -> Worker:
        """A copy of one row; UnknownIdError where there is none."""
        row = self.row(worker_id)
        return Worker(
            id=worker_id,
            state=WORKER_STATES[int(self.states[row])],
            capacity=Resources.of(self.capacity[row]),
            allocated=Resources.of(self.allocated[row]),
            used=dict(zip(RESOURCES, self.used[row].tolist(), strict=True)),
            labels=self.labels.get(worker_id, {}),
            started_at=float(self.started_at[row]),
            running_tasks=int(self.reserved[row]),
        )

    def _reserve_rows(self, size: int) -> None:
        held = len(self._store["states"])
        if size <= held:
            return
        for name, (shape, dtype, start) in _COLUMNS.items():
            grown = np.full((max(size, 2 * held), *shape), start, dtype)
            grown[:held] = self._store[name]
            self._store[name] = grown

    def _bind(self) -> None:
        for name, column in self._store.items():
            setattr(self, name, column[: len(self._rows)])
