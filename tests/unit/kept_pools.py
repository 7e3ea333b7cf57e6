"""Managers that keep their history in a folder, driven by hand; a run that is killed is a copy of its folder between two batches."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from drm.decision import Bounds
from drm.engines import Engine
from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.history.recording import Recording
from drm.history.rings import Rings
from drm.history.rows import document_of
from drm.history.store import HistoryStore
from drm.history.window import MISSING
from drm.ledger import Ledger
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import RESOURCES, Resources, Task
from drm.policies.pipeline import Pipeline
from drm.snapshot import Snapshot

START = 1_767_600_000.0
"""At which a bucket of every level begins."""
RANGES = (900.0, 3600.0, 6 * 3600.0, 86_400.0, 7 * 86_400.0, 30 * 86_400.0)
SHAPE = Resources(cpu=4, memory=8e9, gpu=1, gpu_memory=4e9)
FLUSH_SECONDS = 30.0


@dataclass
class Kept:
    """One run of a manager over a folder. `step`: seconds between two ticks."""

    folder: Path
    engine: Engine
    now: float = START
    step: float = 60.0
    bounds: Bounds = field(default_factory=lambda: Bounds(2, 20))
    retention_days: float = 30.0

    def __post_init__(self) -> None:
        self.store = HistoryStore(self.folder, retention_days=self.retention_days)
        self.manager = DynamicResourceManager(
            self.engine,
            "queue,target_seconds=300,idle_grace_seconds=600",
            self.bounds,
            pipeline=Pipeline(up_cooldown_seconds=self.step, down_cooldown_seconds=3 * self.step),
            interval_seconds=self.step,
            now=self.now,
            store=self.store,
        )

    def begin(self) -> None:
        """Takes over what is kept, without a tick."""
        self.manager._begin(self.now)

    def tick(self) -> Snapshot:
        """One tick, and the time moves on."""
        snapshot = self.manager.advance(self.now)
        self.now += self.step
        return snapshot

    def run(self, ticks: int) -> list[Snapshot]:
        """Many ticks."""
        return [self.tick() for _ in range(ticks)]

    def flush(self) -> None:
        """All that was handed over is in the file."""
        assert self.store.flush(FLUSH_SECONDS), self.store.recording

    def wait_for(self, state: str) -> Recording:
        """Until the recorder is in this state."""
        recorder = self.store._recorder
        with recorder._changed:
            assert recorder._changed.wait_for(lambda: recorder.recording.state == state, FLUSH_SECONDS), recorder.recording
        return recorder.recording

    def end(self) -> None:
        """Ends in order."""
        self.manager.close()
        self.store.close()

    def kill(self, folder: Path) -> Path:
        """Ends without another word to the file: a copy of the folder as a kill would leave it."""
        self.flush()
        shutil.copytree(self.folder, folder)
        self.end()
        return folder


def simulated(folder: Path, now: float = START, *, workers: int = 20, seed: int = 0, step: float = 60.0, **changes: Any) -> Kept:
    """An invented pool, which ends with its program."""
    return Kept(folder, SimulatedEngine(workers, seed), now, step, Bounds(max(1, workers // 10), workers), **changes)


class Outside:
    """A pool of somebody else's, `external`, which outlives programs: some workers, and a task or two at any time."""

    def __init__(self, workers: int = 6) -> None:
        self.workers = {f"w{number}": SHAPE if number % 2 else Resources(cpu=4, memory=8e9) for number in range(workers)}
        self._ticks = count()

    def run_of(self, folder: Path, now: float = START, **changes: Any) -> Kept:
        """A new program that its workers join."""
        kept = Kept(folder, ExternalEngine(), now, 1.0, Bounds(0, 50), **changes)
        for worker_id, capacity in self.workers.items():
            kept.manager.register_worker(worker_id, capacity=capacity, labels={"provider": "aws", "worker_type": "m5.large"})
        return kept

    def tick(self, kept: Kept) -> Snapshot:
        """Reports, submits and finishes a little, then one tick."""
        number = next(self._ticks)
        manager = kept.manager
        for index, worker_id in enumerate(self.workers):
            used = {"cpu": (number * 7 + index) % 40 / 10, "memory": 1e9 * (index % 8)}
            manager.report(worker_id, used=used | ({"gpu": number % 10 / 10} if self.workers[worker_id].gpu else {}))
        if number % 3 == 0:
            manager.submit(resources=Resources(cpu=1, memory=1e9), name=f"job-{number % 2}", duration_hint_seconds=5)
        for task in (manager.snapshot.running_tasks or ())[: number % 2]:
            manager.finish(task.id, used=Resources(cpu=0.5, memory=5e8))
        return kept.tick()

    def join(self, kept: Kept, worker_id: str) -> None:
        """A worker more."""
        self.workers[worker_id] = SHAPE
        kept.manager.register_worker(worker_id, capacity=SHAPE)

    def leave(self, kept: Kept, worker_id: str) -> None:
        """A worker fewer."""
        del self.workers[worker_id]
        kept.manager.deregister_worker(worker_id)


def windows(rings: Rings, end: float) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(name, rows by label) of all heatmaps: arrays of (mean, max) cells."""
    for range_seconds in RANGES:
        for resource in RESOURCES:
            for measure in ("used", "allocated"):
                found = rings.heatmap(resource, measure, range_seconds, end, 1000, 360)
                rows = {row.label: np.array([found.mean[at], found.max[at]]) for at, row in enumerate(found.rows)}
                yield f"{measure} {resource} {range_seconds:g} s", rows


def far_apart(one: Mapping[str, Any], other: Mapping[str, Any], *, open_columns: int = 1) -> list[str]:
    """The rows of two heatmaps that differ: anywhere in closed buckets, or by more than a step in what is still open, which comes back
    from cells and not from samples."""
    bad = sorted(one.keys() ^ other.keys())
    for label in one.keys() & other.keys():
        a, b = one[label].astype(int), other[label].astype(int)
        closed, opened = slice(None, -open_columns), slice(-open_columns, None)
        blank = (a[:, opened] == MISSING) != (b[:, opened] == MISSING)
        if (a[:, closed] != b[:, closed]).any() or blank.any() or (abs(a[:, opened] - b[:, opened]) > 1).any():
            bad.append(label)
    return bad


def documents(ledger: Ledger) -> dict[int, Any]:
    """All decisions as they stand, by id, in a form in which NaN equals NaN."""
    found: dict[int, Any] = {}
    while page := ledger.query(Query(limit=1000, before=min(found, default=None))):
        found |= {one.id: json.loads(document_of(one)) for one in page}
    return found


def plain(task: Task) -> dict[str, Any]:
    """A task in the same form."""
    return {name: None if value != value else value for name, value in asdict(task).items()}


def as_told(task: Task) -> tuple[Any, ...]:
    """What an archive tells of a task that has not ended."""
    placed = task.placed_at if task.state == "running" else math.nan
    return task.id, task.state, task.attempt, task.name, task.resources, task.submitted_at, task.worker_id, str(placed)
