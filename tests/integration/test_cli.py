"""The program as a process: what it prints, how it ends, and what it leaves behind, which is nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.sync.client import connect

from drm import commands

ROOT = Path(__file__).parents[2]
TOKEN = "correct-horse-battery"
ENDS_WITHIN = 10.0
"""Twice what is promised: the machine that runs the tests may be busy."""


class Program:
    """`python -m drm` with arguments, in an empty folder; leaving `with` ends whatever of it is left."""

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        self._errors = (folder / f"stderr-{time.monotonic_ns()}").open("w+")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DRM_")}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "drm", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=folder,
            env={**environment, "PYTHONPATH": str(ROOT), **variables},
        )
        self.processes: set[psutil.Process] = set()
        self.url = ""

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.left():
            process.kill()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()

    @property
    def errors(self) -> list[str]:
        """The lines on its standard error."""
        self._errors.seek(0)
        return self._errors.read().splitlines()

    def until_url(self, seconds: float = 30.0) -> Program:
        """Waits until it has printed where the page is."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(seconds, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        found = re.search(r"(http://\S+)/drm-dashboard/", line)
        assert found, (line, self.errors)
        self.url = found[1]
        return self

    def read(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and text of an answer."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def until(self, wanted: Callable[[dict[str, Any]], bool], seconds: float, what: str) -> dict[str, Any]:
        """The first snapshot that shows it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            snapshot: dict[str, Any] = json.loads(self.read("/api/v1/snapshot")[1])
            self.processes.update(psutil.Process(self.process.pid).children(recursive=True))
            if wanted(snapshot):
                return snapshot
            time.sleep(0.1)
        raise AssertionError(f"{what} did not come within {seconds} s: {self.errors}")

    def until_a_worker_runs(self) -> dict[str, Any]:
        return self.until(lambda seen: any(worker["state"] == "running" for worker in seen["workers"]), 30, "a running worker")

    def end(self, *signals: signal.Signals) -> int:
        """Sends the signals, and gives the exit status."""
        for number in signals:
            self.process.send_signal(number)
        return self.process.wait(ENDS_WITHIN)

    def left(self) -> list[psutil.Process]:
        """Its processes that still run."""
        return [process for process in self.processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts a program that is gone after the test."""
    with ExitStack() as stack:
        yield lambda *arguments, **variables: stack.enter_context(Program(tmp_path, *arguments, **variables))


Start = Callable[..., Program]


def test_one_command_starts_a_pool_and_a_page(start: Start) -> None:
    """The URL is printed once the page answers; then real workers run, and it is ready within 10 s of its start."""
    program = start("--port", "0", "--no-mock").until_url()
    assert program.read("/drm-dashboard/")[0] == 200
    assert program.read("/healthz") == (200, '{"status": "up"}')
    snapshot = program.until_a_worker_runs()
    assert time.monotonic() - program.started < 10
    assert program.read("/readyz")[0] == 200
    assert snapshot["source"] == {"kind": "live", "label": "this machine"}
    assert snapshot["bounds"] == {"min": 1, "max": 4}
    assert snapshot["tasks"]["queued"] == snapshot["tasks"]["running"] == snapshot["tasks"]["done"] == 0
    (worker,) = snapshot["workers"]
    assert (worker["capacity"]["cpu"] > 0 and "gpu_memory" not in worker["capacity"]) or worker["capacity"].get("gpu", 0) > 0


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT], [signal.SIGTERM, signal.SIGINT]])
def test_a_signal_ends_all_of_it(start: Start, signals: list[signal.Signals]) -> None:
    """Exit status 0 with tasks running, no worker process left, and not a word of Dask's on the way."""
    program = start("--port", "0", "--workers", "2:2").until_url()
    program.until(lambda seen: seen["tasks"]["running"] > 0 and seen["current"] == 2, 30, "a running task")
    assert len(program.processes) >= 2
    assert program.end(*signals) == 0
    assert not program.left()
    assert [line for line in program.errors if " INFO drm." not in line] == []


def test_a_pushed_program_ends_with_its_pages_open(start: Start) -> None:
    """SIGTERM while pages watch: exit status 0 within the promise, no worker process left, not a word on stderr."""
    program = start("--port", "0", "--no-mock", "--push").until_url()
    program.until_a_worker_runs()
    with ExitStack() as stack:
        ticks = program.url.replace("http", "ws") + "/drm-dashboard/_drm-ticks"
        pages = [stack.enter_context(connect(ticks, close_timeout=0.1)) for _ in range(5)]
        for page in pages:
            page.send("next")
            assert "version" in json.loads(page.recv(5))
        assert program.end(signal.SIGTERM) == 0
    assert not program.left()
    assert [line for line in program.errors if " INFO drm." not in line] == []


