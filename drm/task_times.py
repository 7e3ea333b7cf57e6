"""How long tasks wait and run: for the record of each tick, and as the expected run time of tasks of the same request."""

from __future__ import annotations

import math
from collections import OrderedDict

from drm.model import Resources, Task

REQUESTS_KEPT = 1000
WEIGHT = 0.2
"""Of the newest duration in the running mean: the last ten or so count."""

WAITS = ("queue_wait_seconds", "start_wait_seconds", "run_seconds")
"""Submitted to placed; placed to started; started to ended."""


class TaskTimes:
    """Not thread-safe: the manager's lock guards it."""

    def __init__(self) -> None:
        self._run_seconds: OrderedDict[Resources, float] = OrderedDict()
        self._sums = dict.fromkeys(WAITS, 0.0)
        self._counts = dict.fromkeys(WAITS, 0)

    def placed(self, task: Task) -> None:
        """A task got its worker; only the first attempt waited in the queue for it."""
        if task.attempt == 1:
            self._add("queue_wait_seconds", task.placed_at - task.submitted_at)

    def ended(self, task: Task) -> None:
        """A task has ended. An engine that does not say when it started is taken to start at once."""
        started = task.placed_at if math.isnan(task.started_at) else task.started_at
        run = max(0.0, task.finished_at - started)
        if task.state not in ("done", "failed") or math.isnan(run):
            return
        self._add("start_wait_seconds", started - task.placed_at)
        self._add("run_seconds", run)
        if task.state == "done":
            known = self._run_seconds.get(task.resources)
            self._run_seconds[task.resources] = run if known is None else known + WEIGHT * (run - known)
            self._run_seconds.move_to_end(task.resources)
            if len(self._run_seconds) > REQUESTS_KEPT:
                self._run_seconds.popitem(last=False)

    def expected_seconds(self, request: Resources) -> float:
        """The running mean of done tasks of this request; NaN before one was."""
        return self._run_seconds.get(request, math.nan)

    def take(self) -> dict[str, float]:
        """The means since the last call, by `WAITS`; NaN where nothing was measured."""
        means = {name: self._sums[name] / self._counts[name] if self._counts[name] else math.nan for name in WAITS}
        self._sums, self._counts = dict.fromkeys(WAITS, 0.0), dict.fromkeys(WAITS, 0)
        return means

    def _add(self, name: str, amount: float) -> None:
        self._sums[name] += max(0.0, amount)
        self._counts[name] += 1
