"""Which instance types a pool is compared with: what can be launched, and what the price list has where the pool stands."""

from __future__ import annotations

from collections.abc import Iterable

from drm.cloud.price_list import PriceList
from drm.history.lifetimes import Lifetime
from drm.model import WorkerType

LISTED = ("aws", "ec2")
"""Providers whose prices on demand the price list has."""


def candidates(launchable: Iterable[WorkerType], lifetimes: Iterable[Lifetime], prices: PriceList | None = None) -> tuple[WorkerType, ...]:
    """Those that can be launched, then those of the list in the regions of the pool's workers of Amazon; none of them is asked for a price."""
    found = list(launchable)
    if prices is not None:
        regions = sorted({one.kind.region for one in lifetimes if one.kind.provider in LISTED and one.kind.region})
        found += [one for region in regions for name in prices.hourly if (one := prices.find(name, region))]
    return tuple(found)
