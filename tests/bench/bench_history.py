"""History that survives: what recording takes, what a sample takes on the disk, and how soon a program goes on with 30 days of it."""

from __future__ import annotations

import functools
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from drm.cli import SIMULATED_LIMITS, SIMULATED_POLICY, SIMULATED_START
from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.history.bucketing import Bucketing
from drm.history.buckets import ClosedCells
from drm.history.kept_rings import kept_cells
from drm.history.levels import STEPS_SECONDS
from drm.history.schema import LEVEL_NAMES, METRICS
from drm.history.still_file import StillFile
from drm.history.store import HistoryStore
from drm.manager import DynamicResourceManager
from drm.policies.pipeline import Pipeline
from drm.state import DRMState
from drm.tasks import TaskTable
from tests.bench.bench_page import program
from tests.bench.calibration import record, timed
from tests.bench.month import DAY_SECONDS, DAYS, END, month

pytestmark = pytest.mark.timeout(7200)

STEP_SECONDS, MANY = 5.0, 10_000
TICKS, WARM_TICKS = 740, 20
"""More than an hour, after which the finest level is taken away from, and every level has closed buckets."""


class _Watch:
    """Adds up what calls take in the thread of the tick."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = False

    def around(self, patch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        """From now on."""
        inner = getattr(owner, name)

        @functools.wraps(inner)
        def watched(*arguments: Any, **named: Any) -> Any:
            if self._inside or threading.current_thread() is not threading.main_thread():
                return inner(*arguments, **named)
            began, self._inside = time.thread_time(), True
            try:
                return inner(*arguments, **named)
            finally:
                self.seconds += time.thread_time() - began
                self._inside = False

        patch.setattr(owner, name, watched)


def test_what_the_recorder_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 000 workers at a step of 5 s: at most 10 % of a core with rollups, retention and checkpoints in it, and of a tick at most 3 %."""
    watch = _Watch()
    # What the rings do without a store as well is not of it.
    handing = ((HistoryStore, "keep"), (ClosedCells, "of"), (Bucketing, "_closed_series"), (TaskTable, "take_changes"))
    for owner, name in handing:
        watch.around(monkeypatch, owner, name)
    store = HistoryStore(tmp_path / "kept")
    engine, bounds, limits = SimulatedEngine(MANY, 7), Bounds(MANY - 100, MANY), Pipeline(**SIMULATED_LIMITS)
    now = SIMULATED_START
    manager = DynamicResourceManager(engine, SIMULATED_POLICY, bounds, pipeline=limits, store=store, now=now)
    # At this step each tick hands over the open bucket, and here a tick follows at once.
    monkeypatch.setattr("drm.history.store.OPEN_BUCKET_SECONDS", 0.0)
    # Its checkpoints and its retention come as often in this time as they would in that of a clock.
    store._recorder._clock = lambda: now
    state = DRMState(manager)
    state.set_interval(STEP_SECONDS)
    for _ in range(24):
        state.advance(now)
        now += 60.0
    ticks, handed, others = [], [], []
    for tick in range(TICKS + WARM_TICKS):
        if tick == WARM_TICKS:
            assert store.flush(60)
            began = _cpu_beside_this_thread()
        before, watch.seconds, tick_began = _cpu_beside_this_thread(), 0.0, time.thread_time()
        state.advance(now)
        ticks.append(time.thread_time() - tick_began)
        handed.append(watch.seconds)
        assert store.flush(60)
        others.append(_cpu_beside_this_thread() - before)
        now += STEP_SECONDS
    share = (_cpu_beside_this_thread() - began) / (TICKS * STEP_SECONDS)
    written, state_of_it = store.recording.written_batches, store.recording.state
    count = len(state.snapshot.worker_ids)
    manager.close()
    store.close()
    assert state_of_it == "on" and written >= TICKS and count > 9_500
    record("recorder: 10 000 workers at 5 s, of one core", 100 * share, "%", 10)
    record("recorder: the same, the tick that takes most", 1000 * max(others[WARM_TICKS:]), "ms", 5000)
    record("recorder: handing over, of the time of the ticks", 100 * sum(handed[WARM_TICKS:]) / sum(ticks[WARM_TICKS:]), "%", 3)
    record("recorder: handing over, median", 1000 * statistics.median(handed[WARM_TICKS:]), "ms", 10)
    assert share < 0.2


def _cpu_beside_this_thread() -> float:
    """Seconds of all other threads of this process, DuckDB's own among them."""
    return time.process_time() - time.thread_time()


@contextmanager
def kept_month() -> Iterator[StillFile]:
    """The file of 30 days, to be read."""
    file = StillFile(month() / "history.duckdb")
    file.open()
    try:
        yield file
    finally:
        file.close()


