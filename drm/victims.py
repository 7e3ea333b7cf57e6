"""Which workers a scale-down takes, and why these."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drm.fleet import RUNNING, Fleet
from drm.model import FloatArray


def choose_victims(fleet: Fleet, count: int, now: float, grace_seconds: float) -> tuple[tuple[str, ...], str]:
    """Which workers a scale-down takes, and why these: those on which least runs, of them those idle for the grace period, of them the
    dearest, of them the longest idle."""
    rows = np.flatnonzero(fleet.states == RUNNING)
    idle_since = fleet.idle_since[rows]
    busy, fresh = np.isnan(idle_since), now - idle_since < grace_seconds
    price = np.nan_to_num(fleet.price[rows], nan=-1.0)
    order = np.lexsort((np.nan_to_num(idle_since, nan=np.inf), -price, fresh, fleet.reserved[rows], busy))[:count]
    taken = rows[order]
    return tuple(fleet.ids[row] for row in taken), _why_these(fleet, taken, len(rows), now)


def _why_these(fleet: Fleet, taken: npt.NDArray[np.intp], running: int, now: float) -> str:
    if not len(taken):
        return ""
    idle = now - fleet.idle_since[taken]
    idle = idle[~np.isnan(idle)]
    tasks = int(fleet.reserved[taken].sum())
    busy = len(taken) - len(idle)
    parts = [
        f"{len(taken)} of {running} running workers, those on which least runs first, then the dearest, then the longest idle",
        f"idle for {_span(idle)} s" if len(idle) else "",
        f"{busy} of them still work on {tasks} tasks, which finish first" if busy else "no task is disturbed",
    ]
    prices = fleet.price[taken]
    if not np.isnan(prices).any():
        parts.append(f"they cost {prices.sum():.4g} an hour")
    return "; ".join(part for part in parts if part)


def _span(amounts: FloatArray) -> str:
    low, high = f"{amounts.min():.0f}", f"{amounts.max():.0f}"
    return low if low == high else f"{low} to {high}"
