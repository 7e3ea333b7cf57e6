"""What stands between a policy's wish and the pool: named steps in a fixed order, each of which may change the size.

warm-up -> proposal -> stabilization -> idle grace -> cooldown -> step limit -> bounds -> budget -> safety -> backoff -> launcher.
`sizes` is the whole of it, a pure function of the conditions; `evaluate` puts it into words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from drm.budget import PERIODS
from drm.decision import Action, Blocker, Step
from drm.errors import InvalidValueError
from drm.policies.base import PolicyBase, plural
from drm.policies.conditions import Conditions
from drm.policies.parameters import ParameterSet, parameter
from drm.policies.spent_budget import spent_text, used_up

STEPS = (
    "warm-up",
    "proposal",
    "stabilization",
    "idle grace",
    "cooldown",
    "step limit",
    "bounds",
    "budget",
    "safety",
    "backoff",
    "launcher",
)
WARM_UP, PROPOSAL, STABILIZATION, IDLE_GRACE, COOLDOWN, STEP_LIMIT, BOUNDS, BUDGET, SAFETY, BACKOFF, LAUNCHER = range(len(STEPS))

SILENT_SHARE = 0.2
"""While a larger part of the fleet is silent, nothing is retired: what is not heard of may be working."""
AT_ONCE_SHARE = 1 / 3
"""No more of the fleet is on its way out at once, but always one may be."""
FLAPPING_REVERSALS = 3
"""So many turns of direction within `FLAPPING_SECONDS` are flapping."""
FLAPPING_SECONDS = 600.0

EPSILON = 1e-9

Notes = Mapping[str, str]
NO_NOTES: Notes = MappingProxyType({})


@dataclass(frozen=True)
class Pipeline(ParameterSet):
    """The limits that hold whatever the policy says."""

    up_cooldown_seconds: float = parameter(3.0, "seconds", 0, 86400, "from one scale-up to the next")
    down_cooldown_seconds: float = parameter(15.0, "seconds", 0, 86400, "from the last change of size, up or down, to a scale-down")
    max_step_up: float = parameter(10_000, "workers", 1, 10_000, "a scale-up adds no more than this at once")
    max_step_down: float = parameter(10_000, "workers", 1, 10_000, "a scale-down takes no more than this at once")
    stale_after_seconds: float = parameter(120.0, "seconds", 1, 86400, "nothing is decided on data that is older")
    silent_after_seconds: float = parameter(45.0, "seconds", 1, 86400, "a worker that was not heard of for longer counts as silent")
    backoff_seconds: float = parameter(5.0, "seconds", 0.1, 3600, "from a failed launch to the next try; it doubles with each failure")
    max_backoff_seconds: float = parameter(300.0, "seconds", 0.1, 86400, "the longest time between two tries")

    def backoff_after(self, failed_launches: int) -> float:
        """Seconds to wait after so many failed launches in a row."""
        return min(self.max_backoff_seconds, self.backoff_seconds * 2.0 ** min(30, failed_launches - 1)) if failed_launches else 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one run through the pipeline came to. Sizes count workers."""

    action: Action
    code: str
    reason: str
    current: int
    desired: int
    bounded: int
    target: int
    steps: tuple[Step, ...]
    limits: tuple[Blocker, ...]
    """The steps that changed the size on its way, without what would change that."""

    @property
    def is_repair(self) -> bool:
        """Whether the bounds, not the policy, asked for it."""
        return self.code in ("below_min", "above_max")


