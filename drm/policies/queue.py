"""`queue`: the smallest size that finishes what waits within a target time, from measured task durations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from drm.decision import Band
from drm.model import FloatArray
from drm.policies.base import MANY, Lever, PolicyBase, plural
from drm.policies.conditions import Conditions
from drm.policies.parameters import parameter


def desired_size(
    current: npt.ArrayLike,
    busy: npt.ArrayLike,
    covered: npt.ArrayLike,
    needed: npt.ArrayLike,
    able: npt.ArrayLike,
    task_seconds: npt.ArrayLike,
    target_seconds: npt.ArrayLike,
) -> FloatArray:
    """Workers, elementwise; the arguments broadcast, so (k, 1) parameters over (t,) steps give (k, t).

    Waiting work is `needed` x `task_seconds` worker-seconds. A busy worker is free after half a task on average, and then helps until the
    target; a new one helps all along. Tasks longer than the target cannot be hurried: then each gets its worker. Where nothing is known of
    durations (NaN), likewise. Without a need the pool is wanted as large as what is busy and what the waiting tasks will fill.
    """
    seconds, target = np.asarray(task_seconds, float), np.asarray(target_seconds, float)
    helped = np.asarray(able) * np.maximum(0.0, target - seconds / 2)
    in_time = np.ceil((np.asarray(needed) * seconds - helped) / target - 1e-9)
    extra = np.where(np.isnan(seconds), needed, np.clip(in_time, 0, needed))
    return np.where(extra > 0, current + extra, np.minimum(np.asarray(busy) + covered, current))


@dataclass(frozen=True)
class QueuePolicy(PolicyBase):
    """Demand-based: sizes the pool so that the queue is done within a target time."""

    name: ClassVar[str] = "queue"
    version: ClassVar[int] = 2

    target_seconds: float = parameter(10.0, "seconds", 0.1, 86400, "the waiting tasks should be done within this time")
    idle_grace_seconds: float = parameter(20.0, "seconds", 0, 30 * 86400, "a worker goes after it has had nothing to do for so long")

    @property
    def grace_seconds(self) -> float:
        """The idle grace."""
        return self.idle_grace_seconds

    def desired(self, seen: Conditions) -> float:
        """Busy workers and those that the queue needs."""
        return float(
            desired_size(
                seen.current_workers,
                seen.busy_workers,
                seen.covered_workers,
                seen.needed_workers,
                seen.able_workers,
                seen.task_seconds,
                self.target_seconds,
            )
        )

    def thresholds(self, seen: Conditions) -> Mapping[str, float]:
        """Beyond so many needed workers, those that run cannot finish the queue in time."""
        if math.isnan(seen.task_seconds) or seen.task_seconds <= 0:
            return {"needed_workers": 0.0}
        return {"needed_workers": seen.able_workers * max(0.0, self.target_seconds - seen.task_seconds / 2) / seen.task_seconds}

    def bands(self, seen: Conditions) -> tuple[Band, ...]:
        """The workers that the queue needs, against those that finish it in time without more."""
        return (Band("needed_workers", seen.needed_workers, above=self.thresholds(seen)["needed_workers"]),)

    def levers(self, seen: Conditions, want: int) -> tuple[Lever, ...]:
        """More waiting work grows the pool; fewer busy workers shrink it."""
        if want > 0:
            return (("needed_workers", MANY), ("able_workers", 0.0))
        return (("needed_workers", 0.0), ("busy_workers", 0.0), ("covered_workers", 0.0))

    def proposal(self, seen: Conditions, desired: int) -> str:
        """How the size came about."""
        wanted = f"{plural(seen.busy_workers, 'busy worker')} and {seen.needed_workers:g} for {plural(seen.queued_tasks, 'waiting task')}"
        known = "" if math.isnan(seen.task_seconds) else f" of {seen.task_seconds:.3g} s each, to be done in {self.target_seconds:g} s"
        arriving = f", {seen.arriving_workers:g} on the way" if seen.arriving_workers else ""
        return f"{wanted}{known}{arriving}: {desired}"

    def reason(self, seen: Conditions, want: int) -> tuple[str, str]:
        """Why it wants more, fewer, or as many."""
        if want > 0:
            arriving = f" beyond the {seen.arriving_workers:g} on the way" if seen.arriving_workers else ""
            time = "" if math.isnan(seen.task_seconds) else f" to be done in {self.target_seconds:g} s"
            waiting = plural(seen.queued_tasks, "waiting task")
            return "queue_demand", f"{waiting} would fill {plural(seen.needed_workers, 'worker')}{arriving}{time}"
        if want < 0:
            return (
                "idle",
                f"{plural(seen.idle_workers, 'worker')} of {seen.current_workers:g} had no work, one for {seen.longest_idle_seconds:.0f} s",
            )
        if seen.arriving_workers and seen.queued_tasks:
            return "arriving", f"{plural(seen.arriving_workers, 'worker')} on the way will take {plural(seen.queued_tasks, 'waiting task')}"
        if seen.needed_workers:
            waiting = plural(seen.queued_tasks, "waiting task")
            return "within_target", f"{plural(seen.busy_workers, 'busy worker')} will have done {waiting} within {self.target_seconds:g} s"
        return "steady", f"{plural(seen.busy_workers, 'busy worker')} of {seen.current_workers:g}, and no task waits for room"
