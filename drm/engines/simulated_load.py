"""What a simulated fleet is made of, and what arrives there: worker types, kinds of tasks, daily and bursty arrivals. All is invented."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drm.model import Price, Resources, WorkerType
from drm.observation import Arrival

GIB = 2.0**30
DAY_SECONDS = 86400.0
PRICED_ON = "2026-01-05"


def _worker_type(name: str, shape: Resources, hourly: float, market: str, provider: str) -> WorkerType:
    price = Price(hourly, "USD", "simulated", PRICED_ON)
    return WorkerType(name, shape, price, "spot" if market == "spot" else "on_demand", provider, f"{provider}-1")


TYPES = (
    _worker_type("standard", Resources(cpu=8, memory=32 * GIB), 0.38, "on_demand", "alpha"),
    _worker_type("standard-spot", Resources(cpu=8, memory=32 * GIB), 0.14, "spot", "beta"),
    _worker_type("high-memory", Resources(cpu=8, memory=128 * GIB), 0.64, "on_demand", "alpha"),
    _worker_type("gpu", Resources(cpu=16, memory=64 * GIB, gpu=2, gpu_memory=48 * GIB), 3.20, "on_demand", "gamma"),
)
FIRST_MIX = (0.3, 0.4, 0.2, 0.1)
"""The parts of the types in the fleet that is there at the start."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of simulated task."""

    name: str
    request: Resources
    mean_seconds: float
    share: float
    """Its part of the workers that the load keeps busy."""
    per_worker: float
    """How many fit on the worker that it is meant for."""
    effort: float
    """How much of what it reserves a task uses, in the middle of many."""


KINDS = (
    Kind("extract", Resources(cpu=1, memory=2 * GIB), 720.0, 0.35, 8, 0.7),
    Kind("train", Resources(cpu=4, memory=8 * GIB), 1800.0, 0.35, 2, 0.95),
    Kind("join", Resources(cpu=2, memory=48 * GIB), 1200.0, 0.20, 2, 0.6),
    Kind("infer", Resources(cpu=4, memory=12 * GIB, gpu=0.5, gpu_memory=10 * GIB), 900.0, 0.10, 4, 0.8),
)

BURST_EVERY_SECONDS = 7200.0
BURST_SECONDS = 600.0
EFFORT_SPREAD = 0.1


class Load:
    """Arrivals as a function of the seed and of the times that are asked for, in order."""

    def __init__(self, workers: int, seed: int) -> None:
        self._workers = workers
        self._rng = np.random.default_rng([seed, 1])
        self._efforts = np.random.default_rng([seed, 5])
        """Of its own, so that what tasks use does not change which ones come."""

    def busy_workers(self, at: float) -> float:
        """How many workers the load would keep busy: most in the early afternoon, least at night, and a burst now and then."""
        daily = 0.42 - 0.25 * math.cos(2 * math.pi * (at % DAY_SECONDS / DAY_SECONDS - 0.08))
        burst, into = divmod(at, BURST_EVERY_SECONDS)
        is_burst = into < BURST_SECONDS and hash_part(int(burst)) < 0.6
        return self._workers * daily * (1.6 if is_burst else 1.0)

    def arrivals(self, since: float, until: float) -> list[tuple[Arrival, float, float]]:
        """(task, its seconds of work, its effort) for what arrives in (since, until], in the order of time."""
        found = []
        busy = self.busy_workers((since + until) / 2)
        for kind in KINDS:
            rate = busy * kind.share * kind.per_worker / kind.mean_seconds
            count = int(self._rng.poisson(rate * max(0.0, until - since)))
            seconds = self._rng.lognormal(math.log(kind.mean_seconds) - 0.125, 0.5, count)
            efforts = np.minimum(1.0, kind.effort * self._efforts.lognormal(0.0, EFFORT_SPREAD, count))
            times = until - self._rng.random(count) * (until - since)
            found += [
                (Arrival(kind.name, kind.request, at), work, effort)
                for at, work, effort in zip(times.tolist(), seconds.tolist(), efforts.tolist(), strict=True)
            ]
        return sorted(found, key=lambda one: one[0].submitted_at)


def hash_part(number: int) -> float:
    """A fixed number from 0 to 1 that looks random."""
    return (number * 2_654_435_761 % 2**32) / 2**32
