"""Rounds of start, run, kill -9: what was told by programs that were killed, and whether their file knows all of it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drm.history.file import HistoryFile
from drm.history.levels import BUCKETS, STEPS_SECONDS
from drm.history.reading import last_epoch
from drm.history.schema import LEVEL_NAMES

START = 1_767_600_000.0
FIRST_WORD_SECONDS = 60.0
MARGIN_SECONDS = 60.0


@dataclass
class Rounds:
    """One folder, and all that its programs have told. `expected`: the latest of each thing, of batches that are known to be written."""

    folder: Path
    seed: int
    now: float = START
    count: int = 0
    batches: int = 0
    written: int = 0
    decisions: dict[int, list[Any]] = field(default_factory=dict)
    ended: dict[tuple[str, int], str] = field(default_factory=dict)
    open_tasks: dict[str, tuple[int, str]] = field(default_factory=dict)
    lifetimes: dict[int, list[Any]] = field(default_factory=dict)
    samples: dict[tuple[int, float, str], int] = field(default_factory=dict)
    told_ids: list[set[Any]] = field(default_factory=lambda: [set(), set(), set()])

    def run(self, least_seconds: float, most_seconds: float) -> None:
        """One round: a program that is killed after some time of recording, and what its file knows then."""
        self.count += 1
        seconds = random.Random(f"{self.seed} {self.count}").uniform(least_seconds, most_seconds)
        lines = self._kill_after(seconds)
        said = [json.loads(line) for line in lines]
        assert said, "the program did not get to its first tick"
        assert all(one.get("state", "on") == "on" for one in said), said[-1]
        batches = [one["batch"] for one in said if "batch" in one]
        acknowledged = max((one["written"] for one in said if "written" in one), default=-1.0)
        copy = self.folder.with_name(f"{self.folder.name}-copy")
        shutil.copytree(self.folder, copy)
        try:
            self._compare(copy, batches, acknowledged)
        finally:
            shutil.rmtree(copy)
        self.now = max(batch["epoch"] for batch in batches) + 5.0

    def _kill_after(self, seconds: float) -> list[str]:
        command = [sys.executable, "-m", "tests.integration.killed_pool", str(self.folder), str(self.seed + self.count), str(self.now)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        lines: list[str] = []
        first = threading.Event()

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                first.set()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            assert first.wait(FIRST_WORD_SECONDS), "the program said nothing"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            assert process.poll() is None, "the program ended by itself"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.wait()
            reader.join()
            process.stdout.close()  # type: ignore[union-attr]
        # The last line may be torn.
        return lines if lines[-1].endswith("\n") else lines[:-1]

    def _compare(self, folder: Path, batches: list[dict[str, Any]], acknowledged: float) -> None:
        file = HistoryFile(folder / "history.duckdb")
        file.open()
        try:
            assert file.set_aside == []
            until = last_epoch(file)
            assert until >= acknowledged, f"acknowledged up to {acknowledged}, the file ends at {until}"
            self._check_ids(batches)
            if not self._began(file):
                return
            self._lose_open_tasks()
            for batch in batches:
                if batch["epoch"] <= until:
                    self._expect(batch)
            self.batches += len(batches)
            self.written += sum(batch["epoch"] <= until for batch in batches)
            self._check_records(file)
            self._check_samples(file, until)
        finally:
            file.close()

    def _began(self, file: HistoryFile) -> bool:
        """Whether the program got so far as to say in the file that it runs."""
        return int(file.read("SELECT count(*) FROM events WHERE kind = 'began'")[0][0]) == self.count

    def _check_ids(self, batches: list[dict[str, Any]]) -> None:
        """Ids that are new in this round were told in no earlier one, be they written or not."""
        rounds: list[set[Any]] = [set(), set(), set()]
        for batch in batches:
            rounds[0] |= {one[0] for one in batch["decisions"]}
            rounds[1] |= {(one[0], one[1]) for one in batch["lifetimes"]}
            rounds[2] |= {one[0] for one in batch["tasks"]}
        assert not rounds[0] & self.told_ids[0] and not rounds[2] & self.told_ids[2]
        of_others = dict(self.told_ids[1])
        assert all(of_others.get(number, worker_id) == worker_id for number, worker_id in rounds[1])
        for told, new in zip(self.told_ids, rounds, strict=True):
            told |= new

    def _lose_open_tasks(self) -> None:
        for task_id, (attempt, _) in self.open_tasks.items():
            self.ended[task_id, attempt] = "lost"
        self.open_tasks = {}

    def _expect(self, batch: dict[str, Any]) -> None:
        for number, *decision in batch["decisions"]:
            self.decisions[number] = decision
        for task_id, attempt, state in batch["tasks"]:
            if state in ("queued", "running"):
                self.open_tasks[task_id] = attempt, state
            else:
                self.ended[task_id, attempt] = state
                self.open_tasks.pop(task_id, None)
        for number, worker_id, states in batch["lifetimes"]:
            self.lifetimes[number] = [worker_id, states]
        for level, start, worker_id, most in batch["samples"]:
            self.samples[level, start, worker_id] = most

    def _check_records(self, file: HistoryFile) -> None:
        growing = [json.loads(bytes(value)) for (value,) in file.read("SELECT value FROM tail WHERE name = 'decision'")]
        found = {
            number: row
            for number, *row in map(list, file.read("SELECT id, until, evaluations, outcome, action FROM decisions ORDER BY id"))
        }
        for one in growing:
            fold = one["fold"]
            last_at, evaluations = (fold["last_at"], fold["evaluations"]) if fold else (one["timestamp"], 1)
            found[one["id"]] = [last_at, evaluations, one["outcome"], one["action"]]
        _same(found, self.decisions)
        tasks = {(task_id, attempt): state for task_id, attempt, state in file.read("SELECT task_id, attempt, state FROM tasks")}
        _same(tasks, self.ended)
        assert file.read("SELECT count(*) FROM tasks") == [(len(self.ended),)]
        open_tasks = {task_id: (attempt, state) for task_id, attempt, state in file.read("SELECT task_id, attempt, state FROM open_tasks")}
        _same(open_tasks, self.open_tasks)
        states: dict[int, list[Any]] = {}
        for number, worker_id, state in file.read("SELECT lifetime, worker_id, state FROM worker_states ORDER BY lifetime, rowid"):
            known = states.setdefault(number, [worker_id, []])[1]
            known += [state] if not known or known[-1] != state else []
        _same(states, self.lifetimes)

    def _check_samples(self, file: HistoryFile, until: float) -> None:
        for level, name in enumerate(LEVEL_NAMES):
            oldest = until - STEPS_SECONDS[level] * BUCKETS
            # A worker that went and came back within a bucket has two rows of it.
            rows = file.read(
                f"SELECT epoch, worker_id, used_cpu_max FROM samples_{name} AS kept JOIN workers USING (worker) ORDER BY kept.rowid"
            )
            found = {(level, epoch, worker_id): most for epoch, worker_id, most in rows if most is not None}
            self.samples = {key: most for key, most in self.samples.items() if key[0] != level or key[1] > oldest + MARGIN_SECONDS}
            kept = {key: most for key, most in self.samples.items() if key[0] == level and most >= 0}
            _same({key: found.get(key) for key in kept}, kept)
        fleet = file.read("SELECT count(*) FROM fleet_1m WHERE series = 'workers_current' AND max < mean")
        assert fleet == [(0,)]


def _same(found: dict[Any, Any], told: dict[Any, Any]) -> None:
    differ = {key: (found.get(key), told.get(key)) for key in found.keys() | told.keys() if found.get(key) != told.get(key)}
    assert not differ, f"(what the file has, what was told): {differ}"
