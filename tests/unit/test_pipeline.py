"""The pipeline, step by step, and what would change each outcome."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drm.decision import Flip
from drm.errors import InvalidValueError
from drm.policies import Policy, create_policy, policy_names
from drm.policies.conditions import CONTINUOUS, Conditions
from drm.policies.flips import find_flips
from drm.policies.pipeline import STEPS, Pipeline, evaluate, sizes, thresholds

BASE = Conditions(current_workers=6, busy_workers=6, retirable_workers=6, running_tasks=6, known_workers=6, max_workers=20)
FULL = replace(BASE, needed_workers=4, queued_tasks=9)
IDLE = replace(BASE, busy_workers=1, idle_workers=5, ripe_workers=5, longest_idle_seconds=60.0)
QUEUE = create_policy("queue")


@pytest.mark.parametrize(
    ("seen", "action", "code", "target"),
    [
        (BASE, "maintain", "steady", 6),
        (FULL, "scale_up", "queue_demand", 10),
        (IDLE, "scale_down", "idle", 4),
        (replace(FULL, ready=0.0), "maintain", "warm_up", 6),
        (replace(FULL, data_age_seconds=600.0), "maintain", "stale_data", 6),
        (replace(FULL, hold_up_seconds=8.0), "maintain", "stabilization", 6),
        (replace(FULL, recent_low_workers=8.0), "scale_up", "queue_demand", 8),
        (replace(IDLE, hold_down_seconds=8.0), "maintain", "stabilization", 6),
        (replace(IDLE, recent_high_workers=5.0), "scale_down", "idle", 5),
        (replace(IDLE, longest_idle_seconds=19.0, ripe_workers=0), "maintain", "idle_grace", 6),
        (replace(FULL, up_cooldown_left_seconds=0.5), "maintain", "cooldown", 6),
        (replace(FULL, down_cooldown_left_seconds=9.0), "scale_up", "queue_demand", 10),
        (replace(IDLE, down_cooldown_left_seconds=9.0), "maintain", "cooldown", 6),
        (replace(IDLE, up_cooldown_left_seconds=9.0), "scale_down", "idle", 4),
        (replace(FULL, max_workers=8.0), "scale_up", "queue_demand", 8),
        (replace(FULL, max_workers=6.0), "maintain", "max_bound", 6),
        (replace(IDLE, min_workers=6.0), "maintain", "min_bound", 6),
        (replace(BASE, min_workers=8.0), "scale_up", "below_min", 8),
        (replace(BASE, max_workers=5.0), "scale_down", "above_max", 5),
        (replace(FULL, max_workers=4.0), "scale_down", "above_max", 4),
        (replace(IDLE, max_workers=2.0, idle_workers=0.0, ripe_workers=0.0), "scale_down", "above_max", 4),
        (replace(BASE, max_workers=5.0, retirable_workers=0.0), "maintain", "busy_workers", 6),
        (replace(BASE, max_workers=2.0, arriving_workers=3.0, busy_workers=3, retirable_workers=3.0), "scale_down", "above_max", 5),
        (replace(BASE, max_workers=3.0, arriving_workers=3.0, busy_workers=3, retirable_workers=3.0), "maintain", "on_the_way", 6),
        (replace(IDLE, draining_workers=1.0), "scale_down", "idle", 5),
        (replace(IDLE, draining_workers=3.0), "maintain", "at_once", 6),
        (replace(BASE, max_workers=3.0, draining_workers=3.0), "maintain", "at_once", 6),
        (replace(FULL, budget=10.0, cost_rate=6.0, worker_price=1.5), "scale_up", "queue_demand", 8),
        (replace(FULL, budget=10.0, cost_rate=9.0, worker_price=1.5), "maintain", "budget", 6),
        (replace(FULL, budget=10.0), "maintain", "price_unknown", 6),
        (replace(FULL, budget=10.0, cost_rate=12.0, worker_price=0.0), "maintain", "budget", 6),
        (replace(FULL, day_budget=40.0, day_spent=39.0, day_left_seconds=600.0), "scale_up", "queue_demand", 10),
        (replace(FULL, day_budget=40.0, day_spent=40.0, day_left_seconds=600.0), "maintain", "budget_spent", 6),
        (replace(FULL, month_budget=40.0, month_spent=41.0, month_left_seconds=600.0), "maintain", "budget_spent", 6),
        (replace(FULL, month_budget=40.0, month_spent=math.nan, month_left_seconds=600.0), "maintain", "price_unknown", 6),
        (replace(IDLE, day_budget=40.0, day_spent=41.0, day_left_seconds=600.0), "scale_down", "idle", 4),
        (replace(IDLE, idle_workers=1.0, ripe_workers=5), "scale_down", "idle", 5),
        (replace(IDLE, silent_workers=2.0), "maintain", "silent_workers", 6),
        (replace(IDLE, silent_workers=1.0), "scale_down", "idle", 4),
        (replace(FULL, silent_workers=5.0), "scale_up", "queue_demand", 10),
        (replace(FULL, backoff_left_seconds=3.0, failed_launches=2), "maintain", "backoff", 6),
        (replace(IDLE, backoff_left_seconds=3.0, failed_launches=2), "scale_down", "idle", 4),
        (replace(FULL, launcher=0.0), "maintain", "no_launcher", 6),
        (replace(IDLE, launcher=0.0), "maintain", "no_launcher", 6),
    ],
)
def test_each_step_may_stop_it(seen: Conditions, action: str, code: str, target: int) -> None:
    """The named step, the size after it, and a sentence with the numbers; the flips change the action."""
    found = evaluate(QUEUE, Pipeline(), seen)
    assert (found.action, found.code, found.target) == (action, code, target), found.reason
    assert found.reason and [step.name for step in found.steps] == list(STEPS)
    assert [step.after for step in found.steps] == list(sizes(QUEUE, Pipeline(), seen))
    assert all(step.before == last.after for last, step in zip(found.steps[1:], found.steps[2:], strict=False))
    flips, blockers = find_flips(QUEUE, Pipeline(), seen)
    check_flips(QUEUE, Pipeline(), seen, flips)
    if action == "maintain":
        assert blockers and code in [blocker.code for blocker in blockers]
        assert all(blocker.flip_if and blocker.detail and blocker.inputs for blocker in blockers)
        assert {name for blocker in blockers for name in blocker.inputs} == {flip.input for flip in flips}


def test_a_step_is_no_larger_than_allowed() -> None:
    """Up and down apart."""
    pipeline = Pipeline(max_step_up=2, max_step_down=1)
    assert sizes(QUEUE, pipeline, FULL)[-1] == 8 and sizes(QUEUE, pipeline, IDLE)[-1] == 5


def test_the_backoff_doubles_up_to_its_maximum() -> None:
    """5, 10, 20, ... 300 s, and none without a failure."""
    pipeline = Pipeline()
    assert [pipeline.backoff_after(count) for count in (0, 1, 2, 3, 7, 100)] == [0, 5, 10, 20, 300, 300]


def test_several_blockers_each_hold_on_condition_of_the_others() -> None:
    """A full queue behind a cooldown, a maximum and a budget: three blockers, and only all of them together flip the action."""
    seen = replace(FULL, up_cooldown_left_seconds=3590.0, max_workers=6.0, budget=9.0, cost_rate=9.0, worker_price=1.5)
    flips, blockers = find_flips(QUEUE, Pipeline(), seen)
    assert [blocker.code for blocker in blockers] == ["cooldown", "max_bound", "budget"]
    assert [blocker.flip_if for blocker in blockers] == ["3590 s pass", "a maximum of 7", "a budget of 10.5 an hour"]
    check_flips(QUEUE, Pipeline(), seen, flips)
    for left_out in flips:
        assert action_of(QUEUE, Pipeline(), applied(seen, [flip for flip in flips if flip is not left_out])) == "maintain"


def test_a_spent_budget_says_what_was_spent_and_when_it_ends() -> None:
    """Both periods, and the hour's budget behind them: only all of them together flip the action."""
    seen = replace(
        FULL,
        day_budget=40.0,
        day_spent=40.25,
        day_left_seconds=11_400.0,
        month_budget=900.0,
        month_spent=901.5,
        month_left_seconds=700_000.0,
        budget=9.0,
        cost_rate=9.0,
        worker_price=1.5,
    )
    found = evaluate(QUEUE, Pipeline(), seen)
    assert found.reason == (
        "the policy wants 10 instead of 6: the budget of the day is 40, and 40.25 was spent: nothing is added until it ends, in 4 h; "
        "the budget of the month is 900, and 901.5 was spent: nothing is added until it ends, in 9 days"
    )
    flips, blockers = find_flips(QUEUE, Pipeline(), seen)
    check_flips(QUEUE, Pipeline(), seen, flips)
    assert [blocker.code for blocker in blockers] == ["budget_spent"]
    assert blockers[0].flip_if == "the day ends, in 4 h and the month ends, in 9 days and a budget of 10.5 an hour"
    listed = {one.name: one for one in seen.inputs(thresholds(QUEUE, Pipeline(), seen), {})}
    assert (listed["day_spent"].threshold, listed["day_spent"].margin) == (40.0, 0.25) and listed["month_left_seconds"].value == 700_000.0


