"""The cheapest set of instance types for the observed mix: one type or two that pack the 95th percentile of the demand for least.

Exact about what it is: of the candidates the `MOST_TYPES` are kept whose bound from below is least; each of them and each pair is filled
with the tasks of the moment at the 95th percentile of the demand (`drm.analysis.moments`), every request on the type of the set on which
its share of a worker costs least, first-fit decreasing; the set that costs least is replayed over all moments. Sets of three and more are
not tried. Only types of the market that the pool is on are compared (`drm.analysis.market_split` has the other).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from drm.analysis.first_fit import on_types, shares
from drm.analysis.recommendation import Basis, Recommendation, confidence
from drm.analysis.recorded import Recorded
from drm.analysis.replay import Packed
from drm.model import FloatArray, WorkerType

MOST_TYPES = 12
LEAST_SAVING = 0.05
"""Less than this part of the bill is not worth other machines."""


def study(record: Recorded, packed: Packed | None, candidates: Iterable[WorkerType]) -> list[Recommendation]:
    """At most one."""
    if packed is None or math.isnan(record.hourly):
        return []
    markets = {one.market for one in packed.types}
    if len(markets) != 1:
        return []
    tail, requests = packed.moments.at_the_tail(), packed.moments.requests
    counts = packed.moments.counts[tail]
    own = {_key(one) for one in packed.types}
    offered = [*packed.types, *(one for one in candidates if _key(one) not in own)]
    known = [one for one in offered if one.market in markets and _is_priced(one, record.currency)]
    chosen = _cheapest(_promising(known, requests, counts), requests, counts)
    if chosen is None or {_key(one) for one in chosen} == own:
        return []
    replay = packed.replay(requests, chosen)
    if replay is None or not replay.saved >= LEAST_SAVING * replay.cost_before / replay.hours * 730.0:
        return []
    now, then = packed.needed[tail], on_types(chosen, requests, [counts])
    assert then is not None
    demand = counts @ requests
    largest = float(np.min([shares(one.shape.vector(), requests) for one in chosen], axis=0).max())
    return [
        Recommendation(
            kind="instance_type",
            subject=" and ".join(one.name for one in packed.types),
            change=f"Launch {' and '.join(_words(one) for one in chosen)} instead of {' and '.join(_words(one) for one in packed.types)}",
            now={one.name: float(count) for one, count in zip(packed.types, now, strict=True)},
            suggested={one.name: float(count) for one, count in zip(chosen, then[0], strict=True)},
            saving=replay.saved,
            saving_hours=replay.saved_hours,
            currency=record.currency,
            basis=Basis(
                len(record.times),
                record.since,
                record.until,
                {
                    "p95_cpu": float(demand[0]),
                    "p95_memory": float(demand[1]),
                    "p95_cost_now": _cost(packed.types, now),
                    "p95_cost_suggested": _cost(chosen, then[0]),
                    "p95_cost_at_least": _least(known, demand),
                    "types_compared": float(len(known)),
                    "counted": packed.moments.covered,
                },
            ),
            confidence=confidence(len(record.times), record.hours * 3600.0),
            risk=(
                f"the largest task takes {largest * 100:.0f} % of a worker of the new type; whether tasks run as fast there is not known: "
                "try one first"
            ),
            risk_share=largest,
            formula=(
                f"at the 95th percentile of the demand {_cost(packed.types, now):.4g} an hour now, {_cost(chosen, then[0]):.4g} then, "
                f"{_least(known, demand):.4g} at least whatever the packing; the saving is what was paid x (1 - cost after / cost before) "
                "of the replay"
            ),
            replay=replay,
        )
    ]


def _key(one: WorkerType) -> tuple[object, ...]:
    return one.name, one.market, one.region, one.shape, one.hourly


def _is_priced(one: WorkerType, currency: str) -> bool:
    return one.hourly_price is not None and one.hourly_price.currency == currency and one.hourly > 0


def _promising(types: Sequence[WorkerType], requests: FloatArray, counts: FloatArray) -> list[WorkerType]:
    """Those that hold some of the tasks, whose cost per hour and share of the tasks that they hold is least."""

    def bound(one: WorkerType) -> float:
        part = shares(one.shape.vector(), requests)
        held = np.isfinite(part) & (counts > 0)
        # A type that holds few of the tasks is of use beside another one only: what it cannot hold weighs as on a worker for each.
        return float((counts[held] * part[held]).sum() + counts[~held].sum()) * one.hourly if held.any() else math.inf

    ranked = sorted(((bound(one), one.hourly, one.name, index) for index, one in enumerate(types)), key=lambda one: one)
    return [types[index] for least, *_, index in ranked[:MOST_TYPES] if math.isfinite(least)]


def _cheapest(types: Sequence[WorkerType], requests: FloatArray, counts: FloatArray) -> tuple[WorkerType, ...] | None:
    best: tuple[float, tuple[WorkerType, ...]] | None = None
    for number in (1, 2):
        for some in combinations(types, number):
            needed = on_types(some, requests, [np.asarray(counts, np.int64)])
            if needed is None:
                continue
            used = tuple(one for one, count in zip(some, needed[0], strict=True) if count)
            cost = _cost(some, needed[0])
            # Fewer types, where they cost the same.
            if used and (best is None or cost < best[0] * (1 - 1e-9)):
                best = cost, used
    return None if best is None else best[1]


def _cost(types: Sequence[WorkerType], needed: FloatArray) -> float:
    return math.fsum(float(count) * one.hourly for one, count in zip(types, needed, strict=True) if count)


def _least(types: Sequence[WorkerType], demand: FloatArray) -> float:
    """No set of these types holds the demand (4,) for less: by the resource whose cheapest source costs most."""
    bounds = []
    for index, wanted in enumerate(demand.tolist()):
        per_unit = [one.hourly / one.shape.vector()[index] for one in types if one.shape.vector()[index] > 0]
        bounds += [wanted * min(per_unit)] if wanted > 0 and per_unit else []
    return float(max(bounds, default=0.0))


def _words(one: WorkerType) -> str:
    where = f" in {one.region}" if one.region else ""
    return f"{one.name}{where} ({one.hourly:g} an hour)"