def open_live(program: Program, **headers: str) -> tuple[int, str]:
    """What the button of the page does: the status, and the address that it leads to."""
    request = urllib.request.Request(f"{program.url}/drm-dashboard/live", b"", {"Origin": program.url, **headers})
    with urllib.request.urlopen(request, timeout=20) as answer:
        found = re.search(r"url=(http://127\.0\.0\.1:\d+)/drm-dashboard/", answer.read().decode())
        return answer.status, found[1] if found else ""


def test_a_polled_page_opens_a_live_one(start: Start) -> None:
    """Its button starts a pushed server, whose page is sent a websocket frame for each tick; both end with the program."""
    program = start("--port", "0", "--no-mock").until_url()
    program.until_a_worker_runs()
    assert "Open the live dashboard" in program.read("/drm-dashboard/_dash-layout")[1]
    status, live = open_live(program)
    assert status == 200 and live
    with connect(live.replace("http", "ws") + "/drm-dashboard/_drm-ticks", close_timeout=0.1) as page:
        versions = []
        for _ in range(3):
            page.send("next")
            versions.append(json.loads(page.recv(5))["version"])
        assert versions == [versions[0], versions[0] + 1, versions[0] + 2]
        assert program.end(signal.SIGTERM) == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(live, timeout=5)
    assert not program.left()
    assert [line for line in program.errors if " INFO drm." not in line] == []


def test_the_live_dashboard_is_behind_the_same_door(start: Start) -> None:
    """On all addresses as the program is, with its token, and under its further names."""
    variables = {"DRM_TOKEN": TOKEN, "DRM_TRUSTED_HOSTS": "monitor.example"}
    program = start("--port", "0", "--no-mock", "--host", "0.0.0.0", **variables).until_url()
    shown = {"Authorization": f"Bearer {TOKEN}"}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        open_live(program)
    _, program.url = open_live(program, **shown)
    assert program.read("/api/v1/snapshot")[0] == 401
    assert program.read("/api/v1/snapshot", **shown)[0] == 200
    assert program.read("/api/v1/snapshot", **shown, Host="monitor.example")[0] == 200
    assert program.read("/api/v1/snapshot", **shown, Host="evil.example")[0] == 400


@pytest.mark.parametrize("arguments", [["--push"], []])
def test_a_page_with_nothing_to_open_has_no_button(start: Start, tmp_path: Path, arguments: list[str]) -> None:
    """One that is pushed already, and one without the extra `push`."""
    if not arguments:
        (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['a2wsgi'] = None\n")
    program = start("--port", "0", "--no-mock", *arguments, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}").until_url()
    status, layout = program.read("/drm-dashboard/_dash-layout")
    assert status == 200 and "Open the live dashboard" not in layout
    with pytest.raises(urllib.error.HTTPError, match=r"40[45]"):
        open_live(program)


@pytest.mark.parametrize("missing", ["a2wsgi", "uvicorn", "websockets"])
def test_push_without_its_extra_is_one_line(start: Start, tmp_path: Path, missing: str) -> None:
    """It names the extra and how to get it; exit status 2, before anything is started."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{missing!r}] = None\n")
    program = start("--port", "0", "--push", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert program.process.wait(30) == 2
    (line,) = program.errors
    assert missing in line and "pip install 'drm-dashboard[push]'" in line


def test_a_signal_during_the_start_ends_it_too(start: Start) -> None:
    """From the moment that the port is held on, SIGTERM means exit status 0 and no process left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = start("--port", str(port))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.005)
    program.processes.update(psutil.Process(program.process.pid).children(recursive=True))
    assert program.end(signal.SIGTERM) == 0
    assert not program.left()


def test_workers_do_not_outlive_a_program_that_is_killed(start: Start) -> None:
    """Even SIGKILL leaves no worker process."""
    program = start("--port", "0", "--no-mock").until_url()
    program.until_a_worker_runs()
    program.end(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while program.left() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not program.left()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--workers", "5:2"], "--workers '5:2'"),
        (["--interval", "0"], "--interval '0'"),
        (["--interval", "nan"], "--interval 'nan'"),
        (["--port", "70000"], "--port '70000'"),
        (["--colour"], "--colour"),
        (["--host", "0.0.0.0"], "--host '0.0.0.0'"),
        (["--host", "nowhere.invalid", "--insecure"], "nowhere.invalid"),
        (["--cluster", "nonsense"], "--cluster 'nonsense'"),
    ],
)
def test_what_was_asked_for_wrongly_is_one_line(start: Start, arguments: list[str], named: str) -> None:
    """Exit status 2 before anything is started, and one line on stderr that names it."""
    program = start(*arguments)
    assert program.process.wait(20) == 2
    (line,) = program.errors
    assert line.startswith("drm: ") and named in line
    assert program.process.stdout is not None and program.process.stdout.read() == ""


