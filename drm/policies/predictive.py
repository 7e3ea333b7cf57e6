"""`predictive`: what the queue asks for now, or what is forecast for the lead time, whichever is more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from drm.decision import Band
from drm.model import FloatArray
from drm.policies.base import MANY, Lever, plural
from drm.policies.conditions import Conditions
from drm.policies.parameters import parameter
from drm.policies.queue import QueuePolicy


def desired_size(queue_size: npt.ArrayLike, forecast: npt.ArrayLike) -> FloatArray:
    """Workers, elementwise: never below what the queue asks for; NaN is no forecast."""
    return np.fmax(queue_size, np.ceil(np.asarray(forecast, float) - 1e-9))


@dataclass(frozen=True)
class PredictivePolicy(QueuePolicy):
    """The queue's size, raised ahead of demand that the recent pattern lets expect."""

    name: ClassVar[str] = "predictive"
    version: ClassVar[int] = 1

    lead_seconds: float = parameter(120.0, "seconds", 1, 7200, "how far ahead it looks: the time that a worker takes to come")

    def desired(self, seen: Conditions) -> float:
        """The larger of both."""
        return float(desired_size(super().desired(seen), seen.forecast_workers))

    def thresholds(self, seen: Conditions) -> Mapping[str, float]:
        """The forecast counts beyond the current size."""
        return {**super().thresholds(seen), "forecast_workers": seen.current_workers}

    def bands(self, seen: Conditions) -> tuple[Band, ...]:
        """The forecast against the current size as well."""
        return (*super().bands(seen), Band("forecast_workers", seen.forecast_workers, above=seen.current_workers))

    def levers(self, seen: Conditions, want: int) -> tuple[Lever, ...]:
        """The forecast as well."""
        if want > 0:
            return (("needed_workers", MANY), ("able_workers", 0.0))
        forecast = () if math.isnan(seen.forecast_workers) else (("forecast_workers", 0.0),)
        return (*forecast, *super().levers(seen, want))

    def proposal(self, seen: Conditions, desired: int) -> str:
        """How the size came about."""
        now = super().proposal(seen, int(super().desired(seen)))
        expected = "no forecast yet" if math.isnan(seen.forecast_workers) else f"{seen.forecast_workers:.3g} expected busy"
        return f"{now}; {expected} within {self.lead_seconds:g} s: {desired}"

    def reason(self, seen: Conditions, want: int) -> tuple[str, str]:
        """The forecast, where it is what asks for more or keeps what is there."""
        now = super().desired(seen)
        if seen.forecast_workers > now:
            expected = f"{seen.forecast_workers:.3g} busy workers are expected within {self.lead_seconds:g} s, {now:g} are wanted now"
            if want > 0:
                return "forecast", expected
            if want == 0 and now < seen.current_workers:
                return "forecast_holds", f"{expected}; {plural(seen.current_workers, 'worker')} stay"
        return super().reason(seen, want)
