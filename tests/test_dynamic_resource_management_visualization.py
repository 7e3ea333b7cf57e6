"""The guide's tests of the visualization: its samples, every method, and the demo on the real pool.

`python -m tests.test_dynamic_resource_management_visualization` runs them; its exit status is 0 where all of them pass.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from drm import DRMVisualization, DRMVisualizationIntegration, DynamicResourceManager, ExportError, Resources
from tests.browser.installed import kaleido_environment

ROOT = Path(__file__).resolve().parents[1]
METHODS = (
    "create_resource_utilization_heatmap",
    "create_scaling_history_visualization",
    "create_resource_allocation_visualization",
    "create_resource_efficiency_visualization",
    "create_cloud_resource_visualization",
)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No thread and no process more than before, whatever a test does."""
    threads = set(threading.enumerate())
    children = set(psutil.Process().children(recursive=True))
    yield
    assert {thread.name for thread in set(threading.enumerate()) - threads} == set()
    assert psutil.wait_procs(set(psutil.Process().children(recursive=True)) - children, timeout=10)[1] == []


@pytest.fixture
def manager() -> Iterator[DynamicResourceManager]:
    """A pool of two workers that report themselves, one of them with a GPU, and a task."""
    with DynamicResourceManager() as manager:
        manager.register_worker("node-1", capacity=Resources(cpu=8, memory=32e9))
        manager.register_worker("node-2", capacity=Resources(cpu=4, memory=16e9, gpu=2, gpu_memory=8e9))
        manager.report("node-1", used={"cpu": 2.0, "memory": 8e9})
        manager.report("node-2", used={"cpu": 1.0, "memory": 4e9, "gpu": 1.5, "gpu_memory": 2e9})
        manager.submit(resources=Resources(cpu=2, memory=4e9), name="train")
        yield manager


def figure_of(path: str | Path, stem: str) -> dict[str, Any]:
    """The Plotly figure that a page holds."""
    told = re.search(rf'<script type="application/json" id="{stem}">(.*?)</script>', Path(path).read_text(), re.DOTALL)
    assert told is not None
    figure: dict[str, Any] = json.loads(told[1])["figure"]
    return figure


def test_the_basic_usage_of_the_guide(manager: DynamicResourceManager, tmp_path: Path) -> None:
    """Figures, the dashboard of files, the live dashboard at its URL, and the end of it all."""
    visualization = DRMVisualization(dynamic_resource_manager=manager, output_dir=tmp_path / "visualizations", interactive=True)
    heatmap_path = visualization.create_resource_utilization_heatmap()
    scaling_path = visualization.create_scaling_history_visualization()
    dashboard_path = visualization.create_resource_dashboard()
    dashboard_url = visualization.start_dashboard_server(port=0)
    with urllib.request.urlopen(dashboard_url, timeout=10) as answer:
        assert b"drm dashboard" in answer.read()
    visualization.cleanup()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(dashboard_url, timeout=10)
    headings = [note["text"] for note in figure_of(heatmap_path, "resource_utilization_heatmap")["layout"]["annotations"]]
    assert [re.search("<b>(.*)</b>", heading)[1] for heading in headings] == ["CPU", "Memory", "GPU", "GPU memory"]  # type: ignore[index]
    assert figure_of(scaling_path, "scaling_history")["data"]
    assert "node-2" in Path(dashboard_path).with_name("workers.csv").read_text()


@pytest.mark.parametrize("method", METHODS)
def test_every_figure_is_written_where_it_is_asked_for(manager: DynamicResourceManager, tmp_path: Path, method: str) -> None:
    """The path that is returned is the one that was given; with nothing beside it that was not needed."""
    with DRMVisualization(manager) as visualization:
        path = getattr(visualization, method)(output_path=str(tmp_path / "mine.html"))
    assert path == str(tmp_path / "mine.html")
    assert {"mine.html"} <= set(os.listdir(tmp_path)) <= {"mine.html", "plotly.min.js"}
    assert "EXTERNAL workers that report themselves" in Path(path).read_text()


@pytest.mark.parametrize("method", METHODS)
def test_without_any_data_every_figure_says_so_in_words(tmp_path: Path, method: str) -> None:
    """A pool that nobody has joined is no error, and nothing is invented."""
    with DRMVisualization(output_dir=tmp_path) as visualization:
        path = Path(getattr(visualization, method)())
    if 'data-figure="' in path.read_text():
        # What there is to see of an empty pool: that nobody was in it.
        (sizes,) = (trace["y"] for trace in figure_of(path, path.stem)["data"] if trace["name"] in ("workers", "current"))
        assert set(sizes) == {0.0, None}
    else:
        assert "There is no data yet" in path.read_text()


