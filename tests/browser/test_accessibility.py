"""Every tab in both themes, with what opens on it, by the rules of axe-core (WCAG 2 A and AA, and its best practices)."""

from __future__ import annotations

from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page, expect

from drm import ids
from drm.tabs import TABS
from tests.browser.test_scaling import scaled_up
from tests.browser.watched import FIGURE_TIMEOUT, Watched

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


def violations(page: Page) -> list[str]:
    """What the visible page breaks, with the first element that does."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])})" for one in found]


def open_tables(page: Page) -> None:
    """Of each figure that is shown, by the keyboard: it has rows."""
    for summary in page.locator(".drm-as-table summary:visible").all():
        summary.focus()
        page.keyboard.press("Enter")
    for opened in page.locator(".drm-as-table[open]:visible").all():
        expect(opened.locator("tbody th").first).not_to_be_empty(timeout=FIGURE_TIMEOUT)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_tab_has_a_violation(watched: Watched, theme: str) -> None:
    """With a worker and a decision opened, the range's fields and the moment's controls shown, and the menu of files open."""
    page = watched.open(f"?theme={theme}")
    decision = scaled_up(watched)
    found: dict[str, list[str]] = {}
    for tab in TABS:
        page.get_by_role("navigation", name="Tabs").get_by_text(tab.label, exact=True).click()
        watched.drawn()
        page.wait_for_timeout(300)
        open_tables(page)
        found[tab.key] = violations(page)
    watched.open(f"?theme={theme}&tab=scaling&decision={decision['id']}")
    page.locator(f"#{ids.EXPLANATION} table").first.wait_for(timeout=FIGURE_TIMEOUT)
    page.get_by_role("button", name="Custom range").click()
    page.get_by_role("button", name="Save data").click()
    found["explanation"] = violations(page)
    assert {name: one for name, one in found.items() if one} == {}
