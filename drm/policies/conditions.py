"""The conditions of an evaluation: every number that a policy and the pipeline around it rest on, flat and named.

An evaluation is a pure function of these, so that "what would change it" is found and verified by changing one of them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from drm.decision import Input


def _condition(default: float, unit: str, *, continuous: bool = False) -> Any:
    return dataclasses.field(default=default, metadata={"unit": unit, "continuous": continuous})


@dataclass(frozen=True, slots=True)
class Conditions:
    """Numbers, NaN where one is not known. What counts workers or tasks is whole; what is yes or no is 1 or 0."""

    ready: float = _condition(1, "yes or no")
    """0 while the engine starts."""
    data_age_seconds: float = _condition(0, "seconds", continuous=True)
    """How long ago the most lately heard worker was heard of; 0 where there is none to hear of."""
    current_workers: float = _condition(0, "workers")
    """pending + booting + running + cordoned workers, and launches that were asked for and not answered yet."""
    arriving_workers: float = _condition(0, "workers")
    """Those of `current_workers` that are on their way."""
    busy_workers: float = _condition(0, "workers")
    """Those of `current_workers` that hold work, ours or of others, or are cordoned."""
    retirable_workers: float = _condition(0, "workers")
    """Those of `current_workers` that could be told to go: neither on their way nor cordoned."""
    draining_workers: float = _condition(0, "workers")
    """Workers beyond `current_workers` that are on their way out."""
    idle_workers: float = _condition(0, "workers")
    """Running workers on which no task and no result of one is left."""
    longest_idle_seconds: float = _condition(0, "seconds", continuous=True)
    """For how long the longest idle worker has had nothing to do."""
    ripe_workers: float = _condition(0, "workers")
    """Workers that have been idle for the policy's grace period."""
    queued_tasks: float = _condition(0, "tasks")
    """Waiting tasks that the pool could hold."""
    running_tasks: float = _condition(0, "tasks")
    covered_workers: float = _condition(0, "workers")
    """Arriving workers that the waiting tasks fill."""
    needed_workers: float = _condition(0, "workers")
    """Empty workers beyond the arriving ones that hold all waiting tasks at once."""
    able_workers: float = _condition(0, "workers")
    """Busy workers that are large enough for every kind of waiting task."""
    task_seconds: float = _condition(math.nan, "seconds", continuous=True)
    """Measured mean run time of tasks such as those that wait; NaN before one has run."""
    utilization: float = _condition(math.nan, "fraction", continuous=True)
    """used / capacity of the resource of which the largest part is used."""
    forecast_workers: float = _condition(math.nan, "workers", continuous=True)
    """How many busy workers are expected within the policy's lead time; NaN without a forecast."""
    ordered_workers: float = _condition(0, "workers")
    """The size that a person ordered."""
    hold_up_seconds: float = _condition(0, "seconds", continuous=True)
    """Until no proposal in the scale-up window is as low as the current size."""
    recent_low_workers: float = _condition(math.inf, "workers")
    """The lowest proposal above the current size in that window."""
    hold_down_seconds: float = _condition(0, "seconds", continuous=True)
    """Until no proposal in the scale-down window is as high as the current size."""
    recent_high_workers: float = _condition(0, "workers")
    """The highest proposal below the current size in that window."""
    up_cooldown_left_seconds: float = _condition(0, "seconds", continuous=True)
    down_cooldown_left_seconds: float = _condition(0, "seconds", continuous=True)
    min_workers: float = _condition(0, "workers")
    max_workers: float = _condition(math.inf, "workers")
    cost_rate: float = _condition(math.nan, "per hour", continuous=True)
    """What the pool costs now; NaN where a price is not known."""
    worker_price: float = _condition(math.nan, "per hour", continuous=True)
    """What one more worker of the chosen type costs; NaN where that is not known."""
    budget: float = _condition(math.inf, "per hour", continuous=True)
    """The most that the pool may cost; infinite where none is set."""
    day_spent: float = _condition(0, "money", continuous=True)
    """What the pool has cost in the running day (UTC); NaN where a price is not known. Counted where that day has a budget."""
    day_budget: float = _condition(math.inf, "money", continuous=True)
    """The most that it may cost in a day; infinite where none is set."""
    day_left_seconds: float = _condition(0, "seconds", continuous=True)
    """Until a new day begins, and with it a new sum."""
    month_spent: float = _condition(0, "money", continuous=True)
    month_budget: float = _condition(math.inf, "money", continuous=True)
    month_left_seconds: float = _condition(0, "seconds", continuous=True)
    """The same of the running calendar month."""
    known_workers: float = _condition(0, "workers")
    """Workers that should be heard of: running, cordoned, draining, and those lost from sight."""
    silent_workers: float = _condition(0, "workers")
    """Those of `known_workers` that have not been heard of for too long."""
    failed_launches: float = _condition(0, "launches")
    """Launches in a row that brought no worker."""
    backoff_left_seconds: float = _condition(0, "seconds", continuous=True)
    """Until the next try after failed launches."""
    launcher: float = _condition(1, "yes or no")
    """0 where nothing can be launched or retired."""
    reversals: float = _condition(0, "changes")
    """How often the direction of scaling turned in the last 10 minutes."""

    def with_value(self, name: str, value: float) -> Self:
        """The same, but for one of them."""
        # What would change a decision is found by dozens of these: a third of what dataclasses.replace takes.
        changed = object.__new__(type(self))
        for one in self.__slots__:
            object.__setattr__(changed, one, getattr(self, one))
        object.__setattr__(changed, name, value)
        return changed

    def inputs(self, thresholds: Mapping[str, float], ages: Mapping[str, float]) -> tuple[Input, ...]:
        """All that are not at their neutral value, or have a threshold, as the inputs of a decision."""
        listed = []
        for name, unit, neutral in _FIELDS:
            value, threshold = getattr(self, name), thresholds.get(name)
            if (value != neutral and not (value != value and neutral != neutral)) or threshold is not None:
                margin = None if threshold is None else value - threshold
                listed.append(Input(name, value, unit, threshold, margin, ages.get(name, 0.0)))
        return tuple(listed)

    @classmethod
    def from_inputs(cls, inputs: Iterable[Input]) -> Self:
        """The conditions that a kept decision rested on."""
        return cls(**{one.name: one.value for one in inputs if one.name in UNIT_OF})


_FIELDS = tuple((one.name, one.metadata["unit"], float(one.default)) for one in dataclasses.fields(Conditions))  # type: ignore[arg-type]
UNIT_OF: Mapping[str, str] = {name: unit for name, unit, _ in _FIELDS}
CONTINUOUS = frozenset(one.name for one in dataclasses.fields(Conditions) if one.metadata["continuous"])
