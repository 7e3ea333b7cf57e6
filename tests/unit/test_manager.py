"""The manager over an external pool: tasks, reservations, faults and clocks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drm.decision import Bounds
from drm.errors import (
    CapacityError,
    DRMError,
    DuplicateIdError,
    EngineError,
    InfeasibleError,
    InvalidValueError,
    QueueFull,
    TaskError,
    UnknownIdError,
)
from drm.manager import DynamicResourceManager
from drm.model import Resources
from tests.unit.external_pool import GB, SHAPE, Elastic

ONE_CORE = Resources(cpu=1, memory=1 * GB)


@pytest.fixture
def pool() -> Elastic:
    """Two workers of four cores that stay when they are idle, seen by one tick."""
    pool = Elastic(grace=1e6)
    pool.join("w1", "w2")
    pool.tick()
    return pool


def test_a_new_manager_shows_an_empty_pool_that_is_not_ready() -> None:
    """Before the first tick the snapshot has version 0, no workers and no time."""
    snapshot = DynamicResourceManager().snapshot
    assert (snapshot.version, snapshot.ready, snapshot.worker_ids) == (0, False, ())
    assert math.isnan(snapshot.time)


def test_the_seed_program_works_as_the_guide_has_it() -> None:
    """DynamicResourceManager() takes workers, reservations and ticks with no argument at all."""
    manager = DynamicResourceManager()
    worker = manager.register_worker("w1", capacity=SHAPE, labels={"zone": "a"})
    assert (worker.state, worker.capacity, dict(worker.labels)) == ("running", SHAPE, {"zone": "a"})
    reservation = manager.reserve_resources(ONE_CORE)
    assert reservation.worker_id == "w1"
    snapshot = manager.advance(1.0)
    assert snapshot.allocated[0, 0] == 1.0
    manager.release_resources(reservation)
    assert manager.advance(2.0).allocated[0, 0] == 0.0


def test_a_task_runs_where_there_is_room_and_gives_its_result(pool: Elastic) -> None:
    """submit -> on_start -> finish -> result, and the reservation lives exactly as long as the task runs."""
    handle = pool.manager.submit(resources=ONE_CORE, name="count")
    assert (handle.state, handle.worker_id) == ("queued", None)
    snapshot = pool.tick()
    assert handle.state == "running" and pool.started == {handle.id: handle.worker_id}
    assert snapshot.allocated.sum(axis=0)[0] == 1.0 and snapshot.tasks.running == 1
    pool.manager.finish(handle.id, 42)
    snapshot = pool.tick()
    assert handle.result(0) == 42 and handle.state == "done"
    assert snapshot.allocated.sum() == 0 and snapshot.tasks.done == 1
    assert [task.id for task in snapshot.finished_tasks] == [handle.id]


def test_a_failed_task_keeps_its_error(pool: Elastic) -> None:
    """finish with an error makes the task failed, and result raises that error."""
    handle = pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    pool.manager.finish(handle.id, error=ZeroDivisionError("by nothing"))
    pool.tick()
    assert handle.state == "failed" and "by nothing" in handle.reason
    with pytest.raises(ZeroDivisionError):
        handle.result(0)


def test_an_infeasible_task_waits_with_its_reason_and_blocks_nobody(pool: Elastic) -> None:
    """The reason names the resource, what was asked and what the largest worker has; a smaller task passes."""
    giant = pool.manager.submit(resources=Resources(cpu=64))
    small = pool.manager.submit(resources=ONE_CORE)
    snapshot = pool.tick()
    assert (giant.state, small.state) == ("queued", "running")
    assert "64 cores" in giant.reason and "4 cores" in giant.reason
    assert snapshot.tasks.infeasible == 1 and snapshot.infeasible_reason == giant.reason
    assert snapshot.demand[0] == 1.0
    with pytest.raises(InfeasibleError, match="64 cores"):
        pool.manager.reserve_resources(Resources(cpu=64))


def test_nothing_fits_now_is_another_error_than_nothing_ever_could(pool: Elastic) -> None:
    """A request that a busy pool could hold later raises CapacityError."""
    pool.manager.reserve_resources(Resources(cpu=3))
    pool.manager.reserve_resources(Resources(cpu=3))
    with pytest.raises(CapacityError, match="3 cores"):
        pool.manager.reserve_resources(Resources(cpu=3))


def test_a_result_that_does_not_come_in_time_says_where_the_task_stands(pool: Elastic) -> None:
    """TimeoutError names the task, its state and why it waits."""
    handle = pool.manager.submit(resources=Resources(gpu=1), name="train")
    pool.tick()
    with pytest.raises(TimeoutError, match="'train' is still queued.*gpu"):
        handle.result(0)


def test_a_reservation_ends_by_itself(pool: Elastic) -> None:
    """After ttl_seconds the claim is gone, and releasing it is an unknown id."""
    reservation = pool.manager.reserve_resources(ONE_CORE, ttl_seconds=5)
    assert pool.tick(4.9).allocated.sum() > 0
    assert pool.tick(0.1).allocated.sum() == 0
    with pytest.raises(UnknownIdError, match=reservation.id):
        pool.manager.release_resources(reservation)


def test_a_tasks_own_reservation_is_not_released_by_hand(pool: Elastic) -> None:
    """It would free what the task still uses."""
    handle = pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    with pytest.raises(InvalidValueError, match="cancel the task"):
        pool.manager.release_resources(handle.id)
    assert pool.manager.worker(handle.worker_id or "").allocated == ONE_CORE


def test_a_worker_that_leaves_mid_task_has_it_queued_again(pool: Elastic) -> None:
    """Its reservation is released, and the task runs on another worker as its second attempt."""
    handle = pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    first = handle.worker_id or ""
    pool.leave(first)
    pool.tick()
    assert handle.state == "running" and handle.worker_id not in (None, first)
    assert handle.task.attempt == 2


def test_a_task_that_loses_four_workers_is_lost() -> None:
    """Three times queued again, then lost with the reason and the number of tries."""
    pool = Elastic()
    pool.join("w0")
    handle = pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    for attempt in range(1, 5):
        pool.leave(f"w{attempt - 1}")
        pool.join(f"w{attempt}")
        pool.tick()
    assert handle.state == "lost" and "4 times" in handle.reason
    with pytest.raises(TaskError, match="4 times"):
        handle.result(0)
    assert pool.manager.snapshot.allocated.sum() == 0


def test_a_task_that_cannot_be_sent_is_tried_again(pool: Elastic) -> None:
    """An engine that raises on submit costs the task one attempt; the tick goes on."""
    pool.start_error = RuntimeError("no route")
    handle = pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    assert handle.state == "queued" and "no route" in handle.reason
    pool.start_error = None
    pool.tick()
    assert handle.state == "running"


def test_cancelling(pool: Elastic) -> None:
    """A queued task ends at once; a running one when the engine says so, as cancelled whatever came out."""
    queued = pool.manager.submit(resources=Resources(cpu=64))
    assert queued.cancel() and queued.state == "cancelled"
    running = pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    assert not running.cancel() and running.state == "running"
    pool.manager.finish(running.id, 1)
    pool.tick()
    assert running.state == "cancelled"
    with pytest.raises(UnknownIdError):
        pool.manager.cancel(running.id)


def test_the_queue_is_bounded() -> None:
    """A task beyond the limit raises QueueFull, and those that wait are untouched."""
    manager = DynamicResourceManager(queue_limit=2)
    handles = [manager.submit(resources=ONE_CORE) for _ in range(2)]
    with pytest.raises(QueueFull, match="2 tasks"):
        manager.submit(resources=ONE_CORE)
    assert [handle.state for handle in handles] == ["queued", "queued"]


def test_a_cordoned_worker_takes_no_new_task_and_keeps_its_own(pool: Elastic) -> None:
    """cordon and uncordon."""
    handle = pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    there, other = handle.worker_id or "", {"w1": "w2", "w2": "w1"}[handle.worker_id or ""]
    pool.manager.cordon(there)
    second = pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    assert (handle.state, second.worker_id) == ("running", other)
    pool.manager.cordon(other)
    third = pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    assert third.state == "queued"
    pool.manager.uncordon(there)
    pool.tick()
    assert third.worker_id == there
    with pytest.raises(InvalidValueError, match="running"):
        pool.manager.uncordon(there)


def test_a_drained_worker_ends_when_its_task_has(pool: Elastic) -> None:
    """drain interrupts nothing: the engine is asked to end the worker once nothing is left on it."""
    handle = pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    there = handle.worker_id or ""
    pool.manager.drain(there)
    pool.tick()
    assert pool.retired == [] and pool.manager.worker(there).state == "draining"
    pool.finish_all()
    pool.tick()
    pool.tick()
    assert pool.retired == [there] and handle.result(0) == "fine"


def test_registering_twice_is_refused_and_changes_nothing(pool: Elastic) -> None:
    """DuplicateIdError names the id; the worker keeps its capacity."""
    with pytest.raises(DuplicateIdError, match="'w1'"):
        pool.manager.register_worker("w1", capacity=Resources(cpu=99))
    assert pool.manager.worker("w1").capacity == SHAPE


@pytest.mark.parametrize("amount", [-1, math.nan, math.inf, "4", None, True])
def test_capacities_must_be_finite_numbers(amount: object) -> None:
    """Negative, NaN and infinite amounts, and what is no number, are refused by name and value."""
    with pytest.raises(ValueError, match="cpu must be") as caught:
        Resources(cpu=amount)  # type: ignore[arg-type]
    assert isinstance(caught.value, DRMError)


def test_unknown_ids_are_refused_by_name(pool: Elastic) -> None:
    """Each operation on an id that is not there raises UnknownIdError with that id."""
    operations = (
        lambda: pool.manager.worker("ghost"),
        lambda: pool.manager.cordon("ghost"),
        lambda: pool.manager.drain("ghost"),
        lambda: pool.manager.deregister_worker("ghost"),
        lambda: pool.manager.report("ghost", used={}),
        lambda: pool.manager.finish("ghost"),
        lambda: pool.manager.cancel("ghost"),
        lambda: pool.manager.release_resources("ghost"),
    )
    for operation in operations:
        with pytest.raises(UnknownIdError, match="ghost"):
            operation()
    with pytest.raises(UnknownIdError, match="4711"):
        pool.manager.explain(4711)


@pytest.mark.parametrize("amount", [math.nan, math.inf, -0.5, "lots"])
def test_a_report_that_is_no_measurement_changes_nothing(pool: Elastic, amount: object) -> None:
    """NaN, infinite and negative amounts raise; the last good measurement stands."""
    pool.manager.report("w1", used={"cpu": 2.5})
    with pytest.raises(InvalidValueError, match="w1.*cpu"):
        pool.manager.report("w1", used={"memory": 1.0, "cpu": amount})  # type: ignore[dict-item]
    pool.now += 1
    used = pool.manager.advance(pool.now).used[0]
    assert used[0] == 2.5 and np.isnan(used[1])


def test_more_used_than_capacity_is_taken_as_measured(pool: Elastic) -> None:
    """A worker that uses more than it declared shows it: the declaration is wrong, not the measurement."""
    pool.manager.report("w1", used={"cpu": 6.0})
    pool.now += 1
    snapshot = pool.manager.advance(pool.now)
    assert snapshot.used[0, 0] == 6.0 and snapshot.allocated.sum() == 0


def test_a_silent_worker_is_lost_and_comes_back_when_heard_of(pool: Elastic) -> None:
    """After the timeout its tasks are queued again; a report brings it back."""
    handle = pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    silent = handle.worker_id or ""
    pool.silent.add(silent)
    for _ in range(61):
        pool.tick()
    assert pool.manager.worker(silent).state == "lost"
    assert handle.state == "running" and handle.worker_id != silent
    pool.silent.clear()
    pool.manager.report(silent, used={"cpu": 0.0})
    pool.tick()
    assert pool.manager.worker(silent).state == "running"


def test_a_worker_that_stays_silent_is_forgotten(pool: Elastic) -> None:
    """Ten minutes after it was lost it leaves the view."""
    pool.silent.add("w1")
    for _ in range(45):
        pool.tick(15)
    assert pool.manager.snapshot.worker_ids == ("w2",)


def test_a_clock_that_jumps_forward_a_day_loses_no_worker(pool: Elastic) -> None:
    """One observation counts at most a third of the timeout as silence; reservations whose time is over do end."""
    pool.manager.reserve_resources(ONE_CORE, ttl_seconds=3600)
    pool.now += 86_400
    snapshot = pool.manager.advance(pool.now)
    assert snapshot.count("running") == 2 and snapshot.count("lost") == 0
    assert snapshot.allocated.sum() == 0


def test_a_clock_that_jumps_back_an_hour_counts_as_standing_still(pool: Elastic) -> None:
    """Time in the manager never runs backward: snapshots stay in order, and nothing expires twice or early."""
    reservation = pool.manager.reserve_resources(ONE_CORE, ttl_seconds=10)
    before = pool.manager.snapshot
    after = pool.manager.advance(before.time - 3600)
    assert after.time == before.time and after.version == before.version + 1
    assert reservation in pool.manager.reservations()


@pytest.mark.parametrize("now", [math.nan, math.inf])
def test_a_time_that_is_none_is_refused(pool: Elastic, now: float) -> None:
    """advance needs epoch seconds."""
    with pytest.raises(InvalidValueError, match="now"):
        pool.manager.advance(now)


def test_snapshots_are_frozen(pool: Elastic) -> None:
    """Readers cannot change what others read, and an old snapshot does not change with the pool."""
    old = pool.manager.snapshot
    for column in (old.capacity, old.allocated, old.used, old.states, old.demand):
        with pytest.raises(ValueError, match="read-only"):
            column[...] = 0
    pool.manager.reserve_resources(ONE_CORE)
    pool.tick()
    assert old.allocated.sum() == 0


def test_bounds_must_make_sense(pool: Elastic) -> None:
    """min above max, negative, or no worker at all is refused; the old bounds stand."""
    for low, high in ((5, 2), (-1, 3), (0, 0)):
        with pytest.raises(InvalidValueError, match=f"{low}:{high}"):
            pool.manager.set_bounds(low, high)
    assert pool.manager.bounds == Bounds(0, 10)


def test_operations_of_an_external_pool_need_one() -> None:
    """A task without a callable needs an external pool; a callable cannot be sent to one."""
    with pytest.raises(InvalidValueError, match="callable"):
        DynamicResourceManager().submit(print)


def test_a_closed_manager_loses_its_tasks_and_refuses_new_ones(pool: Elastic) -> None:
    """close ends every handle, so that nobody waits for ever."""
    waiting, running = pool.manager.submit(resources=Resources(cpu=64)), pool.manager.submit(resources=ONE_CORE)
    pool.tick()
    pool.manager.close()
    pool.manager.close()
    for handle in (waiting, running):
        with pytest.raises(TaskError, match="closed"):
            handle.result(0)
    with pytest.raises(DRMError, match="closed"):
        pool.manager.submit(resources=ONE_CORE)
    with pytest.raises(DRMError, match="closed"):
        pool.manager.advance(pool.now + 1)


def test_an_engine_that_cannot_be_observed_leaves_everything_as_it_was(pool: Elastic, monkeypatch: pytest.MonkeyPatch) -> None:
    """advance raises what observe raises, and the next tick goes on from the same state."""
    before = pool.manager.snapshot

    def fail(now: float) -> None:
        raise EngineError("the scheduler does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(pool.manager.engine, "observe", fail)
        with pytest.raises(EngineError, match="does not answer"):
            pool.manager.advance(pool.now + 1)
        assert pool.manager.snapshot is before
    assert pool.tick().version == before.version + 1


def test_workers_without_a_gpu_have_no_gpu_measurement(pool: Elastic) -> None:
    """Of what a worker does not have nothing is used: the measurement is missing, not zero."""
    pool.manager.report("w1", used=Resources(cpu=1))
    pool.now += 1
    assert np.isnan(pool.manager.advance(pool.now).used[0, 2:]).all()
