"""Analysis of allocation: what is packed, stranded and uneven in pools that are known, and what holds in all."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drm.analysis.allocation import SORTS, look, ordered
from drm.analysis.imbalance import imbalance
from drm.analysis.packing import mean_packing, packing
from drm.analysis.stranded import stranded
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.errors import CapacityError, InfeasibleError
from drm.manager import DynamicResourceManager
from drm.model import RESOURCES, Resources
from drm.snapshot import Snapshot
from tests.unit.odd_pools import GIB, gpu_only, one_worker, only_lost, ten_thousand, without_gpu

EVERYTHING = 10_000


def pool(*capacities: Resources) -> DynamicResourceManager:
    """An external pool of workers w1, w2, ... of these capacities."""
    manager = DynamicResourceManager(ExternalEngine(), bounds=Bounds(0, 100), now=0.0)
    for number, capacity in enumerate(capacities, start=1):
        manager.register_worker(f"w{number}", capacity=capacity)
    return manager


def names(snapshot: Snapshot, resource: str, sort: str) -> list[str]:
    """The workers in their order."""
    return [snapshot.worker_ids[row] for row in ordered(snapshot, resource, sort)]


def test_the_queue_stands_in_the_snapshot_in_the_order_in_which_it_is_served() -> None:
    """One line for each request, with how many wait, since when and why, and whether they ever could run."""
    manager = pool(Resources(cpu=1))
    manager.submit(resources=Resources(cpu=1))
    manager.advance(1.0)
    manager.submit(resources=Resources(cpu=1))
    manager.advance(5.0)
    manager.submit(resources=Resources(cpu=2))
    manager.submit(resources=Resources(cpu=1))
    one, two = manager.advance(9.0).waiting
    assert (one.resources, one.count, one.oldest_submitted_at, one.feasible) == (Resources(cpu=1), 2, 1.0, True)
    assert one.reason == "waits for a worker with room"
    assert (two.resources, two.count, two.oldest_submitted_at, two.feasible) == (Resources(cpu=2), 1, 5.0, False)
    assert "the largest has 1 cores of cpu" in two.reason


def test_workers_stand_in_the_chosen_order() -> None:
    """By name w2 before w10; by what is allocated of the chosen resource; by slack, what was not measured last."""
    manager = pool(*[Resources(cpu=4, memory=8 * GIB)] * 10)
    manager.advance(0.0)
    for cpu, memory in ((4, 1), (3, 7)):
        manager.submit(resources=Resources(cpu=cpu, memory=memory * GIB))
    snapshot = manager.advance(1.0)
    assert names(snapshot, "cpu", "name")[:3] == ["w1", "w2", "w3"]
    assert names(snapshot, "cpu", "name")[-1] == "w10"
    full, large = (task.worker_id for task in sorted(snapshot.running_tasks, key=lambda task: -task.resources.cpu))
    assert names(snapshot, "cpu", "allocated")[:2] == [full, large]
    assert names(snapshot, "memory", "allocated")[:2] == [large, full]
    manager.report(str(full), used={"cpu": 3.9})
    manager.report(str(large), used={"cpu": 1.0})
    assert names(manager.advance(2.0), "cpu", "slack")[:2] == [large, full]


def test_tasks_stand_in_segments_by_size_beside_what_programs_reserved() -> None:
    """The largest first; a claim of a program is a segment of its own; free is what is left."""
    manager = pool(Resources(cpu=8))
    for cpu in (1, 3):
        manager.submit(resources=Resources(cpu=cpu), name=f"of {cpu}")
    manager.advance(1.0)
    manager.reserve_resources(Resources(cpu=2))
    (row,) = packing(manager.advance(4.0), "cpu", np.array([0]), EVERYTHING)
    assert [(one.kind, one.name, one.amount) for one in row.segments] == [
        ("task", "of 3", 3.0),
        ("task", "of 1", 1.0),
        ("reserved", "", 2.0),
    ]
    assert row.free == 2.0
    assert row.segments[0].since == 1.0


def test_small_tasks_stand_together_where_there_is_no_room_for_all() -> None:
    """As many segments as were asked for; what stands together says how many it is, and nothing of the sum is lost."""
    manager = pool(Resources(cpu=50), Resources(cpu=50))
    for number in range(60):
        manager.submit(resources=Resources(cpu=2 if number == 0 else 1), name="big" if number == 0 else "small")
    rows = packing(manager.advance(1.0), "cpu", np.array([0, 1]), 10)
    assert sum(len(row.segments) for row in rows) <= 10
    assert sum(one.tasks for row in rows for one in row.segments) == 60
    assert sum(one.amount for row in rows for one in row.segments) == 61.0


def test_what_has_no_row_is_a_mean_by_name() -> None:
    """Two workers of four cores with three one-core tasks hold 1.5 cores on average."""
    manager = pool(Resources(cpu=4), Resources(cpu=4))
    for name in ("a", "a", "b"):
        manager.submit(resources=Resources(cpu=1), name=name)
    mean = mean_packing(manager.advance(1.0), "cpu", np.array([0, 1]))
    assert mean.capacity == 4.0
    assert [(one.name, one.amount, one.tasks) for one in mean.segments] == [("a", 1.0, 2), ("b", 0.5, 1)]


def test_what_is_free_and_fits_no_request_is_stranded_with_the_resource_that_lacks() -> None:
    """Four workers have 3 cores and 4 GiB left, one less by a claim; a request of 6 GiB lacks memory on all; the GPU task counts not."""
    found = stranded(without_gpu().snapshot)
    assert found.free.tolist() == [11.0, 15 * GIB, 0, 0]
    assert found.amounts.tolist() == found.free.tolist()
    assert [(resource, workers) for resource, workers, _ in found.by_blocker] == [("memory", 4)]
    assert found.infeasible == 1
    (line,) = found.lines
    assert (line.fits, line.blocked, line.resource, line.lack) == (0, (0, 4, 0, 0), "memory", 2 * GIB)
    assert line.closest in {"w2", "w3", "w4"}


def test_nothing_is_stranded_where_nothing_waits_or_it_fits() -> None:
    """Free capacity without a queue is idle, not stranded; a request that fits makes a worker's free capacity useful."""
    assert not stranded(gpu_only().snapshot).amounts.any()
    manager = pool(Resources(cpu=4), Resources(cpu=1))
    manager.submit(resources=Resources(cpu=3))
    before = manager.snapshot
    assert not stranded(before).lines
    manager.advance(1.0)
    manager.submit(resources=Resources(cpu=2))
    found = stranded(manager.advance(2.0))
    assert found.amounts[0] == found.free[0] == 2.0
    assert found.workers == 2


