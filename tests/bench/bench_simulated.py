"""`--simulate 10000 --speed 60`: does the tick stay under its interval, and the page usable?"""

from __future__ import annotations

import statistics
import time

import numpy as np

from drm.tabs import TABS
from tests.bench.bench_decisions import fleet
from tests.bench.bench_page import FIRST_FIGURE, chromium, program
from tests.bench.calibration import record, timed

WORKERS = 10_000
LONG_TASKS = """
window.drmLongTasks = [];
new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.drmLongTasks.push(entry.duration)))
    .observe({ type: "longtask", buffered: true });
"""
WATCHED_SECONDS = 30


def test_a_tick_of_ten_thousand_simulated_workers() -> None:
    """A simulated minute a tick, five hours long: the median and the 99th percentile are under the interval of 1 s."""
    manager = fleet(WORKERS, 30)
    at = iter(range(30, 1000))
    start = manager.snapshot.time - 29 * 60
    times = timed(lambda: manager.advance(start + 60 * next(at)), 300)
    assert len(manager.snapshot.worker_ids) > 3000
    record("tick: 10 000 simulated workers, a minute each, median", statistics.median(times), "ms", 1000)
    record("tick: the same, 99th percentile", float(np.percentile(times, 99)), "ms", 1000)
    assert statistics.median(times) < 5 * 1000


def test_the_page_of_ten_thousand_simulated_workers() -> None:
    """Of each tab: first figure, the largest answer to a refresh, and the longest main-thread task after the first figure."""
    with program("--simulate", str(WORKERS), "--speed", "60") as (_process, url), chromium() as browser:
        time.sleep(30)
        for tab in TABS:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.add_init_script(LONG_TASKS)
            sizes: list[int] = []
            began = time.perf_counter()
            page.goto(f"{url}?tab={tab.key}")
            page.locator(FIRST_FIGURE).first.wait_for(timeout=60_000)
            shown = time.perf_counter() - began
            page.wait_for_timeout(3000)
            page.on("requestfinished", lambda one, sizes=sizes: sizes.append(one.sizes()["responseBodySize"]))
            page.evaluate("window.drmLongTasks.length = 0")
            page.wait_for_timeout(WATCHED_SECONDS * 1000)
            longest = page.evaluate("Math.max(0, ...window.drmLongTasks)")
            page.close()
            record(f"simulated page, {tab.key}: to the first figure", shown, "s", 2)
            record(f"simulated page, {tab.key}: largest answer", max(sizes, default=0) / 1e6, "MB", 0.5)
            record(f"simulated page, {tab.key}: longest main-thread task", longest, "ms", 100)
            assert sizes and max(sizes) < 2 * 0.5e6 and shown < 5 * 2