def test_flapping_is_named() -> None:
    """Three turns in ten minutes are told in the reason, and counted against their threshold."""
    seen = replace(FULL, reversals=3.0)
    assert "Flapping: the direction turned 3 times in 10 minutes" in evaluate(QUEUE, Pipeline(), seen).reason
    (turns,) = [one for one in seen.inputs(thresholds(QUEUE, Pipeline(), seen), {}) if one.name == "reversals"]
    assert (turns.value, turns.threshold, turns.margin) == (3.0, 3.0, 0.0)


class _Broken(type(QUEUE)):  # type: ignore[misc]
    """Proposes what it is told."""

    answer: Any = None

    def desired(self, seen: Conditions) -> float:
        return float(self.answer)


@pytest.mark.parametrize("answer", [math.nan, math.inf, -1.0])
def test_a_proposal_that_is_no_size_is_refused(answer: float) -> None:
    """The scaler makes a policy_error of it."""
    policy = _Broken()
    object.__setattr__(policy, "answer", answer)
    with pytest.raises(InvalidValueError, match="0 or more workers"):
        sizes(policy, Pipeline(), BASE)


def test_conditions_come_back_from_the_inputs_of_a_decision() -> None:
    """What is not listed is neutral."""
    seen = replace(FULL, utilization=0.5, budget=10.0, cost_rate=3.0)
    back = Conditions.from_inputs(seen.inputs({}, {}))
    assert sizes(QUEUE, Pipeline(), back) == sizes(QUEUE, Pipeline(), seen) and str(back) == str(seen)


