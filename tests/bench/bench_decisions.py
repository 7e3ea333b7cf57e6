"""Evaluations, explanations, the ledger, and a policy over many parameter sets at once."""

from __future__ import annotations

import math
import random
import statistics
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from drm.cli import SIMULATED_LIMITS, SIMULATED_POLICY, SIMULATED_START
from drm.decision import Bounds, ScalingDecision
from drm.engines.simulated import SimulatedEngine
from drm.engines.simulated_load import KINDS
from drm.judgement import judge
from drm.ledger import Ledger
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.policies import predictive, queue, target_tracking, utilization
from drm.policies.pipeline import Pipeline
from tests.bench.calibration import record, timed


def fleet(workers: int, steps: int) -> DynamicResourceManager:
    """A simulated fleet after some minutes."""
    manager = DynamicResourceManager(
        SimulatedEngine(workers),
        SIMULATED_POLICY,
        Bounds(workers // 10, workers),
        pipeline=Pipeline(**SIMULATED_LIMITS),
        now=SIMULATED_START,
    )
    for step in range(steps):
        manager.advance(SIMULATED_START + 60 * step)
    return manager


def crowded(workers: int) -> DynamicResourceManager:
    """A fleet of which all workers are there, and busy, with three waiting tasks of four kinds for each."""
    engine = SimulatedEngine(workers, loaded=False)
    bounds = Bounds(workers - workers // 100, workers)
    manager = DynamicResourceManager(engine, SIMULATED_POLICY, bounds, pipeline=Pipeline(**SIMULATED_LIMITS), now=SIMULATED_START)
    for step in range(13):
        if step == 12:
            for kind in KINDS * (workers * 6 // 4):
                manager._queue(kind.name, kind.request, manager.snapshot.time, None, (3600.0, kind.effort))
        manager.advance(SIMULATED_START + 60 * step)
    return manager


def test_an_evaluation_and_an_explanation() -> None:
    """At 10 000 workers: 5 ms or less to evaluate, 10 ms or less to explain."""
    manager = crowded(10_000)
    scaler = manager._scaler
    now = manager.snapshot.time
    assert manager.snapshot.count("running") > 9_500 and scaler._read_demand().needed > 1_000
    evaluation = statistics.median(timed(lambda: scaler.decide(judge(scaler.ask(now, ready=True))), 50))
    record("an evaluation, 10 000 simulated workers, tasks waiting", evaluation, "ms", 5)
    explanation = statistics.median(timed(manager.explain_now, 50))
    record("explain_now, 10 000 simulated workers", explanation, "ms", 10)
    last = manager.decisions(Query(limit=1))[0].id
    kept = statistics.median(timed(lambda: manager.explain(last), 50))
    record("explain(id) of a kept decision", kept, "ms", 10)
    assert evaluation < 5 * 5 and explanation < 5 * 10 and kept < 5 * 10


def day_of_decisions() -> list[ScalingDecision]:
    """What a simulated day of 300 workers came to, folded as it was."""
    manager = fleet(300, 1440)
    return [manager.explain(row) for row in reversed(manager._scaler.ledger.ids(Query(limit=1000)))]


def test_the_ledger_of_thirty_days() -> None:
    """30 days of evaluations each second at the folding of a simulated day, in 50 MB or less."""
    day = day_of_decisions()
    # A day in steps of a minute; asked each second the pool would change no more often, and its folded rows would count more evaluations.
    rows = 30 * len(day)
    generator = random.Random(1)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    ledger = Ledger()
    for number in range(rows):
        one = day[number % len(day)]
        # Numbers differ from day to day, so that packing does not profit from copies.
        inputs = tuple(replace(number, value=number.value * generator.uniform(0.9, 1.1)) for number in one.inputs)
        ledger.append(replace(one, timestamp=30 * 86400 * number / rows, inputs=inputs))
    used = (tracemalloc.get_traced_memory()[0] - before) / 1e6
    tracemalloc.stop()
    record(f"ledger: 30 days of 1 s evaluations in {len(ledger)} rows", used, "MB", 50)
    assert len(ledger) > 0.9 * rows and used < 5 * 50


@pytest.mark.timeout(900)
def test_a_query_by_time_over_a_million_rows() -> None:
    """20 ms or less."""
    ledger = Ledger(rows_kept=2_000_000, seconds_kept=math.inf)
    (one,) = fleet(20, 1).decisions()
    fields = {name: getattr(one, name) for name in one.__slots__} | {"action": "scale_up", "outcome": "done"}
    pattern = [type(one)(**fields | {"timestamp": float(at)}) for at in range(64)]
    for number in range(1_000_000):
        kept = pattern[number % 64]
        object.__setattr__(kept, "timestamp", float(number))
        ledger.append(kept)
    assert len(ledger) >= 999_000
    by_time = statistics.median(timed(lambda: ledger.query(Query(since=400_000, until=500_000, limit=100)), 30))
    record("ledger: query by time over 1 000 000 rows, 100 decisions", by_time, "ms", 20)
    by_action = statistics.median(timed(lambda: ledger.query(Query(action="maintain")), 10))
    record("ledger: query by action over 1 000 000 rows", by_action, "ms", 20)
    assert by_time < 5 * 20 and by_action < 5 * 20


def test_policies_over_many_parameter_sets() -> None:
    """200 parameter sets x 1440 steps in 0.2 s or less, each policy."""
    rng = np.random.default_rng(0)
    current, busy, covered, needed, able = rng.integers(0, 500, (5, 1440))
    seconds, used = rng.uniform(1, 600, 1440), rng.uniform(0, 1, 1440)
    first, second = rng.uniform(0.5, 0.9, (2, 200, 1))
    targets = rng.uniform(1, 600, (200, 1))

    def queued() -> np.ndarray:
        return queue.desired_size(current, busy, covered, needed, able, seconds, targets)

    runs = {
        "queue": queued,
        "utilization": lambda: utilization.desired_size(current, 0, needed, used, first, second / 2),
        "target_tracking": lambda: target_tracking.desired_size(current, 0, needed, used, first, second / 5),
        "predictive": lambda: predictive.desired_size(queued(), rng.uniform(0, 500, (200, 1440))),
    }
    for name, run in runs.items():
        assert run().shape == (200, 1440)
        median = statistics.median(timed(run, 9))
        record(f"policy {name}: 200 parameter sets x 1440 steps", median, "ms", 200)
        assert median < 5 * 200
