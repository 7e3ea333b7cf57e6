"""The tick: one phase after the other over the parts of one pool.

The lock guards the pool and the scaler; it is held for columns and dictionaries only, never across a call of an engine that may wait.
Readers need no lock: `snapshot` is immutable.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from drm.actuation import Actuator
from drm.budget import Budget
from drm.cloud.accrual import provider_series
from drm.cloud.manager import CloudProviderManager
from drm.decision import Bounds, ScalingDecision
from drm.engines import Engine
from drm.engines.external import ExternalEngine
from drm.errors import DRMError, InvalidValueError
from drm.hidden import without_secrets
from drm.history.archive import Archive
from drm.history.lifetimes import Lifetimes
from drm.history.remembered import Remembered
from drm.history.rings import Rings
from drm.history.spend_marks import SpendMarks
from drm.history.worker_spends import WorkerSpends
from drm.judgement import judge
from drm.meter import Meter
from drm.model import NAME_LIMIT, Resources, Task, WorkerType
from drm.observation import LateSample, Observation
from drm.period_spend import PeriodSpends
from drm.policies import Policy, parse_policy
from drm.policies.pipeline import Pipeline
from drm.pool import Pool
from drm.readings import default_bounds, fleet_series, fractions_of_capacity, take_snapshot
from drm.scaler import Limits, Scaler
from drm.snapshot import Snapshot
from drm.tasks import CLOSED, TaskChange, TaskHandle
from drm.tick_times import TickTimes

if TYPE_CHECKING:
    from drm.history.store import HistoryStore

QUEUE_LIMIT = 100_000


class Controller:
    """The parts of one pool, and the phases that advance them; `DynamicResourceManager` adds what programs ask for, and says what the
    arguments mean."""

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
        self.times = TickTimes()
        """How long ticks and their phases take."""
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
        self._late: list[LateSample] = []
        """What has been told of the past since the last tick was recorded."""
        self._placed: list[Task] = []
        """Tasks that have a place and were not sent there yet; more than those of one tick only where one has failed in between."""
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

    def advance(self, now: float) -> Snapshot:
        """One tick at `now` (epoch seconds; an earlier time than the last tick's counts as that one). Returns the new snapshot.

        Raises what the engine raises where it cannot be observed; then nothing has changed, and the next call tries again.
        """
        if not math.isfinite(now):
            raise InvalidValueError(f"now must be epoch seconds, got {now!r}")
        with self._ticking:
            self._refuse_when_closed()
            now = max(now, self._ticked_at)
            times = self.times
            times.begin()
            self._begin(now)
            seen = self.engine.observe(now)
            times.end_of("observe")
            with self._lock:
                self._now = self._ticked_at = now
                self._account(seen)
                times.end_of("account")
                self._placed += self._pool.place(now)
                times.end_of("place")
                question = self._scaler.ask(now, ready=self._ready)
                self._scaler.note_demand(question)
            judgement = judge(question)
            with self._lock:
                decision = self._scaler.decide(judgement)
            times.end_of("decide")
            self._actuate(decision)
            times.end_of("actuate")
            with self._lock:
                self._version += 1
                snapshot = self._freeze()
                task_changes = self._pool.tasks.take_changes()
            times.end_of("publish")
            self._record(snapshot, task_changes)
            times.end_of("record")
            self._snapshot = snapshot
            times.done()
            return snapshot

    def _account(self, seen: Observation) -> None:
        if seen.departures:
            # Reasons are words of providers; they go into tasks, lifetimes and the history.
            seen = replace(seen, departures={worker_id: without_secrets(reason) for worker_id, reason in seen.departures.items()})
        self._ready = seen.ready
        self._members_changed = False
        self._pool.account(seen, self._now)
        self._departures |= seen.departures
        self._late += seen.late
        self._scaler.account(seen.launches, self._now)
        for notice in seen.notices:
            self._scaler.keep_notice(self._now, notice, ready=self._ready)
        for arrival in seen.arrivals[: self._pool.tasks.room]:
            self._queue(arrival.name, arrival.resources, arrival.submitted_at, None, arrival.call)

    def _actuate(self, decision: ScalingDecision) -> None:
        placed, self._placed = self._placed, []
        self._actuator.start(placed, self._now)
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
            late, self._late = self._late, []
            self.history.fill(late)
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

    @property
    def snapshot(self) -> Snapshot:
        """The pool as of the last tick; version 0 and not ready before the first."""
        return self._snapshot

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

    def cancel(self, task_id: str) -> bool:
        """Ends a queued task (True), or asks the engine to end a running one (False: it ends later). UnknownIdError where it has ended."""
        with self._lock:
            runs = self._pool.cancel(task_id, self._now)
        if runs:
            self.engine.cancel(task_id)
        return not runs

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

    def _members(self) -> Pool:
        """The pool, with who joined and left an external one since the last tick, so that a call can rely on the one before it."""
        if self._members_changed:
            self._account(self.engine.observe(self._now))
        return self._pool

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise DRMError("this manager is closed: make a new one")
