"""What runs at the other end: `run` in a worker, `survey` in the scheduler.

Both travel by value, so that workers and schedulers that others started need no drm: only the standard library is imported at the top,
and each function imports what Dask brings along where it uses it.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
import traceback
from array import array
from collections.abc import Callable
from typing import Any

SURVEYED = (
    "pid",
    "nthreads",
    "memory_limit",
    "accepts",
    "measured_at",
    "silence_seconds",
    "cpu",
    "memory",
    "foreign",
    "gpu_memory_limit",
    "gpu",
    "gpu_memory",
)
"""The numbers of one worker in a survey. NaN where it has none; `gpu_memory_limit` is NaN on a worker without a GPU."""

HOUSEKEEPING_CORES, HOUSEKEEPING_SECONDS = 0.1, 1.0
"""What a worker process may use for itself beside its one task, and the time over which it is no more than that."""


class ByValue:
    """A function of this module that any process with cloudpickle can unpickle: it arrives as the function itself."""

    def __init__(self, function: Callable[..., Any]) -> None:
        import sys

        import cloudpickle

        self._function = function
        module = sys.modules[function.__module__]
        cloudpickle.register_pickle_by_value(module)
        try:
            self._pickled = cloudpickle.dumps(function)
        finally:
            cloudpickle.unregister_pickle_by_value(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return pickle.loads, (self._pickled,)


def run(call: bytes, server_id: str) -> dict[str, Any]:
    """Runs a pickled (function, args, kwargs) and returns how that went; never raises what the function raises.

    Keys: `outcome` (done, failed, or lost where this is not the worker that was meant), `started_at`, `finished_at` (epoch seconds),
    `cpu` (mean cores: of this thread, and of threads and processes that it started where that can be told, which `are_threads_known` and
    `are_children_known` say), `memory` (peak bytes above what the process held before; 0 where other tasks ran beside it), `result`
    (pickled), or `error` (the pickled exception, empty if it cannot travel), `reason` and `traceback`.
    """
    import cloudpickle
    from distributed import get_worker

    worker: Any = get_worker()
    if worker.id != server_id:
        # A worker that restarted on the same address: the attempt belonged to the one that died.
        return {"outcome": "lost", "reason": "its worker was restarted"}
    memory = _Peak(worker)
    started_at, wall, clocks = time.time(), time.perf_counter(), _clocks()
    try:
        function, args, kwargs = pickle.loads(call)
        result = function(*args, **kwargs)
        ending: dict[str, Any] = {"outcome": "done", "result": result}
    except BaseException as error:
        # SystemExit or KeyboardInterrupt from a task must not end the worker that others share.
        ending = _failure(error, "")
    wall = max(time.perf_counter() - wall, 1e-9)
    thread, process, children = (max(0.0, after - before) / wall for after, before in zip(_clocks(), clocks, strict=True))
    peak, alone = memory.end()
    are_threads_known = alone and wall >= HOUSEKEEPING_SECONDS
    beside = process - thread if are_threads_known and process - thread > HOUSEKEEPING_CORES else 0.0
    ending.update(
        started_at=started_at,
        finished_at=time.time(),
        cpu=min(1.0, thread) + beside + (children if alone else 0.0),
        are_threads_known=are_threads_known,
        are_children_known=alone or children == 0,
        memory=peak,
    )
    if ending["outcome"] == "done":
        try:
            ending["result"] = cloudpickle.dumps(ending["result"])
        except BaseException as error:
            kind = type(ending.pop("result")).__name__
            ending.update(_failure(error, f"its result, of type {kind}, cannot be pickled: "))
    return ending


def survey(dask_scheduler: Any, prefix: str) -> tuple[list[str], list[str], list[str], list[str], array[float]]:
    """All workers of a scheduler that are up: server ids, names, addresses, hosts, and len(SURVEYED) numbers for each, in one list.

    `foreign` counts the tasks on it whose key does not start with the prefix. Reads copies only, so any thread may call it.
    """
    nan = float("nan")
    now = time.time()
    ids, names, addresses, hosts, numbers = [], [], [], [], array("d")
    for worker in list(dask_scheduler.workers.values()):
        if worker.status.name == "init":
            # It has said who it is, but takes no tasks yet.
            continue
        metrics = worker.metrics
        ids.append(worker.server_id)
        names.append(str(worker.name))
        addresses.append(worker.address)
        hosts.append(str(worker.host))
        foreign = 0
        for task in list(worker.processing):
            foreign += not (isinstance(task.key, str) and task.key.startswith(prefix))
        numbers.extend(
            (
                worker.pid,
                worker.nthreads,
                worker.memory_limit or 0,
                worker.status.name == "running",
                metrics.get("time", nan),
                now - worker.last_seen,
                metrics.get("cpu", nan) / 100,
                metrics.get("memory", nan),
                foreign,
                metrics.get("gpu-memory-total", nan),
                metrics.get("gpu_utilization", nan) / 100,
                metrics.get("gpu_memory_used", nan),
            )
        )
    return ids, names, addresses, hosts, numbers


def _clocks() -> tuple[float, float, float]:
    """Seconds of processor time: of this thread, of this process, and of the processes that it started and that have ended."""
    times = os.times()
    return time.thread_time(), time.process_time(), times.children_user + times.children_system


def _failure(error: BaseException, prefix: str) -> dict[str, Any]:
    import cloudpickle

    # The first frame is `run`'s own.
    own = error.__traceback__.tb_next if error.__traceback__ else None
    try:
        pickled = cloudpickle.dumps(error)
        pickle.loads(pickled)
    except BaseException:
        # Many exceptions with a constructor of their own cannot be rebuilt; then the words have to do.
        pickled = b""
    return {
        "outcome": "failed",
        "error": pickled,
        "reason": prefix + "".join(traceback.format_exception_only(error)).strip(),
        "traceback": "".join(traceback.format_exception(type(error), error, own)),
    }


class _Peak:
    """The peak memory of a task that runs alone in its process, by the kernel's own high-water mark (Linux); else 0."""

    def __init__(self, worker: Any) -> None:
        shared = worker.__dict__
        self._lock = shared.setdefault("_drm_lock", threading.Lock())
        self._running = shared.setdefault("_drm_running", [])
        self._worker = worker
        with self._lock:
            for other in self._running:
                other.alone = False
            self.alone = not self._running and self._is_only_task()
            self._running.append(self)
        self._before = 0
        if self.alone:
            try:
                with open("/proc/self/clear_refs", "w") as mark:
                    mark.write("5")
                self._before = self._high_water()
            except OSError:
                # Not Linux: the peak stays unknown.
                self._before = 0

    def end(self) -> tuple[int, bool]:
        """The peak in bytes, and whether no other task ran beside this one."""
        with self._lock:
            self._running.remove(self)
        alone = self.alone and self._is_only_task()
        try:
            return (max(0, self._high_water() - self._before) if alone and self._before else 0), alone
        except OSError:
            return 0, alone

    def _is_only_task(self) -> bool:
        return len(self._worker.state.executing) <= 1

    @staticmethod
    def _high_water() -> int:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        raise OSError("no VmHWM")
