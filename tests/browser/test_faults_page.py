"""A tab that slept, and a viewer on a slow line: no pile of requests, and numbers whose age is told."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, Request, expect

from drm import ids
from drm.address import DEFAULT_PREFIX
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.runner import Runner
from drm.serving import serve
from drm.state import DRMState
from tests.browser.watched import is_call

SLEEP_SECONDS = 12
SLOW = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}


@pytest.fixture
def state() -> DRMState:
    """Sixty workers with as many different loads, so that a figure of them is no small one."""
    state = DRMState(DynamicResourceManager())
    for number in range(60):
        state.manager.register_worker(f"worker-{number}", capacity=Resources(cpu=4, memory=8e9))
        state.manager.report(f"worker-{number}", used={"cpu": number / 15, "memory": number * 1e8})
    state.advance(time.time())
    return state


class Asked:
    """A page of its own, with the requests for callbacks that it made, and how many of them were under way at once."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.cdp: CDPSession = context.new_cdp_session(self.page)
        self.made = self.most = 0
        self._open: set[Request] = set()
        self.page.on("request", self._begin)
        self.page.on("requestfinished", self._end)
        self.page.on("requestfailed", self._end)

    def open(self, url: str, query: str = "") -> Page:
        self.page.goto(url + DEFAULT_PREFIX + query)
        self.page.locator(".drm-panel:not([hidden]) .js-plotly-plot .main-svg").first.wait_for(timeout=30_000)
        return self.page

    def _begin(self, request: Request) -> None:
        if is_call(request):
            self.made += 1
            self._open.add(request)
            self.most = max(self.most, len(self._open))

    def _end(self, request: Request) -> None:
        self._open.discard(request)


@pytest.fixture
def asked(context: BrowserContext) -> Iterator[Asked]:
    asked = Asked(context)
    yield asked
    asked.page.close()


@pytest.mark.parametrize("push", [False, True], ids=["polled", "pushed"])
def test_a_tab_that_slept_shows_the_present_with_one_round_of_requests(asked: Asked, state: DRMState, push: bool) -> None:
    """Its scripts stand still, as those of a tab that the browser puts to sleep: it asks for nothing, and awake it asks once for what it
    shows, not once for each tick that it missed."""
    with serve(state, port=0, push=push) as server, Runner(state, 1.0):
        page = asked.open(server.url)
        workers = page.locator(f"#{ids.summary('workers', 'value')}")
        expect(workers).to_have_text("60", timeout=30_000)
        before = asked.made
        page.wait_for_timeout(4000)
        in_four_seconds = asked.made - before
        asked.cdp.send("Debugger.enable")
        asked.cdp.send("Debugger.pause")
        page.wait_for_timeout(2000)
        asleep = asked.made
        state.manager.register_worker("new", capacity=Resources(cpu=4, memory=8e9))
        page.wait_for_timeout(1000 * SLEEP_SECONDS)
        assert asked.made == asleep, "it was not asleep"
        asked.most = 0
        asked.cdp.send("Debugger.resume")
        asked.cdp.send("Debugger.disable")
        expect(workers).to_have_text("61", timeout=30_000)
        expect(page.locator(f"#{ids.HEALTH_TEXT}")).to_have_text(re.compile("last tick"), timeout=30_000)
        page.wait_for_timeout(1000)
        print(f"{in_four_seconds} requests in 4 s awake; {asked.made - asleep} after waking, {asked.most} at once")
        assert 0 < asked.made - asleep <= max(in_four_seconds, 8)


def test_a_viewer_on_a_slow_line_is_told_how_old_the_numbers_are(asked: Asked, state: DRMState) -> None:
    """At 50 kB/s and 400 ms: one request for each part of the page at a time, and an age that counts the way of the answer."""
    with serve(state, port=0) as server, Runner(state, 1.0):
        page = asked.open(server.url, "?tab=utilization")
        page.wait_for_timeout(2000)
        asked.cdp.send("Network.enable")
        asked.cdp.send("Network.emulateNetworkConditions", SLOW)
        page.wait_for_timeout(3000)
        asked.most, made = 0, asked.made
        page.wait_for_timeout(15_000)
        most, made = asked.most, asked.made - made
        told = page.locator(f"#{ids.HEALTH_TEXT}").inner_text()
        print(f"{made} requests in 15 s, {most} at once; {told!r}")
        assert most <= 4 and 4 <= made <= 40
        found = re.match(r"(last tick|no tick for) (now|(\d+) s)", told)
        assert found, told
        delay = page.evaluate(
            "performance.getEntriesByType('resource').filter(one => one.name.includes('_dash-update')).slice(-6).map(one => one.duration)"
        )
        assert max(delay) > 400
