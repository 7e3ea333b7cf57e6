"""`target_tracking`: keeps the utilization of the tightest resource at a target, as Kubernetes' horizontal pod autoscaler does.

desired = ceil(workers x metric / target), unless the ratio is within the tolerance; then stabilization windows, up and down apart.
Source: https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#algorithm-details
"""

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
    arriving: npt.ArrayLike,
    queued: npt.ArrayLike,
    utilization: npt.ArrayLike,
    target: npt.ArrayLike,
    tolerance: npt.ArrayLike,
) -> FloatArray:
    """Workers, elementwise. Utilization is that of the workers that have arrived. A pool without any takes one for waiting tasks."""
    current, ratio = np.asarray(current, float), np.asarray(utilization, float) / target
    fitting = np.ceil((current - arriving) * ratio - 1e-9)
    size = np.where(ratio > 1 + np.asarray(tolerance), np.maximum(current, fitting), np.minimum(current, fitting))
    size = np.where(np.abs(ratio - 1) <= tolerance, current, size)
    return np.where(current == 0, np.minimum(1, queued), np.where(np.isnan(ratio), current, size))


@dataclass(frozen=True)
class TargetTrackingPolicy(PolicyBase):
    """Keeps the tightest resource's utilization at a target, with asymmetric stabilization windows."""

    name: ClassVar[str] = "target_tracking"
    version: ClassVar[int] = 1

    target: float = parameter(0.6, "fraction", 0.01, 1, "the part of the tightest resource that should be used")
    tolerance: float = parameter(0.1, "fraction", 0, 0.9, "a metric so near to the target, relatively, changes nothing")
    up_window_seconds: float = parameter(0.0, "seconds", 0, 3600, "a scale-up goes to the lowest proposal of this time")
    down_window_seconds: float = parameter(300.0, "seconds", 0, 3600, "a scale-down goes to the highest proposal of this time")

    @property
    def windows_seconds(self) -> tuple[float, float]:
        """Both windows."""
        return self.up_window_seconds, self.down_window_seconds

    def missing(self, seen: Conditions) -> str:
        """Utilization, where a worker could have been measured."""
        return "utilization" if math.isnan(seen.utilization) and seen.current_workers > seen.arriving_workers else ""

    def desired(self, seen: Conditions) -> float:
        """workers x utilization / target."""
        return float(
            desired_size(seen.current_workers, seen.arriving_workers, seen.queued_tasks, seen.utilization, self.target, self.tolerance)
        )

    def thresholds(self, seen: Conditions) -> Mapping[str, float]:
        """The nearer edge of the tolerance."""
        side = 1 if seen.utilization >= self.target else -1
        return {"utilization": self.target * (1 + side * self.tolerance)}

    def bands(self, seen: Conditions) -> tuple[Band, ...]:
        """Utilization between both edges of the tolerance."""
        return (Band("utilization", seen.utilization, self.target * (1 + self.tolerance), self.target * (1 - self.tolerance)),)

    def levers(self, seen: Conditions, want: int) -> tuple[Lever, ...]:
        """Utilization, and workers to be utilized."""
        if seen.current_workers == 0:
            return (("queued_tasks", 1.0 if want > 0 else 0.0),)
        return (("utilization", MANY if want > 0 else 0.0), ("arriving_workers", 0.0))

    def proposal(self, seen: Conditions, desired: int) -> str:
        """How the size came about."""
        here = seen.current_workers - seen.arriving_workers
        return f"{plural(here, 'worker')} x {seen.utilization * 100:.3g} % / {self.target * 100:.3g} %: {desired}"

    def reason(self, seen: Conditions, want: int) -> tuple[str, str]:
        """On which side of the target the metric is."""
        used = f"{seen.utilization * 100:.3g} % of the tightest resource is used, the target is {self.target * 100:.3g} %"
        if want > 0 and seen.current_workers == 0:
            return "first_worker", f"{plural(seen.queued_tasks, 'task')} wait, and there is no worker"
        if want:
            return ("above_target" if want > 0 else "below_target"), used
        if math.isnan(seen.utilization):
            return "steady", "there is no worker to be utilized, and no task waits"
        return "on_target", f"{used}, and {self.tolerance * 100:.3g} % of it either way change nothing"