def sizes(policy: PolicyBase, pipeline: Pipeline, seen: Conditions) -> tuple[int, ...]:
    """The size after each of `STEPS`. Raises what the policy raises, and InvalidValueError where it proposes what is no size."""
    current = int(seen.current_workers)
    if not_ready(policy, pipeline, seen):
        return (current,) * len(STEPS)
    desired = _whole(policy.desired(seen))
    stable = _stabilized(seen, desired, current)
    ripe = stable
    if stable < current and policy.grace_seconds > 0:
        ripe = max(stable, current - _removable(seen, policy.grace_seconds))
    cool = ripe
    if (ripe > current and seen.up_cooldown_left_seconds > 0) or (ripe < current and seen.down_cooldown_left_seconds > 0):
        cool = current
    stepped = int(min(max(cool, current - pipeline.max_step_down), current + pipeline.max_step_up))
    bounded = int(min(max(stepped, seen.min_workers), seen.max_workers))
    paid = _affordable(seen, bounded, current)
    safe = _safe(seen, paid, current)
    tried = current if safe > current and seen.backoff_left_seconds > 0 else safe
    asked = tried if seen.launcher else current
    return current, desired, stable, ripe, cool, stepped, bounded, paid, safe, tried, asked


def not_ready(policy: PolicyBase, pipeline: Pipeline, seen: Conditions) -> str:
    """The code of why nothing can be decided yet; empty where it can."""
    if not seen.ready:
        return "warm_up"
    if seen.data_age_seconds > pipeline.stale_after_seconds:
        return "stale_data"
    return "missing_data" if policy.missing(seen) else ""


def evaluate(policy: PolicyBase, pipeline: Pipeline, seen: Conditions, notes: Notes = NO_NOTES) -> Evaluation:
    """One run through the steps, in words with its numbers; pure. Raises as `sizes`. `notes`: what else to say of a limit, by its code."""
    after = sizes(policy, pipeline, seen)
    current, desired, target = int(seen.current_workers), after[PROPOSAL], after[-1]
    steps, limits = [], []
    unready = not_ready(policy, pipeline, seen)
    for index, name in enumerate(STEPS):
        before = current if index in (WARM_UP, PROPOSAL) else after[index - 1]
        detail = ""
        if index == WARM_UP and unready:
            detail = _unready(unready, policy, pipeline, seen)
            limits.append(Blocker(unready, detail, ""))
        elif index == PROPOSAL and not unready:
            detail = policy.proposal(seen, desired)
        elif index > PROPOSAL and before != after[index]:
            code, detail = _limit(index, before, after[index], pipeline, seen)
            detail += notes.get(code, "")
            limits.append(Blocker(code, detail, ""))
        steps.append(Step(name, before, after[index], detail))
    action: Action = "scale_up" if target > current else "scale_down" if target < current else "maintain"
    code, reason = _conclusion(action, policy, seen, after, limits, unready)
    return Evaluation(
        action=action,
        code=code,
        reason=reason + _flapping(seen),
        current=current,
        desired=desired,
        bounded=int(min(max(desired, seen.min_workers), seen.max_workers)),
        target=target,
        steps=tuple(steps),
        limits=tuple(limits),
    )


def thresholds(policy: PolicyBase, pipeline: Pipeline, seen: Conditions) -> Mapping[str, float]:
    """The value of a condition beyond which the outcome would be another, for those where that is one number."""
    found = dict(policy.thresholds(seen))
    if seen.data_age_seconds:
        found["data_age_seconds"] = pipeline.stale_after_seconds
    if policy.grace_seconds > 0 and seen.idle_workers:
        found["longest_idle_seconds"] = policy.grace_seconds
    for name in ("up_cooldown_left_seconds", "down_cooldown_left_seconds", "hold_up_seconds", "hold_down_seconds", "backoff_left_seconds"):
        if getattr(seen, name) > 0:
            found[name] = 0.0
    if math.isfinite(seen.budget):
        found["cost_rate"] = seen.budget
    for period in PERIODS:
        if math.isfinite(most := getattr(seen, f"{period}_budget")):
            found[f"{period}_spent"] = most
    if seen.silent_workers:
        found["silent_workers"] = SILENT_SHARE * seen.known_workers
    if seen.reversals:
        found["reversals"] = FLAPPING_REVERSALS
    return found


