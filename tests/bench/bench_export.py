"""Files of a month of a thousand workers: how large they are, and how long they take."""

from __future__ import annotations

import os
import statistics
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from drm.decision import Bounds
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.runner import Runner
from drm.state import DRMState
from drm.visualization import DRMVisualization
from tests.bench.calibration import record, timed
from tests.browser.installed import kaleido_environment
from tests.test_dynamic_resource_management_visualization import METHODS

WORKERS, HOURS = 1000, 720


@pytest.fixture(scope="module")
def state() -> DRMState:
    """A sample an hour of 1000 workers for 30 days; half of them have a GPU, and none is like another."""
    manager = DynamicResourceManager(bounds=Bounds(0, WORKERS), now=0.0)
    for number in range(WORKERS):
        gpu = number % 2
        manager.register_worker(f"worker-{number}", capacity=Resources(cpu=8, memory=32e9, gpu=gpu, gpu_memory=16e9 * gpu))
    state = DRMState(manager)
    Runner(state, 3600)
    chance = np.random.default_rng(0)
    for hour in range(HOURS):
        shares = chance.random((WORKERS, 4))
        for number, (cpu, memory, gpu, gpu_memory) in enumerate(shares.tolist()):
            used = {"cpu": 8 * cpu, "memory": 32e9 * memory}
            manager.report(f"worker-{number}", used=used | ({"gpu": gpu, "gpu_memory": 16e9 * gpu_memory} if number % 2 else {}))
        state.advance(3600.0 * hour)
    return state


def test_pages(state: DRMState, tmp_path: Path) -> None:
    """Each page: 2 MB or less beside Plotly, 2 s or less."""
    with DRMVisualization(state.manager, output_dir=tmp_path) as visualization:
        for method in (*METHODS, "create_resource_dashboard"):
            write = getattr(visualization, method)
            path = Path(write())
            name = path.stem
            times = timed(write, 5)
            record(f"export: {name}.html, median of 5", statistics.median(times), "ms", 2000)
            record(f"export: size of {name}.html", path.stat().st_size / 1e6, "MB", 2)
            assert statistics.median(times) < 5 * 2000 and path.stat().st_size < 2 * 2e6


def test_pictures(state: DRMState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each PNG, browser started and ended: 5 s or less."""
    for name, value in kaleido_environment().items():
        monkeypatch.setenv(name, value)
    with DRMVisualization(state.manager, output_dir=tmp_path, interactive=False) as visualization:
        for method in METHODS:
            write = getattr(visualization, method)
            name = Path(write()).name
            times = timed(write, 3)
            record(f"export: {name}, median of 3", statistics.median(times), "ms", 5000)
            assert statistics.median(times) < 5 * 5000


def test_a_hundred_exports(state: DRMState, tmp_path: Path) -> None:
    """Files: those asked for, and Plotly. Threads and processes: none more. Memory: no growth to speak of."""
    threads, children = threading.active_count(), len(psutil.Process().children(recursive=True))
    with DRMVisualization(state.manager, output_dir=tmp_path) as visualization:
        for method in METHODS:
            getattr(visualization, method)()
        before = psutil.Process().memory_info().rss
        for number in range(100):
            getattr(visualization, METHODS[number % len(METHODS)])()
        grown = (psutil.Process().memory_info().rss - before) / 2**20
    record("export: files after 100 exports of 5 figures", len(os.listdir(tmp_path)), "files", len(METHODS) + 1)
    record("export: growth of memory over 100 exports", grown, "MiB", 50)
    assert len(os.listdir(tmp_path)) == len(METHODS) + 1
    assert threading.active_count() == threads and len(psutil.Process().children(recursive=True)) == children
