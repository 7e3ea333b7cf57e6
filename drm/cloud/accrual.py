"""What the instances have cost so far, added up tick by tick.

The time between two looks is charged for what the *earlier* one saw, so that the sum is the area under the recorded cost rate: an instance
that came in between is charged from the later look on, one that went until it, and one that came and went in between not at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drm.model import STATE_CODE, FloatArray, InstanceKind

STATES = len(STATE_CODE)
CHARGED = np.array([state not in ("lost", "terminated") for state in STATE_CODE])
"""By state. Of a lost worker nobody knows whether its instance still runs: it is counted, and not charged."""

MOST_SECONDS = 900.0
"""A longer time between two looks, or than ten intervals of the sampling, is a clock that jumped or a program that slept."""
HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Spend:
    """What was seen last, and what it has cost since the first look. Arrays are read-only; row i is of `kinds[i]`."""

    time: float
    """Of the last look; NaN before the first."""
    since: float
    """Of the first; NaN before it, and where it is not known."""
    kinds: tuple[InstanceKind, ...]
    counts: npt.NDArray[np.int64]
    """(k, 7): instances by kind and state, in the order of `WORKER_STATES`."""
    seconds: FloatArray
    """(k,): instance-seconds that were charged; they never fall. NaN: not known of a moment of the past."""
    uncounted_seconds: float
    """Time between looks that was too long to be charged as if nothing had changed."""
    parts: FloatArray | None = None
    """(k, 14): `seconds` by what they were paid for, in the order of `drm.cloud.split.PARTS`. None: nobody looked, as of a provider's own
    inventory and of a moment of the past."""
    ended: FloatArray | None = None
    """(k, 4): of what tasks used, the seconds of attempts that ended, in the order of `drm.cloud.split.ENDED`."""

    @property
    def hourly(self) -> FloatArray:
        """(k,): the price of one; NaN where it is not known."""
        return np.array([kind.hourly for kind in self.kinds])

    @property
    def charged(self) -> npt.NDArray[np.int64]:
        """(k,): instances that cost something now."""
        return np.asarray(self.counts[:, CHARGED].sum(axis=1), np.int64)

    @property
    def rate(self) -> FloatArray:
        """(k,) per hour now; 0 where there is no instance, NaN where there is one and its price is not known."""
        return _priced(self.charged.astype(float), self.hourly)

    @property
    def spent(self) -> FloatArray:
        """(k,) so far; 0 where there was no instance, NaN where there was one and its price is not known."""
        return _priced(self.seconds / HOUR_SECONDS, self.hourly)


def _priced(amounts: FloatArray, hourly: FloatArray) -> FloatArray:
    # NaN, an amount that is not known, is not 0.
    return np.where(amounts == 0, 0.0, amounts * hourly)


class Accrual:
    """The sum so far. `add` is for one thread; `spend` is replaced whole, so readers of any thread see one look."""

    def __init__(self) -> None:
        self.spend = Spend(math.nan, math.nan, (), np.empty((0, STATES), np.int64), np.empty(0), 0.0)

    def load(self, spend: Spend) -> None:
        """Goes on from the sums of an earlier run; the time since then is not charged."""
        self.spend = replace(spend, time=math.nan)

    def add(self, now: float, kinds: tuple[InstanceKind, ...], counts: npt.NDArray[np.int64], sampling_seconds: float = 0.0) -> Spend:
        """A look at `now`: counts (k, 7) of `kinds`, which begin with those of the last look. An earlier time than its counts as none."""
        last = self.spend
        passed, counted = self._passed(now, sampling_seconds)
        seconds = np.zeros(len(kinds))
        seconds[: len(last.kinds)] = last.seconds + counted * last.charged
        seconds.flags.writeable = counts.flags.writeable = False
        self.spend = Spend(
            time=now if math.isnan(last.time) else max(now, last.time),
            since=now if math.isnan(last.since) else last.since,
            kinds=kinds,
            counts=counts,
            seconds=seconds,
            uncounted_seconds=last.uncounted_seconds + passed - counted,
        )
        return self.spend

    def _passed(self, now: float, sampling_seconds: float) -> tuple[float, float]:
        """Seconds since the last look, and how many of them are charged."""
        passed = now - self.spend.time if now > self.spend.time else 0.0
        return passed, min(passed, max(MOST_SECONDS, 10.0 * sampling_seconds))


MOST_PROVIDERS = 8
"""Providers with a recorded series of their own; those that came later share one."""
UNNAMED, OTHERS = "not said", "others"


def provider_series(spend: Spend) -> dict[str, float]:
    """What is recorded each tick of each provider: `instances@NAME`, and `spend_rate@NAME` per hour, NaN where a price is not known."""
    instances: dict[str, float] = {}
    rates: dict[str, float] = {}
    for kind, number, rate in zip(spend.kinds, spend.charged.tolist(), spend.rate.tolist(), strict=True):
        name = kind.provider or UNNAMED
        if name == UNNAMED and not number and UNNAMED not in instances:
            continue
        if name not in instances and len(instances) >= MOST_PROVIDERS:
            name = OTHERS
        instances[name] = instances.get(name, 0.0) + number
        rates[name] = rates.get(name, 0.0) + rate
    series = {f"instances@{name}": number for name, number in instances.items()}
    return series | {f"spend_rate@{name}": rate for name, rate in rates.items()}
