"""Which instance types a pool is compared with: what can be launched, what the price list has where the pool stands, and what is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from drm.cloud.price_list import PriceList
from drm.errors import InvalidValueError
from drm.history.lifetimes import Lifetime
from drm.model import NAME_LIMIT, WorkerType

LISTED = ("aws", "ec2")
"""Providers whose prices on demand the price list has."""
MOST_NAMED, MOST_TOLD = 50, 5


def candidates(
    launchable: Iterable[WorkerType], lifetimes: Iterable[Lifetime], prices: Callable[[], PriceList] | None = None
) -> tuple[WorkerType, ...]:
    """What can be launched, then the price list's types in the regions of the pool's workers of Amazon; no provider is asked, and the list
    is read only where there is such a worker."""
    found = list(launchable)
    regions = sorted({one.kind.region for one in lifetimes if one.kind.provider in LISTED and one.kind.region})
    if prices is not None and regions:
        listed = prices()
        found += [one for region in regions for name in listed.hourly if (one := listed.find(name, region))]
    return tuple(found)


def named(names: Sequence[str], region: str, prices: PriceList) -> tuple[WorkerType, ...]:
    """Types of the price list by name. InvalidValueError for a region or a type that is not in it, with some that are."""
    if prices.problem:
        raise InvalidValueError(f"types cannot be looked up: {prices.problem}")
    if len(names) > MOST_NAMED:
        raise InvalidValueError(f"types must be at most {MOST_NAMED} names, got {len(names)}")
    if region not in prices.regions:
        raise InvalidValueError(
            f"region must be one of the price list's, as in {', '.join(prices.regions[:MOST_TOLD])}, got {region[:NAME_LIMIT]!r}"
        )
    found = []
    for name in names:
        one = prices.find(name, region)
        if one is None:
            near, _ = prices.search(name.split(".")[0], region, MOST_TOLD)
            like = near or prices.search("", region, MOST_TOLD)[0]
            told = ", ".join(other.name for other in like)
            raise InvalidValueError(f"types must be of the price list in {region}, as in {told}; got {name[:NAME_LIMIT]!r}")
        found.append(one)
    return tuple(found)
