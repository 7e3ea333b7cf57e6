"""Forgotten workers: charged, with nothing allocated for long, and nothing that will end them by itself.

Long: three days (longer than a weekend), or an hour and half of its life; three days where the policy wants it. Not forgotten is what the
minimum keeps, and what waits for its idle grace or a cooldown (`drm.cloud.split`). A worker that takes no tasks is idle from when it
stopped taking them.
saving = its price x 730 h. Where the pool stands at its minimum, that has to fall by one as well, or a new worker takes its place.
"""

from __future__ import annotations

import math

import numpy as np

from drm.analysis.recommendation import DAY_SECONDS, MONTH_HOURS, Basis, Recommendation, confidence
from drm.analysis.recorded import Recorded
from drm.analysis.replay import of_fewer
from drm.cloud.split import COOLDOWN, IDLE_GRACE, KEPT, MIN_BOUND, shares, weights
from drm.model import STATE_CODE, WORKER_STATES, FloatArray

LONG_SECONDS, LEAST_SECONDS, PART_OF_LIFE = 3 * DAY_SECONDS, 3600.0, 0.5
_TAKING, _CLOSED = STATE_CODE["running"], (STATE_CODE["cordoned"], STATE_CODE["draining"])
_EXPLAINED = (MIN_BOUND, IDLE_GRACE, COOLDOWN)


def forgotten(record: Recorded) -> dict[str, float]:
    """Since when each has held nothing, the longest first."""
    snapshot = record.snapshot
    bare = (snapshot.allocated == 0).all(axis=1) & (np.nan_to_num(snapshot.occupied) == 0).all(axis=1)
    cause = shares(snapshot, weights(snapshot.capacity)).cause
    waiting = (snapshot.states == _TAKING) & ~np.isin(cause, _EXPLAINED)
    rows = np.flatnonzero(bare & (waiting | np.isin(snapshot.states, _CLOSED)))
    lives = {one.worker_id: one for one in record.lifetimes} if len(rows) else {}
    found = {}
    for row in rows:
        worker_id = snapshot.worker_ids[row]
        life = lives.get(worker_id)
        since, begun = float(snapshot.idle_since[row]), float(snapshot.started_at[row])
        if math.isnan(since) and life is not None:
            since = life.changed_at(snapshot.time)
        idle = snapshot.time - since
        wanted = cause[row] == KEPT and snapshot.states[row] == _TAKING
        if idle >= LONG_SECONDS or (not wanted and idle >= LEAST_SECONDS and idle >= PART_OF_LIFE * (snapshot.time - begun)):
            found[worker_id] = since
    return dict(sorted(found.items(), key=lambda one: one[1]))


def study(record: Recorded, found: dict[str, float] | None = None) -> list[Recommendation]:
    """One for each forgotten worker."""
    found = forgotten(record) if found is None else found
    rows = {worker_id: row for row, worker_id in enumerate(record.snapshot.worker_ids)} if found else {}
    return [_of(record, worker_id, rows[worker_id], since) for worker_id, since in found.items()]


def _of(record: Recorded, worker_id: str, row: int, since: float) -> Recommendation:
    snapshot = record.snapshot
    price, state = float(snapshot.price[row]), WORKER_STATES[snapshot.states[row]]
    idle = snapshot.time - since
    at_minimum = len(record.times) > 0 and bool((record.workers <= record.minimum).any())
    held = float((record.workers <= record.minimum).mean()) if len(record.times) else 0.0
    change, decision = f"End worker {worker_id}, which is {state} and holds nothing", snapshot.last_decision
    if state == "running" and decision is not None and decision.desired >= decision.current:
        change += f", and have the policy {decision.policy} want one less"
    return Recommendation(
        kind="idle_worker",
        subject=worker_id,
        change=f"{change}, and lower the minimum by one" if at_minimum else change,
        now={"workers": 1.0},
        suggested={"workers": 0.0},
        saving=price * MONTH_HOURS,
        saving_hours=MONTH_HOURS,
        currency=record.currency,
        basis=Basis(
            int((record.times >= since).sum()),
            max(since, record.since),
            record.until,
            {"idle_hours": idle / 3600.0, "hourly_price": price, "at_minimum": held},
        ),
        confidence=confidence(int((record.times >= since).sum()), idle),
        risk=_risk(held, taking=state == "running"),
        risk_share=0.0,
        formula=f"{price:.4g} an hour x 730 h" if not math.isnan(price) else "its price is not known: 730 worker-hours",
        replay=of_fewer(record, _there(record, since), price) if len(record.times) else None,
    )


def _there(record: Recorded, since: float) -> FloatArray:
    """(c,): 1 in the buckets in which it held nothing."""
    return np.asarray(np.clip((record.times + record.step_seconds - since) / record.step_seconds, 0.0, 1.0), np.float64)


def _risk(held: float, *, taking: bool) -> str:
    told = "it would have taken tasks, had more come" if taking else "it takes no tasks, so none would wait for it"
    if held:
        told += f"; the pool stood at its minimum {held * 100:.0f} % of the time, in which a new worker would take its place"
    return told
