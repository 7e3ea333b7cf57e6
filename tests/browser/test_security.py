"""Attacks that only a browser shows: another site's page against a reader who is logged in, frames, and texts that would be scripts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask, Response
from playwright.sync_api import Browser, BrowserContext, Page, expect
from werkzeug.serving import make_server

from drm import ids
from drm.dashboard import mount
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.runner import Runner
from drm.server import create_standalone
from drm.serving import serve
from drm.state import DRMState
from drm.tabs import TABS
from drm.visualization import DRMVisualization
from tests.browser.odd_pages import page_over
from tests.browser.watched import FIGURE_TIMEOUT, Watched
from tests.integration.hostile_pool import RAN, START, HostileEngine, hostile, hostile_state

TOKEN = "correct-horse-battery"
PREFIX = "/drm-dashboard/"
ATTACK = """<!doctype html><title>evil</title><body><script>
const at = %r, did = {};
async function tell(name, promise) { try { const got = await promise; did[name] = got; } catch (error) { did[name] = "refused"; } }
const text = (answer) => answer.type === "opaque" ? "opaque" : answer.text();
const send = (path, more) => fetch(at + path, Object.assign({ credentials: "include" }, more)).then(text);
const json = { method: "POST", body: "{}", headers: { "Content-Type": "application/json" } };
const socket = new Promise((resolve) => {
    const open = new WebSocket(at.replace("http", "ws") + "/drm-dashboard/_drm-ticks");
    open.onopen = () => resolve("open");
    open.onerror = () => resolve("refused");
});
window.attacks = Promise.all([
    tell("read", send("/api/v1/snapshot")),
    tell("read opaque", send("/api/v1/snapshot", { mode: "no-cors" })),
    tell("callback", send("/drm-dashboard/_dash-update-component", json)),
    tell("callback as text", send("/drm-dashboard/_dash-update-component", { method: "POST", mode: "no-cors", body: "{}" })),
    tell("log out", send("/logout", { method: "POST", mode: "no-cors" })),
    tell("copy", send("/api/v1/backup", { mode: "no-cors" })),
    tell("socket", socket),
]).then(() => did);
</script>
<form id="login" method="post" target="in" action="%s/login"><input name="token" value="guess"></form>
<form id="logout" method="post" target="out" action="%s/logout"></form>
<iframe name="in"></iframe><iframe name="out"></iframe><iframe name="framed" src="%s/drm-dashboard/"></iframe></body>"""
SEEN = f"() => window.{RAN}"


@contextmanager
def answering(app: Flask, host: str) -> Iterator[str]:
    """The application on a server of its own; its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{host}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Victim:
    """A pushed program behind a token, with what it was asked and what it answered."""

    def __init__(self) -> None:
        self.state = DRMState(DynamicResourceManager())
        self.state.manager.register_worker("secret-worker", capacity=Resources(cpu=4, memory=8e9))
        self.state.advance(START)
        self.url = ""


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    """It serves."""
    victim = Victim()
    with serve(victim.state, port=0, push=True, token=TOKEN) as server:
        victim.url = server.url
        yield victim


