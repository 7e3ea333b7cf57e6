"""Attempts at tasks that have ended, as rows that take half the room: millions of them are most of a file.

Times that lie close together are kept as whole ticks from one to the next, so that no bit of them is lost; see `schema.TICKS_A_SECOND`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from drm.history.schema import TICKS_A_SECOND
from drm.model import RESOURCES, Resources
from drm.tasks import CLOSED, TaskChange

MOST_DIGITS = 18
"""Of a number that surely is a BIGINT."""
BEYOND_TICKS = 2**62

POOL_GONE = "the program ended, and its pool with it"
NOT_FOLLOWED = "the program ended, and nobody learnt what became of it"
NOTHING_LEARNT = (CLOSED, POOL_GONE, NOT_FOLLOWED)
"""Why tasks are lost of which the end says nothing."""

LOSE_OPEN = (
    "INSERT INTO attempts (prefix, attempt, name, state, reason, request, worker_id, finished, took, waited, requeued, hint_seconds, "
    "out_of_memory) SELECT task_id, attempt, name, 'lost', $reason, concat_ws(' ', cpu, memory, gpu, gpu_memory), worker_id, $finished, "
    "$finished - queued, placed - queued, queued - submitted, hint_seconds, false FROM (SELECT *, "
    + ", ".join(f"CAST({name}_at * {TICKS_A_SECOND} AS BIGINT) AS {name}" for name in ("submitted", "queued", "placed"))
    + " FROM open_tasks)"
)
"""Ends all that stands in `open_tasks` for a `$reason`, at the tick `$finished`."""


def ticks_of(seconds: float) -> int:
    """The last tick up to a time; one far away for what is not finite."""
    if not math.isfinite(seconds):
        return BEYOND_TICKS if seconds > 0 else -BEYOND_TICKS
    return math.floor(seconds * TICKS_A_SECOND)


def just_after(seconds: float) -> float:
    """The next moment that a row can tell from this one."""
    return (ticks_of(seconds) + 1) / TICKS_A_SECOND


def request_of(text: str) -> Resources:
    """What a row's `request` says."""
    return Resources(*(float(amount) for amount in text.split(" ")))


def attempt_row(change: TaskChange, queued_at: float) -> dict[str, Any]:
    """One attempt that was queued at a time; NaN: when it was submitted."""
    task = change.task
    prefix, number = _split(task.id)
    submitted, finished = _ticks(task.submitted_at), _ticks(task.finished_at)
    queued = submitted if math.isnan(queued_at) else _ticks(queued_at)
    placed = _ticks(task.placed_at) if math.isfinite(task.placed_at) else None
    started = _ticks(task.started_at) if math.isfinite(task.started_at) else None
    return {
        "prefix": prefix,
        "number": number,
        "attempt": task.attempt,
        "name": task.name,
        "state": task.state,
        "reason": task.reason,
        "request": " ".join(repr(amount) for amount in task.resources.as_dict().values()),
        "worker_id": task.worker_id,
        "finished": finished,
        "took": finished - queued,
        "waited": None if placed is None else placed - queued,
        "delayed": None if started is None else started - (queued if placed is None else placed),
        "requeued": queued - submitted,
        "hint_seconds": task.duration_hint_seconds,
        **{f"used_{name}": amount if math.isfinite(amount) else None for name, amount in zip(RESOURCES, _used(change), strict=True)},
        "out_of_memory": change.out_of_memory,
    }


def _used(change: TaskChange) -> Sequence[float]:
    return change.used or (math.nan,) * len(RESOURCES)


def _split(task_id: str) -> tuple[str, int | None]:
    """An id as what many share and a number that counts."""
    prefix = task_id.rstrip("0123456789")
    digits = task_id[len(prefix) :]
    if not digits or len(digits) > MOST_DIGITS or (digits[0] == "0" and digits != "0"):
        return task_id, None
    return prefix, int(digits)


def _ticks(seconds: float) -> int:
    return round(seconds * TICKS_A_SECOND)
