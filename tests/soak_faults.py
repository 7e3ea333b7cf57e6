"""Faults of a minute, and of real limits (`make soak`): the network away, the program at a standstill, an address space that is full."""

from __future__ import annotations

import json
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest

from tests.integration.stalling_proxy import StallingProxy
from tests.integration.test_cli import Program
from tests.integration.test_faults_process import BEARER, TOKEN, Kept, report_to, seen_by
from tests.integration.test_faults_scheduler import Cluster, Watched
from tests.integration.waits import until

MINUTE = 60.0
ROOM_BYTES = 48 * 2**20


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler with two workers."""
    cluster = Cluster(tmp_path)
    until(cluster.answers, "a scheduler")
    yield cluster
    cluster.close()


@pytest.mark.timeout(0)
def test_a_minute_without_the_network(cluster: Cluster) -> None:
    """A stall of 60 s, longer than Dask's own patience: told, and over as soon as bytes pass; work goes on."""
    with StallingProxy("127.0.0.1", cluster.port) as proxy:
        watched = Watched(proxy.port)
        with watched.manager, watched.runner:
            until(lambda: watched.running() == 2, "two workers")
            proxy.stall()
            until(lambda: watched.says("did not answer"), "word of it")
            time.sleep(MINUTE)
            assert watched.says("did not answer") and watched.running() == 2
            proxy.resume()
            began = time.monotonic()
            until(lambda: watched.state.health.ok, "an answer")
            print(f"healthy {time.monotonic() - began:.1f} s after the network is back")
            assert watched.manager.submit(pow, 7, 2).result(90.0) == 49


@pytest.mark.timeout(0)
@pytest.mark.parametrize("way", [(), ("--push",)], ids=["polled", "pushed"])
def test_a_minute_of_standstill(tmp_path: Path, way: tuple[str, ...]) -> None:
    """SIGSTOP for 60 s: as long as a worker may be silent; it is not taken for dead, and the program is ready again."""
    with ExitStack() as stack:
        program = stack.enter_context(Program(tmp_path, "--port", "0", "--engine", "external", "--token", TOKEN, *way)).until_url()
        report_to(program)
        until(lambda: seen_by(program)["workers"], "a worker")
        program.process.send_signal(signal.SIGSTOP)
        time.sleep(MINUTE)
        program.process.send_signal(signal.SIGCONT)
        woke = time.time()
        snapshot = until(lambda: (seen := seen_by(program))["time"] > woke + 3 and seen, "ticks")
        assert [worker["state"] for worker in snapshot["workers"]] == ["running"]
        assert program.read("/readyz", **BEARER)[0] == 200


@pytest.mark.timeout(0)
def test_a_program_that_runs_out_of_memory(tmp_path: Path) -> None:
    """Its address space may not grow while it is asked for all it has: it stays up, ticks, and answers in full once the limit is gone."""
    with ExitStack() as stack:
        arguments = ("--port", "0", "--simulate", "2000", "--interval", "0.5", "--data-dir", "history")
        program = stack.enter_context(Program(tmp_path, *arguments, DRM_HISTORY="true")).until_url()
        until(lambda: seen_by(program)["version"] > 5, "ticks")
        process = psutil.Process(program.process.pid)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (process.memory_info().vms + ROOM_BYTES, resource.RLIM_INFINITY))
        statuses = []
        for _ in range(20):
            try:
                statuses.append(program.read("/api/v1/export?tab=utilization&table=utilization&range=1h&format=csv")[0])
            except OSError:
                statuses.append(0)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print({status: statuses.count(status) for status in set(statuses)}, program.errors[-3:])
        inside = stack.enter_context(closing(Kept(program)))
        version = inside.version()
        until(lambda: inside.version() > version + 5, "ticks without the limit")
        until(lambda: "drm_history_recording 1.0" in inside.read("/metrics")[1], "history")
        assert json.loads(inside.read("/api/v1/snapshot")[1])["ready"]
        assert program.end(signal.SIGTERM) == 0
        assert not [one for one in (tmp_path / "history").iterdir() if "damaged" in one.name]
