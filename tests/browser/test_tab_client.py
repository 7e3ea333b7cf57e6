"""The tabs that tests open by the hundred ask for what a tab of a browser asks for."""

from __future__ import annotations

import json

from drm import ids
from drm.tabs import TABS
from tests.browser.watched import Watched, is_call
from tests.integration.crowd import crowd

ROUNDS = 2


def test_a_tab_without_a_browser_calls_the_callbacks_of_one_with_it(watched: Watched) -> None:
    """Each tab the same ones, those included that follow from the answers of others."""
    seen = crowd(watched.url, 3, tabs=len(TABS))
    assert seen["errors"] == 0, seen["first_errors"]
    # A page opens on the first tab, until it has read its address.
    first, asked, called = set(seen["called"][TABS[0].key]), {}, {}
    for tab in TABS:
        watched.page.goto("about:blank")
        watched.requests.clear()
        watched.open(f"?tab={tab.key}")
        for _ in range(300):
            outputs = [json.loads(one.post_data or "")["output"] for one in watched.requests if is_call(one)]
            if sum(ids.HEALTH in one for one in outputs) > ROUNDS:
                break
            watched.page.wait_for_timeout(100)
        asked[tab.key], called[tab.key] = first.union(outputs), first.union(seen["called"][tab.key])
    assert asked == called
