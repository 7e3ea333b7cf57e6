"""The Dask engine against real worker processes, real schedulers and real signals."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from drm.engines.dask import DaskEngine
from drm.errors import EngineError, InvalidValueError
from drm.model import STATE_CODE, Resources, Task, WorkerType
from drm.observation import OUT_OF_MEMORY, LaunchReport, Observation, TaskReport

SHAPE = Resources(cpu=0.5, memory=512 * 2**20)
TYPE = WorkerType("local", SHAPE)
DEADLINE_SECONDS = 20.0
DASKS_OWN_THREADS = ("Dask-Offload", "AsyncProcess Dask Worker process (from Nanny)")
"""Daemon threads of distributed that are not ours to end: one it keeps for the whole life of a process, and those by which the nannies of a
user's LocalCluster watch their processes. A nanny that is closed while it restarts a killed worker never ends the latter."""


@dataclass
class Watched:
    """An engine, and everything that it has reported so far."""

    engine: DaskEngine
    seen: Observation | None = None
    tasks: list[TaskReport] = field(default_factory=list)
    launches: list[LaunchReport] = field(default_factory=list)
    departures: dict[str, str] = field(default_factory=dict)
    slowest_seconds: float = 0.0
    sent: int = 0

    def observe(self) -> Observation:
        started = time.perf_counter()
        self.seen = self.engine.observe(time.time())
        self.slowest_seconds = max(self.slowest_seconds, time.perf_counter() - started)
        self.tasks += self.seen.tasks
        self.launches += self.seen.launches
        self.departures.update(self.seen.departures)
        return self.seen

    def until(self, condition: Callable[[Observation], Any], what: str) -> Observation:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            seen = self.observe()
            if condition(seen):
                return seen
            time.sleep(0.02)
        raise AssertionError(f"{what} did not come about: {self}")

    def until_running(self, count: int) -> Observation:
        return self.until(lambda seen: (seen.states == STATE_CODE["running"]).sum() == count, f"{count} running workers")

    def send(self, worker_id: str, function: Callable[..., Any], *args: Any) -> str:
        self.sent += 1
        task_id = f"t{self.sent}"
        call = self.engine.encode(function, args, {})
        self.engine.submit(Task(task_id, task_id, Resources(), "running", 0.0, attempt=1, call=call), worker_id)
        return task_id

    def endings(self, count: int) -> dict[str, TaskReport]:
        self.until(lambda _: len(self.tasks) >= count, f"{count} endings")
        assert len({report.task_id for report in self.tasks}) == len(self.tasks), "a task was reported twice"
        return {report.task_id: report for report in self.tasks}


def pid_of(seen: Observation, worker_id: str) -> int:
    return int(seen.labels[worker_id]["pid"])


def children() -> set[int]:
    """Live processes below this one, but for multiprocessing's tracker, which a LocalCluster starts once and for all."""
    pids = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in " ".join(child.cmdline()):
                pids.add(child.pid)
    return pids


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """No test leaves a process or a thread."""
    threads, processes = set(threading.enumerate()), children()

    def left() -> list[Any]:
        own = [thread for thread in set(threading.enumerate()) - threads if not thread.name.startswith(DASKS_OWN_THREADS)]
        return [*own, *(children() - processes)]

    yield
    # Dask stops the threads behind the nannies of a LocalCluster without waiting for them.
    deadline = time.monotonic() + 5
    while left() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left()


@pytest.fixture
def local() -> Iterator[Watched]:
    """A local pool of two small workers that run."""
    engine = DaskEngine.local(SHAPE, workers=2)
    try:
        watched = Watched(engine)
        watched.until_running(2)
        yield watched
    finally:
        engine.close()


