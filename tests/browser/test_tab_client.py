"""The tabs that tests open by the hundred ask for what a tab of a browser asks for."""

from __future__ import annotations

import json

from drm import ids
from drm.tabs import TABS
from tests.browser.watched import FIGURE_TIMEOUT, Watched, is_call
from tests.integration.crowd import crowd


def test_tabs_without_a_browser_call_the_callbacks_of_a_page_whose_tabs_are_all_looked_at(watched: Watched) -> None:
    """The same ones, those included that follow from the answers of others."""
    seen = crowd(watched.url, 2, tabs=len(TABS))
    assert seen["errors"] == 0, seen["first_errors"]
    called = {output for outputs in seen["called"].values() for output in outputs}
    page = watched.open()
    for tab in TABS:
        page.get_by_role("navigation", name="Tabs").get_by_text(tab.label, exact=True).click()
        watched.drawn()
    for _ in range(FIGURE_TIMEOUT // 100):
        asked = {json.loads(one.post_data or "")["output"] for one in watched.requests if is_call(one)}
        if asked >= called:
            break
        page.wait_for_timeout(100)
    page.locator(f"#{ids.REFRESH}").select_option("0")
    assert asked == called
