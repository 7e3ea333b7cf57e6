"""A running Dask scheduler that dies, or that the network cuts off: what is told of it, and how the pool comes back."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from drm.dashboard import mount
from drm.engines.dask import DaskEngine
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.runner import Runner
from drm.server import create_standalone
from drm.state import DRMState
from tests.integration.stalling_proxy import StallingProxy
from tests.integration.waits import until

DEADLINE_SECONDS = 90.0
ONE = Resources(cpu=1, memory=64e6)


class Cluster:
    """`dask scheduler` at a port that stays the same, and `dask worker` processes that join it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._scheduler = self._scheduler_process()
        self._workers = [self._worker("left"), self._worker("right")]

    def answers(self) -> bool:
        """Whether somebody listens at the port."""
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def kill_scheduler(self) -> None:
        """And the workers, which end without one."""
        for one in (self._scheduler, *self._workers):
            one.kill()
            one.wait(10)

    def again(self, *names: str) -> None:
        """A new scheduler at the same port, with new workers."""
        self._scheduler = self._scheduler_process()
        self._workers = [self._worker(name) for name in names]

    def close(self) -> None:
        """Ends all of them."""
        self._stack.close()

    def _scheduler_process(self) -> subprocess.Popen[bytes]:
        return self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--dashboard-address", ":0")

    def _worker(self, name: str) -> subprocess.Popen[bytes]:
        more = ("--name", name, "--nthreads", "2", "--memory-limit", "400MB", "--no-nanny", "--no-dashboard")
        return self._start("worker", f"tcp://127.0.0.1:{self.port}", *more)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        nowhere = subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], cwd=self._folder, env=environment, stdout=nowhere, stderr=nowhere
        )
        self._stack.callback(process.wait, 10)
        self._stack.callback(process.kill)
        return process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    until(cluster.answers, "a scheduler")
    yield cluster
    cluster.close()


class Watched:
    """A pool on a scheduler, with the pages that tell of it."""

    def __init__(self, port: int) -> None:
        self.manager = DynamicResourceManager(DaskEngine.connect(f"tcp://127.0.0.1:{port}", timeout_seconds=60))
        self.state = DRMState(self.manager)
        self.runner = Runner(self.state, 0.2)
        app = create_standalone("127.0.0.1", "/drm-dashboard/")
        mount(app, self.state, api_prefix="")
        self.client: FlaskClient = app.test_client()

    def metric(self, name: str) -> float:
        lines = self.client.get("/metrics").text.splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))

    def running(self) -> int:
        return self.state.snapshot.count("running")

    def says(self, words: str) -> bool:
        """Whether /readyz and the header's health say so, while /metrics counts failures and the last snapshot stands."""
        answer = self.client.get("/readyz")
        return (
            answer.status_code == 503 and words in answer.text and words in self.state.health.error and not self.metric("drm_tick_healthy")
        )


@pytest.fixture
def watched(cluster: Cluster) -> Iterator[Watched]:
    watched = Watched(cluster.port)
    with watched.manager, watched.runner:
        until(lambda: watched.running() == 2, "two workers")
        yield watched


def test_a_scheduler_dies_and_returns(cluster: Cluster, watched: Watched) -> None:
    """Its end is told after 5 s, with the last numbers in view; tasks wait; a new one at the same address is used without a restart, and
    each task is done exactly once or queued again."""
    done = [watched.manager.submit(pow, 2, number, resources=ONE) for number in range(4)]
    assert [one.result(DEADLINE_SECONDS) for one in done] == [1, 2, 4, 8]
    long = watched.manager.submit(time.sleep, 600, resources=ONE, name="long")
    until(lambda: long.state == "running", "a running task")
    cluster.kill_scheduler()
    until(lambda: watched.says("did not answer"), "word of it")
    assert watched.state.snapshot.count("running") == 2 and watched.metric("drm_tick_errors_total") >= 1
    waiting = watched.manager.submit(pow, 3, 2, resources=ONE)
    assert waiting.state == "queued"
    cluster.again("new")
    until(lambda: watched.state.health.ok, "an answer of the new scheduler")
    assert waiting.result(DEADLINE_SECONDS) == 9
    until(lambda: watched.client.get("/readyz").status_code == 200, "that it is ready")
    assert (long.state, long.worker_id) == ("running", "new")
    assert watched.metric("drm_tick_healthy") == 1


def test_a_network_that_stalls(cluster: Cluster) -> None:
    """Nothing passes for a while: ticks fail quickly and say why, and when bytes pass again the pool goes on with the same workers and the
    task that ran meanwhile comes home."""

    def slow_square(number: int) -> int:
        time.sleep(3)
        return number * number

    with StallingProxy("127.0.0.1", cluster.port) as proxy:
        watched = Watched(proxy.port)
        with watched.manager, watched.runner:
            until(lambda: watched.running() == 2, "two workers")
            task = watched.manager.submit(slow_square, 7, resources=ONE)
            until(lambda: task.state == "running", "a running task")
            proxy.stall()
            until(lambda: watched.says("did not answer"), "word of it")
            errors = watched.metric("drm_tick_errors_total")
            until(lambda: watched.metric("drm_tick_errors_total") >= errors + 10, "ten more failed ticks")
            assert watched.metric("drm_last_tick_duration_seconds") < 1
            assert watched.running() == 2 and task.state == "running"
            proxy.resume()
            until(lambda: watched.state.health.ok, "an answer")
            assert task.result(DEADLINE_SECONDS) == 49
            until(lambda: watched.client.get("/readyz").status_code == 200, "that it is ready")
            # Its handle has the result before the snapshot of that tick is there.
            until(lambda: watched.state.snapshot.tasks.done == 1, "the end of the task in a snapshot")
            assert sorted(watched.state.snapshot.worker_ids) == ["left", "right"]
