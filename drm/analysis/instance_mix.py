"""The cheapest set of instance types for the observed mix: up to three types that pack the 95th percentile of the demand for least.

Exact about what it is: of the candidates those are kept that are in use, that are the cheapest for one of the requests, and up to
`MOST_TYPES` whose bound from below is least. Each of them, each pair and each three of the first `MOST_IN_THREES` is filled with the tasks
of the moment at the 95th percentile of the demand (`drm.analysis.moments`), every request on the type of the set on which its share of a
worker costs least, first-fit decreasing; the set that costs least is replayed over all moments. Larger sets are not tried. Only types of
the markets that the pool is on are compared (`drm.analysis.market_split` has the other), in its currency.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from drm.analysis.first_fit import on_types, shares
from drm.analysis.market_split import interruptions
from drm.analysis.recommendation import Basis, Recommendation, confidence
from drm.analysis.recorded import Recorded
from drm.analysis.replay import Packed
from drm.model import FloatArray, WorkerType

MOST_TYPES, MOST_IN_THREES = 12, 8
LEAST_SAVING = 0.05
"""Less than this part of the bill is not worth other machines."""


def study(record: Recorded, packed: Packed | None, candidates: Iterable[WorkerType]) -> list[Recommendation]:
    """At most one."""
    if packed is None or math.isnan(record.paid):
        return []
    markets, own = {one.market for one in packed.types}, {_key(one) for one in packed.types}
    tail, requests = packed.moments.at_the_tail(), packed.moments.requests
    counts = packed.moments.counts[tail]
    offered = {_key(one): one for one in (*candidates, *packed.types)}
    known = [one for one in offered.values() if one.market in markets and _is_priced(one, record.currency)]
    chosen = _cheapest(_promising(known, own, requests, counts), requests, counts)
    if chosen is None or (len(own) == 1 and {_key(one) for one in chosen} == own):
        return []
    replay, needed = packed.replay_set(chosen), on_types(chosen, requests, [counts])
    if replay is None or needed is None or not replay.cost_before - replay.cost_after >= LEAST_SAVING * replay.cost_before:
        return []
    now = {one.type.name: one.hours / record.hours for one in record.in_use}
    then = {one.name: float(count) for one, count in zip(chosen, needed[0], strict=True)}
    demand, cost = counts @ requests, _cost(chosen, needed[0])
    largest = float(np.min([shares(one.shape.vector(), requests) for one in chosen], axis=0).max())
    return [
        Recommendation(
            kind="instance_type",
            subject=" and ".join(one.name for one in packed.types),
            change=_change(packed.types, chosen, then, same={_key(one) for one in chosen} <= own and len(own) > 1),
            now=now,
            suggested=then,
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
                    "p95_cost_suggested": cost,
                    "p95_cost_at_least": _least(known, demand),
                    "mean_cost_now": record.paid / record.hours,
                    "types_compared": float(len(known)),
                    "counted": packed.moments.covered,
                },
            ),
            confidence=confidence(len(record.times), record.hours * 3600.0),
            risk=_risk(record, chosen, largest, replay.waits_after),
            risk_share=largest,
            formula=(
                f"at the 95th percentile of the demand the set costs {cost:.4g} an hour, and no packing on the types compared less than "
                f"{_least(known, demand):.4g}; the saving is what was paid x (1 - cost after / cost before) of the replay"
            ),
            replay=replay,
        )
    ]


def _key(one: WorkerType) -> tuple[object, ...]:
    return one.name, one.market, one.region, one.shape, one.hourly


def _is_priced(one: WorkerType, currency: str) -> bool:
    return one.hourly_price is not None and one.hourly_price.currency == currency and one.hourly > 0


def _promising(types: Sequence[WorkerType], own: set[tuple[object, ...]], requests: FloatArray, counts: FloatArray) -> list[WorkerType]:
    """Own ones, the cheapest for each request, then by cost per hour for their shares of all tasks; those that hold none are left out."""
    asked = np.flatnonzero(counts > 0)
    if not len(asked) or not types:
        return []
    part = np.vstack([shares(one.shape.vector(), requests[asked]) for one in types])
    price = np.array([[one.hourly] for one in types])
    # What a type cannot hold weighs as a worker for each: such a type is of use beside another one only.
    bound = (np.where(np.isfinite(part), part, 1.0) * price) @ counts[asked]
    holds = np.isfinite(part).any(axis=1)
    first = {int(index) for index in np.where(np.isfinite(part), part * price, np.inf).argmin(axis=0)}
    first |= {index for index, one in enumerate(types) if _key(one) in own}
    ranked = sorted(np.flatnonzero(holds).tolist(), key=lambda index: (index not in first, bound[index], types[index].name))
    return [types[index] for index in ranked[: max(MOST_TYPES, len(own))]]


def _cheapest(types: Sequence[WorkerType], requests: FloatArray, counts: FloatArray) -> tuple[WorkerType, ...] | None:
    best: tuple[float, tuple[WorkerType, ...]] | None = None
    sets = [*combinations(types, 1), *combinations(types, 2), *combinations(types[:MOST_IN_THREES], 3)]
    for some in sets:
        needed = on_types(some, requests, [np.asarray(counts, np.int64)])
        if needed is None:
            continue
        used, cost = tuple(one for one, count in zip(some, needed[0], strict=True) if count), _cost(some, needed[0])
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


def _change(now: Sequence[WorkerType], chosen: Sequence[WorkerType], then: dict[str, float], *, same: bool) -> str:
    if same:
        mix = ", ".join(f"{count:g} {name}" for name, count in then.items())
        return f"Hold another mix of the same types, as in {mix} at the 95th percentile of the demand"
    own = {_key(one) for one in now}
    new = " and ".join(_words(one) for one in chosen if _key(one) not in own)
    kept = " and ".join(one.name for one in chosen if _key(one) in own)
    old = " and ".join(_words(one) for one in now)
    return f"Launch {new} beside {kept}" if kept else f"Launch {new} instead of {old}"


def _words(one: WorkerType) -> str:
    where = f" in {one.region}" if one.region else ""
    return f"{one.name}{where} ({one.hourly:g} an hour)"


def _risk(record: Recorded, chosen: Sequence[WorkerType], largest: float, beyond: float) -> str:
    told = (
        f"the largest task takes {largest * 100:.0f} % of a worker of the set; whether tasks run as fast there is not known: try one first"
    )
    if beyond > 0:
        told += f". More workers than the maximum are needed {beyond * 100:.0f} % of the time: raise it"
    if all(one.market != "spot" for one in chosen):
        return told
    taken, hours = interruptions(record.lifetimes, record.since, record.until)
    rate = (
        f"the market took {taken} back in {hours:.4g} instance-hours" if hours > 0 else "how often the market takes them back is not known"
    )
    return f"{told}. Some are on spot: {rate}"
