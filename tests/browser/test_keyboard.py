"""The page by the keyboard alone: where Tab goes, what shows that it is there, and what Enter opens."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from drm import ids
from drm.tabs import TABS
from tests.browser.odd_pages import page_over
from tests.browser.test_scaling import scaled_up
from tests.browser.watched import FIGURE_TIMEOUT, Watched
from tests.unit.lifetime_pool import pool_with_ends

STOPS = 120
"""More than any tab has."""
WHERE = """(() => {
    const here = document.activeElement;
    if (!here || here === document.body) return null;
    // What a hidden radio button's focus shows on is its label.
    const shown = here.matches(".btn-check") ? here.nextElementSibling : here;
    const style = getComputedStyle(shown), box = shown.getBoundingClientRect();
    return {
        id: here.id, tag: here.tagName, value: here.value,
        name: (here.getAttribute("aria-label") || here.innerText || here.value || "").slice(0, 60).trim(),
        html: here.outerHTML.slice(0, 160), part: here.closest("main") ? "main" : here.closest("nav") ? "tabs" : "head",
        outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2, colour: style.outlineColor,
        seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    };
})()"""

OPERABLE = """Array.from(document.querySelectorAll(".drm-panel:not([hidden]) :is(button, select, summary, a[href])")).filter(
    (one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && !one.closest(".modebar, .ag-root-wrapper")
).length"""
"""What can be operated in a tab, but for the figures' own bars of buttons, and tables of rows, in which the arrows lead."""


@pytest.fixture
def ends(context: BrowserContext) -> Iterator[Watched]:
    """The page of a pool in which workers drained, were lost and came back; it stands still."""
    with page_over(context, pool_with_ends()) as watched:
        yield watched


def stops(page: Page) -> list[dict[str, object]]:
    """Where Tab goes, from the top of the page to its end."""
    page.evaluate("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    found = []
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        here = page.evaluate(WHERE)
        # After the last comes the browser itself, or the first again.
        if here is None or (found and here["html"] == found[0]["html"]):
            return found
        found.append(here)
    raise AssertionError(f"Tab never leaves the page: {[one['html'] for one in found[-6:]]}")


def summary(page: Page, name: str) -> Locator:
    """What opens the table of a figure."""
    return page.get_by_role("figure", name=name, exact=True).locator(".drm-as-table summary")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_tab_goes_from_the_header_over_the_tabs_to_the_content_and_shows_where_it_is(ends: Watched, theme: str) -> None:
    """The skip link is first; each stop is outlined and on the screen; what a tab has to operate has a name and is among them; the tabs are
    one stop, and a table does not take a stop for each cell."""
    # A page that scrolls smoothly is not yet where the focus is.
    ends.page.emulate_media(reduced_motion="reduce")
    page = ends.open(f"?refresh=0&theme={theme}&lifetimes=ended")
    for tab in TABS:
        page.locator(f"#{ids.TABS} input[value={tab.key}]").focus()
        page.keyboard.press("Space")
        ends.drawn()
        ends.rest()
        found = stops(page)
        assert found[0]["name"] == "Skip to the content"
        assert [one["html"] for one in found if not one["outlined"]] == []
        assert [one["html"] for one in found if not one["seen"]] == []
        assert [one["html"] for one in found if not one["name"] and one["tag"] in ("BUTTON", "A", "SUMMARY")] == []
        order = [one["part"] for one in found]
        assert order == sorted(order, key=["head", "tabs", "main"].index), "the order on the screen"
        assert [one["value"] for one in found if one["part"] == "tabs" and one["tag"] == "INPUT"] == [tab.key]
        assert sum(str(one["html"]).startswith('<div role="gridcell"') for one in found) <= 1
        reached = {one["id"] for one in found}
        assert {ids.RANGE, ids.CUSTOM, ids.LOOK_BACK, ids.REFRESH, ids.THEME} <= reached
        assert page.evaluate(OPERABLE) <= sum(one["part"] == "main" and one["tag"] in ("BUTTON", "SELECT", "SUMMARY", "A") for one in found)


def test_the_skip_link_leads_past_the_header(ends: Watched) -> None:
    """Enter on it, and the next Tab is in the content; the address keeps what it says."""
    page = ends.open("?refresh=0&tab=utilization")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(WHERE)["part"] == "main"
    assert "tab=utilization" in page.url
    expect(page.locator(f"#{ids.panel('utilization')}")).to_be_visible()


def test_a_worker_is_opened_from_the_table_behind_the_heatmap(ends: Watched) -> None:
    """Enter on its button opens it, as a click on its row does, and its card has the focus; closed, the focus is back at the table."""
    page = ends.open("?refresh=0&tab=utilization")
    summary(page, "Workers over time").focus()
    page.keyboard.press("Enter")
    names = page.get_by_role("figure", name="Workers over time", exact=True).locator(".drm-row-button")
    expect(names.first).not_to_be_empty(timeout=FIGURE_TIMEOUT)
    for number in (0, 1):
        worker = names.nth(number).inner_text()
        names.nth(number).focus()
        page.keyboard.press("Enter")
        expect(page.locator(f"#{ids.DETAIL_TITLE}")).to_have_text(worker, timeout=FIGURE_TIMEOUT)
        expect(page.locator(f"#{ids.DETAIL}")).to_be_focused(timeout=FIGURE_TIMEOUT)
        assert f"worker={worker}" in page.url
    page.get_by_role("button", name="Close").focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"#{ids.DETAIL}")).to_be_hidden()
    expect(summary(page, "Workers over time")).to_be_focused(timeout=FIGURE_TIMEOUT)
    summary(page, "Worker lifetimes").focus()
    page.keyboard.press("Enter")
    lost = page.get_by_role("figure", name="Worker lifetimes", exact=True).get_by_role("button", name=re.compile("lost")).first
    lost.focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"#{ids.DETAIL_TITLE}")).to_have_text(lost.inner_text().split()[0], timeout=FIGURE_TIMEOUT)


