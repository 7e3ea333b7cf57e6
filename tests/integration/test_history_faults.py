"""History on bad days, each with the real fault: the program ticks on, says what is wrong and since when, and keeps history again as soon
as it can. Nothing valid is deleted."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from drm.errors import HistoryError
from drm.history import recorder, waiting, writing
from drm.history.file import HistoryFile, HistoryFileError
from drm.history.folder import FILE
from drm.history.schema import VERSION
from drm.history.store import HistoryStore
from drm.model import Resources
from drm.state import DRMState
from tests.integration.small_disk import SmallDisk, small_disk
from tests.unit.kept_pools import START, Kept, Outside, documents, simulated


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again soon."""
    monkeypatch.setattr(recorder, "RETRY_SECONDS", (0.02, 0.05))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 8) as disk:
        yield disk


def history_of(kept: Kept) -> dict[str, Any]:
    """What a file holds of decisions, attempts, lifetimes and samples."""
    file = kept.store.file
    return {
        "decisions": documents(kept.manager.ledger),
        "tasks": file.read("SELECT task_id, attempt, state, finished_at FROM tasks ORDER BY ALL"),
        "lifetimes": [(one.number, one.states) for one in kept.manager.lifetimes.between(0, math.inf)],
        "samples": file.read("SELECT epoch, worker, used_cpu, used_cpu_max FROM samples_1m ORDER BY ALL"),
    }


def again(pool: Outside, kept: Kept, folder: Path | None = None) -> Kept:
    """The next run, which has taken over what there was."""
    after = pool.run_of(folder or kept.folder, kept.now)
    after.begin()
    return after


def test_a_full_disk_and_space_again(disk: SmallDisk) -> None:
    """Recording stops with the reason and its time; ticks go on; it resumes by itself, and nothing that waited is lost."""
    pool = Outside()
    kept = pool.run_of(disk.path / "history")
    for _ in range(10):
        pool.tick(kept)
    kept.flush()
    disk.fill()
    first = pool.tick(kept)
    told = kept.wait_for("stopped")
    assert "No space left" in told.reason and told.since == first.time
    snapshots = [pool.tick(kept) for _ in range(50)]
    assert snapshots[-1].ready and kept.store.recording.state == "stopped"
    words, warns = kept.store.recording.told(kept.now)
    assert warns and words.startswith("History has not been kept for 51 s: ") and "No space left" in words
    disk.free()
    told = kept.wait_for("on")
    kept.flush()
    assert "nothing was lost" in told.reason and (told.dropped_samples, told.dropped_records) == (0, 0)
    assert kept.store.gaps == ()
    pool.tick(kept)
    kept.flush()
    before = documents(kept.manager.ledger)
    fleet = dict(kept.manager.history.fleet(900, snapshots[-1].time).mean)
    kept.end()
    after = again(pool, kept)
    assert documents(after.manager.ledger) == before
    back = after.manager.history.fleet(900, snapshots[-1].time).mean
    assert str({name: back[name].tolist() for name in fleet}) == str({name: values.tolist() for name, values in fleet.items()})
    assert [kind for (kind,) in after.store.file.read("SELECT kind FROM events WHERE kind = 'resumed'")] == ["resumed"]
    after.end()


