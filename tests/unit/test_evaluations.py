"""What holds for whole evaluations of any policy, and for the decisions of a pool in the situations that people ask about."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drm.forecast import DemandHistory
from drm.ledger_query import Query
from drm.model import Price, Resources, WorkerType
from drm.policies import create_policy, policy_names
from drm.policies.conditions import Conditions
from drm.policies.pipeline import Pipeline, evaluate
from tests.unit.external_pool import GB, Elastic
from tests.unit.test_pipeline import conditions

WHOLE = Resources(cpu=4, memory=4 * GB)


@given(conditions(), st.sampled_from(["queue", "predictive"]), st.integers(1, 40))
def test_more_demand_never_makes_a_smaller_pool(seen: Conditions, name: str, more: int) -> None:
    """Through all steps: with more waiting work the size that is asked for is not smaller."""
    policy = create_policy(name)
    greater = replace(seen, needed_workers=seen.needed_workers + more)
    assert evaluate(policy, Pipeline(), greater).target >= evaluate(policy, Pipeline(), seen).target


@given(conditions(), st.sampled_from(["utilization", "target_tracking"]), st.floats(0, 1), st.floats(0, 1))
def test_more_utilization_never_makes_a_smaller_pool(seen: Conditions, name: str, one: float, other: float) -> None:
    """Through all steps."""
    policy = create_policy(name)
    low, high = (evaluate(policy, Pipeline(), replace(seen, utilization=used)).target for used in sorted((one, other)))
    assert low <= high


@given(conditions())
def test_predictive_is_never_below_the_queue(seen: Conditions) -> None:
    """Whatever is forecast, or not."""
    assert create_policy("predictive").desired(seen) >= create_policy("queue").desired(seen)


def test_the_forecast_sees_yesterday_and_the_trend() -> None:
    """A peak of yesterday is expected within the lead time before it comes; a rise is continued; nothing is made of nothing."""
    history = DemandHistory()
    assert math.isnan(history.forecast(0.0, 600))
    for minute in range(1440):
        history.append(60.0 * minute, 30.0 if 500 <= minute < 510 else 4.0)
    for minute in range(1440, 1440 + 495):
        history.append(60.0 * minute, 4.0)
    at = 60.0 * (1440 + 494)
    assert history.forecast(at, 600) == 30.0 and history.forecast(at, 120) == pytest.approx(4.0)
    rising = DemandHistory()
    for minute in range(10):
        rising.append(60.0 * minute, 2.0 * minute)
    assert rising.forecast(540.0, 300) == pytest.approx(28.0)


@settings(max_examples=150, derandomize=True)
@given(conditions(), st.sampled_from(policy_names()))
def test_each_evaluation_says_why(seen: Conditions, name: str) -> None:
    """A code and a sentence, `maintain` included; no number in the sentence is a nan."""
    found = evaluate(create_policy(name), Pipeline(), seen)
    assert found.code and found.reason and "nan" not in found.reason.lower().split(), found.reason


def test_a_mixed_queue_takes_the_cheapest_type_for_each_kind() -> None:
    """Spot for what it holds, the larger and dearer type only for what needs it; unknown prices come last; no kind starves."""
    price = {name: Price(amount, "USD", "test", "2026-01-01") for name, amount in (("small", 1.0), ("spot", 0.3), ("large", 5.0))}
    types = [
        WorkerType("unknown", Resources(cpu=64, memory=512 * GB)),
        WorkerType("small", Resources(cpu=4, memory=8 * GB), price["small"], provider="alpha"),
        WorkerType("spot", Resources(cpu=4, memory=8 * GB), price["spot"], "spot", "beta"),
        WorkerType("large", Resources(cpu=16, memory=128 * GB), price["large"], provider="gamma"),
    ]
    pool = Elastic(worker_types=types, pipeline=Pipeline(up_cooldown_seconds=0.0))
    for _ in range(4):
        pool.manager.submit(resources=WHOLE)
        pool.manager.submit(resources=Resources(cpu=2, memory=100 * GB))
    taken = []
    for _ in range(3):
        decision = pool.tick().last_decision
        assert decision is not None
        if decision.action == "scale_up":
            taken.append((decision.worker_type, decision.provider, decision.count))
    assert taken == [("spot", "beta", 4), ("large", "gamma", 4)]
    first, second = reversed(pool.manager.decisions(Query(action="scale_up")))
    assert first.resource_requirements == Resources(cpu=24, memory=416 * GB)
    assert (first.cost_rate_before, first.cost_rate_after, second.cost_rate_after) == (0.0, pytest.approx(1.2), pytest.approx(21.2))


def test_explain_now_names_the_cooldown_the_seconds_and_the_size() -> None:
    """A full queue behind a cooldown of an hour."""
    pool = Elastic(pipeline=Pipeline(up_cooldown_seconds=3600.0))
    pool.manager.submit(resources=WHOLE)
    pool.tick()
    pool.join("a")
    for _ in range(5):
        pool.manager.submit(resources=WHOLE)
    pool.tick(9)
    now = pool.manager.explain_now()
    assert (now.action, now.code, now.desired) == ("maintain", "cooldown", 6)
    assert now.reason == "the policy wants 6 instead of 1: 3591 s of cooldown left before it goes to 6"
    assert [(one.code, one.flip_if) for one in now.blockers] == [("cooldown", "3591 s pass")]


def test_explain_now_names_what_no_worker_could_hold() -> None:
    """The resource, the largest worker, and a type that would do, which has all that the task asks for."""
    pool = Elastic()
    pool.manager.submit(resources=Resources(cpu=64, memory=512 * GB))
    pool.tick()
    (blocker,) = [one for one in pool.manager.explain_now().blockers if one.code == "infeasible"]
    assert blocker.detail.startswith("no worker could ever hold cpu 64 cores, memory 476.8 GiB: the largest has 7.451 GiB of memory")
    assert blocker.flip_if == "a worker type with cpu 64 cores, memory 476.8 GiB"


def test_a_worker_that_just_got_a_task_is_not_retired() -> None:
    """It was idle for long enough until this very tick."""
    pool = Elastic()
    pool.join("a")
    for _ in range(20):
        pool.tick()
    pool.manager.submit(resources=WHOLE)
    decision = pool.tick().last_decision
    assert pool.started and decision is not None and decision.action == "maintain" and decision.worker_ids == ()


def test_a_measurement_of_ten_minutes_ago_is_none() -> None:
    """A worker that is not heard of takes no part in the utilization; where all are silent nothing is decided."""
    pool = Elastic(policy=create_policy("utilization"))
    pool.manager.engine._lost_after_seconds = 3600.0  # type: ignore[attr-defined]
    pool.join("a", "b")
    pool.manager.report("a", used={"cpu": 4.0, "memory": 1 * GB})
    pool.now += 1
    assert pool.manager.advance(pool.now).last_decision.code == "high_utilization"  # type: ignore[union-attr]
    pool.silent.add("a")
    for _ in range(31):
        pool.tick(20)
    decision = pool.manager.snapshot.last_decision
    assert decision is not None and decision.utilization["cpu"] == 0.25
    pool.silent.add("b")
    for _ in range(7):
        pool.tick(20)
    assert pool.manager.snapshot.last_decision.code == "stale_data"  # type: ignore[union-attr]


def test_demand_and_waits_are_recorded_each_tick() -> None:
    """Per resource what runs and waits, and how long tasks waited, took to start, and ran; NaN where nothing was measured."""
    pool = Elastic()
    pool.join("a")
    for _ in range(2):
        pool.manager.submit(resources=WHOLE)
    pool.tick()
    for _ in range(7):
        pool.tick()
    pool.finish_all()
    for _ in range(12):
        pool.tick()
    recorded = pool.manager.history.fleet(60.0, pool.now)
    assert np.nanmax(recorded.max["demand_cpu"]) == 8.0 and np.nanmax(recorded.max["demand_memory"]) == 8 * GB
    assert np.nanmax(recorded.max["queue_wait_seconds"]) == 9.0 and np.nanmax(recorded.max["run_seconds"]) == 8.0
    assert np.isnan(recorded.mean["run_seconds"]).any() and np.nanmax(recorded.max["start_wait_seconds"]) == 0.0
