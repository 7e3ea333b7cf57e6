"""What a tick pays for knowing what 10 000 workers cost."""

from __future__ import annotations

import statistics

from drm.cloud.accrual import Accrual, provider_series
from drm.engines.simulated import SimulatedEngine
from drm.manager import DynamicResourceManager
from tests.bench.calibration import record, timed


def test_accrual_of_a_tick() -> None:
    """10 000 workers of four kinds at three providers: 1 ms or less, the recorded series included."""
    engine = SimulatedEngine(10_000, 0, loaded=False)
    manager = DynamicResourceManager(engine, now=0.0)
    manager.advance(0.0)
    engine.launch(10_000, engine.worker_types[0], "more")
    snapshot, accrual = manager.advance(1.0), Accrual()
    assert len(snapshot.worker_ids) == 10_000

    def tick() -> None:
        provider_series(accrual.add_snapshot(snapshot, 1.0))

    median = statistics.median(timed(tick, 200))
    record("accrual of a tick, 10 000 workers", median, "ms", 1)
    assert median < 5 * 1