def test_a_port_in_use_is_one_line(start: Start) -> None:
    """Exit status 2, the port and the remedy, and no engine was started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = start("--port", str(port))
        assert program.process.wait(20) == 2
    (line,) = program.errors
    assert re.fullmatch(rf"drm: port {port} on 127\.0\.0\.1 .*in use.*--port.*", line)


def test_a_cluster_that_does_not_answer_is_one_line(start: Start) -> None:
    """Exit status 3 after 5 s, with the address and the remedy."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        program = start("--port", "0", "--cluster", address)
        assert program.process.wait(30) == 3
    assert 4 < time.monotonic() - program.started < 20
    (line,) = program.errors
    assert line.startswith("drm: --cluster") and address in line and "dask scheduler" in line


def test_version_and_help_end_well(start: Start) -> None:
    """Both are answers, not errors."""
    for flag, expected in (("--version", "drm 0."), ("--help", "--no-mock")):
        program = start(flag)
        assert program.process.stdout is not None
        told = " ".join(program.process.stdout.read().split())
        assert expected in told and program.process.wait(20) == 0
        if flag == "--help":
            assert all(f"`drm {name}" in told for name in commands.NAMES)


def test_an_open_address_asks_for_the_token(start: Start) -> None:
    """With DRM_TOKEN only who shows it sees the pool; and the token is in no process list and no log."""
    program = start("--port", "0", "--no-mock", "--host", "0.0.0.0", DRM_TOKEN=TOKEN).until_url()
    assert program.url.startswith("http://127.0.0.1:")
    assert program.read("/api/v1/snapshot")[0] == 401
    assert program.read("/api/v1/snapshot", Authorization="Bearer wrong")[0] == 401
    assert program.read("/api/v1/snapshot", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert program.read("/api/v1/snapshot", Host="evil.example", Authorization=f"Bearer {TOKEN}")[0] == 400
    assert program.end(signal.SIGTERM) == 0
    assert TOKEN not in "".join(program.errors)


def test_insecure_is_done_and_warned_of(start: Start) -> None:
    """No token is asked for, and the log says what that means."""
    program = start("--port", "0", "--no-mock", "--host", "0.0.0.0", "--insecure").until_url()
    assert program.read("/api/v1/snapshot")[0] == 200
    assert any("WARNING" in line and "--insecure" in line for line in program.errors)


def test_a_file_in_the_working_directory_is_read(start: Start, tmp_path: Path) -> None:
    """drm.toml sets what no flag says."""
    (tmp_path / "drm.toml").write_text('workers = "0:3"\nport = 0\nmock = false\n')
    program = start().until_url()
    snapshot = program.until(lambda seen: seen["ready"], 30, "a ready pool")
    assert snapshot["bounds"] == {"min": 0, "max": 3} and snapshot["workers"] == []


def test_the_demo_shows_a_pool_that_grows(start: Start) -> None:
    """A scale-up, real results, and workers that are busy to different degrees, on whatever machine this is."""
    watch_the_demo(start, {"scale_up"})


def watch_the_demo(start: Start, wanted: set[str]) -> None:
    """Until it has done what is wanted, which its page tells of."""
    program = start("--port", "0").until_url()
    actions: set[str] = set()
    spread = 0.0

    def has_happened(seen: dict[str, Any]) -> bool:
        nonlocal spread
        if seen["last_action"]:
            actions.add(seen["last_action"]["action"])
        loads = [worker["used"]["cpu"] / worker["capacity"]["cpu"] for worker in seen["workers"] if worker["used"].get("cpu") is not None]
        spread = max(spread, max(loads, default=0.0) - min(loads, default=0.0))
        return wanted <= actions and spread > 0.3 and seen["tasks"]["done"] > 5

    seen = program.until(has_happened, 90, f"{wanted} and workers that differ")
    assert seen["tasks"]["failed"] == seen["tasks"]["lost"] == 0


def test_a_cluster_that_others_started_is_used_and_left_alone(start: Start, tmp_path: Path) -> None:
    """Its workers are seen, the demo's tasks run there though drm is not installed there, and it outlives the program."""
    dask = [sys.executable, "-m", "dask"]
    quiet: dict[str, Any] = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with ExitStack() as stack:

        def run(*command: str) -> subprocess.Popen[bytes]:
            process = stack.enter_context(subprocess.Popen([*dask, *command], **quiet))
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        others = [run("scheduler", "--host", address, "--no-dashboard")]
        others += [run("worker", address, "--no-nanny", "--no-dashboard", "--nthreads", "2", "--name", name) for name in ("a", "b")]
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=1).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        program = start("--port", "0", "--cluster", address).until_url()
        seen = program.until(lambda seen: seen["tasks"]["done"] > 0 and len(seen["workers"]) == 2, 60, "a task on their workers")
        assert {worker["id"] for worker in seen["workers"]} == {"a", "b"}
        assert seen["source"] == {"kind": "live", "label": address}
        assert program.end(signal.SIGTERM) == 0
        assert [process.poll() for process in others] == [None, None, None]
