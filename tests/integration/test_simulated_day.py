"""A simulated day: 300 workers in steps of a minute, with faults; what must hold at every tick, and for its decisions."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from drm.cli import SIMULATED_LIMITS, SIMULATED_POLICY, SIMULATED_START
from drm.decision import Bounds, ScalingDecision
from drm.engines.simulated import SimulatedEngine
from drm.ledger import Query
from drm.manager import DynamicResourceManager
from drm.model import ACTIVE_CODES, STATE_CODE, WorkerType
from drm.policies import create_policy
from drm.policies.conditions import Conditions
from drm.policies.flips import find_flips
from drm.policies.pipeline import Pipeline, evaluate

WORKERS, STEP = 300, 60.0
DAY = 1440
GLITCH = (600, 610)
BROKEN = (200, 215)


class Faulty(SimulatedEngine):
    """A fleet whose provider refuses every launch for a quarter of an hour."""

    broken = False

    def launch(self, count: int, worker_type: WorkerType, launch_id: str) -> None:
        if self.broken:
            raise RuntimeError("InsufficientInstanceCapacity: try another zone")
        super().launch(count, worker_type, launch_id)


@dataclass
class Day:
    manager: DynamicResourceManager
    engine: Faulty
    decisions: list[ScalingDecision] = field(default_factory=list)


def simulate(steps: int, seed: int = 0, *, faults: bool = False) -> Iterator[Day]:
    """The day after each step."""
    engine = Faulty(WORKERS, seed)
    manager = DynamicResourceManager(
        engine, SIMULATED_POLICY, Bounds(30, WORKERS), pipeline=Pipeline(**SIMULATED_LIMITS), now=SIMULATED_START
    )
    day = Day(manager, engine)
    for step in range(steps):
        engine.broken = faults and BROKEN[0] <= step < BROKEN[1]
        if faults and step == GLITCH[0]:
            assert len(engine.silence(1 / 3, (GLITCH[1] - GLITCH[0]) * STEP)) > 50
        snapshot = manager.advance(SIMULATED_START + STEP * step)
        assert snapshot.last_decision is not None
        day.decisions.append(snapshot.last_decision)
        yield day
    manager.close()


@pytest.fixture(scope="module")
def day() -> Day:
    """The whole day, with faults; the invariants were checked at every tick of it."""
    for step, day in enumerate(simulate(DAY, faults=True)):
        check(day, step)
    return day


def check(day: Day, step: int) -> None:
    """What holds at every tick."""
    pool, snapshot = day.manager._pool, day.manager.snapshot
    fleet = pool.fleet
    booked = np.zeros((len(fleet), 4))
    for reservation in pool.reservations.live():
        booked[fleet.row(reservation.worker_id)] += reservation.resources.vector()
    np.testing.assert_allclose(fleet.allocated, booked, rtol=1e-9, atol=1e-3)
    assert (fleet.allocated <= fleet.capacity * (1 + 1e-9)).all()
    assert set(pool.tasks.running) == {one.task_id for one in pool.reservations.live()}
    active = np.isin(snapshot.states, ACTIVE_CODES)
    np.testing.assert_allclose(snapshot.totals(snapshot.allocated), fleet.allocated[active].sum(axis=0))
    assert snapshot.current <= WORKERS
    decision = day.decisions[-1]
    assert decision.timestamp == snapshot.time
    if decision.action == "scale_down":
        assert decision.count <= max(1, decision.current // 3) and len(set(decision.worker_ids)) == decision.count
        assert not {one.worker_id for one in pool.tasks.running.values()} & set(decision.worker_ids), "a worker with a task went"
        assert not GLITCH[0] <= step < GLITCH[1] - 1, "it scaled down while a third of the fleet was silent"
    if decision.action == "scale_up":
        assert decision.worker_type in pool.worker_types and decision.current + decision.count <= WORKERS


def test_the_day_has_all_that_a_day_has(day: Day) -> None:
    """Ups, downs and folded maintains, outcomes of each, three kinds of workers bought, and prices before and after."""
    ups = day.manager.decisions(Query(action="scale_up", limit=1000))
    downs = day.manager.decisions(Query(action="scale_down", limit=1000))
    assert len(ups) > 50 and len(downs) > 50
    assert {one.worker_type for one in ups} >= {"standard-spot", "high-memory", "gpu"}
    assert all(one.provider and one.cost_rate_before and one.cost_rate_after and one.cost_rate_after > one.cost_rate_before for one in ups)
    assert all(
        one.cost_rate_after < one.cost_rate_before and one.selection for one in downs if one.cost_rate_before and one.cost_rate_after
    )
    done = [one for one in ups if one.outcome == "done"]
    assert len(done) > 30 and all(one.requested_at and one.ready_at and 0 < one.ready_at - one.requested_at < 1200 for one in done)
    evaluations = sum(one.evaluations for one in day.manager.decisions(Query(action="maintain", limit=1000)))
    assert evaluations + len(ups) + len(downs) == DAY


def test_silence_of_a_third_stops_scaling_down(day: Day) -> None:
    """No scale-down follows, the ledger says why, and when the workers are back the sums are right."""
    while_silent = day.decisions[GLITCH[0] : GLITCH[1] - 1]
    blocked = [one for one in while_silent if one.code == "silent_workers"]
    assert blocked and "are silent" in blocked[0].reason and "nothing is retired above 20%" in blocked[0].reason
    fleet = day.manager._pool.fleet
    assert (fleet.states == STATE_CODE["lost"]).sum() < 10


def test_a_broken_provider_is_quoted(day: Day) -> None:
    """Failed launches keep the provider's words, and the wait between them grows."""
    failed = [one for one in day.manager.decisions(Query(outcome="failed")) if "InsufficientInstanceCapacity" in one.error]
    assert failed and all(one.granted == 0 for one in failed)
    assert len(failed) < BROKEN[1] - BROKEN[0]


def test_the_joint_flip_of_any_decision_flips_it(day: Day) -> None:
    """A thousand of the day's decisions: the joint flip changes the action; with half of any one continuous member it stays as it was."""
    policy, pipeline = create_policy("queue", target_seconds=300, idle_grace_seconds=600), Pipeline(**SIMULATED_LIMITS)
    chosen = random.Random(1).sample(day.decisions, 1000)
    for decision in chosen:
        seen = Conditions.from_inputs(decision.inputs)
        assert decision.flips, decision
        flipped = seen
        for flip in decision.flips:
            flipped = flipped.with_value(flip.input, flip.needed)
        assert evaluate(policy, pipeline, seen).action == decision.action
        assert evaluate(policy, pipeline, flipped).action != decision.action, decision.flips
        for flip in decision.flips:
            if flip.continuous:
                half = flipped.with_value(flip.input, (flip.value + flip.needed) / 2)
                assert evaluate(policy, pipeline, half).action == decision.action, flip
        assert find_flips(policy, pipeline, seen)[0] == decision.flips
    assert sum(len(decision.flips) > 1 for decision in chosen) > 50


def test_the_same_seed_makes_the_same_ledger() -> None:
    """Byte for byte; another seed makes another one."""

    def digest(seed: int) -> str:
        for day in simulate(180, seed):
            rows = day.manager.decisions(Query(limit=1000))
        return hashlib.sha256("\n".join(map(repr, rows)).encode()).hexdigest()

    assert digest(7) == digest(7) != digest(8)
