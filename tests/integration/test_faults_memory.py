"""A process without memory: callbacks, the recorder and the tick fail one by one, and none of them ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drm.dashboard import create_app
from drm.history import recorder
from drm.history.writing import Writing
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.runner import Runner
from drm.state import DRMState
from tests.integration.waits import until
from tests.unit.kept_pools import Outside, documents

DEADLINE_SECONDS = 30.0


class Starved:
    """A function that fails with MemoryError until it is let go."""

    def __init__(self, whole: Callable[..., Any]) -> None:
        self.whole, self.failed, self.is_over = whole, 0, False

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self.is_over:
            return self.whole(*arguments, **named)
        self.failed += 1
        raise MemoryError

    def __get__(self, instance: Any, _: Any) -> Any:
        return lambda *arguments, **named: self(instance, *arguments, **named)


@pytest.fixture
def state() -> DRMState:
    """An external pool of one worker."""
    manager = DynamicResourceManager()
    manager.register_worker("w1", capacity=Resources(cpu=4, memory=8e9))
    return DRMState(manager)


def test_a_tick_without_memory_is_followed_by_the_next(state: DRMState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the note of the failure fails, and its log line, the thread goes on; with memory again it ticks, and says so."""
    advance, note = Starved(state.manager.advance), Starved(DRMState._note_failure)
    monkeypatch.setattr(state.manager, "advance", advance)
    monkeypatch.setattr(DRMState, "_note_failure", note)
    log = Starved(logging.Logger.error)
    monkeypatch.setattr("drm.runner.logger.error", log)
    with Runner(state, 0.01) as runner:
        until(lambda: note.failed >= 5 and log.failed >= 5, "five failures that could not be noted")
        assert runner.running and state.snapshot.version == 0
        note.is_over = log.is_over = True
        until(lambda: state.health.error == "MemoryError", "the note of a failure")
        advance.is_over = True
        until(lambda: state.health.ok and state.snapshot.version > 3, "ticks")
        assert state.health.errors > 0 and runner.running


def test_a_callback_without_memory_ends_alone(state: DRMState, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page gets 500, the tick goes on, and the next request is answered."""
    state.advance(time.time())
    figure = Starved(DRMState.scaling_events)
    monkeypatch.setattr(DRMState, "scaling_events", figure)
    app = create_app(state).server
    client = app.test_client()
    calls = [one for one in client.get("/drm-dashboard/_dash-dependencies").get_json() if "drm-source" in one["output"]]
    (call,) = calls
    outputs = [dict(zip(("id", "property"), one.rsplit(".", 1), strict=True)) for one in call["output"].strip(".").split("...")]
    body = {
        "output": call["output"],
        "outputs": outputs,
        "inputs": [{**call["inputs"][0], "value": {"range": "1h", "scheme": "light"}}],
        "changedPropIds": [f"{call['inputs'][0]['id']}.{call['inputs'][0]['property']}"],
        "state": [],
    }
    path = "/drm-dashboard/_dash-update-component"
    assert client.post(path, json=body).status_code == 500 and figure.failed == 1
    assert state.advance(time.time()).version == 2 and state.health.ok
    figure.is_over = True
    assert client.post(path, json=body).status_code == 200


def test_a_recorder_without_memory_keeps_its_file_and_its_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails more often than a broken file may: ticks go on, the file is not taken for damaged, and what waited is written."""
    monkeypatch.setattr(recorder, "RETRY_SECONDS", (0.02, 0.05))
    pool = Outside(2)
    kept = pool.run_of(tmp_path / "history")
    pool.tick(kept)
    kept.flush()
    write, fail = Starved(Writing.write), Starved(recorder.Recorder._fail)
    monkeypatch.setattr(Writing, "write", write)
    monkeypatch.setattr(recorder.Recorder, "_fail", fail)
    pool.tick(kept)
    until(lambda: fail.failed >= 2, "failures that could not be noted")
    fail.is_over = True
    until(lambda: write.failed >= 2 * recorder.ANEW_AFTER, "failures")
    assert kept.store.recording.state == "stopped" and "MemoryError" in kept.store.recording.reason
    for _ in range(3):
        pool.tick(kept)
    write.is_over = True
    until(lambda: kept.store.recording.state == "on" and not kept.store.recording.waiting, "history")
    kept.flush()
    assert not kept.store.file.set_aside and kept.store.recording.dropped_samples == 0
    before = documents(kept.manager.ledger)
    kept.end()
    after = pool.run_of(kept.folder, kept.now)
    after.begin()
    assert documents(after.manager.ledger) == before
    after.end()
    assert not [thread for thread in threading.enumerate() if thread.name == "drm-recorder"]
