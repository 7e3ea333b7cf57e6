"""A hundred rounds of the monitoring server with a real integration, and of the server of a visualization: `make soak`."""

from __future__ import annotations

import threading
import urllib.request
from pathlib import Path

import psutil

from drm import DRMVisualization, DRMVisualizationIntegration, DynamicResourceManager, MonitoringDashboard, Resources

ROUNDS = 100


def counts() -> tuple[int, int, int, int]:
    """Threads, sockets, child processes and open files of this process."""
    process = psutil.Process()
    return threading.active_count(), len(process.net_connections()), len(process.children(recursive=True)), process.num_fds()


def test_a_hundred_rounds_leave_nothing(tmp_path: Path) -> None:
    """No thread, socket, process or open file more after the last round than after the first."""
    manager = DynamicResourceManager()
    manager.register_worker("node-1", capacity=Resources(cpu=8, memory=32e9))
    dashboard = MonitoringDashboard("localhost", 0, tmp_path / "pages")
    dashboard.drm_visualization_integration = DRMVisualizationIntegration(tmp_path / "pages", 60, manager)
    first, after = counts(), counts()
    for round_number in range(ROUNDS):
        url = dashboard.start()
        with urllib.request.urlopen(f"{url}drm-dashboard/", timeout=10) as answer:
            assert answer.status == 200
        dashboard.stop()
        after = counts()
        if round_number == 0:
            first = after
    print(f"\nthreads, sockets, processes, open files: {first} after 1 round, {after} after {ROUNDS}")
    assert after == first
    manager.close()


def test_a_hundred_rounds_of_a_visualizations_server_leave_nothing(tmp_path: Path) -> None:
    """The same."""
    first: tuple[int, int, int, int] | None = None
    with DynamicResourceManager() as manager, DRMVisualization(manager, output_dir=tmp_path) as visualization:
        for _ in range(ROUNDS):
            visualization.start_dashboard_server(port=0)
            visualization.stop_dashboard_server()
            after = counts()
            first = first or after
    print(f"\nthreads, sockets, processes, open files: {first} after 1 round, {after} after {ROUNDS}")
    assert after == first
