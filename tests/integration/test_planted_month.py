"""A month with known waste: each is found, with the saving that the pool has where it is left out, and nothing else of size is.

What is true is reckoned twice, by none of the code under test: by plain Python that places tasks and sizes a pool tick by tick, and by the
manager itself, run without the one waste.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import pytest

from drm.analysis.recommendation import MONTH_HOURS, Recommendation
from drm.analysis.recommendations import Advice, advise
from drm.model import Resources
from drm.optimizer import ResourceOptimizer
from tests.unit.planted_month import (
    DAY_SECONDS,
    DAYS,
    FORGOTTEN,
    GIB,
    LARGE,
    MEMORY_RICH,
    REPORT,
    RUN_TICKS,
    STANDARD,
    TICK_SECONDS,
    TICKS_A_DAY,
    Month,
    Plan,
    without,
)

PLAN = Plan()
SUGGESTED = Resources(cpu=1.15, memory=2356 * 2.0**20)
"""1 core x 1.15, and 2 GiB x 1.15 in whole MiB, rounded up."""
ENOUGH = 4
"""For two hours a day the tasks fill three workers, beside the one that is cordoned."""
FIXED = {
    "request": without(PLAN, REPORT, SUGGESTED),
    "idle_worker": replace(PLAN, has_forgotten=False, minimum=PLAN.minimum - 1),
    "min_bound": replace(PLAN, minimum=ENOUGH),
    "instance_type": replace(PLAN, worker_type=STANDARD),
}
NEAR = 0.10


@dataclass
class Machine:
    """A worker of the plain model."""

    cpu: float
    memory: float
    idle: int = 0
    tasks: list[tuple[int, float, float]] = field(default_factory=list)
    """When each ends, its cores and bytes."""


def plain_daily(plan: Plan, days: int = 4) -> float:
    """What a day costs from the second one on: tasks best fit, workers for those that wait a tick later, gone after a tick of idleness."""
    shape = plan.worker_type.shape
    machines = [Machine(shape.cpu, shape.memory) for _ in range(plan.minimum - plan.has_forgotten)]
    queue: list[tuple[float, float]] = []
    coming, charged = 0, []
    for tick in range(days * TICKS_A_DAY):
        machines += [Machine(shape.cpu, shape.memory) for _ in range(coming)]
        for machine in machines:
            machine.tasks = [task for task in machine.tasks if task[0] > tick]
        for kind in plan.kinds:
            queue += [(kind.request.cpu, kind.request.memory)] * kind.arriving(tick)
        queue = place(machines, queue, tick)
        spare = [Machine(shape.cpu, shape.memory) for _ in range(len(queue))]
        place(spare, queue, tick)
        coming = sum(bool(machine.tasks) for machine in spare)
        for machine in machines:
            machine.idle = 0 if machine.tasks else machine.idle + 1
        charged.append(len(machines) + plan.has_forgotten)
        if not coming:
            floor = max(plan.minimum - plan.has_forgotten, 0)
            ripe = [machine for machine in machines if machine.idle >= 2]
            leaving = ripe[: max(0, min(len(machines) - floor, len(machines) // 3))]
            machines = [machine for machine in machines if machine not in leaving]
    return sum(charged[TICKS_A_DAY:]) / (days - 1) * TICK_SECONDS / 3600 * plan.worker_type.hourly


def place(machines: list[Machine], queue: list[tuple[float, float]], tick: int) -> list[tuple[float, float]]:
    """Each task where the larger of the two parts that stay free is least, tasks of one request together; returns those without room."""
    left = []
    first = {request: number for number, request in reversed([*enumerate(queue)])}
    for cpu, memory in sorted(queue, key=lambda request: first[request]):
        rooms = []
        for number, machine in enumerate(machines):
            cores = machine.cpu - sum(task[1] for task in machine.tasks) - cpu
            room = machine.memory - sum(task[2] for task in machine.tasks) - memory
            if cores >= -1e-9 and room >= 0:
                rooms.append((round(max(cores / machine.cpu, room / machine.memory), 9), number))
        if rooms:
            machines[min(rooms)[1]].tasks.append((tick + RUN_TICKS, cpu, memory))
        else:
            left.append((cpu, memory))
    return left


@pytest.fixture(scope="module")
def month() -> Month:
    """30 days with all of the waste."""
    return Month(PLAN)


@pytest.fixture(scope="module")
def advice(month: Month) -> Advice:
    """Over the month, compared with two other types."""
    return advise(month.state, DAYS * DAY_SECONDS, (STANDARD, LARGE))


def of(advice: Advice, kind: str) -> Recommendation:
    """The one of a kind."""
    (found,) = [one for one in advice.recommendations if one.kind == kind]
    return found


def test_each_planted_waste_is_named_and_nothing_else(advice: Advice) -> None:
    """Four wastes, four recommendations, that which saves most first, each with what to change it to."""
    assert {(one.kind, one.subject) for one in advice.recommendations} == {
        ("request", "report"),
        ("idle_worker", FORGOTTEN),
        ("min_bound", "minimum"),
        ("instance_type", "memory-rich"),
    }
    savings = [one.saving for one in advice.recommendations]
    assert savings == sorted(savings, reverse=True) and all(one.currency == "USD" for one in advice.recommendations)
    assert of(advice, "request").suggested == {"cpu": SUGGESTED.cpu, "memory": SUGGESTED.memory}
    assert of(advice, "min_bound").suggested == {"min_workers": ENOUGH}
    assert list(of(advice, "instance_type").suggested) == ["standard"]
    assert "lower the minimum by one" in of(advice, "idle_worker").change


@pytest.mark.parametrize("kind", FIXED)
def test_the_saving_is_what_plain_python_reckons(advice: Advice, kind: str) -> None:
    """Within a tenth of what the pool costs less in a month without the one waste."""
    true = (plain_daily(PLAN) - plain_daily(FIXED[kind])) / 24 * MONTH_HOURS
    assert of(advice, kind).saving == pytest.approx(true, rel=NEAR)


@pytest.mark.parametrize("kind", FIXED)
def test_the_saving_is_what_the_manager_itself_saves(advice: Advice, month: Month, kind: str) -> None:
    """The same by the bills of the pool, run with the one change; days are alike from the second one on."""
    true = (month.daily - Month(replace(FIXED[kind], days=2)).daily) / 24 * MONTH_HOURS
    assert of(advice, kind).saving == pytest.approx(true, rel=NEAR)


def test_the_plain_model_is_of_this_pool(month: Month) -> None:
    """Otherwise what it says is true would be of another one."""
    assert plain_daily(PLAN) == pytest.approx(month.daily, rel=0.01)


def test_each_says_what_it_rests_on(advice: Advice) -> None:
    """Samples, span and percentiles; confidence by the rule; a replay; a formula and a risk with numbers in them."""
    request, minimum = of(advice, "request"), of(advice, "min_bound")
    assert (request.basis.samples, request.confidence) == (500, "medium")
    assert request.basis.numbers["p95_cpu"] == 1.0 and request.basis.numbers["max_memory"] == 2 * GIB
    assert request.risk_share == 0.0 and request.freed > 0
    assert minimum.confidence == "high" and minimum.basis.numbers["rises_a_day"] == pytest.approx(1, abs=0.05)
    for one in advice.recommendations:
        assert one.replay is not None and any(letter.isdigit() for letter in one.formula)
        assert one.replay.hours == pytest.approx(DAYS * 24)
        assert one.replay.saved == pytest.approx(one.saving, rel=0.2), one.kind


def test_a_pool_without_waste_has_no_recommendation() -> None:
    """The same load, well set up: nothing to say."""
    plan = replace(
        without(PLAN, REPORT, Resources(cpu=1.15, memory=2.4 * GIB)), has_forgotten=False, minimum=2, worker_type=STANDARD, days=3
    )
    assert advise(Month(plan).state, DAYS * DAY_SECONDS, (LARGE, MEMORY_RICH)).recommendations == ()


def test_the_optimizer_gives_them_as_values_and_as_a_table(month: Month, advice: Advice) -> None:
    """The same, one row each."""
    optimizer = ResourceOptimizer(month.state, types=(STANDARD, LARGE))
    assert [one.subject for one in optimizer.recommendations()] == [one.subject for one in advice.recommendations]
    frame = optimizer.recommendations_frame()
    assert frame["saving"].tolist() == [one.saving for one in advice.recommendations]
    assert not frame["hours_after"].map(math.isnan).any()