def spin(seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
    return "spun"


def hold(path: str) -> str:
    """Runs until the file is there."""
    while not os.path.exists(path):
        time.sleep(0.02)
    return "held"


def note(folder: str) -> None:
    """Leaves one file for each time that it is started, then never ends."""
    open(f"{folder}/{time.monotonic_ns()}", "w").close()
    time.sleep(1000)


def test_the_constructor_returns_before_the_pool_stands() -> None:
    """`local` does not wait: the pool is not ready at first, and lists its workers before they have registered."""
    started = time.monotonic()
    engine = DaskEngine.local(SHAPE, workers=1)
    took = time.monotonic() - started
    try:
        watched = Watched(engine)
        assert not watched.observe().ready
        assert took < 1.0
        first = watched.until(lambda seen: seen.ready, "a pool")
        assert len(first.worker_ids) == 1 and first.states[0] in (STATE_CODE["pending"], STATE_CODE["booting"], STATE_CODE["running"])
        watched.until_running(1)
        assert watched.seen is not None and watched.seen.worker_ids == first.worker_ids
    finally:
        engine.close()


def test_measurements_are_real(local: Watched) -> None:
    """A busy worker shows about a core and its process's memory; before the first measurement there is NaN, not 0."""
    assert local.seen is not None
    busy = local.seen.worker_ids[0]
    np.testing.assert_array_equal(local.seen.capacity, [SHAPE.vector()] * 2)
    assert local.seen.slots.tolist() == [16, 16]
    # Idle it uses some hundredths; how much of a core it gets is up to who else computes.
    local.send(busy, spin, 2.5)
    seen = local.until(lambda seen: seen.used[0, 0] > 0.1 and not math.isnan(seen.used[1, 0]), "a busy worker and a measured idle one")
    resident = psutil.Process(pid_of(seen, busy)).memory_info().rss
    assert seen.used[0, 1] == pytest.approx(resident, rel=0.3)
    assert seen.used[1, 0] < seen.used[0, 0]
    assert np.isnan(seen.used[:, 2:]).all()
    ending = local.endings(1)["t1"]
    assert ending.result == "spun" and ending.used is not None and 0.1 < ending.used.cpu <= 1.0
    assert ending.finished_at - ending.started_at == pytest.approx(2.5, abs=1.5)


def test_the_first_reading_of_a_worker_is_missing() -> None:
    """A worker that has just registered has measured nothing yet: NaN."""
    engine = DaskEngine.local(SHAPE, workers=1)
    try:
        watched = Watched(engine)
        assert np.isnan(watched.until_running(1).used).all()
        watched.until(lambda seen: not math.isnan(seen.used[0, 1]), "a measurement")
    finally:
        engine.close()


def test_twenty_tasks_come_home(local: Watched) -> None:
    """Every result arrives once, whatever worker ran it."""
    assert local.seen is not None
    offset = 3
    for number in range(20):
        local.send(local.seen.worker_ids[number % 2], lambda x: (x + offset, os.getpid()), number)
    endings = local.endings(20)
    assert [endings[f"t{number + 1}"].result[0] for number in range(20)] == [number + 3 for number in range(20)]
    assert {report.result[1] for report in endings.values()} == {pid_of(local.seen, worker_id) for worker_id in local.seen.worker_ids}


def test_a_large_result_and_its_memory(local: Watched) -> None:
    """A result of megabytes comes home, and a task that runs alone is measured with its peak memory."""
    assert local.seen is not None
    local.send(local.seen.worker_ids[0], lambda: np.ones(4_000_000))
    ending = local.endings(1)["t1"]
    assert ending.result.sum() == 4_000_000
    assert ending.used is not None and (ending.used.memory >= 16_000_000 or not sys.platform.startswith("linux"))


def test_failures_stay_with_their_task(local: Watched) -> None:
    """A task that raises, exits, or returns what cannot be pickled is failed with its error and traceback; its worker lives on."""
    assert local.seen is not None
    worker_id = local.seen.worker_ids[0]

    class Odd(Exception):
        def __init__(self, first: int, second: int) -> None:
            super().__init__(f"{first} is odd")

    def raises() -> None:
        raise ValueError("no such thing")

    def raises_odd() -> None:
        raise Odd(1, 2)

    for function in (raises, raises_odd, lambda: sys.exit(3), lambda: threading.Lock(), lambda: 42):
        local.send(worker_id, function)
    endings = local.endings(5)
    assert [endings[f"t{number}"].outcome for number in range(1, 6)] == ["failed"] * 4 + ["done"]
    assert isinstance(endings["t1"].error, ValueError) and endings["t1"].reason == "ValueError: no such thing"
    assert "in raises" in endings["t1"].traceback and "remote.py" not in endings["t1"].traceback
    assert "1 is odd" in str(endings["t2"].error)
    assert isinstance(endings["t3"].error, SystemExit)
    assert "of type lock, cannot be pickled" in endings["t4"].reason and endings["t4"].traceback
    assert worker_id in local.observe().worker_ids


def test_what_cannot_be_sent_is_refused(local: Watched) -> None:
    """A callable with an argument that cannot be pickled is refused by name before anything is sent."""
    with pytest.raises(InvalidValueError, match="spin cannot be sent"):
        local.engine.encode(spin, (threading.Lock(),), {})


def test_a_killed_worker_takes_its_tasks_and_stays_dead(local: Watched, tmp_path: Path) -> None:
    """kill -9: its running tasks are lost and run nowhere else, its departure says why, and neither name nor process comes back."""
    assert local.seen is not None
    victim, survivor = local.seen.worker_ids
    for _ in range(3):
        local.send(victim, note, str(tmp_path))
    local.send(survivor, spin, 1.0)
    local.until(lambda _: len(list(tmp_path.iterdir())) == 3, "three running tasks")
    os.kill(pid_of(local.seen, victim), signal.SIGKILL)
    endings = local.endings(4)
    assert {task_id: report.outcome for task_id, report in endings.items()} == {"t1": "lost", "t2": "lost", "t3": "lost", "t4": "done"}
    assert local.departures == {victim: "its process was ended by SIGKILL"} and "SIGKILL" in endings["t1"].reason
    local.engine.launch(1, TYPE, "after")
    seen = local.until_running(2)
    assert victim not in seen.worker_ids and survivor in seen.worker_ids
    assert len(list(tmp_path.iterdir())) == 3


def test_a_worker_that_takes_too_much_memory_is_ended() -> None:
    """A worker that outgrows its memory is ended, and its departure says how much it held."""
    engine = DaskEngine.local(Resources(cpu=0.5, memory=256 * 2**20), workers=1)
    try:
        watched = Watched(engine)
        (worker_id,) = watched.until_running(1).worker_ids
        watched.send(worker_id, lambda: (bytearray(os.urandom(1) * (400 * 2**20)), time.sleep(60)))
        ending = watched.endings(1)["t1"]
        assert ending.outcome == "lost" and ending.out_of_memory
        assert watched.departures[worker_id].startswith(OUT_OF_MEMORY)
        assert "more than 95% of its 256 MiB" in watched.departures[worker_id]
    finally:
        engine.close()


def test_of_two_tasks_nobody_knows_which_took_the_memory() -> None:
    """Both are lost with their worker, and neither is said to have been ended by memory."""
    engine = DaskEngine.local(Resources(cpu=0.5, memory=256 * 2**20), workers=1)
    try:
        watched = Watched(engine)
        (worker_id,) = watched.until_running(1).worker_ids
        watched.send(worker_id, time.sleep, 60)
        watched.send(worker_id, lambda: (bytearray(os.urandom(1) * (400 * 2**20)), time.sleep(60)))
        endings = watched.endings(2)
        assert {ending.outcome for ending in endings.values()} == {"lost"}
        assert not any(ending.out_of_memory for ending in endings.values())
    finally:
        engine.close()


def test_processes_and_threads_of_a_task_count(local: Watched) -> None:
    """A second of work in a process or thread that a lone task started is that task's; beside another task it is known to be missing."""
    assert local.seen is not None
    first, second = local.seen.worker_ids
    work = "import time\nwhile time.process_time() < 1: pass"

    def by_process() -> None:
        subprocess.run([sys.executable, "-c", work], check=True)

    def by_thread() -> None:
        def turn() -> None:
            while time.thread_time() < 1:
                pass

        thread = threading.Thread(target=turn)
        thread.start()
        thread.join()

    local.send(first, by_process)
    local.send(second, by_thread)
    for ending in local.endings(2).values():
        assert ending.outcome == "done" and ending.used is not None and not ending.cpu_is_partial, ending
        took = ending.finished_at - ending.started_at
        # On a machine that gives it less than a tenth of a core, a thread is taken for the worker's housekeeping.
        assert ending.used.cpu * took > 0.8 or took > 9, ending
    local.send(first, time.sleep, 3)
    beside = local.send(first, by_process)
    assert local.endings(4)[beside].cpu_is_partial


def test_launch_then_retire(local: Watched) -> None:
    """A launch names its workers at once, they boot and run; retired ones leave as such, and their processes end."""
    assert local.seen is not None
    old = local.seen.worker_ids
    local.engine.launch(2, TYPE, "seven")
    seen = local.observe()
    (report,) = local.launches
    assert report.launch_id == "seven" and report.worker_ids == seen.worker_ids[2:] and not set(report.worker_ids) & set(old)
    assert set(seen.states[2:]) <= {STATE_CODE["pending"], STATE_CODE["booting"]} and np.isnan(seen.used[2:]).all()
    seen = local.until_running(4)
    pids = [pid_of(seen, worker_id) for worker_id in old]
    local.engine.retire(old)
    seen = local.until(lambda seen: seen.worker_ids == report.worker_ids, "two workers less")
    assert local.departures == dict.fromkeys(old, "retired")
    local.until(lambda _: not set(pids) & children(), "the end of their processes")


def test_a_worker_that_cannot_start_is_reported(local: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends before it has registered departs, and its launch hears why."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    local.engine.launch(1, TYPE, "broken")
    local.until(lambda _: any(report.error for report in local.launches), "a failed launch")
    named, failed = (report for report in local.launches if report.launch_id == "broken")
    assert local.departures.keys() == set(named.worker_ids)
    assert "before" in failed.error or "ended with status 1" in failed.error or "could not be started" in failed.error


def heard(seen: Observation, worker_id: str) -> float:
    assert seen.heard_at is not None
    return float(seen.heard_at[seen.worker_ids.index(worker_id)])


def test_a_hung_worker_holds_nothing_up(local: Watched) -> None:
    """With one worker stopped, observe, submit, launch and retire return at once, the others go on working, and its silence is told."""
    assert local.seen is not None
    hung, other = local.seen.worker_ids
    pid = pid_of(local.seen, hung)
    os.kill(pid, signal.SIGSTOP)
    try:
        local.slowest_seconds = 0.0
        started = time.perf_counter()
        local.send(hung, spin, 0.1)
        for _ in range(5):
            local.send(other, spin, 0.05)
        local.engine.launch(1, TYPE, "more")
        assert time.perf_counter() - started < 0.2
        local.until(lambda _: len(local.tasks) == 5, "five results of the other worker")
        local.until_running(3)
        assert local.slowest_seconds < 0.2
        local.until(lambda seen: heard(seen, other) - heard(seen, hung) > 2, "the silence of the hung worker")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert local.endings(6)["t1"].outcome == "done"
    os.kill(pid, signal.SIGSTOP)
    local.engine.retire([hung])
    local.until(lambda seen: hung not in seen.worker_ids, "the hung worker's end")
    assert local.departures == {hung: "retired"}


def test_a_cancelled_task_ends_as_cancelled(local: Watched, tmp_path: Path) -> None:
    """A running callable is not interrupted, but its result is dropped."""
    assert local.seen is not None
    task_id = local.send(local.seen.worker_ids[0], hold, str(tmp_path / "go"))
    local.engine.cancel(task_id)
    assert not local.observe().tasks
    (tmp_path / "go").touch()
    ending = local.endings(1)[task_id]
    assert ending.outcome == "cancelled" and ending.result is None


def test_close_is_quick_and_final() -> None:
    """Closing in the middle of work takes less than 5 s, twice is once, and a closed engine says so."""
    engine = DaskEngine.local(SHAPE, workers=2)
    watched = Watched(engine)
    seen = watched.until_running(2)
    for worker_id in seen.worker_ids:
        watched.send(worker_id, time.sleep, 100)
    os.kill(pid_of(seen, seen.worker_ids[0]), signal.SIGSTOP)
    started = time.monotonic()
    engine.close()
    engine.close()
    assert time.monotonic() - started < 5
    assert not {pid_of(seen, worker_id) for worker_id in seen.worker_ids} & children()
    with pytest.raises(EngineError, match="closed"):
        engine.observe(0.0)


def test_close_while_starting() -> None:
    """An engine that is closed before it stands leaves nothing behind."""
    DaskEngine.local(SHAPE, workers=1).close()


def test_a_pool_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps the pool from starting is raised by `observe`."""
    import distributed

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError("no sockets today")

    monkeypatch.setattr(distributed, "Scheduler", refuse)
    engine = DaskEngine.local(SHAPE)
    with pytest.raises(EngineError, match="no sockets today"):
        Watched(engine).until(lambda seen: seen.ready, "a pool")
    engine.close()


def test_a_script_without_a_guard_runs(tmp_path: Path) -> None:
    """Workers do not run the main module again: a plain script works, with functions and classes of its own."""
    script = tmp_path / "plain.py"
    script.write_text(
        "import time\n"
        "from drm.engines.dask import DaskEngine\n"
        "from drm.model import Resources, Task\n"
        "print('main')\n"
        "class Point:\n"
        "    x = 7\n"
        "engine = DaskEngine.local(Resources(cpu=0.5, memory=2**29))\n"
        "while not (seen := engine.observe(0.0)).ready or seen.states[0] != 2:\n"
        "    time.sleep(0.02)\n"
        "call = engine.encode(lambda: Point(), (), {})\n"
        "engine.submit(Task('t', 't', Resources(), 'running', 0.0, attempt=1, call=call), seen.worker_ids[0])\n"
        "while not (tasks := engine.observe(0.0).tasks):\n"
        "    time.sleep(0.02)\n"
        "print(type(tasks[0].result) is Point, tasks[0].result.x)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=30, env=environment)
    assert (done.stdout, done.stderr, done.returncode) == ("main\nTrue 7\n", "", 0)


# A scheduler of others


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """The address of a `dask scheduler` with two `dask worker` processes, none of which can import drm."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with ExitStack() as stack:

        def start(*arguments: str) -> None:
            command = [sys.executable, "-m", "dask", *arguments]
            nowhere = subprocess.DEVNULL
            process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=nowhere, stderr=nowhere)
            stack.callback(process.wait, 10)
            stack.callback(process.kill)

        start("scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard", "--dashboard-address", ":0")
        for name in ("left", "right"):
            start("worker", address, "--name", name, "--nthreads", "4", "--memory-limit", "400MB", "--no-nanny", "--no-dashboard")
        yield address


def test_a_scheduler_of_others(scheduler: str) -> None:
    """Its workers are seen and used without drm on them; another client's tasks are counted and take room, and are not touched."""
    from distributed import Client

    engine = DaskEngine.connect(scheduler, timeout_seconds=15)
    try:
        watched = Watched(engine)
        seen = watched.until_running(2)
        assert sorted(seen.worker_ids) == ["left", "right"] and engine.source.label == scheduler
        np.testing.assert_array_equal(seen.capacity, [[4, 400e6, 0, 0]] * 2)
        assert engine.no_launcher_reason is not None and engine.worker_shape == Resources(cpu=4, memory=400e6)
        with pytest.raises(EngineError, match="cannot be launched"):
            engine.launch(1, TYPE, "one")
        with Client(scheduler, set_as_default=False) as other:
            futures = [other.submit(time.sleep, 1.5, workers=["left"], pure=False) for _ in range(3)]
            seen = watched.until(lambda seen: seen.foreign_tasks == 3, "three foreign tasks")
            left = seen.worker_ids.index("left")
            assert seen.occupied[left].tolist() == [3, 0, 0, 0] and seen.occupied[1 - left].tolist() == [0, 0, 0, 0]
            assert seen.slots[left] == 1 and seen.slots[1 - left] == 4
            for number in range(8):
                watched.send(seen.worker_ids[number % 2], lambda x: x * x, number)
            assert [watched.endings(8)[f"t{number + 1}"].result for number in range(8)] == [number**2 for number in range(8)]
            assert other.gather(futures) == [None] * 3
        watched.until(lambda seen: not math.isnan(seen.used[0, 1]) and not seen.foreign_tasks, "measurements")
        assert watched.slowest_seconds < 1.0
        engine.close()
        with Client(scheduler, set_as_default=False) as other:
            assert other.submit(os.getpid).result() in {int(labels["pid"]) for labels in seen.labels.values()}
    finally:
        engine.close()


def test_a_scheduler_that_goes_is_an_error(scheduler: str) -> None:
    """A scheduler that stops answering is an EngineError after 5 s, not a pool that looks well."""
    engine = DaskEngine.connect(scheduler, timeout_seconds=15)
    try:
        watched = Watched(engine)
        watched.until_running(2)
        (process,) = [child for child in psutil.Process().children() if "scheduler" in child.cmdline()]
        process.suspend()
        started = time.monotonic()
        with pytest.raises(EngineError, match="did not answer"):
            watched.until(lambda _: False, "an error")
        assert 4 < time.monotonic() - started < 8
        process.resume()
        time.sleep(0.1)
        watched.engine.observe(0.0)
    finally:
        engine.close()


def test_connecting_to_nowhere() -> None:
    """An address at which nobody listens is refused within the timeout, by value, rule and remedy."""
    started = time.monotonic()
    with pytest.raises(EngineError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:9' within 1 s: start one"):
        DaskEngine.connect("tcp://127.0.0.1:9", timeout_seconds=1)
    assert time.monotonic() - started < 3


# A cluster of the user's


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A LocalCluster with one worker behind Dask's own nanny, which revives it."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, memory_limit=400_000_000, dashboard_address=None) as cluster:
        yield cluster


def test_a_cluster_of_the_user(cluster: Any) -> None:
    """Its worker is used, others are launched by its specification and retired, a killed one is not revived, and it stays open."""
    engine = DaskEngine(cluster)
    try:
        watched = Watched(engine)
        (old,) = watched.until_running(1).worker_ids
        assert old == "0" and engine.worker_shape == Resources(cpu=2, memory=400e6) and engine.machine is not None
        engine.launch(2, TYPE, "two")
        seen = watched.until_running(3)
        new = seen.worker_ids[1:]
        watched.send(new[0], os.getpid)
        assert watched.endings(1)["t1"].result == pid_of(seen, new[0])
        os.kill(pid_of(seen, old), signal.SIGKILL)
        watched.until(lambda seen: seen.worker_ids == new, "the end of the killed worker")
        watched.until(lambda _: not cluster.worker_spec.keys() & {0} and len(cluster.scheduler.workers) == 2, "an end to its revival")
        engine.retire([new[0]])
        watched.until(lambda seen: seen.worker_ids == new[1:], "one worker less")
        assert watched.departures[new[0]] == "retired" and set(watched.departures) == {old, new[0]}
    finally:
        engine.close()
    assert cluster.status.name == "running"


def test_a_cluster_that_scales_itself_is_refused(cluster: Any) -> None:
    """A cluster under adapt() is refused, also where adapt() came later."""
    engine = DaskEngine(cluster)
    try:
        Watched(engine).until_running(1)
        cluster.adapt(minimum=1, maximum=2)
        with pytest.raises(EngineError, match="adapt"):
            engine.launch(1, TYPE, "one")
        with pytest.raises(EngineError, match="adapt"):
            DaskEngine(cluster)
    finally:
        engine.close()


def test_only_a_cluster_with_a_specification() -> None:
    """What is no SpecCluster is refused with the way out."""
    with pytest.raises(EngineError, match=r"DaskEngine\.connect"):
        DaskEngine(object())  # type: ignore[arg-type]
