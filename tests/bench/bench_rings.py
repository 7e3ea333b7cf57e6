"""History in RAM: what an append and a window cost."""

from __future__ import annotations

import statistics

import numpy as np
import psutil

from drm.history.levels import BUCKETS, STEPS_SECONDS
from drm.history.rings import Rings
from tests.bench.calibration import record, timed


def test_an_append_of_ten_thousand_workers() -> None:
    """10 000 workers x 6 metrics (half of them have a GPU): 1 ms or less, with the closing of buckets in it."""
    workers = tuple(f"w{number}" for number in range(10_000))
    has_gpu = np.arange(10_000) % 2 == 0
    chance = np.random.default_rng(0)
    used, allocated = chance.random((2, 10_000, 4))
    used[~has_gpu, 2:] = np.nan
    fleet = {f"series_{number}": float(number) for number in range(25)}
    before = psutil.Process().memory_info().rss
    rings, now = Rings(1.0), 1e9

    def append() -> None:
        nonlocal now
        now += 1
        rings.append(now, workers, used, allocated, has_gpu, fleet)

    append()
    times = timed(append, 1300)
    record("rings: append, mean of 1300", statistics.mean(times), "ms", 1)
    record("rings: append, median", statistics.median(times), "ms", 1)
    record("rings: append, 99th of 100", float(np.percentile(times, 99)), "ms", 20)
    record("rings: memory after 1300 ticks", (psutil.Process().memory_info().rss - before) / 2**20, "MiB", 700)
    assert statistics.mean(times) < 5 * 1


def test_a_month_of_a_thousand_workers() -> None:
    """30 days as 360 columns, a row for each worker, and as 150 rows: 20 ms or less."""
    workers = tuple(f"w{number}" for number in range(1000))
    chance = np.random.default_rng(0)
    rings = Rings(3600.0)
    for hour in range(720):
        used, allocated = chance.random((2, 1000, 4))
        rings.append(1e9 + hour * 3600, workers, used, allocated, np.zeros(1000, bool), {"workers": 1000.0})
    for rows in (1000, 150):
        times = timed(lambda rows=rows: rings.heatmap("cpu", "used", 30 * 86_400, 1e9 + 719 * 3600, rows=rows), 15)
        record(f"rings: 30 days of 1000 workers as {rows} x 360", statistics.median(times), "ms", 20)
        assert statistics.median(times) < 5 * 20


def test_the_heatmap_of_ten_thousand_workers() -> None:
    """An hour of 10 000 workers as 150 rows: 200 ms or less, with the 95th of 100 of each group 400 ms."""
    workers = tuple(f"standard-{number:05d}" for number in range(10_000))
    chance = np.random.default_rng(0)
    rings = Rings(5.0)
    for step in range(BUCKETS):
        used, allocated = chance.random((2, 10_000, 4))
        rings.append(1e9 + 5 * step, workers, used, allocated, np.zeros(10_000, bool), {})
    for high, target in ((False, 200), (True, 400)):
        times = timed(lambda high=high: rings.heatmap("cpu", "used", 3600, 1e9 + 5 * (BUCKETS - 1), high=high), 9)
        words = ", with the 95th of 100" if high else ""
        record(f"rings: an hour of 10 000 workers as 150 rows{words}", statistics.median(times), "ms", target)
        assert statistics.median(times) < 5 * target


def test_a_month_of_ten_thousand_workers_in_memory() -> None:
    """10 000 workers, a tenth with GPUs, all four levels full: 400 MB or less more than when the program has just started."""
    workers = tuple(f"standard-{number:05d}" for number in range(10_000))
    has_gpu = np.arange(10_000) % 10 == 0
    chance = np.random.default_rng(0)
    fleet = {f"series_{number}": float(number) for number in range(25)}
    process = psutil.Process()
    before = process.memory_info().rss
    rings, end = Rings(5.0), 1_000_000 * 3600.0
    used, allocated = chance.random((2, 10_000, 4))
    used[~has_gpu, 2:] = np.nan
    # Of each level the part that the finer ones do not hold any more, in its own steps.
    now = end - BUCKETS * STEPS_SECONDS[-1]
    for step, finer in zip(STEPS_SECONDS[::-1], (*STEPS_SECONDS[:-1][::-1], 0.0), strict=True):
        while now < end - BUCKETS * finer:
            rings.append(now, workers, used, allocated, has_gpu, fleet)
            now += step
    taken = (process.memory_info().rss - before) / 1e6
    whole = rings.heatmap("gpu_memory", "used", 30 * 86_400, now, rows=1000)
    assert len(whole.rows) == 1000 and (whole.mean[:, 1:-1] != 255).all()
    record("rings: memory of 10 000 workers, a tenth with GPUs, x 30 days", taken, "MB", 400)
    assert taken < 2 * 400
