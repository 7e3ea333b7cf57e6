"""Findings: tasks that ask for more or less than they use, and workers that stand idle; each with its evidence.

A suggested request, by resource (used: per done attempt; rounded up to 0.01 cores or devices, or 1 MiB):

- cpu, gpu: p95 of used x 1.15. The 95th percentile is that of KRR (robusta-dev/krr, strategy `simple`, `cpu_percentile`), the margin that
  of the Kubernetes Vertical Pod Autoscaler (`--recommendation-margin-fraction` = 0.15).
- memory, gpu_memory: max of used x 1.15 (KRR, `memory_buffer_percentage` = 15), since what is over memory ends.
- memory, where it ended an attempt: the larger of the request and the largest peak, x 1.2 and at least 100 MiB more (VPA,
  `--oom-bump-up-ratio`, `--oom-min-bump-up-bytes`), and no less than the rule before says.

What was not measured gives no finding, nor do fewer than `ENOUGH_SAMPLES` measured attempts: `Shortage` says how many are missing. That
memory ended an attempt is a fact and needs no others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from drm.analysis.efficiency import TaskUse
from drm.model import RESOURCES, STATE_CODE, UNITS, Resources
from drm.snapshot import Snapshot
from drm.task_usage import TaskShape

ENOUGH_SAMPLES = 20
MARGIN = 0.15
OOM_RATIO, OOM_BYTES = 1.2, 100 * 2.0**20
LEAST_SAVING = 0.25
"""Less than this part of a request is not worth a change."""
NEAR = 0.9
"""Memory from this part of the request on is near the end of its task."""
AT_REQUEST, LATE = 0.95, 1.2
"""CPU is held down where half of the attempts use this part of their request, and run for so many times what they were said to take."""
OVER = 1.05
"""More than this part of a request is more than what was asked for."""
IDLE_SECONDS = 600.0
STEP = {"cpu": 0.01, "gpu": 0.01, "memory": 2.0**20, "gpu_memory": 2.0**20}

Kind = Literal["under_provisioned", "over_provisioned", "idle"]
Cause = Literal["out_of_memory", "memory_near_request", "cpu_held_down", "above_request", "below_request", "nothing_allocated"]
CAUSES: tuple[Cause, ...] = ("out_of_memory", "memory_near_request", "cpu_held_down", "above_request", "below_request", "nothing_allocated")
"""From the gravest to the least."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a finding rests on. Amounts in the unit of its resource; NaN where there is none."""

    samples: int
    """Done attempts that were measured."""
    p50: float
    p95: float
    max: float
    since: float
    until: float
    out_of_memory: int = 0
    """Attempts that memory ended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change. Amounts in the unit of the resource; NaN where they are not known."""

    kind: Kind
    cause: Cause
    subject: str
    """The name of the tasks, or the worker."""
    resource: str
    """Empty for an idle worker, of which all is idle."""
    evidence: Evidence
    request: float
    suggested: float
    frees: float
    """(request - suggested) x how many ran at once on average; less than 0: so much more would be allocated."""
    weight: float
    """Orders findings of one cause: part of the pool's capacity that it is about, or the idle worker's cost rate."""
    cost_rate: float = math.nan
    """What an idle worker costs per hour."""
    capacity: Resources | None = None
    """What an idle worker has, all of which it would free."""
    shape: TaskShape | None = None
    """Of the tasks."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """Tasks of which too few attempts were measured to judge a resource."""

    subject: str
    resource: str
    samples: int

    @property
    def missing(self) -> int:
        """How many more measured attempts it takes."""
        return ENOUGH_SAMPLES - self.samples


@dataclass(frozen=True, slots=True)
class Study:
    """All findings, gravest first, and what could not be judged, that with least missing first."""

    findings: tuple[Finding, ...]
    shortages: tuple[Shortage, ...]
    judged: int
    """How many pairs of task shape and resource were judged."""
    further_idle: int = 0
    """Idle workers beyond those among the findings."""


def study(uses: Sequence[TaskUse], snapshot: Snapshot, idle_seconds: float = IDLE_SECONDS, most_idle: int | None = None) -> Study:
    """`uses`: one for each shape (`efficiency.of_shapes`). `most_idle`: no more idle workers, dearest first."""
    capacity = snapshot.totals(snapshot.capacity)
    rows = idle_rows(snapshot, idle_seconds)
    findings, shortages, judged = [_idle(snapshot, int(row)) for row in rows[:most_idle]], [], 0
    for use in uses:
        for index, resource in enumerate(RESOURCES):
            samples = int(use.measured[index])
            finding = _judge(use, index, float(capacity[index]))
            if finding is not None:
                findings.append(finding)
            if use.request[index] > 0:
                judged += samples >= ENOUGH_SAMPLES
                if samples < ENOUGH_SAMPLES:
                    shortages.append(Shortage(use.name, resource, samples))
    findings.sort(key=lambda one: (CAUSES.index(one.cause), -one.weight, one.evidence.since, one.subject))
    shortages.sort(key=lambda one: (one.missing, one.subject))
    return Study(tuple(findings), tuple(shortages), judged, len(rows) - sum(one.kind == "idle" for one in findings))


def suggestion(resource: str, p95: float, largest: float) -> float:
    """The request that the module's rules suggest, rounded up; NaN where nothing was measured."""
    return _round_up(resource, (p95 if UNITS[resource] != "bytes" else largest) * (1 + MARGIN))


