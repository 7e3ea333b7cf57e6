"""The heatmap of more workers than it has rows: the hot one is seen, its group opens, and a link shows the same elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, expect

from drm import ids
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState
from tests.browser.odd_pages import page_over
from tests.browser.watched import FIGURE_TIMEOUT, PLOT, Watched

HOT, HOT_AT, START = "gpu-0123", 40, 1_800_000_000.0
MEMBERS = "400 workers in 150 rows"


@pytest.fixture(scope="module")
def crowd(context: BrowserContext) -> Iterator[Watched]:
    """400 workers of two types at a fifth of their cpu; one of them is busy for ten seconds."""
    manager = DynamicResourceManager(ExternalEngine(), bounds=Bounds(0, 1000), now=START)
    state = DRMState(manager)
    workers = [f"{'gpu' if number < 200 else 'web'}-{number:04d}" for number in range(400)]
    for worker in workers:
        labels = {"worker_type": worker[:3], "provider": "own", "team": "blue" if worker.endswith("7") else "red"}
        manager.register_worker(worker, capacity=Resources(cpu=4), labels=labels)
    for second in range(0, 90, 5):
        for number, worker in enumerate(workers):
            hot = worker == HOT and HOT_AT <= second < HOT_AT + 10
            manager.report(worker, used={"cpu": 4.0 if hot else 0.4 + number % 8 * 0.1})
        state.advance(START + second)
    with page_over(context, state) as watched:
        yield watched


def query(watched: Watched) -> dict[str, list[str]]:
    """What the address says."""
    return parse_qs(urlsplit(watched.page.url).query)


def cells(watched: Watched) -> list[tuple[int, int]]:
    """Row and column of every cell over 90 %."""
    found = watched.page.evaluate(f"{PLOT}.data[0].z.flatMap((row, at) => Array.from(row, (cell, column) => [at, column, cell]))")
    return [(row, column) for row, column, cell in found if cell and cell > 90]


def test_the_hot_worker_is_seen_opened_and_shared_by_link(crowd: Watched) -> None:
    """Its cells stand out of the 150 rows by the highest, and not by the mean; a click on them opens its group, and the link holds that."""
    page = crowd.open("?tab=utilization&refresh=0")
    expect(page.locator(f"#{ids.card('utilization', 'note')}")).to_contain_text(MEMBERS, timeout=FIGURE_TIMEOUT)
    hot = cells(crowd)
    assert len({row for row, _ in hot}) == 1 and len(hot) == 2
    row, column = hot[0]
    plot = page.locator(".drm-panel:not([hidden]) .js-plotly-plot .nsewdrag").first.bounding_box()
    assert plot is not None
    rows, columns = page.evaluate(f"[{PLOT}.data[0].y.length, {PLOT}.data[0].x.length]")
    target = plot["x"] + plot["width"] * (column + 0.5) / columns, plot["y"] + plot["height"] * (row + 0.5) / rows
    page.mouse.move(target[0], target[1] - 3)
    page.mouse.move(*target, steps=3)
    expect(page.locator(f"#{ids.graph('utilization')} .hoverlayer")).to_have_text(re.compile(f"max 100 %.*highest: {HOT}"))
    page.mouse.click(*target)
    page.wait_for_url(lambda url: "group=" in url)
    crowd.until(f"{PLOT}.data[0].y.length < 10")
    members = query(crowd)["group"][0].split("\n")
    assert HOT in members and page.evaluate(f"{PLOT}.data[0].y") == members
    page.goto(page.url)
    crowd.drawn()
    crowd.until(f"{PLOT}.data[0].y.length === {len(members)}")
    page.get_by_role("button", name="All workers").click()
    crowd.until(f"{PLOT}.data[0].y.length === 150")
    assert "group" not in query(crowd)
    page.locator(f"#{ids.CELLS_SHOW}").select_option("mean")
    crowd.until(f"{PLOT}.data[0].z.every((row) => Array.from(row).every((cell) => !(cell > 90)))")
    assert query(crowd)["cells"] == ["mean"]


def test_filters_and_order_stand_in_the_address_and_nobody_fits_is_said(crowd: Watched) -> None:
    """Typed, chosen, and opened from a link; the button for all workers takes them away."""
    page = crowd.open("?tab=utilization&refresh=0&type=web&label=team%3Dblue&sort=name")
    crowd.until(f"{PLOT}.data[0].y.length === 20")
    assert page.evaluate(f"{PLOT}.data[0].y")[:2] == ["web-0207", "web-0217"]
    assert page.locator(f"#{ids.CELLS_TYPE}").input_value() == "web" and page.locator(f"#{ids.CELLS_LABEL}").input_value() == "team=blue"
    page.get_by_label("Name").fill("*39?")
    expect(page.locator(f"#{ids.empty('utilization')}")).to_contain_text("None of the 400 workers", timeout=FIGURE_TIMEOUT)
    page.get_by_label("Name").fill("web-039*")
    crowd.until(f"{PLOT}.data[0].y.length === 1")
    assert query(crowd)["name"] == ["web-039*"]
    page.get_by_role("button", name="All workers").click()
    crowd.until(f"{PLOT}.data[0].y.length === 150")
    assert query(crowd) == {"tab": ["utilization"], "refresh": ["0"], "sort": ["name"]}