@pytest.fixture(scope="module")
def logged_in(browser: Browser, victim: Victim) -> Iterator[BrowserContext]:
    """A browser whose reader has logged in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(victim.url + PREFIX)
    page.get_by_label("Access token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#drm-way")).to_have_text("pushed", timeout=FIGURE_TIMEOUT)
    page.close()
    yield context
    context.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_page_of_somebody_else_can_do_and_read_nothing(logged_in: BrowserContext, victim: Victim, host: str) -> None:
    """Another site, and another port of this one, to which the browser does send the cookie: no answer is read, no callback, logout or
    login is done by fetch or form, no websocket opens, and the page is shown in no frame. The reader is still logged in."""
    evil = Flask("evil")
    evil.add_url_rule("/", "root", lambda: Response(ATTACK % ((victim.url,) * 4), mimetype="text/html"))
    statuses: dict[str, int] = {}
    with answering(evil, host) as address:
        page = logged_in.new_page()
        page.on(
            "response", lambda answer: statuses.update({f"{answer.request.method} {answer.url.removeprefix(victim.url)}": answer.status})
        )
        page.goto(address)
        did: dict[str, Any] = page.evaluate("() => window.attacks")
        assert {name: did[name] for name in ("read", "callback", "socket")} == dict.fromkeys(("read", "callback", "socket"), "refused")
        assert set(did.values()) <= {"refused", "opaque"}
        for form in ("login", "logout"):
            with page.expect_response(f"**/{form}") as answer:
                page.evaluate(f"() => document.getElementById('{form}').submit()")
            assert answer.value.status == 403
        framed = page.frame("framed")
        assert framed is not None and not framed.url.startswith(victim.url) and "drm" not in framed.content()
        page.close()
    posted = {path: status for path, status in statuses.items() if path.startswith("POST ")}
    assert posted and set(posted.values()) == {403}
    assert logged_in.request.get(f"{victim.url}/api/v1/snapshot").json()["workers"][0]["id"] == "secret-worker"


def test_our_own_page_may_frame_ours(logged_in: BrowserContext, victim: Victim) -> None:
    """What the test above must be able to see: the same frame, in a page of the same origin, shows the dashboard."""
    page = logged_in.new_page()
    page.route("**/own", lambda route: route.fulfill(body=f'<iframe name="framed" src="{PREFIX}"></iframe>', content_type="text/html"))
    page.goto(f"{victim.url}/own")
    expect(page.frame_locator("iframe").locator("#drm-way")).to_have_text("pushed", timeout=FIGURE_TIMEOUT)
    page.close()


def test_who_logs_out_is_out_and_other_tabs_say_so(browser: Browser, victim: Victim) -> None:
    """The button leads to the form; a page that was open says that its session has ended and asks for nothing more, until its reader logs
    in again in another tab: then it goes on by itself."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    open_page, other = context.new_page(), context.new_page()
    calls: list[str] = []
    open_page.on("request", lambda request: calls.append(request.url) if "_dash-update-component" in request.url else None)
    for page in (open_page, other):
        page.goto(victim.url + PREFIX)
        if page is open_page:
            page.get_by_label("Access token").fill(TOKEN)
            page.get_by_role("button", name="Log in").click()
        expect(page.locator("#drm-way")).to_have_text("pushed", timeout=FIGURE_TIMEOUT)
    other.get_by_role("button", name="About").click()
    other.get_by_role("button", name="Log out").click()
    expect(other.get_by_label("Access token")).to_be_visible()
    health = open_page.locator(f"#{ids.HEALTH_TEXT}")
    expect(health).to_have_text("your session has ended: reload the page to log in", timeout=15_000)
    open_page.wait_for_timeout(1000)
    calls.clear()
    open_page.wait_for_timeout(3000)
    assert calls == []
    other.get_by_label("Access token").fill(TOKEN)
    other.get_by_role("button", name="Log in").click()
    expect(open_page.locator("#drm-way")).to_have_text("pushed", timeout=15_000)
    expect(health).to_contain_text("no tick for", timeout=15_000)
    context.close()


@pytest.fixture(scope="module")
def pool() -> tuple[DRMState, HostileEngine]:
    """Where every text is hostile."""
    return hostile_state()


ON_PAGE = (
    "source",
    "worker",
    "task1",
    "type",
    "provider",
    "cloud",
    "provider-error",
    "notice",
    "launch-error",
    "leaver",
    "departure",
    "tick-error",
)
"""Texts that must have been on a tab: else nothing was tried there."""


def look(page: Page) -> str:
    """What the page says, once it is known that nothing of it ran, and that no text became an element."""
    assert page.evaluate(SEEN) is None
    assert page.locator("img[src=x], [onerror], a[href^='javascript:']").count() == 0
    return page.locator("body").inner_text()


