"""Which requests a worker of the pool, or one that could be launched, could ever hold; and in words what blocks the others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from drm.model import RESOURCES, UNITS, FloatArray, Resources
from drm.placement import blocking_resource, fits


@dataclass(frozen=True, slots=True)
class Infeasible:
    """Queued tasks that no worker of the pool could ever hold."""

    tasks: int
    reason: str
    """Which resource blocks the first of them, and what the largest worker has of it."""
    enough: str
    """What would do."""


class Feasibility:
    """What was found of a request holds as long as the capacities that a task could hope for stay the same."""

    def __init__(self) -> None:
        self._hoped_for: FloatArray = np.empty((0, 4))
        self._largest: FloatArray = np.empty((0, 4))
        self._known: dict[Resources, bool] = {}

    def weigh(self, capacities: FloatArray) -> None:
        """capacities: (n, 4) of all workers, and of all that could be launched."""
        if not np.array_equal(capacities, self._hoped_for):
            self._hoped_for = capacities
            self._largest = np.unique(capacities, axis=0)
            self._known.clear()

    def of(self, request: Resources) -> bool:
        """Whether any of them holds this request when empty. True where nothing is known."""
        known = self._known.get(request)
        if known is None:
            largest = self._largest
            known = self._known[request] = bool(len(largest) == 0 or fits(largest, request.vector()).any())
        return known

    def reason(self, request: Resources) -> str:
        """Why none does, and what to do."""
        blocking = blocking_resource(self._largest, request.vector())
        name = RESOURCES[blocking]
        most = self._largest[:, blocking].max(initial=0.0)
        return (
            f"no worker could ever hold {amounts(request)}: the largest has {_amount(name, most)} of {name}. "
            "Ask for less, or add larger workers"
        )


def amounts(request: Resources) -> str:
    """A request in words."""
    asked: Iterable[str] = (f"{name} {_amount(name, amount)}" for name, amount in request.as_dict().items() if amount)
    return ", ".join(asked) or "an empty request"


def _amount(name: str, amount: float) -> str:
    if UNITS[name] != "bytes":
        return f"{amount:g} {UNITS[name]}"
    power = min(4, int(math.log(amount, 1024))) if amount >= 1 else 0
    return f"{amount / 1024**power:.4g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
