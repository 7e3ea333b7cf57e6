"""`manual`: the size that a person ordered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from drm.model import FloatArray
from drm.policies.base import MANY, Lever, PolicyBase, plural
from drm.policies.conditions import Conditions
from drm.policies.parameters import parameter


def desired_size(ordered: npt.ArrayLike) -> FloatArray:
    """Workers, elementwise: as ordered."""
    return np.asarray(np.floor(np.asarray(ordered, float)))


@dataclass(frozen=True)
class ManualPolicy(PolicyBase):
    """Keeps the pool at a size that a person chose; everything else of the pipeline holds."""

    name: ClassVar[str] = "manual"
    version: ClassVar[int] = 1

    workers: float = parameter(1, "workers", 0, 10_000, "how many workers the pool should have")

    def desired(self, seen: Conditions) -> float:
        """As ordered."""
        return float(desired_size(seen.ordered_workers))

    def thresholds(self, seen: Conditions) -> Mapping[str, float]:
        """The current size."""
        return {"ordered_workers": seen.current_workers}

    def levers(self, seen: Conditions, want: int) -> tuple[Lever, ...]:
        """The order."""
        return (("ordered_workers", MANY if want > 0 else 0.0),)

    def proposal(self, seen: Conditions, desired: int) -> str:
        """The order."""
        return f"{plural(desired, 'worker')} ordered"

    def reason(self, seen: Conditions, want: int) -> tuple[str, str]:
        """The order against what is there."""
        return ("ordered" if want else "steady"), f"{plural(seen.ordered_workers, 'worker')} ordered, {seen.current_workers:g} are there"
