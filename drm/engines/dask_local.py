"""Worker processes on this machine, for a scheduler in this process; and what this machine has.

Each process is started once and never again: who dies stays dead, and the pool's size is the manager's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from drm.engines.dask_launcher import News
from drm.model import Resources, WorkerType
from drm.observation import OUT_OF_MEMORY

logger = logging.getLogger(__name__)

WATCH_SECONDS = 0.1
MEMORY_FRACTION = 0.95
"""A worker that holds more than this part of its memory is ended, as Dask's own nannies do."""
BOOT_SECONDS = 60.0
LEAVE_SECONDS = 2.0
HAND_OVER_SECONDS = 2.0
LEAST_SLOTS = 16


def machine() -> Resources:
    """What this machine has, within the limits of its control group. GPUs are counted where `pynvml` and a driver are there."""
    from dask.system import cpu_count

    memory = psutil.virtual_memory().total
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            memory = min(memory, int(Path(limit).read_text()))
        except (OSError, ValueError):
            # No such group here, or the word "max".
            continue
    gpus, gpu_memory = _gpus()
    return Resources(cpu_count(), memory, gpus, gpu_memory)


def _gpus() -> tuple[int, float]:
    try:
        import pynvml
    except ImportError:
        return 0, 0.0
    try:
        pynvml.nvmlInit()
        devices = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return len(devices), float(sum(pynvml.nvmlDeviceGetMemoryInfo(device).total for device in devices))
    except pynvml.NVMLError as error:
        logger.debug("no GPU: %s", error)
        return 0, 0.0


def slots(shape: Resources) -> int:
    """How many tasks a worker of this shape runs at once at most: more than its cores, since tasks are admitted by their requests."""
    return max(LEAST_SLOTS, 4 * math.ceil(shape.cpu))


@dataclass
class _Process:
    popen: subprocess.Popen[bytes]
    memory_limit: float
    started: float
    address: str = ""
    """Where its worker listens, once it has registered."""
    fate: str = ""
    """Why it ended, or has to."""
    leave_by: float = math.inf
    forgotten: bool = False
    """Its end was reported: it is only kept until it has left."""


