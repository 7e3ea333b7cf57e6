"""What every policy is: frozen parameters, and pure functions of the conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from drm.decision import Band
from drm.policies.conditions import Conditions
from drm.policies.parameters import ParameterSet

Lever = tuple[str, float]
"""A condition, and a value of it that is surely enough to bring about what is wanted."""

MANY = 1_000_000.0
"""More workers than any pool has."""


@dataclass(frozen=True)
class PolicyBase(ParameterSet):
    """Base of the policies: a frozen dataclass whose fields are its parameters.

    A policy holds no state and reads no clock. Its arithmetic is an elementwise numpy function beside it, so that the same code runs live
    and over many parameter sets at once. `want` is +1 for more workers, -1 for fewer, 0 for as many as there are.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    """Counts changes of what it computes, so that kept decisions stay readable."""

    @property
    def grace_seconds(self) -> float:
        """How long a worker has to be idle before it may go; 0 where idling does not matter."""
        return 0.0

    @property
    def windows_seconds(self) -> tuple[float, float]:
        """Stabilization windows, (up, down): a proposal counts once all others in its window agree."""
        return 0.0, 0.0

    def missing(self, seen: Conditions) -> str:
        """The name of a condition that it needs and that is not known; empty where all are."""
        return ""

    def desired(self, seen: Conditions) -> float:
        """The size that it would give the pool, before any limit."""
        raise NotImplementedError

    def thresholds(self, seen: Conditions) -> Mapping[str, float]:
        """Beyond which value of a condition it wants another size."""
        return {}

    def bands(self, seen: Conditions) -> tuple[Band, ...]:
        """What it watches, to be drawn over time with its thresholds."""
        return ()

    def levers(self, seen: Conditions, want: int) -> tuple[Lever, ...]:
        """Which conditions, changed in this order, make it want more (+1) or fewer (-1)."""
        raise NotImplementedError

    def proposal(self, seen: Conditions, desired: int) -> str:
        """How the size came about, in words with its numbers."""
        raise NotImplementedError

    def reason(self, seen: Conditions, want: int) -> tuple[str, str]:
        """The reason code, and the sentence with its numbers, for wanting more, fewer, or as many."""
        raise NotImplementedError


def plural(count: float, noun: str) -> str:
    """`1 worker`, `2 workers`."""
    return f"{count:g} {noun}" if count == 1 else f"{count:g} {noun}s"
