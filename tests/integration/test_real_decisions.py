"""The demo workload on real worker processes: what the ledger holds after a minute, and whether its times are those of the workers."""

from __future__ import annotations

import time

import numpy as np
import pytest

from drm.decision import Bounds, ScalingDecision
from drm.demo import Demo
from drm.engines.dask import DaskEngine
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.policies.conditions import Conditions
from drm.policies.pipeline import Pipeline, evaluate
from drm.runner import Runner
from drm.state import DRMState

DEADLINE_SECONDS = 170.0
"""Three minutes, less the start."""
TOLERANCE_SECONDS = 0.05
"""Between two readings of the same clock by two threads."""
ENDED = ("done", "partial")


class Witness:
    """When each worker could first be heard by the scheduler, and when the manager ticked, as seen from outside of both."""

    def __init__(self, engine: DaskEngine, manager: DynamicResourceManager) -> None:
        self._engine, self._manager = engine, manager
        self.heard: dict[str, float] = {}
        self.ticks: list[float] = []

    def look(self) -> None:
        scheduler = self._engine._link._scheduler
        for worker in list(scheduler.workers.values()) if scheduler else ():
            if worker.status.name != "init":
                self.heard.setdefault(str(worker.name), time.time())
        at = self._manager.snapshot.time
        if at == at and at not in self.ticks:
            self.ticks.append(at)


def kept(manager: DynamicResourceManager, action: str) -> list[ScalingDecision]:
    return manager.decisions(Query(action=action, limit=1000))


def has_all(manager: DynamicResourceManager) -> bool:
    ups = [one for one in kept(manager, "scale_up") if one.outcome in ENDED and one.first_task_at]
    downs = [one for one in kept(manager, "scale_down") if one.outcome == "done"]
    return bool(ups and downs and any(one.evaluations > 1 for one in kept(manager, "maintain")))


def test_ups_downs_and_folded_maintains_with_the_workers_own_times(capsys: pytest.CaptureFixture[str]) -> None:
    """Within three minutes all three are there; each has inputs from which it follows; `ready` is the first tick after the last worker's
    first sign of life; demand and the three waits are in the history."""
    engine = DaskEngine.local(workers=1)
    with DynamicResourceManager(engine, "queue,idle_grace_seconds=5", Bounds(1, 4), pipeline=Pipeline(down_cooldown_seconds=5)) as manager:
        state, witness = DRMState(manager), Witness(engine, manager)
        began = time.monotonic()
        with Runner(state, 1.0), Demo(manager):
            while not has_all(manager):
                assert time.monotonic() - began < DEADLINE_SECONDS, [(one.code, one.outcome) for one in manager.decisions()]
                witness.look()
                time.sleep(0.005)
        seconds = time.monotonic() - began
        rows = manager.decisions(Query(limit=1000))
        policy, pipeline = manager.policy, Pipeline(down_cooldown_seconds=5)
        lags = []
        for row in rows:
            assert row.inputs and row.steps and row.reason
            found = evaluate(policy, pipeline, Conditions.from_inputs(row.inputs))
            assert (found.action, found.code, found.target) == (row.action, row.code, row.current + _change(row))
        for up in kept(manager, "scale_up"):
            if up.outcome not in ENDED:
                continue
            assert up.requested_at and up.ready_at and up.granted and len(up.worker_ids) == up.count
            last_heard = max(witness.heard[worker_id] for worker_id in up.worker_ids if worker_id in witness.heard)
            before = max(at for at in witness.ticks if at < up.ready_at)
            assert before - TOLERANCE_SECONDS <= last_heard <= up.ready_at + TOLERANCE_SECONDS, (before, last_heard, up.ready_at)
            assert up.first_task_at is None or up.ready_at <= up.first_task_at + 1.0
            lags.append(up.ready_at - last_heard)
        for down in kept(manager, "scale_down"):
            assert down.worker_ids and down.selection and set(down.worker_ids) <= set(witness.heard)
        recorded = manager.history.fleet(900.0, manager.snapshot.time)
        for name in ("demand_cpu", "demand_memory", "queue_wait_seconds", "start_wait_seconds", "run_seconds"):
            assert np.nanmax(recorded.max[name]) > 0, name
    with capsys.disabled():
        folded = sum(one.evaluations > 1 for one in rows)
        counts = f"{len(kept(manager, 'scale_up'))} up, {len(kept(manager, 'scale_down'))} down, {folded} folded"
        print(f"\nreal pool: {counts} after {seconds:.0f} s; ready lags the first sign of life by {min(lags):.2f} to {max(lags):.2f} s")


def _change(row: ScalingDecision) -> int:
    return {"scale_up": row.count, "scale_down": -row.count, "maintain": 0}[row.action]
