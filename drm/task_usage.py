"""What ended tasks used, by name and request: the newest samples of each kind, in rings of bounded size.

One sample per attempt, so that a task that memory ended three times counts three times. What was not measured is NaN.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from drm.model import Resources, Task
from drm.observation import TaskReport

SHAPES_KEPT = 1000
SAMPLES_KEPT = 500
"""Of each shape."""
FEWEST_SAMPLES = 16

OUTCOMES = ("done", "failed", "lost")
SAMPLE = np.dtype(
    [
        ("finished_at", "f8"),
        ("run_seconds", "f8"),
        ("hint_seconds", "f8"),
        ("used", "f8", (4,)),
        ("outcome", "u1"),
        ("out_of_memory", "?"),
    ],
    align=True,
)
"""One attempt: when it ended (epoch seconds), how long it ran, how long it was said to take (NaN: nobody said), what it used in the order
of
`RESOURCES` (cpu: mean cores, memory: peak bytes; NaN: not measured), its place in `OUTCOMES`, and whether memory ended it."""

Samples = npt.NDArray[Any]
"""(k,) of `SAMPLE`, oldest first."""


@dataclass(frozen=True, slots=True)
class TaskShape:
    """What tasks have in common whose use is compared: their name and what they ask for."""

    name: str
    request: Resources


@dataclass(frozen=True, slots=True, eq=False)
class UsageView:
    """The samples at one moment; arrays are read-only."""

    version: int
    """Changes with each sample."""
    samples: Mapping[TaskShape, Samples]
    forgotten: int = 0
    """Shapes of which the samples were let go, since `SHAPES_KEPT` others came after."""


def until(view: UsageView, moment: float) -> UsageView:
    """The samples of attempts that had ended by a moment, as far as they are among the newest that are kept."""
    kept = {shape: samples[samples["finished_at"] <= moment] for shape, samples in view.samples.items()}
    return UsageView(view.version, MappingProxyType({shape: samples for shape, samples in kept.items() if len(samples)}), view.forgotten)


class TaskUsage:
    """Not thread-safe: the manager's lock guards it. The shape that has ended least recently makes room for a new one."""

    def __init__(self) -> None:
        self._rings: OrderedDict[TaskShape, _Ring] = OrderedDict()
        self._version = 0
        self._forgotten = 0
        self._view = UsageView(0, MappingProxyType({}))

    def ended(self, task: Task, report: TaskReport, now: float) -> None:
        """An attempt has ended. An engine that does not say when it started or ended is taken to have done so at once."""
        if report.outcome not in OUTCOMES:
            return
        finished = now if math.isnan(report.finished_at) else report.finished_at
        started = task.placed_at if math.isnan(report.started_at) else report.started_at
        hint = math.nan if task.duration_hint_seconds is None else task.duration_hint_seconds
        sample = (finished, max(0.0, finished - started), hint, used_in(report), OUTCOMES.index(report.outcome), ran_out_of_memory(report))
        shape = TaskShape(task.name, task.resources)
        ring = self._rings.get(shape)
        if ring is None:
            ring = self._rings[shape] = _Ring()
            if len(self._rings) > SHAPES_KEPT:
                self._rings.popitem(last=False)
                self._forgotten += 1
        self._rings.move_to_end(shape)
        ring.append(sample)
        self._version += 1

    def load(self, view: UsageView) -> None:
        """Takes over the samples of an earlier run, before the first of this one."""
        for shape, samples in view.samples.items():
            ring = self._rings[shape] = _Ring()
            for sample in samples:
                ring.append(tuple(sample))
        self._version += view.version

    def view(self) -> UsageView:
        """The samples as they stand; only shapes that have a new one are copied."""
        if self._view.version != self._version:
            samples = {shape: ring.frozen() for shape, ring in self._rings.items()}
            self._view = UsageView(self._version, MappingProxyType(samples), self._forgotten)
        return self._view


class _Ring:
    """The newest `SAMPLES_KEPT` samples; it begins small, since most shapes of a pool come a few times."""

    def __init__(self) -> None:
        self._store: Samples = np.empty(FEWEST_SAMPLES, SAMPLE)
        self._count = 0
        self._frozen: Samples | None = None

    def append(self, sample: tuple[Any, ...]) -> None:
        size = len(self._store)
        if self._count == size < SAMPLES_KEPT:
            grown = np.empty(min(SAMPLES_KEPT, 2 * size), SAMPLE)
            grown[:size] = self._store
            self._store, size = grown, len(grown)
        self._store[self._count % size] = sample
        self._count += 1
        self._frozen = None

    def frozen(self) -> Samples:
        if self._frozen is None:
            size, oldest = len(self._store), self._count % len(self._store)
            whole = self._count > size
            self._frozen = np.concatenate([self._store[oldest:], self._store[:oldest]]) if whole else self._store[: self._count].copy()
            self._frozen.flags.writeable = False
        return self._frozen


def used_in(report: TaskReport) -> tuple[float, ...]:
    """(4,); a task that is measured to hold nothing of memory or a GPU was not measured (`Task.used`)."""
    if report.used is None:
        return (math.nan,) * 4
    used = report.used
    return math.nan if report.cpu_is_partial else used.cpu, *(amount or math.nan for amount in (used.memory, used.gpu, used.gpu_memory))


def ran_out_of_memory(report: TaskReport) -> bool:
    """A failure for want of memory is one, whatever the engine; of a worker's end the engine knows whose fault it was."""
    failed = report.outcome == "failed" and (isinstance(report.error, MemoryError) or report.reason.startswith("MemoryError"))
    return report.out_of_memory or failed
