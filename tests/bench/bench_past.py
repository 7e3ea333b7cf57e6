"""Any moment of the past, and from range to range, of about a thousand simulated workers: what the server and the browser take."""

from __future__ import annotations

import functools
import statistics
import time
from typing import Any

import pytest

from drm import ids
from drm.dashboard import create_app
from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.manager import DynamicResourceManager
from drm.server import Server
from drm.state import DRMState
from drm.tabs import RANGES, TABS
from tests.bench.bench_page import FIRST_FIGURE, chromium
from tests.bench.calibration import record
from tests.unit.test_callbacks import Page

pytestmark = pytest.mark.timeout(900)

START = 1_800_000_000.0
WORKERS = 2000
"""Half of them are there at the start."""
STEPS = ((60.0, 500), (600.0, 150))
"""(seconds, ticks): half a day of minutes, and a day of tens, so that every level holds something."""
AGES = (30.0, 600.0, 3_000.0, 30_000.0, 80_000.0, 110_000.0)
LIMIT_MS = 500
REST: dict[str, Any] = {
    "drm_resource": "cpu",
    "drm_measure": "used",
    "drm_demand_resource": "cpu",
    "drm_allocation_resource": "cpu",
    "drm_allocation_sort": "name",
    "drm_efficiency_resource": "cpu",
    "drm_efficiency_by": "name",
    "drm_instance_type": "m5.large",
    "drm_cloud_region": "us-east-1",
    "drm_cloud_by": "provider",
}
DRAWN = """async ([at, range]) => {
    const plot = document.querySelector(".drm-panel:not([hidden]) .js-plotly-plot"), began = performance.now();
    const drawn = new Promise((resolve) => plot.on("plotly_afterplot", () => resolve(performance.now() - began)));
    if (at !== null) window.dash_clientside.set_props("drm-at", { data: at });
    if (range !== null) window.dash_clientside.set_props("drm-range", { value: range });
    return await Promise.race([drawn, new Promise((resolve) => setTimeout(() => resolve(-1), 5000))]);
}"""


@functools.cache
def stepped() -> DRMState:
    """A state over a day and a half; made once."""
    engine = SimulatedEngine(WORKERS, 7)
    manager = DynamicResourceManager(engine, "queue,target_seconds=60", Bounds(WORKERS // 2, WORKERS), interval_seconds=60.0, now=START)
    state, now = DRMState(manager), START
    for seconds, ticks in STEPS:
        for _ in range(ticks):
            state.advance(now)
            now += seconds
    assert len(state.snapshot.worker_ids) >= 900
    return state


def milliseconds(page: Page, tab: str, tick: dict[str, Any]) -> float:
    """What the header and a tab take for one tick."""
    began = time.perf_counter()
    page.call(ids.HEALTH, drm_shell_tick=tick)
    page.call(ids.wire(tab), **{f"drm_{tab}_tick": tick}, **REST)
    took = (time.perf_counter() - began) * 1000
    assert page.status == 200
    return took


@pytest.mark.parametrize("tab", [tab.key for tab in TABS])
def test_what_a_moment_takes_on_the_server(tab: str) -> None:
    """Each moment for the first time, header and tab together: 0.5 s or less; from range to range as well."""
    state = stepped()
    page, last = Page(state), state.snapshot.time
    tick = {"n": 1, "range": "6h", "at": "", "scheme": "light"}
    milliseconds(page, tab, tick)
    # No moment that another tab has asked for before.
    own = [one.key for one in TABS].index(tab)
    moments = [milliseconds(page, tab, {**tick, "at": str(last - age - own)}) for age in AGES]
    ranges = [milliseconds(page, tab, {**tick, "range": name}) for name in RANGES]
    record(f"past: as of a moment, {tab}, 1000 workers, server, worst of {len(AGES)}", max(moments), "ms", LIMIT_MS)
    record(f"past: from range to range, {tab}, 1000 workers, server, worst", max(ranges), "ms", LIMIT_MS)
    assert max(moments) < 3 * LIMIT_MS and max(ranges) < 3 * LIMIT_MS


def test_what_a_moment_takes_in_the_browser() -> None:
    """From the change to the figure that is drawn anew, in each tab with an axis of time: 0.5 s or less (median)."""
    state = stepped()
    with Server("127.0.0.1", 0) as server:
        server.start(create_app(state).server)
        with chromium() as browser:
            for tab in ("overview", "utilization", "scaling", "efficiency", "cloud"):
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.goto(f"{server.url}/drm-dashboard/?tab={tab}&range=6h&refresh=0")
                page.locator(FIRST_FIGURE).first.wait_for(timeout=60_000)
                page.wait_for_timeout(1500)
                times: dict[str, list[float]] = {"as of a moment": [], "from range to range": []}
                for age in AGES:
                    times["as of a moment"].append(page.evaluate(DRAWN, [str(state.snapshot.time - age), None]))
                    page.wait_for_timeout(400)
                for name in ("1h", "24h", "7d", "30d", "15m", "6h"):
                    times["from range to range"].append(page.evaluate(DRAWN, [None, name]))
                    page.wait_for_timeout(400)
                page.close()
                for what, taken in times.items():
                    record(f"past: {what}, {tab}, 1000 workers, browser, median", statistics.median(taken), "ms", LIMIT_MS)
                    assert min(taken) > 0 and statistics.median(taken) < 3 * LIMIT_MS
