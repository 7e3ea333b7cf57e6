"""What instance types would cost, from the dated price list that libcloud brings (or the user's newer one in ~/.libcloud/pricing.json).

In that list 0 stands where a type is not offered: such a price is unknown, not nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drm.model import Price, Resources, WorkerType

EXTRA = "pip install 'drm-dashboard[cloud]'"
STALE_DAYS = 90
MIB = 2.0**20
DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True, eq=False)
class PriceList:
    """Amazon EC2, Linux, on demand, in USD: the one part of the list in which each price has a machine's size beside it."""

    source: str
    date: str
    """ISO; empty where the list does not say it."""
    types: Mapping[str, Resources]
    """What one of each type has; GPU memory is not in the list."""
    hourly: Mapping[str, Mapping[str, float]]
    """By type and region; only what is known."""
    problem: str = ""
    """Why there are no prices, and what to do; empty where there are."""

    @property
    def regions(self) -> tuple[str, ...]:
        """Where any type is offered, in the order of the alphabet."""
        return tuple(sorted({region for prices in self.hourly.values() for region in prices}))

    def find(self, name: str, region: str) -> WorkerType | None:
        """A type as it is offered in a region; None where it is not."""
        hourly = self.hourly.get(name, {}).get(region)
        if hourly is None:
            return None
        return WorkerType(name, self.types[name], Price(hourly, "USD", self.source, self.date), "on_demand", "ec2", region)

    def search(self, text: str, region: str, limit: int) -> tuple[list[WorkerType], int]:
        """The types of a region whose name holds the text, the cheapest first, at most `limit` of them; and how many there are."""
        part = text.strip().lower()
        found = [one for name in self.hourly if part in name and (one := self.find(name, region))]
        found.sort(key=lambda one: (not one.name.startswith(part), one.hourly, one.name))
        return found[:limit], len(found)

    def age_days(self, now: float) -> float:
        """How old the prices are; NaN where the list has no date."""
        if not self.date:
            return math.nan
        return (now - datetime.fromisoformat(self.date).replace(tzinfo=UTC).timestamp()) / DAY_SECONDS


def read_price_list() -> PriceList:
    """Reads it (some 30 ms). What stands in the way is its `problem`, in words."""
    try:
        from libcloud.compute.constants.ec2_instance_types import INSTANCE_TYPES
        from libcloud.pricing import get_pricing_file_path
    except ImportError:
        return _without(f"The price list comes with the extra cloud: {EXTRA}")
    path = Path(get_pricing_file_path())
    try:
        whole = json.loads(path.read_text())
        prices, updated = whole["compute"]["ec2_linux"], whole.get("updated")
        hourly = {
            name: {region: float(price) for region, price in by_region.items() if 0 < float(price) < math.inf}
            for name, by_region in prices.items()
            if name in INSTANCE_TYPES
        }
        date = "" if updated is None else f"{datetime.fromtimestamp(float(updated), UTC):%Y-%m-%d}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return _without(f"{path} is not a price list of libcloud ({type(error).__name__}: {error}): mend it, or move it away")
    types = {name: _shape(INSTANCE_TYPES[name]) for name in hourly}
    return PriceList(f"price list of libcloud, {path.name}", date, types, hourly)


def _shape(told: Any) -> Resources:
    extra = told["extra"]
    return Resources(cpu=float(extra["vcpu"]), memory=told["ram"] * MIB, gpu=float(extra.get("gpu") or 0))


def _without(problem: str) -> PriceList:
    return PriceList("", "", {}, {}, problem)
