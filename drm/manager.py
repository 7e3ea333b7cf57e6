"""DynamicResourceManager: the tick, and the public operations.

The lock guards the pool, the ledger and the outcomes; it is held for columns and dictionaries only, never across a call of the engine.
Readers need no lock: `snapshot` is immutable.
"""

from __future__ import annotations

import logging
import math
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from drm.engines import Engine
from drm.engines.external import ExternalEngine
from drm.errors import DRMError, EngineError, InfeasibleError, InvalidValueError
from drm.history.rings import Rings
from drm.ledger import Ledger
from drm.model import NAME_LIMIT, Bounds, LaunchReport, Reservation, Resources, ScalingDecision, Snapshot, Task, TaskReport, Worker
from drm.outcomes import Outcomes
from drm.policies import Policy, create_policy
from drm.policies.pipeline import Evaluation, Past, Pipeline
from drm.pool import Pool
from drm.readings import default_bounds, fleet_series, fractions_of_capacity, idle_first, read_signals, take_snapshot
from drm.tasks import TaskHandle

logger = logging.getLogger(__name__)

QUEUE_LIMIT = 100_000


class DynamicResourceManager:
    """Places tasks on workers, decides when the pool grows and shrinks, and keeps every decision.

    `engine`: what runs the workers (None: an external pool that reports itself). `policy`: a policy or its name (None: `queue`). `bounds`:
    how many workers the pool may have (None: as many as the engine's machine holds, or any number for an external pool).
    `advance(now)` makes one tick; a `Runner` calls it in the background. `close()`, or leaving `with`, ends what the engine started.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        policy: Policy | str | None = None,
        bounds: Bounds | None = None,
        *,
        pipeline: Pipeline | None = None,
        interval_seconds: float = 1.0,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self.engine: Engine = ExternalEngine() if engine is None else engine
        self.policy = create_policy(policy or "queue") if policy is None or isinstance(policy, str) else policy
        self.pipeline = pipeline or Pipeline()
        self.history = Rings(interval_seconds)
        self.state: Any = None
        """The one DRMState over this manager; it puts itself here."""
        self._bounds = bounds or default_bounds(self.engine)
        self._lock = threading.Lock()
        self._ticking = threading.Lock()
        self._pool = Pool(self.engine.worker_shape, queue_limit)
        self._ledger = Ledger()
        self._outcomes = Outcomes(self._ledger)
        self._past = Past()
        self._now = -math.inf
        self._ready = False
        self._retiring: set[str] = set()
        self._run_id = uuid.uuid4().hex[:6]
        self._task_number = 0
        self._closed = False
        self._snapshot = take_snapshot(self._pool, self.engine, self._bounds, None, 0, math.nan, ready=False, unanswered=0, desired=0)

    # The tick

    def advance(self, now: float) -> Snapshot:
        """One tick at `now` (epoch seconds; an earlier time than the last one counts as the last one). Returns the new snapshot.

        Raises what the engine raises where it cannot be observed; then nothing has changed, and the next call tries again.
        """
        if not math.isfinite(now):
            raise InvalidValueError(f"now must be epoch seconds, got {now!r}")
        with self._ticking:
            if self._closed:
                raise DRMError("this manager is closed: make a new one")
            now = max(now, self._now)
            seen = self.engine.observe(now)
            with self._lock:
                self._now, self._ready = now, seen.ready
                self._pool.account(seen, now)
                self._account_outcomes(seen.launches, now)
                started = self._pool.place(now)
                decision = self._decide(now)
            self._actuate(started, decision, now)
            with self._lock:
                snapshot = self._freeze(now)
            self._record(snapshot)
            self._snapshot = snapshot
            return snapshot

    def _account_outcomes(self, launches: Iterable[LaunchReport], now: float) -> None:
        self._outcomes.report(tuple(launches))
        self._outcomes.advance(self._pool.fleet, now)
        self._retiring &= set(self._pool.fleet.ids)

    def _decide(self, now: float) -> ScalingDecision:
        decision = self._describe(self._evaluate(now), self._ledger.next_id(), now)
        if decision.action == "scale_down":
            victims = tuple(idle_first(self._pool.fleet)[: decision.count])
            for worker_id in victims:
                self._pool.fleet.set_state(worker_id, "draining")
            decision = replace(decision, worker_ids=victims, granted=len(victims))
            self._outcomes.retired(decision.id, victims)
            self._past = replace(self._past, down_at=now)
        elif decision.action == "scale_up":
            self._outcomes.launched(str(decision.id), decision.id, decision.count, now)
            self._past = replace(self._past, up_at=now)
        self._ledger.append(decision)
        return decision

    def _actuate(self, started: list[Task], decision: ScalingDecision, now: float) -> None:
        for task in started:
            self._ask(
                lambda task=task: self.engine.submit(task, task.worker_id or ""),
                lambda error, task=task: self._pool.end_attempt(TaskReport(task.id, "lost", reason=f"it could not be sent: {error}"), now),
                f"task {task.id} could not be sent to worker {task.worker_id}",
            )
        if decision.action == "scale_up":
            shape, launch_id = self.engine.worker_shape or Resources(), str(decision.id)
            self._ask(
                lambda: self.engine.launch(decision.count, shape, launch_id),
                lambda error: self._outcomes.report([LaunchReport(launch_id, failed=decision.count, error=str(error))]),
                f"{decision.count} workers could not be launched",
            )
        with self._lock:
            drained = [] if self.engine.no_launcher_reason else self._pool.drained(self._retiring)
            self._retiring.update(drained)
        if drained:
            self._ask(lambda: self.engine.retire(drained), lambda _: self._retiring.difference_update(drained), f"{drained} could not be retired")

    def _ask(self, call: Callable[[], None], undo: Callable[[Exception], None], complaint: str) -> None:
        """One call of the engine, which is not ours and may raise anything: then what it was asked for is undone, and the tick goes on."""
        try:
            call()
        except Exception as error:
            logger.warning("%s: %s", complaint, error)
            with self._lock:
                undo(error)

    def _record(self, snapshot: Snapshot) -> None:
        if snapshot.ready:
            used, allocated = fractions_of_capacity(snapshot)
            self.history.append(snapshot.time, snapshot.worker_ids, used, allocated, snapshot.capacity[:, 2] > 0, fleet_series(snapshot))

    def _freeze(self, now: float) -> Snapshot:
        last = self._ledger.last()
        return take_snapshot(
            self._pool,
            self.engine,
            self._bounds,
            last,
            self._snapshot.version + 1,
            now,
            ready=self._ready,
            unanswered=self._outcomes.unanswered,
            desired=last.desired if last else 0,
        )

    def _evaluate(self, now: float) -> Evaluation:
        signals = read_signals(self._pool, now, ready=self._ready, unanswered=self._outcomes.unanswered, most_workers=self._bounds.max)
        return self.pipeline.evaluate(self.policy, signals, self._past, self._bounds, self.engine.no_launcher_reason)

    def _describe(self, evaluation: Evaluation, decision_id: int, now: float) -> ScalingDecision:
        requests, counts = self._pool.waiting()
        asked = evaluation.action != "maintain"
        return ScalingDecision(
            id=decision_id,
            timestamp=now,
            pool="default",
            actor="repair" if evaluation.code in ("below_min", "above_max") else "policy",
            policy=self.policy.name,
            policy_version=self.policy.version,
            parameters={**self.policy.parameters, **self.pipeline.parameters},
            action=evaluation.action,
            code=evaluation.code,
            reason=evaluation.reason,
            current=evaluation.current,
            desired=evaluation.desired,
            bounded=evaluation.bounded,
            count=abs(evaluation.target - evaluation.current),
            utilization=self._pool.utilization(),
            inputs=evaluation.inputs,
            steps=evaluation.steps,
            blockers=evaluation.blockers,
            cooldown_left_seconds=evaluation.cooldown_left_seconds,
            resource_requirements=Resources.of(counts @ requests),
            outcome="pending" if asked else "done",
            requested_at=now if asked else None,
        )

    # What programs ask for

    @property
    def snapshot(self) -> Snapshot:
        """The pool as of the last tick; version 0 and not ready before the first."""
        return self._snapshot

    @property
    def bounds(self) -> Bounds:
        """How many workers the pool may have."""
        return self._bounds

    def set_bounds(self, min: int, max: int) -> None:
        """Changes the bounds; a pool outside of them is brought inside from the next tick on, by draining where it is too large."""
        bounds = Bounds(min, max)
        with self._lock:
            self._bounds = bounds

    def register_worker(self, worker_id: str, *, capacity: Resources, labels: Mapping[str, str] | None = None) -> Worker:
        """A worker of an external pool joins, with what it has. DuplicateIdError where a live one has this id."""
        with self._lock:
            self._external.register(worker_id, capacity, labels)
            self._look()
            return self._pool.fleet.worker(worker_id)

    def report(self, worker_id: str, *, used: Resources | Mapping[str, float], now: float | None = None) -> None:
        """A heartbeat: what a worker of an external pool uses (units of `Resources`). It shows at the next tick."""
        self._external.report(worker_id, used, now)

    def deregister_worker(self, worker_id: str) -> None:
        """A worker of an external pool leaves; its tasks are queued again, its reservations end."""
        with self._lock:
            self._external.deregister(worker_id)
            self._look()

    def submit(
        self,
        function: Callable[..., Any] | None = None,
        *args: Any,
        resources: Resources | None = None,
        name: str | None = None,
        duration_hint_seconds: float | None = None,
    ) -> TaskHandle:
        """Queues `function(*args)` to run on a worker that has `resources` free; the handle gives its result.

        An external pool's tasks have no function: the program is told where they start by the engine's `on_start`, and calls `finish`.
        Raises QueueFull, and InvalidValueError where the call cannot travel to a worker. A task that fits on no possible worker is kept in the
        queue, and its handle's `reason` says which resource blocks it.
        """
        if duration_hint_seconds is not None and not (math.isfinite(duration_hint_seconds) and duration_hint_seconds > 0):
            raise InvalidValueError(f"duration_hint_seconds must be positive and finite, got {duration_hint_seconds!r}")
        if resources is not None and not isinstance(resources, Resources):
            raise InvalidValueError(f"resources must be Resources(...), got {resources!r}")
        if function is None and not isinstance(self.engine, ExternalEngine):
            raise InvalidValueError("submit needs a callable: only an external pool's tasks have none")
        call = None if function is None else self.engine.encode(function, args, {})
        title = name or getattr(function, "__qualname__", None) or ("task" if function is None else type(function).__name__)
        with self._lock:
            if self._closed:
                raise DRMError("this manager is closed: make a new one")
            self._task_number += 1
            task = Task(
                id=f"t-{self._run_id}-{self._task_number}",
                name=str(title)[:NAME_LIMIT],
                resources=resources or Resources(),
                state="queued",
                submitted_at=self._now if math.isfinite(self._now) else math.nan,
                duration_hint_seconds=duration_hint_seconds,
                call=call,
            )
            return self._pool.tasks.add(task, self.cancel)

    def finish(self, task_id: str, result: Any = None, error: BaseException | None = None) -> None:
        """A task of an external pool has ended, well or with an error; UnknownIdError where it is not running."""
        with self._lock:
            if self._pool.tasks.get(task_id).state != "running":
                raise InvalidValueError(f"task {task_id!r} has not started: it ends by cancel(task_id)")
        self._external.finish(task_id, result, error)

    def cancel(self, task_id: str) -> bool:
        """Ends a queued task (True), or asks the engine to end a running one (False: it ends later). UnknownIdError where it has ended."""
        with self._lock:
            runs = self._pool.cancel(task_id, self._now)
        if runs:
            self.engine.cancel(task_id)
        return not runs

    def reserve_resources(self, resources: Resources, *, ttl_seconds: float | None = None) -> Reservation:
        """Claims `resources` on the best fitting worker, for `ttl_seconds` (None: until released).

        CapacityError where nothing fits now, InfeasibleError where nothing ever could.
        """
        if ttl_seconds is not None and not (math.isfinite(ttl_seconds) and ttl_seconds > 0):
            raise InvalidValueError(f"ttl_seconds must be positive and finite, got {ttl_seconds!r}")
        if not isinstance(resources, Resources) or not resources:
            raise InvalidValueError(f"a reservation needs Resources of which at least one is more than 0, got {resources!r}")
        with self._lock:
            return self._pool.reserve(resources, self._now, ttl_seconds)

    def release_resources(self, reservation: Reservation | str) -> None:
        """Gives a reservation back; UnknownIdError where it is not live any more. A task's own ends with the task."""
        with self._lock:
            self._pool.release(reservation if isinstance(reservation, str) else reservation.id)

    def reservations(self) -> list[Reservation]:
        """The live reservations, those of running tasks included, oldest first."""
        with self._lock:
            return self._pool.reservations.live()

    def cordon(self, worker_id: str) -> None:
        """No new task on this worker; those that run stay."""
        with self._lock:
            self._pool.move(worker_id, "cordoned", sources=("running",))

    def uncordon(self, worker_id: str) -> None:
        """New tasks on this worker again, unless its end has begun."""
        with self._lock:
            if worker_id in self._retiring:
                raise InvalidValueError(f"worker {worker_id!r} is already being ended: a new one takes its place if there is work")
            self._pool.move(worker_id, "running", sources=("cordoned", "draining"))

    def drain(self, worker_id: str) -> None:
        """No new task on this worker, and it ends once the running ones have."""
        with self._lock:
            self._pool.move(worker_id, "draining", sources=("running", "cordoned"))

    def worker(self, worker_id: str) -> Worker:
        """One worker as it stands; UnknownIdError where there is none."""
        with self._lock:
            return self._pool.fleet.worker(worker_id)

    def decisions(self) -> list[ScalingDecision]:
        """The kept decisions, oldest first."""
        with self._lock:
            return self._ledger.decisions()

    def explain(self, decision_id: int) -> ScalingDecision:
        """A kept decision with its inputs, steps and blockers; UnknownIdError where it is not kept."""
        with self._lock:
            return self._ledger.get(decision_id)

    def explain_now(self) -> ScalingDecision:
        """What the policy would do if it were asked at the time of the last tick, and why; it is not kept, and its id is 0."""
        with self._lock:
            return self._describe(self._evaluate(self._now), 0, self._now)

    def close(self) -> None:
        """Ends what the engine started; tasks that have not ended are lost. May be called twice."""
        with self._ticking:
            if self._closed:
                return
            self._closed = True
            self.engine.close()
            with self._lock:
                self._pool.abandon("the manager was closed", self._now)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def _external(self) -> ExternalEngine:
        if not isinstance(self.engine, ExternalEngine):
            raise EngineError(f"only an external pool is told of its workers and tasks; the engine here is {type(self.engine).__name__}")
        return self.engine

    def _look(self) -> None:
        """Takes a change of an external pool's members over at once, so that the next call can rely on it."""
        now = self._now if math.isfinite(self._now) else 0.0
        self._pool.account(self.engine.observe(now), now)
