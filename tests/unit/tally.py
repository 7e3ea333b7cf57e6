"""A second way to add up what workers were paid for: plain loops over the workers and tasks of each snapshot."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

from drm.cloud.split import UNIT_PRICES
from drm.model import RESOURCES, WORKER_STATES
from drm.snapshot import Snapshot


class Tally:
    """A second way: worker by worker and tick by tick."""

    def __init__(self) -> None:
        self.parts: Counter[tuple[Any, str]] = Counter()
        self.useful: Counter[str] = Counter()
        self.of_task: Counter[tuple[str, int]] = Counter()
        self.before: Snapshot | None = None

    def look(self, snapshot: Snapshot) -> None:
        """Charges the time since the last look as that one was."""
        if self.before is not None:
            self._charge(self.before, snapshot.time - self.before.time)
        for task in snapshot.finished_tasks:
            if (task.id, task.attempt) in self.of_task:
                self.useful[task.state] += self.of_task.pop((task.id, task.attempt))
        self.before = snapshot

    def _charge(self, seen: Snapshot, passed: float) -> None:
        tasks = defaultdict(list)
        for task in seen.running_tasks or ():
            tasks[task.worker_id].append(task)
        for row, worker_id in enumerate(seen.worker_ids):
            state, kind = WORKER_STATES[seen.states[row]], seen.kinds[seen.kind[row]]
            if state in ("lost", "terminated"):
                continue
            worth = [amount * price for amount, price in zip(seen.capacity[row].tolist(), UNIT_PRICES.tolist(), strict=True)]
            share = [one / sum(worth) for one in worth]
            requested = used = unmeasured = others = 0.0
            for index in range(4):
                capacity, allocated, measured, occupied = (
                    float(column[row, index]) for column in (seen.capacity, seen.allocated, seen.used, seen.occupied)
                )
                if capacity == 0:
                    continue
                requested += share[index] * allocated / capacity
                others += share[index] * occupied / capacity
                if math.isnan(measured):
                    unmeasured += share[index] * allocated / capacity
                else:
                    used += share[index] * min(measured, allocated) / capacity
            for part, amount in (("used", used), ("unmeasured", unmeasured), ("unused", requested - used - unmeasured), ("others", others)):
                self.parts[kind, part] += passed * amount
            self.parts[kind, "free"] += passed * (1 - requested - others)
            if state in ("pending", "booting"):
                self.parts[kind, "boot"] += passed
            if state == "draining":
                self.parts[kind, "draining"] += passed * (1 - requested - others)
            for task in tasks[worker_id]:
                asked = sum(
                    share[index] * getattr(task.resources, name) / float(seen.capacity[row, index])
                    for index, name in enumerate(RESOURCES)
                    if seen.capacity[row, index]
                )
                self.of_task[task.id, task.attempt] += passed * asked * used / requested