def test_rows_of_tables_are_opened_by_enter(ends: Watched) -> None:
    """A worker that has ended, and its decision by the button in its row; arrows go from cell to cell."""
    page = ends.open("?refresh=0&tab=utilization&lifetimes=ended")
    rows = page.locator(f"#{ids.ENDED} .ag-center-cols-container .ag-row")
    expect(rows).to_have_count(3, timeout=FIGURE_TIMEOUT)
    page.locator(f"#{ids.ENDED} .ag-row[row-index='1'] .ag-cell").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(f"#{ids.DETAIL_TITLE}")).to_have_text("again", timeout=FIGURE_TIMEOUT)
    ends.rest()
    page.locator(f"#{ids.ENDED} .ag-row:has(button) .ag-cell").first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(f"#{ids.EXPLANATION_TITLE}")).to_contain_text("Decision", timeout=FIGURE_TIMEOUT)


def test_a_decision_is_opened_from_the_ledger(watched: Watched) -> None:
    """Enter on a cell of its row; the arrows reach the cell from the head of the table."""
    page = watched.open("?tab=scaling")
    scaled_up(watched)
    cell = page.locator(f"#{ids.LEDGER} .ag-row[row-index='0'] [col-id=id]")
    expect(cell).to_contain_text(re.compile(r"\d"), timeout=FIGURE_TIMEOUT)
    page.locator(f"#{ids.LEDGER} [role=columnheader][col-id=id]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
        if page.evaluate("document.activeElement.matches('.ag-cell')"):
            break
    number = page.evaluate("document.activeElement.closest('.ag-row').getAttribute('row-id')")
    page.keyboard.press("Enter")
    expect(page.locator(f"#{ids.EXPLANATION_TITLE}")).to_contain_text(f"Decision {number}", timeout=FIGURE_TIMEOUT)
