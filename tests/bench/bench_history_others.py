"""The same 30 days of 1000 workers in our file, in SQLite, in Parquet files, and in DuckDB rows without rollups: size, ingest, query."""

from __future__ import annotations

import shutil
import sqlite3
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from drm.history.batch import Batch
from drm.history.file import HistoryFile
from drm.history.rings import Rings
from drm.history.writing import Writing, expired
from drm.model import FloatArray
from tests.bench.calibration import record, timed

pytestmark = pytest.mark.timeout(3600)

START, DAY_SECONDS, DAYS = 1_800_000_000.0, 86_400.0, 30
STEP_SECONDS, WORKERS = 600.0, 1000
TICKS = int(DAYS * DAY_SECONDS / STEP_SECONDS)
TICKS_A_DAY = TICKS // DAYS
IDS = tuple(f"w{number}" for number in range(WORKERS))
VALUES = ("used_cpu", "used_memory", "allocated_cpu", "allocated_memory")
ROW = "epoch DOUBLE, worker INTEGER, " + ", ".join(f"{name} FLOAT" for name in VALUES)
QUERY = "SELECT worker, CAST(epoch / 7200 AS BIGINT), avg(used_cpu), max({max}) FROM {table} GROUP BY 1, 2"


@dataclass
class Outcome:
    """What one of them came to."""

    megabytes: float
    ingest_seconds: float
    query_ms: float


def ticks() -> Iterator[tuple[float, FloatArray, FloatArray]]:
    """(when, used, allocated) as fractions (n, 4): loads that follow the day, in reservations of eighths."""
    chance = np.random.default_rng(3)
    base = chance.uniform(0.2, 0.7, (WORKERS, 2))
    effort = chance.uniform(0.5, 0.95, (WORKERS, 2))
    for tick in range(TICKS):
        day = 0.2 * np.sin(2 * np.pi * tick / TICKS_A_DAY)
        allocated, used = np.full((2, WORKERS, 4), np.nan)
        allocated[:, :2] = np.round(8 * np.clip(base + day + chance.normal(0, 0.08, (WORKERS, 2)), 0, 1)) / 8
        used[:, :2] = allocated[:, :2] * np.clip(effort + chance.normal(0, 0.05, (WORKERS, 2)), 0, 1)
        yield START + tick * STEP_SECONDS, used, allocated


def ours(folder: Path) -> Outcome:
    """Rings, rollups, retention and checkpoints as the recorder has them."""
    file, rings, no_gpu = HistoryFile(folder / "history.duckdb"), Rings(STEP_SECONDS), np.zeros(WORKERS, bool)
    file.open()
    writing = Writing(file, 1)
    rings.keep_closed()

    def ingest() -> None:
        for number, (now, used, allocated) in enumerate(ticks()):
            rings.append(now, IDS, used, allocated, no_gpu, {})
            writing.write([Batch(now, closed=rings.take_closed())])
            if number % TICKS_A_DAY == 0:
                for statement, values in expired(now, DAYS * DAY_SECONDS, 0):
                    file.write([], [(statement, values)])
                file.checkpoint()
        file.checkpoint()

    took = timed(ingest, 1)[0] / 1000
    query = _median(lambda: file.columns(QUERY.format(table="samples_1h", max="used_cpu_max")))
    file.close()
    return Outcome(_megabytes(folder), took, query)


def plain_rows(folder: Path) -> Outcome:
    """DuckDB, each sample a row for ever."""
    base = duckdb.connect(str(folder / "rows.duckdb"))
    base.execute(f"CREATE TABLE samples ({ROW})")
    base.execute("SET wal_autocheckpoint = '1TB'")

    def ingest() -> None:
        for number, tick in enumerate(ticks()):
            base.register("frame", _columns([tick]))
            base.execute("INSERT INTO samples SELECT * FROM frame")
            if number % TICKS_A_DAY == 0:
                base.execute("CHECKPOINT")
        base.execute("CHECKPOINT")

    took = timed(ingest, 1)[0] / 1000
    query = _median(lambda: base.execute(QUERY.format(table="samples", max="used_cpu")).fetchnumpy())
    base.close()
    return Outcome(_megabytes(folder), took, query)


