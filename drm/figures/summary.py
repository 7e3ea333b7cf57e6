"""The Resource Summary: what the strip above the tabs says, of one Snapshot, so that it agrees with every tab."""

from __future__ import annotations

import math
from typing import Any

from drm.analysis.outlook import one_rate
from drm.figures.units import UNKNOWN, amount, duration, number, percent
from drm.model import RESOURCES, WORKER_STATES
from drm.snapshot import Snapshot


def workers_text(snapshot: Snapshot) -> dict[str, str]:
    """How many workers are active, and how many are in which state."""
    if snapshot.is_past and snapshot.current is None:
        return {"value": UNKNOWN, "note": "", "warning": ""}
    states = [(state, number) for state in WORKER_STATES if (number := snapshot.count(state))]
    return {
        "value": _spaced(snapshot.count("running", "cordoned", "draining")),
        "note": ", ".join(f"{_spaced(number)} {state}" for state, number in states) or "none has joined yet",
        "warning": "oversubscribed" if snapshot.oversubscribed else "",
    }


def resource_texts(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Of each resource that the active workers have: how much, and which parts of it (percent) are used and allocated."""
    columns = (snapshot.totals(snapshot.capacity), snapshot.totals(snapshot.allocated), snapshot.utilization(), *snapshot.measured())
    rows = zip(RESOURCES, *(column.tolist() for column in columns), strict=True)
    return {name: _resource_text(name, *row) for name, *row in rows if row[0]}


def _resource_text(resource: str, capacity: float, allocated: float, used: float, measured: int, having: int) -> dict[str, Any]:
    partly = f" ({measured} of {having} measured)" if 0 < measured < having else ""
    return {
        "total": amount(resource, capacity),
        "used": f"{percent(used)} used{partly}",
        "allocated": f"{percent(allocated / capacity)} allocated",
        "used_width": 0.0 if math.isnan(used) else min(100.0, 100 * used),
        "allocated_width": min(100.0, 100 * allocated / capacity),
    }


def scaling_text(events: tuple[int, int], range_seconds: float) -> dict[str, str]:
    """How often the pool was made to grow and to shrink in the range."""
    return {"value": f"{events[0]} up, {events[1]} down", "note": f"in {duration(range_seconds)}"}


def cost_text(snapshot: Snapshot) -> str:
    """The cost rate; empty where it is not known, or prices are in several currencies."""
    rate = one_rate(snapshot)
    return f"{f'{number(rate)} {snapshot.currency}'.rstrip()}/h" if math.isfinite(rate) else ""


def _spaced(whole: int) -> str:
    return f"{whole:,}".replace(",", " ")
