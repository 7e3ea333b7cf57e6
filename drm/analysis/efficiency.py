"""efficiency = used / allocated: of the pool over time, of each worker, of tasks. Where nothing was allocated it is blank, not 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.history.window import SeriesWindow, WorkerMeans
from drm.model import RESOURCES, FloatArray
from drm.task_usage import OUTCOMES, SAMPLES_KEPT, Samples, TaskShape, UsageView

DONE = OUTCOMES.index("done")


def ratio(used: FloatArray, allocated: FloatArray) -> FloatArray:
    """used / allocated; NaN where nothing was allocated or one of them is not known."""
    known = ~np.isnan(used) & (allocated > 0)
    shares: FloatArray = np.divide(used, allocated, out=np.full_like(allocated, np.nan), where=known)
    return shares


def over_time(window: SeriesWindow, resource: str) -> FloatArray:
    """(c,) of the pool."""
    return ratio(_series(window, f"used_{resource}"), _series(window, f"allocated_{resource}"))


@dataclass(frozen=True, slots=True)
class Average:
    """Of the pool over a range, in the unit of the resource, over the times at which something was allocated and both were known.

    What workers use while nothing is allocated is no task's, so it is left out. NaN where nothing was known, 0 where nothing was allocated.
    """

    used: float
    allocated: float

    @property
    def efficiency(self) -> float:
        """sum of used / sum of allocated: the times with most allocated weigh most."""
        return self.used / self.allocated if self.allocated > 0 else math.nan

    @property
    def slack(self) -> float:
        """allocated - used; less than 0 where more was used than allocated."""
        return self.allocated - self.used


def over_range(window: SeriesWindow, resource: str) -> Average:
    """Of the pool, over the whole window."""
    used, allocated = _series(window, f"used_{resource}"), _series(window, f"allocated_{resource}")
    known = ~np.isnan(used) & ~np.isnan(allocated)
    busy = known & (allocated > 0)
    if busy.any():
        return Average(float(used[busy].mean()), float(allocated[busy].mean()))
    return Average(0.0, 0.0) if known.any() else Average(math.nan, math.nan)


def present(window: SeriesWindow) -> list[str]:
    """The resources that the pool had at some time in the window."""
    return [name for name in RESOURCES if np.nanmax(window.max.get(f"capacity_{name}", np.zeros(1)), initial=0.0) > 0]


def of_workers(means: WorkerMeans) -> FloatArray:
    """(w,): mean used / mean allocated of each worker while it had something allocated; NaN where it never had."""
    return ratio(means.used, means.allocated)


@dataclass(frozen=True, slots=True, eq=False)
class TaskUse:
    """What attempts of one shape, or of all shapes of one name, used; vectors (4,) in the order of `RESOURCES`, NaN where not measured.

    p50, p95, max: nearest-rank percentiles, so each is a value that was measured, of the attempts that were done: one that failed early
    says little of what the task needs.
    """

    name: str
    shapes: tuple[TaskShape, ...]
    request: FloatArray
    """Mean over the attempts, weighted by how long they ran; where there is one shape, its request."""
    attempts: int
    measured: FloatArray
    """How many done attempts were measured."""
    p50: FloatArray
    p95: FloatArray
    max: FloatArray
    efficiency: FloatArray
    """sum of used x seconds / sum of requested x seconds, over the measured attempts."""
    mean_running: float
    """How many ran at once on average from `since` to `until` (Little's law: their seconds / the seconds of the window)."""
    out_of_memory: int
    """Attempts that memory ended."""
    run_p50_seconds: float
    lateness_p50: float
    """Median of run time / the time that it was said to take; NaN where nobody said."""
    since: float
    until: float
    """The window of the evidence, epoch seconds: from the first start among the samples, no earlier than asked for."""


def of_shapes(usage: UsageView, since: float, until: float) -> list[TaskUse]:
    """One for each shape that ended in the time from `since` to `until`, in the order of their last end."""
    return [use for shape, samples in usage.samples.items() if (use := _use([(shape, samples)], since, until)) is not None]


def of_names(usage: UsageView, since: float, until: float) -> list[TaskUse]:
    """One for each name, over all of its requests."""
    by_name: dict[str, list[tuple[TaskShape, Samples]]] = {}
    for shape, samples in usage.samples.items():
        by_name.setdefault(shape.name, []).append((shape, samples))
    return [use for parts in by_name.values() if (use := _use(parts, since, until)) is not None]


def _use(parts: Sequence[tuple[TaskShape, Samples]], since: float, until: float) -> TaskUse | None:
    chosen = [(shape, kept, kept[(kept["finished_at"] > since) & (kept["finished_at"] <= until)]) for shape, kept in parts]
    chosen = [part for part in chosen if len(part[2])]
    if not chosen:
        return None
    is_one = len(chosen) == 1
    samples = chosen[0][2] if is_one else np.concatenate([part for _, _, part in chosen])
    requests = np.array([shape.request.vector() for shape, _, _ in chosen])
    request_of_each = requests if is_one else np.repeat(requests, [len(part) for _, _, part in chosen], axis=0)
    used, weights = samples["used"], samples["run_seconds"][:, None] + 1e-9
    known = ~np.isnan(used)
    done = samples["outcome"] == DONE
    seconds = samples["run_seconds"][done]
    measured, p50, p95, largest = _ranks(used, known & done[:, None])
    running = [_running(part, since, until, is_cut=len(kept) == len(part) == SAMPLES_KEPT) for _, kept, part in chosen]
    return TaskUse(
        name=chosen[0][0].name,
        shapes=tuple(shape for shape, _, _ in chosen),
        request=requests[0] if is_one else (request_of_each * weights).sum(axis=0) / weights.sum(),
        attempts=len(samples),
        measured=measured,
        p50=p50,
        p95=p95,
        max=largest,
        efficiency=ratio(
            np.where(known.any(axis=0), np.where(known, used * weights, 0.0).sum(axis=0), np.nan),
            np.where(known, request_of_each * weights, 0.0).sum(axis=0),
        ),
        mean_running=sum(mean for _, mean in running),
        out_of_memory=int(samples["out_of_memory"].sum()),
        run_p50_seconds=_median(seconds),
        lateness_p50=_median(seconds / samples["hint_seconds"][done]),
        since=min(first for first, _ in running),
        until=until,
    )


def _running(samples: Samples, since: float, until: float, *, is_cut: bool) -> tuple[float, float]:
    """(from when on the samples are all there are, how many ran at once on average since then); NaN where no time has passed.

    `is_cut`: older ones in the window were let go. Then the ends since the oldest kept one are counted, each with its whole run: what still
    runs at the end of the window stands for what ran at its beginning.
    """
    finished, seconds = samples["finished_at"], samples["run_seconds"]
    if is_cut:
        first = float(finished.min())
        total = float(seconds[finished > first].sum())
    else:
        first = max(since, float((finished - seconds).min()))
        total = float(np.minimum(seconds, finished - first).sum())
    return first, total / (until - first) if until > first else math.nan


def _ranks(used: FloatArray, counted: npt.NDArray[np.bool_]) -> FloatArray:
    """(4, 4): how many are counted, and the smallest values that half, 95 % and all of these do not exceed, for each resource."""
    ranks = np.full((4, used.shape[1]), np.nan)
    ranks[0] = counted.sum(axis=0)
    for index in np.flatnonzero(ranks[0]):
        ranked = np.sort(used[counted[:, index], index])
        # A hair less, so that a whole number of values is not taken for one more.
        ranks[1:, index] = [ranked[max(0, math.ceil(part * len(ranked) - 1e-9) - 1)] for part in (0.50, 0.95, 1.0)]
    return ranks


def _median(values: FloatArray) -> float:
    """The nearest-rank median; NaN where there is none, or one is not known."""
    if not len(values) or np.isnan(values).any():
        return math.nan
    middle = (len(values) - 1) // 2
    return float(np.partition(values, middle)[middle])


def _series(window: SeriesWindow, name: str) -> FloatArray:
    return window.mean.get(name, np.full(len(window.times), np.nan))
