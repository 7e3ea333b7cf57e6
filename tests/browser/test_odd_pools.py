"""Every tab over every odd pool: drawn, or said in words; nothing runs that came as a name, and nothing scrolls sideways."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from drm import ids
from drm.tabs import TABS
from tests.browser.odd_pages import page_of
from tests.unit.odd_pools import POOLS

PICTURES = os.environ.get("DRM_PICTURES")
"""A folder for pictures of all of them, to be looked at."""


@pytest.mark.parametrize("pool", POOLS)
def test_every_tab_over_an_odd_pool(context: BrowserContext, pool: str) -> None:
    """Wide and narrow, light and dark; each tab shows a figure or says what is missing."""
    with page_of(context, pool) as watched:
        page = watched.page
        for number, tab in enumerate(TABS):
            scheme = ("light", "dark")[number % 2]
            page.set_viewport_size({"width": 1440, "height": 900})
            page.goto(f"{watched.url}?tab={tab.key}&theme={scheme}&decision=now")
            figure = "document.querySelector('.drm-panel:not([hidden]) .js-plotly-plot .main-svg')"
            said = f"document.getElementById('{ids.empty(tab.key)}')"
            watched.until(f"!!{figure} || !!({said} && {said}.innerText)")
            for width in (1440, 390):
                page.set_viewport_size({"width": width, "height": 900})
                watched.until(f"document.documentElement.scrollWidth <= {width}")
                if PICTURES:
                    page.wait_for_timeout(1200)
                    page.screenshot(path=Path(PICTURES) / f"{tab.key}-{pool}-{scheme}-{width}.png", full_page=True)
        assert page.locator("script:text('alert')").count() == 0
