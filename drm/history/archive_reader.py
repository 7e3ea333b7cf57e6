"""The archive over a history file: which tasks there were at a moment of the past, what they had used, and what had been spent."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from drm.cloud.accrual import STATES, Spend
from drm.history.attempts import ticks_of
from drm.history.file import HistoryFile
from drm.history.from_rows import KIND_COLUMNS, TASK_COLUMNS, kind_of, task_of
from drm.history.kept_usage import usage
from drm.history.kept_worker_spends import worker_spend, worker_spends
from drm.history.known_shapes import KnownShapes
from drm.history.schema import VIEWS
from drm.history.worker_spends import Block, WorkerSpend
from drm.model import WORKER_STATES, Task
from drm.task_usage import UsageView

_AS_THEN = {
    "attempt": "CASE WHEN ran THEN attempt ELSE greatest(0, attempt - 1) END",
    "state": "CASE WHEN ran THEN 'running' ELSE 'queued' END",
    "reason": "''",
    "worker_id": "CASE WHEN ran THEN worker_id END",
    "placed_at": "CASE WHEN ran THEN placed_at END",
    "started_at": "CASE WHEN started_at <= $moment THEN started_at END",
    "finished_at": "NULL",
}
"""Columns of a task as it was at a moment, by what became of it."""
_TASKS_AT = (
    f"SELECT {', '.join(_AS_THEN.get(name, name) for name in TASK_COLUMNS.split(', '))} FROM ("
    f"SELECT *, coalesce(placed_at <= $moment, false) AS ran, 1 AS part FROM ({VIEWS['tasks']} "
    "WHERE finished > $at AND finished - took <= $at) UNION ALL BY NAME "
    "SELECT *, coalesce(placed_at <= $moment, false) AS ran, 2 AS part FROM open_tasks WHERE queued_at <= $moment"
    ") ORDER BY part, submitted_at, task_id"
)


class ArchiveReader:
    """The `Archive` over a file; what cannot be read now is not known."""

    def __init__(self, file: HistoryFile, known: KnownShapes, complete_until: Callable[[], float]) -> None:
        self._file, self._known, self._complete_until = file, known, complete_until

    @property
    def complete_until(self) -> float:
        """Moments up to here are wholly written; -inf while the file cannot be read."""
        return float(self._complete_until()) if self._file.is_open else -math.inf

    def tasks_at(self, moment: float) -> tuple[Task, ...]:
        """All tasks that were submitted and had not ended at a moment, `queued` or `running` as they were then."""
        rows = self._file.read(_TASKS_AT, {"moment": moment, "at": ticks_of(moment)})
        return tuple(map(task_of, rows))

    def task_usage(self, since: float, until: float) -> UsageView:
        """What tasks used that ended in this time, by name and request: the newest of each."""
        return usage(self._file, self._known, since, until)

    def spend_at(self, moment: float) -> Spend | None:
        """What there was and what it had cost by then; None where that is not kept."""
        return spend_at(self._file, moment)

    def worker_spend(self, worker_id: str, since: float, until: float) -> WorkerSpend | None:
        """What one worker was paid for, by hours."""
        return worker_spend(self._file, worker_id, since, until)

    def worker_spends(self, since: float, until: float) -> Block | None:
        """What each worker was paid for, by hours."""
        return worker_spends(self._file, since, until)


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
