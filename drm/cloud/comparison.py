"""What an amount of resources would cost on one instance type: a comparison, no offer.

It knows nothing of packing, disks, traffic or discounts.
instances = the largest, over cpu, memory and gpu, of (amount / what one instance has), rounded up; cost = instances x hourly price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from drm.model import RESOURCES, FloatArray, WorkerType

COMPARED = ("cpu", "memory", "gpu")
"""GPU memory is in no price list."""
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Comparison:
    """One amount on one type."""

    instances: int
    """0 where one of `lacking` is needed: then no number of them would do."""
    decided_by: str
    """The resource that takes most instances; empty where none is needed."""
    lacking: tuple[str, ...]
    """What is needed and the type does not have."""
    hourly: float
    """NaN where no number of them would do, or the price is not known."""


def compare(amount: FloatArray, worker_type: WorkerType) -> Comparison:
    """Amounts (4,) in the order of `RESOURCES`, on so many of one type."""
    needed = {name: float(amount[RESOURCES.index(name)]) for name in COMPARED}
    has = worker_type.shape.as_dict()
    lacking = tuple(name for name, wanted in needed.items() if wanted > 0 and not has[name])
    if lacking:
        return Comparison(0, "", lacking, math.nan)
    counts = {name: math.ceil(wanted / has[name] - ROUNDING) for name, wanted in needed.items() if wanted > 0}
    decided_by = max(counts, key=lambda name: (counts[name], needed[name] / has[name]), default="")
    instances = counts.get(decided_by, 0)
    return Comparison(instances, decided_by, (), instances * worker_type.hourly)