def test_free_capacity_of_workers_that_take_no_task_is_not_called_stranded() -> None:
    """A cordoned worker's free cores are told apart."""
    manager = pool(Resources(cpu=4), Resources(cpu=2))
    manager.advance(1.0)
    manager.cordon("w1")
    manager.submit(resources=Resources(cpu=3))
    found = stranded(manager.advance(2.0))
    assert (found.free[0], found.closed[0], found.amounts[0]) == (6.0, 4.0, 2.0)
    assert found.lines[0].blocked == (1, 0, 0, 0)
    assert (found.lines[0].closest, found.lines[0].lack) == ("w2", 1.0)


def test_a_resource_that_nobody_has_left_is_named_without_a_closest_worker() -> None:
    """Where every worker lacks the resource altogether, none is closer than another."""
    manager = pool(Resources(cpu=4), Resources(cpu=1, gpu=1))
    manager.advance(1.0)
    manager.cordon("w2")
    manager.submit(resources=Resources(cpu=1, gpu=1))
    (line,) = stranded(manager.advance(2.0)).lines
    assert (line.closest, line.resource, line.blocked) == (None, "gpu", (0, 0, 1, 0))


def test_an_uneven_pool_names_the_few_that_make_it_so() -> None:
    """Nine idle workers and a full one: the full one makes nine tenths of the variance."""
    manager = pool(*[Resources(cpu=1)] * 10)
    manager.submit(resources=Resources(cpu=1))
    spread = imbalance(manager.advance(1.0), "cpu")
    assert spread is not None
    assert (spread.minimum, spread.median, spread.maximum) == (0.0, 0.0, 1.0)
    assert spread.mean == pytest.approx(0.1)
    assert spread.variation == pytest.approx(3.0)
    assert [share for _, share in spread.causes] == [1.0]
    assert spread.explained == pytest.approx(0.9)


