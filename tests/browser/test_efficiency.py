"""The Efficiency tab in a real browser, over the real demo workload."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Page, expect

from drm import ids
from drm.demo import KINDS
from tests.browser.odd_pages import page_over
from tests.browser.test_accessibility import violations
from tests.browser.watched import FIGURE_TIMEOUT, Watched
from tests.unit.planted_month import Month, Plan

DEMO_TASKS = {kind.name for kind in KINDS}


def plot(key: str) -> str:
    """The expression for a graph's element."""
    return f"document.querySelector('#{ids.graph(key)} .js-plotly-plot')"


def open_with_tasks(watched: Watched) -> Page:
    """The tab, once tasks of the demo have ended and are drawn."""
    page = watched.open("?tab=efficiency")
    tasks = plot(ids.EFFICIENCY_TASKS_KEY)
    watched.until(f"({tasks}?.data || []).length > 0")
    return page


def test_the_tab_shows_what_was_allocated_and_used(watched: Watched) -> None:
    """The line is the quotient of the two lines below it, blank where nothing was allocated, and the card is a percentage."""
    page = open_with_tasks(watched)
    expect(page.locator(f"#{ids.card('efficiency-cpu', 'value')}")).to_have_text(re.compile(r"^\d+ %$"))
    expect(page.locator(f"#{ids.card('efficiency-gpu', 'row')}")).to_be_hidden()
    # One look, so that all three lines are of one refresh.
    lines = page.evaluate(f"Object.fromEntries({plot('efficiency')}.data.map((trace) => [trace.name, trace.y]))")
    assert set(lines) == {"CPU efficiency", "Memory efficiency", "allocated", "used"}
    known = 0
    for share, allocated, used in zip(lines["CPU efficiency"], lines["allocated"], lines["used"], strict=True):
        if not allocated or used is None:
            assert share is None
        elif allocated > 0.01:
            known += 1
            # Lines have three digits or four.
            assert abs(share - 100 * used / allocated) < max(1, 0.01 * share)
    assert known > 0


def test_tasks_and_workers_are_those_of_the_pool(watched: Watched) -> None:
    """Bars bear the names of the demo's tasks; by request each name also says what it asks for; workers are those of the API."""
    page = open_with_tasks(watched)
    names = set(page.evaluate(f"{plot(ids.EFFICIENCY_TASKS_KEY)}.data[0].y"))
    assert names <= DEMO_TASKS and names
    workers = set(page.evaluate(f"{plot(ids.EFFICIENCY_WORKERS_KEY)}.data[0].y"))
    known = {worker["id"] for worker in watched.api("snapshot")["workers"]}
    assert workers & known
    page.get_by_text("by request", exact=True).click()
    watched.until(f"{plot(ids.EFFICIENCY_TASKS_KEY)}.data[0].y.every((label) => / cores?$/.test(label))")
    assert "efficiency_by=shape" in page.url


def test_the_chosen_resource_stands_in_the_address(watched: Watched) -> None:
    """Memory after a click, and after a reload; the utilization tab keeps its own choice."""
    page = open_with_tasks(watched)
    page.locator(f"#{ids.EFFICIENCY_RESOURCE}").get_by_text("Memory", exact=True).click()
    page.wait_for_url(re.compile("efficiency_of=memory"))
    assert "resource=memory" not in page.url.replace("efficiency_of=memory", "")
    page.reload()
    watched.drawn()
    watched.until(f"{plot('efficiency')}?.layout?.yaxis2?.title?.text?.startsWith('Memory')")


def test_recommendations_open_into_what_they_rest_on(context: BrowserContext) -> None:
    """A line opens by a click, breaks no rule of axe-core, stays open as another range draws all anew, and closes by a key; nothing
    scrolls sideways."""
    with page_over(context, Month(Plan(days=2)).state) as watched:
        page = watched.open("?tab=efficiency&range=7d")
        lines, facts = page.locator(f"#{ids.RECOMMENDATIONS} summary"), page.locator(f"#{ids.RECOMMENDATIONS} dl")
        expect(page.locator(f"#{ids.RECOMMENDATIONS_WORDS}")).to_contain_text("3 recommendations; the largest saves")
        expect(facts.first).to_be_hidden()
        lines.first.click()
        expect(facts.first).to_contain_text("How it is reckoned")
        assert violations(page) == []
        with page.expect_response(lambda answer: ids.RECOMMENDATIONS_WORDS in (answer.request.post_data or "") and answer.status == 200):
            page.locator(f"#{ids.RANGE}").select_option("30d")
        watched.rest()
        expect(facts.first).to_be_visible()
        expect(facts.nth(1)).to_be_hidden()
        lines.first.press("Enter")
        expect(facts.first).to_be_hidden()
        page.set_viewport_size({"width": 390, "height": 844})
        watched.until("document.documentElement.scrollWidth <= 390")


def test_idle_time_is_named(watched: Watched) -> None:
    """How much of what was paid held no task, in worker-hours."""
    page = open_with_tasks(watched)
    expect(page.locator(f"#{ids.IDLE_WORDS}")).to_have_text(re.compile(r"worker-hours, \d+ % of what was paid"), timeout=FIGURE_TIMEOUT)
