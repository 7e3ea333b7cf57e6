"""Worker lifetimes in a real browser: bars, the list of those that have ended, and what a click on either opens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from drm import ids
from tests.browser.odd_pages import page_of, page_over
from tests.browser.watched import FIGURE_TIMEOUT, Watched, text
from tests.unit.lifetime_pool import START, pool_with_ends

PLOT = f"document.querySelector('#{ids.graph(ids.LIFETIMES_KEY)} .js-plotly-plot')"
BARS = f"{PLOT} && {PLOT}.querySelectorAll('.bars path').length"
HEATMAP = f"document.querySelector('#{ids.graph('utilization')} .js-plotly-plot')"
ROW = f"#{ids.ENDED} .ag-center-cols-container .ag-row"
LONGEST_TASK_MILLISECONDS = 300
"""Five times what it takes on a quiet machine, 57 ms: other tests run beside this one."""
WATCH_TASKS = """(() => {
    window.drmTasks = [];
    const keep = (list) => list.getEntries().forEach((entry) => window.drmTasks.push(entry.duration));
    new PerformanceObserver(keep).observe({ type: "longtask" });
})()"""


@pytest.fixture
def ends(context: BrowserContext) -> Iterator[Watched]:
    """The page of the pool in which workers drained, were lost and came back; it stands still."""
    with page_over(context, pool_with_ends()) as watched:
        yield watched


def bar_at(page: Page, name: str) -> dict[str, Any]:
    """Where the middle of the first bar of a state is on the screen."""
    return dict(
        page.evaluate(
            f"""(() => {{
                const plot = {PLOT}, full = plot._fullLayout, trace = plot.data.find((one) => one.name === "{name}");
                plot.scrollIntoView({{ block: "center" }});
                const box = plot.getBoundingClientRect(), middle = new Date(trace.base[0] + "Z").getTime() + trace.x[0] / 2;
                return {{
                    x: box.x + full.xaxis._offset + full.xaxis.l2p(middle),
                    y: box.y + full.yaxis._offset + full.yaxis.d2p(trace.y[0]),
                }};
            }})()"""
        )
    )


def pointed_at(page: Page, name: str, told: str) -> tuple[dict[str, Any], str]:
    """The first bar of a state with the pointer on it, and what stands there; the page may still be scrolling to what was opened."""
    label = page.locator(f"#{ids.graph(ids.LIFETIMES_KEY)} .hoverlayer")
    for _ in range(FIGURE_TIMEOUT // 500):
        bar = bar_at(page, name)
        page.mouse.move(bar["x"] - 3, bar["y"])
        page.mouse.move(bar["x"], bar["y"], steps=3)
        page.wait_for_timeout(500)
        words = label.text_content() or ""
        if told in words and bar == bar_at(page, name):
            return bar, words
    raise AssertionError(f"{told!r} did not come to stand at the first bar of {name}")


def clock(moment: float) -> str:
    """The time of day as the browser, which has the clock of this machine, writes it."""
    return f"{datetime.fromtimestamp(moment):%H:%M:%S}"  # noqa: DTZ006


def test_bars_tell_and_open_their_workers(ends: Watched) -> None:
    """Under the pointer stand worker, state, times and reason; a click opens the worker that is lost, and the one that has ended."""
    page = ends.open("?tab=utilization&refresh=0")
    ends.until(f"{HEATMAP} && {HEATMAP}.querySelector('.hm image')")
    ends.until(f"{BARS} >= 8")
    names = page.evaluate(f"{PLOT}.data.map((trace) => trace.name)")
    assert names == ["running", "cordoned", "draining", "lost", "ended"]
    assert page.locator(f"#{ids.card(ids.LIFETIMES_KEY, 'keys')} .drm-key").all_inner_texts() == names
    lost, told = pointed_at(page, "lost", "lost for")
    assert "silent" in told and "since " in told and clock(START + 355) in told and "it was not heard of any more" in told
    page.mouse.click(lost["x"], lost["y"])
    expect(page.locator(f"#{ids.DETAIL_TITLE}")).to_have_text("silent", timeout=FIGURE_TIMEOUT)
    drained, told = pointed_at(page, "draining", "draining for 30 s")
    assert clock(START + 300) in told and clock(START + 330) in told
    page.mouse.click(drained["x"], drained["y"])
    expect(page.locator(f"#{ids.DETAIL_FACTS}")).to_contain_text("ended after 4 min 50 s: deregistered", timeout=FIGURE_TIMEOUT)
    assert "worker=drained" in page.url
    rows = page.locator(f"#{ids.DETAIL_LIVES} tr")
    expect(rows).to_have_count(3, timeout=FIGURE_TIMEOUT)
    assert clock(START + 330) in rows.first.inner_text() and "deregistered" in rows.first.inner_text()
    page.locator(f"#{ids.DETAIL_DECISION}").click()
    expect(page.locator(f"#{ids.EXPLANATION_BODY}")).to_contain_text("A user asked worker drained to drain", timeout=FIGURE_TIMEOUT)
    assert "tab=scaling" in page.url and "decision=" in page.url


def test_the_list_opens_workers_and_decisions(ends: Watched) -> None:
    """Rows newest first with their last hour; a click or the space bar opens the worker, the button its decision; the address holds it."""
    page = ends.open("?tab=utilization&refresh=0&lifetimes=ended")
    expect(page.locator(ROW)).to_have_count(3, timeout=FIGURE_TIMEOUT)
    cells = page.locator(f"{ROW}[row-index='1'] .ag-cell").all_inner_texts()
    assert cells[0] == "drained" and cells[2] == "deregistered" and cells[6:8] == ["4 min 20 s", "30 s"]
    assert cells[8] == "25 / 25 %" and page.locator(f"{ROW} svg path").count() == 6
    assert clock(START + 330) in cells[1] and clock(START + 40) in cells[4]
    page.locator(f"{ROW}[row-index='2'] .ag-cell").first.click()
    expect(page.locator(f"#{ids.DETAIL_TITLE}")).to_have_text("again", timeout=FIGURE_TIMEOUT)
    ends.rest()
    page.locator(f"{ROW}[row-index='0'] .ag-cell").nth(2).focus()
    page.keyboard.press("Space")
    expect(page.locator(f"#{ids.DETAIL_TITLE}")).to_have_text("brief", timeout=FIGURE_TIMEOUT)
    ends.rest()
    button = page.get_by_role("button", name=re.compile(r"^Decision \d+$"))
    number = button.inner_text().removeprefix("Decision ")
    button.click()
    expect(page.locator(f"#{ids.EXPLANATION_TITLE}")).to_contain_text(f"Decision {number}", timeout=FIGURE_TIMEOUT)
    assert "worker=brief" in page.url and "lifetimes=ended" in page.url
    page.get_by_text("Utilization", exact=True).click()
    page.locator(f"#{ids.LIFETIMES_SHOW}").get_by_text("timeline", exact=True).click()
    ends.until(f"{BARS} >= 8")
    assert page.locator(f"#{ids.ENDED}").is_hidden() and "lifetimes=" not in page.url
    page.locator(f"#{ids.LIFETIMES_SORT}").get_by_text("by length", exact=True).click()
    ends.until(f"{PLOT}.layout.yaxis.ticktext[0] === 'steady'")


def test_ten_thousand_workers_are_a_card_that_does_not_block(context: BrowserContext) -> None:
    """Sixty rows and a sentence on the rest; drawing them anew in another order does not hold up the page."""
    with page_of(context, "ten_thousand") as watched:
        page = watched.open("?tab=utilization&refresh=0")
        watched.until(f"{BARS} >= 60")
        assert page.evaluate(f"{PLOT}.layout.yaxis.ticktext.length") == 60
        assert "others are not" in text(page, ids.card(ids.LIFETIMES_KEY, "note"))
        watched.rest()
        page.evaluate(WATCH_TASKS)
        longest = []
        for order in ("by end", "by length", "by begin"):
            page.locator(f"#{ids.LIFETIMES_SORT}").get_by_text(order, exact=True).click()
            watched.until(f"{PLOT}.layout.uirevision.includes('{order.removeprefix('by ')}')")
            page.wait_for_timeout(500)
            longest.append(max(page.evaluate("window.drmTasks.splice(0)"), default=0))
        assert min(longest) < LONGEST_TASK_MILLISECONDS, longest
