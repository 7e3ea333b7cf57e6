"""The live claims on workers. The fleet's `allocated` column is their sum, and this is the only place that changes it."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import count

import numpy as np
import numpy.typing as npt

from drm.errors import UnknownIdError
from drm.fleet import Fleet
from drm.model import Reservation, Resources


class Reservations:
    """Reservations by id. Invariant: a worker's `allocated` and `reserved` are the sum and the number of its reservations here."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._live: dict[str, Reservation] = {}
        self._by_worker: dict[str, dict[str, None]] = {}
        self._expiries: list[tuple[float, str]] = []
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._live)

    def book_tasks(self, rows: npt.NDArray[np.intp], request: Resources, task_ids: Sequence[str], now: float) -> None:
        """One reservation for each task, on its row; its id is the task's."""
        self._fleet.reserve(rows, request.vector())
        ids = self._fleet.ids
        for row, task_id in zip(rows.tolist(), task_ids, strict=True):
            self._keep(Reservation(task_id, ids[row], request, now, task_id=task_id))

    def book(self, row: int, request: Resources, now: float, ttl_seconds: float | None) -> Reservation:
        """A reservation of its own, which ends by itself after `ttl_seconds`."""
        self._fleet.reserve(np.array([row]), request.vector())
        expires_at = None if ttl_seconds is None else now + ttl_seconds
        reservation = Reservation(f"r-{next(self._numbers)}", self._fleet.ids[row], request, now, expires_at)
        if expires_at is not None:
            heapq.heappush(self._expiries, (expires_at, reservation.id))
        return self._keep(reservation)

    def release(self, reservation_id: str) -> Reservation:
        """Ends a reservation; UnknownIdError where it is not live."""
        reservation = self._live.pop(reservation_id, None)
        if reservation is None:
            raise UnknownIdError(f"no live reservation has the id {reservation_id!r}: it was released, it expired, or its worker went")
        held = self._by_worker[reservation.worker_id]
        del held[reservation_id]
        if not held:
            del self._by_worker[reservation.worker_id]
        self._fleet.release(self._fleet.row(reservation.worker_id), reservation.resources.vector())
        return reservation

    def release_worker(self, worker_id: str) -> list[Reservation]:
        """Ends all reservations on a worker, and returns them."""
        return [self.release(reservation_id) for reservation_id in list(self._by_worker.get(worker_id, ()))]

    def expire(self, now: float) -> None:
        """Ends those whose time is over."""
        while self._expiries and self._expiries[0][0] <= now:
            _, reservation_id = heapq.heappop(self._expiries)
            if reservation_id in self._live:
                self.release(reservation_id)

    def live(self) -> list[Reservation]:
        """All live reservations, oldest first."""
        return list(self._live.values())

    def _keep(self, reservation: Reservation) -> Reservation:
        self._live[reservation.id] = reservation
        self._by_worker.setdefault(reservation.worker_id, {})[reservation.id] = None
        return reservation