def idle_rows(snapshot: Snapshot, idle_seconds: float) -> npt.NDArray[np.intp]:
    """The rows of the running workers with nothing allocated for so long: the dearest first, of them the longest idle."""
    bare = (snapshot.states == STATE_CODE["running"]) & (snapshot.allocated == 0).all(axis=1)
    rows = np.flatnonzero(bare & (snapshot.time - snapshot.idle_since >= idle_seconds))
    return rows[np.lexsort((snapshot.idle_since[rows], -np.nan_to_num(snapshot.price[rows])))]


def _judge(use: TaskUse, index: int, capacity: float) -> Finding | None:
    resource, request = RESOURCES[index], float(use.request[index])
    p50, p95, largest, samples = (float(column[index]) for column in (use.p50, use.p95, use.max, use.measured))
    suggested = suggestion(resource, p95, largest)
    killed = use.out_of_memory if resource == "memory" else 0
    kind: Kind = "under_provisioned"
    cause: Cause
    if killed:
        cause, suggested = "out_of_memory", _after_a_kill(request, largest, suggested)
    elif request == 0 or samples < ENOUGH_SAMPLES:
        return None
    elif p95 > OVER * request:
        cause = "above_request"
    elif UNITS[resource] == "bytes" and largest >= NEAR * request:
        cause = "memory_near_request"
    elif resource == "cpu" and p50 >= AT_REQUEST * request and use.lateness_p50 >= LATE:
        cause = "cpu_held_down"
    elif suggested <= (1 - LEAST_SAVING) * request:
        kind, cause = "over_provisioned", "below_request"
    else:
        return None
    frees = (request - suggested) * use.mean_running
    about = abs(frees) if not math.isnan(frees) else 0.0
    return Finding(
        kind=kind,
        cause=cause,
        subject=use.name,
        resource=resource,
        evidence=Evidence(int(samples), p50, p95, largest, use.since, use.until, killed),
        request=request,
        suggested=suggested,
        frees=frees,
        weight=about / capacity if capacity > 0 else 0.0,
        shape=use.shapes[0] if len(use.shapes) == 1 else None,
    )


def _after_a_kill(request: float, largest: float, suggested: float) -> float:
    """NaN where nothing is known of how much it needs: it asks for none, and no attempt was measured."""
    base = float(np.fmax(request, largest))
    if not base > 0:
        return math.nan
    return float(np.fmax(_round_up("memory", max(OOM_RATIO * base, base + OOM_BYTES)), suggested))


def _round_up(resource: str, value: float) -> float:
    if math.isnan(value):
        return value
    # A hair less, so that a value on a step stays on it; and a request of nothing would be none.
    return round(max(1, math.ceil(value / STEP[resource] * (1 - 1e-12))) * STEP[resource], 9)


def _idle(snapshot: Snapshot, row: int) -> Finding:
    nothing = math.nan
    since, price = float(snapshot.idle_since[row]), float(snapshot.price[row])
    return Finding(
        kind="idle",
        cause="nothing_allocated",
        subject=snapshot.worker_ids[row],
        resource="",
        evidence=Evidence(0, nothing, nothing, nothing, since, snapshot.time),
        request=nothing,
        suggested=nothing,
        frees=nothing,
        weight=price if not math.isnan(price) else 0.0,
        cost_rate=price,
        capacity=Resources.of(snapshot.capacity[row]),
    )
