"""What one evaluation of the policy was, `maintain` included, with all that it rested on. Sizes count workers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drm.errors import InvalidValueError
from drm.model import Resources

Action = Literal["scale_up", "scale_down", "maintain"]
Outcome = Literal["pending", "done", "partial", "failed"]
Kind = Literal["up", "down", "maintained", "blocked", "failed", "user"]

UNREADY_CODES = ("warm_up", "stale_data", "missing_data")
"""Reasons for which nothing could be decided."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The smallest and largest number of workers that the pool may have."""

    min: int
    max: int

    def __post_init__(self) -> None:
        if not (isinstance(self.min, int) and isinstance(self.max, int)) or not 0 <= self.min <= self.max or self.max < 1:
            raise InvalidValueError(f"bounds must be whole numbers with 0 <= min <= max and max >= 1, got {self.min}:{self.max}")


@dataclass(frozen=True, slots=True)
class Input:
    """One number that a decision rested on."""

    name: str
    value: float
    unit: str
    threshold: float | None = None
    margin: float | None = None
    """value - threshold: how far the number is past (positive) or short of (negative) the threshold."""
    age_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Band:
    """A condition that a policy watches: above one value it grows the pool, below another it shrinks it. NaN: no such value."""

    condition: str
    value: float
    above: float = math.nan
    below: float = math.nan


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of the pipeline did to the size."""

    name: str
    before: int
    after: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Flip:
    """The smallest change of one input that, with the others of its set, flips the action. Verified by the evaluation itself."""

    input: str
    value: float
    needed: float
    unit: str
    continuous: bool
    """Whether less of the change would be a meaningful value as well."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why the size is not what the step before wanted, and what would change that, given that every other blocker went."""

    code: str
    detail: str
    flip_if: str
    inputs: tuple[str, ...] = ()
    """Which members of the decision's flips belong to it."""


@dataclass(frozen=True, slots=True)
class Fold:
    """What a run of identical `maintain`s came to. Its first evaluation is the decision that carries it.

    As it stood at a moment before its end, `evaluations` is None and `last_inputs` are empty, since they are kept of the whole run only; so
    is the closest one where it came after.
    """

    evaluations: int | None
    last_at: float
    last_inputs: tuple[Input, ...]
    closest_at: float
    closest_inputs: tuple[Input, ...]
    """The inputs of the evaluation that came closest to a threshold, by `ScalingDecision.distance`."""
    closest_distance: float


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """One evaluation of the policy, `maintain` included, with all that it rested on. Sizes count workers."""

    id: int
    timestamp: float
    pool: str
    actor: str
    policy: str
    policy_version: int
    parameters: Mapping[str, float]
    action: Action
    code: str
    reason: str
    current: int
    desired: int
    bounded: int
    count: int
    """How many workers were asked for or given up."""
    utilization: Mapping[str, float]
    """used / capacity by resource; NaN where unknown."""
    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    blockers: tuple[Blocker, ...]
    """Of a decision that leaves the pool as it is: all that stands in the way. Otherwise what made the change smaller than was wanted."""
    cooldown_left_seconds: float
    flips: tuple[Flip, ...] = ()
    """Applied together they change the action."""
    worker_ids: tuple[str, ...] = ()
    selection: str = ""
    """Why just these workers go."""
    worker_type: str | None = None
    resource_requirements: Resources | None = None
    """What the queued tasks ask for, summed."""
    provider: str | None = None
    granted: int = 0
    outcome: Outcome = "done"
    error: str = ""
    requested_at: float | None = None
    ready_at: float | None = None
    first_task_at: float | None = None
    settled_at: float | None = None
    """When its outcome was known."""
    cost_rate_before: float | None = None
    cost_rate_after: float | None = None
    fold: Fold | None = None

    @property
    def evaluations(self) -> int | None:
        """How many evaluations stand in this row; None where that is not known of a moment of the past."""
        return self.fold.evaluations if self.fold else 1

    @property
    def target(self) -> int:
        """The size that it asked for."""
        return self.current + (self.count if self.action == "scale_up" else -self.count)

    @property
    def kind(self) -> Kind:
        """What a reader looks for: `blocked` left the pool as it is although another size was wanted, or because nothing could be decided;
        `failed` brought nothing, be it the launch or the policy itself; `user` is what a person changed."""
        if self.actor == "user":
            return "user"
        if self.outcome == "failed" or self.code == "policy_error":
            return "failed"
        if self.action != "maintain":
            return "up" if self.action == "scale_up" else "down"
        wanted = self.desired != self.current or self.bounded != self.current
        return "blocked" if wanted or self.code in UNREADY_CODES else "maintained"

    @property
    def last_at(self) -> float:
        """When it was last evaluated so."""
        return self.fold.last_at if self.fold else self.timestamp

    @property
    def distance(self) -> float:
        """How close it came to acting: the smallest |margin| / |threshold| among its inputs; infinite where none has a threshold."""
        shares = [abs(one.margin / one.threshold) for one in self.inputs if one.threshold and one.margin is not None]
        return min((share for share in shares if not math.isnan(share)), default=math.inf)
