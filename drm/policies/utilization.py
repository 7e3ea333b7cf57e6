"""`utilization`: thresholds with hysteresis on the tightest resource."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from drm.decision import Band
from drm.errors import InvalidValueError
from drm.model import FloatArray
from drm.policies.base import MANY, Lever, PolicyBase, plural
from drm.policies.conditions import Conditions
from drm.policies.parameters import parameter


def desired_size(
    current: npt.ArrayLike,
    arriving: npt.ArrayLike,
    queued: npt.ArrayLike,
    utilization: npt.ArrayLike,
    up: npt.ArrayLike,
    down: npt.ArrayLike,
) -> FloatArray:
    """Workers, elementwise. Beyond a threshold the size that brings utilization to the middle of the two; between them, as it is.

    Utilization is that of the workers that have arrived. A pool without any takes one for waiting tasks.
    """
    current, used = np.asarray(current, float), np.asarray(utilization, float)
    up, down = np.asarray(up, float), np.asarray(down, float)
    here = current - arriving
    middle = (up + down) / 2
    fitting = np.ceil(here * used / middle - 1e-9)
    size = np.where(
        used > up, np.maximum(current, np.maximum(fitting, here + 1)), np.where(used < down, np.minimum(current, fitting), current)
    )
    return np.where(current == 0, np.minimum(1, queued), np.where(np.isnan(used), current, size))


@dataclass(frozen=True)
class UtilizationPolicy(PolicyBase):
    """Threshold with hysteresis: up above one part of the tightest resource, down below another."""

    name: ClassVar[str] = "utilization"
    version: ClassVar[int] = 1

    up: float = parameter(0.8, "fraction", 0.01, 1, "above this part of the tightest resource the pool grows")
    down: float = parameter(0.3, "fraction", 0, 0.99, "below this part of the tightest resource the pool shrinks")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.down >= self.up:
            raise InvalidValueError(f"down must be less than up, or the pool would never rest; got down {self.down:g} and up {self.up:g}")

    def missing(self, seen: Conditions) -> str:
        """Utilization, where a worker could have been measured."""
        return "utilization" if math.isnan(seen.utilization) and seen.current_workers > seen.arriving_workers else ""

    def desired(self, seen: Conditions) -> float:
        """The size that brings utilization between the thresholds."""
        return float(desired_size(seen.current_workers, seen.arriving_workers, seen.queued_tasks, seen.utilization, self.up, self.down))

    def thresholds(self, seen: Conditions) -> Mapping[str, float]:
        """The nearer one."""
        return {"utilization": self.up if seen.utilization >= (self.up + self.down) / 2 else self.down}

    def bands(self, seen: Conditions) -> tuple[Band, ...]:
        """Utilization between both thresholds."""
        return (Band("utilization", seen.utilization, self.up, self.down),)

    def levers(self, seen: Conditions, want: int) -> tuple[Lever, ...]:
        """Utilization, and workers to be utilized."""
        if seen.current_workers == 0:
            return (("queued_tasks", 1.0 if want > 0 else 0.0),)
        return (("utilization", MANY if want > 0 else 0.0), ("arriving_workers", 0.0))

    def proposal(self, seen: Conditions, desired: int) -> str:
        """How the size came about."""
        return f"{_percent(seen.utilization)} used, up above {_percent(self.up)}, down below {_percent(self.down)}: {desired}"

    def reason(self, seen: Conditions, want: int) -> tuple[str, str]:
        """Which threshold was passed, or that none was."""
        used = f"{_percent(seen.utilization)} of the tightest resource is used"
        if want > 0 and seen.current_workers == 0:
            return "first_worker", f"{plural(seen.queued_tasks, 'task')} wait, and there is no worker"
        if want > 0:
            return "high_utilization", f"{used}, more than {_percent(self.up)}"
        if want < 0:
            return "low_utilization", f"{used}, less than {_percent(self.down)}"
        if math.isnan(seen.utilization):
            return "steady", "there is no worker to be utilized, and no task waits"
        return "steady", f"{used}, between {_percent(self.down)} and {_percent(self.up)}"


def _percent(part: float) -> str:
    return "an unknown part" if math.isnan(part) else f"{part * 100:.3g} %"
