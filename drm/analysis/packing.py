"""Which tasks stand where, in segments of one resource.

What a worker has allocated is the sum of its segments that are not foreign, however many tasks were put together in one.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.model import RESOURCES, WORKER_STATES, Task
from drm.snapshot import Snapshot

Rows = npt.NDArray[np.intp]

MOST_NAMES = 12
"""So many names of tasks have a segment of their own in a mean over workers."""
NEGLIGIBLE = 1e-9
"""Sums of floats drift: so small a part of a worker is nothing."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of what a worker holds of one resource."""

    kind: str
    """`task`; `tasks`, several that are shown as one; `reserved`, claims of programs; `foreign`, tasks of other users."""
    name: str
    amount: float
    tasks: int = 1
    since: float = math.nan
    """When the task started; of several the first."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One worker's capacity of one resource in segments, the largest first. Those that are not foreign add up to what is allocated."""

    label: str
    state: str
    capacity: float
    segments: tuple[Segment, ...]

    @property
    def free(self) -> float:
        """What no segment takes."""
        return max(0.0, self.capacity - sum(one.amount for one in self.segments))


def packing(snapshot: Snapshot, resource: str, rows: Rows, most_segments: int) -> list[Packed]:
    """Which tasks stand on these rows; where there would be more segments than that, the smaller tasks of a worker become one."""
    index = RESOURCES.index(resource)
    on: dict[str, list[Task]] = defaultdict(list)
    wanted = {snapshot.worker_ids[row] for row in rows}
    for task in snapshot.running_tasks or ():
        if task.worker_id is not None and task.worker_id in wanted and getattr(task.resources, resource) > 0:
            on[task.worker_id].append(task)
    others = {row: _others_of(snapshot, int(row), index, on[snapshot.worker_ids[row]]) for row in rows}
    left = most_segments - sum(map(len, others.values()))
    counts = np.array([len(on[snapshot.worker_ids[row]]) for row in rows], dtype=np.int64)
    room = int(counts.max(initial=1))
    while room > 1 and np.minimum(counts, room).sum() > left:
        room -= 1
    return [_packed(snapshot, int(row), index, on[snapshot.worker_ids[row]], room, others[row]) for row in rows]


def mean_packing(snapshot: Snapshot, resource: str, rows: Rows) -> Packed:
    """What a worker of these rows holds on average, one segment for each name of a task."""
    index, share = RESOURCES.index(resource), 1 / len(rows)
    wanted = {snapshot.worker_ids[row] for row in rows}
    amounts: Counter[str] = Counter()
    tasks: Counter[str] = Counter()
    for task in snapshot.running_tasks or ():
        if task.worker_id in wanted and getattr(task.resources, resource) > 0:
            amounts[task.name] += getattr(task.resources, resource)
            tasks[task.name] += 1
    named = amounts.most_common(MOST_NAMES)
    segments = [Segment("tasks", name, amount * share, tasks[name]) for name, amount in named]
    if len(named) < len(amounts):
        left = sum(amounts.values()) - sum(amount for _, amount in named)
        segments.append(Segment("tasks", "", left * share, sum(tasks.values()) - sum(tasks[name] for name, _ in named)))
    capacity, allocated, occupied = (
        float(columns[rows, index].sum()) for columns in (snapshot.capacity, snapshot.allocated, snapshot.occupied)
    )
    others = _others(allocated - sum(amounts.values()), occupied, capacity)
    segments += [Segment(one.kind, one.name, one.amount * share, one.tasks) for one in others]
    return Packed("", "", capacity * share, tuple(segments))


def _packed(snapshot: Snapshot, row: int, index: int, tasks: list[Task], room: int, others: list[Segment]) -> Packed:
    resource = RESOURCES[index]
    sizes = sorted(((getattr(task.resources, resource), task) for task in tasks), key=lambda one: (-one[0], one[1].name, one[1].placed_at))
    shown = sizes if len(sizes) <= room else sizes[: room - 1]
    merged = sizes[len(shown) :]
    segments = [Segment("task", task.name, size, since=_started(task)) for size, task in shown]
    if merged:
        since = min(_started(task) for _, task in merged)
        segments.append(Segment("tasks", "", sum(size for size, _ in merged), len(merged), since))
    capacity = float(snapshot.capacity[row, index])
    return Packed(snapshot.worker_ids[row], WORKER_STATES[snapshot.states[row]], capacity, (*segments, *others))


def _others_of(snapshot: Snapshot, row: int, index: int, tasks: list[Task]) -> list[Segment]:
    held = sum(getattr(task.resources, RESOURCES[index]) for task in tasks)
    allocated, occupied, capacity = (float(columns[row, index]) for columns in (snapshot.allocated, snapshot.occupied, snapshot.capacity))
    return _others(allocated - held, occupied, capacity)


def _others(reserved: float, foreign: float, capacity: float) -> list[Segment]:
    """What is no task of ours; sums of floats drift, so that a trace of it is nothing."""
    parts = (("reserved", reserved), ("foreign", foreign))
    return [Segment(kind, "", amount, 0) for kind, amount in parts if amount > NEGLIGIBLE * max(capacity, 1.0)]


def _started(task: Task) -> float:
    return task.placed_at if math.isnan(task.started_at) else task.started_at
