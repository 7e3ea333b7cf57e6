"""DRMVisualization and its integration: names, arguments, who ticks, what is written where, and what is left behind."""

from __future__ import annotations

import csv
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drm import export as export_module
from drm import integration as integration_module
from drm.cloud.manager import CloudProviderManager
from drm.decision import Bounds
from drm.errors import DRMError, InvalidValueError
from drm.exports import EXPORTS, Export
from drm.files import ExportError
from drm.integration import DRMVisualizationIntegration
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.runner import Runner
from drm.server import PortError
from drm.visualization import DRMVisualization
from tests.unit.page_pool import START, state_with_history
from tests.unit.test_cloud_providers import Rented

CREATE = {
    "create_resource_utilization_heatmap": "resource_utilization_heatmap",
    "create_scaling_history_visualization": "scaling_history",
    "create_resource_allocation_visualization": "resource_allocation",
    "create_resource_efficiency_visualization": "resource_efficiency",
    "create_cloud_resource_visualization": "cloud_resources",
}


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Whatever a test does, its threads end."""
    before = set(threading.enumerate())
    yield
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()


@pytest.fixture
def visualization(tmp_path: Path) -> Iterator[DRMVisualization]:
    """Over two minutes of two workers, whose Runner is somebody else's."""
    state = state_with_history()
    Runner(state)
    with DRMVisualization(state.manager, output_dir=tmp_path) as made:
        yield made


@pytest.mark.parametrize(("method", "stem"), CREATE.items())
def test_each_method_writes_its_page_and_returns_the_path(visualization: DRMVisualization, tmp_path: Path, method: str, stem: str) -> None:
    """Under the stem of the guide, with Plotly beside it unless there is nothing to draw."""
    path = getattr(visualization, method)()
    assert path == str(tmp_path / f"{stem}.html")
    assert Path(path).read_text().startswith("<!DOCTYPE html>")
    assert set(os.listdir(tmp_path)) <= {f"{stem}.html", "plotly.min.js"}


def test_a_path_of_ones_own_decides_what_is_written(visualization: DRMVisualization, tmp_path: Path) -> None:
    """A name without an ending gets one; the folder is made; an ending that is neither is refused with the value."""
    assert visualization.create_scaling_history_visualization(tmp_path / "deep" / "mine") == str(tmp_path / "deep" / "mine.html")
    assert visualization.create_scaling_history_visualization(output_path=str(tmp_path / "mine.HTML")).endswith("mine.HTML")
    with pytest.raises(InvalidValueError, match=r"end in .html or .png, got .*mine.pdf"):
        visualization.create_scaling_history_visualization(tmp_path / "mine.pdf")


def test_a_cloud_that_is_given_is_asked_for_each_file_and_drawn(tmp_path: Path) -> None:
    """It takes the place of the manager's own; what it has stands in the figure; what is no CloudProviderManager is refused by value."""
    rented = Rented()
    rented.launch(3, "m5.large")
    clouds = CloudProviderManager([rented])
    manager = state_with_history().manager
    with DRMVisualization(manager, cloud_provider_manager=clouds, output_dir=tmp_path) as made:
        assert manager.cloud is clouds and rented.asked == 0
        assert "m5.large 3" in Path(made.create_cloud_resource_visualization()).read_text() and rented.asked == 1
    with pytest.raises(InvalidValueError, match=r"cloud_provider_manager must be .* got 'aws'"):
        DRMVisualization(manager, cloud_provider_manager="aws", output_dir=tmp_path)  # type: ignore[arg-type]


def test_a_cloud_file_without_a_worker_says_how_to_connect_a_cloud(tmp_path: Path) -> None:
    """Words, with the exact names."""
    with DRMVisualization(output_dir=tmp_path) as made:
        text = Path(made.create_cloud_resource_visualization()).read_text()
    assert "There is no data yet" in text and "CloudProviderManager([...])" in text


