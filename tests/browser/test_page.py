"""The page in a real browser, over a real program with its demo workload."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from drm import ids

FIGURE_TIMEOUT = 30_000
PLOT = "document.querySelector('.drm-panel:not([hidden]) .js-plotly-plot')"


class Watched:
    """A page, with everything that it logged and asked for."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.url = url
        self.errors: list[str] = []
        self.requests: list[Request] = []
        self.page: Page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request))

    def open(self, query: str = "") -> Page:
        """Opens the page, and waits for the first figure of the visible tab."""
        self.page.goto(self.url + query)
        self.drawn()
        return self.page

    def drawn(self) -> None:
        """The visible tab has drawn."""
        self.page.locator(".drm-panel:not([hidden]) .js-plotly-plot .main-svg").first.wait_for(timeout=FIGURE_TIMEOUT)

    def until(self, condition: str) -> None:
        """Waits for an expression to be true. Playwright's own way evaluates a string in the page, which the page's policy forbids."""
        for _ in range(FIGURE_TIMEOUT // 100):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{condition} did not become true")

    def calls(self) -> int:
        """How many callbacks were asked for so far."""
        return sum("_dash-update-component" in request.url for request in self.requests)


@pytest.fixture
def watched(browser: Browser, page_url: str) -> Iterator[Watched]:
    """At the end: the console has no error or warning, and no request went to another host."""
    watched = Watched(browser, page_url)
    yield watched
    watched.page.close()
    assert watched.errors == []
    host = urlsplit(page_url).netloc
    strangers = [request.url for request in watched.requests if urlsplit(request.url).scheme not in ("data", "blob")]
    assert [url for url in strangers if urlsplit(url).netloc != host] == []
    assert not [url for url in strangers if "plotly.min.js" in url], "the whole of Plotly was loaded beside the smaller bundle"


def text(page: Page, component: str) -> str:
    """What a component says."""
    return page.locator(f"#{component}").inner_text()


def test_the_overview_shows_the_real_pool(watched: Watched) -> None:
    """Workers, tasks, resources and the controller's sentence, with numbers that agree with the API."""
    page = watched.open()
    assert text(page, ids.SOURCE) == "LIVE this machine"
    expect(page.locator(f"#{ids.HEALTH_TEXT}")).to_have_text(re.compile(r"last tick (now|\d+ s ago)"))
    assert int(text(page, ids.card("workers", "value"))) >= 1
    assert page.locator(f"#{ids.card('cpu', 'row')}").is_visible()
    assert "cores used" in text(page, ids.card("cpu", "used")) or "unknown used" in text(page, ids.card("cpu", "used"))
    assert text(page, ids.card("decision", "now")).startswith("Now:")
    names = page.evaluate(f"{PLOT}.data.map((trace) => trace.name)")
    assert {"workers", "desired", "capacity", "demand", "allocated", "used"} == set(names)
    snapshot = page.request.get(f"{watched.url}../api/v1/snapshot").json()
    assert snapshot["source"]["kind"] == "live"
    assert abs(snapshot["current"] - int(text(page, ids.card("workers", "value")))) <= 3


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
    page.wait_for_timeout(2500)
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


def test_tabs_switch_at_once_and_the_address_holds_the_view(watched: Watched) -> None:
    """A switch draws without waiting for the clock; a reload shows the same tab, range and measure; odd values become defaults."""
    page = watched.open("?refresh=0&range=1h")
    page.get_by_text("Utilization", exact=True).click()
    watched.drawn()
    page.get_by_text("allocated", exact=True).last.click()
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
    """Paused, no request leaves; resumed, they come again; only the visible tab is asked for."""
    page = watched.open()
    page.locator(f"#{ids.REFRESH}").select_option("0")
    page.wait_for_timeout(1500)
    before = watched.calls()
    page.wait_for_timeout(3000)
    assert watched.calls() == before
    page.locator(f"#{ids.REFRESH}").select_option("1")
    page.wait_for_timeout(5000)
    per_second = (watched.calls() - before) / 5
    assert 0.5 <= per_second <= 3


def test_a_zoom_survives_the_refresh(watched: Watched) -> None:
    """What the reader zoomed into stays while new samples come."""
    page = watched.open()
    plot = page.locator(".drm-panel:not([hidden]) .js-plotly-plot .nsewdrag").first.bounding_box()
    assert plot is not None
    middle = plot["y"] + plot["height"] / 2
    page.mouse.move(plot["x"] + plot["width"] * 0.4, middle)
    page.mouse.down()
    page.mouse.move(plot["x"] + plot["width"] * 0.8, middle, steps=5)
    page.mouse.up()
    page.wait_for_timeout(700)
    shown = f"{PLOT}.layout.xaxis.range.map(String)"
    zoomed = page.evaluate(shown)
    page.wait_for_timeout(4000)
    assert page.evaluate(shown) == zoomed


@pytest.mark.parametrize("tab", ["overview", "utilization"])
def test_a_phone_does_not_scroll_sideways(watched: Watched, tab: str) -> None:
    """At 390 pixels the page is as wide as the screen."""
    watched.page.set_viewport_size({"width": 390, "height": 844})
    page = watched.open(f"?tab={tab}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


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
