"""Imbalance: how the allocation of a resource is spread over workers, and which few of them make the spread."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drm.model import RESOURCES, STATE_CODE
from drm.snapshot import Snapshot

MOST_CAUSES = 3
NEGLIGIBLE = 1e-9


@dataclass(frozen=True, slots=True)
class Imbalance:
    """How the allocation of one resource is spread over the running workers that have it."""

    workers: int
    mean: float
    variation: float
    """Coefficient of variation: standard deviation / mean; NaN where nothing is allocated."""
    minimum: float
    median: float
    maximum: float
    causes: tuple[tuple[str, float], ...]
    """(worker, its allocation): the fewest workers that make half of the variance, at most `MOST_CAUSES`."""
    explained: float
    """Their part of the variance."""


def imbalance(snapshot: Snapshot, resource: str) -> Imbalance | None:
    """The spread of allocated / capacity; None where fewer than two running workers have the resource."""
    index = RESOURCES.index(resource)
    rows = np.flatnonzero((snapshot.states == STATE_CODE["running"]) & (snapshot.capacity[:, index] > 0))
    if len(rows) < 2:
        return None
    share = snapshot.allocated[rows, index] / snapshot.capacity[rows, index]
    mean = float(share.mean())
    squares = (share - mean) ** 2
    total = float(squares.sum())
    causes: tuple[tuple[str, float], ...] = ()
    explained = 0.0
    if total > NEGLIGIBLE:
        order = np.argsort(-squares, kind="stable")
        parts = np.cumsum(squares[order]) / total
        few = min(MOST_CAUSES, int(np.searchsorted(parts, 0.5 - NEGLIGIBLE)) + 1)
        causes = tuple((snapshot.worker_ids[rows[one]], float(share[one])) for one in order[:few])
        explained = float(parts[few - 1])
    return Imbalance(
        workers=len(rows),
        mean=mean,
        variation=float(share.std()) / mean if mean > 0 else math.nan,
        minimum=float(share.min()),
        median=float(np.median(share)),
        maximum=float(share.max()),
        causes=causes,
        explained=explained,
    )
