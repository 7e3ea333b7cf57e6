"""One worker in words: what it is, and the tasks that run or lately ran on it."""

from __future__ import annotations

from drm.figures.units import amount, duration, plain
from drm.model import RESOURCES, WORKER_STATES, FloatArray, Resources, Task
from drm.snapshot import Snapshot

SHOWN_TASKS = 20


def worker_facts(snapshot: Snapshot, worker_id: str) -> tuple[str, FloatArray | None]:
    """One sentence on a worker, and its capacity (4,); None where it is gone."""
    if worker_id not in snapshot.worker_ids:
        return "This worker has gone; its past stays in the range.", None
    row = snapshot.worker_ids.index(worker_id)
    capacity = snapshot.capacity[row]
    has = ", ".join(amount(name, value) for name, value in zip(RESOURCES, capacity.tolist(), strict=True) if value)
    age = snapshot.time - float(snapshot.started_at[row])
    since = f", up for {duration(age)}" if age == age else ""
    return f"{WORKER_STATES[int(snapshot.states[row])]}{since}; capacity {has}", capacity


def worker_tasks(snapshot: Snapshot, worker_id: str) -> list[list[str]]:
    """Rows of texts: name, state, started, ran for, asked for, used; running ones first, then the latest that ended."""
    running = [task for task in snapshot.running_tasks or () if task.worker_id == worker_id]
    ended = [task for task in reversed(snapshot.finished_tasks) if task.worker_id == worker_id]
    return [_row(task, snapshot.time) for task in (*running, *ended)[:SHOWN_TASKS]]


def no_tasks_text(snapshot: Snapshot) -> str:
    """Where there is no row: that nothing ran, or that it is not known."""
    return "No task has run here lately." if snapshot.running_tasks is not None else "Which tasks ran here then is not kept."


def _row(task: Task, now: float) -> list[str]:
    started = task.started_at if task.started_at == task.started_at else task.placed_at
    ended = task.finished_at if task.finished_at == task.finished_at else now
    state = task.state if not task.reason else f"{task.state}: {plain(task.reason, 120)}"
    return [
        plain(task.name),
        state,
        f"{duration(now - started)} ago",
        duration(max(0.0, ended - started)),
        _amounts(task.resources),
        "" if task.used is None else _amounts(task.used),
    ]


def _amounts(resources: Resources) -> str:
    return ", ".join(amount(name, value) for name, value in resources.as_dict().items() if value) or "nothing"
