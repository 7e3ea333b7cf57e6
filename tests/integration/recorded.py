"""A simulated pool with a history of two runs and a gap between them, and all that it handed over, so that answers can be checked.

The second run goes on living: it is asked over its API, and written to, while its file is copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drm.cloud.accrual import Spend
from drm.decision import Bounds, ScalingDecision
from drm.engines.simulated import SimulatedEngine
from drm.history.lifetimes import Lifetime
from drm.history.store import HistoryStore
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import WorkerType
from drm.observation import LaunchReport
from drm.snapshot import Snapshot
from drm.state import DRMState
from drm.tasks import TaskChange

START = 1_767_636_000.0
"""2026-01-05 18:00 UTC: midnight is in the first run."""
STEP_SECONDS = 60.0
FIRST_TICKS, GAP_SECONDS, LATER_TICKS = 420, 1800.0, 90
WORKERS, SEED = 24, 4
WRITTEN_WITHIN = 30.0


class UnluckyEngine(SimulatedEngine):
    """Some launches are refused, and once some workers fall silent, whatever the seed brings besides."""

    def launch(self, count: int, worker_type: WorkerType, launch_id: str) -> None:
        """Each fifth one brings nothing."""
        self._asked = getattr(self, "_asked", 0) + 1
        if self._asked % 5:
            super().launch(count, worker_type, launch_id)
        else:
            self._launches.append(LaunchReport(launch_id, (), failed=count, error=f"no {worker_type.name} is to be had"))


class WatchedStore(HistoryStore):
    """Remembers what ticks handed over."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ticks: list[tuple[Snapshot, Spend]] = []
        self.lifetimes: dict[int, Lifetime] = {}
        self.tasks: list[TaskChange] = []

    def keep(self, snapshot: Any, remembered: Any, lifetimes: Any, tasks: Any, spend: Any) -> None:
        """As the store does."""
        self.ticks.append((snapshot, spend))
        self.lifetimes |= {one.number: one for one in lifetimes}
        self.tasks += tasks
        super().keep(snapshot, remembered, lifetimes, tasks, spend)

    def keep_last(self, tasks: Any) -> None:
        """As the store does."""
        self.tasks += tasks
        super().keep_last(tasks)


@dataclass
class Recorded:
    """`ticks`, `lifetimes`, `tasks`, `decisions`: of both runs, as they were handed over or stood at the end of their run."""

    folder: Path
    state: DRMState
    store: WatchedStore
    first_end: float
    ticks: list[tuple[Snapshot, Spend]]
    lifetimes: list[Lifetime]
    tasks: list[TaskChange]
    decisions: list[ScalingDecision]

    @property
    def end(self) -> float:
        """The last tick that the other tests rely on."""
        return self.first_end + GAP_SECONDS + LATER_TICKS * STEP_SECONDS


@contextmanager
def recording(folder: Path) -> Iterator[Recorded]:
    """Records both runs; the second one lives until the end."""
    first, store = _run(folder, SEED, START, FIRST_TICKS)
    ticks, tasks = store.ticks, store.tasks
    ended, last = {one.number: one for one in store.lifetimes.values()}, store.ticks[-1][0].time
    decisions = {one.id: one for one in _all_decisions(first)}
    first.manager.close()
    store.close()
    second, later = _run(folder, SEED + 1, last + GAP_SECONDS, LATER_TICKS + 1)
    # Who lived at the end of the first run ended with it: the second one finds that out.
    ended |= {one.number: one for one in second.manager.lifetimes.between(float("-inf"), last)} | later.lifetimes
    decisions |= {one.id: one for one in _all_decisions(second) if one.id > max(decisions)}
    try:
        yield Recorded(
            folder=folder,
            state=second,
            store=later,
            first_end=last,
            ticks=[*ticks, *later.ticks],
            lifetimes=[ended[number] for number in sorted(ended)],
            tasks=[*tasks, *later.tasks],
            decisions=[decisions[number] for number in sorted(decisions)],
        )
    finally:
        second.manager.close()
        later.close()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """One for all tests, which only read it, or add ticks after its `end`."""
    with recording(tmp_path_factory.mktemp("recorded") / "data") as found:
        yield found


def _run(folder: Path, seed: int, start: float, ticks: int) -> tuple[DRMState, WatchedStore]:
    store, engine = WatchedStore(folder), UnluckyEngine(WORKERS, seed)
    manager = DynamicResourceManager(engine, bounds=Bounds(4, WORKERS), store=store, interval_seconds=STEP_SECONDS, now=start)
    state = DRMState(manager)
    for number in range(ticks):
        state.advance(start + number * STEP_SECONDS)
        if number == FIRST_TICKS // 2:
            assert engine.silence(0.2, 1200.0)
        assert state.health.ok, state.health.error
    assert store.flush(WRITTEN_WITHIN), store.recording
    return state, store


def _all_decisions(state: DRMState) -> list[ScalingDecision]:
    found: list[ScalingDecision] = []
    while part := state.ledger.query(Query(before=found[-1].id if found else None, limit=1000)):
        found += part
    return found[::-1]
