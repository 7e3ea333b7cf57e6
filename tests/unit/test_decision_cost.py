"""What a decision cost or saved: on pools whose answer is known, and over whole runs, where sums must be consistent with what was paid."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drm.analysis.decision_cost import MOST_SECONDS, account, decision_cost
from drm.cloud.billing import Billing
from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.figures import decision_cost_text
from drm.history.lifetimes import Lifetime
from drm.history.window import SeriesWindow
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import InstanceKind, Price, Resources
from drm.policies.pipeline import Pipeline
from drm.state import DRMState
from tests.unit.test_ledger import decision

KIND = InstanceKind("p", "r", "t", "on_demand", Price(2.0, "EUR", "here", "2026-01-01"))
START, STEP = 1_767_600_000.0, 15.0


def life(worker_id: str, *states: tuple[float, str], kind: InstanceKind = KIND) -> Lifetime:
    return Lifetime(1, worker_id, states, "", Resources(cpu=4), kind)  # type: ignore[arg-type]


def hour(**series: float) -> SeriesWindow:
    """Sixty minutes of the same."""
    times = np.arange(60) * 60.0
    mean = {name: np.full(60, value) for name, value in series.items()}
    return SeriesWindow("e", 0.0, 3600.0, 60.0, times, mean, mean)


GREW = replace(decision(0.0, "scale_up", "queue_demand", count=1), requested_at=0.0, worker_ids=("w",), outcome="done")
SHRANK = replace(decision(0.0, "scale_down", "idle", count=1), requested_at=0.0, worker_ids=("w",), outcome="done")
STEADY: dict[str, float] = {"run_seconds": 10.0, "tasks_running": 8.0, "tasks_queued": 0.0}


def test_a_full_worker_that_was_needed_all_the_time() -> None:
    """Eight cores busy of eight, of which four are its own: without it the work of an hour piles up, 720 tasks on average."""
    found = account(
        GREW,
        [life("w", (0.0, "running"), (3600.0, "terminated"))],
        hour(capacity_cpu=8, allocated_cpu=8, demand_cpu=8, **STEADY),
        3600.0,
        "gone",
    )
    assert (found.money, found.currency, found.worker_seconds) == (2.0, "EUR", 3600.0)
    assert (found.resource, found.held, found.needed, found.idle_share) == ("cpu", 4 * 3600, 4 * 3600, 0.0)
    # Work arrives at 4 cores and a task is 10 core-seconds: after t seconds 0.4 t tasks would wait.
    assert found.waiting_task_seconds == pytest.approx(0.4 * 3600**2 / 2, rel=0.02)


def test_a_worker_whose_work_the_rest_had_room_for_was_idle() -> None:
    """Three cores of eight are busy: the other four would have held them, and nothing would have waited."""
    found = account(
        GREW,
        [life("w", (0.0, "pending"), (1200.0, "running"), (3600.0, "terminated"))],
        hour(capacity_cpu=8, allocated_cpu=3, demand_cpu=3, **STEADY),
        3600.0,
        "gone",
    )
    assert (found.money, found.idle_share, found.waiting_task_seconds) == (2.0, 1.0, 0.0)
    assert found.held == pytest.approx(4 * 2400.0), "booting is paid, and held nothing yet"


def test_what_pulls_down_a_backlog_is_counted_until_it_is_gone() -> None:
    """Half an hour of need, then half an hour in which the rest would have caught up."""
    window = hour(capacity_cpu=8, allocated_cpu=8, demand_cpu=8, **STEADY)
    for name in ("allocated_cpu", "tasks_running"):
        window.mean[name][30:] = 0.0
    found = account(GREW, [life("w", (0.0, "running"))], window, 3600.0, "open")
    assert found.needed == pytest.approx(4 * 1800) and found.idle_share == pytest.approx(0.5)
    assert found.waiting_task_seconds == pytest.approx(2 * 0.4 * 1800**2 / 2, rel=0.05)


def test_a_worker_that_went_saves_its_price_and_makes_work_wait() -> None:
    """Gone after ten minutes; 100 tasks wait all the time, of which it would have done the first 100 within 250 s, and then as they are."""
    window = hour(capacity_cpu=8, allocated_cpu=8, demand_cpu=16, run_seconds=10.0, tasks_running=8.0, tasks_queued=100.0)
    found = account(SHRANK, [life("w", (-50.0, "running"), (600.0, "terminated"))], window, 3600.0, "grew", GREW)
    assert found.money == pytest.approx(2.0 * 3000 / 3600) and found.worker_seconds == 3000.0
    assert found.held == pytest.approx(4 * 3000.0) and found.needed == pytest.approx(100 * 10.0) and found.next_id == GREW.id
    assert found.waiting_task_seconds == pytest.approx(100 * 3000.0, rel=0.05)
    calm = account(
        SHRANK, [life("w", (-50.0, "running"), (600.0, "terminated"))], hour(capacity_cpu=8, allocated_cpu=1, **STEADY), 3600.0, "open"
    )
    assert (calm.needed, calm.waiting_task_seconds) == (0.0, 0.0)
    still = account(SHRANK, [life("w", (-50.0, "draining"))], window, 3600.0, "open")
    assert still.money == 0.0 and still.held == 0.0


@pytest.mark.parametrize(
    ("lifetimes", "is_whole"),
    [
        ([life("w", (0.0, "running"), kind=InstanceKind("p"))], True),
        ([life("w", (0.0, "running")), life("v", (0.0, "running"), kind=replace(KIND, price=Price(1.0, "USD", "x", "2026-01-01")))], True),
        ([life("w", (0.0, "running"))], False),
    ],
)
def test_money_that_is_not_known_is_no_number(lifetimes: list[Lifetime], is_whole: bool) -> None:
    """No price, two currencies, and a worker of which nothing is kept."""
    assert math.isnan(account(GREW, lifetimes, hour(), 3600.0, "open", is_whole=is_whole).money)


def test_the_least_time_that_a_provider_bills_is_part_of_the_cost() -> None:
    """Ten seconds are billed as a minute once they are over."""
    for stop, seconds in ((10.0, 60.0), (100.0, 100.0)):
        gone = [life("w", (0.0, "running"), (stop, "terminated"))]
        assert account(GREW, gone, hour(), 3600.0, "gone", billing={"p": Billing(1.0, 60.0)}).worker_seconds == seconds
        assert account(GREW, gone, hour(), stop / 2, "open", billing={"p": Billing(1.0, 60.0)}).worker_seconds == stop / 2


def test_what_was_not_recorded_is_not_known() -> None:
    """No series; no task that has ended, by which work is counted in tasks."""
    none = account(GREW, [life("w", (0.0, "running"))], hour(), 3600.0, "open")
    assert none.resource == "" and math.isnan(none.idle_share) and math.isnan(none.waiting_task_seconds) and none.money == 2.0
    untimed = account(GREW, [life("w", (0.0, "running"))], hour(capacity_cpu=8, allocated_cpu=8, tasks_running=8), 3600.0, "open")
    assert untimed.idle_share == 0.0 and math.isnan(untimed.waiting_task_seconds)


@st.composite
def pools(draw: Any) -> tuple[list[Lifetime], SeriesWindow, float]:
    """Workers of an hour, and series that need not fit them."""
    moments = st.lists(st.floats(0, 3600), min_size=1, max_size=4, unique=True).map(sorted)
    names = ("pending", "booting", "running", "draining", "terminated")
    lives = [life("w", *zip(at, names[-len(at) :], strict=True)) for at in draw(st.lists(moments, min_size=1, max_size=4))]
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    series = ("capacity_cpu", "allocated_cpu", "demand_cpu", "run_seconds", "tasks_running", "tasks_queued")
    mean = {name: np.where(random.random(60) < 0.1, math.nan, random.integers(0, 50, 60) / 2) for name in series}
    return lives, SeriesWindow("e", 0.0, 3600.0, 60.0, np.arange(60) * 60.0, mean, mean), draw(st.floats(1, 3600))


@settings(max_examples=100, deadline=None)
@given(pools(), st.booleans())
def test_an_account_stays_within_what_its_workers_were(pool: tuple[list[Lifetime], SeriesWindow, float], grows: bool) -> None:
    """Whatever was recorded: no more is needed than they had, had than was paid for, or paid than their time; nothing is below nothing."""
    lives, window, until = pool
    found = account(GREW if grows else SHRANK, lives, window, until, "open")
    assert 0 <= found.worker_seconds <= len(lives) * until + 1e-6 and found.money == pytest.approx(found.worker_seconds / 3600 * 2.0)
    assert not found.held > 4 * found.worker_seconds + 1e-3 and not found.held < 0
    assert not found.needed > found.held + 1e-3 and not found.needed < 0
    assert not found.waiting_task_seconds < 0


def simulated(seed: int, workers: int, ticks: int) -> DRMState:
    """A run with short cooldowns, so that it grows and shrinks often."""
    pipeline = Pipeline(up_cooldown_seconds=60.0, down_cooldown_seconds=120.0)
    engine = SimulatedEngine(workers, seed)
    policy = "queue,target_seconds=60,idle_grace_seconds=60"
    manager = DynamicResourceManager(engine, policy, Bounds(1, workers), pipeline=pipeline, interval_seconds=STEP, now=START - 1)
    state = DRMState(manager)
    for tick in range(ticks):
        state.advance(START + STEP * tick)
    return state


@pytest.mark.parametrize(("seed", "workers"), [(0, 12), (11, 30)])
def test_over_a_whole_run_what_growing_cost_is_part_of_what_was_paid(seed: int, workers: int) -> None:
    """Each worker belongs to the decision that asked for it: their costs and that of the first workers are what was paid, to the cent."""
    state = simulated(seed, workers, 220)
    found = [(one, decision_cost(state, one)) for one in state.ledger.query(Query(action=("scale_up", "scale_down"), limit=1000))]
    costs = [cost for _, cost in found if cost is not None]
    grown = math.fsum(cost.money for cost in costs if cost.action == "scale_up")
    paid = state.cloud_totals().sum.spent
    assert grown <= paid * (1 + 1e-9)
    asked = {worker_id for one, cost in found if cost and cost.action == "scale_up" for worker_id in one.worker_ids}
    lives = state.lifetimes_in(MOST_SECONDS)
    assert costs and asked and not any("lost" in [name for _, name in one.states] for one in lives)
    ends = [state.end() if math.isnan(one.ended_at) else one.ended_at for one in lives]
    first = [one.kind.hourly / 3600 * (end - one.began_at) for one, end in zip(lives, ends, strict=True) if one.worker_id not in asked]
    assert grown > 0 and grown + math.fsum(first) == pytest.approx(paid, rel=1e-6)
    for one, cost in found:
        if cost is None:
            continue
        assert cost.since <= cost.until <= min(state.end(), cost.since + MOST_SECONDS) and cost.money >= 0
        assert cost.worker_seconds <= len(one.worker_ids) * (cost.until - cost.since) + 1e-6
        assert math.isnan(cost.needed) or -1e-6 <= cost.needed <= cost.held + 1e-6
        assert not cost.waiting_task_seconds < 0
        assert (cost.end == "grew") == (cost.next_id is not None)


def test_a_decision_is_over_once_its_workers_are_gone_or_the_pool_grows_again() -> None:
    """As of each moment of a run: an account never shrinks, and once it is over it stays as it is."""
    state = simulated(7, 20, 260)
    changes = state.ledger.query(Query(action=("scale_up", "scale_down"), descending=False, limit=6))
    assert {one.action for one in changes} == {"scale_up", "scale_down"}
    for one in changes:
        last: Any = None
        for moment in np.arange(one.timestamp + STEP, state.end() + 1, 40 * STEP).tolist():
            view = state.at(min(moment, state.end()))
            then = view.ledger.find(one.id)
            assert then is not None
            cost = decision_cost(view, then)
            if cost is None:
                continue
            assert last is None or cost.money >= last.money - 1e-9
            assert (
                last is None
                or last.end == "open"
                or (cost.end, cost.until, cost.money) == (last.end, last.until, pytest.approx(last.money))
            )
            last = cost
        assert last is not None
    assert any(cost and cost.end != "open" for cost in (decision_cost(state, one) for one in changes))


def test_an_id_that_is_used_again_is_another_worker() -> None:
    """A launch began the lifetime after it, a retirement ended the one that was there."""
    before, after = life("w", (-900.0, "running"), (-100.0, "terminated")), life("w", (60.0, "running"), (3600.0, "terminated"))
    view = SimpleNamespace(
        lifetimes_of=lambda _: (before, after),
        end=lambda: 3600.0,
        fleet=lambda *_, **__: hour(),
        ledger=SimpleNamespace(query=lambda _: []),
        billing={},
    )
    grew = decision_cost(view, GREW)  # type: ignore[arg-type]
    assert grew is not None and (grew.worker_seconds, grew.until, grew.end) == (3540.0, 3600.0, "gone")
    went = life("w", (-900.0, "running"), (600.0, "terminated"))
    view.lifetimes_of = lambda _: (went, life("w", (700.0, "running")))
    shrank = decision_cost(view, SHRANK)  # type: ignore[arg-type]
    assert shrank is not None and (shrank.worker_seconds, shrank.end) == (3000.0, "open")


def test_what_changed_nothing_has_no_account() -> None:
    """A `maintain`, a launch that failed, and one of which nobody has come yet."""
    state = simulated(7, 8, 2)
    for one in (decision(START), replace(GREW, outcome="failed"), replace(GREW, worker_ids=())):
        assert decision_cost(state, one) is None


def test_the_words_have_the_numbers_and_the_formula() -> None:
    """Of growing and of shrinking, over and still running, known and not."""
    window = hour(capacity_cpu=8, allocated_cpu=8, demand_cpu=8, **STEADY)
    grew = account(GREW, [life("w", (0.0, "running"), (3600.0, "terminated"))], window, 3600.0, "gone")
    assert decision_cost_text.heading(grew) == "What it cost"
    assert decision_cost_text.facts(grew) == [
        ("Cost", "2.00 EUR", ", for 1 worker-hours in 1 h: over, since its workers are gone"),
        ("Of it idle", "0.00 EUR", ", 0 % of their CPU: nothing needed it, or the rest of the pool had room"),
        ("Waiting avoided", "", "732 task-hours; 4 cores for an hour ran on them that had no room elsewhere"),
    ]
    assert "hours that were paid × its price" in decision_cost_text.formula(grew)
    shrank = account(SHRANK, [life("w", (-9.0, "running"), (1800.0, "terminated"))], window, 3600.0, "grew", replace(GREW, id=9))
    assert decision_cost_text.facts(shrank) == [
        ("Saved", "1.00 EUR", ", for 0.5 worker-hours in 1 h: over, since the pool grew again (decision 9)"),
        ("Waited for it", "", "none"),
    ]
    unknown = account(GREW, [life("w", (0.0, "running"), kind=InstanceKind())], hour(), 3600.0, "open", is_whole=False)
    told = {label: f"{worth}{text}" for label, worth, text in decision_cost_text.facts(unknown)}
    assert told["Cost"] == "unknown so far, for unknown worker-hours in 1 h: still running"
    assert told["Of it idle"].startswith("unknown") and told["Waiting avoided"].startswith("unknown")
    assert "nothing is kept any more" in decision_cost_text.formula(unknown)


def test_the_workers_of_a_decision_add_up_to_it() -> None:
    """Hours times price of each, the longest first; those beyond the twentieth share a row; an unknown part makes the sum so."""
    lives = [life(f"w-{number}", (0.0, "running"), (60.0 * number, "terminated")) for number in range(1, 31)]
    cost = account(replace(GREW, worker_ids=tuple(one.worker_id for one in lives)), lives, hour(), 3600.0, "gone")
    rows = decision_cost_text.worker_rows(cost)
    assert [row.name for row in rows[:2]] == ["w-30", "w-29"] and [row.name for row in rows[20:]] == ["10 other workers", "Sum"]
    worth = [float(row.money.removesuffix(" EUR")) for row in rows]
    assert worth[-1] == pytest.approx(cost.money, abs=0.01) == pytest.approx(sum(worth[:-1]), abs=0.01 * len(rows))
    assert rows[0].hours == "0.5" and rows[0].price == "2.00 EUR" and rows[-1].is_sum
    lost = account(GREW, lives, hour(), 3600.0, "gone", is_whole=False)
    assert decision_cost_text.worker_rows(lost)[-1].money == "unknown"
    assert decision_cost_text.worker_rows(account(GREW, [], hour(), 3600.0, "open")) == []