def _whole(desired: float) -> int:
    if not math.isfinite(desired) or desired < 0:
        raise InvalidValueError(f"a policy must propose a size of 0 or more workers, got {desired!r}")
    return int(desired)


def _stabilized(seen: Conditions, desired: int, current: int) -> int:
    if desired > current:
        return current if seen.hold_up_seconds > 0 else int(min(desired, seen.recent_low_workers))
    if desired < current:
        return current if seen.hold_down_seconds > 0 else int(max(desired, seen.recent_high_workers))
    return desired


def _removable(seen: Conditions, grace_seconds: float) -> int:
    """Workers that have been idle for long enough."""
    if not seen.idle_workers or seen.longest_idle_seconds < grace_seconds:
        return 0
    return int(max(1.0, min(seen.ripe_workers, seen.idle_workers)))


def _affordable(seen: Conditions, size: int, current: int) -> int:
    if size > current and used_up(seen):
        return current
    if size <= current or math.isinf(seen.budget):
        return size
    room = seen.budget - seen.cost_rate
    if math.isnan(room) or math.isnan(seen.worker_price):
        return current
    if seen.worker_price <= 0:
        return size if room >= 0 else current
    return current + math.floor(max(0.0, min(size - current, room / seen.worker_price + EPSILON)))


def _safe(seen: Conditions, size: int, current: int) -> int:
    if size >= current:
        return size
    if seen.silent_workers > SILENT_SHARE * seen.known_workers + EPSILON:
        return current
    return max(size, current - min(_at_once(seen), _dispensable(seen)))


def _at_once(seen: Conditions) -> int:
    """How many may begin to leave now: those that are still leaving count."""
    fleet = seen.current_workers + seen.draining_workers
    return max(0, max(1, math.floor(fleet * AT_ONCE_SHARE + EPSILON)) - int(seen.draining_workers))


def _dispensable(seen: Conditions) -> int:
    """Idle workers. Of a pool above its maximum busy ones as well, which finish what runs on them; but no more than the surplus beyond the
    workers on their way, which can go as soon as they have come."""
    over = seen.current_workers - seen.max_workers - seen.arriving_workers
    return int(max(seen.idle_workers, min(seen.retirable_workers, over)))


def _unready(code: str, policy: PolicyBase, pipeline: Pipeline, seen: Conditions) -> str:
    if code == "warm_up":
        return "the engine is starting and has not shown its workers yet"
    if code == "stale_data":
        limit = pipeline.stale_after_seconds
        return f"nothing was heard of any worker for {seen.data_age_seconds:.0f} s; nothing is decided on data older than {limit:g} s"
    return f"{policy.missing(seen)} is not known: no worker was measured"