def test_a_png_is_written_where_it_is_asked_for(visualization: DRMVisualization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `interactive=False`, or by the ending of the path; what was drawn bears title, source and range."""
    asked: list[dict[str, Any]] = []

    def rendered(figures: list[dict[str, Any]]) -> list[bytes]:
        asked.extend(figures)
        return [b"png"] * len(figures)

    monkeypatch.setattr(export_module, "_rendered", rendered)
    visualization.interactive = False
    assert visualization.create_scaling_history_visualization() == str(tmp_path / "scaling_history.png")
    assert visualization.create_cloud_resource_visualization(tmp_path / "c.png") == str(tmp_path / "c.png")
    assert [figure["layout"]["title"]["text"] for figure in asked] == ["<b>Scaling history</b>", "<b>Cloud resources</b>"]
    assert asked[0]["layout"]["title"]["subtitle"]["text"].startswith("<b>EXTERNAL</b> workers that report themselves · 2 min to 2027-01-1")
    assert [trace["name"] for trace in asked[1]["data"] if trace["y"][-1]], "the pool's own workers are drawn"
    index = visualization.create_resource_dashboard(tmp_path / "all")
    assert sorted(os.listdir(tmp_path / "all")) == sorted(
        [*(f"{stem}.png" for stem in CREATE.values()), "decisions.csv", "index.html", "series.csv", "workers.csv"]
    )
    assert '<img src="scaling_history.png"' in Path(index).read_text()


def test_a_plot_is_shown_by_the_browser(visualization: DRMVisualization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the file that it is; where there is no browser, that is logged and the path returned all the same."""
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(shown.append(url)))
    path = visualization.create_scaling_history_visualization(show_plot=True)
    assert shown == [Path(path).as_uri()]


def test_the_dashboard_of_files_is_whole(visualization: DRMVisualization, tmp_path: Path) -> None:
    """All figures, the summary, the ledger and links to the data, whose rows say whose they are; hostile names are text."""
    text = Path(visualization.create_resource_dashboard()).read_text()
    for stem in list(CREATE.values())[:4]:
        assert f'data-figure="{stem}"' in text
    assert '<p class="drm-value">2</p>' in text and "8 cores used (67 %)" in text
    assert "maintain" in text and "times</td>" in text and 'href="decisions.csv"' in text
    assert "EXTERNAL workers that report themselves" in text and "<b>fast" not in text
    with (tmp_path / "workers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["state"], row["used_cpu_cores"], row["used_gpu_memory_bytes"]) for row in rows] == [
        ("plain", "running", "2.0", ""),
        ("<b>fast", "running", "6.0", ""),
    ]
    assert {row["source"] for row in rows} == {"EXTERNAL workers that report themselves"}
    with (tmp_path / "series.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert (last["used_cpu"], last["workers_current"], last["cost_rate"]) == ("8.0", "2.0", "")
    with (tmp_path / "decisions.csv").open(newline="") as file:
        decisions = list(csv.DictReader(file))
    assert sum(int(row["evaluations"]) for row in decisions) == 120
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"update_interval": 0}, "update_interval must be a positive number of seconds, got 0"),
        ({"update_interval": math.nan}, "update_interval must be a positive number of seconds, got nan"),
        ({"update_interval": "60"}, "update_interval must be a positive number of seconds, got '60'"),
        ({"data_retention_days": -1}, "data_retention_days must be a positive number of days, got -1"),
        ({"dashboard_port": 70_000}, "dashboard_port must be a whole number from 0 to 65535 .*, got 70000"),
        ({"dashboard_port": True}, "dashboard_port must be"),
        ({"dynamic_resource_manager": "drm"}, "dynamic_resource_manager must be a DynamicResourceManager, .*, got 'drm'"),
        ({"output_dir": ""}, "a path must be a text"),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, Any], said: str) -> None:
    """With its value and the rule, before anything is started."""
    with pytest.raises(InvalidValueError, match=said):
        DRMVisualization(**arguments)


