"""Which worker type a scale-up takes: the one that gives the waiting tasks room at the lowest price per fitting task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.model import FloatArray, WorkerType
from drm.placement import fits, rows_filled


@dataclass(frozen=True, slots=True)
class Offer:
    """What one type would do for the waiting tasks."""

    worker_type: WorkerType
    workers: int
    """Empty ones that hold all tasks that fit."""
    tasks: int
    """How many fit."""

    @property
    def price_per_task(self) -> float:
        """Per hour and task that would run; NaN where the price is not known."""
        return self.worker_type.hourly * self.workers / self.tasks if self.tasks else math.nan


def best_offer(
    types: Sequence[WorkerType], slots: int, requests: FloatArray, counts: npt.NDArray[np.int64], most_workers: int
) -> Offer | None:
    """The offer for tasks that wait: requests (s, 4), counts (s,), oldest line first; None where no type holds any of them.

    Types are compared over the oldest line that any of them holds, so that no kind of task starves; among equal or unknown prices the one
    that holds most tasks, then the first, is taken.
    """
    for request, count in zip(requests, counts, strict=True):
        able = [one for one in types if count and fits(one.shape.vector(), request)]
        if able:
            offers = [_offer(one, slots, requests, counts, most_workers) for one in able]
            return min(offers, key=lambda offer: (math.isnan(offer.price_per_task), np.nan_to_num(offer.price_per_task), -offer.tasks))
    return None


def _offer(one: WorkerType, slots: int, requests: FloatArray, counts: npt.NDArray[np.int64], most_workers: int) -> Offer:
    shape = one.shape.vector()
    holds = fits(shape, requests)
    return Offer(one, rows_filled(shape, slots, requests[holds], counts[holds], most_workers), int(counts[holds].sum()))
