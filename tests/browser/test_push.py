"""The pushed page in a real browser: how soon it shows a change, and what it says and does when the socket or the server goes away."""

from __future__ import annotations

import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from drm import ids
from drm.address import DEFAULT_PREFIX
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.runner import Runner
from drm.serving import serve
from drm.state import DRMState
from tests.browser.conftest import ROOT, running_program

PROMISED_SECONDS = 0.15
NOISE = float(os.environ.get("DRM_NOISE", "5"))
"""How much slower than promised a machine may be that does other things as well."""

CHANGES = 12
GONE_SECONDS = 5.0
"""What is promised for a server that is gone."""

LOST = re.compile(r"no contact with the server since \d\d:\d\d:\d\d: the data is of \d\d:\d\d:\d\d")
WORKERS = ids.summary("workers", "value")


@pytest.fixture
def state() -> DRMState:
    """An external pool of one worker, which its test ticks."""
    state = DRMState(DynamicResourceManager())
    state.manager.register_worker("w0", capacity=Resources(cpu=4, memory=8e9))
    state.advance(time.time())
    return state


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page of its own."""
    page = context.new_page()
    yield page
    page.close()


def opened(page: Page, url: str, query: str = "") -> None:
    """Opens the dashboard, and waits for its first figure."""
    page.goto(url + DEFAULT_PREFIX + query)
    page.locator(".drm-panel:not([hidden]) .js-plotly-plot .main-svg").first.wait_for(timeout=30_000)


def health(page: Page) -> Any:
    return page.locator(f"#{ids.HEALTH_TEXT}")


def way(page: Page) -> Any:
    return page.locator(f"#{ids.WAY}")


def test_a_change_is_on_the_page_at_once(page: Page, state: DRMState) -> None:
    """Each tick is one frame; a quarter of the changes at least is on the page within 150 ms (times what noise may be); a clean console."""
    frames: list[str] = []
    noise: list[str] = []
    page.on("websocket", lambda opened: opened.on("framereceived", lambda payload: frames.append(str(payload))))
    page.on("console", lambda message: noise.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: noise.append(str(error)))
    with serve(state, port=0, push=True) as server:
        opened(page, server.url)
        expect(way(page)).to_have_text("pushed")
        page.evaluate(
            """(id) => {
                window.shown = {};
                const card = document.getElementById(id);
                new MutationObserver(() => { window.shown[card.innerText] = Date.now() / 1000; })
                    .observe(card, { childList: true, characterData: true, subtree: true });
            }""",
            WORKERS,
        )
        ticked: dict[str, float] = {}
        for number in range(2, 2 + CHANGES):
            state.manager.register_worker(f"w{number}", capacity=Resources(cpu=4, memory=8e9))
            ticked[str(number)] = time.time()
            state.advance(time.time())
            page.wait_for_timeout(1000)
        shown = page.evaluate("window.shown")
        # A page that took longer than a tick to draw shows the newer one next.
        assert set(shown) <= set(ticked) and max(ticked, key=int) in shown and len(shown) >= 2 * CHANGES // 3
        delays = sorted(shown[number] - ticked[number] for number in shown)
        assert noise == []
        assert [frame for frame in frames if "version" in frame][-CHANGES:] == [f'{{"version": {number}}}' for number in ticked]
    p50, p95 = statistics.median(delays), delays[round(0.95 * (len(delays) - 1))]
    print(f"tick -> page: p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, promised {PROMISED_SECONDS * 1000:.0f} ms")
    # The quarter that the machine disturbed least: the median is printed, and is for a machine that does nothing else.
    assert delays[len(delays) // 4] < PROMISED_SECONDS * NOISE


def test_the_button_of_a_polled_page_opens_a_pushed_one(page: Page) -> None:
    """In a tab of its own, which draws and is sent a websocket frame for each tick; the polled page stays; both consoles are clean."""
    frames: list[str] = []
    noise: list[str] = []

    def listen(opened: Page) -> None:
        opened.on("websocket", lambda socket: socket.on("framereceived", lambda payload: frames.append(str(payload))))
        opened.on("console", lambda message: noise.append(message.text) if message.type in ("error", "warning") else None)
        opened.on("pageerror", lambda error: noise.append(str(error)))

    listen(page)
    with running_program("--simulate", "20") as url:
        opened(page, url.removesuffix(DEFAULT_PREFIX))
        expect(way(page)).to_have_text("polled every 1 s")
        page.context.once("page", listen)
        with page.context.expect_page() as popup:
            page.get_by_role("region", name="Resource Summary").get_by_role("button", name="Open the live dashboard").click()
        live = popup.value
        live.wait_for_url(re.compile(r"http://127\.0\.0\.1:\d+/drm-dashboard/$"))
        live.locator(".drm-panel:not([hidden]) .js-plotly-plot .main-svg").first.wait_for(timeout=30_000)
        expect(way(live)).to_have_text("pushed")
        expect(live.get_by_role("button", name="Open the live dashboard")).to_have_count(0)
        for _ in range(300):
            if len([frame for frame in frames if "version" in frame]) >= 2:
                break
            live.wait_for_timeout(100)
        assert len([frame for frame in frames if "version" in frame]) >= 2
        expect(way(page)).to_have_text("polled every 1 s")
        assert noise == []


def calls_of(page: Page) -> Callable[[], int]:
    """How many callbacks the page has called so far."""
    calls = 0

    def count(request: Any) -> None:
        nonlocal calls
        calls += "_dash-update-component" in request.url

    page.on("request", count)
    return lambda: calls


def test_the_reader_sets_the_pace_of_a_pushed_page(page: Page, state: DRMState) -> None:
    """Paused nothing is drawn, at 2 s at most each 2 s, whatever the ticks; what came meanwhile is drawn when the pause ends."""
    calls = calls_of(page)
    with serve(state, port=0, push=True) as server, Runner(state, 0.2):
        opened(page, server.url, "?refresh=0")
        expect(way(page)).to_have_text("paused")
        page.wait_for_timeout(1000)
        before = calls()
        page.wait_for_timeout(2000)
        assert calls() == before
        expect(health(page)).to_have_text(re.compile(r"the data is of \d\d:\d\d:\d\d"))
        state.manager.register_worker("w1", capacity=Resources(cpu=4, memory=8e9))
        page.wait_for_timeout(500)
        page.locator(f"#{ids.REFRESH}").select_option("60")
        expect(page.locator(f"#{WORKERS}")).to_have_text("2", timeout=7500)
        page.locator(f"#{ids.REFRESH}").select_option("2")
        expect(way(page)).to_have_text("pushed, at most every 2 s")
        before = calls()
        page.wait_for_timeout(5000)
        # The header, who reports, and the visible tab: three calls a draw.
        assert 1 <= (calls() - before) / 3 <= 3.5


LATE_ONCE = """(() => {
    window.delays = [];
    let heardAt = 0, held = 0;
    const busy = (milliseconds) => { const until = performance.now() + milliseconds; while (performance.now() < until); };
    window.holdUp = (milliseconds) => { held = milliseconds; };
    window.WebSocket = class extends window.WebSocket {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", (event) => {
                if (!event.data.includes("version")) return;
                heardAt = performance.now();
                busy(held);
                held = 0;
            });
        }
    };
    const whole = window.fetch;
    window.fetch = (...asked) => {
        if (String(asked[0]).includes("_dash-update-component") && heardAt) {
            window.delays.push(performance.now() - heardAt);
            heardAt = 0;
        }
        return whole(...asked);
    };
})();"""
"""Notes how long after each tick the page asks for what it shows, and holds it up for a while on request."""


def test_a_page_that_was_late_once_is_not_late_ever_after(page: Page, state: DRMState) -> None:
    """Its script stands still for 0.7 s just when a tick comes; three ticks later it draws at the tick again, not some time after each."""
    page.add_init_script(LATE_ONCE)
    with serve(state, port=0, push=True) as server, Runner(state, 1.0):
        opened(page, server.url)
        expect(way(page)).to_have_text("pushed")
        page.wait_for_timeout(1000)
        page.evaluate("window.holdUp(700)")
        for _ in range(300):
            delays = page.evaluate("window.delays")
            if max(delays, default=0) > 650 and len(delays) >= delays.index(max(delays)) + 6:
                break
            page.wait_for_timeout(100)
    assert max(delays) > 650
    after = delays[delays.index(max(delays)) + 3 :]
    print(f"asked for after the tick: {[round(delay) for delay in delays]} ms")
    # The least disturbed of them: a page that stayed behind would have none.
    assert len(after) >= 2 and min(after) < 300


def test_a_hidden_page_draws_nothing_and_catches_up_when_it_is_seen(page: Page, state: DRMState) -> None:
    """Ticks are not asked for while nobody looks."""
    calls = calls_of(page)
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with serve(state, port=0, push=True) as server, Runner(state, 0.2):
        opened(page, server.url)
        page.evaluate(hide, True)
        page.wait_for_timeout(1000)
        before = calls()
        page.wait_for_timeout(2000)
        assert calls() == before
        state.manager.register_worker("w1", capacity=Resources(cpu=4, memory=8e9))
        page.wait_for_timeout(300)
        page.evaluate(hide, False)
        expect(page.locator(f"#{WORKERS}")).to_have_text("2", timeout=7500)


def test_a_socket_that_breaks_is_told_and_replaced(page: Page, state: DRMState) -> None:
    """The page says within 5 s that it polls meanwhile, goes on showing changes, and is pushed again once sockets open."""
    sockets: list[WebSocketRoute] = []
    closed = False

    def route(page_side: WebSocketRoute) -> None:
        if closed:
            page_side.close()
        else:
            sockets.append(page_side.connect_to_server() and page_side)

    page.route_web_socket(re.compile("_drm-ticks"), route)
    with serve(state, port=0, push=True) as server, Runner(state, 0.5):
        opened(page, server.url)
        expect(way(page)).to_have_text("pushed")
        closed = True
        sockets[-1].close()
        expect(way(page)).to_have_text("push interrupted, polled every 1 s", timeout=15_000)
        state.manager.register_worker("w1", capacity=Resources(cpu=4, memory=8e9))
        expect(page.locator(f"#{WORKERS}")).to_have_text("2", timeout=20_000)
        expect(health(page)).to_have_text(re.compile("last tick"))
        closed = False
        expect(way(page)).to_have_text("pushed", timeout=20_000)


def test_a_socket_that_falls_silent_is_not_trusted(page: Page, state: DRMState) -> None:
    """Frames that stop coming on an open socket: within 5 s the page polls."""
    silent = False

    def route(page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()
        server_side.on_message(lambda message: None if silent else page_side.send(message))

    page.route_web_socket(re.compile("_drm-ticks"), route)
    with serve(state, port=0, push=True) as server, Runner(state, 0.5):
        opened(page, server.url)
        expect(way(page)).to_have_text("pushed")
        silent = True
        began = time.monotonic()
        expect(way(page)).to_have_text("push interrupted, polled every 1 s", timeout=15_000)
        print(f"silent socket noticed after {time.monotonic() - began:.1f} s")


@contextmanager
def program(port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python app.py` on that port, killed at the end."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "--port", str(port), "--simulate", "20", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        assert "http://" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize(("arguments", "usual", "end"), [(["--push"], "pushed", signal.SIGKILL), ([], "polled every 1 s", signal.SIGSTOP)])
def test_a_server_that_is_gone_is_told_within_5_seconds(
    context: BrowserContext, arguments: list[str], usual: str, end: signal.Signals
) -> None:
    """Pages that draw, that draw once a minute, and that are paused say so and since when their data is; they recover by themselves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        pages = {}
        with program(port, *arguments) as process:
            for refresh in ("1", "60", "0"):
                pages[refresh] = context.new_page()
                stack.callback(pages[refresh].close)
                opened(pages[refresh], url, f"?refresh={refresh}")
            expect(way(pages["1"])).to_have_text(usual)
            process.send_signal(end)
            began = time.monotonic()
            for page in pages.values():
                expect(health(page)).to_have_text(LOST, timeout=3000 * GONE_SECONDS)
            print(f"{usual}, {end.name}: all pages said so after {time.monotonic() - began:.1f} s")
            assert time.monotonic() - began < 3 * GONE_SECONDS
            if end is signal.SIGSTOP:
                process.send_signal(signal.SIGCONT)
                is_back(pages, usual)
        if end is signal.SIGKILL:
            with program(port, *arguments):
                is_back(pages, usual)


def is_back(pages: dict[str, Page], usual: str) -> None:
    """The pages are as they were, and draw."""
    expect(way(pages["1"])).to_have_text(usual, timeout=15_000)
    expect(health(pages["1"])).to_have_text(re.compile("last tick"), timeout=15_000)
    expect(way(pages["0"])).to_have_text("paused", timeout=20_000)
    calls = calls_of(pages["1"])
    for _ in range(300):
        if calls() >= 4:
            return
        pages["1"].wait_for_timeout(100)
    raise AssertionError("the page is there again, and draws nothing")
