"""Kinds of instances by number: what a column of the fleet holds, so that a bill is counted by adding columns up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from drm.model import InstanceKind, WorkerType

MOST_KINDS = 1_000
"""Labels come from outside: workers of further kinds are of the kind of which nothing is known."""
MARKETS: Mapping[str, Literal["on_demand", "spot"]] = {"on_demand": "on_demand", "spot": "spot"}
UNKNOWN = InstanceKind()


class Kinds:
    """Invariant: a number once given always means the same kind; 0 is the one of which nothing is known."""

    def __init__(self) -> None:
        self.all: tuple[InstanceKind, ...] = (UNKNOWN,)
        """By number; the same object as long as there is no new one."""
        self._numbers = {UNKNOWN: 0}

    def load(self, kinds: tuple[InstanceKind, ...]) -> None:
        """Takes over the numbers of an earlier run, before the first of this one."""
        self.all = (UNKNOWN, *kinds[1:])
        self._numbers = {kind: number for number, kind in enumerate(self.all)}

    def number(self, worker_type: WorkerType | None, labels: Mapping[str, str]) -> int:
        """The number of a worker's kind: what its type says, then what its labels `provider`, `region`, `market`, `worker_type` say."""
        kind = _kind(worker_type, labels)
        number = self._numbers.get(kind)
        if number is None:
            if len(self.all) > MOST_KINDS:
                return 0
            number = self._numbers[kind] = len(self.all)
            self.all = (*self.all, kind)
        return number


def _kind(worker_type: WorkerType | None, labels: Mapping[str, str]) -> InstanceKind:
    provider, region = labels.get("provider") or None, labels.get("region") or None
    if worker_type is not None:
        return InstanceKind(
            worker_type.provider or provider, worker_type.region or region, worker_type.name, worker_type.market, worker_type.hourly_price
        )
    market = MARKETS.get(labels.get("market", ""))
    return InstanceKind(provider, region, labels.get("worker_type") or None, market)
