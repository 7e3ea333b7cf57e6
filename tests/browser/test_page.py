"""The page in a real browser, over a real program with its demo workload."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from drm import ids
from drm.tabs import TABS
from tests.browser.watched import FIGURE_TIMEOUT, PLOT, Watched, asked, text


def test_the_overview_shows_the_real_pool(watched: Watched) -> None:
    """Workers, tasks, resources and the controller's sentence, with numbers that agree with the API."""
    page = watched.open()
    assert text(page, ids.SOURCE) == "LIVE this machine"
    expect(page.locator(f"#{ids.HEALTH_TEXT}")).to_have_text(re.compile(r"last tick (now|\d+ s ago)"))
    assert int(text(page, ids.summary("workers", "value"))) >= 1
    assert page.locator(f"#{ids.summary('cpu', 'item')}").is_visible()
    assert re.fullmatch(r"(\d+ %|unknown) used( \(\d+ of \d+ measured\))?", text(page, ids.summary("cpu", "used")))
    assert text(page, ids.card("decision", "now")).startswith("Now:")
    names = page.evaluate(f"{PLOT}.data.map((trace) => trace.name)")
    assert {"workers", "desired", "capacity", "demand", "allocated", "used"} == set(names)
    snapshot = watched.api("snapshot")
    assert snapshot["source"]["kind"] == "live"
    assert abs(snapshot["current"] - int(text(page, ids.summary("workers", "value")))) <= 3


def test_the_heatmap_shows_real_measurements_and_opens_a_worker(watched: Watched) -> None:
    """Cells are percentages or blank, never invented; a click opens the worker's lines, facts and tasks, and the URL holds it."""
    page = watched.open("?tab=utilization")
    watched.until(f"{PLOT}.data[0].z.some((row) => row[row.length - 1] >= 0)")
    cells = page.evaluate(f"Array.from({PLOT}.data[0].z, (row) => Array.from(row)).flat()")
    known = [cell for cell in cells if cell == cell]
    assert 0 < len(known) < len(cells)
    assert all(0 <= cell <= 127 for cell in known)
    plot = page.locator(".drm-panel:not([hidden]) .js-plotly-plot .nsewdrag").first.bounding_box()
    assert plot is not None
    rows = page.evaluate(f"{PLOT}.data[0].y")
    page.mouse.move(plot["x"] + plot["width"] * 0.5, plot["y"] + plot["height"] - 4)
    newest = page.evaluate(f"{PLOT}.data[0].z.findIndex((row) => row[row.length - 1] >= 0)")
    target = plot["x"] + plot["width"] * 0.995, plot["y"] + plot["height"] * (newest + 0.5) / len(rows)
    page.mouse.move(*target, steps=3)
    label = page.locator(f"#{ids.graph('utilization')} .hoverlayer")
    expect(label).to_have_text(re.compile(r"CPU used: \d+ % \(max \d+ %\)"), timeout=FIGURE_TIMEOUT)
    watched.asked_for(watched.calls() + 5)
    expect(label).to_have_text(re.compile(r"CPU used: \d+ % \(max \d+ %\)"))
    page.mouse.click(*target)
    page.locator(f"#{ids.DETAIL}").wait_for(state="visible", timeout=FIGURE_TIMEOUT)
    # The pool may have grown since: which row was hit is what the page says.
    expect(page.locator(f"#{ids.DETAIL_TITLE}")).not_to_be_empty(timeout=FIGURE_TIMEOUT)
    opened = text(page, ids.DETAIL_TITLE)
    assert opened in page.evaluate(f"{PLOT}.data[0].y")
    expect(page.locator(f"#{ids.DETAIL_FACTS}")).to_have_text(re.compile("capacity .* cores, .* GiB"))
    assert f"worker={opened}" in page.url
    page.reload()
    watched.drawn()
    expect(page.locator(f"#{ids.DETAIL_TITLE}")).to_have_text(opened, timeout=FIGURE_TIMEOUT)
    page.get_by_role("button", name="Close").click()
    expect(page.locator(f"#{ids.DETAIL}")).to_be_hidden()


def test_what_nobody_has_looked_at_is_not_mounted(watched: Watched) -> None:
    """The table of decisions and its scripts wait until its tab is first shown; after that it stays, and so does what was typed there."""
    page = watched.open()
    tabs = page.get_by_role("navigation", name="Tabs")
    assert page.locator("#" + ids.LEDGER).count() == 0
    assert not [request.url for request in watched.requests if "async-community" in request.url]
    tabs.get_by_text("Scaling", exact=True).click()
    watched.drawn()
    page.locator(f"#{ids.LEDGER} .ag-row").first.wait_for(timeout=FIGURE_TIMEOUT)
    assert [request.url for request in watched.requests if "async-community" in request.url]
    page.get_by_label("Kind Filter Input").fill("grew")
    tabs.get_by_text("Overview", exact=True).click()
    expect(page.locator(f"#{ids.LEDGER}")).to_be_hidden()
    tabs.get_by_text("Scaling", exact=True).click()
    expect(page.get_by_label("Kind Filter Input")).to_have_value("grew")


