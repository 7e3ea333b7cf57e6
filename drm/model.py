"""The words: what workers, tasks, reservations, decisions, observations and snapshots are.

Every value here is immutable, so it may cross threads. Time is epoch seconds (UTC, float). Memory is bytes.
A resource vector is float64 of shape (4,) in the order of `RESOURCES`; a measurement that is missing is NaN, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from drm.errors import InvalidValueError

FloatArray = npt.NDArray[np.float64]

RESOURCES = ("cpu", "memory", "gpu", "gpu_memory")
UNITS: Mapping[str, str] = MappingProxyType({"cpu": "cores", "memory": "bytes", "gpu": "devices", "gpu_memory": "bytes"})

WorkerState = Literal["pending", "booting", "running", "cordoned", "draining", "lost", "terminated"]
WORKER_STATES: tuple[WorkerState, ...] = get_args(WorkerState)
STATE_CODE: Mapping[str, int] = MappingProxyType({state: code for code, state in enumerate(WORKER_STATES)})

TaskState = Literal["queued", "running", "done", "failed", "lost", "cancelled"]
TASK_STATES: tuple[TaskState, ...] = get_args(TaskState)

Action = Literal["scale_up", "scale_down", "maintain"]
Outcome = Literal["pending", "done", "partial", "failed"]

NAME_LIMIT = 256


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of each resource: cpu in cores, memory in bytes, gpu in devices, gpu_memory in bytes.

    Fractions are allowed; a negative, NaN or infinite amount raises ValueError.
    """

    cpu: float = 0.0
    memory: float = 0.0
    gpu: float = 0.0
    gpu_memory: float = 0.0

    def __post_init__(self) -> None:
        for name in RESOURCES:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise InvalidValueError(f"{name} must be a number of {UNITS[name]}, got {value!r}")
            if not math.isfinite(value) or value < 0:
                raise InvalidValueError(f"{name} must be finite and not negative, got {value!r} {UNITS[name]}")
            object.__setattr__(self, name, float(value))

    @classmethod
    def parse(cls, text: str) -> Resources:
        """Reads `cpu=2,memory=4GiB`; amounts of memory take a unit as in `512MiB` or `2GB`."""
        from pydantic import ByteSize, TypeAdapter, ValidationError

        amounts: dict[str, float] = {}
        for part in text.split(","):
            name, equals, amount = (piece.strip() for piece in part.partition("="))
            if not equals or name not in RESOURCES or name in amounts:
                raise InvalidValueError(
                    f"{text!r} is not a list of resources: write each of {', '.join(RESOURCES)} at most once, as in cpu=2,memory=4GiB"
                )
            try:
                amounts[name] = TypeAdapter(ByteSize).validate_python(amount) if UNITS[name] == "bytes" else float(amount)
            except (ValidationError, ValueError):
                rule = "a size such as 4GiB" if UNITS[name] == "bytes" else "a number"
                raise InvalidValueError(f"{name} must be {rule}, got {amount!r}") from None
        return cls(**amounts)

    @classmethod
    def of(cls, vector: FloatArray) -> Resources:
        """The amounts of a (4,) vector in the order of `RESOURCES`."""
        return cls(*(float(amount) for amount in vector))

    def vector(self) -> FloatArray:
        """The amounts as float64 (4,), in the order of `RESOURCES`."""
        return np.array((self.cpu, self.memory, self.gpu, self.gpu_memory))

    def as_dict(self) -> dict[str, float]:
        """The amounts by name."""
        return {name: getattr(self, name) for name in RESOURCES}

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in RESOURCES)


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker at one moment; a copy of its row in the fleet."""

    id: str
    state: WorkerState
    capacity: Resources
    allocated: Resources
    used: Mapping[str, float]
    """Measured amounts by resource; NaN where nothing was measured."""
    labels: Mapping[str, str]
    started_at: float
    running_tasks: int


@dataclass(frozen=True, slots=True)
class Task:
    """One task at one moment. A change of state makes a new value."""

    id: str
    name: str
    resources: Resources
    state: TaskState
    submitted_at: float
    attempt: int = 0
    worker_id: str | None = None
    placed_at: float = math.nan
    started_at: float = math.nan
    finished_at: float = math.nan
    duration_hint_seconds: float | None = None
    reason: str = ""
    """Why it waits, failed or was lost; empty where there is nothing to say."""
    used: Resources | None = None
    """What it was measured to use (cpu: mean cores; memory: peak bytes where it ran alone, else 0); None: not measured."""
    call: Any = field(default=None, repr=False, compare=False)
    """What the engine encoded for its own use; None once the task has ended."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A claim on one worker. allocated = the sum of the live reservations."""

    id: str
    worker_id: str
    resources: Resources
    made_at: float
    expires_at: float | None = None
    task_id: str | None = None


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
class Step:
    """What one step of the pipeline did to the size."""

    name: str
    before: int
    after: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why the size is not what the step before wanted, and what would change that, given that every other blocker went."""

    code: str
    detail: str
    flip_if: str


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
    cooldown_left_seconds: float
    worker_ids: tuple[str, ...] = ()
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
    cost_rate_before: float | None = None
    cost_rate_after: float | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where the numbers come from, for the badge on every page."""

    kind: Literal["live", "external", "simulated"]
    label: str


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """Tasks by state. queued and running are now; the others are totals since the start."""

    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    lost: int = 0
    cancelled: int = 0
    infeasible: int = 0
    """Queued tasks that no worker of the pool could ever hold; part of `queued`."""
    foreign: int = 0
    """Tasks of other users on the same workers; not ours to move."""

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {column.name: getattr(self, column.name) for column in fields(self)}


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The pool at one moment. Arrays are read-only; row i belongs to `worker_ids[i]`."""

    source: Source
    version: int
    time: float
    ready: bool
    worker_ids: tuple[str, ...]
    states: npt.NDArray[np.uint8]
    """(n,) codes of `STATE_CODE`."""
    capacity: FloatArray
    allocated: FloatArray
    used: FloatArray
    """capacity, allocated, used: float64 (n, 4); used is NaN where nothing was measured."""
    started_at: FloatArray
    """(n,)"""
    tasks: TaskCounts
    demand: FloatArray
    """(4,): running + queued work that the pool could ever hold."""
    current: int
    desired: int
    bounds: Bounds
    oversubscribed: bool
    """The pool's capacity is more than what the machine has."""
    running_tasks: tuple[Task, ...]
    finished_tasks: tuple[Task, ...]
    """The latest that ended, oldest first."""
    infeasible_reason: str
    last_decision: ScalingDecision | None
    last_action: ScalingDecision | None
    """The last decision that was not `maintain`."""

    def count(self, *states: WorkerState) -> int:
        """How many workers are in one of these states."""
        return int(np.isin(self.states, [STATE_CODE[state] for state in states]).sum())

    def totals(self, columns: FloatArray) -> FloatArray:
        """Sums (4,) of `capacity`, `allocated` or `used` over the workers that can run tasks; NaN where no such worker was measured."""
        rows = columns[np.isin(self.states, ACTIVE_CODES)]
        known = ~np.isnan(rows)
        return np.where(known.any(axis=0), np.where(known, rows, 0.0).sum(axis=0), np.nan if columns is self.used else 0.0)


ACTIVE_CODES = tuple(STATE_CODE[state] for state in ("running", "cordoned", "draining"))
"""States in which a worker holds tasks and its capacity counts."""
