"""The Allocation tab and the Resource Summary in a real browser: the demo's real pool, a simulated fleet of 10 000, and odd pools."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, expect

from drm import ids
from drm.model import RESOURCES
from tests.browser.odd_pages import page_of
from tests.browser.watched import FIGURE_TIMEOUT, PLOT, Watched, text

TAB = "?tab=allocation"
PACKING = f"document.querySelector('#{ids.graph(ids.PACKING_KEY)} .js-plotly-plot')"
DRAWN_BARS = f"Array.from({PLOT}.querySelectorAll('.bars path')).filter((bar) => bar.getBBox().width > 1).length"
PERCENT_USED = r"(\d+ %|unknown) used( \(\d+ of \d+ measured\))?"


def test_the_real_pool_is_shown_with_its_numbers(watched: Watched) -> None:
    """Each running worker has a row with its capacity; the fleet's row agrees with the summary; what runs stands in segments."""
    page = watched.open(TAB)
    snapshot = watched.api("snapshot")
    watched.until(f"{PLOT}.data.length >= 6")
    panels = page.evaluate(f"{PLOT}.data.filter((trace) => trace.name === 'capacity').length")
    assert panels == len(snapshot["workers"][0]["capacity"])
    watched.until(f"{DRAWN_BARS} > 1")
    shares = page.evaluate(f"{PLOT}.data.filter((trace) => trace.name !== 'capacity').flatMap((trace) => Array.from(trace.x))")
    assert all(share is None or 0 <= share <= 100 for share in shares)
    # While the pool grows they are of two ticks for a moment.
    watched.until(f"{PLOT}.data[0].y.length === Number(document.querySelector('#{ids.summary('workers', 'value')}').textContent) + 1")
    watched.pause()
    assert re.fullmatch(PERCENT_USED, text(page, ids.summary("cpu", "used")))
    total = page.evaluate(f"{PLOT}.data.find((one) => one.mode === 'text').text[0]")
    assert total.split()[1].rstrip("s") == text(page, ids.summary("cpu", "total")).split()[1].rstrip("s") == "core"
    assert text(page, ids.card("imbalance", "verdict"))
    assert text(page, ids.card("stranded", "verdict")).endswith(".")


def test_segments_of_real_tasks_come_and_say_what_they_are(watched: Watched) -> None:
    """While the demo runs there are tasks on workers; the hover of one has its name, its request and since when it runs."""
    page = watched.open(TAB)
    watched.until(f"{PACKING} && {PACKING}.data.length > 1")
    hover = page.evaluate(f"{PACKING}.data[1].customdata[0]")
    assert re.fullmatch(r"<b>\w+</b><br>[\d.]+ cores? of CPU requested<br>started [\w. ]+ ago", hover)
    names = page.evaluate(f"{PACKING}.data.slice(1).map((trace) => trace.name)")
    assert set(names) <= {"transform", "compress", "sort"}
    # Read at once: the keys are made anew with each tick.
    key = f"document.querySelector('#{ids.card(ids.PACKING_KEY, 'keys')} .drm-key')"
    watched.until(f"{key} && /^rgb\\(/.test(getComputedStyle({key}, '::before').backgroundColor)")


def test_the_summary_stands_above_every_tab_and_follows_the_range(watched: Watched) -> None:
    """The strip is there on all tabs, counts scaling events of the chosen range, and has an item for each resource that is there."""
    page = watched.open()
    expect(page.locator(f"#{ids.summary('scaling', 'note')}")).to_have_text("in 15 min", timeout=FIGURE_TIMEOUT)
    assert re.fullmatch(r"\d+ up, \d+ down", text(page, ids.summary("scaling", "value")))
    page.locator(f"#{ids.RANGE}").select_option("24h")
    expect(page.locator(f"#{ids.summary('scaling', 'note')}")).to_have_text("in 1 d", timeout=FIGURE_TIMEOUT)
    snapshot = watched.api("snapshot")
    shown = [name for name in RESOURCES if page.locator(f"#{ids.summary(name, 'item')}").is_visible()]
    assert shown == list(snapshot["workers"][0]["capacity"])
    for label in ("Utilization", "Allocation"):
        page.get_by_text(label, exact=True).click()
        assert page.get_by_label("Resource Summary").is_visible()


def test_order_and_resource_stand_in_the_address(watched: Watched) -> None:
    """A reload shows the same order and resource; odd values become defaults."""
    page = watched.open(TAB)
    page.get_by_text("most allocated", exact=True).click()
    page.locator(f"#{ids.ALLOCATION_RESOURCE}").get_by_text("Memory", exact=True).click()
    page.wait_for_url(re.compile("allocation_resource=memory&allocation_sort=allocated"))
    page.reload()
    watched.drawn()
    watched.until(f"{PACKING} && {PACKING}.layout.xaxis.title.text.startsWith('Memory')")
    assert page.locator(f"#{ids.ALLOCATION_SORT} input[value=allocated]").is_checked()
    watched.open(f"{TAB}&allocation_sort=odd&allocation_resource=disk")
    assert page.locator(f"#{ids.ALLOCATION_SORT} input[value=name]").is_checked()


def test_where_nobody_works_the_tab_says_so(context: BrowserContext) -> None:
    """Only lost workers: a sentence instead of bars, and no findings."""
    with page_of(context, "only_lost") as watched:
        page = watched.page
        page.goto(watched.url + TAB)
        expect(page.locator(f"#{ids.empty('allocation')}")).to_contain_text("shows here once one runs", timeout=FIGURE_TIMEOUT)
        assert page.locator(f"#{ids.card('allocation', 'findings')}").is_hidden()
