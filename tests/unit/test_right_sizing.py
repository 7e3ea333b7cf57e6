"""Findings: planted waste and want are found with the right numbers, nothing else is, and what is not known gives none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drm.analysis import efficiency
from drm.analysis.right_sizing import CAUSES, ENOUGH_SAMPLES, STEP, Study, study, suggestion
from drm.errors import InvalidValueError
from drm.manager import DynamicResourceManager
from drm.model import RESOURCES, Price, Resources, WorkerType
from drm.optimizer import ResourceOptimizer
from drm.snapshot import Snapshot
from drm.state import DRMState
from drm.task_usage import TaskUsage
from tests.unit.usage_samples import GIB, MIB, START, plant

ASKED = Resources(cpu=2, memory=4 * GIB)
FITTING = [Resources(cpu=1.6, memory=3 * GIB)] * 40
"""p95 x 1.15 is 1.84 of 2 cores, max x 1.15 is 3.45 of 4 GiB: nothing to change."""


@pytest.fixture(scope="module")
def pool() -> Snapshot:
    """One busy worker of 10 cores and 40 GiB."""
    manager = DynamicResourceManager(now=START)
    manager.register_worker("w", capacity=Resources(cpu=10, memory=40 * GIB))
    manager.submit(resources=Resources(cpu=1))
    return manager.advance(START)


def judge(usage: TaskUsage, pool: Snapshot, until: float) -> Study:
    """The study of all samples."""
    return study(efficiency.of_shapes(usage.view(), 0.0, until), pool)


def test_planted_waste_is_found_and_nothing_else(pool: Snapshot) -> None:
    """Two of four kinds ask for too much of one resource each: exactly these, with its evidence and what would come free."""
    usage = TaskUsage()
    until = plant(usage, "fits", ASKED, FITTING)
    plant(usage, "wide", ASKED, [Resources(cpu=0.5 + 0.001 * number, memory=3 * GIB) for number in range(40)], run_seconds=20)
    plant(usage, "deep", ASKED, [Resources(cpu=1.6, memory=1 * GIB)] * 40)
    plant(usage, "no finding: too few", ASKED, [Resources(cpu=0.1, memory=0.1 * GIB)] * 19)
    until = max(until, START + 39 * 10 + 20)
    found = judge(usage, pool, until)
    assert {(one.kind, one.cause, one.subject, one.resource) for one in found.findings} == {
        ("over_provisioned", "below_request", "wide", "cpu"),
        ("over_provisioned", "below_request", "deep", "memory"),
    }
    wide = next(one for one in found.findings if one.subject == "wide")
    evidence = wide.evidence
    assert (evidence.samples, evidence.since, evidence.until) == (40, START, until)
    assert (evidence.p50, evidence.p95, evidence.max) == pytest.approx((0.519, 0.537, 0.539))
    assert (wide.request, wide.suggested) == pytest.approx((2.0, 0.62))
    assert wide.frees == pytest.approx((2.0 - 0.62) * 40 * 20 / (until - START))
    deep = next(one for one in found.findings if one.subject == "deep")
    assert deep.suggested == math.ceil(1024 * 1.15) * MIB
    assert [(one.subject, one.resource, one.missing) for one in found.shortages] == [
        ("no finding: too few", "cpu", 1),
        ("no finding: too few", "memory", 1),
    ]
    assert found.judged == 6


def test_planted_want_is_found_gravest_first(pool: Snapshot) -> None:
    """Ended by memory, memory near its request, CPU held down, more than asked for: in this order, each with more than it has."""
    usage = TaskUsage()
    plant(usage, "over", ASKED, [Resources(cpu=2.5, memory=3 * GIB)] * 20)
    plant(usage, "held", ASKED, [Resources(cpu=1.95, memory=3 * GIB)] * 20, run_seconds=13, hint_seconds=10)
    plant(usage, "near", ASKED, [*FITTING, Resources(cpu=1.6, memory=3.7 * GIB)])
    plant(usage, "killed", ASKED, [None] * 2, outcome="lost", out_of_memory=True)
    until = plant(usage, "fits", ASKED, FITTING)
    findings = judge(usage, pool, until + 100).findings
    assert [(one.subject, one.cause, one.resource) for one in findings] == [
        ("killed", "out_of_memory", "memory"),
        ("near", "memory_near_request", "memory"),
        ("held", "cpu_held_down", "cpu"),
        ("over", "above_request", "cpu"),
    ]
    assert all(one.kind == "under_provisioned" and one.suggested > one.request and one.frees < 0 for one in findings)
    killed, near, held, over = findings
    assert killed.evidence.out_of_memory == 2 and killed.suggested == math.ceil(4096 * 1.2) * MIB
    assert near.suggested == math.ceil(3.7 * 1024 * 1.15) * MIB
    assert held.suggested == pytest.approx(2.25) and over.suggested == pytest.approx(2.88)


def test_a_cpu_at_its_request_is_no_finding_unless_the_task_is_late(pool: Snapshot) -> None:
    """A task that is done in the time that it was said to take has enough; where nobody said, nothing is known."""
    usage = TaskUsage()
    plant(usage, "in time", ASKED, [Resources(cpu=1.95, memory=3 * GIB)] * 40, run_seconds=10, hint_seconds=10)
    until = plant(usage, "unsaid", ASKED, [Resources(cpu=1.95, memory=3 * GIB)] * 40, run_seconds=1000)
    assert judge(usage, pool, until).findings == ()


def test_a_small_request_that_memory_ended_grows_by_a_least_step(pool: Snapshot) -> None:
    """20 % of little is less than 100 MiB; what asks for nothing and was not measured gets no number."""
    usage = TaskUsage()
    plant(usage, "small", Resources(memory=200 * MIB), [None], outcome="failed", error=MemoryError())
    until = plant(usage, "none", Resources(cpu=1), [None], outcome="failed", error=MemoryError())
    none, small = sorted(judge(usage, pool, until).findings, key=lambda one: one.subject)
    assert small.suggested == 300 * MIB
    assert math.isnan(none.suggested) and math.isnan(none.frees) and none.weight == 0.0


def test_what_was_not_measured_gives_no_finding(pool: Snapshot) -> None:
    """A thousand attempts without a measurement say nothing, and how many measured ones are missing is told."""
    usage = TaskUsage()
    until = plant(usage, "dark", ASKED, [None] * 1000)
    found = judge(usage, pool, until)
    assert found.findings == () and found.judged == 0
    assert [(one.resource, one.samples, one.missing) for one in found.shortages] == [("cpu", 0, 20), ("memory", 0, 20)]


def test_an_attempt_more_makes_the_difference(pool: Snapshot) -> None:
    """19 measured attempts are too few, 20 are enough."""
    for count, findings in ((ENOUGH_SAMPLES - 1, 0), (ENOUGH_SAMPLES, 1)):
        usage = TaskUsage()
        until = plant(usage, "wide", Resources(cpu=2), [Resources(cpu=0.2)] * count)
        assert len(judge(usage, pool, until).findings) == findings


used_amounts = st.floats(0, 64, allow_subnormal=False)


@settings(deadline=None)
@given(st.lists(used_amounts, min_size=1, max_size=60), st.floats(0.01, 64), st.sampled_from(RESOURCES))
def test_a_suggestion_is_never_below_what_was_used(pool: Snapshot, used: list[float], request: float, resource: str) -> None:
    """At least p95, for memory at least the maximum; less than the request where it frees, more where it takes."""
    unit = 1.0 if STEP[resource] < 1 else GIB
    usage = TaskUsage()
    amounts = [Resources(**{resource: amount * unit}) for amount in used]
    until = plant(usage, "any", Resources(**{resource: request * unit}), amounts)
    found = judge(usage, pool, until)
    (use,) = efficiency.of_shapes(usage.view(), 0.0, until)
    index = RESOURCES.index(resource)
    if not use.measured[index] >= ENOUGH_SAMPLES:
        assert found.findings == ()
    for one in found.findings:
        assert one.suggested >= one.evidence.p95 and CAUSES.index(one.cause) >= 0
        assert one.suggested >= (one.evidence.max if unit == GIB else 0)
        assert (one.suggested < one.request) == (one.kind == "over_provisioned")
        assert math.copysign(1, one.frees) == (1 if one.kind == "over_provisioned" else -1)


@given(st.floats(0, 1e15), st.floats(0, 1e15), st.sampled_from(RESOURCES))
def test_suggestions_are_round(first: float, second: float, resource: str) -> None:
    """Whole steps, and never nothing."""
    p95, largest = sorted((first, second))
    suggested = suggestion(resource, p95, largest)
    assert suggested >= p95 and suggested >= STEP[resource]
    assert suggested / STEP[resource] == pytest.approx(round(suggested / STEP[resource]))
    assert math.isnan(suggestion(resource, math.nan, math.nan))


def idle_pool() -> DRMState:
    """Three priced workers for 20 minutes: two with nothing to do, of which one is dearer, and one that works."""
    dear = WorkerType("dear", Resources(cpu=8, memory=8 * GIB), Price(2.0, "USD", "test", "2026-11-24"))
    cheap = WorkerType("cheap", Resources(cpu=4, memory=8 * GIB), Price(0.5, "USD", "test", "2026-11-24"))
    manager = DynamicResourceManager(worker_types=[dear, cheap], now=START)
    state = DRMState(manager)
    manager.register_worker("busy", capacity=Resources(cpu=2, memory=8 * GIB), labels={"worker_type": "cheap"})
    manager.submit(resources=Resources(cpu=2))
    state.advance(START)
    manager.register_worker("cheap", capacity=cheap.shape, labels={"worker_type": "cheap"})
    manager.register_worker("dear", capacity=dear.shape, labels={"worker_type": "dear"})
    for minute in range(1, 21):
        for worker_id in ("busy", "cheap", "dear"):
            manager.report(worker_id, used={"cpu": 0.0})
        state.advance(START + 30 * minute)
    return state


def test_idle_workers_are_found_with_what_they_cost() -> None:
    """The dearest first, each with its time and its capacity; a busy worker is none of them, nor one that has been idle for less."""
    state = idle_pool()
    findings = ResourceOptimizer(state, idle_seconds=300).findings()
    assert [(one.kind, one.subject, one.cost_rate) for one in findings] == [("idle", "dear", 2.0), ("idle", "cheap", 0.5)]
    assert findings[0].capacity == Resources(cpu=8, memory=8 * GIB)
    assert findings[0].evidence.until - findings[0].evidence.since == pytest.approx(570)
    assert ResourceOptimizer(state, idle_seconds=3600).findings() == ()
    few = study([], state.snapshot, 300, most_idle=1)
    assert [one.subject for one in few.findings] == ["dear"] and few.further_idle == 1


def test_the_optimizer_reads_a_manager_and_its_range() -> None:
    """A manager or its state; a shorter range leaves out what ended before; the table has a row for each finding."""
    manager = DynamicResourceManager(now=START)
    manager.register_worker("w", capacity=Resources(cpu=4))
    assert ResourceOptimizer(manager).findings() == () and ResourceOptimizer(manager).findings_frame().empty
    for second in range(0, 250, 10):
        task = manager.submit(resources=Resources(cpu=4), name="sort")
        manager.report("w", used={"cpu": 1.0})
        manager.advance(START + second)
        manager.finish(task.id, used=Resources(cpu=1))
        manager.advance(START + second + 5)
    optimizer = ResourceOptimizer(DRMState(manager))
    (finding,) = optimizer.findings()
    assert (finding.subject, finding.suggested, finding.evidence.samples) == ("sort", 1.15, 25)
    frame = optimizer.findings_frame()
    assert frame.loc[0, ["subject", "resource", "request", "suggested", "samples", "p95"]].tolist() == ["sort", "cpu", 4.0, 1.15, 25, 1.0]
    recent = ResourceOptimizer(manager, range_seconds=60)
    assert recent.findings() == () and recent.shortages()[0].samples == 6
    assert np.isfinite(finding.frees)


@pytest.mark.parametrize("wrong", [{"range_seconds": 0}, {"range_seconds": math.nan}, {"idle_seconds": -1.0}])
def test_a_wrong_time_is_refused(wrong: dict[str, float]) -> None:
    """By name and value."""
    with pytest.raises(InvalidValueError, match="must be positive and finite"):
        ResourceOptimizer(DynamicResourceManager(now=0.0), **wrong)  # type: ignore[arg-type]


def test_what_is_no_manager_is_refused() -> None:
    """By value."""
    with pytest.raises(InvalidValueError, match="needs a DynamicResourceManager"):
        ResourceOptimizer("pool")  # type: ignore[arg-type]
