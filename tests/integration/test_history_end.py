"""The end of a program never aborts it, however much its history has to do."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from drm.history import recorder
from drm.history.file import HistoryFile
from tests.unit.kept_pools import Outside, documents

AMIDST_A_CHECKPOINT = """
import sys, threading
from pathlib import Path

import numpy as np

from drm.history import recorder
from drm.history.file import HistoryFile

recorder.STOP_SECONDS = 0.01
file = HistoryFile(Path(sys.argv[1]))
file.open()
rows = 1_500_000
cells = np.random.default_rng(1).integers(0, 200, (4, rows), np.uint8)
names = ("used_cpu", "used_cpu_max", "used_memory", "used_memory_max")
file.write([("samples_5s", {"epoch": np.arange(rows) * 5.0, "worker": np.arange(rows, dtype=np.int32), **dict(zip(names, cells))})])
under_way, checkpoint = threading.Event(), HistoryFile.checkpoint


def tell_and_checkpoint(file):
    under_way.set()
    checkpoint(file)


HistoryFile.checkpoint = tell_and_checkpoint
kept = recorder.Recorder(file, lambda epoch: 1, 86400.0)
kept.start(1, 0.0)
kept._next_checkpoint = -1.0
assert under_way.wait(60)
kept.stop()
print("stopped", file.is_open, file.wal.exists())
"""


def test_a_program_that_ends_amidst_a_checkpoint_ends_in_order(tmp_path: Path) -> None:
    """DuckDB cannot interrupt one; a thread that is within it when the interpreter goes would abort the process."""
    command = [sys.executable, "-c", AMIDST_A_CHECKPOINT, str(tmp_path / "history.duckdb")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "stopped False False\n", "")


def test_an_end_waits_for_what_cannot_be_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread of the recorder has ended when the store is closed, although the checkpoint took many times as long as an end should."""
    monkeypatch.setattr(recorder, "STOP_SECONDS", 0.02)
    monkeypatch.setattr(recorder, "INTERRUPT_SECONDS", 0.02)
    begun, go_on = threading.Event(), threading.Event()

    class SlowFile(HistoryFile):
        def checkpoint(self) -> None:
            begun.set()
            assert go_on.wait(60)
            super().checkpoint()

    kept = Outside().run_of(tmp_path)
    kept.tick()
    kept.flush()
    kept.store.file.__class__ = SlowFile
    kept.store._recorder._next_checkpoint = 0.0
    assert begun.wait(60)
    threading.Timer(0.5, go_on.set).start()
    kept.end()
    assert not kept.store._recorder._thread.is_alive() and not kept.store.file.is_open


@pytest.mark.parametrize("is_long", [True, False])
def test_a_long_log_is_left_to_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_long: bool) -> None:
    """Which knows all that stands in it; a short one is merged into the file."""
    monkeypatch.setattr(recorder, "LAST_LOG_BYTES", 0 if is_long else 2**20)
    pool = Outside()
    kept = pool.run_of(tmp_path)
    for _ in range(20):
        pool.tick(kept)
    before, log = documents(kept.manager.ledger), kept.store.file.wal
    kept.end()
    assert log.exists() == is_long
    after = pool.run_of(tmp_path, kept.now)
    after.begin()
    assert documents(after.manager.ledger) == before and after.store.recording.state == "on"
    after.end()


def test_a_long_log_is_merged_before_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no checkpoint is a long one."""
    monkeypatch.setattr(recorder, "LOG_BYTES", 1000)
    monkeypatch.setattr(recorder, "LOG_SECONDS", 0.0)
    merged = threading.Event()
    pool = Outside()
    kept = pool.run_of(tmp_path)

    class ToldFile(HistoryFile):
        def checkpoint(self) -> None:
            super().checkpoint()
            merged.set()

    kept.store.file.__class__ = ToldFile
    pool.tick(kept)
    assert merged.wait(30)
    kept.end()