def test_what_a_sample_takes_on_the_disk() -> None:
    """A sample is one value, a mean or a max, of a worker, a metric and a bucket: 3 bytes or less; and what the whole file comes to."""
    with kept_month() as file:
        samples = sum(_values(file, name) for name in LEVEL_NAMES)
        block = int(file.read("SELECT block_size FROM pragma_database_size()")[0][0])
        in_tables = sum(_blocks(file, f"samples_{name}") for name in LEVEL_NAMES) * block
        attempts = int(file.read("SELECT count(*) FROM tasks")[0][0])
    whole = (month() / "history.duckdb").stat().st_size
    print(f"\n{samples} samples, {attempts} ended attempts, {whole / 1e6:.0f} MB")
    record("file: a sample, of the blocks of the sample tables", in_tables / samples, "B", 3)
    record("file: a sample, if it had all of the file to itself", whole / samples, "B", 3)
    record("file: all of it", whole / 1e6, "MB", 500)
    assert in_tables / samples < 3


def _values(file: StillFile, level: str) -> int:
    counts = " + ".join(f"count({name}) + count({name}_max)" for name in METRICS)
    return int(file.read(f"SELECT {counts} FROM samples_{level}")[0][0])


def _blocks(file: StillFile, table: str) -> float:
    """How many; one that holds more than one table counts by its segments."""
    every = " UNION ALL ".join(
        f"SELECT '{name}' AS name, block_id FROM pragma_storage_info('{name}') WHERE block_id >= 0" for name in _tables(file)
    )
    query = (
        f"WITH every AS ({every}), shared AS (SELECT block_id, count(*) AS segments FROM every GROUP BY block_id) "
        "SELECT sum(1 / segments) FROM every JOIN shared USING (block_id) WHERE name = ?"
    )
    return float(file.read(query, [table])[0][0] or 0)


def _tables(file: StillFile) -> list[str]:
    return [name for (name,) in file.read("SELECT table_name FROM duckdb_tables()")]


def test_a_window_from_the_disk() -> None:
    """1000 workers over 30 days: the cells in 200 ms or less, and so the fleet's series."""
    with kept_month() as file:
        ids = dict(file.read("SELECT worker, worker_id FROM workers"))
        level, step = LEVEL_NAMES[-1], STEPS_SECONDS[-1]
        since, until = END - 30 * DAY_SECONDS, END

        def cells() -> object:
            return kept_cells(file, level, step, ids, since=since, until=until)

        def window() -> object:
            return file.columns(
                f"SELECT epoch, worker, used_cpu, used_cpu_max FROM samples_{level} WHERE epoch BETWEEN ? AND ?", [since, until]
            )

        def series() -> object:
            return file.columns(f"SELECT * FROM fleet_{level} WHERE epoch BETWEEN ? AND ?", [since, until])

        _measured(f"disk: {DAYS:g} d of one metric of all workers", window, 200)
        _measured(f"disk: {DAYS:g} d of every metric of all workers, as cells", cells, 200)
        _measured(f"disk: {DAYS:g} d of the fleet's series", series, 200)


def _measured(what: str, work: Callable[[], object], target: float) -> None:
    work()
    took = statistics.median(timed(work, 9))
    record(what, took, "ms", target)
    assert took < 5 * target


def test_a_start_with_thirty_days(tmp_path: Path) -> None:
    """From the start of the program to its first tick that goes on from the file 5 s or less, and the page answers before that."""
    folder = tmp_path / "kept"
    shutil.copytree(month(), folder)
    arguments = ["--simulate", "1000", "--seed", "7", "--speed", "5", "--history", "--data-dir", str(folder)]
    began = time.perf_counter()
    with program(*arguments) as (_process, page):
        with urlopen(page, timeout=60) as answer:
            assert answer.status == 200
        answered = time.perf_counter() - began
        slowest, is_ready, url = 0.0, False, page.split("/drm-dashboard")[0]
        while not is_ready and time.perf_counter() - began < 120:
            asked = time.perf_counter()
            is_ready = _is_ready(url)
            slowest = max(slowest, time.perf_counter() - asked)
            time.sleep(0.02)
        took = time.perf_counter() - began
    record("start: with 30 days, until the page answers", answered, "s", 5)
    record("start: with 30 days, until the first tick has gone on from them", took, "s", 5)
    record("start: the slowest answer meanwhile", 1000 * slowest, "ms", 500)
    assert is_ready and took < 5 * 5


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/readyz", timeout=10):
            return True
    except OSError:
        return False