def applied(seen: Conditions, flips: Any) -> Conditions:
    for flip in flips:
        seen = seen.with_value(flip.input, flip.needed)
    return seen


def action_of(policy: Policy, pipeline: Pipeline, seen: Conditions) -> str:
    return evaluate(policy, pipeline, seen).action


def check_flips(policy: Policy, pipeline: Pipeline, seen: Conditions, flips: tuple[Flip, ...]) -> None:
    """All of them change the action; without any one of them, with most of a continuous one, or with one worker less it stays."""
    before = action_of(policy, pipeline, seen)
    assert flips, "nothing was found that would change it"
    assert action_of(policy, pipeline, applied(seen, flips)) != before
    for flip in flips:
        change = flip.needed - flip.value
        short = [flip.value]
        if flip.continuous:
            short += [flip.value + change * part for part in (0.5, 0.99)]
        elif flip.input not in CONTINUOUS and math.isfinite(change) and abs(change) > 1:
            short.append(flip.needed - math.copysign(1, change))
        for value in short:
            assert action_of(policy, pipeline, applied(seen, flips).with_value(flip.input, value)) == before, (flip, value)


counts = st.integers(0, 40).map(float)
ages = st.one_of(st.just(0.0), st.floats(0.01, 1000))


@st.composite
def conditions(draw: Any) -> Conditions:
    idle, busy, arriving = draw(counts), draw(counts), draw(counts)
    low = draw(counts)
    current = idle + busy + arriving
    return Conditions(
        ready=float(draw(st.integers(0, 9)) > 0),
        data_age_seconds=draw(ages),
        current_workers=current,
        arriving_workers=arriving,
        busy_workers=busy,
        retirable_workers=idle + min(busy, draw(counts)),
        draining_workers=draw(st.one_of(st.just(0.0), counts)),
        idle_workers=idle,
        longest_idle_seconds=draw(ages) if idle else 0.0,
        ripe_workers=min(idle, draw(counts)),
        queued_tasks=draw(counts),
        running_tasks=draw(counts),
        covered_workers=min(arriving, draw(counts)),
        needed_workers=draw(counts),
        able_workers=min(busy, draw(counts)),
        task_seconds=draw(st.one_of(st.just(math.nan), st.floats(0.1, 100))),
        utilization=draw(st.one_of(st.just(math.nan), st.floats(0, 1))),
        forecast_workers=draw(st.one_of(st.just(math.nan), st.floats(0, 100))),
        ordered_workers=draw(counts),
        hold_up_seconds=draw(ages),
        recent_low_workers=draw(st.one_of(st.just(math.inf), counts.map(lambda more: current + 1 + more))),
        hold_down_seconds=draw(ages),
        recent_high_workers=min(draw(counts), max(0.0, current - 1)),
        up_cooldown_left_seconds=draw(ages),
        down_cooldown_left_seconds=draw(ages),
        min_workers=low,
        max_workers=max(1.0, low + draw(counts)),
        cost_rate=draw(st.one_of(st.just(math.nan), st.floats(0, 100))),
        worker_price=draw(st.one_of(st.just(math.nan), st.floats(0, 10))),
        budget=draw(st.one_of(st.just(math.inf), st.floats(0.1, 100))),
        **{
            f"{period}_{name}": draw(values)
            for period in ("day", "month")
            for name, values in (
                ("spent", st.one_of(st.just(math.nan), st.floats(0, 100))),
                ("budget", st.one_of(st.just(math.inf), st.floats(0.1, 100))),
                ("left_seconds", ages),
            )
        },
        known_workers=idle + busy,
        silent_workers=min(idle + busy, draw(counts)),
        failed_launches=draw(counts),
        backoff_left_seconds=draw(ages),
        launcher=float(draw(st.integers(0, 5)) > 0),
    )