def test_no_text_from_outside_runs_on_any_tab(browser: Browser, pool: tuple[DRMState, HostileEngine]) -> None:
    """Ids, labels, names, reasons, errors, prices, on every tab with all that opens on it, under the pointer, now and in the past: no
    script, no element, no breach of the policy, and no header of somebody's. The texts are there, as texts."""
    state, engine = pool
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(
        "window.drmBreaches = []; addEventListener('securitypolicyviolation', (event) => window.drmBreaches.push(event.violatedDirective))"
    )
    said = ""
    with page_over(context, state) as watched:
        for tab in TABS:
            said += opened(watched, f"?tab={tab.key}&decision=now")
        said += opened(watched, f"?tab=utilization&lifetimes=ended&at={START + 60}")
        page = watched.page
        said += opened(watched, f"?tab=utilization&worker={quote(hostile('leaver'))}")
        assert page.locator(f"#{ids.DETAIL}").is_visible()
        engine.fails = True
        state.advance(START + 1000)
        said += opened(watched, "?tab=overview")
        assert page.evaluate("() => window.drmBreaches") == []
        engine.fails = False
    context.close()
    assert [place for place in ON_PAGE if f"={place}<img" not in said] == []


def opened(watched: Watched, query: str) -> str:
    """What a tab says with everything in it opened, and each figure pointed at."""
    page = watched.page
    page.goto(f"{watched.url}{query}&refresh=0")
    key = query.split("tab=")[1].split("&")[0]
    figure = "document.querySelector('.drm-panel:not([hidden]) .js-plotly-plot .main-svg')"
    watched.until(f"!!{figure} || !!document.getElementById('{ids.empty(key)}')?.innerText")
    watched.rest()
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for plot in page.locator(".drm-panel:not([hidden]) .js-plotly-plot").all():
        box = plot.bounding_box()
        if box is not None:
            plot.scroll_into_view_if_needed()
            for share in (0.5, 0.9):
                plot.hover(position={"x": box["width"] * share, "y": box["height"] / 2}, force=True)
    watched.rest()
    return look(page)


def test_no_text_from_outside_runs_in_a_written_page(browser: Browser, pool: tuple[DRMState, HostileEngine], tmp_path: Path) -> None:
    """From file://, where no policy of a server holds: figures and their hover texts, summary, ledger."""
    state, _ = pool
    runner = Runner(state)
    with DRMVisualization(state.manager, output_dir=tmp_path) as visualization:
        visualization.create_resource_dashboard()
        visualization.create_resource_utilization_heatmap()
        visualization.create_cloud_resource_visualization()
    runner.stop()
    context = browser.new_context(offline=True)
    page = context.new_page()
    for path in tmp_path.glob("*.html"):
        page.goto(path.as_uri())
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        for plot in page.locator(".js-plotly-plot").all():
            plot.hover(force=True)
        assert "<img" in look(page)
    context.close()


def test_names_of_files_do_not_run_in_the_index(browser: Browser, tmp_path: Path) -> None:
    """A page that somebody wrote under a hostile name is listed as text, and a link to it leads to it."""
    from drm.pages import About, create_pages

    name = f"<img src=x onerror=window.{RAN}='index'>.html"
    (tmp_path / name).write_text("<title>odd</title>")
    app = create_standalone("127.0.0.1", None)
    app.register_blueprint(create_pages(tmp_path, lambda: About(hostile("state"), hostile("detail"))))
    mount(app, DRMState(DynamicResourceManager()), PREFIX, api_prefix="")
    context = browser.new_context()
    with answering(app, "127.0.0.1") as address:
        page = context.new_page()
        page.goto(address)
        assert name in look(page)
        page.get_by_role("link", name=name).click()
        expect(page).to_have_title("odd")
    context.close()


def test_the_login_leads_nowhere_else(browser: Browser, victim: Victim) -> None:
    """However a browser reads what stands behind `next`."""
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for target in ("//evil.example/", "/\\evil.example", "/%5cevil.example", "/%09/evil.example", "https:evil.example"):
        page.goto(f"{victim.url}/assets/")
        page.evaluate("(action) => { document.forms[0].action = action; }", f"/login?next={target}")
        page.get_by_label("Access token").fill(TOKEN)
        with page.expect_navigation():
            page.get_by_role("button", name="Log in").click()
        context.clear_cookies()
    assert [url for url in asked if "evil" in url.split("?")[0].split("#")[0] and not url.startswith(victim.url)] == []
    context.close()
