"""The Efficiency tab's numbers at their bounds: what a sample, a view, a study and the means of workers cost."""

from __future__ import annotations

import statistics

import numpy as np

from drm.analysis import efficiency, right_sizing
from drm.history.rings import Rings
from drm.manager import DynamicResourceManager
from drm.model import Resources, Task
from drm.observation import TaskReport
from drm.task_usage import SAMPLES_KEPT, TaskUsage
from tests.bench.calibration import record, timed

GIB = 2.0**30


def full(shapes: int) -> TaskUsage:
    """So many shapes with all the samples that are kept."""
    usage, chance = TaskUsage(), np.random.default_rng(0).random((shapes, SAMPLES_KEPT, 2))
    for shape in range(shapes):
        request = Resources(cpu=1 + shape % 7, memory=2 * GIB)
        for number, (cores, memory) in enumerate(chance[shape].tolist()):
            add(usage, f"kind-{shape}", request, 1000.0 + number, Resources(cpu=cores, memory=GIB * memory))
    return usage


def add(usage: TaskUsage, name: str, request: Resources, at: float, used: Resources) -> None:
    """One attempt of ten seconds."""
    task = Task("t", name, request, "running", at, placed_at=at)
    usage.ended(task, TaskReport("t", "done", finished_at=at + 10, used=used), at)


def test_samples_and_their_study() -> None:
    """50 shapes as they are usual, and 1000 as the most that are kept, each with 500 samples: linear, and without a surprise."""
    snapshot = DynamicResourceManager(now=2000.0).advance(2000.0)
    for shapes, most_ms in ((50, 25), (1000, 500)):
        usage = full(shapes)
        times = timed(lambda usage=usage: add(usage, "kind-0", Resources(cpu=1, memory=2 * GIB), 1e4, Resources(cpu=0.5)), 1000)
        record(f"usage: one sample, {shapes} shapes", 1000 * statistics.median(times), "us", 30)
        view = usage.view()

        def refresh(usage: TaskUsage = usage) -> None:
            add(usage, "kind-0", Resources(cpu=1, memory=2 * GIB), 1e4, Resources(cpu=0.5))
            usage.view()

        record(f"usage: view after one sample, {shapes} shapes", statistics.median(timed(refresh, 50)), "ms", 2)
        times = timed(lambda view=view: right_sizing.study(efficiency.of_shapes(view, 0.0, 2000.0), snapshot), 7)
        record(f"right-sizing: study of {shapes} x {SAMPLES_KEPT} samples", statistics.median(times), "ms", most_ms)
        assert statistics.median(times) < 5 * most_ms


def test_means_of_ten_thousand_workers() -> None:
    """An hour of 10 000 workers, all 720 buckets: 25 ms or less."""
    rings, workers = Rings(5.0), tuple(f"w{number}" for number in range(10_000))
    allocated = np.random.default_rng(0).random((10_000, 4))
    for bucket in range(720):
        rings.append(1e9 + 5 * bucket, workers, allocated / 2, allocated, np.zeros(10_000, bool), {})
    times = timed(lambda: rings.worker_means("cpu", 3600, 1e9 + 5 * 719), 15)
    record("rings: means of 10 000 workers over an hour", statistics.median(times), "ms", 25)
    assert statistics.median(times) < 5 * 25
