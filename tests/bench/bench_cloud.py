"""What a tick pays for knowing what 10 000 workers cost and what for, and what the account of 30 days takes."""

from __future__ import annotations

import statistics
from dataclasses import replace
from itertools import count

import pytest

from drm.analysis.ladder import by_key, ladder
from drm.cloud.accrual import provider_series
from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.history.levels import BUCKETS, STEPS_SECONDS
from drm.history.spend_marks import SpendMarks
from drm.history.worker_spends import WorkerSpends
from drm.manager import DynamicResourceManager
from drm.meter import Meter
from drm.snapshot import Snapshot
from tests.bench.calibration import record, timed

WARM_UP_TICKS = 30


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    """10 000 workers of four kinds at three providers, most of them busy."""
    manager = DynamicResourceManager(SimulatedEngine(10_000, 1), bounds=Bounds(10_000, 10_000), now=0.0)
    for tick in range(WARM_UP_TICKS):
        snapshot = manager.advance(60.0 * tick)
    assert len(snapshot.worker_ids) >= 10_000 and snapshot.tasks.running > 5000  # type: ignore[operator]
    return snapshot


def test_accrual_of_a_tick(snapshot: Snapshot) -> None:
    """1 ms or less: the parts of each worker-second, and the recorded series."""
    meter, seconds = Meter(WorkerSpends()), count(1)

    def tick() -> None:
        provider_series(meter.look(replace(snapshot, time=snapshot.time + next(seconds)), 1.0))

    median = statistics.median(timed(tick, 200))
    record("accrual of a tick, 10 000 workers", median, "ms", 1)
    assert median < 5 * 1


def test_the_account_of_thirty_days(snapshot: Snapshot) -> None:
    """100 ms or less, all workers and each kind: two sums are compared, however many workers there were."""
    meter, marks = Meter(WorkerSpends()), SpendMarks()
    for step in range(30 * 144 + 1):
        marks.keep(meter.look(replace(snapshot, time=600.0 * step), 60.0))
    end, begin = meter.spend, meter.spend.time - BUCKETS * STEPS_SECONDS[-1]

    def account() -> None:
        start = marks.at(begin) or marks.first()
        assert ladder(start, end) is not None and by_key(start, end, lambda kind: kind.type) is not None

    median = statistics.median(timed(account, 50))
    record("account of 30 days", median, "ms", 100)
    assert median < 5 * 100
