"""History in RAM: what a window shows of the samples that were given."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drm.errors import InvalidValueError, UnknownIdError
from drm.history.grouping import Arrangement
from drm.history.levels import BUCKETS, Span, choose_level
from drm.history.rings import FOLDED_LABEL, Rings
from drm.history.window import MISSING, HeatmapWindow

START = 1_000_000.0 * 3600
"""A time at which a bucket of every level begins."""

HOUR, DAY = 3600.0, 86_400.0


def feed(rings: Rings, now: float, loads: dict[str, float], fleet: dict[str, float] | None = None, gpu: bool = False) -> None:
    """One sample: what each worker uses of its cpu (NaN: unknown); of everything, a tenth is allocated."""
    used = np.full((len(loads), 4), np.nan)
    used[:, 0] = list(loads.values())
    rings.append(now, tuple(loads), used, np.full((len(loads), 4), 0.1), np.full(len(loads), gpu), fleet or {})


def cells(window: HeatmapWindow, label: str, which: str = "mean") -> list[float | None]:
    """The fractions of one row, None where missing."""
    row = [row.label for row in window.rows].index(label)
    return [None if cell == MISSING else cell / 200 for cell in getattr(window, which)[row].tolist()]


def test_a_window_shows_the_mean_and_the_max_of_each_bucket() -> None:
    """Five samples of a 5 s bucket become one cell each, the open bucket is the last column."""
    rings = Rings(1.0)
    for second, load in enumerate([0.1, 0.2, 0.3, 0.4, 0.5, 1.0]):
        feed(rings, START + second, {"w": load})
    window = rings.heatmap("cpu", "used", 900, START + 5)
    assert cells(window, "w")[-2:] == [0.3, 1.0] and cells(window, "w", "max")[-2:] == [0.5, 1.0]
    assert window.times[-1] == START + 5 and window.step_seconds == 5.0
    assert set(cells(window, "w")[:-2]) == {None}


@pytest.mark.parametrize("seconds", [HOUR, DAY, 3 * DAY])
def test_rings_of_a_retention_are_smaller_and_show_the_same_of_its_time(seconds: float) -> None:
    """What is older is missing, at every level; what is not is as in rings that keep all."""
    whole, short = Rings(600.0), Rings(600.0, seconds)
    for step in range(4 * 144):
        for rings in (whole, short):
            feed(rings, START + 600 * step, {"w": (step % 7) / 10, f"w{step // 60}": 0.5}, {"n": float(step)}, gpu=True)
    now = START + 600 * (4 * 144 - 1)
    assert short._buckets.all.rings[3].nbytes <= whole._buckets.all.rings[3].nbytes * (seconds / HOUR + 1) / BUCKETS
    expected, window = (rings.heatmap("cpu", "used", seconds, now) for rings in (whole, short))
    assert [row.label for row in window.rows] == [row.label for row in expected.rows]
    assert np.array_equal(window.mean, expected.mean) and np.array_equal(window.max, expected.max)
    assert np.array_equal(short.fleet(seconds, now).mean["n"], whole.fleet(seconds, now).mean["n"], equal_nan=True)
    longer = short.fleet(30 * DAY, now, BUCKETS).mean["n"]
    assert np.isfinite(longer).sum() <= seconds / HOUR + 1 < np.isfinite(whole.fleet(30 * DAY, now, BUCKETS).mean["n"]).sum()
    assert sum(cell is not None for cell in cells(short.heatmap("cpu", "used", 30 * DAY, now, 150, BUCKETS), "w")) <= seconds / HOUR + 1


def test_missing_samples_are_blank_and_never_zero() -> None:
    """A worker that was not measured, and a time without ticks, show nothing."""
    rings = Rings(1.0)
    feed(rings, START, {"w": float("nan"), "v": 0.0})
    feed(rings, START + 20, {"w": 0.5, "v": 0.0})
    window = rings.heatmap("cpu", "used", 900, START + 20)
    assert cells(window, "w")[-5:] == [None, None, None, None, 0.5]
    assert cells(window, "v")[-5:] == [0.0, None, None, None, 0.0]


def test_measures_and_resources_are_kept_apart() -> None:
    """allocated is not used; a resource that nobody has has no rows."""
    rings = Rings(1.0)
    feed(rings, START, {"w": 0.5})
    assert cells(rings.heatmap("cpu", "allocated", 900, START), "w")[-1] == 0.1
    assert rings.heatmap("gpu", "used", 900, START).rows == ()


def test_workers_with_a_gpu_have_gpu_rows_and_only_they() -> None:
    """A worker without a GPU has no GPU row, not a zero."""
    rings = Rings(1.0)
    samples = np.full((2, 4), 0.25)
    rings.append(START, ("plain", "fast"), samples, samples, np.array([False, True]), {})
    assert [row.label for row in rings.heatmap("gpu_memory", "used", 900, START).rows] == ["fast"]
    assert set(rings.worker("fast", 900, START).mean) >= {"used_gpu", "allocated_gpu_memory", "used_cpu"}
    assert not any("gpu" in name for name in rings.worker("plain", 900, START).mean)


def test_every_level_shows_what_is_still_open() -> None:
    """A program that has just started shows its first sample in every range."""
    rings = Rings(1.0)
    feed(rings, START + 7, {"w": 0.5}, {"workers": 3.0})
    for range_seconds in (900, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY):
        assert cells(rings.heatmap("cpu", "used", range_seconds, START + 7), "w")[-1] == 0.5
        assert rings.fleet(range_seconds, START + 7).mean["workers"][-1] == 3.0


def test_coarse_buckets_hold_the_mean_of_all_their_samples() -> None:
    """Closing buckets pass their sums on: an hour of 0.2 and 0.8 in unequal parts is their weighted mean."""
    rings = Rings(10.0)
    for tick in range(361):
        feed(rings, START + 10 * tick, {"w": 0.8 if tick < 90 else 0.2})
    window = rings.heatmap("cpu", "used", 7 * DAY, START + 3600)
    assert cells(window, "w")[-2:] == [0.35, 0.2] and cells(window, "w", "max")[-2] == 0.8


def test_a_worker_that_went_keeps_its_past_until_it_has_left_the_level() -> None:
    """Its row stays with blanks after its end, and its place is used again once its last sample is too old."""
    rings = Rings(1.0)
    feed(rings, START, {"old": 0.5, "w": 0.5})
    feed(rings, START + 5, {"w": 0.5})
    window = rings.heatmap("cpu", "used", 900, START + 5)
    assert cells(window, "old")[-2:] == [0.5, None]
    feed(rings, START + 5 * BUCKETS, {"w": 0.5})
    assert [row.label for row in rings.heatmap("cpu", "used", HOUR, START + 5 * BUCKETS).rows] == ["w"]
    feed(rings, START + 5 * BUCKETS + 5, {"w": 0.5, "new": 0.25})
    assert cells(rings.heatmap("cpu", "used", HOUR, START + 5 * BUCKETS + 5), "new")[:-1] == [None] * 359


def test_a_worker_that_comes_back_has_one_row() -> None:
    """The same id goes on where it was."""
    rings = Rings(1.0)
    feed(rings, START, {"w": 0.5})
    feed(rings, START + 5, {})
    feed(rings, START + 10, {"w": 0.25})
    assert cells(rings.heatmap("cpu", "used", 900, START + 10), "w")[-3:] == [0.5, None, 0.25]


def test_churn_folds_the_oldest_and_keeps_memory_bounded() -> None:
    """Beyond twice the largest fleet, and what a screen shows, workers that went share one row, which keeps their max."""
    rings = Rings(1.0)
    for generation in range(200):
        feed(rings, START + generation, {f"w{generation}-{i}": 1.0 if generation == 3 else 0.5 for i in range(4)})
    window = rings.heatmap("cpu", "used", 900, START + 199, rows=1000)
    assert [row.label for row in window.rows].count(FOLDED_LABEL) == 1 and len(window.rows) == 151
    assert window.rows[-1].worker_ids == ()
    assert max(cell for cell in cells(window, FOLDED_LABEL, "max") if cell is not None) == 1.0


def test_more_workers_than_rows_are_grouped_and_can_be_opened() -> None:
    """Groups hold every worker once, keep the max of their members, and name them."""
    rings = Rings(1.0)
    loads = {f"w{i}": i / 100 for i in range(100)}
    feed(rings, START, loads)
    window = rings.heatmap("cpu", "used", 900, START, rows=10)
    assert len(window.rows) == 10
    assert sorted(worker_id for row in window.rows for worker_id in row.worker_ids) == sorted(loads)
    busiest = next(index for index, row in enumerate(window.rows) if "w99" in row.worker_ids)
    assert window.max[busiest, -1] == 198 and window.mean[busiest, -1] < 198
    opened = rings.heatmap("cpu", "used", 900, START, worker_ids=window.rows[busiest].worker_ids)
    assert [row.worker_ids for row in opened.rows] == [(worker_id,) for worker_id in window.rows[busiest].worker_ids]


def test_pools_do_not_share_rows() -> None:
    """Workers are grouped within their pool."""
    rings = Rings(1.0)
    feed(rings, START, {f"w{i}": 0.5 for i in range(40)})
    pools = {f"w{i}": "east" if i % 2 else "west" for i in range(40)}

    def arrange(ids: Sequence[str]) -> Arrangement:
        return Arrangement(np.ones(len(ids), bool), tuple(pools[one] for one in ids), "part", is_filtered=False)

    rows = rings.heatmap("cpu", "used", 900, START, rows=8, arrange=arrange).rows
    assert all(len({pools[worker_id] for worker_id in row.worker_ids}) == 1 for row in rows)
    assert {row.label.partition(":")[0] for row in rows} == {"east", "west"}


def test_rows_are_in_natural_order() -> None:
    """w2 stands before w10."""
    rings = Rings(1.0)
    feed(rings, START, {"w10": 0.1, "w2": 0.2, "a": 0.3})
    assert [row.label for row in rings.heatmap("cpu", "used", 900, START).rows] == ["a", "w2", "w10"]


def test_a_window_is_never_finer_than_the_sampling() -> None:
    """Samples each 30 s are not shown in 5 s buckets, which would be stripes."""
    assert choose_level(900, 1.0) == 0 and choose_level(900, 30.0) == 1
    rings = Rings(30.0)
    for tick in range(30):
        feed(rings, START + 30 * tick, {"w": 0.5})
    assert None not in cells(rings.heatmap("cpu", "used", 900, START + 870), "w")


def test_a_sample_that_is_older_counts_into_the_open_bucket() -> None:
    """Time in the rings does not run backward."""
    rings = Rings(1.0)
    feed(rings, START + 60, {"w": 0.2})
    feed(rings, START, {"w": 0.4})
    assert cells(rings.heatmap("cpu", "used", 900, START + 60), "w")[-2:] == [None, 0.3]


def test_a_long_pause_leaves_nothing_of_before() -> None:
    """After a gap longer than a level, its ring holds only what came after."""
    rings = Rings(1.0)
    feed(rings, START, {"w": 0.9}, {"workers": 1.0})
    feed(rings, START + 100 * DAY, {"w": 0.1}, {"workers": 2.0})
    for range_seconds in (900, 30 * DAY):
        known = [cell for cell in cells(rings.heatmap("cpu", "used", range_seconds, START + 100 * DAY), "w") if cell is not None]
        assert known == [0.1]
        assert np.nansum(rings.fleet(range_seconds, START + 100 * DAY).mean["workers"]) == 2.0


def test_what_is_beyond_the_scale_is_its_end() -> None:
    """127 % and more is 127 %."""
    rings = Rings(1.0)
    feed(rings, START, {"w": 7.5})
    assert cells(rings.heatmap("cpu", "used", 900, START), "w")[-1] == 1.27


def test_a_series_that_appears_later_is_missing_before() -> None:
    """New names do not invent a past."""
    rings = Rings(1.0)
    feed(rings, START, {}, {"a": 1.0})
    feed(rings, START + 5, {}, {"a": 2.0, "b": 7.0})
    window = rings.fleet(900, START + 5)
    assert window.mean["a"][-2:].tolist() == [1.0, 2.0]
    assert np.isnan(window.mean["b"][-2]) and window.mean["b"][-1] == 7.0


def test_the_etag_changes_with_the_content() -> None:
    """At the finest level with each sample; in coarse ranges only as finer buckets close."""
    rings = Rings(1.0)
    feed(rings, START, {"w": 0.5})
    fine, coarse = rings.heatmap("cpu", "used", 900, START).etag, rings.heatmap("cpu", "used", 30 * DAY, START).etag
    assert rings.heatmap("cpu", "used", 900, START).etag == fine
    feed(rings, START + 1, {"w": 0.6})
    assert rings.heatmap("cpu", "used", 900, START + 1).etag != fine
    assert rings.heatmap("cpu", "used", 30 * DAY, START + 1).etag == coarse
    feed(rings, START + 600, {"w": 0.6})
    assert rings.heatmap("cpu", "used", 30 * DAY, START + 600).etag != coarse


def test_windows_are_frozen_and_unknown_workers_refused() -> None:
    """Readers cannot change what they were given; a worker that never was is an unknown id."""
    rings = Rings(1.0)
    feed(rings, START, {"w": 0.5})
    with pytest.raises(ValueError, match="read-only"):
        rings.heatmap("cpu", "used", 900, START).mean[...] = 0
    with pytest.raises(UnknownIdError, match="ghost"):
        rings.worker("ghost", 900, START)
    with pytest.raises(InvalidValueError, match="sampling"):
        Rings(0.0)


def test_readers_and_the_writer_do_not_disturb_each_other() -> None:
    """While samples come and members change, every window has its shape and no cell beyond the samples."""
    rings = Rings(1.0)
    feed(rings, START, {"w0": 0.5})
    stop = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not stop.is_set():
            window = rings.heatmap("cpu", "used", 900, START + 2000)
            assert window.mean.shape == (len(window.rows), len(window.times)) == window.max.shape
            assert set(np.unique(window.mean)) <= {100, MISSING}
            seen.append(len(window.rows))

    reader = threading.Thread(target=read)
    reader.start()
    for second in range(2000):
        feed(rings, START + second, {f"w{i}": 0.5 for i in range(second % 7 + 1)})
    stop.set()
    reader.join()
    assert seen


loads = st.one_of(st.just(float("nan")), st.floats(0, 1.2))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.lists(loads, min_size=1, max_size=4)), min_size=1, max_size=40),
    st.sampled_from([900.0, HOUR, 6 * HOUR, DAY, 30 * DAY]),
    st.integers(1, 360),
)
def test_a_windows_values_lie_within_its_samples(ticks: list[tuple[int, list[float]]], range_seconds: float, columns: int) -> None:
    """Whatever the times and members, no cell is below the least or above the largest sample of its worker, and mean <= max."""
    rings, now, given_to = Rings(1.0), START, {}
    for pause, row in ticks:
        now += pause
        feed(rings, now, {f"w{i}": load for i, load in enumerate(row)})
        for i, load in enumerate(row):
            given_to.setdefault(f"w{i}", []).append(load)
    window = rings.heatmap("cpu", "used", range_seconds, now, columns=columns)
    assert window.mean.shape[1] <= columns and window.times[-1] <= now < window.times[-1] + window.step_seconds
    for row, mean, maximum in zip(window.rows, window.mean, window.max, strict=True):
        known = [load for load in given_to[row.label] if load == load]
        shown = mean != MISSING
        assert (shown == (maximum != MISSING)).all() and shown.any()
        assert mean[shown].min() / 200 >= min(known) - 0.0051 and maximum[shown].max() / 200 <= max(known) + 0.0051
        assert (mean[shown] <= maximum[shown]).all()


@given(st.floats(1, 40 * DAY), st.integers(1, 1000), st.floats(0, 2e9), st.sampled_from([5.0, 60.0, 600.0, 3600.0]))
def test_a_span_ends_with_its_end_and_is_no_larger_than_asked(range_seconds: float, columns: int, end: float, step: float) -> None:
    """The last column holds the end; columns are whole buckets whose edges do not depend on the end."""
    span = Span.ending(end, range_seconds, step, columns)
    assert 1 <= span.columns <= columns and span.columns * span.factor <= BUCKETS + span.factor
    assert span.times[-1] <= end < span.times[-1] + span.column_seconds
    assert span.first % span.factor == 0
