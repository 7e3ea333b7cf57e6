"""DRMState: the one shared object between the tick and its readers: the last Snapshot, the controller's health, and window queries."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import cast

from drm.budget import Budget, Period
from drm.cloud.accrual import Spend
from drm.cloud.manager import CloudProviderManager
from drm.cloud.totals import Totals
from drm.decision import Kind, ScalingDecision
from drm.errors import DRMError, FutureError, InvalidValueError
from drm.health import Health, sentence
from drm.history.lifetimes import Lifetime, Lifetimes, Newest
from drm.history.recording import Recording
from drm.ledger import Ledger
from drm.ledger_query import Columns, Query, Words
from drm.manager import DynamicResourceManager
from drm.meter import TaskCosts
from drm.own_process import OwnProcess
from drm.past_view import PastView, moment_text
from drm.period_spend import PeriodSpend
from drm.snapshot import Snapshot
from drm.task_usage import UsageView
from drm.traffic import Traffic
from drm.view import View
from drm.windows import Windows

logger = logging.getLogger(__name__)

LOG_EVERY_SECONDS = 60.0
CHANGING: tuple[Kind, ...] = ("up", "down", "failed", "user")
MOMENTS_KEPT = 8
"""Views of the past that are kept for the next reader of the same moment."""


class DRMState(Windows):
    """Readers take `snapshot` and `health`, immutable values that are replaced whole, so no reader waits for a tick or sees half of one.

    A manager has one state: making a second one gives the first. A state belongs to the process that made it; used after a fork it raises
    DRMError, because threads, and with them the tick, do not survive one.
    """

    manager: DynamicResourceManager
    moment = None
    """The view of the present."""
    unknown: tuple[str, ...] = ()

    def __new__(cls, manager: DynamicResourceManager) -> DRMState:
        """The state of this manager."""
        if not isinstance(manager, DynamicResourceManager):
            raise InvalidValueError(f"a DRMState needs a DynamicResourceManager, got {manager!r}")
        if manager.state is None:
            state = super().__new__(cls)
            state._begin(manager)
            manager.state = state
        return cast(DRMState, manager.state)

    def _begin(self, manager: DynamicResourceManager) -> None:
        self.manager = manager
        self._health = Health(interval_seconds=manager.interval_seconds)
        self._process = os.getpid()
        self._logged_at = -math.inf
        self._counted: tuple[int, dict[float, tuple[int, int]]] = -1, {}
        self._explained: tuple[int, ScalingDecision] | None = None
        self._listeners: dict[object, Callable[[], object]] = {}
        self._past = lru_cache(maxsize=MOMENTS_KEPT)(partial(PastView, manager))
        self.traffic = Traffic()
        """What pages ask of the servers over this state."""
        self.process = OwnProcess()
        self.runner: object | None = None
        """The Runner that ticks this state, if one is attached."""
        self.hindrance = ""
        """Why this process may not manage the pool, where another one of the same server does."""

    @property
    def snapshot(self) -> Snapshot:
        """The pool as of the last tick; version 0 and not ready before the first."""
        self.refuse_after_fork()
        return self.manager.snapshot

    @property
    def health(self) -> Health:
        """How the controller does."""
        self.refuse_after_fork()
        return self._health

    @property
    def etag(self) -> str:
        """Changes with each tick."""
        return str(self.snapshot.version)

    def end(self) -> float:
        """The last tick; 0 before the first."""
        last = self.snapshot.time
        return last if math.isfinite(last) else 0.0

    def at(self, moment: float | None) -> View:
        """The pool as it was at a moment (epoch seconds), or this state for None. FutureError for a moment that no tick has reached."""
        if moment is None:
            return self
        last = self.snapshot.time
        if not (math.isfinite(moment) and moment >= 0):
            raise InvalidValueError(f"at must be epoch seconds of 0 or more, got {moment!r}")
        if not moment <= last:
            reached = "no tick has run yet" if math.isnan(last) else f"the last tick is of {moment_text(last)}"
            raise FutureError(f"at must not lie in the future, got {moment_text(moment)}, and {reached}: leave it out for the present")
        archive = self.manager.archive
        is_written = archive is not None and moment <= archive.complete_until
        return self._past(moment, f"{self.manager.history.sample_etag(moment)}.{is_written}")

    def set_interval(self, interval_seconds: float, speed: float = 1.0) -> None:
        """Tells readers and the history how often ticks come, and how fast the manager's time runs; the Runner calls it."""
        self._health = replace(self._health, interval_seconds=interval_seconds)
        self.manager.history.sampling_seconds = interval_seconds * speed

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Calls the listener after each tick, failed ones too, until what is returned here is called.

        It is called in the thread of the tick, which waits for it: it hands the news on and returns. One that raises is not called again.
        """
        key = object()
        self._listeners[key] = listener
        return lambda: self._forget(key)

    def advance(self, now: float) -> Snapshot:
        """One tick. An exception in it is logged once a minute at most, counted and kept as `health`; the last snapshot then stands."""
        self.refuse_after_fork()
        snapshot = self._advance(now)
        for key, listener in list(self._listeners.items()):
            try:
                listener()
            except Exception:
                logger.exception("a listener of the ticks failed, and is not called again")
                self._forget(key)
        return snapshot

    def _forget(self, key: object) -> None:
        self._listeners.pop(key, None)

    def _advance(self, now: float) -> Snapshot:
        began = time.perf_counter()
        try:
            snapshot = self.manager.advance(now)
        except Exception as error:
            self._note_failure(error, time.perf_counter() - began)
            return self.manager.snapshot
        took = time.perf_counter() - began
        self._health = replace(
            self._health,
            ok=True,
            error="",
            last_tick_at=snapshot.time,
            ticked_monotonic=time.monotonic(),
            tick_seconds=took,
            ticking_seconds=self._health.ticking_seconds + took,
        )
        return snapshot

    def scaling_events(self, range_seconds: float) -> tuple[int, int]:
        """How many scale-ups and scale-downs were decided in the range up to the last tick. All readers of a tick share one count."""
        snapshot, since = self.snapshot, self.start(range_seconds)
        version, counted = self._counted
        if version != snapshot.version:
            version, counted = self._counted = snapshot.version, {}
        if range_seconds not in counted:
            counted[range_seconds] = (
                self.ledger.count(Query(since=since, action="scale_up")),
                self.ledger.count(Query(since=since, action="scale_down")),
            )
        return counted[range_seconds]

    def task_usage(self, range_seconds: float | None = None) -> UsageView:
        """What ended tasks used, by name and request: the newest samples, whatever the range; copied only where they have changed since."""
        self.refuse_after_fork()
        return self.manager.task_usage()

    @property
    def ledger(self) -> Ledger:
        """Every decision."""
        self.refuse_after_fork()
        return self.manager.ledger

    @property
    def recording(self) -> Recording:
        """How the keeping of history does."""
        self.refuse_after_fork()
        store = self.manager.store
        return Recording() if store is None else store.recording

    @property
    def lifetimes(self) -> Lifetimes:
        """Who was there when."""
        self.refuse_after_fork()
        return self.manager.lifetimes

    def lifetimes_in(self, range_seconds: float) -> tuple[Lifetime, ...]:
        """The lifetimes that touch the range."""
        return self.lifetimes.between(self.start(range_seconds), self.end())

    def lifetimes_of(self, worker_id: str) -> tuple[Lifetime, ...]:
        """All kept lifetimes under one id, oldest first."""
        return self.lifetimes.of(worker_id)

    def newest_lifetimes(self, range_seconds: float, most: int) -> Newest:
        """Of the lifetimes that touch the range those that changed last, be it that they ended."""
        return self.lifetimes.newest(self.start(range_seconds), math.inf, most)

    def ended_lifetimes(self, range_seconds: float, most: int) -> Newest:
        """Of the lifetimes that ended within the range the last ones."""
        return self.lifetimes.newest_ended(self.start(range_seconds), math.inf, most)

    def task_costs(self) -> TaskCosts:
        """What the ended attempts at tasks of each name took of each kind of instance, since the controller started."""
        return self.manager.task_costs

    def spends(self, range_seconds: float) -> tuple[Spend | None, Spend | None]:
        """What the pool's workers had cost when a range began, or when they were first looked at, and by its end; None before the first
        tick. Both are as near as the marks that are kept of that time: a minute, ten minutes or an hour."""
        marks, now = self.manager.spend_marks, self.manager.spend
        return marks.at(self.start(range_seconds)) or marks.first(), None if math.isnan(now.time) else now

    @property
    def budget(self) -> Budget:
        """The most that the pool may cost."""
        return self.manager.budget

    def period_spend(self, period: Period) -> PeriodSpend:
        """What the pool's workers have cost in the running day or month (UTC), up to the last tick."""
        return self.manager.period_spend(period)

    def spend_marks(self, since: float) -> tuple[Spend, ...]:
        """What they had cost at the first tick of each minute, ten minutes or hour that is kept, from a moment on, oldest first; at last
        as of the last tick."""
        now = self.manager.spend
        return (*self.manager.spend_marks.between(since, now.time), *(() if math.isnan(now.time) else (now,)))

    def cloud_totals(self) -> Totals:
        """What all providers have and cost, as it was last told; waits for none of them."""
        return self.cloud.last_totals()

    @property
    def cloud(self) -> CloudProviderManager:
        """Who provides the workers, and what they have cost."""
        self.refuse_after_fork()
        return self.manager.cloud

    def decision_columns(self, range_seconds: float, kind: Words = None) -> Columns:
        """The decisions of the range up to the last tick as columns, newest first."""
        return self.ledger.columns(Query(since=self.start(range_seconds), kind=kind))

    def decision_beside(self, moment: float, *, forward: bool) -> ScalingDecision | None:
        """The next decision after a moment that changed the pool or was to, or the last one before it; None where none is kept."""
        beyond = math.nextafter(moment, math.inf if forward else -math.inf)
        since, until = (beyond, math.inf) if forward else (-math.inf, beyond)
        found = self.ledger.query(Query(since=since, until=until, kind=CHANGING, descending=not forward, limit=1))
        return found[0] if found else None

    def explain_now(self) -> ScalingDecision:
        """What the policy would do now, and why; worked out once per tick, however many ask. Its id is 0."""
        version = self.snapshot.version
        if self._explained is None or self._explained[0] != version:
            self._explained = version, self.manager.explain_now()
        return self._explained[1]

    def _note_failure(self, error: Exception, tick_seconds: float) -> None:
        health = self._health
        told = sentence(error)
        self._health = replace(
            health,
            ok=False,
            error=told,
            errors=health.errors + 1,
            tick_seconds=tick_seconds,
            last_error=told,
            last_error_monotonic=time.monotonic(),
        )
        if time.monotonic() - self._logged_at >= LOG_EVERY_SECONDS:
            self._logged_at = time.monotonic()
            logger.exception("a tick failed, %d so far; the next one runs", self._health.errors)

    def refuse_after_fork(self) -> None:
        """DRMError in any process but the one that made this state, and while another one manages the pool."""
        if self.hindrance:
            raise DRMError(self.hindrance)
        if os.getpid() != self._process:
            raise DRMError(
                f"this DRMState belongs to process {self._process}, this is {os.getpid()}: make it after the fork, and serve it from "
                "one process (gunicorn -w 1 --threads 8)"
            )
