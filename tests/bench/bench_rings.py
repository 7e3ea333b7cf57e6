"""History in RAM: what an append and a window cost."""

from __future__ import annotations

import statistics

import numpy as np
import psutil

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
