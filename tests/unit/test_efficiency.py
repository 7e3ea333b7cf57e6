"""Efficiency of pool, workers and tasks: known samples give known numbers, and where nothing was allocated there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.analysis.efficiency import TaskUse, of_names, of_shapes, of_workers, over_range, over_time, present, ratio
from drm.errors import InvalidValueError
from drm.history.rings import Rings
from drm.history.window import SeriesWindow
from drm.model import Resources
from drm.task_usage import SAMPLES_KEPT, TaskUsage
from tests.unit.page_pool import state_with_history
from tests.unit.usage_samples import GIB, START, plant

NAN = math.nan


def window(**series: Sequence[float]) -> SeriesWindow:
    """A window of these series."""
    columns = {name: np.array(values, float) for name, values in series.items()}
    count = len(next(iter(columns.values())))
    return SeriesWindow("etag", 0.0, count * 5.0, 5.0, np.arange(count) * 5.0, columns, columns)


def only(uses: list[TaskUse]) -> TaskUse:
    """The one that there is."""
    (use,) = uses
    return use


amounts = st.one_of(st.floats(1e-6, 1e12), st.just(0.0), st.just(NAN))


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=20))
def test_efficiency_is_blank_exactly_where_nothing_was_allocated_or_known(pairs: list[tuple[float, float]]) -> None:
    """And used / allocated elsewhere."""
    used, allocated = np.array(pairs).T
    shares = ratio(used, allocated)
    for share, one, other in zip(shares.tolist(), used.tolist(), allocated.tolist(), strict=True):
        blank = math.isnan(one) or math.isnan(other) or other == 0
        assert math.isnan(share) if blank else share == pytest.approx(one / other)


def test_the_pool_over_time_and_over_the_range() -> None:
    """Blank while nothing is allocated; over the range the sums of the other times count, only where both are known."""
    seen = window(used_cpu=[1, 2, NAN, 0.5, 3], allocated_cpu=[2, 4, 4, 0, 2], capacity_cpu=[8] * 5)
    np.testing.assert_array_equal(over_time(seen, "cpu"), [0.5, 0.5, NAN, NAN, 1.5])
    mean = over_range(seen, "cpu")
    assert (mean.used, mean.allocated) == pytest.approx((6 / 3, 8 / 3))
    assert mean.efficiency == pytest.approx(6 / 8)
    assert mean.slack == pytest.approx(2 / 3)
    assert present(seen) == ["cpu"]
    nothing = over_range(window(used_cpu=[0.1], allocated_cpu=[0]), "cpu")
    assert math.isnan(nothing.efficiency) and nothing.allocated == 0
    assert math.isnan(over_range(seen, "gpu").used)


def test_means_of_workers_are_those_of_their_samples() -> None:
    """Over the buckets in which something was allocated; a worker without a measurement, or with nothing allocated, is blank."""
    rings = Rings(5.0)
    used = np.full((4, 4), NAN)
    allocated = np.zeros((4, 4))
    for step in range(4):
        used[:, 0] = (0.2 + 0.1 * step, 0.5, NAN, 0.3)
        allocated[:, 0] = (0.8, 0.0 if step < 2 else 1.0, 0.5, 0.0)
        rings.append(START + 5 * step, ("a", "b", "c", "d"), used, allocated, np.zeros(4, bool), {})
    means = rings.worker_means("cpu", 900, START + 15)
    assert means.worker_ids == ("a", "b", "c", "d")
    np.testing.assert_allclose(means.used, [0.35, 0.5, NAN, NAN], atol=0.0026)
    np.testing.assert_allclose(means.allocated, [0.8, 1.0, NAN, NAN], atol=0.0026)
    np.testing.assert_allclose(of_workers(means), [0.35 / 0.8, 0.5, NAN, NAN], atol=0.01)
    assert means.known.tolist() == [True, True, False, True]
    assert len(rings.worker_means("gpu", 900, START + 15).worker_ids) == 0


def test_means_of_workers_outlive_a_change_of_members() -> None:
    """A worker that came later has its own row, and one that went keeps its means."""
    rings = Rings(5.0)
    rings.append(START, ("gone",), np.full((1, 4), 0.4), np.full((1, 4), 0.8), np.zeros(1, bool), {})
    rings.append(START + 5, ("new", "other"), np.full((2, 4), 0.1), np.full((2, 4), 0.2), np.zeros(2, bool), {})
    means = rings.worker_means("cpu", 900, START + 5)
    by_id = dict(zip(means.worker_ids, zip(means.used.tolist(), means.allocated.tolist(), strict=True), strict=True))
    assert by_id["gone"] == pytest.approx((0.4, 0.8))
    assert by_id["new"] == pytest.approx((0.1, 0.2))


def test_the_state_refuses_a_resource_that_is_none() -> None:
    """By value and rule."""
    state = state_with_history()
    assert set(state.worker_means(900, "memory").worker_ids) == {"plain", "<b>fast"}
    with pytest.raises(InvalidValueError, match="resource must be one of"):
        state.worker_means(900, "disk")
    with pytest.raises(InvalidValueError, match="range_seconds"):
        state.worker_means(math.inf)


def test_percentiles_of_tasks_are_values_that_were_measured() -> None:
    """Nearest rank over 1..100 hundredths of a core: 0.50, 0.95 and 1.00; efficiency by resource-seconds; Little's law for how many ran."""
    usage = TaskUsage()
    request = Resources(cpu=2, memory=4 * GIB)
    used = [Resources(cpu=number / 100, memory=GIB if number % 2 else 0) for number in range(1, 101)]
    until = plant(usage, "sort", request, used, run_seconds=30, every_seconds=10)
    use = only(of_shapes(usage.view(), START - 60, until))
    np.testing.assert_allclose([use.p50[0], use.p95[0], use.max[0]], [0.50, 0.95, 1.00])
    np.testing.assert_array_equal(use.measured, [100, 50, 0, 0])
    np.testing.assert_array_equal(use.request, request.vector())
    assert use.efficiency[0] == pytest.approx(0.505 / 2) and use.efficiency[1] == pytest.approx(0.25)
    assert np.isnan(use.efficiency[2:]).all() and np.isnan(use.p95[2:]).all()
    assert (use.since, use.until, use.attempts) == (START, until, 100)
    assert use.mean_running == pytest.approx(100 * 30 / (until - START))


