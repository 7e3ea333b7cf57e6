"""The panel about the dashboard in a real browser."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from drm import ids
from tests.browser.watched import Watched


def test_about_opens_follows_the_ticks_and_closes(watched: Watched) -> None:
    """Closed at first and asking for nothing; open it says what the program takes, this page is a viewer, and the times move with the
    ticks; a screen reader is told whether it is open."""
    page = watched.open()
    panel, button = page.locator(f"#{ids.ABOUT}"), page.get_by_role("button", name="About")
    expect(panel).to_be_hidden()
    expect(button).to_have_attribute("aria-expanded", "false")
    assert not [request for request in watched.requests if ids.ABOUT_FACTS in (request.post_data or "")]
    button.click()
    expect(panel).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(panel).to_contain_text(re.compile(r"Python 3\.\d+"))
    expect(panel.get_by_role("heading")).to_have_text(["About this dashboard", "Program", "Tick", "Pages", "History"])
    expect(panel).to_contain_text(re.compile(r"Viewers\s*[1-9]\d* in the last 90 s"))
    expect(panel.get_by_role("row")).to_have_count(8)
    expect(panel.get_by_role("button", name="Log out")).to_have_count(0)
    said = panel.inner_text()
    expect(panel).not_to_have_text(said, timeout=15_000)
    button.click()
    expect(panel).to_be_hidden()
    expect(button).to_have_attribute("aria-expanded", "false")