def test_what_found_no_room_is_counted_and_a_gap(disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples go first, the oldest of them; records stay; the time of what went is a gap, in this run and in the next."""
    monkeypatch.setattr(waiting, "MOST_SAMPLES", 200)
    pool = Outside()
    kept = pool.run_of(disk.path / "history")
    for _ in range(10):
        pool.tick(kept)
    kept.flush()
    disk.fill()
    first = pool.tick(kept)
    kept.wait_for("stopped")
    for _ in range(200):
        pool.tick(kept)
    told = kept.store.recording
    assert told.dropped_samples > 100 and told.dropped_records == 0 and told.waiting <= 202
    assert f"{told.dropped_samples} samples and records are lost so far" in told.told(kept.now)[0]
    disk.free()
    kept.wait_for("on")
    kept.flush()
    # Where a try succeeded in between, what went before it and after it are two.
    gaps = kept.store.gaps
    assert first.time <= gaps[0].since and gaps[-1].until < kept.now - 20 and all(gap.since <= gap.until for gap in gaps)
    assert sum(int(re.search(r"(\d+) samples", gap.reason)[1]) for gap in gaps) == kept.store.recording.dropped_samples  # type: ignore[index]
    before = documents(kept.manager.ledger)
    kept.end()
    after = again(pool, kept)
    assert documents(after.manager.ledger) == before
    assert after.store.gaps[: len(gaps)] == gaps
    # A bucket comes with the tick after it.
    count = "SELECT count(*) FROM samples_5s WHERE epoch >= ? AND epoch < ?"
    assert [after.store.file.read(count, [gap.since, gap.until - 5]) for gap in gaps] == [[(0,)]] * len(gaps)
    assert after.store.file.read(count, [gaps[-1].until, kept.now])[0][0] > 20
    after.end()


def test_a_start_on_a_full_disk(disk: SmallDisk) -> None:
    """The program starts without history, and keeps it from the moment on at which there is room, with all since the start."""
    disk.fill()
    pool = Outside()
    kept = pool.run_of(disk.path / "history")
    snapshots = [pool.tick(kept) for _ in range(10)]
    told = kept.wait_for("stopped")
    assert snapshots[-1].ready and told.reason and told.since == START
    disk.free()
    kept.wait_for("on")
    pool.tick(kept)
    kept.flush()
    before = documents(kept.manager.ledger)
    assert kept.store.file.read("SELECT min(epoch) FROM worker_states") == [(START,)]
    kept.end()
    after = again(pool, kept)
    assert documents(after.manager.ledger) == before
    after.end()


def test_a_folder_that_can_only_be_read(disk: SmallDisk) -> None:
    """It is no reason not to start; what is there stays as it is, and once it can be written history goes on."""
    pool = Outside()
    kept = pool.run_of(disk.path / "history")
    for _ in range(20):
        pool.tick(kept)
    kept.flush()
    before = documents(kept.manager.ledger)
    kept.end()
    disk.remount("ro")
    digest = hashlib.sha256((kept.folder / FILE).read_bytes()).hexdigest()
    after = pool.run_of(kept.folder, kept.now)
    for _ in range(10):
        pool.tick(after)
    told = after.wait_for("stopped")
    assert "ead-only" in told.reason
    assert hashlib.sha256((kept.folder / FILE).read_bytes()).hexdigest() == digest
    disk.remount("rw")
    after.wait_for("on")
    pool.tick(after)
    after.flush()
    new = documents(after.manager.ledger)
    assert not new.keys() & before.keys()
    after.end()
    third = again(pool, after)
    assert documents(third.manager.ledger) == before | new
    assert len({one.number for one in third.manager.lifetimes.between(0, math.inf)}) == 2 * len(pool.workers)
    third.end()


HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_a_file_that_another_process_holds_at_the_start(tmp_path: Path) -> None:
    """The program starts, says who holds it, and goes on with the file once it is free, under ids that are later than all in it."""
    pool = Outside()
    kept = pool.run_of(tmp_path)
    for _ in range(20):
        pool.tick(kept)
    kept.flush()
    before = documents(kept.manager.ledger)
    kept.end()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / FILE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        after = pool.run_of(tmp_path, kept.now)
        for _ in range(10):
            pool.tick(after)
        told = after.wait_for("stopped")
        assert re.search(
            rf"is open in another program, python[\d.]* \(process {other.pid}\): close it there, .*--data-dir.*--no-history", told.reason
        )
        assert "Could not" not in told.reason and "http" not in told.reason
        other.stdin.close()
    after.wait_for("on")
    pool.tick(after)
    after.flush()
    new = documents(after.manager.ledger)
    assert min(new) > max(before)
    after.end()
    third = again(pool, after)
    assert documents(third.manager.ledger) == before | new
    assert third.store.gaps[0].since == kept.now - 1
    third.end()


def test_while_it_runs_the_file_is_ours(tmp_path: Path) -> None:
    """Another process is refused, and nothing of ours is disturbed; neither is it by a second store in this one."""
    pool = Outside()
    kept = pool.run_of(tmp_path)
    pool.tick(kept)
    kept.flush()
    other = subprocess.run([sys.executable, "-c", HOLD, str(tmp_path / FILE)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert other.returncode and "lock" in other.stderr
    kept.store.tell({"url": "http://127.0.0.1:1/"})
    with pytest.raises(
        HistoryError, match=r"kept by process \d+ \(http://127.0.0.1:1/\): name another folder with --data-dir.*--no-history"
    ):
        HistoryStore(tmp_path)
    pool.tick(kept)
    kept.flush()
    assert kept.store.recording.state == "on"
    kept.end()


FLIPS = int(os.environ.get("DRM_SOAK_FLIPS", "8"))


def test_damage_is_put_aside_and_told(tmp_path: Path) -> None:
    """Of flipped bytes at places of the file and of its log, of cut, empty and other files: each start has all data, or, of a log that
    was cut, all up to there; or it puts the damaged file aside under a name with the date, and says so. None ends the process."""
    pool = Outside()
    kept = pool.run_of(tmp_path / "killed")
    for _ in range(100):
        pool.tick(kept)
    kept.kill(tmp_path / "with a log")
    for which, folder, flips in ((FILE, "killed", FLIPS), (f"{FILE}.wal", "with a log", FLIPS // 2)):
        command = [sys.executable, "-m", "tests.integration.damaged_files", str(tmp_path / folder), which, str(flips)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 + 5 * flips)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 0, (found[-1:], done.stderr[-2000:])
        assert len(found) == flips + 6 and not all(one["whole"] for one in found)
        for one in found:
            assert one["state"] == "on" and one["ticked"], one
            was_cut = which != FILE and one["how"] in ("cut", "empty", "flipped")
            assert one["whole"] or one["told"] or (was_cut and one["is a part"]), one
            assert one["told"] == bool(one["aside"]) and all(".damaged-20" in name for name in one["aside"]), one
            assert not one["told"] or "could not be read on: it is kept as" in one["reason"], one


@pytest.mark.parametrize("version", [0, 99])
def test_a_schema_of_another_time(tmp_path: Path, version: int) -> None:
    """An older one is put aside, a newer one stays untouched and history is not kept; both are told, and the program runs."""
    pool = Outside()
    kept = pool.run_of(tmp_path)
    pool.tick(kept)
    kept.flush()
    kept.end()
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema_version'", [str(version)])
    digest = hashlib.sha256((tmp_path / FILE).read_bytes()).hexdigest()
    after = pool.run_of(tmp_path, kept.now)
    pool.tick(after)
    if version == 99:
        told = after.wait_for("stopped")
        assert f"has schema 99, and this drm knows {VERSION} and older: use the drm that wrote it, or another --data-dir" in told.reason
        for _ in range(5):
            pool.tick(after)
        after.end()
        assert hashlib.sha256((tmp_path / FILE).read_bytes()).hexdigest() == digest
    else:
        after.flush()
        (aside,) = tmp_path.glob(f"{FILE}.old-schema-20*Z")
        assert hashlib.sha256(aside.read_bytes()).hexdigest() == digest
        assert after.store.recording.state == "on" and aside.name in after.store.recording.reason
        after.end()


def test_another_program_s_file_is_left_alone(tmp_path: Path) -> None:
    """A DuckDB file of somebody else under our name is not touched."""
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1 AS one")
    digest = hashlib.sha256((tmp_path / FILE).read_bytes()).hexdigest()
    kept = Outside().run_of(tmp_path)
    kept.tick()
    assert "no history of drm" in kept.wait_for("stopped").reason
    kept.end()
    assert hashlib.sha256((tmp_path / FILE).read_bytes()).hexdigest() == digest


def test_real_and_invented_history_do_not_mix(tmp_path: Path) -> None:
    """The file of an invented pool is not gone on with by another one."""
    kept = simulated(tmp_path)
    kept.run(2)
    kept.flush()
    kept.end()
    after = Outside().run_of(tmp_path, kept.now)
    after.tick()
    assert "simulated, this one is external: name another folder with --data-dir" in after.wait_for("stopped").reason
    after.end()


def test_a_slow_disk_delays_no_tick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a write does not end ticks take what they take, the queue stays bounded, and samples go before records."""
    monkeypatch.setattr(waiting, "MOST_SAMPLES", 300)
    asked, go_on = threading.Event(), threading.Event()
    write = HistoryFile.write

    def wait_and_write(file: HistoryFile, *what: Any) -> None:
        asked.set()
        assert go_on.wait(60)
        write(file, *what)

    pool = Outside()
    kept = pool.run_of(tmp_path)
    pool.tick(kept)
    kept.flush()
    monkeypatch.setattr(HistoryFile, "write", wait_and_write)
    times, held = [], []
    pool.tick(kept)
    assert asked.wait(30)
    for _ in range(300):
        began = time.perf_counter()
        pool.tick(kept)
        times.append(time.perf_counter() - began)
        held.append(kept.store._recorder._waiting.samples)
    assert max(times) < 1.0 and sorted(times)[150] < 0.1
    assert max(held) <= 300 and kept.store.recording.dropped_samples > 100 and kept.store.recording.dropped_records == 0
    go_on.set()
    kept.flush()
    assert kept.store.recording.state == "on"
    (gap,) = kept.store.gaps
    before = documents(kept.manager.ledger)
    kept.end()
    after = again(pool, kept)
    assert documents(after.manager.ledger) == before and after.store.gaps[0] == gap
    after.end()


def test_an_end_waits_a_few_seconds_for_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that does not answer cannot keep the program from ending."""
    monkeypatch.setattr(recorder, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(recorder, "WITHIN_SECONDS", 0.4)
    go_on = threading.Event()

    class StuckFile(HistoryFile):
        def write(self, *what: Any) -> None:
            go_on.wait(20)
            super().write(*what)

    pool = Outside()
    kept = pool.run_of(tmp_path)
    kept.tick()
    kept.store.file.__class__ = StuckFile
    kept.tick()
    began = time.perf_counter()
    kept.end()
    assert time.perf_counter() - began < 5
    go_on.set()
    kept.store._recorder._thread.join(10)


EVERY = int(os.environ.get("DRM_FAILING_CALLS_EVERY", "23"))
"""1: each call fails once, which takes minutes."""


def test_each_call_that_fails_is_got_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first, the second, ... call of DuckDB in a run fails, until a run passes without: after each, history is kept again by itself,
    and the next start knows all of the run and of the one before it."""
    pool = Outside(2)
    kept = pool.run_of(tmp_path / "0")
    for _ in range(5):
        pool.tick(kept)
    kept.flush()
    before = documents(kept.manager.ledger)
    kept.end()
    failing = FailingCalls(monkeypatch)
    number, failed = 1 - EVERY, True
    while failed:
        number += EVERY
        folder = tmp_path / "run"
        shutil.copytree(kept.folder, folder)
        failing.nth = number
        run = pool.run_of(folder, kept.now)
        for _ in range(2):
            pool.tick(run)
            run.flush()
        run.store._recorder._next_checkpoint = run.store._recorder._next_retention = run.store._recorder._next_forgetting = 0.0
        for _ in range(2):
            pool.tick(run)
            run.flush()
        failed, failing.nth = failing.nth == 0, 0
        assert run.store.recording.state == "on", (number, run.store.recording)
        assert run.store.recording.dropped_records == 0
        new = documents(run.manager.ledger)
        run.end()
        after = again(pool, run)
        assert not after.store.file.set_aside, number
        assert documents(after.manager.ledger) == before | new, number
        told = history_of(after)
        assert len({row[:2] for row in told["tasks"]}) == len(told["tasks"]), number
        assert {one.worker_id for one in after.manager.lifetimes.living()} == set(pool.workers), number
        after.end()
        shutil.rmtree(folder)
    assert number > 60


def test_rows_that_no_file_takes_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One tick that cannot be put into rows is counted and a gap; those before and after it are kept."""
    pool = Outside()
    kept = pool.run_of(tmp_path)
    pool.tick(kept)
    kept.flush()
    whole = writing.cost_columns

    def refuse(epoch: float, spend: Any) -> Any:
        if epoch == START + 60:
            raise OverflowError("no row for this")
        return whole(epoch, spend)

    monkeypatch.setattr(writing, "cost_columns", refuse)
    for _ in range(100):
        pool.tick(kept)
        if kept.now == START + 62:
            kept.flush()
    kept.flush()
    told = kept.store.recording
    assert told.state == "on" and 0 < told.dropped_records < 10
    assert [(gap.since, gap.until) for gap in kept.store.gaps] == [(START + 60, START + 60)]
    events = kept.store.file.read("SELECT kind FROM events WHERE kind LIKE 'gap%' OR kind = 'dropped' ORDER BY rowid")
    assert events == [("dropped",), ("gap_began",), ("gap_ended",)]
    assert kept.store.file.read("SELECT count(DISTINCT epoch) FROM samples_5s")[0][0] == 19
    kept.end()


def test_a_file_that_breaks_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is put aside, a new one begins and is told of all that is there, so that the next start knows the pool as it is."""
    pool = Outside()
    kept = pool.run_of(tmp_path)
    for _ in range(20):
        pool.tick(kept)
    kept.flush()
    write, broken = HistoryFile.write, threading.Event()

    def fail_once(file: HistoryFile, *what: Any) -> None:
        if not broken.is_set():
            broken.set()
            raise HistoryFileError("damaged", "computed checksum does not match")
        write(file, *what)

    kept.manager.submit(resources=Resources(cpu=1), name="long")
    kept.tick()
    kept.flush()
    monkeypatch.setattr(HistoryFile, "write", fail_once)
    pool.tick(kept)
    assert broken.wait(10)
    kept.wait_for("on")
    kept.flush()
    (aside,) = tmp_path.glob(f"{FILE}.damaged-20*Z")
    assert aside.name in kept.store.recording.reason
    last = kept.run(3)[-1]
    kept.flush()
    there = {task.id for task in last.running_tasks or ()}
    assert {task.id for task in kept.store.archive.tasks_at(last.time)} >= there and there
    assert len(documents(kept.manager.ledger)) > 3
    living = {one.number for one in kept.manager.lifetimes.living()}
    kept.end()
    after = again(pool, kept)
    assert {one.number for one in after.manager.lifetimes.living()} == living
    after.end()


def test_a_clock_that_was_an_hour_ahead(tmp_path: Path) -> None:
    """A run whose last tick lies in the future, then one at the right time, then one after it: time never runs backward in what is shown,
    all is there, and who ended stays ended."""
    pool = Outside()
    ahead = pool.run_of(tmp_path, START + 3600)
    for _ in range(20):
        pool.tick(ahead)
    pool.leave(ahead, "w0")
    for _ in range(5):
        pool.tick(ahead)
    ahead.flush()
    before = documents(ahead.manager.ledger)
    ahead.end()
    del pool.workers["w1"]
    right = pool.run_of(tmp_path, START)
    for _ in range(100):
        pool.tick(right)
    right.flush()
    ledger = right.manager.ledger
    assert documents(ledger).keys() > before.keys()
    rows = ledger._columns[: len(ledger)]
    assert (rows["start"][1:] >= rows["start"][:-1]).all() and rows["end"].max() <= right.now
    assert "the clock was set back by 3624 s" in right.store.gaps[-1].reason
    assert all(at <= right.now for one in right.manager.lifetimes.between(0, math.inf) for at, _ in one.states)
    ended = {one.worker_id for one in right.manager.lifetimes.between(0, math.inf) if not math.isnan(one.ended_at)}
    assert ended == {"w0", "w1"}
    state = DRMState(right.manager)
    assert sorted(state.at(right.now - 50).snapshot.worker_ids) == sorted(pool.workers)
    right.end()
    third = again(pool, right)
    living = third.manager.lifetimes.living()
    assert {one.worker_id for one in living} == set(pool.workers)
    numbers = [one.number for one in third.manager.lifetimes.between(0, math.inf)]
    assert len(numbers) == len(set(numbers)) == 6
    assert all(earlier <= later for one in living for (earlier, _), (later, _) in zip(one.states, one.states[1:], strict=False))
    third.end()


def test_a_clock_that_jumps_a_day_ahead(tmp_path: Path) -> None:
    """The day is blank and nothing of before is taken away at once, although it is older now than retention allows: the clock may have been
    set wrongly."""
    pool = Outside()
    kept = pool.run_of(tmp_path, retention_days=0.5)
    for _ in range(100):
        pool.tick(kept)
    kept.flush()
    samples = kept.store.file.read("SELECT count(*) FROM samples_1m")
    kept.now += 86_400
    last = [pool.tick(kept) for _ in range(3)][-1]
    kept.flush()
    kept.store._recorder._next_forgetting = 0.0
    pool.tick(kept)
    kept.flush()
    assert kept.store.file.read("SELECT count(*) FROM samples_1m")[0] >= samples[0] and samples[0][0] > 0
    window = kept.manager.history.fleet(2 * 86_400, last.time)
    known = window.mean["workers_current"] >= 0
    assert known.sum() <= 3 and known[-1]
    kept.end()


def test_folders_that_cannot_hold_history(tmp_path: Path) -> None:
    """A file, a part that is a file, and another user's folder are refused with what to do."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(HistoryError, match="is a file, and history needs a folder: name another folder with --data-dir"):
        HistoryStore(file)
    with pytest.raises(HistoryError, match="a part of it is a file"):
        HistoryStore(file / "below")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    try:
        os.chown(theirs, 12_345, 12_345)
    except PermissionError:
        pytest.skip("NOT TESTED: another user's folder needs root to make it")
    with pytest.raises(HistoryError, match=r"belongs to user 12345, this program runs as \d+"):
        HistoryStore(theirs)


class FailingCalls:
    """DuckDB, of which the nth call from now on fails as on a bad disk; 0: none, or it has failed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nth = 0
        connect = duckdb.connect
        monkeypatch.setattr(duckdb, "connect", lambda *how, **more: Failing(self, connect(*how, **more)))

    def call(self) -> None:
        """One call more."""
        if self.nth:
            self.nth -= 1
            if not self.nth:
                raise duckdb.IOException("IO Error: Could not write file: Input/output error")


class Failing:
    """A connection whose calls count."""

    def __init__(self, calls: FailingCalls, connection: Any) -> None:
        self._calls, self._connection = calls, connection

    def cursor(self) -> Failing:
        self._calls.call()
        return Failing(self._calls, self._connection.cursor())

    def execute(self, *what: Any) -> Any:
        self._calls.call()
        return self._connection.execute(*what)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
