"""30 days of 1000 simulated workers in a history folder, as the program itself would have kept them; made once for all benches.

Days go by in steps of five minutes, the last twelve hours of a minute, the last hour of 5 s, so that every level holds all that it keeps.
`DRM_BENCH_DAYS` makes it shorter; `DRM_BENCH_FOLDER` keeps it for the next time.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import time
from pathlib import Path

from drm.cli import SIMULATED_LIMITS, SIMULATED_POLICY, SIMULATED_START
from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.history.store import HistoryStore
from drm.manager import DynamicResourceManager
from drm.policies.pipeline import Pipeline
from drm.state import DRMState

DAYS = float(os.environ.get("DRM_BENCH_DAYS", "30"))
KEPT_IN = os.environ.get("DRM_BENCH_FOLDER")
DAY_SECONDS, WORKERS, SEED = 86_400.0, 1000, 7
END = SIMULATED_START + DAYS * DAY_SECONDS
ENDINGS = ((300.0, END - 43_200.0), (60.0, END - 3_600.0), (5.0, END))
"""(seconds of a tick, until when)."""
TICKS_AHEAD = 20
"""The ticks wait for the recorder after so many."""
MADE = "made"


@functools.cache
def month() -> Path:
    """The folder of a history whose program has ended."""
    if KEPT_IN is None:
        folder = Path(tempfile.mkdtemp(prefix="drm-month-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    else:
        folder = Path(KEPT_IN)
    if not (folder / MADE).exists():
        began = time.perf_counter()
        _make(folder)
        (folder / MADE).touch()
        print(f"\n{DAYS:g} days of {WORKERS} simulated workers made in {time.perf_counter() - began:.0f} s", flush=True)
    return folder


def manager_over(store: HistoryStore | None, now: float) -> DynamicResourceManager:
    """What `--simulate 1000 --seed 7` runs."""
    engine, bounds = SimulatedEngine(WORKERS, SEED), Bounds(WORKERS // 10, WORKERS)
    return DynamicResourceManager(engine, SIMULATED_POLICY, bounds, pipeline=Pipeline(**SIMULATED_LIMITS), store=store, now=now)


def _make(folder: Path) -> None:
    store = HistoryStore(folder)
    manager = manager_over(store, SIMULATED_START)
    state, now, ticks = DRMState(manager), SIMULATED_START, 0
    for step, end in ENDINGS:
        state.set_interval(step)
        while now < end:
            state.advance(now)
            now, ticks = now + step, ticks + 1
            if ticks % TICKS_AHEAD == 0 and not store.flush(600):
                raise RuntimeError(f"the recorder does not come along: {store.recording}")
    manager.close()
    store.flush(60)
    store.close()
