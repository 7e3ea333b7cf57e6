"""The words: what resources, workers, tasks and reservations are.

Every value here is immutable, so it may cross threads. Time is epoch seconds (UTC, float). Memory is bytes.
A resource vector is float64 of shape (4,) in the order of `RESOURCES`; a measurement that is missing is NaN, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
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

IS_ACTIVE = np.array([state in ("running", "cordoned", "draining") for state in WORKER_STATES])
"""By code: whether a worker holds tasks in this state and its capacity counts. `IS_ACTIVE[states]` takes a tenth of `np.isin`."""
IS_ACTIVE.flags.writeable = False

TaskState = Literal["queued", "running", "done", "failed", "lost", "cancelled"]
TASK_STATES: tuple[TaskState, ...] = get_args(TaskState)

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
class Price:
    """What a worker costs per hour, with where that was read and on which day (ISO, as in 2026-11-24)."""

    hourly: float
    currency: str
    source: str
    date: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.hourly) or self.hourly < 0:
            raise InvalidValueError(f"a price must be finite and not negative, got {self.hourly!r}")


@dataclass(frozen=True, slots=True)
class WorkerType:
    """A kind of worker that can be launched."""

    name: str
    shape: Resources
    """What one has."""
    hourly_price: Price | None = None
    """None: unknown, which is not 0."""
    market: Literal["on_demand", "spot"] = "on_demand"
    provider: str | None = None
    region: str | None = None

    @property
    def hourly(self) -> float:
        """The hourly price; NaN where it is not known."""
        return math.nan if self.hourly_price is None else self.hourly_price.hourly


@dataclass(frozen=True, slots=True)
class InstanceKind:
    """What tells the machines that workers stand on apart in a bill. None: nobody said."""

    provider: str | None = None
    region: str | None = None
    type: str | None = None
    market: Literal["on_demand", "spot"] | None = None
    price: Price | None = None
    """None: unknown, which is not 0."""

    @property
    def hourly(self) -> float:
        """The hourly price of one; NaN where it is not known."""
        return math.nan if self.price is None else self.price.hourly


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
