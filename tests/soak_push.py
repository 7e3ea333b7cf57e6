"""An hour of pushed pages (`make soak`; DRM_SOAK_SECONDS for another length): no tick is missed, and nothing grows."""

from __future__ import annotations

import asyncio
import gc
import os
import threading

import psutil
import pytest

from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.runner import Runner
from drm.serving import serve
from drm.state import DRMState
from tests.integration.conftest import TICKS
from tests.integration.viewers import missed, watch_all

SECONDS = float(os.environ.get("DRM_SOAK_SECONDS", "3600"))
PAGES = 20
TICK_SECONDS = 1.0


@pytest.mark.timeout(0)
def test_twenty_pages_for_an_hour() -> None:
    """Each gets each version; memory at the end is what it was after a twentieth of the time, threads and open files likewise."""
    manager = DynamicResourceManager()
    for number in range(100):
        manager.register_worker(f"w{number}", capacity=Resources(cpu=4, memory=8e9))
    process = psutil.Process()
    state = DRMState(manager)
    with serve(state, port=0, push=True) as server, Runner(state, TICK_SECONDS):
        url = f"ws://127.0.0.1:{server.port}{TICKS}"

        def size() -> tuple[int, int, float]:
            gc.collect()
            return threading.active_count(), process.num_fds(), process.memory_info().rss / 1e6

        asyncio.run(watch_all(url, PAGES, SECONDS / 20))
        before = size()
        seen = asyncio.run(watch_all(url, PAGES, SECONDS))
        after = size()
    versions = [len(one.versions) for one in seen]
    print(f"{PAGES} pages, {SECONDS:g} s: {min(versions)} to {max(versions)} ticks each, missed {sum(missed(one) for one in seen)}")
    print(f"threads {before[0]} -> {after[0]}, open files {before[1]} -> {after[1]}, memory {before[2]:.1f} -> {after[2]:.1f} MB")
    assert [missed(one) for one in seen] == [0] * PAGES
    assert min(versions) >= 0.95 * SECONDS / TICK_SECONDS
    assert after[:2] <= before[:2]
    # History in memory fills for an hour: 100 workers x 720 columns of a byte and their sums.
    assert after[2] - before[2] < 15
