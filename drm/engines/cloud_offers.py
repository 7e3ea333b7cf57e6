"""What a cloud pool may launch: its types with shapes and prices, the cheapest first, and which may stand in for another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from drm.cloud.instance_type import SPOT, InstanceType
from drm.cloud.provider import WorkerProvider
from drm.errors import InvalidValueError, ProviderError
from drm.model import Price, WorkerType
from drm.placement import fits

SYSTEM_SHARE = 0.06
"""Of an instance's memory its own system needs this part; the rest is the worker's."""


@dataclass(frozen=True, slots=True)
class Offers:
    """Types by price; those whose price is not known come last, in the order in which they were given."""

    types: tuple[WorkerType, ...]

    def for_type(self, asked: WorkerType) -> list[WorkerType]:
        """The type itself, then those that hold at least as much, the cheapest first: whoever waits for the one fits on the others."""
        needed = asked.shape.vector()
        return [asked, *(one for one in self.types if one.name != asked.name and fits(one.shape.vector(), needed))]


def instance_type(worker_type: WorkerType) -> str:
    """What its provider calls it."""
    return worker_type.name.removesuffix(SPOT)


def find_offers(provider: WorkerProvider, types: Sequence[str | InstanceType]) -> Offers:
    """Asks the provider for shapes and prices that nobody said, and waits for it.

    InvalidValueError where no type is named, one twice, or a price's currency has no rate; ProviderError where there is no such type.
    """
    wanted = [InstanceType.parse(one) if isinstance(one, str) else one for one in types]
    names = [one.name + (SPOT if one.spot else "") for one in wanted]
    if not names:
        raise InvalidValueError("a cloud pool needs at least one instance type, as in ['m5.large'], got none")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidValueError(f"{twice!r} is named twice: once is enough")
    if no_spot := next((one.name for one in wanted if one.spot and not provider.capabilities.spot), None):
        raise InvalidValueError(f"{provider.name} has no spot market: leave out {no_spot}{SPOT}")
    known = [_worker_type(provider, one, name) for one, name in zip(wanted, names, strict=True)]
    return Offers(tuple(sorted(known, key=lambda one: (math.isnan(one.hourly), 0.0 if math.isnan(one.hourly) else one.hourly))))


def _worker_type(provider: WorkerProvider, one: InstanceType, name: str) -> WorkerType:
    shape = one.shape
    if shape is None:
        whole = provider.shape(one.name)
        shape = replace(whole, memory=math.floor(whole.memory * (1.0 - SYSTEM_SHARE)))
    market = "spot" if one.spot else "on_demand"
    price = one.price or _price(provider, one.name, one.spot)
    return WorkerType(name, shape, price, market, provider.name, provider.region)  # type: ignore[arg-type]


def _price(provider: WorkerProvider, name: str, spot: bool) -> Price | None:
    try:
        return provider.price(name, spot)
    except ProviderError:
        # Unknown is unknown: a machine may be rented without knowing what it costs, unless there is a budget.
        return None
