"""A page in a real browser that must stay without errors and ask no other host; for the tests of every tab."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import APIResponse, BrowserContext, Error, Page, Request

from drm import ids

FIGURE_TIMEOUT = 30_000
REST_MILLISECONDS = 400
"""More than the page itself waits before it asks."""
PLOT = "document.querySelector('.drm-panel:not([hidden]) .js-plotly-plot')"


class Watched:
    """A page, with everything that it logged and asked for."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.errors: list[str] = []
        self.requests: list[Request] = []
        self.answered = 0
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request))
        self.page.on("requestfinished", self._count)
        self.page.on("requestfailed", self._count)

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
        failed = ""
        for _ in range(FIGURE_TIMEOUT // 100):
            try:
                if self.page.evaluate(condition):
                    return
            except Error as error:
                # A figure that is being drawn anew has no axes for a moment.
                failed = f": {error}"
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{condition} did not become true{failed}")

    def _count(self, request: Request) -> None:
        self.answered += is_call(request)

    def api(self, path: str) -> Any:
        """What the program answers over HTTP."""
        return asked(self.page, f"{self.url}../api/v1/{path}").json()

    def calls(self) -> int:
        """How many callbacks were asked for so far."""
        return sum(map(is_call, self.requests))

    def asked_for(self, count: int) -> None:
        """Waits until the page has asked for so many callbacks."""
        for _ in range(FIGURE_TIMEOUT // 100):
            if self.calls() >= count:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"the page asked for {self.calls()} callbacks, not {count}")

    def rest(self) -> None:
        """Waits until all that was asked for has come, and nothing more is asked for; of a page that is paused or shows the past."""
        since, calls = 0, -1
        for _ in range(FIGURE_TIMEOUT // 50):
            since, calls = (since + 50, calls) if self.answered == self.calls() == calls else (0, self.calls())
            if since >= REST_MILLISECONDS:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("the page did not come to rest")

    def pause(self) -> None:
        """Stops the refresh, and waits for what is still under way."""
        self.page.locator(f"#{ids.REFRESH}").select_option("0")
        self.rest()

    def close(self) -> None:
        """The console must have no error or warning, and no request may have gone to another host."""
        self.page.close()
        assert not self.errors, self.errors
        host = urlsplit(self.url).netloc
        asked = [request.url for request in self.requests if urlsplit(request.url).scheme not in ("data", "blob")]
        assert [url for url in asked if urlsplit(url).netloc != host] == []
        assert not [url for url in asked if "plotly.min.js" in url], "the whole of Plotly was loaded beside the smaller bundle"


def asked(page: Page, url: str) -> APIResponse:
    """What a program that is not the page hears. Its connection may have rested so long that the server ends it just then."""
    return page.request.get(url, max_retries=2)


def is_call(request: Request) -> bool:
    """Whether it asks for a callback."""
    return "_dash-update-component" in request.url


def text(page: Page, component: str) -> str:
    """What a component says."""
    return page.locator(f"#{component}").inner_text()
