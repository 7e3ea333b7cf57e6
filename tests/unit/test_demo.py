"""The demo workload: what arrives is a function of the second, and the tasks keep to what they asked for."""

from __future__ import annotations

import time

import pytest

from drm.demo import BUSY_SECONDS, KINDS, QUEUE_ENOUGH, WAVE_SECONDS, Demo, arrivals, request_of, run
from drm.engines.external import ExternalEngine
from drm.manager import DynamicResourceManager
from drm.model import Resources

SHAPE = Resources(cpu=0.5, memory=4e9)


def demand(second: int, seed: int = 0) -> float:
    """Workers that the tasks of that second keep busy, by their cpu."""
    alive = [(start, kind) for start in range(max(0, second - 12), second + 1) for kind in arrivals(start, seed)]
    return sum(kind.cpu for start, kind in alive if second - start < kind.seconds)


def test_the_same_second_brings_the_same_tasks() -> None:
    """Deterministic for a seed, and different for another."""
    assert [arrivals(second, 1) for second in range(60)] == [arrivals(second, 1) for second in range(60)]
    assert [arrivals(second, 1) for second in range(60)] != [arrivals(second, 2) for second in range(60)]


@pytest.mark.parametrize("seed", range(5))
def test_a_wave_needs_several_workers_and_then_hardly_one(seed: int) -> None:
    """At its height more than two workers are busy, in between no more than one: the pool grows and shrinks in each wave."""
    heights = [demand(second, seed) for second in range(WAVE_SECONDS * 3)]
    assert max(heights[:BUSY_SECONDS]) > 2
    assert max(heights[BUSY_SECONDS + 15 : WAVE_SECONDS]) <= 1


def test_the_demo_leaves_the_machine_usable() -> None:
    """On four workers that are the whole of two cores, the tasks use less than 1.5 cores on average, and every kind is seen."""
    used = [kind.cpu * kind.effort * SHAPE.cpu * kind.seconds for second in range(600) for kind in arrivals(second, 0)]
    assert 0.2 < sum(used) / 600 < 1.5
    assert {kind.name for second in range(60) for kind in arrivals(second, 0)} == {kind.name for kind in KINDS}


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_a_task_works_for_its_time(kind: str) -> None:
    """Each kind does real pieces of work until its time is over."""
    assert run(kind, 0.5, 1.0, 1_000_000)["pieces"] >= 1


def test_tasks_are_sized_by_the_pools_workers_and_stop_at_a_full_queue() -> None:
    """Requests are parts of a worker; beyond a queue that shows enough nothing is added."""
    submitted: list[Resources] = []

    class Recording(DynamicResourceManager):
        def submit(self, *args: object, resources: Resources | None = None, **kwargs: object) -> None:  # type: ignore[override]
            submitted.append(resources or Resources())

    manager = Recording(ExternalEngine(worker_shape=SHAPE), now=0.0)
    demo = Demo(manager)
    assert sum(demo.submit(second) for second in range(10)) == len(submitted) > 0
    assert set(submitted) <= {request_of(kind, SHAPE) for kind in KINDS}
    for _ in range(QUEUE_ENOUGH + 1):
        DynamicResourceManager.submit(manager, resources=Resources(cpu=0.1))
    manager.advance(1.0)
    assert demo.submit(0) == 0


def test_a_task_of_one_thread_reserves_no_more_than_one_core() -> None:
    """On workers of many cores the reservation stays what the task can really use."""
    assert {request_of(kind, Resources(cpu=64, memory=256e9)).cpu for kind in KINDS} == {1.0}


def test_a_task_keeps_to_the_cores_that_it_was_granted() -> None:
    """Its thread uses about its share of the time, not a whole core."""
    began = time.thread_time()
    run("sort", 0.4, 0.25, 0)
    assert 0 < time.thread_time() - began < 0.3


def test_without_a_worker_nothing_is_submitted() -> None:
    """A pool that has shown no worker yet gives no measure for a task."""
    assert Demo(DynamicResourceManager(now=0.0)).submit(0) == 0
