"""The time that a page shows, in a real browser over a simulated pool: ranges, moments, steps, playing, and the address that holds them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from drm import ids
from drm.tabs import TABS
from tests.browser.conftest import running_program
from tests.browser.watched import FIGURE_TIMEOUT, PLOT, Watched, text

STEP_SECONDS = 60.0
"""Of the pool's time in a second: a bucket of the finest level that is shown."""
HISTORY_SECONDS = 1000.0
BY_CLOCK = timezone(timedelta(hours=5, minutes=30))


@pytest.fixture(scope="module")
def simulated_url() -> Iterator[str]:
    """A simulated pool whose minutes pass in seconds."""
    with running_program("--simulate", "40", "--seed", "3", "--speed", "60") as url:
        yield url


@pytest.fixture
def simulated(context: BrowserContext, simulated_url: str) -> Iterator[Watched]:
    """A page of it, once there are some minutes of history."""
    watched = Watched(context, simulated_url)
    for _ in range(FIGURE_TIMEOUT // 250):
        if now(watched) - first(watched) > HISTORY_SECONDS:
            break
        watched.page.wait_for_timeout(250)
    yield watched
    watched.close()


def now(watched: Watched) -> float:
    """The time of the pool."""
    return float(watched.api("snapshot")["time"])


def first(watched: Watched) -> float:
    """When its history began."""
    return float(watched.api("decisions?limit=1000")["decisions"][-1]["timestamp"])


def asked(page: Page) -> dict[str, str]:
    """The query of the page's address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def settled(page: Page, moment: float | None = None, *, other_than: float = 0.0) -> float:
    """The moment of the address, once the page is of the past, and of that moment."""
    expect(page.locator(f"#{ids.SOURCE}")).to_have_text(re.compile("^PAST of SIMULATED"), timeout=FIGURE_TIMEOUT)
    for _ in range(FIGURE_TIMEOUT // 50):
        at = float(asked(page).get("at", other_than))
        if at != other_than and moment in (None, at):
            return at
        page.wait_for_timeout(50)
    raise AssertionError(f"the address is {asked(page)}, not of {moment}")


def show(page: Page, tab: str) -> None:
    """Opens a tab."""
    page.locator("label.drm-tab").nth([one.key for one in TABS].index(tab)).click()
    page.locator(f"#{ids.panel(tab)}").wait_for(state="visible")


def drag(page: Page, start: float, end: float) -> None:
    """Drags over the visible tab's first axis of time, from one part of its width to another."""
    plot = page.locator(".drm-panel:not([hidden]) .js-plotly-plot .nsewdrag").first.bounding_box()
    assert plot is not None
    middle = plot["y"] + plot["height"] / 2
    page.mouse.move(plot["x"] + plot["width"] * start, middle)
    page.mouse.down()
    page.mouse.move(plot["x"] + plot["width"] * end, middle, steps=6)
    page.mouse.up()


def test_the_whole_page_is_of_the_moment_and_says_so(simulated: Watched) -> None:
    """One click back, one click to live; badge, line and bar mark the past, numbers are the API's for it, and health is the present's."""
    page = simulated.open()
    expect(page.locator(f"#{ids.PAST_BAR}")).to_be_hidden()
    page.get_by_role("button", name="Look back").click()
    moment = settled(page)
    told = simulated.api(f"snapshot?at={moment}")
    running = sum(one["state"] == "running" for one in told["workers"])
    expect(page.locator(f"#{ids.summary('workers', 'value')}")).to_have_text(str(running), timeout=FIGURE_TIMEOUT)
    expect(page.locator(f"#{ids.card('tasks', 'value')}")).to_have_text(str(told["tasks"]["running"]), timeout=FIGURE_TIMEOUT)
    expect(page.locator(f"#{ids.card('decision', 'now')}")).to_have_text(re.compile("^Then: "))
    expect(page.locator(f"#{ids.UNKNOWN}")).to_have_text(" ".join(told["unknown"]))
    expect(page.locator(f"#{ids.PAST_AGO}")).to_have_text(re.compile(r"\d+ (min|s).* ago"))
    expect(page.locator(f"#{ids.HEALTH_TEXT}")).to_have_text(re.compile(r"last tick (now|\d+ s ago)"))
    line = page.locator(f"#{ids.PAST_BAR}").evaluate("(bar) => getComputedStyle(bar).borderTopWidth")
    assert line == "3px"
    for tab in TABS:
        show(page, tab.key)
        expect(page.locator(f"#{ids.LIVE}")).to_be_in_viewport()
        assert float(asked(page)["at"]) == moment
    page.get_by_role("button", name="Back to live").click()
    expect(page.locator(f"#{ids.SOURCE}")).to_have_text(re.compile("^SIMULATED"), timeout=FIGURE_TIMEOUT)
    expect(page.locator(f"#{ids.PAST_BAR}")).to_be_hidden()
    assert "at" not in asked(page) and text(page, ids.UNKNOWN) == ""


def test_steps_go_by_the_minute_and_by_the_decision(simulated: Watched) -> None:
    """A minute is sixty seconds; a decision is one that changed the pool; its explanation leads to its own moment."""
    page = simulated.open("?tab=scaling")
    page.get_by_role("button", name="Look back").click()
    moment = settled(page)
    page.get_by_role("button", name="One minute back").click()
    settled(page, moment - 60)
    page.get_by_role("button", name="One minute on").click()
    settled(page, moment)
    page.get_by_role("button", name="To the decision before that changed the pool, or was to").click()
    decided = settled(page, other_than=moment)
    told = simulated.api(f"decisions?at={moment}&kind=up,down,failed,user&limit=1000")["decisions"]
    changed = [one for one in told if one["timestamp"] < moment]
    assert decided == changed[0]["timestamp"]
    page.get_by_role("button", name="Why not then?").click()
    expect(page.locator(f"#{ids.EXPLANATION_TITLE}")).to_have_text(re.compile(f"^Decision {changed[0]['id']}: "), timeout=FIGURE_TIMEOUT)
    page.get_by_role("button", name="To the decision before that changed the pool, or was to").click()
    settled(page, other_than=decided)
    page.get_by_role("button", name="Back to live").click()
    page.goto(f"{simulated.url}?tab=scaling&decision={changed[0]['id']}")
    page.get_by_role("button", name="As of this moment").click()
    settled(page, changed[0]["timestamp"])


def test_playing_moves_the_moment_and_never_piles_up(simulated: Watched) -> None:
    """Faster than time by what is chosen, with as many calls as answers; a pause leaves the moment in the address."""
    page = simulated.open()
    page.get_by_role("button", name="Look back").click()
    began = settled(page)
    for _ in range(8):
        page.get_by_role("button", name="One minute back").click()
    moment = settled(page, began - 8 * 60)
    page.locator(f"#{ids.SPEED}").select_option("10")
    before, began = simulated.calls(), page.evaluate("performance.now()")
    page.get_by_role("button", name="Play").click()
    expect(page.locator(f"#{ids.PLAY}")).to_have_text("Pause")
    page.wait_for_timeout(4000)
    assert float(asked(page)["at"]) == moment, "a page that is played does not fill the history"
    page.locator(f"#{ids.PLAY}").click()
    passed = (page.evaluate("performance.now()") - began) / 1000
    played = settled(page, other_than=moment) - moment
    assert 10 * (passed - 2.5) < played < 10 * (passed + 0.5)
    assert simulated.calls() - before <= 3 * 2 * (passed + 2)


def test_dragging_sets_the_time_of_all_tabs_and_a_double_click_takes_it_back(simulated: Watched) -> None:
    """What was dragged over is what each tab shows; vertical zoom is left alone."""
    page = simulated.open("?tab=overview&range=15m&refresh=0")
    drag(page, 0.3, 0.7)
    moment = settled(page)
    seconds = float(asked(page)["range"].removesuffix("s"))
    assert 300 < seconds < 420 and moment < now(simulated)
    assert page.locator(f"#{ids.RANGE} option:checked").inner_text().startswith(f"{int(seconds // 60)} min")
    for tab in ("overview", "utilization", "scaling", "cloud"):
        show(page, tab)
        simulated.drawn()
        simulated.until(f"{PLOT}.data[0].x.length > 1")
        ends = page.evaluate(f"[{PLOT}.data[0].x[0], {PLOT}.data[0].x.at(-1)].map((one) => new Date(one).getTime() / 1000)")
        assert moment - seconds - 2 * STEP_SECONDS <= ends[0] and ends[1] <= moment + STEP_SECONDS, tab
    show(page, "overview")
    # What is dragged over must not be drawn anew meanwhile.
    simulated.rest()
    drag(page, 0.5, 0.9)
    page.wait_for_url(lambda url: f"range={seconds:.0f}s" not in url)
    narrower = asked(page)
    assert float(narrower["range"].removesuffix("s")) < seconds
    for before in ({"range": f"{seconds:.0f}s", "at": str(moment)}, {}):
        plot = page.locator(".drm-panel:not([hidden]) .js-plotly-plot .nsewdrag").first
        plot.dblclick()
        deadline = time.monotonic() + 15
        while (asked(page).get("range", ""), float(asked(page).get("at", 0))) != (before.get("range", ""), float(before.get("at", 0))):
            assert time.monotonic() < deadline, f"the address is {asked(page)}, not {before}"
            page.wait_for_timeout(100)


def test_a_custom_range_is_typed_by_the_browsers_clock(browser: Browser, simulated: Watched) -> None:
    """From and to in local time; a range that cannot be is said in words, and nothing changes."""
    until = int(now(simulated)) - 300
    page = browser.new_page(viewport={"width": 1440, "height": 900}, timezone_id="Asia/Kolkata")
    page.goto(simulated.url)
    page.get_by_role("button", name="Custom range").click()
    expect(page.locator(f"#{ids.SPAN_FROM}")).to_be_focused()

    def fill(since: float, until: float) -> None:
        for field, moment in ((ids.SPAN_FROM, since), (ids.SPAN_TO, until)):
            page.locator(f"#{field}").fill(datetime.fromtimestamp(moment, BY_CLOCK).strftime("%Y-%m-%dT%H:%M:%S"))
        page.get_by_role("button", name="Apply").click()

    fill(until, until - 120)
    expect(page.locator(f"#{ids.SPAN_WORDS}")).to_contain_text("ends before it begins", timeout=FIGURE_TIMEOUT)
    assert "at" not in asked(page)
    fill(until - 420, until)
    settled(page, until)
    assert asked(page)["range"] == "420s"
    expect(page.locator(f"#{ids.SPAN_PANEL}")).to_be_hidden()
    page.locator(f"#{ids.JUMP}").fill(datetime.fromtimestamp(until - 60, BY_CLOCK).strftime("%Y-%m-%dT%H:%M:%S"))
    page.keyboard.press("Enter")
    settled(page, until - 60)
    page.close()


def test_the_address_holds_the_moment(context: BrowserContext, simulated: Watched) -> None:
    """Opened elsewhere it shows the same; a malformed one falls back with words."""
    page = simulated.open("?tab=scaling&refresh=0")
    page.get_by_role("button", name="Look back").click()
    settled(page)
    page.locator(f"#{ids.RANGE}").select_option("1h")
    page.wait_for_url(re.compile("range=1h"))
    simulated.rest()
    other = Watched(context, page.url)
    second = other.open()
    settled(second)
    for component in (ids.PAST_TIME, ids.NOW_TEXT, ids.summary("workers", "note"), ids.summary("scaling", "value")):
        expect(second.locator(f"#{component}")).to_have_text(text(page, component), use_inner_text=True, timeout=FIGURE_TIMEOUT)
    other.close()
    page.goto(f"{simulated.url}?tab=nowhere&range=7y&at=yesterday")
    simulated.drawn()
    words = page.locator(f"#{ids.ADDRESS_WORDS}")
    for part in ("tab=nowhere", "range=7y", "10 to 2592000 seconds as in 1380s", "at=yesterday", "this shows the present"):
        expect(words).to_contain_text(part, timeout=FIGURE_TIMEOUT)
    page.goto(f"{simulated.url}?at=9999999999&range=5s")
    simulated.drawn()
    expect(page.locator(f"#{ids.TIME_WORDS}")).to_contain_text("this shows the present", timeout=FIGURE_TIMEOUT)
    expect(page.locator(f"#{ids.PAST_BAR}")).to_be_hidden()
    page.wait_for_url(lambda url: "at=" not in url and "range=" not in url)


def test_before_all_data_the_page_says_so(simulated: Watched) -> None:
    """Blank, in words, on every tab, and never an error."""
    page = simulated.page
    page.goto(f"{simulated.url}?refresh=0&at={first(simulated) - 3600:.0f}")
    expect(page.locator(f"#{ids.UNKNOWN}")).to_contain_text("Nothing is known of this moment", timeout=FIGURE_TIMEOUT)
    for tab in TABS:
        show(page, tab.key)
        simulated.rest()
    assert text(page, ids.summary("workers", "value")) == "unknown"


def test_the_past_works_by_keyboard_and_on_a_phone(simulated: Watched) -> None:
    """Each control of the bar is reached and pressed without a mouse, and fits 390 pixels."""
    page = simulated.open("?refresh=0")
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(f"#{ids.LOOK_BACK}").focus()
    page.keyboard.press("Enter")
    moment = settled(page)
    reached = []
    for _ in range(24):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    wanted = [ids.DECISION_BEFORE, ids.MINUTE_BEFORE, ids.PLAY, ids.SPEED, ids.MINUTE_AFTER, ids.DECISION_AFTER, ids.JUMP, ids.LIVE]
    assert [one for one in dict.fromkeys(reached) if one in wanted] == wanted
    page.locator(f"#{ids.MINUTE_BEFORE}").focus()
    page.keyboard.press("Space")
    settled(page, moment - 60)
    for tab in TABS:
        show(page, tab.key)
        simulated.rest()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab
    page.locator(f"#{ids.LIVE}").focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"#{ids.PAST_BAR}")).to_be_hidden()


def test_playing_ends_at_the_present(watched: Watched) -> None:
    """A real pool: what is played faster than time passes becomes live by itself."""
    page = watched.open()
    while now(watched) - first(watched) < 3:
        page.wait_for_timeout(100)
    page.get_by_role("button", name="Look back").click()
    expect(page.locator(f"#{ids.PAST_BAR}")).to_be_visible()
    page.locator(f"#{ids.SPEED}").select_option("60")
    page.locator(f"#{ids.PLAY}").click()
    expect(page.locator(f"#{ids.PAST_BAR}")).to_be_hidden(timeout=FIGURE_TIMEOUT)
    expect(page.locator(f"#{ids.SOURCE}")).to_have_text("LIVE this machine", timeout=FIGURE_TIMEOUT)
    page.wait_for_url(lambda url: "at=" not in url)
