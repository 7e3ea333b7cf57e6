"""The pool as the manager knows it: fleet, reservations and tasks, kept true to what the engine shows.

No engine, no policy, no lock in here: the manager calls it under its own lock, and does what it returns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from drm.cloud.kinds import Kinds
from drm.errors import CapacityError, EngineError, InfeasibleError, InvalidValueError
from drm.feasibility import Feasibility, Infeasible, amounts
from drm.fleet import Fleet
from drm.model import IS_ACTIVE, RESOURCES, STATE_CODE, FloatArray, Reservation, Resources, Task, WorkerState, WorkerType
from drm.observation import Observation, TaskReport
from drm.placement import place
from drm.reservations import Reservations
from drm.snapshot import MOST_LINES, WaitingLine, utilization
from drm.task_times import TaskTimes
from drm.task_usage import TaskUsage
from drm.tasks import TaskTable

RUNNING, CORDONED, DRAINING, LOST = (STATE_CODE[state] for state in ("running", "cordoned", "draining", "lost"))

MAX_REQUEUES = 3
"""How often a task whose worker went is queued again before it is lost."""

MOST_USED = 1e18
"""Of any resource, in its unit: an exabyte of memory. More is a mistake of who measured."""

LOST_KEPT_SECONDS = 600.0
"""How long a worker that went without being asked to stays in view."""


class Pool:
    """Invariants: every reservation is on a worker of the fleet that is not lost; every running task has one reservation."""

    def __init__(self, worker_types: Sequence[WorkerType], queue_limit: int) -> None:
        self.fleet = Fleet()
        self.reservations = Reservations(self.fleet)
        self.tasks = TaskTable(queue_limit)
        self.times = TaskTimes()
        self.usage = TaskUsage()
        self.worker_types = {one.name: one for one in worker_types}
        """What can be launched, by name."""
        self.kinds = Kinds()
        self.foreign_tasks = 0
        self._cancelling: set[str] = set()
        self._lost_at: dict[str, float] = {}
        self._comes_back: dict[str, WorkerState] = {}
        """What cordoned and draining workers that are lost are again once they are heard of: nobody has taken that back."""
        self._seen_ids: tuple[str, ...] = ()
        self._matched_ids: tuple[str, ...] = ()
        self._seen_rows = np.empty(0, dtype=np.intp)
        self._feasibility = Feasibility()

    def account(self, seen: Observation, now: float) -> None:
        """Takes over all that the engine saw: ended tasks first, so that a result outlives its worker, then members, then measurements."""
        for report in seen.tasks:
            self.end_attempt(report, now)
        self.reservations.expire(now)
        self._match_members(seen, now)
        fleet, rows = self.fleet, self._seen_rows
        newly_lost = rows[(seen.states == LOST) & (fleet.states[rows] != LOST)]
        for worker_id in [fleet.ids[row] for row in newly_lost]:
            self._note_loss(worker_id)
            self._free_worker(worker_id, f"worker {worker_id} was not heard of any more", now)
        ours = fleet.states[rows]
        keep = ((ours == CORDONED) | (ours == DRAINING)) & (seen.states == RUNNING)
        fleet.states[rows] = np.where(keep, ours, seen.states)
        for worker_id in [one for one in self._comes_back if fleet.state(one) == "running"]:
            fleet.set_state(worker_id, self._comes_back.pop(worker_id))
        fleet.capacity[rows], fleet.used[rows], fleet.occupied[rows], fleet.slots[rows] = (
            seen.capacity,
            measured(seen.used),
            seen.occupied,
            seen.slots,
        )
        fleet.last_seen[rows] = np.where(seen.states == LOST, fleet.last_seen[rows], now) if seen.heard_at is None else seen.heard_at
        fleet.started_at[rows] = np.where((seen.states == RUNNING) & np.isnan(fleet.started_at[rows]), now, fleet.started_at[rows])
        fleet.labels.update(seen.labels)
        self._tell_kinds([worker_id for worker_id in seen.retyped if worker_id in fleet])
        self.foreign_tasks = seen.foreign_tasks
        self._weigh_feasibility()
        idle = (fleet.states == RUNNING) & (fleet.reserved == 0) & ~(fleet.occupied > 0).any(axis=1)
        np.copyto(fleet.idle_since, np.where(idle, np.fmin(fleet.idle_since, now), np.nan))

    def place(self, now: float) -> list[Task]:
        """Starts what fits, best fit, lines in the order of their oldest task; returns the started tasks."""
        lines = self.tasks.lines()
        self.tasks.line_reasons = {request: self._line_reason(request) for request, _ in lines}
        lines = [(request, count) for request, count in lines if self.is_feasible(request)]
        if not lines:
            return []
        requests = np.array([request.vector() for request, _ in lines])
        counts = np.array([count for _, count in lines])
        fleet = self.fleet
        started: list[Task] = []
        for (request, _), rows in zip(lines, place(fleet.free(), fleet.open_slots(), fleet.capacity, requests, counts), strict=True):
            if len(rows):
                tasks = [self.tasks.start(request, fleet.ids[row], now) for row in rows]
                for task in tasks:
                    self.times.placed(task)
                self.reservations.book_tasks(rows, request, [task.id for task in tasks], now)
                started += tasks
        return started

    def waiting(self) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """What waits and could run here: requests (s, 4) and how many tasks of each (s,)."""
        lines = [(request, count) for request, count in self.tasks.lines() if self.is_feasible(request)]
        if not lines:
            return np.empty((0, 4)), np.empty(0, dtype=np.int64)
        return np.array([request.vector() for request, _ in lines]), np.array([count for _, count in lines], dtype=np.int64)

    def waiting_lines(self) -> tuple[WaitingLine, ...]:
        """The first lines of the queue with why they wait and since when, those that could never run among them."""
        return tuple(
            WaitingLine(request, count, self._line_reason(request), self.tasks.oldest(request).submitted_at, self.is_feasible(request))
            for request, count in self.tasks.lines()[:MOST_LINES]
        )

    def expected_seconds(self) -> FloatArray:
        """(s,): the expected run time of a task of each line of `waiting`; NaN where none of its kind has run."""
        return np.array([self.times.expected_seconds(request) for request, _ in self.tasks.lines() if self.is_feasible(request)])

    def reserve(self, request: Resources, now: float, ttl_seconds: float | None) -> Reservation:
        """A claim on the best fitting worker; InfeasibleError where none could ever hold it, CapacityError where none can now."""
        if not self.is_feasible(request):
            raise InfeasibleError(self._feasibility.reason(request))
        fleet = self.fleet
        (rows,) = place(fleet.free(), fleet.open_slots(), fleet.capacity, request.vector()[None], np.array([1]))
        if not len(rows):
            raise CapacityError(f"no running worker has {amounts(request)} free now: release something, wait, or add workers")
        return self.reservations.book(int(rows[0]), request, now, ttl_seconds)

    def release(self, reservation_id: str) -> None:
        """Ends a reservation that a program made; UnknownIdError where it is not live, InvalidValueError where a task holds it."""
        if reservation_id in self.tasks.running:
            raise InvalidValueError(f"reservation {reservation_id!r} belongs to a running task and ends with it: cancel the task instead")
        self.reservations.release(reservation_id)

    def worker_type(self, worker_id: str) -> WorkerType | None:
        """Of which type a worker is: the one that its label `worker_type` names, or the only one there is, if it has just that shape."""
        name = self.fleet.labels.get(worker_id, {}).get("worker_type")
        if name is None and len(self.worker_types) == 1:
            (only,) = self.worker_types.values()
            return only if np.array_equal(self.fleet.capacity[self.fleet.row(worker_id)], only.shape.vector()) else None
        return self.worker_types.get(name or "")

    def listed_lost(self) -> int:
        """Workers that the engine still lists and does not hear of; not those that are known to have gone."""
        return int((self.fleet.states == LOST).sum()) - len(self._lost_at)

    def drained(self) -> list[str]:
        """The draining workers on which nothing is left, of ours or of others."""
        fleet = self.fleet
        empty = (fleet.states == DRAINING) & (fleet.reserved == 0) & ~(fleet.occupied > 0).any(axis=1)
        return [fleet.ids[row] for row in np.flatnonzero(empty)]

    def utilization(self, heard_since: float) -> dict[str, float]:
        """used / capacity by resource, over the active workers that were measured and heard of since then; NaN where none was."""
        active = IS_ACTIVE[self.fleet.states] & (self.fleet.last_seen >= heard_since)
        return dict(zip(RESOURCES, utilization(self.fleet.used[active], self.fleet.capacity[active]).tolist(), strict=True))

    def abandon(self, reason: str, now: float) -> None:
        """Ends all tasks that have not ended, as lost."""
        for task_id in self.tasks.unfinished():
            if task_id in self.tasks.running:
                self.reservations.release(task_id)
            self.tasks.end(TaskReport(task_id, "lost", reason=reason), now)

    def end_attempt(self, report: TaskReport, now: float) -> None:
        """One attempt at a task has ended; a lost one is queued again until it has been tried often enough."""
        task = self.tasks.running.get(report.task_id)
        if task is None:
            return
        self.reservations.release(task.id)
        self._conclude(task, report, now)

    def cancel(self, task_id: str, now: float) -> bool:
        """Ends a queued task; marks a running one, and says whether the engine has to be asked to end it."""
        if self.tasks.get(task_id).state == "queued":
            self.tasks.end(TaskReport(task_id, "cancelled", reason="cancelled before it started"), now)
            return False
        self._cancelling.add(task_id)
        return True

    def move(self, worker_id: str, to: WorkerState, *, sources: tuple[WorkerState, ...]) -> None:
        """Takes a worker from one of some states to another; InvalidValueError where it is in none of them."""
        state = self.fleet.state(worker_id)
        if state not in sources:
            raise InvalidValueError(f"worker {worker_id!r} is {state}; only one that is {' or '.join(sources)} can become {to}")
        self.fleet.set_state(worker_id, to)

    def is_feasible(self, request: Resources) -> bool:
        """Whether a worker of the fleet, or one that could be launched, holds this request when empty. True where nothing is known."""
        return self._feasibility.of(request)

    def infeasible(self) -> Infeasible | None:
        """The queued tasks that could run nowhere; None where all could run."""
        lines = [(request, count) for request, count in self.tasks.lines() if not self.is_feasible(request)]
        if not lines:
            return None
        request = lines[0][0]
        enough = f"a worker type with {amounts(request)}"
        return Infeasible(sum(count for _, count in lines), self._feasibility.reason(request), enough)

    def _match_members(self, seen: Observation, now: float) -> None:
        fleet = self.fleet
        forgotten = [lost for lost, since in self._lost_at.items() if now - since > LOST_KEPT_SECONDS]
        for worker_id in forgotten:
            del self._lost_at[worker_id]
        self._remove(forgotten)
        if seen.worker_ids is self._seen_ids and fleet.ids is self._matched_ids:
            return
        listed = set(seen.worker_ids)
        if len(listed) < len(seen.worker_ids):
            twice = next(one for one, count in Counter(seen.worker_ids).items() if count > 1)
            raise EngineError(f"the engine lists worker {twice!r} twice: each worker must have an id of its own")
        self._depart([one for one in fleet.ids if one not in listed and one not in self._lost_at], seen.departures, now)
        for worker_id in listed & self._lost_at.keys():
            del self._lost_at[worker_id]
        new = [index for index, worker_id in enumerate(seen.worker_ids) if worker_id not in fleet]
        if new:
            ids = [seen.worker_ids[index] for index in new]
            fleet.add(ids, seen.capacity[new], seen.slots[new], seen.states[new], seen.labels)
            self._tell_kinds(ids)
        self._seen_ids, self._matched_ids = seen.worker_ids, fleet.ids
        self._seen_rows = fleet.rows(seen.worker_ids)

    def _tell_kinds(self, worker_ids: Sequence[str]) -> None:
        """Which kind of instance these stand on, and what that costs."""
        if worker_ids:
            rows = self.fleet.rows(worker_ids)
            self.fleet.kind[rows] = [self.kinds.number(self.worker_type(one), self.fleet.labels.get(one, {})) for one in worker_ids]
            self.fleet.price[rows] = np.array([kind.hourly for kind in self.kinds.all])[self.fleet.kind[rows]]

    def _depart(self, worker_ids: Sequence[str], reasons: Mapping[str, str], now: float) -> None:
        """Workers have gone. Those that were meant to go leave the fleet; others stay in view as lost for a while."""
        expected = []
        for worker_id in worker_ids:
            reason = reasons.get(worker_id, "")
            self._free_worker(worker_id, f"worker {worker_id} went: {reason or 'it is no longer listed'}", now)
            if self.fleet.state(worker_id) in ("draining", "lost") or reason in ("deregistered", "retired"):
                expected.append(worker_id)
            else:
                self._note_loss(worker_id)
                self.fleet.set_state(worker_id, "lost")
                self.fleet.used[self.fleet.row(worker_id)] = np.nan
                self._lost_at[worker_id] = now
        self._remove(expected)

    def _remove(self, worker_ids: Sequence[str]) -> None:
        for worker_id in worker_ids:
            self._comes_back.pop(worker_id, None)
        self.fleet.remove(worker_ids)

    def _note_loss(self, worker_id: str) -> None:
        state = self.fleet.state(worker_id)
        if state in ("cordoned", "draining"):
            self._comes_back[worker_id] = state

    def _free_worker(self, worker_id: str, reason: str, now: float) -> None:
        for reservation in self.reservations.release_worker(worker_id):
            if reservation.task_id is not None:
                self._conclude(self.tasks.running[reservation.task_id], TaskReport(reservation.task_id, "lost", reason=reason), now)

    def _conclude(self, task: Task, report: TaskReport, now: float) -> None:
        if task.id in self._cancelling:
            self._cancelling.discard(task.id)
            self.tasks.end(TaskReport(task.id, "cancelled", reason="cancelled while it ran", finished_at=report.finished_at), now)
            return
        self.usage.ended(task, report, now)
        if report.outcome != "lost":
            self.times.ended(self.tasks.end(report, now))
        elif task.attempt <= MAX_REQUEUES:
            self.tasks.requeue(report, now)
        else:
            self.tasks.end(replace(report, reason=f"{report.reason}; it was tried {task.attempt} times"), now)

    def _weigh_feasibility(self) -> None:
        rows = self.fleet.capacity[~np.isin(self.fleet.states, (LOST, DRAINING))]
        if self.worker_types:
            rows = np.vstack([rows, *(one.shape.vector() for one in self.worker_types.values())])
        self._feasibility.weigh(rows)

    def _line_reason(self, request: Resources) -> str:
        return "waits for a worker with room" if self.is_feasible(request) else self._feasibility.reason(request)


def measured(used: FloatArray) -> FloatArray:
    """What an engine says is in use, (n, 4); NaN, which is not measured, where no machine could use so much, or less than nothing."""
    return np.where((used >= 0) & (used <= MOST_USED), used, np.nan)
