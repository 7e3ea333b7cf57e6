"""The policies: tables of cases, and what holds for all of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.errors import InvalidValueError
from drm.policies import create_policy, parse_policy, policy_kinds, policy_names, predictive, queue, target_tracking, utilization
from drm.policies.conditions import Conditions
from drm.policies.pipeline import Pipeline, evaluate

NAN = math.nan


@pytest.mark.parametrize(
    ("current", "busy", "covered", "needed", "able", "task_seconds", "size"),
    [
        (4, 1, 0, 0, 0, NAN, 1),
        (4, 0, 0, 0, 0, NAN, 0),
        (4, 4, 0, 0, 0, NAN, 4),
        (0, 0, 0, 5, 0, NAN, 5),
        (4, 4, 0, 3, 4, NAN, 7),  # nothing is known of durations: each needed worker comes
        (4, 2, 2, 0, 0, NAN, 4),  # what arrives is filled by what waits
        (4, 1, 1, 0, 0, 5.0, 2),
        (4, 4, 0, 3, 4, 20.0, 7),  # tasks longer than the target cannot be hurried
        (4, 4, 0, 20, 4, 1.0, 4),  # 20 worker-seconds, four workers have 38 of them
        (4, 4, 0, 60, 4, 1.0, 7),  # 60 worker-seconds, 38 are there, 22 are missing: three more
        (4, 4, 0, 60, 0, 1.0, 10),  # none of those that run is large enough
    ],
)
def test_queue_sizes(current: int, busy: int, covered: int, needed: int, able: int, task_seconds: float, size: int) -> None:
    """The smallest size that is done within ten seconds."""
    assert queue.desired_size(current, busy, covered, needed, able, task_seconds, 10.0) == size


@pytest.mark.parametrize(
    ("current", "arriving", "queued", "used", "size"),
    [
        (10, 0, 0, 0.9, 17),
        (10, 0, 0, 0.8, 10),
        (10, 0, 0, 0.3, 10),
        (10, 0, 0, 0.2, 4),
        (10, 0, 0, NAN, 10),
        (0, 0, 3, NAN, 1),
        (0, 0, 0, NAN, 0),
        (20, 10, 0, 0.9, 20),
        (1, 0, 0, 0.81, 2),
        (1, 0, 0, 0.1, 1),
        (1, 0, 0, 0.0, 0),
    ],
)
def test_utilization_sizes(current: int, arriving: int, queued: int, used: float, size: int) -> None:
    """Up above 80 %, down below 30 %, to the middle of the two; what arrives counts as there."""
    assert utilization.desired_size(current, arriving, queued, used, 0.8, 0.3) == size


@pytest.mark.parametrize(
    ("current", "arriving", "queued", "used", "size"),
    [(10, 0, 0, 0.6, 10), (10, 0, 0, 0.65, 10), (10, 0, 0, 0.9, 15), (10, 0, 0, 0.3, 5), (10, 5, 0, 0.9, 10), (0, 0, 1, NAN, 1)],
)
def test_target_tracking_sizes(current: int, arriving: int, queued: int, used: float, size: int) -> None:
    """workers x metric / target, but for the tolerance."""
    assert target_tracking.desired_size(current, arriving, queued, used, 0.6, 0.1) == size


@pytest.mark.parametrize(("now", "expected", "size"), [(3, 7.2, 8), (9, 7.2, 9), (3, NAN, 3)])
def test_predictive_sizes(now: float, expected: float, size: int) -> None:
    """The forecast, never below the queue."""
    assert predictive.desired_size(now, expected) == size


def test_manual_keeps_to_the_order() -> None:
    """Up to it, down to it."""
    policy = create_policy("manual", workers=3)
    assert [policy.desired(Conditions(current_workers=size, ordered_workers=3)) for size in (0, 3, 9)] == [3, 3, 3]


def test_one_call_sizes_many_parameter_sets_over_many_steps() -> None:
    """(k, 1) parameters over (t,) steps give (k, t), element by element as single calls would."""
    rng = np.random.default_rng(1)
    current, busy, covered, needed, able = rng.integers(0, 50, (5, 40))
    seconds, targets = rng.uniform(0.1, 60, 40), rng.uniform(1, 120, (7, 1))
    sizes = queue.desired_size(current, busy, covered, needed, able, seconds, targets)
    assert sizes.shape == (7, 40)
    for k, t in ((0, 0), (3, 17), (6, 39)):
        assert sizes[k, t] == queue.desired_size(current[t], busy[t], covered[t], needed[t], able[t], seconds[t], targets[k, 0])


counts = st.integers(0, 60)
parts = st.one_of(st.just(NAN), st.floats(0, 1.2))


@given(counts, counts, counts, counts, counts, st.one_of(st.just(NAN), st.floats(0.01, 1e4)), st.floats(0.1, 1e4), counts)
def test_the_queue_policy_is_monotone_in_demand(
    idle: int, busy: int, covered: int, needed: int, able: int, seconds: float, target: float, more: int
) -> None:
    """More demand never asks for fewer workers."""
    current, able = idle + busy + covered, min(able, busy)
    size = queue.desired_size(current, busy, covered, np.array([needed, needed + more]), able, seconds, target)
    assert size[0] <= size[1]


@given(counts, st.floats(0, 1.2), st.floats(0, 1.2))
def test_the_utilization_policies_are_monotone(current: int, one: float, other: float) -> None:
    """More utilization never asks for fewer workers."""
    used = np.sort([one, other])
    for sizes in (utilization.desired_size(current, 0, 0, used, 0.8, 0.3), target_tracking.desired_size(current, 0, 0, used, 0.6, 0.1)):
        assert sizes[0] <= sizes[1]


@pytest.mark.parametrize("load", [0.0, 0.4, 1.0, 3.3, 7.9, 30.0])
@pytest.mark.parametrize("name", ["utilization", "target_tracking"])
def test_constant_demand_makes_no_flapping(name: str, load: float) -> None:
    """From any size the pool comes to rest, and turns at most once."""
    policy = create_policy(name)
    for start in range(1, 40):
        size, turns, direction = float(start), 0, 0
        for _ in range(60):
            used = min(1.0, load / size) if size else NAN
            wanted = max(1.0, policy.desired(Conditions(current_workers=size, queued_tasks=math.ceil(load), utilization=used)))
            step = (wanted > size) - (wanted < size)
            turns += bool(step and direction and step != direction)
            direction = step or direction
            if step == 0:
                break
            size = wanted
        assert step == 0 and turns <= 1, (start, size)


def test_every_parameter_is_described() -> None:
    """Name, unit, range, default within it, and a sentence."""
    for name, kind in [*policy_kinds().items(), ("pipeline", Pipeline)]:
        for one in kind.described():
            assert one.unit and one.sentence and one.low <= one.default <= one.high, (name, one)
    assert policy_names() == ("queue", "utilization", "target_tracking", "predictive", "manual")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("greedy", "queue.*'greedy'"),
        ("queue,speed=3", "'speed' is no parameter.*target_seconds"),
        ("queue,target_seconds", "'target_seconds' is no parameter: write name=number"),
        ("queue,target_seconds=fast", "'target_seconds=fast'"),
        ("queue,target_seconds=0", "target_seconds.*0.1 to 86400.*0.0"),
        ("queue,target_seconds=nan", "target_seconds.*nan"),
        ("queue,idle_grace_seconds=-1", "idle_grace_seconds.*-1"),
        ("utilization,up=0.2", "down must be less than up"),
        ("target_tracking,target=2", "target must be a number of fraction from 0.01 to 1, got 2"),
        ("manual,workers=20000", "workers.*10000"),
    ],
)
def test_a_wrong_policy_is_refused_by_name(text: str, named: str) -> None:
    """The value, the rule, the remedy."""
    with pytest.raises(InvalidValueError, match=named):
        parse_policy(text)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf, True, "3"])
def test_the_pipelines_parameters_are_checked(seconds: Any) -> None:
    """By name, as those of policies."""
    with pytest.raises(InvalidValueError, match="up_cooldown_seconds"):
        Pipeline(up_cooldown_seconds=seconds)


def test_nan_in_an_input_decides_nothing() -> None:
    """A policy without the number that it needs leaves the pool as it is, and names the number."""
    found = evaluate(create_policy("utilization"), Pipeline(), Conditions(current_workers=3, busy_workers=3, max_workers=9))
    assert (found.action, found.code) == ("maintain", "missing_data") and "utilization is not known" in found.reason
