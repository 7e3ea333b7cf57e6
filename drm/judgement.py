"""One evaluation of a policy, from what was read of the pool to the decision: pure, and without any lock, however long the policy takes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from drm.decision import Band, Blocker, Flip, ScalingDecision, Step
from drm.demand import Demand
from drm.model import Resources
from drm.policies import Policy
from drm.policies.conditions import Conditions
from drm.policies.flips import find_flips
from drm.policies.pipeline import Evaluation, Pipeline, evaluate, thresholds

logger = logging.getLogger(__name__)

MEASURED = ("utilization", "longest_idle_seconds", "idle_workers", "busy_workers")
"""Conditions that are as old as the newest data of the pool."""
SLOW_SECONDS = 2.0
"""What would change a decision is found by asking the policy dozens of times, in milliseconds; after so long nothing more is asked."""
TOO_SLOW = Blocker("slow_policy", f"the policy takes longer than {SLOW_SECONDS:g} s: what would change its answer was not searched", "")


@dataclass(frozen=True, slots=True)
class Question:
    """What an evaluation rests on, as it was read of the pool at one moment."""

    now: float
    policy: Policy
    pipeline: Pipeline
    seen: Conditions
    utilization: Mapping[str, float]
    demand: Demand
    notes: Mapping[str, str]
    """What numbers cannot say of a limit."""
    further: tuple[Blocker, ...]
    """What else keeps work from being done."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the policy and the limits came to."""

    question: Question
    decision: ScalingDecision
    """Its id is 0: nobody has kept it yet."""
    bands: tuple[Band, ...]
    failed: Exception | None
    """What the policy raised."""
    seconds: float
    """How long it took."""


class _OutOfTimeError(Exception):
    """The policy has been asked for too long."""


class _Timed:
    """A policy that is not asked any more after a moment."""

    def __init__(self, policy: Policy, until: float, clock: Callable[[], float]) -> None:
        self._policy, self._until, self._clock = policy, until, clock

    def desired(self, seen: Conditions) -> float:
        """The policy's own answer, as long as there is time."""
        if self._clock() > self._until:
            raise _OutOfTimeError
        return self._policy.desired(seen)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._policy, name)


def judge(question: Question, clock: Callable[[], float] = time.perf_counter) -> Judgement:
    """Asks the policy. Whatever it raises, the pool stays as it is, and the decision says so: a policy is a plug-in."""
    began = clock()
    policy, pipeline, seen, notes = question.policy, question.pipeline, question.seen, question.notes
    flips: tuple[Flip, ...] = ()
    bands: tuple[Band, ...] = ()
    limits: Mapping[str, float] = {}
    failed: Exception | None = None
    try:
        bands = policy.bands(seen)
        found = evaluate(policy, pipeline, seen, notes)
        limits = thresholds(policy, pipeline, seen)
        flips, blockers = _flips(_Timed(policy, began + SLOW_SECONDS, clock), pipeline, seen, notes, found)
    except Exception as error:
        failed = error
        found, limits, blockers = policy_error(error, seen), {}, ()
    decision = describe(question, found, limits, flips, (*blockers, *question.further))
    return Judgement(question, decision, bands, failed, clock() - began)


def _flips(
    policy: _Timed, pipeline: Pipeline, seen: Conditions, notes: Mapping[str, str], found: Evaluation
) -> tuple[tuple[Flip, ...], tuple[Blocker, ...]]:
    try:
        flips, blockers = find_flips(cast(Policy, policy), pipeline, seen, notes)
    except _OutOfTimeError:
        return (), (*found.limits, TOO_SLOW)
    return flips, blockers if found.action == "maintain" else found.limits


def describe(
    question: Question, found: Evaluation, limits: Mapping[str, float], flips: tuple[Flip, ...] = (), blockers: tuple[Blocker, ...] = ()
) -> ScalingDecision:
    """The decision with all that it rests on; its id is 0."""
    seen, demand, policy = question.seen, question.demand, question.policy
    change = found.target - found.current
    chosen = demand.worker_type if change > 0 else None
    return ScalingDecision(
        id=0,
        timestamp=question.now,
        pool="default",
        actor="repair" if found.is_repair else "policy",
        policy=policy.name,
        policy_version=policy.version,
        parameters={**policy.parameters, **question.pipeline.parameters},
        action=found.action,
        code=found.code,
        reason=found.reason,
        current=found.current,
        desired=found.desired,
        bounded=found.bounded,
        count=abs(change),
        utilization=question.utilization,
        inputs=seen.inputs(limits, dict.fromkeys(MEASURED, seen.data_age_seconds)),
        steps=found.steps,
        blockers=blockers,
        flips=flips,
        cooldown_left_seconds=seen.up_cooldown_left_seconds if found.desired > found.current else seen.down_cooldown_left_seconds,
        worker_type=chosen.name if chosen else None,
        resource_requirements=Resources.of(demand.counts @ demand.requests),
        provider=chosen.provider if chosen else None,
        outcome="pending" if change else "done",
        requested_at=question.now if change else None,
        cost_rate_before=None if math.isnan(seen.cost_rate) else seen.cost_rate,
        cost_rate_after=_cost_after(seen, change),
    )


def _cost_after(seen: Conditions, change: int) -> float | None:
    """What the pool costs after the change per hour, where the prices are known."""
    after = seen.cost_rate + (change * seen.worker_price if change > 0 else 0.0)
    return None if math.isnan(after) else after


def policy_error(error: Exception, seen: Conditions) -> Evaluation:
    """The pool stays as it is, and why."""
    current = int(seen.current_workers)
    reason = f"the policy failed, and the pool stays as it is: {type(error).__name__}: {' '.join(str(error).split())}"
    step = Step("proposal", current, current, reason)
    return Evaluation("maintain", "policy_error", reason[:500], current, current, current, current, (step,), ())