def parquet(folder: Path) -> Outcome:
    """A file a day, which is when it is written."""
    base = duckdb.connect()

    def ingest() -> None:
        day: list[tuple[float, FloatArray, FloatArray]] = []
        for tick in ticks():
            day.append(tick)
            if len(day) == TICKS_A_DAY:
                base.register("frame", _columns(day))
                place = folder / f"{tick[0]:.0f}.parquet"
                base.execute(f"COPY (SELECT * FROM frame) TO '{place}' (FORMAT parquet, COMPRESSION zstd)")
                day = []

    took = timed(ingest, 1)[0] / 1000
    table = f"read_parquet('{folder}/*.parquet')"
    query = _median(lambda: base.execute(QUERY.format(table=table, max="used_cpu")).fetchnumpy())
    base.close()
    return Outcome(_megabytes(folder), took, query)


def sqlite(folder: Path) -> Outcome:
    """A transaction a tick."""
    base = sqlite3.connect(folder / "rows.sqlite")
    base.execute("PRAGMA journal_mode = WAL")
    base.execute(f"CREATE TABLE samples ({ROW}, PRIMARY KEY (epoch, worker)) WITHOUT ROWID")

    def ingest() -> None:
        for tick in ticks():
            rows = zip(*(column.tolist() for column in _columns([tick]).values()), strict=True)
            with base:
                base.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?)", rows)

    took = timed(ingest, 1)[0] / 1000
    query = _median(lambda: base.execute(QUERY.format(table="samples", max="used_cpu")).fetchall(), 1)
    base.close()
    return Outcome(_megabytes(folder), took, query)


def _columns(some: list[tuple[float, FloatArray, FloatArray]]) -> dict[str, Any]:
    fractions = {
        f"{measure}_{resource}": np.concatenate([one[place][:, column] for one in some]).astype(np.float32)
        for place, measure in ((1, "used"), (2, "allocated"))
        for column, resource in enumerate(("cpu", "memory"))
    }
    worker = np.tile(np.arange(WORKERS, dtype=np.int32), len(some))
    return {"epoch": np.repeat([now for now, *_ in some], WORKERS), "worker": worker, **fractions}


def _median(work: Callable[[], object], rounds: int = 5) -> float:
    work()
    return statistics.median(timed(work, rounds))


def _megabytes(folder: Path) -> float:
    return sum(one.stat().st_size for one in folder.iterdir()) / 1e6


def test_against_other_ways_to_keep_it(tmp_path: Path) -> None:
    """Ours is the smallest and answers first."""
    found = {}
    for way in (ours, plain_rows, parquet, sqlite):
        folder = tmp_path / way.__name__
        folder.mkdir()
        found[way.__name__] = way(folder)
        shutil.rmtree(folder)
    print(f"\n{TICKS * WORKERS} rows: {DAYS} days of {WORKERS} workers, {len(VALUES)} values each {STEP_SECONDS:g} s")
    print(f"{'':<12}{'size':>10}{'ingest':>10}{'30 d window':>14}")
    for name, one in found.items():
        print(f"{name:<12}{one.megabytes:>7.1f} MB{one.ingest_seconds:>8.1f} s{one.query_ms:>11.0f} ms")
    mine, others = found.pop("ours"), found.values()
    record("ours, of the smallest other: size", mine.megabytes / min(one.megabytes for one in others), "x", 1)
    record("ours, of the fastest other: 30 d window", mine.query_ms / min(one.query_ms for one in others), "x", 1)
    record("ours: rows, rollups and retention of a tick", 1000 * mine.ingest_seconds / TICKS, "ms", 50)
    assert all(mine.megabytes < one.megabytes and mine.query_ms < one.query_ms for one in others)
