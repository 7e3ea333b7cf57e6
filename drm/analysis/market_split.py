"""On demand and spot: what is always needed on demand, the rest on spot machines of the same size.

base = the 10th percentile (nearest rank) of the workers of the type on demand that has most worker-hours; saving = sum over the recorded
buckets of max(0, workers - base) x (price on demand - price on spot) x 730 h / the hours of the range. The rate of interruptions is that of
the recorded lifetimes on spot (ended because the market took them back / instance-hours); without any it is not known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from drm.analysis.minimum_bound import ranked
from drm.analysis.recommendation import MONTH_HOURS, Basis, Recommendation, Replay, confidence
from drm.analysis.recorded import Recorded, charged_seconds
from drm.history.lifetimes import Lifetime
from drm.model import WorkerType

BASE = 0.10
LEAST_SAVING = 0.05
TAKEN_BACK = ("interrupted", "nobody here ended it")
"""What the reasons of lifetimes say that a market ended."""


def interruptions(lifetimes: Iterable[Lifetime], since: float, until: float) -> tuple[int, float]:
    """(how many spot workers the market took back, spot instance-hours) in a time."""
    spot = [one for one in lifetimes if one.kind.market == "spot"]
    taken = sum(one.ended_at > since and any(word in one.reason for word in TAKEN_BACK) for one in spot)
    return taken, sum(charged_seconds(one, since, until) for one in spot) / 3600.0


def study(record: Recorded, candidates: Iterable[WorkerType]) -> list[Recommendation]:
    """At most one: for the type on demand of which there were most worker-hours."""
    owned = next((one for one in record.in_use if one.type.market == "on_demand"), None)
    if owned is None or math.isnan(owned.type.hourly) or not len(record.times):
        return []
    dear = owned.type
    offered = [*(one.type for one in record.in_use), *candidates]
    spot = min((one for one in offered if _replaces(one, dear)), key=lambda one: one.hourly, default=None)
    if spot is None:
        return []
    whole = sum(one.hours for one in record.in_use)
    # Of a pool of several types this one's part, taken to be the same at all times.
    workers = record.workers * (owned.hours / whole)
    base = math.ceil(ranked(workers, BASE) - 1e-9)
    moved = np.maximum(workers - base, 0.0)
    hours = record.step_seconds / 3600.0
    gain = float(moved.sum()) * hours * (dear.hourly - spot.hourly)
    paid = record.hourly * float(record.workers.sum()) * hours
    if not gain >= LEAST_SAVING * paid:
        return []
    taken, spot_hours = interruptions(record.lifetimes, record.since, record.until)
    rate = taken / spot_hours if spot_hours > 0 else math.nan
    before = float(record.workers.sum()) * hours
    most = math.ceil(float(moved.max()) - 1e-9)
    return [
        Recommendation(
            kind="market",
            subject=dear.name,
            change=f"Keep {base} of {dear.name} on demand, and take what is needed beyond from the spot market ({spot.name})",
            now={dear.name: float(base + most)},
            suggested={dear.name: float(base), spot.name: float(most)},
            saving=gain / record.hours * MONTH_HOURS,
            saving_hours=0.0,
            currency=record.currency,
            basis=Basis(
                len(record.times),
                record.since,
                record.until,
                {
                    "p10_workers": float(base),
                    "moved_hours": float(moved.sum()) * hours,
                    "hourly_price": dear.hourly,
                    "hourly_spot": spot.hourly,
                    "interruptions": float(taken) if spot_hours > 0 else math.nan,
                    "spot_hours": spot_hours,
                },
            ),
            confidence=confidence(len(record.times), record.hours * 3600.0),
            risk=_risk(taken, spot_hours, rate),
            risk_share=rate,
            formula=(
                f"{float(moved.sum()) * hours:.4g} worker-hours beyond {base} workers (the 10th percentile) x "
                f"({dear.hourly:g} - {spot.hourly:g}) an hour, x 730 h / {record.hours:.4g} h"
            ),
            replay=Replay(
                record.since, record.since + record.hours * 3600.0, len(record.times), before, before, paid, paid - gain, math.nan, math.nan
            ),
        )
    ]


def _replaces(one: WorkerType, dear: WorkerType) -> bool:
    same = one.hourly_price is not None and dear.hourly_price is not None and one.hourly_price.currency == dear.hourly_price.currency
    return same and one.market == "spot" and one.hourly < dear.hourly and bool((one.shape.vector() >= dear.shape.vector()).all())


def _risk(taken: int, hours: float, rate: float) -> str:
    if math.isnan(rate):
        return "how often the market takes workers back is not known: none was on it; what runs there then runs again"
    return (
        f"the market took {taken} workers back in {hours:.4g} spot instance-hours, {rate:.3g} an hour each; what runs there then runs again"
    )
