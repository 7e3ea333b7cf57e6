"""What an engine saw: the workers as columns, and the news of tasks and launches since the last look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drm.model import FloatArray, Resources

OUT_OF_MEMORY = "out of memory: "
"""How an engine's reason for the end of a worker begins, where that held more memory than it may."""


@dataclass(frozen=True, slots=True)
class TaskReport:
    """How one attempt at a task ended, as the engine saw it."""

    task_id: str
    outcome: Literal["done", "failed", "cancelled", "lost"]
    result: Any = field(default=None, repr=False)
    error: BaseException | None = None
    reason: str = ""
    traceback: str = ""
    started_at: float = math.nan
    finished_at: float = math.nan
    used: Resources | None = None
    cpu_is_partial: bool = False
    """`used.cpu` leaves out threads or processes that the task started, or may do so."""
    out_of_memory: bool = False
    """Its worker was ended for holding too much memory, and nothing else ran there."""


LAUNCH_TIMEOUT_SECONDS = 600.0
"""A launched worker that nobody has heard of for so long counts as failed; one that comes later is nobody's answer."""


@dataclass(frozen=True, slots=True)
class LaunchReport:
    """News of one launch: workers that now exist (they may still be booting), or that never will."""

    launch_id: str
    worker_ids: tuple[str, ...] = ()
    failed: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a provider or a worker did or said that nobody had asked it for. It is kept in the ledger, with its actor."""

    code: str
    """One of `drm.policies.codes.PROVIDER_CODES` or `WORKER_CODES`."""
    text: str
    worker_ids: tuple[str, ...] = ()
    provider: str | None = None
    actor: Literal["provider", "worker"] = "provider"


@dataclass(frozen=True, slots=True, eq=False)
class LateSample:
    """What a worker used at a moment that had passed when it was told, as fractions (4,) of its capacity; NaN: not measured."""

    worker_id: str
    time: float
    used: FloatArray


@dataclass(frozen=True, slots=True)
class Arrival:
    """A task of an engine's own workload."""

    name: str
    resources: Resources
    submitted_at: float
    call: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """Everything that an engine saw: *all* n workers that it knows now, as columns, and what happened since the last one.

    A worker that is no longer listed has gone. `worker_ids` is the same object as long as the membership is the same.
    """

    ready: bool
    """False while the engine starts: then nothing is decided."""
    worker_ids: tuple[str, ...]
    states: npt.NDArray[np.uint8]
    """(n,) codes of `STATE_CODE`: pending, booting, running or lost."""
    capacity: FloatArray
    """(n, 4)"""
    used: FloatArray
    """(n, 4), NaN where nothing was measured."""
    occupied: FloatArray
    """(n, 4): what users other than us hold there; not placeable."""
    slots: npt.NDArray[np.int64]
    """(n,): how many of our tasks may run there at once."""
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    departures: Mapping[str, str] = field(default_factory=dict)
    """Why workers went, by worker id."""
    tasks: tuple[TaskReport, ...] = ()
    launches: tuple[LaunchReport, ...] = ()
    foreign_tasks: int = 0
    """Tasks of other users that run on these workers."""
    heard_at: FloatArray | None = None
    """(n,): when each worker was last heard of; None: just now, but for lost ones."""
    arrivals: tuple[Arrival, ...] = ()
    """Tasks that the engine's own workload submits, in this order."""
    notices: tuple[Notice, ...] = ()
    late: tuple[LateSample, ...] = ()
    """What was measured in the past and is told now."""
    retyped: tuple[str, ...] = ()
    """Workers whose type, as their label `worker_type` tells it, is another one than when they were first listed."""
