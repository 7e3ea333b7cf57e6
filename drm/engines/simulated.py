"""`SimulatedEngine`: an invented fleet of up to 10 000 workers under an invented load, the same for the same seed, step by step.

Workers boot slowly and sometimes not at all, spot ones are interrupted, some are slow, some go silent for a while and come back. The
numbers of all workers are columns; only tasks are looked at one by one. What a page shows of it says SIMULATED.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drm.engines.simulated_load import FIRST_MIX, TYPES, Load
from drm.errors import EngineError, InvalidValueError, UnknownIdError
from drm.fleet import Fleet
from drm.model import STATE_CODE, FloatArray, Resources, Task, WorkerType
from drm.observation import Arrival, LaunchReport, Observation, TaskReport
from drm.snapshot import Source

BOOTING, RUNNING, LOST = (STATE_CODE[state] for state in ("booting", "running", "lost"))

MOST_WORKERS = 10_000
LOST_AFTER_SECONDS = 300.0
SLOTS = 64
BOOT_SECONDS = {"standard": 90.0, "standard-spot": 100.0, "high-memory": 110.0, "gpu": 240.0}
BOOT_FAILURES = 0.01
"""The part of the workers that never comes up."""
STRAGGLERS, STRAGGLER_SPEED = 0.02, 0.4
INTERRUPTIONS_PER_HOUR = 0.02
"""For each spot worker."""
GLITCHES_PER_HOUR = 0.5
"""Times at which one worker in a hundred falls silent for some minutes."""
SCARCE_HOURS = 0.15
"""The part of the hours in which the spot market grants only half of what is asked for."""


class SimulatedEngine:
    """`workers`: the most that the fleet may have; half of them are there at the start. `seed`: the same one makes the same fleet and load.

    It tells its own tasks (`Observation.arrivals`) and runs no callables. All methods are for the one thread that ticks.
    """

    def __init__(self, workers: int, seed: int = 0, *, types: Sequence[WorkerType] = TYPES, loaded: bool = True) -> None:
        if not isinstance(workers, int) or not 1 <= workers <= MOST_WORKERS:
            raise InvalidValueError(f"a simulated fleet has 1 to {MOST_WORKERS} workers, got {workers!r}")
        if not isinstance(seed, int) or seed < 0:
            raise InvalidValueError(f"seed must be a whole number of 0 or more, got {seed!r}")
        self._workers, self._seed = workers, seed
        self._types = {one.name: one for one in types}
        self._load = Load(workers, seed) if loaded else None
        self._rng = np.random.default_rng([seed, 2])
        self._noise = np.random.default_rng([seed, 3])
        self._fleet = Fleet()
        self._own: dict[str, FloatArray] = {
            name: np.zeros(0) for name in ("ready_at", "silent_until", "heard_at", "speed", "is_spot", "fails")
        }
        self._busy: FloatArray = np.zeros((0, 4))
        self._number = 0
        self._running: dict[str, tuple[str, FloatArray, float]] = {}
        self._tasks_on: dict[str, dict[str, None]] = {}
        self._endings: list[tuple[float, str, float]] = []
        """When the attempt at a task that began at a time ends."""
        self._now = math.nan
        self._departures: dict[str, str] = {}
        self._reports: list[TaskReport] = []
        self._launches: list[LaunchReport] = []
        self._closed = False

    @property
    def source(self) -> Source:
        """SIMULATED."""
        return Source("simulated", f"{self._workers} workers, seed {self._seed}")

    @property
    def worker_types(self) -> tuple[WorkerType, ...]:
        """The invented types, with invented prices."""
        return tuple(self._types.values())

    @property
    def no_launcher_reason(self) -> str | None:
        """It launches."""
        return None

    @property
    def machine(self) -> Resources | None:
        """Not on one machine."""
        return None

    def encode(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Raises InvalidValueError: no real task runs here."""
        raise InvalidValueError(f"a simulated fleet runs no real tasks, got {function!r}: leave out --simulate to run it")

    def observe(self, now: float) -> Observation:
        """The fleet at `now`, and what happened since the last call."""
        if self._closed:
            raise EngineError("this engine is closed: make a new one")
        first = math.isnan(self._now)
        since, self._now = (now if first else self._now), max(now, now if first else self._now)
        if first:
            self._begin(now)
        self._boot(now)
        self._finish_tasks(now)
        self._go_wrong(since, now)
        arrivals = self._arrive(since, now)
        fleet, own = self._fleet, self._own
        heard = (fleet.states != BOOTING) & (own["silent_until"] <= now)
        own["heard_at"] = np.where(heard | (fleet.states == BOOTING), now, own["heard_at"])
        silence = now - own["heard_at"]
        lost = silence > LOST_AFTER_SECONDS
        for row in np.flatnonzero(lost & (fleet.states != LOST)):
            self._drop_tasks(fleet.ids[row])
        fleet.states[:] = np.where(lost, LOST, np.where(fleet.states == LOST, RUNNING, fleet.states))
        departures, self._departures = self._departures, {}
        tasks, self._reports = tuple(self._reports), []
        launches, self._launches = tuple(self._launches), []
        return Observation(
            ready=True,
            worker_ids=fleet.ids,
            states=fleet.states.copy(),
            capacity=fleet.capacity.copy(),
            used=self._measure(heard),
            occupied=np.zeros_like(fleet.capacity),
            slots=fleet.slots.copy(),
            labels=dict(fleet.labels),
            departures=departures,
            tasks=tasks,
            launches=launches,
            heard_at=own["heard_at"].copy(),
            arrivals=arrivals,
        )

    def launch(self, count: int, worker_type: WorkerType, launch_id: str) -> None:
        """Grants what there is room for; the spot market is scarce at times."""
        room = self._workers - len(self._fleet)
        granted, error = min(count, room), ""
        if granted < count:
            error = f"the simulated quota of {self._workers} workers is reached: {granted} of {count} granted"
        scarce = np.random.default_rng([self._seed, 4, int(self._now // 3600)]).random() < SCARCE_HOURS
        if worker_type.market == "spot" and scarce and granted > 1:
            granted = max(1, granted // 2)
            error = f"{worker_type.provider} has no more spot capacity: {granted} of {count} granted"
        names = self._join([worker_type] * granted, self._now) if granted else ()
        self._launches.append(LaunchReport(launch_id, names, failed=count - granted, error=error))

    def retire(self, worker_ids: Sequence[str]) -> None:
        """They are gone at the next look."""
        self._remove([worker_id for worker_id in worker_ids if worker_id in self._fleet], "retired")

    def submit(self, task: Task, worker_id: str) -> None:
        """Runs for as long as the load or the task's hint says, at the worker's speed."""
        if worker_id not in self._fleet:
            raise UnknownIdError(f"worker {worker_id!r} has gone")
        row = self._fleet.row(worker_id)
        seconds, effort = task.call or (task.duration_hint_seconds or 60.0, 0.8)
        using = task.resources.vector() * effort
        self._running[task.id] = (worker_id, using, self._now)
        self._tasks_on.setdefault(worker_id, {})[task.id] = None
        self._busy[row] += using
        heapq.heappush(self._endings, (self._now + seconds / self._own["speed"][row], task.id, self._now))

    def cancel(self, task_id: str) -> None:
        """Ends at once."""
        if task_id in self._running:
            self._reports.append(TaskReport(task_id, "cancelled", started_at=self._stop(task_id), finished_at=self._now))

    def close(self) -> None:
        """Nothing runs."""
        self._closed = True

    def silence(self, share: float, seconds: float) -> tuple[str, ...]:
        """A fault: the first part of the running workers is not heard of for so long. Returns their ids."""
        rows = np.flatnonzero(self._fleet.states == RUNNING)
        rows = rows[: math.ceil(len(rows) * share)]
        self._own["silent_until"][rows] = self._now + seconds
        return tuple(self._fleet.ids[row] for row in rows)

    def _begin(self, now: float) -> None:
        types = list(self._types.values())
        mix = np.array(FIRST_MIX[: len(types)])
        counts = np.floor(mix / mix.sum() * max(1, self._workers // 2)).astype(int)
        counts[0] += max(1, self._workers // 2) - counts.sum()
        self._join([one for one, count in zip(types, counts, strict=True) for _ in range(count)], now)
        self._own["ready_at"][:] = now
        self._own["fails"][:] = 0.0

    def _join(self, types: Sequence[WorkerType], now: float) -> tuple[str, ...]:
        count = len(types)
        names = tuple(f"{one.name}-{self._number + index + 1:05d}" for index, one in enumerate(types))
        self._number += count
        labels = {
            name: {"worker_type": one.name, "provider": one.provider or "", "region": one.region or "", "market": one.market}
            for name, one in zip(names, types, strict=True)
        }
        capacity = np.array([one.shape.vector() for one in types])
        self._fleet.add(names, capacity, np.full(count, SLOTS), np.full(count, BOOTING, np.uint8), labels)
        typical = np.array([BOOT_SECONDS.get(one.name, 90.0) for one in types])
        new = {
            "ready_at": now + typical * self._rng.lognormal(0.0, 0.3, count),
            "silent_until": np.zeros(count),
            "heard_at": np.full(count, now),
            "speed": np.where(self._rng.random(count) < STRAGGLERS, STRAGGLER_SPEED, 1.0),
            "is_spot": np.array([float(one.market == "spot") for one in types]),
            "fails": (self._rng.random(count) < BOOT_FAILURES).astype(float),
        }
        self._own = {name: np.concatenate([column, new[name]]) for name, column in self._own.items()}
        self._busy = np.vstack([self._busy, np.zeros((count, 4))])
        return names

    def _remove(self, worker_ids: Sequence[str], reason: str) -> None:
        if not worker_ids:
            return
        for worker_id in worker_ids:
            self._drop_tasks(worker_id)
            self._departures[worker_id] = reason
        rows = self._fleet.rows(worker_ids)
        self._own = {name: np.delete(column, rows) for name, column in self._own.items()}
        self._busy = np.delete(self._busy, rows, axis=0)
        self._fleet.remove(worker_ids)

    def _boot(self, now: float) -> None:
        up = (self._fleet.states == BOOTING) & (self._own["ready_at"] <= now)
        failed = up & (self._own["fails"] > 0)
        self._fleet.states[up & ~failed] = RUNNING
        self._remove([self._fleet.ids[row] for row in np.flatnonzero(failed)], "its boot failed: the health check did not answer")

    def _finish_tasks(self, now: float) -> None:
        late: list[tuple[float, str, float]] = []
        while self._endings and self._endings[0][0] <= now:
            at, task_id, began = heapq.heappop(self._endings)
            held = self._running.get(task_id)
            # An attempt that was lost with its worker does not end the next one.
            if held is None or held[2] != began:
                continue
            if self._own["silent_until"][self._fleet.row(held[0])] > now:
                late.append((at, task_id, began))
            else:
                used = Resources.of(held[1])
                self._reports.append(TaskReport(task_id, "done", started_at=self._stop(task_id), finished_at=at, used=used))
        for ending in late:
            heapq.heappush(self._endings, ending)

    def _go_wrong(self, since: float, now: float) -> None:
        hours = (now - since) / 3600
        count = len(self._fleet)
        interrupted = (self._rng.random(count) < INTERRUPTIONS_PER_HOUR * hours) & (self._own["is_spot"] > 0)
        interrupted &= self._fleet.states == RUNNING
        glitch = self._rng.random() < GLITCHES_PER_HOUR * hours
        silent = self._rng.random(count) < 0.01
        if glitch:
            self._own["silent_until"][silent] = now + 180 + 240 * self._rng.random()
        self._remove([self._fleet.ids[row] for row in np.flatnonzero(interrupted)], "interrupted by its spot market")

    def _arrive(self, since: float, now: float) -> tuple[Arrival, ...]:
        if self._load is None or now <= since:
            return ()
        return tuple(
            Arrival(one.name, one.resources, one.submitted_at, (seconds, effort))
            for one, seconds, effort in self._load.arrivals(since, now)
        )

    def _measure(self, heard: npt.NDArray[np.bool_]) -> FloatArray:
        """(n, 4): what runs, with some noise, and a little of the system's own; NaN where nobody could measure."""
        fleet = self._fleet
        jitter = 1.0 + 0.05 * self._noise.standard_normal((len(fleet), 1))
        used = np.clip((self._busy + 0.01 * fleet.capacity) * jitter, 0.0, fleet.capacity)
        return np.where((heard & (fleet.states == RUNNING))[:, None] & (fleet.capacity > 0), used, np.nan)

    def _stop(self, task_id: str) -> float:
        """Takes a task off its worker; returns when it began."""
        worker_id, using, began = self._running.pop(task_id)
        del self._tasks_on[worker_id][task_id]
        row = self._fleet.row(worker_id)
        self._busy[row] = np.maximum(self._busy[row] - using, 0.0)
        return began

    def _drop_tasks(self, worker_id: str) -> None:
        """A worker's tasks end with it; the manager hears of the worker."""
        for task_id in list(self._tasks_on.get(worker_id, ())):
            self._stop(task_id)
        self._tasks_on.pop(worker_id, None)
