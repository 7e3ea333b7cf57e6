"""Series through whatever happens: samples, members that come and go, GPUs, retention, ends in order and kills, against plain Python."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import drm.history.store
from drm.engines.external import ExternalEngine
from drm.history.levels import BUCKETS, STEPS_SECONDS, bucket_of
from drm.history.recorder import Recorder
from drm.history.schema import LEVEL_NAMES, METRICS
from drm.history.window import MISSING
from drm.model import Resources
from tests.unit.kept_pools import START, Kept

WORKERS, WITH_GPU = ("a", "b", "c", "d"), ("a", "b")
PLAIN, FAST = Resources(cpu=4, memory=8e9), Resources(cpu=4, memory=8e9, gpu=2, gpu_memory=4e9)

workers = st.sampled_from(WORKERS)
seconds = st.sampled_from([1.0, 1.0, 2.0, 3.0, 5.0, 7.0, 30.0, 61.0, 400.0, 3700.0])
steps = st.one_of(
    st.tuples(st.just("tick"), seconds),
    st.tuples(st.just("tick"), seconds),
    st.tuples(st.just("use"), workers, st.integers(0, 220)),
    st.tuples(st.just("join"), workers),
    st.tuples(st.just("leave"), workers),
    st.tuples(st.just("retain")),
    st.tuples(st.just("end"), seconds),
    st.tuples(st.just("kill"), seconds),
)


class Reference:
    """What each worker used, by level and bucket; a worker that comes back within a bucket begins anew in it."""

    def __init__(self) -> None:
        self.samples: list[dict[tuple[str, str], dict[int, list[float]]]] = [defaultdict(lambda: defaultdict(list)) for _ in STEPS_SECONDS]
        self.all: list[dict[tuple[str, str, int], list[float]]] = [defaultdict(list) for _ in STEPS_SECONDS]
        """What each used in a bucket, also before it went and came back."""
        self.fleet: list[dict[int, list[int]]] = [defaultdict(list) for _ in STEPS_SECONDS]
        """How many workers there were."""
        self.mixed: list[set[tuple[str, int]]] = [set() for _ in STEPS_SECONDS]
        """Buckets of which a part was read again from bytes."""
        self.now = START
        self.here: dict[str, dict[str, float]] = {}
        self.came: set[str] = set()

    def tick(self, at: float) -> None:
        self.now = at
        self._begin_anew()
        for level, step in enumerate(STEPS_SECONDS):
            self.fleet[level][bucket_of(at, step)].append(len(self.here))
            for worker_id, using in self.here.items():
                for resource, fraction in using.items():
                    self.all[level][worker_id, resource, bucket_of(at, step)].append(fraction)
                    self.samples[level][worker_id, resource][bucket_of(at, step)].append(fraction)

    def _begin_anew(self) -> None:
        for level, step in enumerate(STEPS_SECONDS):
            for worker_id in self.came:
                for resource in ("cpu", "gpu"):
                    self.samples[level][worker_id, resource].pop(bucket_of(self.now, step), None)
        self.came.clear()

    def restart(self) -> None:
        for level, step in enumerate(STEPS_SECONDS):
            self.mixed[level] |= {(worker_id, bucket_of(self.now, step)) for worker_id in WORKERS}

    def expected(self, level: int, resource: str) -> dict[str, dict[int, list[float]]]:
        """By worker and bucket, of the buckets that the level keeps."""
        oldest = bucket_of(self.now, STEPS_SECONDS[level]) - BUCKETS
        found = {}
        for (worker_id, name), buckets in self.samples[level].items():
            kept = {bucket: values for bucket, values in buckets.items() if bucket > oldest}
            if name == resource and kept:
                found[worker_id] = kept
        return found


class Pool:
    """A pool of somebody else's with its history, and the same in plain Python."""

    def __init__(self, folder: Path) -> None:
        self.root, self.runs = folder, 0
        self.members: dict[str, Resources] = {}
        self.reference = Reference()
        self.now = START
        self._start(folder / "0")

    def _start(self, folder: Path) -> None:
        self.kept = Kept(folder, ExternalEngine(lost_after_seconds=1e9), self.now, 1.0)
        for worker_id, capacity in self.members.items():
            self.kept.manager.register_worker(worker_id, capacity=capacity)
            self._use(worker_id, self.reference.here[worker_id]["cpu"])

    def _use(self, worker_id: str, fraction: float) -> None:
        capacity = self.members[worker_id]
        used = {"cpu": fraction * capacity.cpu} | ({"gpu": fraction * capacity.gpu} if capacity.gpu else {})
        self.kept.manager.report(worker_id, used=used)
        self.reference.here[worker_id] = {name: min(fraction, 1.27) for name in used}

    def do(self, what: str, *how: Any) -> None:
        getattr(self, what)(*how)

    def tick(self, later: float) -> None:
        self.kept.now = self.now
        self.kept.tick()
        self.reference.tick(self.now)
        self.now += later

    def use(self, worker_id: str, cells: int) -> None:
        if worker_id in self.members:
            self._use(worker_id, cells / 200)

    def join(self, worker_id: str) -> None:
        if worker_id not in self.members:
            self.members[worker_id] = FAST if worker_id in WITH_GPU else PLAIN
            self.kept.manager.register_worker(worker_id, capacity=self.members[worker_id])
            self.reference.came.add(worker_id)
            self._use(worker_id, 0.5)

    def leave(self, worker_id: str) -> None:
        # A tick has to see that it went before it may come back.
        if self.members.pop(worker_id, None):
            self.kept.manager.deregister_worker(worker_id)
            del self.reference.here[worker_id]
            self.tick(1.0)

    def retain(self) -> None:
        self.kept.store._recorder._next_retention = 0.0

    def end(self, later: float) -> None:
        self._restart(self.kept.folder, later)

    def kill(self, later: float) -> None:
        self.kept.flush()
        self.runs += 1
        copy = self.root / str(self.runs)
        shutil.copytree(self.kept.folder, copy)
        self._restart(copy, later)

    def _restart(self, folder: Path, later: float) -> None:
        self.kept.flush()
        self.kept.end()
        self.reference.restart()
        self.now += later
        self._start(folder)
        self.tick(1.0)
        self.check()

    def check(self) -> None:
        """The windows of all levels."""
        rings = self.kept.manager.history
        for level, step in enumerate(STEPS_SECONDS):
            series = rings.fleet(BUCKETS * step, self.reference.now, BUCKETS)
            for time, mean, most in zip(series.times, series.mean["workers_current"], series.max["workers_current"], strict=True):
                counts = self.reference.fleet[level].get(round(time / step))
                assert (counts is None) == math.isnan(mean) == math.isnan(most), (level, time, counts, mean)
                if counts:
                    low, high = (
                        (min(counts), max(counts)) if ("a", round(time / step)) in self.reference.mixed[level] else [fmean(counts)] * 2
                    )
                    assert low - 1e-9 <= mean <= high + 1e-9 and most == max(counts)
        for resource in ("cpu", "gpu"):
            for level, step in enumerate(STEPS_SECONDS):
                window = rings.heatmap(resource, "used", BUCKETS * step, self.reference.now, 1000, BUCKETS)
                expected = self.reference.expected(level, resource)
                assert {row.label for row in window.rows} == expected.keys(), (resource, level)
                numbers = [round(time / step) for time in window.times]
                for row, mean, highest in zip(window.rows, window.mean, window.max, strict=True):
                    for bucket, cell, most in zip(numbers, mean.tolist(), highest.tolist(), strict=True):
                        values = expected[row.label].get(bucket)
                        where = (resource, level, row.label, bucket, values, cell, most)
                        assert (values is None) == (cell == MISSING) == (most == MISSING), where
                        if values:
                            low, high, highest_used = fmean(values), fmean(values), max(values)
                            if (row.label, bucket) in self.reference.mixed[level]:
                                # What was read again may be of before it went and came back as well.
                                again = self.reference.all[level][row.label, resource, bucket]
                                low, high, highest_used = min(again), max(again), max(again)
                            assert low * 200 - 1 <= cell <= high * 200 + 1 and max(values) * 200 - 1 <= most <= highest_used * 200 + 1, (
                                where
                            )
                            assert most >= cell, where

    def check_file(self) -> None:
        """Each closed bucket stands in it, nothing that did not happen, and no max is under its mean."""
        self.kept.flush()
        file = self.kept.store.file
        for level, name in enumerate(LEVEL_NAMES):
            under = " OR ".join(f"{metric}_max < {metric} OR ({metric} IS NULL) <> ({metric}_max IS NULL)" for metric in METRICS)
            assert file.read(f"SELECT count(*) FROM samples_{name} WHERE {under}") == [(0,)]
            found = set()
            for worker_id, epoch, most in file.read(
                f"SELECT worker_id, epoch, used_cpu_max FROM samples_{name} JOIN workers USING (worker)"
            ):
                bucket = bucket_of(epoch, STEPS_SECONDS[level])
                found.add((worker_id, bucket))
                assert any(abs(most - value * 200) <= 1 for value in self.reference.all[level][worker_id, "cpu", bucket]), (
                    name,
                    worker_id,
                    bucket,
                )
            newest = bucket_of(self.reference.now, STEPS_SECONDS[level])
            closed = {
                (worker_id, bucket)
                for worker_id, buckets in self.reference.expected(level, "cpu").items()
                for bucket in buckets
                if bucket < newest
            }
            assert closed <= found


@settings(max_examples=8)
@given(st.lists(steps, min_size=3, max_size=30))
@example([("tick", 1.0), ("leave", "a"), ("join", "a"), ("use", "a", 0), ("tick", 1.0), ("end", 1.0)])
def test_series_stay_aligned(doing: list[tuple[Any, ...]]) -> None:
    """In each bucket of each level every worker has the mean and the max of the samples that it had there, and none where it had none."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(drm.history.store, "OPEN_BUCKET_SECONDS", 0.0)
        patch.setattr(Recorder, "is_behind", False)
        pool = Pool(Path(folder))
        pool.join("a")
        pool.tick(1.0)
        try:
            for what in doing:
                pool.do(*what)
            pool.tick(1.0)
            pool.check()
            pool.check_file()
        finally:
            pool.kept.end()