def test_without_a_manager_it_has_one_of_its_own_and_closes_it(tmp_path: Path) -> None:
    """An external pool that the program tells of its workers; cleanup ends it, twice if asked."""
    made = DRMVisualization(output_dir=tmp_path)
    manager = made.state.manager
    manager.register_worker("w", capacity=Resources(cpu=2))
    manager.report("w", used={"cpu": 1.0})
    text = Path(made.create_resource_utilization_heatmap()).read_text()
    assert "CPU" in text and '"w"' in text
    made.cleanup()
    made.cleanup()
    with pytest.raises(DRMError, match="closed"):
        manager.advance(START)
    with pytest.raises(DRMError, match="cleaned up"):
        made.start_dashboard_server(0)


def test_who_ticks(tmp_path: Path) -> None:
    """A Runner of its own where there is none, which ends with it; another's is left alone."""
    manager = DynamicResourceManager()
    with DRMVisualization(manager, output_dir=tmp_path, update_interval=60) as made:
        own = made.state.runner
        assert isinstance(own, Runner) and own.running and own.interval_seconds == 60
        with DRMVisualizationIntegration(tmp_path, 60, manager):
            assert made.state.runner is own
        assert made.state.runner is own
    assert made.state.runner is None
    with Runner(made.state, 0.5) as other:
        with DRMVisualization(manager, output_dir=tmp_path):
            assert made.state.runner is other
        assert other.running


def test_retention_bounds_what_is_shown(visualization: DRMVisualization) -> None:
    """Of two minutes, the last one."""
    visualization.data_retention_days = 60 / 86_400
    assert "1 min to 2027" in Path(visualization.create_scaling_history_visualization()).read_text()


def test_the_server_starts_once_and_stops_twice(visualization: DRMVisualization) -> None:
    """The URL of the running one is given again; a port in use and another port are refused with the value."""
    url = visualization.start_dashboard_server(0)
    port = int(url.split(":")[2].split("/")[0])
    assert visualization.start_dashboard_server() == url
    assert visualization.start_dashboard_server(port) == url
    with pytest.raises(DRMError, match=rf"served at .*{port} already, not on port {port - 1}"):
        visualization.start_dashboard_server(port - 1)
    with DRMVisualization() as other, pytest.raises(PortError, match=str(port)):
        other.start_dashboard_server(port)
    visualization.stop_dashboard_server()
    visualization.stop_dashboard_server()
    with pytest.raises(InvalidValueError, match="port must be a whole number .*, got -1"):
        visualization.start_dashboard_server(-1)


def test_in_the_foreground_it_blocks_until_it_is_stopped(visualization: DRMVisualization) -> None:
    """From another thread; the URL is what the call returns."""
    urls: list[str] = []
    thread = threading.Thread(target=lambda: urls.append(visualization.start_dashboard_server(0, background=False)))
    thread.start()
    while visualization._server is None:
        thread.join(0.01)
    assert thread.is_alive()
    visualization.stop_dashboard_server()
    thread.join(10)
    assert not thread.is_alive() and urls[0].endswith("/drm-dashboard/")


