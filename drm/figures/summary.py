"""The Resource Summary: what the strip above the tabs says, of one Snapshot, so that it agrees with every tab."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

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


def resource_text(snapshot: Snapshot, resource: str) -> dict[str, Any] | None:
    """What the active workers have of a resource, and which parts of it (percent) are used and allocated; None where they have none."""
    index = RESOURCES.index(resource)
    capacity, allocated = (float(snapshot.totals(columns)[index]) for columns in (snapshot.capacity, snapshot.allocated))
    if not capacity:
        return None
    used = float(snapshot.utilization()[index])
    measured, having = (int(counts[index]) for counts in snapshot.measured())
    partly = f" ({measured} of {having} measured)" if 0 < measured < having else ""
    return {
        "total": amount(resource, capacity),
        "used": f"{percent(used)} used{partly}",
        "allocated": f"{percent(allocated / capacity)} allocated",
        "used_width": 0.0 if np.isnan(used) else min(100.0, 100 * used),
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
