"""`queue`: as many workers as running and waiting tasks need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from drm.errors import InvalidValueError
from drm.policies import Signals, at_least


def desired_size(current: npt.ArrayLike, arriving: npt.ArrayLike, busy: npt.ArrayLike, needed: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Workers, elementwise over arrays of any one shape.

    Waiting tasks did not fit on what runs, so beyond those that arrive each worker they need is a new one. Otherwise the pool is wanted
    as large as what is busy, and what the waiting tasks will fill.
    """
    current, arriving, busy, needed = (np.asarray(count, dtype=np.int64) for count in (current, arriving, busy, needed))
    return np.where(needed > arriving, current + needed - arriving, np.minimum(busy + needed, current))


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """Sizes the pool for running + queued demand; a worker goes once it has been idle for the grace period."""

    name: ClassVar[str] = "queue"
    version: ClassVar[int] = 1

    idle_grace_seconds: float = 20.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.idle_grace_seconds) or self.idle_grace_seconds < 0:
            raise InvalidValueError(f"idle_grace_seconds must be finite and not negative, got {self.idle_grace_seconds!r}")

    @property
    def parameters(self) -> Mapping[str, float]:
        """idle_grace_seconds."""
        return {"idle_grace_seconds": self.idle_grace_seconds}

    def desired(self, signals: Signals) -> int:
        """Busy workers and those that the queue needs."""
        return int(desired_size(signals.current, signals.arriving, signals.busy, signals.needed))

    def removable(self, signals: Signals) -> int:
        """Workers that have been idle for the grace period."""
        return int(at_least(signals.idle_seconds, self.idle_grace_seconds))

    def seconds_until_removable(self, signals: Signals) -> float:
        """The rest of the grace period of the worker that has been idle the longest."""
        longest = signals.idle_seconds[0] if len(signals.idle_seconds) else -math.inf
        return max(0.0, self.idle_grace_seconds - float(longest))
