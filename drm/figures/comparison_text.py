"""What the pool would cost on rented instances, in words. What is not known is said, never 0."""

from __future__ import annotations

import math
from collections.abc import Mapping

from drm.cloud.comparison import COMPARED, Comparison
from drm.cloud.price_list import STALE_DAYS, PriceList
from drm.figures.units import LABELS, UNKNOWN, amount, count, money, number, plain
from drm.model import RESOURCES, FloatArray, WorkerType

HOURS_OF_MONTH, SHOWN_MATCHES = 730, 5


def price_text(prices: PriceList, worker_type: WorkerType, now: float) -> tuple[str, str]:
    """(what one instance has and costs and where that was read, what is to be said of its age)."""
    shape = _amounts(worker_type.shape.as_dict())
    age, price = prices.age_days(now), worker_type.hourly
    told = f"One {worker_type.name} in {worker_type.region} has {shape} and costs {money(price, 'USD')} an hour, on demand, Linux."
    source = f"Source: {prices.source}, dated {prices.date or UNKNOWN}."
    if math.isnan(age):
        return f"{told} {source}", "The list has no date: look the price up before you rely on it."
    stale = f"These prices are {count(round(age), 'day')} old, more than {STALE_DAYS}: look them up before you rely on them."
    return f"{told} {source}", stale if age > STALE_DAYS else ""


def formula(worker_type: WorkerType) -> str:
    """How the comparison is worked out."""
    has = worker_type.shape.as_dict()
    compared = ", ".join(LABELS[name] for name in COMPARED if has[name])
    return (
        f"Instances: for each of {compared}, the amount divided by what one {worker_type.name} has, rounded up; the largest counts. Cost: "
        f"instances × {money(worker_type.hourly, 'USD')} an hour; a month is {HOURS_OF_MONTH} hours. A comparison, no offer: how tasks "
        "pack, disks, traffic, discounts and spot prices are left out, and GPU memory is not in the list."
    )


def comparison_row(title: str, amounts: FloatArray, found: Comparison, worker_type: WorkerType) -> list[str]:
    """(what, how much, instances, decided by, per hour, per month)."""
    start = [title, _amounts({name: float(amounts[RESOURCES.index(name)]) for name in COMPARED}) or "nothing"]
    if found.lacking:
        lacking = " or ".join(LABELS[name] for name in found.lacking)
        return [*start, f"no number of them: {worker_type.name} has no {lacking}", "", "", ""]
    month = money(found.hourly * HOURS_OF_MONTH, "USD")
    return [*start, f"{found.instances}", LABELS.get(found.decided_by, ""), money(found.hourly, "USD"), month]


def no_such_type(prices: PriceList, text: str, region: str) -> str:
    """What is said where nothing of that name is offered there."""
    found, number_found = prices.search(text, region, SHOWN_MATCHES)
    asked, where = plain(text, 40), plain(region, 40)
    if not found:
        return f"No type with {asked!r} in its name is in the price list for {where}: try m5.large, c5.xlarge or g4dn.xlarge."
    names = ", ".join(one.name for one in found) + (", ..." if number_found > len(found) else "")
    return f"{count(number_found, 'type')} with {asked!r} in the name in {where}: choose one of {names}"


def option_text(worker_type: WorkerType) -> str:
    """What is said of a type where one is chosen."""
    return f"{_amounts(worker_type.shape.as_dict())}, {money(worker_type.hourly, 'USD')} an hour"


def _amounts(amounts: Mapping[str, float]) -> str:
    """Those that are more than 0."""
    return ", ".join(_of(name, value) for name, value in amounts.items() if value > 0)


def _of(name: str, value: float) -> str:
    if name == "gpu":
        return f"{number(value)} GPU{'' if value == 1 else 's'}"
    return amount(name, value) + {"memory": " of memory", "gpu_memory": " of GPU memory"}.get(name, "")
