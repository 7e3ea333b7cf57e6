"""The tasks of one manager: the queue by request, the running ones, the latest that ended, and the handles of those who wait.

Tasks of one request wait in one line, oldest first, and lines are served in the order of their oldest task.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from drm.errors import QueueFull, TaskError, UnknownIdError
from drm.model import Resources, Task, TaskState
from drm.observation import TaskReport
from drm.snapshot import TaskCounts
from drm.task_usage import ran_out_of_memory, used_in

FINISHED_KEPT = 1000
CLOSED = "the manager was closed"
"""Why tasks are lost that had not ended then."""


class TaskHandle:
    """What `submit` gives back: where the task stands, and its result once there is one."""

    def __init__(self, task: Task, cancel: Callable[[str], bool], waits_for: Callable[[Resources], str]) -> None:
        self._task = task
        self._cancel = cancel
        self._waits_for = waits_for
        self._future: Future[Any] = Future()

    @property
    def task(self) -> Task:
        """The task as it stands now."""
        return self._task

    @property
    def id(self) -> str:
        """The task's id."""
        return self._task.id

    @property
    def state(self) -> TaskState:
        """queued, running, done, failed, lost or cancelled."""
        return self._task.state

    @property
    def worker_id(self) -> str | None:
        """The worker that runs or ran it; None while it waits."""
        return self._task.worker_id

    @property
    def reason(self) -> str:
        """Why it waits, failed or was lost; empty where there is nothing to say."""
        task = self._task
        return task.reason or (self._waits_for(task.resources) if task.state == "queued" else "")

    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> Any:
        """What the callable returned; waits up to `timeout` seconds (None: without end).

        Raises what the callable raised, TaskError where the task was lost or cancelled, TimeoutError (with the task's state and what it
        waits for) where it has not ended in time.
        """
        try:
            return self._future.result(timeout)
        except FutureTimeout:
            if self._future.done():
                raise
            raise TimeoutError(self._waiting(timeout)) from None

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What `result` would raise; None where the task is done."""
        try:
            return self._future.exception(timeout)
        except FutureTimeout:
            raise TimeoutError(self._waiting(timeout)) from None

    def cancel(self) -> bool:
        """Takes a queued task out of the queue. A callable that runs cannot be interrupted: then its result is dropped when it ends."""
        return self._cancel(self.id)

    def _waiting(self, timeout: float | None) -> str:
        return f"task {self._task.name!r} is still {self.state} after {timeout} s" + (f": {self.reason}" if self.reason else "")

    def _update(self, task: Task) -> None:
        self._task = task

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if error is None:
            self._future.set_result(result)
        else:
            self._future.set_exception(error)

    def __repr__(self) -> str:
        return f"<TaskHandle {self.id} {self._task.name!r} {self.state}>"


@dataclass(frozen=True, slots=True)
class TaskChange:
    """A task has come to a new state, or one attempt at it was lost."""

    task: Task
    epoch: float
    """When, in epoch seconds."""
    used: tuple[float, ...] | None = None
    """What an ended attempt used, in the order of `RESOURCES`; NaN: not measured, None: it has not ended."""
    out_of_memory: bool = False


class TaskTable:
    """All tasks that have not ended, and the last `FINISHED_KEPT` that have. Not thread-safe: the manager's lock guards it.

    Invariant: a task is in exactly one of a queue line, `running`, or neither once it has ended.
    """

    def __init__(self, queue_limit: int) -> None:
        self.queue_limit = queue_limit
        self.running: dict[str, Task] = {}
        self.finished: deque[Task] = deque(maxlen=FINISHED_KEPT)
        self._queued: dict[str, Task] = {}
        self._arrival: dict[str, int] = {}
        self._arrivals = count(1)
        self._served: list[tuple[Resources, int]] | None = None
        self._lines: dict[Resources, deque[str]] = {}
        self._stale: Counter[Resources] = Counter()
        self.line_reasons: dict[Resources, str] = {}
        self._handles: dict[str, TaskHandle] = {}
        self._ended: Counter[TaskState] = Counter()
        self._changes: list[TaskChange] = []
        """What `take_changes` has not told of."""

    def open_changes(self) -> tuple[TaskChange, ...]:
        """The tasks that have not ended, as if they had just come to be what they are."""
        queued = [TaskChange(task, task.submitted_at) for task in list(self._queued.values())]
        return (*queued, *(TaskChange(task, task.placed_at) for task in list(self.running.values())))

    def take_changes(self) -> tuple[TaskChange, ...]:
        """What became of tasks since the last call, in the order in which it did."""
        changes, self._changes = tuple(self._changes), []
        return changes

    def add(self, task: Task, cancel: Callable[[str], bool]) -> TaskHandle:
        """Queues a new task; QueueFull where the queue holds as many as it may."""
        if len(self._queued) >= self.queue_limit:
            raise QueueFull(f"the queue holds {len(self._queued)} tasks, its limit: wait until some have started, or raise queue_limit")
        handle = self._handles[task.id] = TaskHandle(task, cancel, self.line_reason)
        self._queued[task.id] = task
        self._arrival[task.id] = next(self._arrivals)
        self._lines.setdefault(task.resources, deque()).append(task.id)
        self._served = None
        self._note(TaskChange(task, task.submitted_at))
        return handle

    @property
    def room(self) -> int:
        """How many more tasks the queue takes."""
        return max(0, self.queue_limit - len(self._queued))

    def get(self, task_id: str) -> Task:
        """A task that has not ended; UnknownIdError otherwise."""
        task = self._queued.get(task_id) or self.running.get(task_id)
        if task is None:
            raise UnknownIdError(f"no queued or running task has the id {task_id!r}")
        return task

    def lines(self) -> list[tuple[Resources, int]]:
        """(request, how many tasks of it wait), in the order in which they are served."""
        if self._served is None:
            oldest_first = sorted(self._lines, key=lambda request: self._arrival[self._lines[request][0]])
            self._served = [(request, len(self._lines[request]) - self._stale[request]) for request in oldest_first]
        return self._served

    def oldest(self, request: Resources) -> Task:
        """The task of a line that is served next."""
        return self._queued[self._lines[request][0]]

    def line_reason(self, request: Resources) -> str:
        """Why tasks of this request wait, as of the last placement."""
        return self.line_reasons.get(request, "")

    def start(self, request: Resources, worker_id: str, now: float) -> Task:
        """Takes the oldest task of a line and makes it run on a worker."""
        self._served = None
        task = self._queued.pop(self._lines[request].popleft())
        self._trim(request)
        task = replace(task, state="running", worker_id=worker_id, placed_at=now, attempt=task.attempt + 1, reason="")
        self.running[task.id] = task
        self._note(TaskChange(task, now))
        return self._show(task)

    def requeue(self, report: TaskReport, now: float) -> None:
        """Puts a running task whose attempt was lost back, at the head of its line."""
        task_id, lost = report.task_id, self.running.pop(report.task_id)
        self._note(self._ending(replace(lost, state="lost", reason=report.reason), report, now))
        task = self._show(replace(lost, state="queued", worker_id=None, reason=report.reason))
        self._note(TaskChange(task, now))
        self._queued[task_id] = task
        self._lines.setdefault(task.resources, deque()).appendleft(task_id)
        self._served = None

    def end(self, report: TaskReport, now: float) -> Task:
        """Ends a queued or running task as the report says; those who wait for its result get it, or the error."""
        task = self.running.pop(report.task_id, None)
        if task is None:
            task = self._queued.pop(report.task_id)
            self._leave_line(task)
        del self._arrival[report.task_id]
        task = replace(
            task,
            state=report.outcome,
            finished_at=now if report.finished_at != report.finished_at else report.finished_at,
            started_at=report.started_at,
            reason=report.reason,
            used=report.used,
            call=None,
        )
        self._ended[task.state] += 1
        self.finished.append(task)
        self._note(self._ending(task, report, now))
        self._show(task)
        error = report.error
        if error is None and report.outcome != "done":
            error = TaskError(f"task {task.name!r} was {report.outcome}: {report.reason or 'no reason was given'}")
        if error is not None and report.traceback:
            error.add_note(report.traceback)
        self._handles.pop(task.id)._settle(report.result, error)
        return task

    def unfinished(self) -> list[str]:
        """The ids of all tasks that have not ended."""
        return [*self._queued, *self.running]

    def counts(self, infeasible: int, foreign: int) -> TaskCounts:
        """Tasks by state."""
        ended = self._ended
        return TaskCounts(
            queued=len(self._queued),
            running=len(self.running),
            done=ended["done"],
            failed=ended["failed"],
            lost=ended["lost"],
            cancelled=ended["cancelled"],
            infeasible=infeasible,
            foreign=foreign,
        )

    def _note(self, change: TaskChange) -> None:
        self._changes.append(change)

    def _ending(self, task: Task, report: TaskReport, now: float) -> TaskChange:
        finished_at = now if math.isnan(report.finished_at) else report.finished_at
        task = replace(task, finished_at=finished_at, started_at=report.started_at, used=report.used, call=None)
        return TaskChange(task, now, used_in(report), ran_out_of_memory(report))

    def _show(self, task: Task) -> Task:
        self._handles[task.id]._update(task)
        return task

    def _leave_line(self, task: Task) -> None:
        """A task that leaves from the middle of its line stays in the deque as a stale id until it comes to the head."""
        self._stale[task.resources] += 1
        self._served = None
        self._trim(task.resources)

    def _trim(self, request: Resources) -> None:
        line = self._lines[request]
        while line and line[0] not in self._queued:
            line.popleft()
            self._stale[request] -= 1
        if not line:
            del self._lines[request]
            del self._stale[request]
