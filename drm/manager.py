"""DynamicResourceManager: the tick, and the public operations.

The lock guards the pool and the scaler; it is held for columns and dictionaries only, never across a call of an engine that may wait.
Readers need no lock: `snapshot` is immutable.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from drm.actuation import Actuator
from drm.budget import Budget, Period
from drm.cloud.accrual import Spend, provider_series
from drm.cloud.manager import CloudProviderManager
from drm.decision import Bounds, ScalingDecision
from drm.engines import Engine
from drm.engines.external import ExternalEngine
from drm.errors import DRMError, EngineError, InvalidValueError
from drm.history.archive import Archive
from drm.history.lifetimes import Lifetimes
from drm.history.remembered import Remembered
from drm.history.rings import Rings
from drm.history.spend_marks import SpendMarks
from drm.history.worker_spends import WorkerSpends
from drm.ledger import Ledger
from drm.ledger_query import Query
from drm.meter import Meter, TaskCosts
from drm.model import NAME_LIMIT, Reservation, Resources, Task, Worker, WorkerType
from drm.observation import Observation
from drm.period_spend import PeriodSpend, PeriodSpends
from drm.policies import Policy, parse_policy
from drm.policies.pipeline import Pipeline
from drm.pool import Pool
from drm.readings import default_bounds, fleet_series, fractions_of_capacity, take_snapshot
from drm.scaler import Limits, Scaler
from drm.snapshot import Snapshot
from drm.task_usage import UsageView
from drm.tasks import CLOSED, TaskChange, TaskHandle

if TYPE_CHECKING:
    from drm.history.store import HistoryStore

QUEUE_LIMIT = 100_000


class DynamicResourceManager:
    """Places tasks on workers, decides when the pool grows and shrinks, and keeps every decision.

    `engine`: what runs the workers (None: an external pool that reports itself). `policy`: a policy or its text, as in
    `queue,target_seconds=60` (None: `queue`). `bounds`: how many workers the pool may have (None: as many as the engine's machine holds, or
    any number for an external pool). `worker_types`: what the engine can launch, with prices (None: as the engine says). `budget`: the most
    that the pool may cost per hour, or a `Budget(hour=, day=, month=)`, in the prices' currency (None: no limit). `cloud`: who provides the
    workers (None: as the engine says).
    `store`: where history survives (None: it is gone with the program).
    `now`: when it is made, in epoch seconds (None: the clock's
    time); it dates what happens before the first tick.
    `advance(now)` makes one tick; a `Runner` calls it in the background. `close()`, or leaving `with`, ends what the engine started.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        policy: Policy | str | None = None,
        bounds: Bounds | None = None,
        *,
        pipeline: Pipeline | None = None,
        worker_types: Sequence[WorkerType] | None = None,
        budget: Budget | float | None = None,
        cloud: CloudProviderManager | None = None,
        store: HistoryStore | None = None,
        interval_seconds: float = 1.0,
        queue_limit: int = QUEUE_LIMIT,
        now: float | None = None,
    ) -> None:
        self.engine: Engine = ExternalEngine() if engine is None else engine
        self.interval_seconds = interval_seconds
        self.history = Rings(interval_seconds, math.inf if store is None else store.retention_seconds)
        self.lifetimes = Lifetimes()
        self.store = store
        """Where history survives; None: it does not. Whoever made it closes it, after the manager."""
        self.archive: Archive | None = None if store is None else store.archive
        """What is kept beyond RAM; None: nothing is."""
        self.state: Any = None
        """The one DRMState over this manager; it puts itself here."""
        self._lock = threading.Lock()
        self._ticking = threading.Lock()
        types = self.engine.worker_types if worker_types is None else worker_types
        self._pool = Pool(types if cloud is None else cloud.priced(types), queue_limit)
        self.worker_spends = WorkerSpends()
        """What each worker was paid for in times that have passed."""
        self._meter = Meter(self.worker_spends)
        self.spend_marks = SpendMarks()
        """What had been spent at moments that have passed."""
        self._scaler = Scaler(
            self._pool,
            parse_policy(policy or "queue") if policy is None or isinstance(policy, str) else policy,
            pipeline or Pipeline(),
            Limits(bounds or default_bounds(self.engine), Budget.of(budget)),
            self.engine.no_launcher_reason,
            PeriodSpends(self._meter, self.spend_marks),
        )
        self._actuator = Actuator(self.engine, self._pool, self._scaler, self._lock)
        self._now = time.time() if now is None else now
        self._ticked_at = -math.inf
        self._ready = False
        self._members_changed = False
        self._departures: dict[str, str] = {}
        """Why workers went since the last tick was recorded, by id."""
        self._run_id = uuid.uuid4().hex[:10]
        self._task_number = 0
        self._closed = False
        self._version = 0
        self._remembered = Remembered(
            rings=self.history,
            lifetimes=self.lifetimes,
            ledger=self._scaler.ledger,
            accrual=self._meter,
            spend_marks=self.spend_marks,
            worker_spends=self.worker_spends,
            kinds=self._pool.kinds,
            tasks=self._pool.tasks,
            usage=self._pool.usage,
        )
        self._begun = store is None
        self._snapshot = self._freeze()
        self.cloud = cloud or CloudProviderManager.of_pool(self.engine.source, types, on_this_machine=self.engine.machine is not None)

    # The tick

    def advance(self, now: float) -> Snapshot:
        """One tick at `now` (epoch seconds; an earlier time than the last tick's counts as that one). Returns the new snapshot.

        Raises what the engine raises where it cannot be observed; then nothing has changed, and the next call tries again.
        """
        if not math.isfinite(now):
            raise InvalidValueError(f"now must be epoch seconds, got {now!r}")
        with self._ticking:
            self._refuse_when_closed()
            now = max(now, self._ticked_at)
            self._begin(now)
            seen = self.engine.observe(now)
            with self._lock:
                self._now = self._ticked_at = now
                self._account(seen)
                started = self._pool.place(now)
                decision = self._scaler.decide(now, ready=self._ready)
            self._actuate(started, decision)
            with self._lock:
                self._version += 1
                snapshot = self._freeze()
                task_changes = self._pool.tasks.take_changes()
            self._record(snapshot, task_changes)
            self._snapshot = snapshot
            return snapshot

    def _account(self, seen: Observation) -> None:
        self._ready = seen.ready
        self._members_changed = False
        self._pool.account(seen, self._now)
        self._departures |= seen.departures
        self._scaler.account(seen.launches, self._now)
        for notice in seen.notices:
            self._scaler.keep_notice(self._now, notice, ready=self._ready)
        for arrival in seen.arrivals[: self._pool.tasks.room]:
            self._queue(arrival.name, arrival.resources, arrival.submitted_at, None, arrival.call)

    def _actuate(self, started: list[Task], decision: ScalingDecision) -> None:
        self._actuator.start(started, self._now)
        if decision.action == "scale_up":
            self._actuator.launch(decision)
        self._actuator.retire_drained()

    def _begin(self, now: float) -> None:
        """Before the first tick: what an earlier run knew."""
        if not self._begun and self.store is not None:
            pool_outlives = self.engine.machine is None and self.engine.source.kind != "simulated"
            self.store.begin(now, self.engine.source, self._remembered, pool_outlives=pool_outlives, lock=self._lock)
            self._begun = True

    def _record(self, snapshot: Snapshot, task_changes: tuple[TaskChange, ...]) -> None:
        departures, self._departures = self._departures, {}
        changed = self.lifetimes.observe(snapshot, departures)
        spend = self._meter.look(snapshot, self.history.sampling_seconds, task_changes)
        self.spend_marks.keep(spend)
        if snapshot.ready:
            used, allocated = fractions_of_capacity(snapshot)
            series = fleet_series(snapshot) | provider_series(spend)
            self.history.append(snapshot.time, snapshot.worker_ids, used, allocated, snapshot.capacity[:, 2] > 0, series)
        if self.store is not None:
            self.store.keep(snapshot, self._remembered, changed, task_changes, spend)

    def _freeze(self) -> Snapshot:
        scaler = self._scaler
        return take_snapshot(
            self._pool,
            self.engine,
            scaler.limits.bounds,
            scaler.last,
            scaler.last_action,
            scaler.bands,
            version=self._version,
            now=self._now if self._version else math.nan,
            ready=self._ready,
            unanswered=sum(scaler.unanswered.values()),
        )

    # What programs ask for

    @property
    def snapshot(self) -> Snapshot:
        """The pool as of the last tick; version 0 and not ready before the first."""
        return self._snapshot

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
    def cloud(self) -> CloudProviderManager:
        """Who provides the workers, and what they have cost. Another one may be set; it finds the same sums."""
        return self._cloud

    @cloud.setter
    def cloud(self, cloud: CloudProviderManager) -> None:
        if not isinstance(cloud, CloudProviderManager):
            raise InvalidValueError(f"cloud must be a CloudProviderManager([provider, ...]), got {cloud!r}")
        cloud.attach(self._read_snapshot, self._meter)
        self._meter.billing = cloud.billing()
        self._cloud = cloud

    def _read_snapshot(self) -> Snapshot:
        return self._snapshot

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

    def set_bounds(self, min: int, max: int) -> None:
        """Changes the bounds; a pool outside of them is brought inside from the next tick on, by draining where it is too large.

        This, `set_policy`, `cordon`, `uncordon` and `drain` are kept in the ledger with the actor `user`, once the pool ticks.
        """
        bounds = Bounds(min, max)
        with self._lock:
            self._keep_change("bounds_set", self._scaler.set_bounds(bounds))

    def set_policy(self, policy: Policy | str) -> None:
        """Changes the scaling policy, from the next tick on: a policy, or its text as in `queue,target_seconds=60`. InvalidValueError where
        there is none of that name or a parameter is out of its range; then the old one stands."""
        chosen = parse_policy(policy) if isinstance(policy, str) else policy
        if not isinstance(chosen, Policy):
            raise InvalidValueError(f"policy must be a policy or its text, as in queue,target_seconds=60, got {policy!r}")
        with self._lock:
            self._keep_change("policy_set", self._scaler.set_policy(chosen))

    def register_worker(self, worker_id: str, *, capacity: Resources, labels: Mapping[str, str] | None = None) -> Worker:
        """A worker of an external pool joins, with what it has. DuplicateIdError where a live one has this id."""
        with self._lock:
            self._members_changed = True
            return self._external.register(worker_id, capacity, labels)

    def report(self, worker_id: str, *, used: Resources | Mapping[str, float], now: float | None = None) -> None:
        """A heartbeat: what a worker of an external pool uses (units of `Resources`). It shows at the next tick."""
        self._external.report(worker_id, used, now)

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

    def _queue(self, name: str, resources: Resources, submitted_at: float, duration_hint_seconds: float | None, call: Any) -> TaskHandle:
        self._task_number += 1
        task = Task(
            id=f"t-{self._run_id}-{self._task_number}",
            name=name[:NAME_LIMIT],
            resources=resources,
            state="queued",
            submitted_at=submitted_at,
            duration_hint_seconds=duration_hint_seconds,
            call=call,
        )
        return self._pool.tasks.add(task, self.cancel)

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

    def cordon(self, worker_id: str) -> None:
        """No new task on this worker; those that run stay."""
        with self._lock:
            self._members().move(worker_id, "cordoned", sources=("running",))
            self._keep_change("cordoned", f"a user cordoned worker {worker_id}", worker_id)

    def uncordon(self, worker_id: str) -> None:
        """New tasks on this worker again, unless its end has begun."""
        with self._lock:
            if self._actuator.is_ending(worker_id):
                raise InvalidValueError(f"worker {worker_id!r} is already being ended: a new one takes its place if there is work")
            self._members().move(worker_id, "running", sources=("cordoned", "draining"))
            self._keep_change("uncordoned", f"a user uncordoned worker {worker_id}", worker_id)

    def drain(self, worker_id: str) -> None:
        """No new task on this worker, and it ends once the running ones have."""
        with self._lock:
            self._members().move(worker_id, "draining", sources=("running", "cordoned"))
            self._keep_change("drain_asked", f"a user asked worker {worker_id} to drain", worker_id)

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
        """What the policy would do if it were asked at the time of the last tick, and why; it is not kept, and its id is 0."""
        with self._lock:
            self._members()
            return self._scaler.explain_now(self._now, ready=self._ready)

    def close(self) -> None:
        """Ends what the engine started; tasks that have not ended are lost. May be called twice."""
        with self._ticking:
            if self._closed:
                return
            self._closed = True
            self.engine.close()
            with self._lock:
                self._pool.abandon(CLOSED, self._now)
                changes = self._pool.tasks.take_changes() if self.store else ()
            if self.store is not None:
                self.store.keep_last(changes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def _external(self) -> ExternalEngine:
        if not isinstance(self.engine, ExternalEngine):
            raise EngineError(f"only an external pool is told of its workers and tasks; the engine here is {type(self.engine).__name__}")
        return self.engine

    def _members(self) -> Pool:
        """The pool, with who joined and left an external one since the last tick, so that a call can rely on the one before it."""
        if self._members_changed:
            self._account(self.engine.observe(self._now))
        return self._pool

    def _keep_change(self, code: str, change: str, *worker_ids: str) -> None:
        """Before the first tick a change is how the pool is set up; rows of the ledger stand in the order of the ticks."""
        if change and self._version:
            self._scaler.keep_change(self._now, code, change, worker_ids, ready=self._ready)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise DRMError("this manager is closed: make a new one")
