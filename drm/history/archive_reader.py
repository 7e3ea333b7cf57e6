"""The archive over a history file: which tasks there were at a moment of the past, what they had used, and what had been spent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from drm.cloud.accrual import STATES, Spend
from drm.history.attempts import ticks_of
from drm.history.file import HistoryFile
from drm.history.from_rows import KIND_COLUMNS, TASK_COLUMNS, kind_of, task_of
from drm.history.kept_usage import usage
from drm.history.schema import VIEWS
from drm.model import WORKER_STATES, Task
from drm.task_usage import UsageView


class ArchiveReader:
    """The `Archive` over a file; what cannot be read now is not known."""

    def __init__(self, file: HistoryFile, complete_until: Callable[[], float]) -> None:
        self._file, self._complete_until = file, complete_until

    @property
    def complete_until(self) -> float:
        """Moments up to here are wholly written; -inf while the file cannot be read."""
        return float(self._complete_until()) if self._file.is_open else -math.inf

    def tasks_at(self, moment: float) -> tuple[Task, ...]:
        """All tasks that were submitted and had not ended at a moment, `queued` or `running` as they were then."""
        ended = self._file.read(
            f"SELECT {TASK_COLUMNS} FROM ({VIEWS['tasks']} WHERE finished > $at AND finished - took <= $at) ORDER BY submitted_at, task_id",
            {"at": ticks_of(moment)},
        )
        columns = TASK_COLUMNS.replace("started_at, finished_at", "NULL, NULL")
        still_open = self._file.read(f"SELECT {columns} FROM open_tasks WHERE queued_at <= ? ORDER BY submitted_at, task_id", [moment])
        return tuple(_as_at(task_of(row), moment) for row in (*ended, *still_open))

    def task_usage(self, since: float, until: float) -> UsageView:
        """What tasks used that ended in this time, by name and request: the newest of each."""
        return usage(self._file, since, until)

    def spend_at(self, moment: float) -> Spend | None:
        """What there was and what it had cost by then; None where that is not kept."""
        return spend_at(self._file, moment)


def _as_at(task: Task, moment: float) -> Task:
    ran = task.placed_at <= moment
    return replace(
        task,
        state="running" if ran else "queued",
        attempt=task.attempt if ran else max(0, task.attempt - 1),
        worker_id=task.worker_id if ran else None,
        placed_at=task.placed_at if ran else math.nan,
        started_at=task.started_at if task.started_at <= moment else math.nan,
        finished_at=math.nan,
        reason="",
    )


def spend_at(file: HistoryFile, moment: float) -> Spend | None:
    """What was charged by the last minute up to a moment."""
    rows = file.read(
        f"SELECT epoch, {KIND_COLUMNS}, instances, seconds FROM costs WHERE epoch = (SELECT max(epoch) FROM costs WHERE epoch <= ?)",
        [moment],
    )
    first = file.read("SELECT min(epoch) FROM costs")[0][0]
    if not rows:
        return None
    kinds = tuple(kind_of(row[1:9]) for row in rows)
    counts = np.zeros((len(kinds), STATES), np.int64)
    counts[:, WORKER_STATES.index("running")] = [row[9] for row in rows]
    seconds = np.array([float(row[10]) for row in rows])
    counts.flags.writeable = seconds.flags.writeable = False
    return Spend(float(rows[0][0]), float(first), kinds, counts, seconds, 0.0)