def _limit(index: int, before: int, after: int, pipeline: Pipeline, seen: Conditions) -> tuple[str, str]:
    """The code of a step that changed the size, and what it did."""
    up = before > seen.current_workers
    surplus = int(seen.current_workers) - before
    if index == STABILIZATION:
        if after == seen.current_workers:
            left = seen.hold_up_seconds if up else seen.hold_down_seconds
            return "stabilization", f"a proposal {'as low' if up else 'as high'} as the current size counts for {seconds(left)} more"
        return "stabilization", f"the window's {'lowest' if up else 'highest'} proposal is {after}"
    if index == IDLE_GRACE:
        idle = int(seen.current_workers) - after
        return "idle_grace", f"{surplus} too many, {idle} of them idle for long enough"
    if index == COOLDOWN:
        left = seen.up_cooldown_left_seconds if up else seen.down_cooldown_left_seconds
        return "cooldown", f"{seconds(left)} of cooldown left before it goes to {min(max(before, seen.min_workers), seen.max_workers):g}"
    if index == STEP_LIMIT:
        most = pipeline.max_step_up if up else pipeline.max_step_down
        return "step_limit", f"one step is {most:g} workers at most"
    if index == BOUNDS:
        if after < before:
            return "max_bound", f"the maximum is {seen.max_workers:g}"
        return "min_bound", f"the minimum is {seen.min_workers:g}"
    if index == BUDGET:
        if periods := used_up(seen):
            known = all(math.isfinite(getattr(seen, f"{period}_spent")) for period in periods)
            return "budget_spent" if known else "price_unknown", "; ".join(spent_text(period, seen) for period in periods)
        if math.isnan(seen.cost_rate) or math.isnan(seen.worker_price):
            return "price_unknown", f"the budget is {seen.budget:g} an hour, and what the workers cost is not known: set their price"
        more = f"one more worker {seen.worker_price:g}"
        return "budget", f"the budget is {seen.budget:g} an hour; the pool costs {seen.cost_rate:.4g}, {more}"
    if index == SAFETY:
        if seen.silent_workers > SILENT_SHARE * seen.known_workers + EPSILON:
            share = seen.silent_workers / seen.known_workers
            silent = f"{seen.silent_workers:g} of {plural(seen.known_workers, 'worker')} are silent ({share:.0%})"
            return "silent_workers", f"{silent}; nothing is retired above {SILENT_SHARE:.0%}"
        going = int(seen.current_workers) - after
        if _dispensable(seen) < surplus and going == _dispensable(seen):
            if seen.arriving_workers:
                return (
                    "on_the_way",
                    f"{surplus} too many, {going} of them can go; the {seen.arriving_workers:g} on the way once they have come",
                )
            return "busy_workers", f"{surplus} too many, and nothing runs on {seen.idle_workers:g} of them"
        leaving = f" while {seen.draining_workers:g} still leave" if seen.draining_workers else ""
        return "at_once", f"{surplus} too many, {going} of which may go at once{leaving}"
    if index == BACKOFF:
        failed = plural(seen.failed_launches, "launch" if seen.failed_launches == 1 else "launche")
        return "backoff", f"{failed} failed in a row: the next try is in {seconds(seen.backoff_left_seconds)}"
    return "no_launcher", f"{before} workers are recommended"


def _conclusion(
    action: Action, policy: PolicyBase, seen: Conditions, after: tuple[int, ...], limits: list[Blocker], unready: str
) -> tuple[str, str]:
    """The reason code, and the sentence with its numbers."""
    current, desired, target = int(seen.current_workers), after[PROPOSAL], after[-1]
    if unready:
        return unready, limits[0].detail
    if action == "maintain":
        if not limits:
            return policy.reason(seen, 0)
        # The last limit is the one that brought the size back to what it is.
        code, detail = limits[-1].code, limits[-1].detail
        if after[STEP_LIMIT] == current and after[BOUNDS] != current:
            return code, f"the bounds ask for {after[BOUNDS]} instead of {current}: {detail}"
        return code, f"the policy wants {desired} instead of {current}: {detail}"
    if action == "scale_up" and after[STEP_LIMIT] <= current:
        return "below_min", f"{plural(current, 'worker')} {'is' if current == 1 else 'are'} fewer than the minimum of {seen.min_workers:g}"
    if action == "scale_down" and (after[STEP_LIMIT] >= current or current - target > seen.idle_workers):
        return "above_max", f"{plural(current, 'worker')} {'is' if current == 1 else 'are'} more than the maximum of {seen.max_workers:g}"
    code, reason = policy.reason(seen, 1 if action == "scale_up" else -1)
    limited = "; ".join(limit.detail for limit in limits)
    return code, f"{reason}; {desired} would be wanted, but {limited}" if target != desired and limited else reason


def _flapping(seen: Conditions) -> str:
    if seen.reversals < FLAPPING_REVERSALS:
        return ""
    return f". Flapping: the direction turned {seen.reversals:g} times in {FLAPPING_SECONDS / 60:g} minutes"


def seconds(amount: float) -> str:
    """Whole seconds, rounded up, so that none is left once they have passed."""
    return f"{math.ceil(amount - EPSILON)} s"
