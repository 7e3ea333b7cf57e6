"""The page below a path that a proxy put before it, and the monitoring server with its pages, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from drm import DRMVisualizationIntegration, DynamicResourceManager, MonitoringDashboard, Resources, Runner, mount
from drm.push_server import PushServer
from drm.server import Server
from drm.state import DRMState
from tests.browser.watched import Watched, text
from tests.integration.nginx import PASSWORD, USER, guide_application, nginx_before

SCRIPTED = """<!doctype html><title>report</title><link rel="icon" href="data:,"><p id="said">not run</p>
<script>
document.getElementById("said").textContent = "origin " + self.origin;
fetch("/api/v1/snapshot").then(() => "read", () => "refused").then((told) => { document.title = told; });
</script>"""
"""A page of somebody else's that tries to read the API."""


@pytest.fixture(scope="module")
def manager() -> Iterator[DynamicResourceManager]:
    """A pool of one worker that reports itself."""
    with DynamicResourceManager() as manager:
        manager.register_worker("node-1", capacity=Resources(cpu=8, memory=32e9))
        manager.report("node-1", used={"cpu": 2.0, "memory": 8e9})
        yield manager


@pytest.fixture(scope="module")
def monitoring(manager: DynamicResourceManager, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitoringDashboard]:
    """With the integration, whose figures are its pages, and a scripted page."""
    folder = tmp_path_factory.mktemp("dashboards")
    (folder / "scripted.html").write_text(SCRIPTED)
    dashboard = MonitoringDashboard("localhost", 0, folder)
    dashboard.drm_visualization_integration = DRMVisualizationIntegration(folder, 600, manager)
    with dashboard:
        yield dashboard


def test_the_page_below_a_path_lives(context: BrowserContext) -> None:
    """It draws, its callbacks answer, it stays in contact, and asks for nothing outside of that path."""
    with DynamicResourceManager() as own:
        own.register_worker("node-1", capacity=Resources(cpu=8, memory=32e9))
        state, host = DRMState(own), Flask("host", static_folder=None)
        mount(host, state)
        with Server("127.0.0.1", 0) as server, Runner(state, 0.2):
            server.start(DispatcherMiddleware(Flask("root", static_folder=None), {"/monitor": host}))  # type: ignore[arg-type]
            watched = Watched(context, f"{server.url}/monitor/drm-dashboard/")
            page = watched.open("?tab=scaling")
            before = watched.calls()
            watched.until("document.getElementById('drm-health-text').textContent.startsWith('last tick')")
            watched.asked_for(before + 3)
            assert text(page, "drm-health-text").startswith("last tick")
            asked = [request.url for request in watched.requests if not request.url.startswith(("data:", "blob:"))]
            assert [url for url in asked if not url.startswith(f"{server.url}/monitor/drm-dashboard/")] == []
            watched.close()


def test_the_page_behind_nginx_is_pushed(context: BrowserContext, tmp_path: Path) -> None:
    """With the guide's configuration and application: it draws, its websocket stays open through nginx, and a change is told."""
    guide = guide_application("PushedApplication")
    state = guide["state"]
    state.manager.register_worker("node-1", capacity=Resources(cpu=8, memory=32e9))
    with PushServer("127.0.0.1", 0) as server, nginx_before(server.port, tmp_path) as url, Runner(state, 0.2):
        server.start(guide["pushed"])
        watched = Watched(context, f"{url}/monitor/drm-dashboard/")
        # Once in an address: from then on the browser shows them by itself, to the websocket as well.
        watched.page.goto(watched.url.replace("http://", f"http://{USER}:{PASSWORD}@") + "healthz")
        watched.page.wait_for_timeout(500)
        # That answer has no icon, for which the browser asked nginx itself.
        watched.errors.clear()
        watched.requests.clear()
        page = watched.open()
        watched.until("document.getElementById('drm-way').textContent === 'pushed'")
        state.manager.register_worker("node-2", capacity=Resources(cpu=8, memory=32e9))
        watched.until("document.getElementById('drm-summary-workers-value').textContent === '2'")
        page.wait_for_timeout(1_500)
        assert text(page, "drm-way") == "pushed"
        watched.close()


def test_the_index_leads_to_the_dashboard(context: BrowserContext, monitoring: MonitoringDashboard) -> None:
    """A click opens it, and it draws."""
    watched = Watched(context, monitoring.url)
    watched.page.goto(monitoring.url)
    watched.page.get_by_role("link", name="DRM dashboard").click()
    watched.drawn()
    assert "workers that report themselves" in text(watched.page, "drm-source")
    watched.close()


def test_a_page_of_the_folder_runs_and_cannot_read_the_api(context: BrowserContext, monitoring: MonitoringDashboard) -> None:
    """Its origin is nobody's."""
    page = context.new_page()
    page.goto(f"{monitoring.url}pages/scripted.html")
    expect(page).to_have_title("refused")
    assert text(page, "said") == "origin null"
    page.close()


def test_a_written_figure_is_drawn_in_its_sandbox(context: BrowserContext, monitoring: MonitoringDashboard) -> None:
    """With the plotly.min.js beside it, and no error."""
    for _ in range(100):
        written = sorted(Path(monitoring.dashboard_dir).glob("resource_utilization_heatmap-*.html"))
        if written:
            break
        time.sleep(0.1)
    errors: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.goto(f"{monitoring.url}pages/{written[0].name}")
    page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=30_000)
    page.close()
    assert errors == []