def test_only_attempts_that_are_done_say_what_a_task_needs() -> None:
    """One that failed early used little; it counts as an attempt and for how many ran, not for the percentiles."""
    usage = TaskUsage()
    plant(usage, "sort", Resources(cpu=1), [Resources(cpu=0.8)] * 3)
    until = plant(usage, "sort", Resources(cpu=1), [Resources(cpu=0.01)] * 30, outcome="failed")
    use = only(of_shapes(usage.view(), 0.0, until))
    assert use.p50[0] == 0.8 and use.measured[0] == 3 and use.attempts == 33


def test_a_window_leaves_out_what_ended_before_it() -> None:
    """And counts of a task that ran into it only the part inside."""
    usage = TaskUsage()
    until = plant(usage, "sort", Resources(cpu=1), [Resources(cpu=0.1)] * 10 + [Resources(cpu=0.9)] * 10)
    use = only(of_shapes(usage.view(), until - 95, until))
    assert use.attempts == 10 and use.p50[0] == 0.9
    assert use.mean_running == pytest.approx(1.0)
    assert use.since == until - 95
    assert of_shapes(usage.view(), until, until + 60) == []


def test_how_many_ran_holds_where_older_samples_were_let_go() -> None:
    """Ten at once all the time; of 2000 attempts the newest 500 are kept, and they still say ten."""
    usage = TaskUsage()
    until = plant(usage, "sort", Resources(cpu=1), [None] * 4 * SAMPLES_KEPT, run_seconds=100, every_seconds=10)
    use = only(of_shapes(usage.view(), 0.0, until))
    assert use.attempts == SAMPLES_KEPT
    assert use.mean_running == pytest.approx(10.0)


def test_a_name_stands_for_all_of_its_requests() -> None:
    """Its request is the mean by time, its percentiles are those of all, and its running tasks add up."""
    usage = TaskUsage()
    plant(usage, "sort", Resources(cpu=1), [Resources(cpu=0.5)] * 10)
    until = plant(usage, "sort", Resources(cpu=3), [Resources(cpu=2.5)] * 10)
    plant(usage, "other", Resources(cpu=1), [None])
    assert len(of_shapes(usage.view(), 0.0, until)) == 3
    use = {one.name: one for one in of_names(usage.view(), 0.0, until)}["sort"]
    assert len(use.shapes) == 2 and use.request[0] == pytest.approx(2.0)
    assert (use.p50[0], use.max[0]) == (0.5, 2.5)
    assert use.efficiency[0] == pytest.approx(3.0 / 4.0)
    assert use.mean_running == pytest.approx(2.0)


def test_a_pool_without_time_has_no_tasks() -> None:
    """Before the first tick the time is NaN: nothing is in the window, and nothing breaks."""
    usage = TaskUsage()
    plant(usage, "sort", Resources(cpu=1), [None])
    assert of_shapes(usage.view(), NAN, NAN) == []
