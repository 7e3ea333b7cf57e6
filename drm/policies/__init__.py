"""Scaling policies: pure functions from signals to a desired size, one module each, and the registry of them.

A policy holds parameters and no state, reads no clock, and is written over numpy, so that the same code runs live and over many parameter
sets at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from drm.errors import InvalidValueError
from drm.model import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """What one evaluation rests on. Workers are counted whole; `idle_seconds` are ages."""

    now: float
    ready: bool
    """False while the engine starts."""
    current: int
    """pending + booting + running + cordoned workers, and launches that were asked for and not answered yet."""
    arriving: int
    """Those of `current` that are on their way."""
    busy: int
    """Those of `current` that hold work, ours or of others, or are cordoned."""
    needed: int
    """Empty workers that the waiting tasks need, beyond all that runs."""
    idle_seconds: FloatArray
    """(k,): for how long each of the k idle workers has had nothing to do, longest first."""
    queued: int
    """Waiting tasks that the pool could hold."""
    running: int
    """Running tasks."""
    queued_demand: FloatArray
    """(4,): what the waiting tasks ask for, summed."""
    utilization: FloatArray
    """(4,): used / capacity; NaN where unknown."""


class Policy(Protocol):
    """A frozen set of parameters, and the size that they make of the signals."""

    @property
    def name(self) -> str:
        """Its key in the registry."""
        ...

    @property
    def version(self) -> int:
        """Counts changes of what it computes, so that kept decisions stay readable."""
        ...

    @property
    def parameters(self) -> Mapping[str, float]:
        """Its parameters by name, units in the names."""
        ...

    def desired(self, signals: Signals) -> int:
        """The size that it would give the pool, before any limit."""
        ...

    def removable(self, signals: Signals) -> int:
        """How many of the idle workers have been idle long enough to go."""
        ...

    def seconds_until_removable(self, signals: Signals) -> float:
        """How much longer the longest idle worker has to be idle; 0 where it may go, infinite where none is idle."""
        ...


def policy_names() -> tuple[str, ...]:
    """The names that `create_policy` takes."""
    return tuple(_registry())


def create_policy(name: str) -> Policy:
    """The policy of that name with its default parameters; InvalidValueError where there is none."""
    try:
        return _registry()[name]()
    except KeyError:
        raise InvalidValueError(f"policy must be one of {', '.join(policy_names())}, got {name!r}") from None


def _registry() -> Mapping[str, Callable[[], Policy]]:
    from drm.policies.queue import QueuePolicy

    return MappingProxyType({QueuePolicy.name: QueuePolicy})


def at_least(idle_seconds: FloatArray, grace_seconds: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """How many ages (k,) reach each grace period; the shape is that of `grace_seconds`."""
    ascending = idle_seconds[::-1]
    return np.asarray(len(ascending) - np.searchsorted(ascending, grace_seconds, side="left"), dtype=np.int64)