@settings(max_examples=500, derandomize=True)
@given(conditions(), st.sampled_from(policy_names()))
def test_flips_hold_whatever_the_conditions(seen: Conditions, name: str) -> None:
    """For any policy and any conditions: a joint set is found, it flips the action, no member of it is more than needed, and the reason why
    the pool stays is among the blockers."""
    policy = create_policy(name)
    flips, blockers = find_flips(policy, Pipeline(), seen)
    check_flips(policy, Pipeline(), seen, flips)
    found = evaluate(policy, Pipeline(), seen)
    assert found.action != "maintain" or found.code in [blocker.code for blocker in blockers]
    assert all(flip.input in CONTINUOUS or float(flip.needed).is_integer() or math.isnan(flip.value) for flip in flips)
    assert len({blocker.code for blocker in blockers}) == len(blockers)


@given(conditions(), st.sampled_from(policy_names()))
def test_targets_stay_within_bounds(seen: Conditions, name: str) -> None:
    """A change ends within the bounds, or moves towards them; a pool that is not ready or not heard of stays as it is."""
    found = evaluate(create_policy(name), Pipeline(), seen)
    if found.action == "maintain":
        assert found.target == seen.current_workers
        return
    assert seen.ready and seen.data_age_seconds <= 120 and seen.launcher
    assert (found.target > seen.current_workers) == (found.action == "scale_up")
    if found.action == "scale_up":
        assert found.target <= seen.max_workers and not seen.backoff_left_seconds
        if math.isfinite(seen.budget):
            assert seen.cost_rate + (found.target - seen.current_workers) * seen.worker_price <= seen.budget * (1 + 1e-6)
        for period in ("day", "month"):
            most, left = getattr(seen, f"{period}_budget"), getattr(seen, f"{period}_left_seconds")
            assert math.isinf(most) or not left or getattr(seen, f"{period}_spent") < most
    else:
        assert found.target >= min(seen.min_workers, seen.current_workers)
        assert seen.current_workers - found.target <= max(1, seen.current_workers // 3)
        assert seen.silent_workers <= 0.2 * seen.known_workers + 1e-6
