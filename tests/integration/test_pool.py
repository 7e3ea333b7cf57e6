"""A managed pool of real worker processes: tasks, deaths, growth and shrinking, as a program that uses drm sees them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from drm.decision import Bounds
from drm.engines.dask import DaskEngine
from drm.history.window import MISSING
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.policies.pipeline import Pipeline
from drm.policies.queue import QueuePolicy
from drm.runner import Runner
from drm.state import DRMState

SHAPE = Resources(cpu=0.5, memory=512 * 2**20)
HALF = Resources(cpu=0.25, memory=64 * 2**20)
DEADLINE_SECONDS = 60.0


@pytest.fixture
def state() -> Iterator[DRMState]:
    """A pool of one to three small workers, ticking ten times a second, quick to shrink; its end leaves no process."""
    before = set(psutil.Process().children(recursive=True))
    with DynamicResourceManager(
        DaskEngine.local(SHAPE, 1), QueuePolicy(idle_grace_seconds=1.0), Bounds(1, 3), pipeline=Pipeline(0.5, 0.5), interval_seconds=0.1
    ) as manager:
        state = DRMState(manager)
        with Runner(state, 0.1):
            yield state
    left = set(psutil.Process().children(recursive=True)) - before
    assert not [process for process in left if "resource_tracker" not in " ".join(process.cmdline())]


def until(condition: Callable[[], object], what: str) -> None:
    """Waits for something that the pool does by itself."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.05)


def nap(number: int) -> int:
    time.sleep(0.5)
    return number


def pid_of(state: DRMState, worker_id: str) -> int:
    return int(state.manager.worker(worker_id).labels["pid"])


def test_twenty_tasks_survive_a_killed_worker(state: DRMState) -> None:
    """kill -9 on a worker with running tasks: all results arrive, the heatmap shows its end and its replacement, and the sums are right."""
    handles = [state.manager.submit(nap, number, resources=HALF) for number in range(20)]
    until(lambda: state.snapshot.count("running") == 3 and len(state.snapshot.running_tasks) == 6, "a full pool")
    victim = state.snapshot.running_tasks[0].worker_id
    assert victim is not None
    first = set(state.snapshot.worker_ids)
    os.kill(pid_of(state, victim), signal.SIGKILL)
    assert [handle.result(DEADLINE_SECONDS) for handle in handles] == list(range(20))
    assert sum(handle.task.attempt for handle in handles) > 20
    until(lambda: state.snapshot.tasks.running == 0, "rest")
    assert state.snapshot.allocated.sum() == 0.0
    window = state.heatmap(900, "cpu", "allocated")
    shown = {row.label for row in window.rows}
    assert victim in shown
    assert shown - first, "no replacement in the heatmap"
    assert state.snapshot.states[state.snapshot.worker_ids.index(victim)] == 5
    ended = [row.label for row in window.rows].index(victim)
    until(lambda: state.heatmap(900, "cpu", "allocated").mean[ended, -1] == MISSING, "a blank after the end")


def test_a_pool_grows_with_its_queue_and_shrinks_without_interrupting(state: DRMState, tmp_path: Path) -> None:
    """A scale-up follows the queue; a long task that runs while the others go idle stays, and its worker is not among those that leave."""
    gate = tmp_path / "gate"

    def wait_for(path: str) -> str:
        while not os.path.exists(path):
            time.sleep(0.02)
        return "done"

    short = [state.manager.submit(nap, number, resources=HALF) for number in range(8)]
    long = state.manager.submit(wait_for, str(gate), resources=HALF)
    until(lambda: state.snapshot.count("running") == 3, "three workers")
    for handle in short:
        handle.result(DEADLINE_SECONDS)
    until(lambda: state.snapshot.count("running", "draining") == 1, "one worker")
    assert long.state == "running"
    assert long.worker_id in state.snapshot.worker_ids
    gate.touch()
    assert long.result(DEADLINE_SECONDS) == "done"
    actions = [one for action in ("scale_up", "scale_down") for one in state.manager.decisions(Query(action=action))]
    assert {decision.action for decision in actions} == {"scale_up", "scale_down"}
    until(lambda: all(state.manager.explain(decision.id).outcome == "done" for decision in actions), "outcomes")
    assert not [long.worker_id for decision in actions if decision.action == "scale_down" and long.worker_id in decision.worker_ids]


def test_failures_stay_with_their_task(state: DRMState) -> None:
    """A task that raises keeps its exception with its traceback; one whose result cannot travel fails likewise; the pool goes on."""

    def divide(by: int) -> float:
        return 1 / by

    failing = state.manager.submit(divide, 0, resources=HALF, name="divide")
    unpicklable = state.manager.submit(lambda: (value for value in "ab"), resources=HALF)
    good = state.manager.submit(divide, 4, resources=HALF)
    assert good.result(DEADLINE_SECONDS) == 0.25
    with pytest.raises(ZeroDivisionError) as caught:
        failing.result(DEADLINE_SECONDS)
    assert any("in divide" in note for note in caught.value.__notes__)
    error = unpicklable.exception(DEADLINE_SECONDS)
    assert error is not None
    assert "generator" in str(error)
    until(lambda: state.snapshot.tasks.failed == 2, "two failures")


def test_used_is_measured_and_no_gpu_is_no_row(state: DRMState) -> None:
    """A worker that computes shows cores and bytes in use; without a GPU there is no GPU row, not a zero."""

    def spin(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass

    state.manager.submit(spin, 4.0, resources=HALF)
    until(lambda: np.nansum(state.snapshot.used[:, 0]) > 0.1, "a measured load")
    assert np.nanmin(state.snapshot.used[:, 1]) > 10e6
    if not state.snapshot.capacity[:, 2].any():
        assert np.isnan(state.snapshot.used[:, 2:]).all()
        assert state.heatmap(900, "gpu").rows == ()
