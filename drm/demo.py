"""The demo workload: small real tasks in waves, so that a new user sees the pool grow, shrink and be unevenly busy.

What arrives in which second is a function of that second and a seed. Each task asks for a part of a worker and keeps to it: it computes,
measures its own processor time, and pauses when it is ahead of what it was granted.
"""

from __future__ import annotations

import logging
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from drm.errors import DRMError, QueueFull
from drm.manager import DynamicResourceManager
from drm.model import STATE_CODE, Resources

logger = logging.getLogger(__name__)

WAVE_SECONDS = 60
BUSY_SECONDS = 20
"""The first part of each wave, in which more arrives than one worker can do."""

QUEUE_ENOUGH = 40
"""With so many tasks waiting nothing more is added: the pool is at its maximum, and a longer queue would show nothing new."""

HELD_LIMIT = 96 * 2**20
"""Bytes that one task holds at most; the machine belongs to the user."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of demo task: how long it takes, and its parts of a worker's cpu and memory."""

    name: str
    seconds: float
    cpu: float
    memory: float
    effort: float
    """How much of the cpu that it reserves it really uses."""
    weight: float
    """How often it comes, against the others."""


KINDS = (
    Kind("transform", seconds=6, cpu=0.5, memory=0.10, effort=0.9, weight=4),
    Kind("compress", seconds=9, cpu=0.3, memory=0.30, effort=0.7, weight=3),
    Kind("sort", seconds=5, cpu=0.2, memory=0.15, effort=0.5, weight=3),
)


def arrivals(second: int, seed: int) -> list[Kind]:
    """What arrives in a second after the start: one or two tasks a second while a wave is busy, one every five seconds in between."""
    chance = random.Random(seed * 1_000_003 + second)
    count = chance.choice((1, 1, 2)) if second % WAVE_SECONDS < BUSY_SECONDS else int(second % 5 == 0)
    return chance.choices(KINDS, [kind.weight for kind in KINDS], k=count)


def request_of(kind: Kind, worker: Resources) -> Resources:
    """What a task of this kind asks of a pool of such workers: its part of one, but of cpu no more than one thread can use."""
    return Resources(cpu=min(1.0, worker.cpu * kind.cpu), memory=worker.memory * kind.memory)


class Demo:
    """Submits the workload in a thread named `drm-demo`, from `start` to `stop`."""

    def __init__(self, manager: DynamicResourceManager, seed: int = 0) -> None:
        self._manager = manager
        self._seed = seed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drm-demo", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        # Workers that somebody else started may not have drm: the functions travel whole.
        import cloudpickle

        cloudpickle.register_pickle_by_value(sys.modules[__name__])
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; tasks that were submitted stay. May be called twice."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, second: int) -> int:
        """Submits what arrives in one second, and says how many tasks that were; none where there is no worker to size them by."""
        worker = self._worker()
        if worker is None or (self._manager.snapshot.tasks.queued or 0) > QUEUE_ENOUGH:
            return 0
        kinds = arrivals(second, self._seed)
        for kind in kinds:
            request = request_of(kind, worker)
            held = int(min(request.memory / 2, HELD_LIMIT))
            self._manager.submit(
                run,
                kind.name,
                kind.seconds,
                request.cpu * kind.effort,
                held,
                resources=request,
                name=kind.name,
                duration_hint_seconds=kind.seconds,
            )
        return len(kinds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _run(self) -> None:
        began = time.monotonic()
        second = 0
        while not self._stopping.wait(max(0.0, began + second - time.monotonic())):
            try:
                self.submit(second)
            except QueueFull:
                logger.debug("the queue is full; the demo waits")
            except DRMError as error:
                logger.warning("the demo workload ends: %s", error)
                return
            second += 1

    def _worker(self) -> Resources | None:
        """What a task is measured against: a launched worker, or the smallest running one."""
        if self._manager.engine.worker_types:
            return self._manager.engine.worker_types[0].shape
        snapshot = self._manager.snapshot
        running = snapshot.capacity[snapshot.states == STATE_CODE["running"]]
        return Resources.of(running.min(axis=0)) if len(running) else None


def run(kind: str, seconds: float, cores: float, held_bytes: int) -> dict[str, int]:
    """Works for so many seconds with so many cores on average, holding some memory; returns what it did: `pieces`, `held_bytes`."""
    pause = threading.Event()
    held = np.ones(held_bytes // 8)
    piece = _pieces()[kind]
    began, cpu_began, done = time.monotonic(), time.thread_time(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        ahead = (time.thread_time() - cpu_began) / cores - elapsed
        if ahead > 0:
            pause.wait(min(ahead, seconds - elapsed))
        else:
            piece(done)
            done += 1
    return {"pieces": done, "held_bytes": held.nbytes}


def _pieces() -> dict[str, Callable[[int], object]]:
    """Some milliseconds of real work each; the argument makes every piece another one."""
    import zlib

    def transform(seed: int) -> object:
        return np.fft.rfft(np.random.default_rng(seed).random(100_000))

    def compress(seed: int) -> object:
        return zlib.compress(np.random.default_rng(seed).integers(0, 16, 200_000, dtype=np.uint8).tobytes(), 6)

    def sort(seed: int) -> object:
        return np.sort(np.random.default_rng(seed).random(200_000))

    return {"transform": transform, "compress": compress, "sort": sort}
