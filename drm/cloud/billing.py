"""How providers count the time of an instance on their bill."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEAST_STEP_SECONDS = 60.0
"""A bill by the second is finer than ticks are: nothing is added for steps of less than this."""


@dataclass(frozen=True, slots=True)
class Billing:
    """`step_seconds`: steps that were begun are billed whole; at least `minimum_seconds` are billed for each instance."""

    step_seconds: float = 0.0
    minimum_seconds: float = 0.0

    def beyond(self, seconds: float) -> float:
        """What is billed beyond the time that an instance was there, once it is gone."""
        whole = math.ceil(seconds / self.step_seconds) * self.step_seconds if self.step_seconds >= LEAST_STEP_SECONDS else seconds
        return max(self.minimum_seconds, whole) - seconds
