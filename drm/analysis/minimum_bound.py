"""A minimum bound that is too high: idle workers that nothing but the minimum keeps.

enough = the 5th percentile (nearest rank) of the workers that the policy wanted, by time: below that the pool would hardly ever go by
itself. saving = what was paid as `min_bound` (`drm.cloud.split`) x the part of it that goes x 730 h / the hours of the range, where

    the part that goes = (sum of max(0, minimum - max(enough, wanted)) - departures x leaving) / sum of max(0, minimum - wanted)

over the recorded buckets, in worker-hours. departures: how many more workers go, as the pool shrinks from the minimum to what is enough;
leaving: how long each stays for its grace, the cooldown and its draining, as those stayed that went (`Recorded.leaving_hours`).
"""

from __future__ import annotations

import math

import numpy as np

from drm.analysis.recommendation import MONTH_HOURS, Basis, Recommendation, confidence
from drm.analysis.recorded import Recorded
from drm.analysis.replay import departures, of_bounds
from drm.cloud.accrual import HOUR_SECONDS
from drm.model import FloatArray

ENOUGH = 0.05
LEAST_WORKERS = 0.05
"""Fewer workers than this, on average, are not worth a change."""


def ranked(values: FloatArray, part: float) -> float:
    """The nearest-rank percentile."""
    ordered = np.sort(values)
    return float(ordered[max(0, math.ceil(part * len(ordered) - 1e-9) - 1)])


def study(record: Recorded) -> list[Recommendation]:
    """At most one."""
    if record.ladder is None or not len(record.times):
        return []
    paid, hours = record.ladder.pieces["min_bound"], (record.ladder.until - record.ladder.since) / HOUR_SECONDS
    minimum = int(record.minimum[-1])
    enough = math.ceil(ranked(record.wanted, ENOUGH) - 1e-9)
    held = np.maximum(record.minimum - record.wanted, 0.0)
    if not hours > 0 or enough >= minimum or not held.sum() > 0:
        return []
    low = np.minimum(record.minimum, enough)
    between = np.clip(record.wanted, low, record.minimum)
    leaving = departures(between) * record.leaving_hours / (record.step_seconds / HOUR_SECONDS)
    goes = max(0.0, float((record.minimum - between).sum()) - leaving) / float(held.sum())
    saved_hours = paid.seconds / HOUR_SECONDS * goes / hours * MONTH_HOURS
    if saved_hours / MONTH_HOURS < LEAST_WORKERS:
        return []
    saved = paid.money * goes / hours * MONTH_HOURS
    replay = of_bounds(record, low)
    p50, p95, most = ranked(record.wanted, 0.5), ranked(record.wanted, 0.95), float(record.wanted.max())
    rises = int((np.diff((record.wanted > enough).astype(int)) > 0).sum())
    daily = rises / record.hours * 24.0
    boot = f"{record.boot_seconds:.0f} s" if math.isfinite(record.boot_seconds) else "so long as a worker takes to boot, which is not known"
    return [
        Recommendation(
            kind="min_bound",
            subject="minimum",
            change=f"Lower the minimum from {minimum} to {enough} workers",
            now={"min_workers": float(minimum)},
            suggested={"min_workers": float(enough)},
            saving=saved,
            saving_hours=saved_hours,
            currency=record.currency,
            basis=Basis(
                len(record.times),
                record.since,
                record.until,
                {
                    "paid_hours": paid.seconds / HOUR_SECONDS,
                    "part_that_goes": goes,
                    "rises_a_day": daily,
                    "p5_workers": ranked(record.wanted, ENOUGH),
                    "p50_workers": p50,
                    "p95_workers": p95,
                    "max_workers": most,
                },
            ),
            confidence=confidence(len(record.times), record.hours * HOUR_SECONDS),
            risk=(
                f"{rises} times, {daily:.2g} a day, more than {enough} workers came to be wanted: work then waits {boot}, for workers that "
                f"the minimum has there now. To wait hardly ever: {math.ceil(p95)}, the 95th percentile of what is wanted"
            ),
            risk_share=replay.waits_after,
            formula=(
                f"{paid.seconds / HOUR_SECONDS:.4g} worker-hours were paid for idle workers that only the minimum keeps; "
                f"{goes * 100:.0f} % of them go; x 730 h / {hours:.4g} h"
            ),
            replay=replay,
        )
    ]
