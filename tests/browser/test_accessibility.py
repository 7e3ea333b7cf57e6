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


def violations(page: Page, *rules: str) -> list[str]:
    """What the visible page breaks of the rules, or of all, with the first element that does."""
    page.evaluate(f"window.axe || (() => {{ {AXE} }})()")
    found = page.evaluate("(only) => axe.run(document, { resultTypes: ['violations'], ...only })", {"runOnly": rules} if rules else {})[
        "violations"
    ]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])})" for one in found]


def open_tables(page: Page) -> None:
    """Of each figure that is shown: each has rows, of which so many stay as make it scroll: they are alike, and each takes axe its time."""
    opened = page.evaluate(
        """Array.from(document.querySelectorAll(".drm-panel:not([hidden]) .drm-as-table")).filter(
            (one) => one.checkVisibility()
        ).map((one) => { one.open = true; }).length"""
    )
    filled = page.locator(".drm-panel:not([hidden]) .drm-as-table[open]:has(tbody th:not(:empty))")
    expect(filled).to_have_count(opened, timeout=FIGURE_TIMEOUT)
    page.evaluate("document.querySelectorAll('.drm-as-table tbody tr:nth-child(n+25)').forEach((row) => row.remove())")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_tab_has_a_violation(watched: Watched, theme: str) -> None:
    """With tables behind figures, a worker and a decision opened, the range's fields and the menu of files; the page stands still."""
    page = watched.open(f"?theme={theme}")
    decision = scaled_up(watched)
    worker = watched.api("snapshot")["workers"][0]["id"]
    watched.open(f"?refresh=0&theme={theme}&decision={decision['id']}&worker={worker}")
    watched.rest()
    found: dict[str, list[str]] = {}
    for tab in TABS:
        page.get_by_role("navigation", name="Tabs").get_by_text(tab.label, exact=True).click()
        watched.drawn()
        watched.rest()
        open_tables(page)
        if tab.key == "utilization":
            expect(page.locator(f"#{ids.DETAIL_TITLE}")).to_have_text(worker, timeout=FIGURE_TIMEOUT)
        if tab.key == "scaling":
            page.locator(f"#{ids.EXPLANATION} table").first.wait_for(timeout=FIGURE_TIMEOUT)
            page.get_by_role("button", name="Custom range").click()
            page.get_by_role("button", name="Save data").click()
        # The theme is of colours only: what else there is to break is the same in both.
        found[tab.key] = violations(page, *(["color-contrast"] if theme == "dark" else []))
    assert {name: one for name, one in found.items() if one} == {}
