"""The page over a real program in a real browser: how soon it shows something, what a refresh weighs, what an open tab costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from playwright.sync_api import Browser, sync_playwright

from drm.dashboard import create_app
from drm.decision import Bounds
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState
from tests.bench.calibration import record
from tests.browser.conftest import ROOT, launch_browser

FIRST_FIGURE = ".drm-panel:not([hidden]) .js-plotly-plot .main-svg"
MEASURED_SECONDS = 40


@contextmanager
def program(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`python app.py`, and the address of its page."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "--port", "0", *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        yield process, next(word for word in process.stdout.readline().split() if word.startswith("http://"))
    finally:
        process.terminate()
        process.wait(25)
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of its own."""
    with sync_playwright() as playwright:
        browser = launch_browser(playwright)
        yield browser
        browser.close()


def first_figure(browser: Browser, url: str) -> float:
    """Seconds from opening a page in a fresh context (empty cache) to its first figure."""
    context = browser.new_context()
    page = context.new_page()
    began = time.perf_counter()
    page.goto(url)
    page.locator(FIRST_FIGURE).first.wait_for(timeout=60_000)
    seconds = time.perf_counter() - began
    context.close()
    return seconds


def test_time_to_the_first_figure() -> None:
    """From the start of the program, engine included, 10 s or less; on a running program 3 s or less (median of 5)."""
    with chromium() as browser:
        first_figure_of_all = []
        for _ in range(3):
            began = time.perf_counter()
            with program() as (_process, url):
                first_figure(browser, url)
                first_figure_of_all.append(time.perf_counter() - began)
        record("page: start of the program to first figures, median of 3", statistics.median(first_figure_of_all), "s", 10)
        with program() as (_process, url):
            first_figure(browser, url)
            opened = statistics.median(first_figure(browser, url) for _ in range(5))
        record("page: opened on a running program to first figures, median of 5", opened, "s", 3)
        assert opened < 5 * 3


def test_what_an_open_tab_costs() -> None:
    """CPU of the main process with one open tab, less the same with none: 2 s a minute or less. Resident memory: 250 MB or less."""
    with program() as (process, url), chromium() as browser:
        main = psutil.Process(process.pid)
        first_figure(browser, url)
        time.sleep(20)

        def cpu_a_minute() -> float:
            before = sum(main.cpu_times()[:2])
            time.sleep(MEASURED_SECONDS)
            return (sum(main.cpu_times()[:2]) - before) * 60 / MEASURED_SECONDS

        closed = cpu_a_minute()
        for tab in ("overview", "utilization"):
            page = browser.new_page()
            page.goto(f"{url}?tab={tab}")
            page.locator(FIRST_FIGURE).first.wait_for()
            time.sleep(3)
            opened = cpu_a_minute()
            page.close()
            record(f"page: CPU a minute of an open {tab} tab", opened - closed, "s", 2)
            assert opened - closed < 5 * 2
        record("program: CPU a minute of the main process, no tab, demo running", closed, "s", 6)
        memory = main.memory_info().rss / 1e6
        record("program: resident memory of the main process", memory, "MB", 250)
        assert memory < 2 * 250


def test_what_a_refresh_of_a_thousand_workers_weighs() -> None:
    """The answer to one heatmap refresh: 0.3 MB or less."""
    manager = DynamicResourceManager(bounds=Bounds(0, 10_000), now=0.0)
    for number in range(1000):
        manager.register_worker(f"worker-{number}", capacity=Resources(cpu=4, memory=8e9))
    state = DRMState(manager)
    for second in range(0, 3600, 5):
        for number in range(0, 1000, 7):
            manager.report(f"worker-{number}", used={"cpu": (number + second) % 5, "memory": 1e9})
        state.advance(float(second))
    client = create_app(state).server.test_client()
    (callback,) = [
        one
        for one in client.get("/drm-dashboard/_dash-dependencies").json
        if "drm-utilization-wire" in one["output"] and not one["clientside_function"]
    ]
    values = {"drm-utilization-tick": {"range": "1h", "scheme": "light"}, "drm-resource": "cpu", "drm-measure": "used"}
    outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in callback["output"].strip(".").split("...")]
    body = {
        "output": callback["output"],
        "outputs": outputs,
        "changedPropIds": ["drm-utilization-tick.data"],
        **{kind: [{**one, "value": values.get(one["id"])} for one in callback[kind]] for kind in ("inputs", "state")},
    }
    answer = client.post("/drm-dashboard/_dash-update-component", json=body)
    assert answer.status_code == 200
    record("page: bytes of one heatmap refresh, 1000 workers", len(answer.data) / 1e6, "MB", 0.3)
    assert len(answer.data) < 2 * 0.3e6
