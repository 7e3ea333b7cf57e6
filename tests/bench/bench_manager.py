"""One tick of a manager over 10 000 external workers with four resources."""

from __future__ import annotations

import statistics

from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.manager import DynamicResourceManager
from drm.model import Resources
from tests.bench.calibration import record, timed

GIB = 2.0**30
CAPACITY = Resources(cpu=16, memory=64 * GIB, gpu=2, gpu_memory=48 * GIB)
SHAPES = [
    Resources(cpu=1 + shape % 5, memory=(1 + shape % 7) * GIB, gpu=(shape % 4) / 4, gpu_memory=(shape % 3) * GIB) for shape in range(20)
]


class Pool:
    """10 000 workers that report each tick, and 5000 running tasks."""

    def __init__(self, shapes: list[Resources]) -> None:
        self.now = 0.0
        self.manager = DynamicResourceManager(ExternalEngine(), bounds=Bounds(0, 10_000), now=0.0)
        self.ids = [f"w{number}" for number in range(10_000)]
        for worker_id in self.ids:
            self.manager.register_worker(worker_id, capacity=CAPACITY)
        self.shapes = shapes
        for number in range(5000):
            self.manager.submit(resources=SHAPES[number % 20])
        self.report()
        self.tick()
        assert self.manager.snapshot.tasks.running == 5000

    def report(self) -> None:
        """Heartbeats; outside of the measured tick, as they are in a real pool."""
        for worker_id in self.ids:
            self.manager.report(worker_id, used={"cpu": 3.0, "memory": 9 * GIB, "gpu": 0.5, "gpu_memory": GIB})

    def queue(self, count: int) -> None:
        """Tasks that wait for the next tick."""
        for number in range(count):
            self.manager.submit(resources=self.shapes[number % len(self.shapes)])

    def tick(self) -> None:
        """One second later."""
        self.now += 1
        self.manager.advance(self.now)


def test_a_tick_with_an_empty_queue() -> None:
    """10 000 workers, 5000 running tasks: 50 ms or less."""
    pool = Pool(SHAPES)
    median = statistics.median(timed(pool.tick, 30))
    record("tick, 10 000 workers, 5000 running", median, "ms", 50)
    assert median < 5 * 50


def test_a_tick_that_places_a_thousand_tasks() -> None:
    """A thousand more that fit: 100 ms or less."""
    pool = Pool(SHAPES)
    times = []
    for _ in range(10):
        pool.queue(1000)
        times += timed(pool.tick, 1)
    median = statistics.median(times)
    record("tick, and 1000 queued tasks of 20 shapes placed", median, "ms", 100)
    assert median < 5 * 100


def test_a_tick_with_a_thousand_tasks_that_wait() -> None:
    """A thousand of a thousand shapes that fit nowhere now: 100 ms or less."""
    shapes = [Resources(cpu=16, memory=(20 + number / 100) * GIB) for number in range(1000)]
    pool = Pool(shapes)
    for _ in range(10_000):
        pool.manager.submit(resources=Resources(cpu=1))
    pool.tick()
    pool.queue(1000)
    for worker_id in pool.ids:
        pool.manager.cordon(worker_id)
    pool.tick()
    assert pool.manager.snapshot.tasks.queued >= 1000
    median = statistics.median(timed(pool.tick, 15))
    record("tick, and 1000 queued tasks of 1000 shapes that wait", median, "ms", 100)
    assert median < 5 * 100