def test_the_script_of_tables_comes_with_the_first_table(watched: Watched) -> None:
    """It is none of those that the page waits for, and the ledger has its rows."""
    told = asked(watched.page, watched.url).text()
    assert "/dash_ag_grid/" in told and not re.search(r"<script[^>]*/dash_ag_grid/", told)
    page = watched.open("?tab=scaling")
    expect(page.locator(f"#{ids.LEDGER} .ag-row").first).to_be_visible(timeout=FIGURE_TIMEOUT)


def test_tabs_switch_at_once_and_the_address_holds_the_view(watched: Watched) -> None:
    """A switch draws without waiting for the clock; a reload shows the same tab, range and measure; odd values become defaults."""
    page = watched.open("?refresh=0&range=1h")
    page.get_by_text("Utilization", exact=True).click()
    watched.drawn()
    page.locator(f"#{ids.MEASURE}").get_by_text("allocated", exact=True).click()
    page.wait_for_url(re.compile("measure=allocated"))
    assert "tab=utilization" in page.url
    assert "range=1h" in page.url
    page.reload()
    watched.drawn()
    assert page.locator(f"#{ids.RANGE}").input_value() == "1h"
    assert page.locator(f"#{ids.panel('utilization')}").is_visible()
    watched.open("?tab=nonsense&range=900y&theme=pink")
    assert page.locator(f"#{ids.panel('overview')}").is_visible()
    assert page.locator(f"#{ids.RANGE}").input_value() == "15m"


def test_the_theme_changes_page_and_figures(watched: Watched) -> None:
    """Dark is dark in both, and stays after a reload."""
    page = watched.open()
    colour = "getComputedStyle(document.body).backgroundColor"
    line = f"{PLOT}.data[0].line.color"
    light = page.evaluate(f"[{colour}, {line}]")
    page.locator(f"#{ids.THEME}").select_option("dark")
    watched.until(f"({line}) !== '{light[1]}'")
    assert page.evaluate(colour) != light[0]
    page.reload()
    watched.drawn()
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"


def test_a_paused_page_asks_for_nothing(watched: Watched) -> None:
    """Paused, no callback is called; resumed, they are again; only the visible tab is asked for."""
    page = watched.open()
    watched.pause()
    before = watched.calls()
    page.wait_for_timeout(2500)
    assert watched.calls() == before
    page.locator(f"#{ids.REFRESH}").select_option("1")
    watched.asked_for(before + 4)
    before = watched.calls()
    page.wait_for_timeout(2000)
    assert watched.calls() - before <= 6


def test_a_zoom_survives_the_refresh(watched: Watched) -> None:
    """What the reader zoomed into, but for the axis of time, stays while new samples come."""
    page = watched.open()
    plot = page.locator(".drm-panel:not([hidden]) .js-plotly-plot .nsewdrag").first.bounding_box()
    assert plot is not None
    middle = plot["x"] + plot["width"] / 2
    page.mouse.move(middle, plot["y"] + plot["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(middle, plot["y"] + plot["height"] * 0.8, steps=5)
    page.mouse.up()
    shown = f"{PLOT}.layout.yaxis.range.map(String)"
    watched.until(f"{PLOT}.layout.yaxis.autorange === false")
    zoomed, before = page.evaluate(shown), watched.calls()
    watched.asked_for(before + 6)
    assert page.evaluate(shown) == zoomed and "at=" not in page.url


FILLED = {
    "scaling": f"#{ids.EXPLANATION_BODY} .drm-sentence",
    "efficiency": f"#{ids.graph(ids.EFFICIENCY_TASKS_KEY)} .bars path",
    "cloud": f"#{ids.COMPARISON} *",
}
"""What is the widest on some tabs, and comes later than their figures."""


def test_no_tab_scrolls_sideways_on_a_phone_or_a_desk(watched: Watched) -> None:
    """The page is as wide as the screen, with an explanation, the tasks' bars and the comparison open; tables scroll in their cards."""
    page = watched.open("?decision=now")
    for tab in TABS:
        page.set_viewport_size({"width": 1440, "height": 844})
        page.locator("label.drm-tab").nth(TABS.index(tab)).click()
        watched.drawn()
        if tab.key in FILLED:
            page.locator(FILLED[tab.key]).first.wait_for(state="attached", timeout=FIGURE_TIMEOUT)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 844})
            watched.until(f"document.documentElement.scrollWidth <= {width}")


def test_every_control_can_be_reached_by_keyboard(watched: Watched) -> None:
    """Tab walks through range, refresh, theme and the tabs."""
    page = watched.open()
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
        reached.add(page.evaluate("document.activeElement.value"))
    assert {ids.RANGE, ids.REFRESH, ids.THEME, "overview"} <= reached
    page.keyboard.press("Shift+Tab")
    page.locator("input[value=overview]").focus()
    page.keyboard.press("ArrowRight")
    page.locator(f"#{ids.panel('utilization')}").wait_for(state="visible")
