"""Instances of a pool on which no worker of it stands, and workers without an instance; and what they cost. Nobody here ends any.

An instance is an orphan where it carries a pool's mark and is not known to the pool as a worker's: after a kill -9 of the controller, say.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drm.cloud.provider import Instance
from drm.cloud.totals import Problem
from drm.model import WORKER_STATES, InstanceKind
from drm.snapshot import Snapshot

GRACE_SECONDS = 120.0
"""A younger instance may be one whose worker the pool is about to list."""
OVER = ("lost", "terminated")


@dataclass(frozen=True, slots=True)
class LoneWorker:
    """A worker of a provider that has no instance for it."""

    id: str
    kind: InstanceKind
    """With the price at which it is counted, which nobody may be asking for."""


@dataclass(frozen=True, slots=True)
class Orphans:
    """What belongs to nobody. Rates are per hour; NaN where a price is not known or the currencies differ."""

    instances: tuple[Instance, ...]
    workers: tuple[LoneWorker, ...]
    rate: float
    """What the instances cost."""
    known_rate: float
    """The part of it that is known; NaN where the currencies differ."""
    unpriced: int
    """Instances whose price nobody knows."""
    currencies: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    """Providers that did not answer: what they have is not known, and nothing of theirs is counted here."""


def find_orphans(
    instances: Iterable[Instance], answered: Sequence[str], snapshot: Snapshot | None, now: float, problems: tuple[Problem, ...] = ()
) -> Orphans:
    """`instances`: what the providers named in `answered` have. `snapshot`: the pool; None: there is none, and nothing is a worker's."""
    listed = [one for one in instances if one.provider in answered and one.state != "terminated"]
    states = {} if snapshot is None else dict(zip(snapshot.worker_ids, snapshot.states.tolist(), strict=True))
    working = {worker_id for worker_id, state in states.items() if WORKER_STATES[state] not in OVER}
    lone = tuple(
        one for one in listed if one.pool is not None and one.worker_id not in working and not now - one.launched_at < GRACE_SECONDS
    )
    with_instance = {one.worker_id for one in listed}
    workers = () if snapshot is None else tuple(_without_instance(snapshot, answered, working - with_instance))
    rates = [math.nan if one.price is None else one.price.hourly for one in lone]
    currencies = tuple(sorted({one.price.currency for one in lone if one.price}))
    mixed = len(currencies) > 1
    return Orphans(
        instances=lone,
        workers=workers,
        rate=math.nan if mixed else math.fsum(rates),
        known_rate=math.nan if mixed else math.fsum(rate for rate in rates if not math.isnan(rate)),
        unpriced=sum(one.price is None for one in lone),
        currencies=currencies,
        problems=problems,
    )


def _without_instance(snapshot: Snapshot, answered: Sequence[str], worker_ids: set[str]) -> Iterable[LoneWorker]:
    """Those whose provider has answered, and that are not on their way: a pending one has no instance yet."""
    for row, worker_id in enumerate(snapshot.worker_ids):
        kind = snapshot.kinds[int(snapshot.kind[row])]
        if worker_id in worker_ids and kind.provider in answered and WORKER_STATES[int(snapshot.states[row])] != "pending":
            yield LoneWorker(worker_id, kind)
