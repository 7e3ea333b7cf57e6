"""`external`: a pool that reports itself. The program that embeds us registers workers, reports what they use, and starts and ends tasks.

A worker is `lost` once nothing was heard of it for the timeout. Its silence is the sum of the times between observations, each counted as
a third of the timeout at most, so that neither a clock that jumps nor a manager that slept makes a whole pool look dead at once.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from drm.engines.reported import Identities, Reception, WorkerReport, check_worker, cut_labels, read_used
from drm.errors import CapacityError, DuplicateIdError, InvalidValueError
from drm.fleet import Fleet
from drm.model import RESOURCES, STATE_CODE, FloatArray, Resources, Task, Worker, WorkerType
from drm.observation import LAUNCH_TIMEOUT_SECONDS, LateSample, LaunchReport, Observation, TaskReport
from drm.snapshot import Source

LOST, RUNNING = STATE_CODE["lost"], STATE_CODE["running"]
FORGOTTEN_AFTER_SECONDS = 600.0
"""How long a lost worker stays in view."""
RECEIVED = ("reports_taken", "reports_refused", "late_kept", "late_dropped")
LATE_SECONDS = 12 * 3600.0
"""History takes samples that are as old; of older ones it keeps ten-minute buckets, in which they would hardly show."""
MOST_LATE = 200_000
"""So many late samples wait for history at most."""
LATE_AT_ONCE = 1_000
"""So many of them go to it with one observation, so that no tick is long of them."""
SLOTS = 1_000_000
"""No limit of ours: a worker outside says by its capacity what it takes."""


class ExternalEngine:
    """Workers, task starts and launches are somebody else's; this keeps what they tell us.

    `on_launch(count, shape)`, `on_retire(worker_ids)` and `on_start(task_id, worker_id)` are called from the tick and must return at once.
    Without `on_launch` nothing can be launched, and decisions are recommendations.
    """

    def __init__(
        self,
        *,
        worker_shape: Resources | None = None,
        on_launch: Callable[[int, Resources], None] | None = None,
        on_retire: Callable[[Sequence[str]], None] | None = None,
        on_start: Callable[[str, str], None] | None = None,
        lost_after_seconds: float = 60.0,
        max_workers: int = 10_000,
    ) -> None:
        if not math.isfinite(lost_after_seconds) or lost_after_seconds <= 0:
            raise InvalidValueError(f"lost_after_seconds must be positive and finite, got {lost_after_seconds!r}")
        if on_launch is not None and worker_shape is None:
            raise InvalidValueError("on_launch needs a worker_shape: what one launched worker will have, as Resources")
        self._worker_shape = worker_shape
        self._on_launch, self._on_retire, self._on_start = on_launch, on_retire, on_start
        self._lost_after_seconds = lost_after_seconds
        self._max_workers = max_workers
        self._lock = threading.Lock()
        self._fleet = Fleet()
        self._silence: FloatArray = np.zeros(0)
        self._observed_at = math.nan
        self._departures: dict[str, str] = {}
        self._reports: list[TaskReport] = []
        self._launches: list[LaunchReport] = []
        self.received = dict.fromkeys(RECEIVED, 0)
        """What came over the network since the start, by what became of it."""
        self._identities = Identities(lost_after_seconds / 3)
        self._late: deque[LateSample] = deque()
        self._retyped: set[str] = set()
        self._awaited: deque[tuple[str, float]] = deque()
        """Launch and time of its request, for each worker that has not registered yet."""

    @property
    def source(self) -> Source:
        """EXTERNAL."""
        return Source("external", "workers that report themselves")

    @property
    def worker_types(self) -> tuple[WorkerType, ...]:
        """One, `external`, of the shape that the program said; none where it said nothing."""
        return () if self._worker_shape is None else (WorkerType("external", self._worker_shape),)

    @property
    def no_launcher_reason(self) -> str | None:
        """Why nothing can be launched, unless there is an `on_launch`."""
        return None if self._on_launch else "an external pool launches its own workers: give on_launch and on_retire to let drm do it"

    @property
    def machine(self) -> Resources | None:
        """Unknown."""
        return None

    def register(self, worker_id: str, capacity: Resources, labels: Mapping[str, str] | None = None) -> Worker:
        """A worker joins. An id of a live one raises DuplicateIdError; one that was lost or has left may join again."""
        check_worker(worker_id, capacity, labels)
        with self._lock:
            if worker_id in self._fleet:
                if self._fleet.state(worker_id) != "lost":
                    raise DuplicateIdError(f"worker {worker_id!r} is registered already: deregister_worker it first, or take another id")
                self._remove([worker_id])
            self._add(worker_id, capacity, labels)
            return self._fleet.worker(worker_id)

    def accept(self, worker_id: str, report: WorkerReport, now: float) -> Reception:
        """A worker says over the network, at `now`, what it has and uses: it joins with its first report, and comes back with one after it
        was lost.

        DuplicateIdError where another program is heard of under this id, CapacityError where the pool is full, InvalidValueError for what
        is no amount; then nothing has changed.
        """
        check_worker(worker_id, report.capacity, report.labels)
        capacity = report.capacity.vector()
        measured = read_used(worker_id, report.used)
        past = [(one.age_seconds, read_used(worker_id, one.used)) for one in report.past]
        with self._lock:
            is_known = worker_id in self._fleet
            if not is_known:
                self._require_room()
            silence = float(self._silence[self._fleet.row(worker_id)]) if is_known else math.inf
            try:
                is_newest = self._identities.claim(worker_id, report, silence, now)
            except DuplicateIdError:
                self.received["reports_refused"] += 1
                raise
            self.received["reports_taken"] += 1
            registered = not is_known or self._fleet.state(worker_id) == "lost"
            if not is_known:
                self._add(worker_id, report.capacity, report.labels)
            row = self._fleet.row(worker_id)
            if is_newest:
                self._fleet.capacity[row] = capacity
                self._fleet.used[row] = np.where(capacity > 0, measured, np.nan)
                self._relabel(worker_id, report.labels)
            self._fleet.states[row] = RUNNING
            self._silence[row] = 0.0
            kept = self._keep_late(worker_id, capacity, past, now)
            self.received["late_kept"] += kept
            self.received["late_dropped"] += len(past) - kept
            return Reception(registered, is_newest, kept, len(past) - kept)

    def release(self, worker_id: str, instance: str) -> None:
        """The program that reports a worker ends: another one may report it at once. The worker is lost once it is silent for too long."""
        with self._lock:
            self._identities.release(worker_id, instance)

    def contested(self, now: float) -> tuple[str, ...]:
        """Ids under which two programs report now."""
        with self._lock:
            return self._identities.contested(now)

    def report(self, worker_id: str, used: Resources | Mapping[str, float], now: float | None = None) -> None:
        """A worker was heard of, and uses this much; what a mapping leaves out was not measured. The last report to arrive counts.

        More than the capacity is taken as measured; a negative, NaN or infinite amount raises InvalidValueError and changes nothing.
        `now` is when it was measured (epoch seconds).
        """
        measured = read_used(worker_id, used)
        if now is not None and not math.isfinite(now):
            raise InvalidValueError(f"now must be epoch seconds, got {now!r}")
        with self._lock:
            row = self._fleet.row(worker_id)
            self._fleet.used[row] = np.where(self._fleet.capacity[row] > 0, measured, np.nan)
            self._fleet.states[row] = RUNNING
            self._silence[row] = 0.0

    def deregister(self, worker_id: str) -> None:
        """A worker leaves; UnknownIdError where it is not registered."""
        with self._lock:
            self._fleet.row(worker_id)
            self._remove([worker_id])
            self._departures[worker_id] = "deregistered"

    def finish(self, task_id: str, result: Any = None, error: BaseException | None = None, used: Resources | None = None) -> None:
        """A task that was started has ended, well or with an error, and was measured to use so much."""
        if error is None:
            report = TaskReport(task_id, "done", result, used=used)
        else:
            report = TaskReport(task_id, "failed", error=error, reason=repr(error), used=used)
        with self._lock:
            self._reports.append(report)

    def encode(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """An external pool runs no callables: raises InvalidValueError."""
        raise InvalidValueError(
            f"an external pool runs its own tasks and takes no callable, got {function!r}: submit(resources=...) without one"
        )

    def observe(self, now: float) -> Observation:
        """What was reported until now."""
        with self._lock:
            elapsed = 0.0 if math.isnan(self._observed_at) else max(0.0, now - self._observed_at)
            self._observed_at = now
            while self._awaited and now - self._awaited[0][1] > LAUNCH_TIMEOUT_SECONDS:
                self._awaited.popleft()
            self._silence += min(elapsed, self._lost_after_seconds / 3)
            fleet = self._fleet
            forgotten = [fleet.ids[row] for row in np.flatnonzero(self._silence > self._lost_after_seconds + FORGOTTEN_AFTER_SECONDS)]
            self._remove(forgotten)
            self._departures.update(dict.fromkeys(forgotten, "it was not heard of any more"))
            silent = self._silence > self._lost_after_seconds
            fleet.states[silent] = LOST
            fleet.used[silent] = np.nan
            tasks, self._reports = tuple(self._reports), []
            launches, self._launches = tuple(self._launches), []
            departures, self._departures = self._departures, {}
            late = [self._late.popleft() for _ in range(min(LATE_AT_ONCE, len(self._late)))]
            retyped, self._retyped = tuple(self._retyped), set()
            return Observation(
                ready=True,
                worker_ids=fleet.ids,
                states=fleet.states.copy(),
                capacity=fleet.capacity.copy(),
                used=fleet.used.copy(),
                occupied=fleet.occupied.copy(),
                slots=fleet.slots.copy(),
                labels=dict(fleet.labels),
                departures=departures,
                tasks=tasks,
                launches=launches,
                heard_at=now - self._silence,
                notices=self._identities.take_notices(),
                late=tuple(late),
                retyped=retyped,
            )

    def launch(self, count: int, worker_type: WorkerType, launch_id: str) -> None:
        """Calls `on_launch`; the next `count` workers that register are the answer."""
        if self._on_launch is None:
            raise InvalidValueError(f"{count} workers cannot be launched: {self.no_launcher_reason}")
        with self._lock:
            self._awaited.extend([(launch_id, self._observed_at)] * count)
        try:
            self._on_launch(count, worker_type.shape)
        except Exception:
            with self._lock:
                self._awaited = deque(one for one in self._awaited if one[0] != launch_id)
            raise

    def retire(self, worker_ids: Sequence[str]) -> None:
        """Calls `on_retire`; the workers go when they are deregistered."""
        if self._on_retire is not None:
            self._on_retire(tuple(worker_ids))

    def submit(self, task: Task, worker_id: str) -> None:
        """Calls `on_start`."""
        if self._on_start is not None:
            self._on_start(task.id, worker_id)

    def cancel(self, task_id: str) -> None:
        """Nothing to interrupt here: the program that runs the task calls `finish`."""

    def close(self) -> None:
        """Nothing was started here."""

    def _require_room(self) -> None:
        if len(self._fleet) >= self._max_workers:
            raise CapacityError(f"the pool holds {len(self._fleet)} workers, its limit: deregister some, or raise max_workers")

    def _add(self, worker_id: str, capacity: Resources, labels: Mapping[str, str] | None) -> None:
        self._require_room()
        cut = cut_labels(labels or {})
        self._fleet.add([worker_id], capacity.vector()[None], np.array([SLOTS]), np.array([RUNNING], np.uint8), {worker_id: cut})
        self._silence = np.append(self._silence, 0.0)
        self._departures.pop(worker_id, None)
        if self._awaited:
            launch_id, _ = self._awaited.popleft()
            self._launches.append(LaunchReport(launch_id, (worker_id,)))

    def _relabel(self, worker_id: str, labels: Mapping[str, str] | None) -> None:
        old = self._fleet.labels.get(worker_id, {})
        if labels is None or cut_labels(labels) == old:
            return
        self._fleet.labels[worker_id] = cut_labels(labels)
        if labels.get("worker_type") != old.get("worker_type"):
            self._retyped.add(worker_id)

    def _keep_late(self, worker_id: str, capacity: FloatArray, past: Sequence[tuple[float, FloatArray]], now: float) -> int:
        """How many of them history will be asked to take."""
        taken = [one for one in past if one[0] <= LATE_SECONDS][: max(0, MOST_LATE - len(self._late))]
        for age, measured in taken:
            share = np.divide(measured, capacity, out=np.full(len(RESOURCES), np.nan), where=capacity > 0)
            self._late.append(LateSample(worker_id, now - age, share))
        return len(taken)

    def _remove(self, worker_ids: Sequence[str]) -> None:
        if not worker_ids:
            return
        for worker_id in worker_ids:
            self._identities.forget(worker_id)
        self._silence = np.delete(self._silence, self._fleet.rows(worker_ids))
        self._fleet.remove(worker_ids)
