"""Tasks on their way: sent to one worker each, their endings brought home. An attempt runs on its worker or not at all."""

from __future__ import annotations

import asyncio
import logging
import pickle
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from drm.engines.dask_link import Link
from drm.engines.remote import ByValue, run
from drm.errors import TaskError
from drm.model import Resources, Task
from drm.observation import OUT_OF_MEMORY, TaskReport

logger = logging.getLogger(__name__)

LARGE_BYTES = 1 << 20
"""A result from this size on is unpickled beside the loop, which others need meanwhile."""


@dataclass
class _Sent:
    task_id: str
    worker_id: str
    cores: float
    """What it asks for."""
    job: asyncio.Task[None] | None = None
    cancelled: bool = False
    dropped: bool = False


class Courier:
    """Owned by the thread that ticks; `cancel` may come from any."""

    def __init__(self, link: Link, prefix: str) -> None:
        self._link = link
        self._prefix = prefix
        self._run = ByValue(run)
        self._sent: dict[str, _Sent] = {}
        self._endings: SimpleQueue[tuple[str, TaskReport]] = SimpleQueue()

    def send(self, task: Task, worker_id: str, address: str, server_id: str) -> None:
        """Starts the task there."""
        key = f"{self._prefix}{task.id}-{task.attempt}"
        sent = _Sent(task.id, worker_id, task.resources.cpu)
        self._link.post(partial(self._fetch, sent, key, task.call, address, server_id), f"task {task.id} could not be sent")
        self._sent[key] = sent

    def cancel(self, task_id: str) -> None:
        """A callable that runs cannot be interrupted: its result will be dropped, and its end reported as cancelled."""
        for sent in list(self._sent.values()):
            if sent.task_id == task_id:
                sent.cancelled = True

    def collect(self) -> list[TaskReport]:
        """The endings that came home since the last call."""
        reports: list[TaskReport] = []
        while True:
            try:
                key, report = self._endings.get_nowait()
            except Empty:
                return reports
            sent = self._sent.pop(key, None)
            if sent is not None:
                reports.append(_as_cancelled(report) if sent.cancelled else report)

    def drop(self, worker_id: str, reason: str) -> list[TaskReport]:
        """Gives up what is on its way on a worker that has gone, so that Dask runs none of it again."""
        reports = []
        dropped = {key: sent for key, sent in self._sent.items() if sent.worker_id == worker_id}
        for key, sent in dropped.items():
            del self._sent[key]
            # Of several tasks nobody knows which one took the memory.
            alone_at_fault = reason.startswith(OUT_OF_MEMORY) and len(dropped) == 1
            report = TaskReport(sent.task_id, "lost", reason=f"worker {worker_id} went: {reason}", out_of_memory=alone_at_fault)
            reports.append(_as_cancelled(report) if sent.cancelled else report)
            self._link.post(partial(_abandon, sent), f"task {sent.task_id} could not be given up")
        return reports

    async def _fetch(self, sent: _Sent, key: str, call: bytes, address: str, server_id: str) -> None:
        if sent.dropped:
            return
        sent.job = asyncio.current_task()
        future = self._link.client.submit(
            self._run, call, server_id, key=key, workers=[address], allow_other_workers=False, pure=False, retries=0
        )
        try:
            ending = await future
            large = len(ending.get("result", b"")) >= LARGE_BYTES
            report = await asyncio.to_thread(_report, sent, ending) if large else _report(sent, ending)
        except asyncio.CancelledError:
            # Ours, where the worker has gone and nobody waits for this; or Dask's, where the connection broke or another user cancelled it.
            report = TaskReport(sent.task_id, "lost", reason="its key was cancelled on the scheduler, or the connection to it broke")
        except Exception as error:
            outcome = _dask_outcome(error)
            report = TaskReport(
                sent.task_id, outcome, error=error if outcome == "failed" else None, reason=f"{type(error).__name__}: {error}"
            )
        finally:
            # The worker keeps a result, and the scheduler a task, until nobody holds the future.
            future.release()
        self._endings.put((key, report))


async def _abandon(sent: _Sent) -> None:
    sent.dropped = True
    if sent.job is not None:
        sent.job.cancel()


def _as_cancelled(report: TaskReport) -> TaskReport:
    return TaskReport(
        report.task_id, "cancelled", reason="cancelled while it ran", started_at=report.started_at, finished_at=report.finished_at
    )


def _dask_outcome(error: Exception) -> Any:
    """An attempt is lost where the way to the worker or the scheduler broke, and failed where its call or result could not be carried."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    return "lost" if isinstance(error, (KilledWorker, FutureCancelledError, OSError, TimeoutError)) else "failed"


def _report(sent: _Sent, ending: dict[str, Any]) -> TaskReport:
    """What `remote.run` returned, as a report."""
    task_id, outcome = sent.task_id, ending["outcome"]
    if outcome == "lost":
        return TaskReport(task_id, "lost", reason=ending["reason"])
    measured: dict[str, Any] = {
        "started_at": ending["started_at"],
        "finished_at": ending["finished_at"],
        "used": Resources(cpu=ending["cpu"], memory=ending["memory"]),
        # Who asks for more than one core is taken to start threads.
        "cpu_is_partial": not ending["are_children_known"] or (sent.cores > 1 and not ending["are_threads_known"]),
    }
    if outcome == "done":
        try:
            return TaskReport(task_id, "done", pickle.loads(ending["result"]), **measured)
        except Exception as error:
            return TaskReport(task_id, "failed", error=error, reason=f"its result cannot be unpickled here: {error!r}", **measured)
    cause: BaseException = TaskError(ending["reason"])
    try:
        cause = pickle.loads(ending["error"]) if ending["error"] else cause
    except Exception as unpickling:
        # Its class is not importable here: its words and its traceback are.
        logger.debug("the error of task %s stays in words: %r", task_id, unpickling)
    return TaskReport(task_id, "failed", error=cause, reason=ending["reason"], traceback=ending["traceback"], **measured)
