"""DynamicResourceManager: the public operations over the tick."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from drm.budget import Budget, Period
from drm.cloud.accrual import Spend
from drm.controller import Controller
from drm.decision import Bounds, ScalingDecision
from drm.engines.external import ExternalEngine
from drm.engines.reported import Reception, WorkerReport
from drm.errors import EngineError, InvalidValueError
from drm.judgement import judge
from drm.ledger import Ledger
from drm.ledger_query import Query
from drm.meter import TaskCosts
from drm.model import Reservation, Resources, Worker, WorkerType
from drm.period_spend import PeriodSpend
from drm.policies import Policy, parse_policy
from drm.task_usage import UsageView
from drm.tasks import TaskHandle

A_USER = "a user"


class DynamicResourceManager(Controller):
    """Places tasks on workers, decides when the pool grows and shrinks, and keeps every decision.

    `engine`: what runs the workers (None: an external pool that reports itself). `policy`: a policy or its text, as in
    `queue,target_seconds=60` (None: `queue`). `bounds`: how many workers the pool may have (None: as many as the engine's machine holds, or
    any number for an external pool). `worker_types`: what the engine can launch, with prices (None: as the engine says). `budget`: the most
    that the pool may cost per hour, or a `Budget(hour=, day=, month=)`, in the prices' currency (None: no limit). `cloud`: who provides the
    workers (None: as the engine says).
    `store`: where history survives (None: it is gone with the program).
    `now`: when it is made, in epoch seconds (None: the clock's time); it dates what happens before the first tick.
    `advance(now)` makes one tick; a `Runner` calls it in the background. `close()`, or leaving `with`, ends what the engine started.
    """

    @property
    def ledger(self) -> Ledger:
        """Every decision, for readers of any thread."""
        return self._scaler.ledger

    @property
    def decided(self) -> Mapping[str, int]:
        """How many evaluations came to each action since the start: a copy."""
        return dict(self._scaler.decided)

    @property
    def spend(self) -> Spend:
        """What its workers have cost so far, and what for, as of the last tick."""
        return self._meter.spend

    def period_spend(self, period: Period) -> PeriodSpend:
        """What its workers have cost in the running day or month (UTC), as of the last tick."""
        return self._scaler.spends.read(period, self._now)

    @property
    def task_costs(self) -> TaskCosts:
        """What the ended attempts at tasks of each name took of each kind of instance, since the start; a copy."""
        return self._meter.task_costs()

    @property
    def policy(self) -> Policy:
        """The scaling policy."""
        return self._scaler.policy

    @property
    def budget(self) -> Budget:
        """The most that the pool may cost."""
        return self._scaler.limits.budget

    @property
    def bounds(self) -> Bounds:
        """How many workers the pool may have."""
        return self._scaler.limits.bounds

    @property
    def worker_types(self) -> tuple[WorkerType, ...]:
        """What can be launched, with prices where they are known."""
        return tuple(self._pool.worker_types.values())

    def set_bounds(self, min: int, max: int, *, by: str = A_USER) -> None:
        """Changes the bounds; a pool outside of them is brought inside from the next tick on, by draining where it is too large.

        This, `set_policy`, `cordon`, `uncordon` and `drain` are kept in the ledger with the actor `user`, once the pool ticks; `by` says in
        words who it was.
        """
        bounds = Bounds(min, max)
        with self._lock:
            self._keep_change("bounds_set", self._scaler.set_bounds(bounds, by))

    def set_policy(self, policy: Policy | str, *, by: str = A_USER) -> None:
        """Changes the scaling policy, from the next tick on: a policy, or its text as in `queue,target_seconds=60`. InvalidValueError where
        there is none of that name or a parameter is out of its range; then the old one stands."""
        chosen = parse_policy(policy) if isinstance(policy, str) else policy
        if not isinstance(chosen, Policy):
            raise InvalidValueError(f"policy must be a policy or its text, as in queue,target_seconds=60, got {policy!r}")
        with self._lock:
            self._keep_change("policy_set", self._scaler.set_policy(chosen, by))

    def register_worker(self, worker_id: str, *, capacity: Resources, labels: Mapping[str, str] | None = None) -> Worker:
        """A worker of an external pool joins, with what it has. DuplicateIdError where a live one has this id."""
        with self._lock:
            self._members_changed = True
            return self._external.register(worker_id, capacity, labels)

    def report(self, worker_id: str, *, used: Resources | Mapping[str, float], now: float | None = None) -> None:
        """A heartbeat: what a worker of an external pool uses (units of `Resources`). It shows at the next tick."""
        self._external.report(worker_id, used, now)

    def accept_report(self, worker_id: str, report: WorkerReport) -> Reception:
        """What a worker of an external pool says over the network: it joins with its first report; see `ExternalEngine.accept`."""
        reception = self._external.accept(worker_id, report, self._now)
        if reception.registered:
            with self._lock:
                self._members_changed = True
        return reception

    def release_reporter(self, worker_id: str, instance: str) -> None:
        """The program that reports a worker ends: another one may report under its id at once."""
        self._external.release(worker_id, instance)

    def contested_workers(self) -> tuple[str, ...]:
        """Ids of an external pool under which two programs report now; the one that came second is refused."""
        return self.engine.contested(self._now) if isinstance(self.engine, ExternalEngine) else ()

    @property
    def received(self) -> Mapping[str, int]:
        """What came from workers over the network since the start, by what became of it (`drm.engines.external.RECEIVED`); empty where
        none reports itself."""
        return dict(self.engine.received) if isinstance(self.engine, ExternalEngine) else {}

    def deregister_worker(self, worker_id: str) -> None:
        """A worker of an external pool leaves; its tasks are queued again, its reservations end."""
        with self._lock:
            self._members_changed = True
            self._external.deregister(worker_id)

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
        Raises QueueFull, and InvalidValueError where the call cannot travel to a worker. A task that fits on no possible worker stays
        queued, and its handle's `reason` says which resource blocks it.
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
            self._refuse_when_closed()
            return self._queue(str(title), resources or Resources(), self._now, duration_hint_seconds, call)

    def finish(self, task_id: str, result: Any = None, error: BaseException | None = None, *, used: Resources | None = None) -> None:
        """A task of an external pool has ended, well or with an error; UnknownIdError where it is not running.

        `used`: what it was measured to use (mean cores, peak bytes; 0 of memory or a GPU: not measured). Without it no request can be
        judged.
        """
        if used is not None and not isinstance(used, Resources):
            raise InvalidValueError(f"used must be Resources(...) or None, got {used!r}")
        with self._lock:
            if self._pool.tasks.get(task_id).state != "running":
                raise InvalidValueError(f"task {task_id!r} has not started: it ends by cancel(task_id)")
        self._external.finish(task_id, result, error, used)

    def reserve_resources(self, resources: Resources, *, ttl_seconds: float | None = None) -> Reservation:
        """Claims `resources` on the best fitting worker, for `ttl_seconds` (None: until released).

        CapacityError where nothing fits now, InfeasibleError where nothing ever could.
        """
        if ttl_seconds is not None and not (math.isfinite(ttl_seconds) and ttl_seconds > 0):
            raise InvalidValueError(f"ttl_seconds must be positive and finite, got {ttl_seconds!r}")
        if not isinstance(resources, Resources) or not resources:
            raise InvalidValueError(f"a reservation needs Resources of which at least one is more than 0, got {resources!r}")
        with self._lock:
            self._refuse_when_closed()
            return self._members().reserve(resources, self._now, ttl_seconds)

    def release_resources(self, reservation: Reservation | str) -> None:
        """Gives a reservation back; UnknownIdError where it is not live any more. A task's own ends with the task."""
        with self._lock:
            self._members().release(reservation if isinstance(reservation, str) else reservation.id)

    def reservations(self) -> list[Reservation]:
        """The live reservations, those of running tasks included, oldest first."""
        with self._lock:
            return self._members().reservations.live()

    def cordon(self, worker_id: str, *, by: str = A_USER) -> None:
        """No new task on this worker; those that run stay."""
        with self._lock:
            self._members().move(worker_id, "cordoned", sources=("running",))
            self._keep_change("cordoned", f"{by} cordoned worker {worker_id}", worker_id)

    def uncordon(self, worker_id: str, *, by: str = A_USER) -> None:
        """New tasks on this worker again, unless its end has begun."""
        with self._lock:
            if self._actuator.is_ending(worker_id):
                raise InvalidValueError(f"worker {worker_id!r} is already being ended: a new one takes its place if there is work")
            self._members().move(worker_id, "running", sources=("cordoned", "draining"))
            self._keep_change("uncordoned", f"{by} uncordoned worker {worker_id}", worker_id)

    def drain(self, worker_id: str, *, by: str = A_USER) -> None:
        """No new task on this worker, and it ends once the running ones have."""
        with self._lock:
            self._members().move(worker_id, "draining", sources=("running", "cordoned"))
            self._keep_change("drain_asked", f"{by} asked worker {worker_id} to drain", worker_id)

    def worker(self, worker_id: str) -> Worker:
        """One worker as it stands; UnknownIdError where there is none."""
        with self._lock:
            return self._members().fleet.worker(worker_id)

    def decisions(self, query: Query | None = None) -> list[ScalingDecision]:
        """The kept decisions that the query means (None: the latest 100), newest first; a run of identical `maintain`s is one of them."""
        return self.ledger.query(query or Query())

    def task_usage(self) -> UsageView:
        """What ended tasks used, by name and request: the newest samples of each."""
        with self._lock:
            return self._pool.usage.view()

    def explain(self, decision_id: int) -> ScalingDecision:
        """A kept decision with its inputs, steps and blockers; UnknownIdError where it is not kept."""
        return self.ledger.get(decision_id)

    def explain_now(self) -> ScalingDecision:
        """What the policy would do if it were asked at the time of the last tick, and why; it is not kept, and its id is 0.

        A policy that takes seconds is not asked again: then it is what the last tick decided.
        """
        with self._lock:
            last = self._scaler.last
            if self._scaler.is_slow and last is not None:
                return replace(last, id=0)
            self._members()
            question = self._scaler.ask(self._now, ready=self._ready)
        return judge(question).decision

    @property
    def _external(self) -> ExternalEngine:
        if not isinstance(self.engine, ExternalEngine):
            raise EngineError(f"only an external pool is told of its workers and tasks; the engine here is {type(self.engine).__name__}")
        return self.engine

    def _keep_change(self, code: str, change: str, *worker_ids: str) -> None:
        """Before the first tick a change is how the pool is set up; rows of the ledger stand in the order of the ticks."""
        if change and self._version:
            self._scaler.keep_change(self._now, code, change, worker_ids, ready=self._ready)
