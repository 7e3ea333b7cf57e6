"""The program as a process on bad days: no descriptors left, stopped for a while, ended under load, several of it in one server."""

from __future__ import annotations

import csv
import http.client
import io
import json
import resource
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from drm.history.store import HistoryStore
from tests.integration.test_cli import Program
from tests.integration.waits import until

TOKEN = "correct-horse-battery"
DESCRIPTORS = 128
BUCKET_SECONDS = 5.0
DEADLINE_SECONDS = 60.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts a program that is gone after the test."""
    with ExitStack() as stack:
        yield lambda *arguments, **variables: stack.enter_context(Program(tmp_path, *arguments, **variables))


class Kept:
    """A connection that stays open, and asks for the snapshot."""

    def __init__(self, program: Program) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", int(program.url.rpartition(":")[2]), timeout=30)

    def read(self, path: str) -> tuple[int, str]:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()

    def version(self) -> int:
        return int(json.loads(self.read("/api/v1/snapshot")[1])["version"])

    def close(self) -> None:
        self._connection.close()


@pytest.mark.parametrize("way", [(), ("--push",)], ids=["polled", "pushed"])
def test_connections_beyond_the_descriptors_wait_and_the_tick_goes_on(start: Callable[..., Program], way: tuple[str, ...]) -> None:
    """More connections than there are descriptors: those that are in are answered, ticks come, no CPU is burnt, history is written; once
    some have gone, the next ones are answered."""
    program = start("--port", "0", "--simulate", "20", "--interval", "0.2", "--data-dir", "history", *way, DRM_HISTORY="true")
    resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    program.until_url()
    process = psutil.Process(program.process.pid)
    inside = Kept(program)
    assert inside.version() >= 0
    address = ("127.0.0.1", int(program.url.rpartition(":")[2]))
    with ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection(address, timeout=30)) for _ in range(2 * DESCRIPTORS)]
        for one in crowd:
            with suppress(ConnectionError):
                one.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        time.sleep(0.5)
        began, used, version = time.monotonic(), sum(process.cpu_times()[:2]), inside.version()
        until(lambda: inside.version() >= version + 10, "ten ticks")
        burnt = (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began)
        held = process.num_fds()
        print(f"{way}: {held} descriptors of {DESCRIPTORS}, {burnt:.0%} of a core")
        assert burnt < 0.6 and held < DESCRIPTORS
        metrics = inside.read("/metrics")[1]
        assert "drm_tick_errors_total 0.0" in metrics and "drm_history_recording 1.0" in metrics
    until(lambda: answers(address), "an answer to a new connection")
    inside.close()
    assert program.end(signal.SIGTERM) == 0
    assert "Traceback" not in "\n".join(program.errors)


def answers(address: tuple[str, int]) -> bool:
    """Whether a new connection is answered."""
    try:
        with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


# Stopped


def test_a_program_that_was_stopped_goes_on_and_shows_a_gap(start: Callable[..., Program]) -> None:
    """SIGSTOP for 12 s, SIGCONT: ticks come again, the time between is blank for every worker, and none of them is taken for dead."""
    program = start("--port", "0", "--engine", "external", "--interval", "0.5", "--token", TOKEN).until_url()
    report_to(program)
    until(lambda: seen_by(program)["workers"], "a worker")
    for _ in range(12):
        time.sleep(0.5)
        report_to(program)
    program.process.send_signal(signal.SIGSTOP)
    stopped = time.time()
    time.sleep(12)
    program.process.send_signal(signal.SIGCONT)
    woke = time.time()
    until(lambda: seen_by(program)["time"] > woke, "a tick after the gap")
    report_to(program)
    snapshot = until(lambda: (seen := seen_by(program))["time"] > woke + 6 and seen, "ticks after a report")
    assert [worker["state"] for worker in snapshot["workers"]] == ["running"]
    assert program.read("/readyz", **BEARER)[0] == 200
    status, text = program.read("/api/v1/export?tab=utilization&table=utilization&range=15m&format=csv", **BEARER)
    assert status == 200, text
    begins = [datetime.fromisoformat(row["time_utc"]).timestamp() for row in csv.DictReader(io.StringIO(text)) if row["used_cpu"]]
    assert not [one for one in begins if stopped < one and one + BUCKET_SECONDS < woke], (stopped, woke, begins)
    assert any(one < stopped for one in begins) and any(one + BUCKET_SECONDS > woke for one in begins)


# Ended under load


def test_a_program_under_load_ends_in_order(start: Callable[..., Program], tmp_path: Path) -> None:
    """SIGTERM while 24 clients ask all the time: exit status 0 in time, no process left, and history has the last tick that was told."""
    program = start("--port", "0", "--simulate", "500", "--interval", "0.2", "--data-dir", "history", DRM_HISTORY="true").until_url()
    until(lambda: seen_by(program)["version"] > 5, "ticks")
    ending, told, wrong = threading.Event(), Counter[int](), list[str]()

    def ask() -> None:
        while not ending.is_set():
            try:
                status, text = program.read("/api/v1/snapshot")
                told["answers"] += 1  # type: ignore[index]
                if status == 200:
                    told["last"] = max(told["last"], int(json.loads(text)["time"]))  # type: ignore[index]
                else:
                    wrong.append(text)
            except (OSError, http.client.HTTPException):
                ending.wait(0.05)

    clients = [threading.Thread(target=ask) for _ in range(24)]
    for one in clients:
        one.start()
    try:
        until(lambda: told["answers"] > 100, "load")  # type: ignore[index]
        program.processes.update(psutil.Process(program.process.pid).children(recursive=True))
        began = time.monotonic()
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(25) == 0
        print(f"ended {time.monotonic() - began:.1f} s after SIGTERM, with {told['answers']} answers before")  # type: ignore[index]
    finally:
        ending.set()
        for one in clients:
            one.join()
    assert not wrong and program.left() == []
    store = HistoryStore(tmp_path / "history", retention_days=30)
    try:
        assert store.last_epoch() >= told["last"]  # type: ignore[index]
    finally:
        store.close()


# Shared


BEARER = {"Authorization": f"Bearer {TOKEN}"}


def seen_by(program: Program) -> dict[str, Any]:
    """The pool as the program shows it."""
    found: dict[str, Any] = json.loads(program.read("/api/v1/snapshot", **BEARER)[1])
    return found


def report_to(program: Program, worker_id: str = "a") -> None:
    """A worker with four cores reports that two of them are in use."""
    body = json.dumps({"capacity": {"cpu": 4, "memory": 8e9}, "used": {"cpu": 2.0}}).encode()
    headers = {"Content-Type": "application/json", **BEARER}
    request = urllib.request.Request(f"{program.url}/api/v1/workers/{worker_id}/report", body, headers)
    urllib.request.urlopen(request, timeout=30).close()
