"""The queue policy and the pipeline over a pool: why it scales, and why it does not."""

from __future__ import annotations

import pytest

from drm.decision import Bounds, ScalingDecision
from drm.errors import UnknownIdError
from drm.manager import DynamicResourceManager
from drm.model import Resources
from tests.unit.external_pool import GB, Elastic

ONE_CORE = Resources(cpu=1, memory=1 * GB)
TWO_CORES = Resources(cpu=2, memory=2 * GB)


def last(pool: Elastic) -> ScalingDecision:
    decision = pool.manager.snapshot.last_decision
    assert decision is not None
    return decision


def test_a_queue_asks_for_the_workers_that_hold_it() -> None:
    """Six tasks of two cores need three workers of four; the decision says so, and its outcome arrives when they run."""
    pool = Elastic()
    for _ in range(6):
        pool.manager.submit(resources=TWO_CORES)
    pool.tick()
    decision = last(pool)
    assert (decision.action, decision.code, decision.count, decision.outcome) == ("scale_up", "queue_demand", 3, "pending")
    assert pool.asked == [3] and decision.current == 0 and decision.desired == 3
    assert decision.resource_requirements == Resources(cpu=12, memory=12 * GB)
    pool.join("a", "b", "c")
    pool.tick()
    pool.tick()
    outcome = pool.manager.explain(decision.id)
    assert (outcome.outcome, outcome.granted, set(outcome.worker_ids)) == ("done", 3, {"a", "b", "c"})
    assert outcome.requested_at == 1.0 and outcome.ready_at == 2.0 and outcome.first_task_at is not None


def test_workers_on_the_way_are_not_asked_for_twice() -> None:
    """While a launch is open the same queue asks for nothing more, and the decision says what it waits for."""
    pool = Elastic()
    for _ in range(6):
        pool.manager.submit(resources=TWO_CORES)
    for _ in range(10):
        pool.tick()
    assert pool.asked == [3]
    assert (last(pool).action, last(pool).code) == ("maintain", "arriving")


def test_the_maximum_is_a_blocker_with_its_number() -> None:
    """A pool at its maximum stays there, and says which maximum would change that."""
    pool = Elastic(bounds=Bounds(0, 2))
    for _ in range(20):
        pool.manager.submit(resources=TWO_CORES)
    pool.tick()
    assert pool.asked == [2] and last(pool).bounded == 2 and last(pool).desired == 10
    pool.join("a", "b")
    pool.tick()
    for _ in range(5):
        pool.tick()
    blocker = last(pool).blockers[-1]
    assert (last(pool).action, blocker.code) == ("maintain", "max_bound")
    assert blocker.flip_if == "a maximum of 3" and "the policy wants 10 instead of 2" in last(pool).reason


def test_the_minimum_is_filled_by_repair() -> None:
    """A pool below its minimum is filled without any demand, by the actor `repair`."""
    pool = Elastic(bounds=Bounds(2, 4))
    pool.tick()
    assert pool.asked == [2] and (last(pool).actor, last(pool).code) == ("repair", "below_min")


def test_an_idle_worker_goes_after_its_grace() -> None:
    """Idle workers stay for the grace period, then drain, a third of the pool at once, and are retired; the busy one stays."""
    pool = Elastic()
    pool.join("a", "b", "c")
    pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    busy = next(iter(pool.started.values()))
    actions = []
    for _ in range(40):
        actions.append(pool.tick().last_decision)
        pool.leave(*(pool.here & set(pool.retired)))
    downs = [decision for decision in actions if decision and decision.action == "scale_down"]
    assert [down.count for down in downs] == [1, 1] and {down.worker_ids[0] for down in downs} == {"a", "b", "c"} - {busy}
    assert [down.timestamp for down in downs] == [21.0, 36.0], "the second waits for the cooldown"
    assert "20 s" in downs[0].reason and "no task is disturbed" in downs[0].selection
    assert set(pool.retired) == {"a", "b", "c"} - {busy}
    assert pool.manager.explain(downs[0].id).outcome == "done"


def test_grace_is_a_blocker_that_says_how_long() -> None:
    """Why it does not scale down: so many seconds more without work."""
    pool = Elastic()
    pool.join("a")
    for _ in range(6):
        pool.tick()
    blocker = last(pool).blockers[0]
    assert (last(pool).action, last(pool).code, blocker.code) == ("maintain", "idle_grace", "idle_grace")
    assert blocker.flip_if == "15 s more without work"