def test_a_token_of_the_environment_guards_the_server(visualization: DRMVisualization, monkeypatch: pytest.MonkeyPatch) -> None:
    """DRM_TOKEN holds here as on the command line; one that fits no header is refused, and the port is free again."""
    import urllib.error
    import urllib.request

    monkeypatch.setenv("DRM_TOKEN", "an open secret")
    with pytest.raises(InvalidValueError, match="DRM_TOKEN"):
        visualization.start_dashboard_server(0)
    monkeypatch.setenv("DRM_TOKEN", "0123456789abcdef")
    url = visualization.start_dashboard_server(0)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url, timeout=10)
    request = urllib.request.Request(url, headers={"Authorization": "Bearer 0123456789abcdef"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_html_needs_neither_dash_nor_distributed(tmp_path: Path) -> None:
    """A program that writes pages pays for nothing else."""
    code = f"""
import sys
from drm import DRMVisualization
with DRMVisualization(output_dir={str(tmp_path)!r}) as visualization:
    visualization.create_scaling_history_visualization()
    visualization.create_resource_dashboard()
print([name for name in ('dash', 'distributed', 'duckdb', 'pandas', 'plotly', 'kaleido', 'flask') if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"


def integration(tmp_path: Path, times: Iterator[float]) -> DRMVisualizationIntegration:
    state = state_with_history()
    Runner(state)
    return DRMVisualizationIntegration(tmp_path, 3600, state.manager, clock=lambda: next(times))


def test_the_integration_keeps_the_newest_ten_of_each(tmp_path: Path) -> None:
    """Twelve rounds leave ten files of each figure, the last ones, and Plotly once."""
    made = integration(tmp_path, iter([START + number for number in range(100)]))
    for _ in range(12):
        made.write()
    assert made.written == 60 and made.failures == 0
    for stem in CREATE.values():
        assert len(list(tmp_path.glob(f"{stem}-*.html"))) == 10
    assert len(os.listdir(tmp_path)) == 51


def test_a_figure_that_fails_is_counted_and_the_next_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names it; the others are there."""

    def fail(_scope: object) -> None:
        raise RuntimeError("no such luck")

    broken = Export("scaling", "scaling_history", "Scaling history", fail, "")
    monkeypatch.setattr(integration_module, "EXPORTS", (broken, *EXPORTS[2:]))
    made = integration(tmp_path, iter([START] * 10))
    made.write()
    assert (made.written, made.failures) == (3, 1)
    assert "scaling_history" in caplog.text and "no such luck" in caplog.text


def test_the_integration_writes_at_once_and_stops(tmp_path: Path) -> None:
    """Started and stopped, twice over; the state is the manager's, and a Runner is there while it runs."""
    manager = DynamicResourceManager(bounds=Bounds(0, 2))
    made = DRMVisualizationIntegration(tmp_path, 3600, manager)
    assert made.state.manager is manager
    for round_number in (1, 2):
        made.start()
        made.start()
        while made.written < 5 * round_number:
            made._thread.join(0.01)  # type: ignore[union-attr]
        assert made.state.runner is not None
        made.stop()
        made.stop()
        assert made.state.runner is None
    assert made.failures == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"update_interval": 0}, "update_interval must be a positive number of seconds, got 0"),
        ({"resource_manager": None}, "resource_manager must be a DynamicResourceManager, got None: DynamicResourceManager"),
        ({"output_dir": "\0"}, "a path must be a text"),
    ],
)
def test_a_bad_argument_of_the_integration_is_named(tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    """With its value and the remedy."""
    with pytest.raises(InvalidValueError, match=said):
        DRMVisualizationIntegration(
            **({"output_dir": tmp_path, "update_interval": 60, "resource_manager": DynamicResourceManager()} | arguments)
        )


def test_a_folder_that_is_a_file_is_a_typed_error(visualization: DRMVisualization, tmp_path: Path) -> None:
    """The file stays as it is."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExportError, match="a file stands where the folder should be"):
        visualization.create_resource_dashboard(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_long_ledger_is_cut_in_the_page_and_said_so(
    visualization: DRMVisualization, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The page shows the newest rows and where the others are."""
    monkeypatch.setattr("drm.report.ROWS", 1)
    manager = visualization.state.manager
    for second in range(3):
        manager.set_bounds(0, 5 + second)
        manager.submit(resources=Resources(cpu=1))
        visualization.state.advance(START + 200 + second)
    text = Path(visualization.create_resource_dashboard()).read_text()
    kept = len((tmp_path / "decisions.csv").read_text().splitlines()) - 1
    assert kept > 1 and text.count("<tr>") == 2
    assert f"The newest 1; decisions.csv has all {kept}." in text