class LocalLauncher:
    """Starts and ends worker processes. `fate`, `phase`, `labels`, `registered` may be called by any thread; the rest runs on the loop."""

    no_launcher_reason: str | None = None

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._processes: dict[str, _Process] = {}
        self._failed: dict[str, str] = {}
        self._folder = tempfile.mkdtemp(prefix="drm-")
        # Runs once: when the engine is closed, or the program ends without closing it.
        self._end = weakref.finalize(self, _end, self._processes, self._folder)

    def owns(self, worker_id: str) -> bool:
        """Whether this started it."""
        return worker_id in self._processes

    def phase(self, worker_id: str) -> str:
        """`booting` from the moment its process runs, before that `pending`."""
        return "booting" if worker_id in self._processes else "pending"

    def fate(self, worker_id: str) -> str | None:
        """Why its process has ended or will; None while it runs."""
        process = self._processes.get(worker_id)
        if process is None:
            return self._failed.get(worker_id)
        return process.fate or _ending(process.popen.poll())

    def labels(self, worker_id: str) -> Mapping[str, str]:
        """Its process id."""
        process = self._processes.get(worker_id)
        return {"pid": str(process.popen.pid)} if process else {}

    def registered(self, worker_id: str, address: str) -> None:
        """The scheduler knows it now."""
        self._processes[worker_id].address = address

    def news(self) -> News:
        """A process tells nothing but its fate."""
        return News()

    async def start(self, names: Sequence[str], worker_type: WorkerType) -> None:
        """Starts a process for each name."""
        for name in names:
            try:
                self._processes[name] = self._spawn(name, worker_type.shape)
            except OSError as error:
                self._failed[name] = f"its process could not be started: {error}"

    async def stop(self, names: Sequence[str]) -> None:
        """Ends these workers; what others computed there moves to another worker first, if that goes quickly."""
        processes = [self._processes[name] for name in names if name in self._processes]
        addresses = [process.address for process in processes if process.address]
        alive = [address for address in addresses if address in self._scheduler.workers]
        if alive:
            try:
                await asyncio.wait_for(self._scheduler.retire_workers(workers=alive, close_workers=False, remove=False), HAND_OVER_SECONDS)
            except TimeoutError:
                logger.warning("workers %s did not hand over what they hold within %g s", ", ".join(names), HAND_OVER_SECONDS)
        for process in processes:
            process.fate = process.fate or "retired"
            process.leave_by = time.monotonic() + LEAVE_SECONDS
            _dismiss(process.popen)
            if process.address:
                await self._scheduler.remove_worker(process.address, stimulus_id="drm-stop", expected=True)

    async def watch(self) -> None:
        """Ends what outstays its order to leave, takes too much memory or does not come up, and notes who has ended."""
        while True:
            for name, process in list(self._processes.items()):
                if process.popen.poll() is None:
                    self._judge(process)
                elif process.forgotten:
                    del self._processes[name]
                elif process.address in self._scheduler.workers:
                    # Known here at once; the scheduler would learn it from a connection that breaks.
                    logger.info("worker %s: %s", name, self.fate(name))
                    await self._scheduler.remove_worker(process.address, stimulus_id="drm-watch", close=False)
            await asyncio.sleep(WATCH_SECONDS)

    def forget(self, worker_id: str) -> None:
        """Its end was reported."""
        self._failed.pop(worker_id, None)
        process = self._processes.get(worker_id)
        if process is not None:
            process.forgotten = True

    def kill(self) -> None:
        """Ends every process that is left, at once, and takes their scratch folder away. Any thread may call it."""
        self._end()

    def _spawn(self, name: str, shape: Resources) -> _Process:
        import dask

        # Existing variables win over Dask's settings, as with its nannies.
        settings = {key: str(value) for key, value in dask.config.get("distributed.nanny.pre-spawn-environ").items() if value is not None}
        worker = {
            "scheduler_ip": self._scheduler.address,
            "name": name,
            "nthreads": slots(shape),
            "memory_limit": int(shape.memory),
            "host": "127.0.0.1",
            "dashboard": False,
            "local_directory": self._folder,
            "death_timeout": BOOT_SECONDS,
        }
        program = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
        # A session of its own: Ctrl-C in a terminal is the parent's to answer.
        popen = subprocess.Popen(
            [sys.executable, "-c", program, str(Path(__file__).with_name("dask_worker.py"))],
            stdin=subprocess.PIPE,
            env={**settings, **os.environ},
            start_new_session=True,
        )
        assert popen.stdin is not None
        try:
            popen.stdin.write(json.dumps({"path": sys.path, "worker": worker}).encode() + b"\n")
            popen.stdin.flush()
        except OSError:
            # It has ended at once: nobody else knows of it, so its pipe and its process are ended here.
            popen.kill()
            _dismiss(popen)
            popen.wait()
            raise
        return _Process(popen, shape.memory, time.monotonic())

    def _judge(self, process: _Process) -> None:
        now = time.monotonic()
        if now > process.leave_by:
            process.popen.kill()
        elif not process.address and now - process.started > BOOT_SECONDS:
            process.fate = f"its process did not come up within {BOOT_SECONDS:g} s"
            process.popen.kill()
        elif process.memory_limit:
            try:
                held = psutil.Process(process.popen.pid).memory_info().rss
            except psutil.Error:
                # It has ended since: the next round sees that.
                return
            if held > MEMORY_FRACTION * process.memory_limit:
                limit = f"{MEMORY_FRACTION:.0%} of its {process.memory_limit / 2**20:.0f} MiB"
                process.fate = f"{OUT_OF_MEMORY}it held {held / 2**20:.0f} MiB, more than {limit}"
                process.popen.kill()


def _end(processes: Mapping[str, _Process], folder: str) -> None:
    popens = [process.popen for process in processes.values()]
    for popen in popens:
        _dismiss(popen)
    deadline = time.monotonic() + LEAVE_SECONDS / 2
    for popen in popens:
        try:
            popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _dismiss(popen: subprocess.Popen[bytes]) -> None:
    if popen.stdin is not None and not popen.stdin.closed:
        try:
            popen.stdin.close()
        except BrokenPipeError:
            # It is gone already.
            return


def _ending(code: int | None) -> str | None:
    if code is None:
        return None
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with status {code}"