def test_there_is_no_imbalance_of_one_worker_or_of_nothing() -> None:
    """Fewer than two workers cannot be uneven; nothing allocated has no coefficient of variation and no cause."""
    assert imbalance(one_worker().snapshot, "cpu") is None
    spread = imbalance(pool(Resources(cpu=1), Resources(cpu=1)).advance(1.0), "cpu")
    assert spread is not None
    assert math.isnan(spread.variation)
    assert spread.causes == ()


def test_a_resource_that_the_pool_lacks_gives_way_to_one_that_it_has() -> None:
    """A pool of GPUs is looked at by its GPUs; one of lost workers has nothing to look at."""
    seen = look(gpu_only().snapshot, "cpu", "name")
    assert (seen.resource, seen.present) == ("gpu", ("gpu", "gpu_memory"))
    gone = look(only_lost().snapshot, "cpu", "name")
    assert (gone.present, gone.holdings, gone.packed, gone.shown) == ((), (), (), 0)


def test_ten_thousand_workers_are_thirty_rows_and_a_sum() -> None:
    """All, thirty and the rest are rows; the parts add up to all; segments are bounded; so in every order."""
    snapshot = ten_thousand().snapshot
    for sort in SORTS:
        seen = look(snapshot, "cpu", sort)
        everyone, *shown, rest = seen.holdings
        assert (len(shown), rest.workers, seen.hidden) == (30, everyone.workers - 30, everyone.workers - 30)
        np.testing.assert_allclose(sum(one.allocated for one in (*shown, rest)), everyone.allocated)
        assert sum(len(row.segments) for row in seen.packed) <= 300 + 15


shapes = st.builds(
    lambda cpu, memory, gpu: Resources(cpu=cpu, memory=memory * GIB, gpu=gpu),
    st.sampled_from([0.1, 0.5, 1.0, 2.5]),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.0, 0.5, 1.0]),
)
workers = st.lists(
    st.builds(lambda cpu, memory, gpu: Resources(cpu=cpu, memory=memory * GIB, gpu=gpu), *[st.integers(1, 6)] * 2, st.integers(0, 2)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(workers, st.lists(shapes, max_size=30), st.lists(shapes, max_size=4), st.integers(0, 5), st.integers(12, 60))
def test_parts_add_up_in_every_pool(
    capacities: list[Resources], tasks: list[Resources], claims: list[Resources], cordoned: int, segments: int
) -> None:
    """Segments sum to what is allocated, and with what is free to the capacity; stranded + closed <= free; open workers fit or lack."""
    manager = pool(*capacities)
    manager.advance(0.0)
    for claim in claims:
        with suppress(CapacityError, InfeasibleError):
            manager.reserve_resources(claim)
    for request in tasks:
        manager.submit(resources=request, name=f"of {request.cpu}")
    manager.advance(1.0)
    if cordoned < len(capacities):
        manager.cordon(f"w{cordoned + 1}")
    snapshot = manager.advance(2.0)
    rows = np.arange(len(capacities))
    for index, resource in enumerate(RESOURCES):
        for row, packed in zip(rows, packing(snapshot, resource, rows, segments), strict=True):
            held = sum(one.amount for one in packed.segments)
            assert held == pytest.approx(snapshot.allocated[row, index], abs=1e-6 * max(1.0, snapshot.capacity[row, index]))
            assert held + packed.free == pytest.approx(snapshot.capacity[row, index])
    found = stranded(snapshot)
    assert (found.amounts + found.closed <= found.free * (1 + 1e-9)).all()
    for line in found.lines:
        assert line.fits + sum(line.blocked) == int((snapshot.open_slots > 0).sum())
    spread = imbalance(snapshot, "cpu")
    if spread is not None:
        assert spread.minimum - 1e-9 <= spread.mean <= spread.maximum + 1e-9
        assert 0.0 <= spread.explained <= 1.0 + 1e-9