def test_a_folder_that_cannot_be_is_named_with_the_remedy(manager: DynamicResourceManager, tmp_path: Path) -> None:
    """And what stands there stays whole."""
    (tmp_path / "file").write_text("mine")
    with DRMVisualization(manager, output_dir=tmp_path / "file") as visualization:
        for method in (*METHODS, "create_resource_dashboard"):
            with pytest.raises(ExportError, match=r"file.*choose another folder"):
                getattr(visualization, method)()
    assert (tmp_path / "file").read_text() == "mine"


def test_exports_again_and_again_leave_the_files_asked_for(manager: DynamicResourceManager, tmp_path: Path) -> None:
    """Each replaces the one before."""
    with DRMVisualization(manager, output_dir=tmp_path) as visualization:
        for number in range(3 * len(METHODS)):
            getattr(visualization, METHODS[number % len(METHODS)])()
    assert len(os.listdir(tmp_path)) == len(METHODS) + 1


def test_rounds_of_the_server_leave_nothing(manager: DynamicResourceManager) -> None:
    """No thread, no process, no socket more than before; a hundred rounds are in the soak."""
    sockets = len(psutil.Process().net_connections())
    with DRMVisualization(manager) as visualization:
        for _ in range(5):
            visualization.start_dashboard_server(port=0)
            visualization.stop_dashboard_server()
    assert len(psutil.Process().net_connections()) == sockets


def test_the_integration_writes_fresh_figures(manager: DynamicResourceManager, tmp_path: Path) -> None:
    """At its pace, with names that bear the time; ten rounds and more leave ten of each."""
    integration = DRMVisualizationIntegration(output_dir=str(tmp_path), update_interval=0.05, resource_manager=manager)
    with integration:
        while integration.written < 60:
            threading.Event().wait(0.05)
    assert integration.failures == 0
    assert len(list(tmp_path.glob("scaling_history-*Z.html"))) == 10


def run_demo(folder: Path, *arguments: str) -> str:
    """What the demo prints."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.run_drm_visualization_integration_test", "--output-dir", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=150,
        cwd=ROOT,
        env=os.environ | kaleido_environment(),
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_demo_leaves_six_pages_of_what_it_measured(tmp_path: Path) -> None:
    """A real pool that really grew, a panel for each resource of it, and the dashboard served meanwhile."""
    told = run_demo(tmp_path, "--interactive", "--dashboard", "--duration", "15")
    assert re.search(r"the dashboard is at http://127.0.0.1:\d+/drm-dashboard/", told)
    assert len(list(tmp_path.glob("*.html"))) == 6
    heatmap = figure_of(tmp_path / "resource_utilization_heatmap.html", "resource_utilization_heatmap")
    assert [note["text"][:6] for note in heatmap["layout"]["annotations"]] == ["<b>CPU", "<b>Mem"]
    with (tmp_path / "decisions.csv").open(newline="") as file:
        decisions = list(csv.DictReader(file))
    assert any(row["action"] == "scale_up" and row["outcome"] == "done" and int(row["granted"]) > 0 for row in decisions)
    assert {row["source"] for row in decisions} == {"LIVE this machine"}
    scaling = {trace["name"]: trace for trace in figure_of(tmp_path / "scaling_history.html", "scaling_history")["data"]}
    grown = {int(row["id"]) for row in decisions if row["action"] == "scale_up" and row["outcome"] != "failed"}
    assert grown & set(scaling["Grew"]["customdata"])
    assert max(size for size in scaling["current"]["y"] if size is not None) > 1


def test_the_demo_leaves_five_pictures(tmp_path: Path) -> None:
    """Without `--interactive` they are PNGs."""
    run_demo(tmp_path, "--duration", "1")
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == 5
    assert all(picture.read_bytes().startswith(PNG_SIGNATURE) and picture.stat().st_size > 10_000 for picture in pictures)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--duration", "0"), "more than 0"),
        (("--duration", "soon"), "'soon'"),
        (("--output-dir", "/dev/null"), "'/dev/null'"),
        (("-x",), "-x"),
    ],
)
def test_a_wrong_argument_of_the_demo_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    """And status 2, before anything is started."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.run_drm_visualization_integration_test", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1 and said in run.stderr


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