def test_cooldown_is_a_blocker_that_says_how_long() -> None:
    """Two scale-ups are at least the cooldown apart."""
    pool = Elastic()
    pool.manager.submit(resources=TWO_CORES)
    pool.tick()
    for _ in range(8):
        pool.manager.submit(resources=TWO_CORES)
    pool.tick()
    assert last(pool).code == "cooldown" and last(pool).cooldown_left_seconds == 2.0
    pool.tick()
    pool.tick()
    assert pool.asked == [1, 4]


def test_a_failed_launch_fails_its_decision_and_is_tried_again() -> None:
    """The engine's error is the decision's; the next try waits for the backoff, and says until when, in the engine's own words."""
    pool = Elastic(launch_error=RuntimeError("quota exceeded"))
    pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    first = last(pool)
    pool.tick()
    failed = pool.manager.explain(first.id)
    assert (failed.outcome, failed.granted) == ("failed", 0) and "quota exceeded" in failed.error
    now = pool.manager.explain_now()
    assert (now.action, now.code) == ("maintain", "backoff")
    assert "quota exceeded" in now.reason and "00:00:07 UTC" in now.reason
    assert [blocker.flip_if for blocker in now.blockers if blocker.code == "backoff"] == ["5 s pass"]
    pool.tick(6)
    pool.tick()
    assert last(pool).code == "backoff" and "next try is in 10 s" in last(pool).reason, "the wait doubles"
    pool.launch_error = None
    pool.tick(10)
    assert pool.asked == [1]
    pool.join("a")
    pool.tick()
    assert not any(one.name == "failed_launches" for one in last(pool).inputs)


def test_without_a_launcher_decisions_are_recommendations() -> None:
    """An external pool that nothing can be launched in keeps the decision, with the blocker `no_launcher`."""
    manager = DynamicResourceManager(now=0.0)
    manager.register_worker("w1", capacity=ONE_CORE)
    for _ in range(3):
        manager.submit(resources=ONE_CORE)
    decision = manager.advance(1.0).last_decision
    assert decision is not None and decision.action == "maintain" and decision.desired == 3
    assert [blocker.code for blocker in decision.blockers] == ["no_launcher"]


def test_a_maximum_below_the_pool_drains_the_least_busy() -> None:
    """set_bounds brings the pool inside by draining, idle workers first; running tasks are not interrupted."""
    pool = Elastic()
    pool.join("a", "b", "c")
    handle = pool.manager.submit(resources=ONE_CORE)
    for _ in range(16):
        pool.tick()
    pool.manager.set_bounds(0, 1)
    gone: set[str] = set()
    for after in ("at_once", "steady"):
        pool.tick()
        assert (last(pool).action, last(pool).code, last(pool).count) == ("scale_down", "above_max", 1)
        gone.update(last(pool).worker_ids)
        pool.tick()
        assert last(pool).code == after, "no more than a third leaves at once, those that are leaving included"
        pool.leave(*(pool.here & set(pool.retired)))
    assert len(gone) == 2 and handle.worker_id not in gone and handle.state == "running"


def test_every_evaluation_is_kept() -> None:
    """Each tick makes one decision; a run of identical `maintain`s is one row that counts them, with its first and its last inputs."""
    pool = Elastic()
    for _ in range(5):
        pool.tick()
    pool.join("a")
    for _ in range(4):
        pool.tick()
    grace, steady = pool.manager.decisions()
    assert (steady.code, steady.evaluations, grace.code, grace.evaluations) == ("steady", 5, "idle_grace", 4)
    assert (steady.id, grace.id) == (1, 2) and steady.steps and steady.inputs
    assert grace.fold is not None and (grace.timestamp, grace.fold.last_at, grace.fold.closest_at) == (6.0, 9.0, 9.0)
    ages = [next(one.value for one in inputs if one.name == "longest_idle_seconds") for inputs in (grace.inputs, grace.fold.last_inputs)]
    assert ages == [0.0, 3.0]


def test_explain_now_is_neither_kept_nor_acted_on() -> None:
    """Asking changes nothing."""
    pool = Elastic()
    pool.tick()
    pool.manager.submit(resources=ONE_CORE)
    answer = pool.manager.explain_now()
    assert (answer.id, answer.action) == (0, "scale_up")
    assert pool.asked == [] and len(pool.manager.decisions()) == 1
    with pytest.raises(UnknownIdError):
        pool.manager.explain(0)


def test_the_last_action_outlives_the_maintains_after_it() -> None:
    """Snapshot.last_action is the last change of size, with its outcome as it stands."""
    pool = Elastic()
    pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    pool.join("a")
    for _ in range(3):
        pool.tick()
    action = pool.manager.snapshot.last_action
    assert action is not None and (action.action, action.outcome) == ("scale_up", "done")
