"""The guide's tests of the monitoring dashboard with the DRM dashboard in it: its sample, and what the page says of a real manager.

`python -m tests.test_drm_dashboard_integration` runs them; its exit status is 0 where all of them pass.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from drm import DRMState, DRMVisualizationIntegration, DynamicResourceManager, MonitoringDashboard, Resources
from tests.integration.hosts import header_call

ROOT = Path(__file__).resolve().parents[1]

SAMPLE = """
from drm import MonitoringDashboard
from drm import DRMVisualizationIntegration
from drm import DynamicResourceManager

# Create a DRM instance
drm = DynamicResourceManager()

# Create DRM visualization integration
drm_integration = DRMVisualizationIntegration(
    output_dir="./drm_visualizations",
    update_interval=60,  # 1 minute update interval
    resource_manager=drm
)

# Create and start the monitoring dashboard with DRM integration
dashboard = MonitoringDashboard(
    host="localhost",
    port=8080,
    dashboard_dir="./dashboards"
)

# Set the DRM integration
dashboard.drm_visualization_integration = drm_integration

# Start the dashboard
dashboard.run()
"""
"""As it stands in the guide, but for the import lines."""


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No thread and no process more than before, whatever a test does."""
    threads = set(threading.enumerate())
    children = set(psutil.Process().children(recursive=True))
    yield
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert {thread.name for thread in set(threading.enumerate()) - threads} == set()
    assert psutil.wait_procs(set(psutil.Process().children(recursive=True)) - children, timeout=10)[1] == []


@pytest.fixture
def manager() -> Iterator[DynamicResourceManager]:
    """A pool of two workers that report themselves, and a task on one of them."""
    with DynamicResourceManager(interval_seconds=0.1) as manager:
        for worker_id, cores in (("node-1", 8), ("node-2", 4)):
            manager.register_worker(worker_id, capacity=Resources(cpu=cores, memory=16e9))
            manager.report(worker_id, used={"cpu": cores / 4, "memory": 4e9})
        manager.submit(resources=Resources(cpu=2, memory=4e9), name="train")
        yield manager


@pytest.fixture
def dashboard(manager: DynamicResourceManager, tmp_path: Path) -> Iterator[MonitoringDashboard]:
    """The monitoring dashboard with the integration, started on a free port."""
    integration = DRMVisualizationIntegration(output_dir=str(tmp_path / "figures"), update_interval=0.5, resource_manager=manager)
    dashboard = MonitoringDashboard(host="localhost", port=0, dashboard_dir=str(tmp_path / "figures"))
    dashboard.drm_visualization_integration = integration
    with dashboard:
        yield dashboard


def read(url: str) -> str:
    """The text of an answer."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def snapshot(dashboard: MonitoringDashboard) -> dict[str, Any]:
    """The pool, as programs read it."""
    told: dict[str, Any] = json.loads(read(f"{dashboard.url}api/v1/snapshot"))
    return told


def until(condition: Any) -> None:
    """Waits for it to be true."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Whether the address answers by now."""
    try:
        read(url)
    except (OSError, urllib.error.URLError):
        return False
    return True


def run_the_sample(python: str, folder: Path, environment: dict[str, str], number: signal.Signals) -> None:
    """It serves the index and, with and without the slash, the dashboard; writes figures; and a signal ends it with status 0, in 5 s."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "sample.py").write_text(SAMPLE.replace("8080", str(port)))
    program = subprocess.Popen([python, "sample.py"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        until(lambda: program.poll() is not None or answers(f"http://localhost:{port}/drm-dashboard"))
        assert program.poll() is None
        for path in ("/drm-dashboard", "/drm-dashboard/"):
            assert "drm dashboard" in read(f"http://localhost:{port}{path}")
        assert 'href="/drm-dashboard/"' in read(f"http://localhost:{port}/")
        until(lambda: len(list((folder / "drm_visualizations").glob("*.html"))) >= 5)
    finally:
        program.send_signal(number)
        began = time.monotonic()
        status = program.wait(20)
    assert program.stdout is not None
    with program.stdout:
        assert f"http://localhost:{port}/" in program.stdout.read()
    assert status == 0
    assert time.monotonic() - began < 5
    assert (folder / "dashboards").is_dir()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_sample_of_the_guide(tmp_path: Path, number: signal.Signals) -> None:
    """It runs as it stands, but for the import lines."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRM_")} | {"PYTHONPATH": str(ROOT)}
    run_the_sample(sys.executable, tmp_path, environment, number)


def test_the_dashboard_shows_the_managers_pool(dashboard: MonitoringDashboard) -> None:
    """Its workers with what they have and use, and its task; a worker that joins is there after a tick."""
    until(lambda: len(snapshot(dashboard)["workers"]) == 2)
    workers = {worker["id"]: worker for worker in snapshot(dashboard)["workers"]}
    assert workers["node-1"]["capacity"] == {"cpu": 8.0, "memory": 16e9}
    assert workers["node-2"]["used"]["cpu"] == 1.0
    integration = dashboard.drm_visualization_integration
    assert integration is not None
    integration.state.manager.register_worker("node-3", capacity=Resources(cpu=2, memory=8e9))
    until(lambda: len(snapshot(dashboard)["workers"]) == 3)
    assert snapshot(dashboard)["last_decision"]["action"] in ("scale_up", "scale_down", "maintain")


def test_the_dashboard_has_every_tab_and_its_callbacks_answer(dashboard: MonitoringDashboard) -> None:
    """The layout names them, and the header's callback tells of the same pool."""
    layout = read(f"{dashboard.url}drm-dashboard/_dash-layout")
    from drm.tabs import TABS

    assert all(f'"{tab.label}"' in layout for tab in TABS)
    body = header_call(json.loads(read(f"{dashboard.url}drm-dashboard/_dash-dependencies")))
    request = urllib.request.Request(
        f"{dashboard.url}drm-dashboard/_dash-update-component", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        told = json.loads(answer.read())["response"]
    assert "workers that report themselves" in told["drm-source"]["children"]
    assert told["drm-health"]["data"]["ok"] is True


def test_the_index_lists_the_figures_that_the_integration_writes(dashboard: MonitoringDashboard) -> None:
    """A folder of figures may be the folder of pages: each is a link that answers with the figure."""
    until(lambda: len(set(re.findall(r'href="(/pages/(\w+)-[^"]*\.html)"', read(dashboard.url)))) >= 5)
    links = re.findall(r'href="(/pages/[^"]*\.html)"', read(dashboard.url))
    stems = {link.removeprefix("/pages/").rpartition("-")[0] for link in links}
    assert {"resource_utilization_heatmap", "scaling_history"} <= stems
    newest = next(link for link in links if "resource_utilization_heatmap" in link)
    assert "workers that report themselves" in read(dashboard.url.rstrip("/") + newest)


def test_the_integration_may_come_after_the_dashboard(manager: DynamicResourceManager, tmp_path: Path) -> None:
    """Set at any time before the start; both stop together, and the manager goes on, with nobody ticking it."""
    dashboard = MonitoringDashboard(host="localhost", port=0, dashboard_dir=str(tmp_path))
    integration = DRMVisualizationIntegration(str(tmp_path / "figures"), 60, manager)
    dashboard.drm_visualization_integration = integration
    dashboard.start()
    assert integration.running
    assert DRMState(manager).runner is not None
    dashboard.stop()
    assert not integration.running
    assert DRMState(manager).runner is None
    assert manager.snapshot.worker_ids


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
