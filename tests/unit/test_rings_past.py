"""Windows of the rings that end in the past: the level that still keeps them, blanks beyond, and etags that stay."""

from __future__ import annotations

import numpy as np
import pytest

from drm.history.levels import BUCKETS, STEPS_SECONDS
from drm.history.rings import Rings
from drm.history.window import MISSING
from tests.unit.test_rings import DAY, HOUR, START, cells, feed


def minutes(count: int, workers: int = 2) -> Rings:
    """A sample a minute, each worker busier by half a percent with each hour."""
    rings = Rings(60.0)
    for minute in range(count):
        feed(rings, START + 60 * minute, {f"w{number}": (minute // 60) / 200 for number in range(workers)}, {"size": float(minute // 60)})
    return rings


def test_the_level_is_the_finest_that_still_keeps_the_start() -> None:
    """A quarter of an hour is shown in minutes as long as those are kept, then in tens, then in hours."""
    rings = minutes(6 * 24 * 60)
    last = START + 6 * DAY - 60
    for back, step in ((0, 60), (HOUR, 60), (11 * HOUR, 60), (12 * HOUR, 600), (4 * DAY, 600), (5 * DAY, 3600)):
        window = rings.fleet(900, last - back)
        assert window.step_seconds == step, back
        assert window.times[-1] <= last - back < window.times[-1] + step
        assert window.mean["size"][-1] == (last - back - START) // 3600
        assert cells(rings.heatmap("cpu", "used", 900, last - back), "w1")[-1] == window.mean["size"][-1] / 200


@pytest.mark.parametrize("range_seconds", [1.0, 900.0, 30 * DAY, 3650 * DAY])
@pytest.mark.parametrize("end", [START - 1.0, START - 100 * DAY, START + 200 * DAY])
def test_a_window_that_nothing_is_kept_of_is_blank(end: float, range_seconds: float) -> None:
    """Before all samples or after them, of a second or of ten years: columns within bounds, and nothing in them."""
    rings = minutes(200)
    window = rings.fleet(range_seconds, end, 100)
    assert 1 <= len(window.times) <= 100 and np.isnan(window.mean["size"]).all()
    assert rings.heatmap("cpu", "used", range_seconds, end, 10, 100).rows == ()
    assert np.isnan(rings.worker("w0", range_seconds, end, 100).mean["used_cpu"]).all()
    assert not rings.worker_means("cpu", range_seconds, end).known.any()
    assert np.isnan(rings.sample(end, ["w0", "nobody"]).used).all()


def test_a_window_of_closed_buckets_keeps_its_etag() -> None:
    """Ticks after it change nothing of it; a bucket that is kept no more does, and one that is still open does with each tick."""
    rings = minutes(300)
    asked = (("fleet", (600.0,)), ("worker_means", ("cpu", 600.0)), ("heatmap", ("cpu", "used", 600.0)), ("worker", ("w0", 600.0)))

    def etags(end: float) -> list[str]:
        return [getattr(rings, name)(*arguments, end).etag for name, arguments in asked]

    closed, open_ones = etags(START + 100 * 60), etags(START + 299 * 60)
    sampled, last = rings.sample_etag(START + 100 * 60), rings.sample_etag(START + 299 * 60)
    for minute in range(300, 310):
        feed(rings, START + 60 * minute, {"w0": 0.9, "w1": 0.9, "w2": 0.9}, {"size": 1.0, "late": 2.0})
    assert etags(START + 100 * 60) == closed and rings.sample_etag(START + 100 * 60) == sampled
    assert not set(etags(START + 299 * 60)) & set(open_ones) and rings.sample_etag(START + 299 * 60) != last
    whole = rings.fleet(30 * DAY, START - HOUR).etag
    feed(rings, START + 2 * DAY, {"w0": 0.5})
    assert rings.fleet(30 * DAY, START - HOUR).etag != whole


def test_folded_workers_change_a_closed_window() -> None:
    """Where those that went come to share a row, a window that is drawn already is drawn again."""
    rings = Rings(60.0)
    for minute in range(200):
        feed(rings, START + 60 * minute, {f"w{minute}": 0.5})
    before = rings.heatmap("cpu", "used", 600, START + 100 * 60)
    for minute in range(200, 700):
        feed(rings, START + 60 * minute, {f"w{minute}": 0.5})
    after = rings.heatmap("cpu", "used", 600, START + 100 * 60)
    assert before.etag != after.etag and {row.worker_ids for row in after.rows} != {row.worker_ids for row in before.rows}


def test_a_sample_is_the_bucket_of_its_moment() -> None:
    """Used and allocated of the workers that are asked for, in that order, and the fleet's series; NaN of whom nothing is kept."""
    rings = minutes(24 * 60)
    for moment, step in ((START + 24 * HOUR - 60, 60.0), (START + 13 * HOUR, 60.0), (START + 2 * HOUR, 600.0)):
        found = rings.sample(moment, ["w1", "nobody", "w0"])
        assert found.step_seconds == step and found.start <= moment < found.start + step
        hour = (moment - START) // 3600
        np.testing.assert_allclose(found.used[:, 0], [hour / 200, np.nan, hour / 200])
        np.testing.assert_allclose(found.allocated[:, 1], [0.1, np.nan, 0.1])
        assert np.isnan(found.used[:, 2:]).all() and found.fleet == {"size": hour}


def test_idle_begins_where_nothing_was_allocated_any_more() -> None:
    """To the bucket; not for a worker that holds something, and not across a time that is not known."""
    rings = Rings(5.0)
    for tick in range(60):
        used = np.full((3, 4), 0.2)
        allocated = np.zeros((3, 4))
        allocated[0] = 0.5
        allocated[1] = 0.5 if tick < 40 else 0.0
        if tick == 50:
            allocated[2] = np.nan
        rings.append(START + 5 * tick, ("busy", "done", "unknown"), used, allocated, np.array([True, False, True]), {})
    found = rings.sample(START + 59 * 5, ["busy", "done", "unknown"])
    np.testing.assert_array_equal(found.idle_since, [np.nan, START + 40 * 5, START + 51 * 5])
    earlier = rings.sample(START + 45 * 5, ["busy", "done", "unknown"])
    np.testing.assert_array_equal(earlier.idle_since, [np.nan, START + 40 * 5, START])


def test_no_byte_of_the_future_is_in_a_closed_window() -> None:
    """Of buckets that were over at its end, a window shows what it showed then."""
    rings = minutes(60)
    then = rings.heatmap("cpu", "used", 1800, START + 59 * 60)
    for minute in range(60, 120):
        feed(rings, START + 60 * minute, {"w0": 1.0, "w1": 1.0, "new": 1.0}, {"size": 99.0})
    now = rings.heatmap("cpu", "used", 1800, START + 59 * 60)
    assert [row.label for row in now.rows] == ["w0", "w1"]
    np.testing.assert_array_equal(now.mean, then.mean)
    assert (now.mean != MISSING).all() and len(STEPS_SECONDS) * BUCKETS > now.mean.shape[1]
