"""What would change a decision: the smallest joint change of conditions that flips its action, found and verified by the pipeline itself.

The steps that block are met one after the other: the condition that blocks first gets a value that is surely enough, then the next one,
until the action flips. Then each change is made as small as it can be while the others stand, by bisection over the same pure function. So
each member is needed on condition of the others, and all of them together flip the action.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from drm.decision import Blocker, Flip
from drm.policies.base import MANY, Lever, PolicyBase, plural
from drm.policies.conditions import CONTINUOUS, UNIT_OF, Conditions
from drm.policies.pipeline import (
    BACKOFF,
    BOUNDS,
    BUDGET,
    COOLDOWN,
    IDLE_GRACE,
    LAUNCHER,
    NO_NOTES,
    PROPOSAL,
    SAFETY,
    SILENT_SHARE,
    STABILIZATION,
    WARM_UP,
    Notes,
    Pipeline,
    evaluate,
    not_ready,
    seconds,
    sizes,
)
from drm.policies.spent_budget import span, used_up

MOST_CHANGES = 12
PRECISION = 1e-6
"""Of a change that is found by bisection, relative to it."""
LEAST = 1e-9
"""A relative change below this is as small as a number allows: the condition stands on its threshold."""


Found = tuple[tuple[Flip, ...], tuple[Blocker, ...]]


def find_flips(policy: PolicyBase, pipeline: Pipeline, seen: Conditions, notes: Notes = NO_NOTES) -> Found:
    """The joint set that flips the action, and the blockers that its members belong to, in the order of the steps; both empty where nothing
    does. A pool that stays is flipped towards its bounds where it is outside of them, else to what the policy wants, or to growing, or,
    where it cannot grow, to shrinking."""
    after = sizes(policy, pipeline, seen)
    if not_ready(policy, pipeline, seen) and not policy.missing(seen):
        # What it would want, were it asked.
        after = (*sizes(policy, pipeline, replace(seen, ready=1.0, data_age_seconds=0.0))[:-1], after[WARM_UP])
    current, asked = after[WARM_UP], _sign(after[-1] - after[WARM_UP])
    outside = _sign(min(max(current, seen.min_workers), seen.max_workers) - current)
    wanted = 0 if asked else outside or _sign(after[PROPOSAL] - current)
    for want in [wanted] if asked or wanted else [1, -1]:
        found = _search(policy, pipeline, seen, want, asked, notes)
        if found:
            return found
    return (), ()


def _search(policy: PolicyBase, pipeline: Pipeline, seen: Conditions, want: int, asked: int, notes: Notes) -> Found | None:
    def flipped(conditions: Conditions) -> bool:
        after = sizes(policy, pipeline, conditions)
        sign = _sign(after[-1] - after[WARM_UP])
        return sign == want if want else sign != asked

    changed, met = _change_until(flipped, policy, pipeline, seen, want, asked)
    if changed is None:
        return None
    for name in met:
        changed = _smallest(flipped, seen, changed, name)
    names = [name for name in met if not _equal(getattr(seen, name), getattr(changed, name))]
    flips = tuple(_flip(name, getattr(seen, name), getattr(changed, name)) for name in names)
    return flips, _blockers(policy, pipeline, seen, changed, met, {flip.input: flip for flip in flips}, notes)


def _change_until(
    flipped: Callable[[Conditions], bool], policy: PolicyBase, pipeline: Pipeline, seen: Conditions, want: int, asked: int
) -> tuple[Conditions | None, dict[str, int]]:
    """The conditions changed more than enough, and which step each changed one belongs to."""
    met: dict[str, int] = {}
    changed = seen
    for _ in range(MOST_CHANGES):
        if flipped(changed):
            return changed, met
        step = _first_against(policy, pipeline, changed, want)
        levers = _levers(step, policy, pipeline, changed, want, asked)
        lever = next((one for one in levers if one[0] not in met and not _equal(getattr(changed, one[0]), one[1])), None)
        if lever is None:
            return None, met
        changed = changed.with_value(*lever)
        met[lever[0]] = step
    return None, met


def _first_against(policy: PolicyBase, pipeline: Pipeline, seen: Conditions, want: int) -> int:
    """The first step after which the size never goes the wanted way; for wanting none, the first that brings what stands at the end."""
    after = sizes(policy, pipeline, seen)
    current = after[WARM_UP]
    if not_ready(policy, pipeline, seen):
        return WARM_UP
    if want == 0:
        final = _sign(after[-1] - current)
        start = len(after) - 1
        while start > PROPOSAL and _sign(after[start - 1] - current) == final:
            start -= 1
        return start
    signs = [_sign(size - current) for size in after]
    return next((step for step in range(PROPOSAL, len(after)) if want not in signs[step:]), LAUNCHER)


def _levers(step: int, policy: PolicyBase, pipeline: Pipeline, seen: Conditions, want: int, asked: int) -> tuple[Lever, ...]:
    """Which conditions a step gives way to, and values that are enough."""
    current = seen.current_workers
    up = (want or asked) > 0
    if step == WARM_UP:
        missing = policy.missing(seen)
        return (("ready", 1.0), ("data_age_seconds", 0.0), *([(missing, 1.0 if up else 0.0)] if missing else []))
    if want == 0:
        if step == BOUNDS:
            return (("min_workers", 0.0),) if asked > 0 else (("max_workers", MANY),)
        idle = (("longest_idle_seconds", 0.0),) if asked < 0 and policy.grace_seconds > 0 else ()
        return (*idle, *policy.levers(seen, -asked))
    if step == PROPOSAL:
        return policy.levers(seen, want)
    if step == STABILIZATION:
        return (
            (("hold_up_seconds", 0.0), ("recent_low_workers", MANY)) if up else (("hold_down_seconds", 0.0), ("recent_high_workers", 0.0))
        )
    if step == IDLE_GRACE:
        return (("idle_workers", max(1.0, seen.idle_workers)), ("longest_idle_seconds", policy.grace_seconds))
    if step == COOLDOWN:
        return (("up_cooldown_left_seconds" if up else "down_cooldown_left_seconds", 0.0),)
    if step == BOUNDS:
        return (("max_workers", MANY),) if up else (("min_workers", 0.0),)
    if step == BUDGET:
        unknown = tuple((name, 0.0) for name in ("cost_rate", "worker_price") if math.isnan(getattr(seen, name)))
        ended = tuple(
            (f"{period}_spent", 0.0) if math.isnan(getattr(seen, f"{period}_spent")) else (f"{period}_left_seconds", 0.0)
            for period in used_up(seen)
        )
        return ended or unknown or (("budget", max(seen.budget, seen.cost_rate + seen.worker_price) * (1 + 1e-6) + 1e-6),)
    if step == SAFETY:
        return (("silent_workers", 0.0), ("draining_workers", 0.0), ("idle_workers", max(1.0, current)))
    if step == BACKOFF:
        return (("backoff_left_seconds", 0.0),)
    return (("launcher", 1.0),) if step == LAUNCHER else ()


def _smallest(flipped: Callable[[Conditions], bool], seen: Conditions, changed: Conditions, name: str) -> Conditions:
    """The change of one condition made as small as it can be while the others stand."""
    short, enough = getattr(seen, name), getattr(changed, name)
    if math.isnan(short):
        return changed
    if flipped(changed.with_value(name, short)):
        return changed.with_value(name, short)
    if math.isinf(short):
        short = MANY if short > 0 else -MANY
    if name in CONTINUOUS:
        begin = short
        while abs(enough - short) > PRECISION * abs(enough - begin):
            middle = (short + enough) / 2
            if middle in (short, enough):
                break
            short, enough = (short, middle) if flipped(changed.with_value(name, middle)) else (middle, enough)
    else:
        short, enough = round(short), round(enough)
        while abs(enough - short) > 1:
            middle = (short + enough) // 2
            short, enough = (short, middle) if flipped(changed.with_value(name, float(middle))) else (middle, enough)
    return changed.with_value(name, float(enough))


def _blockers(
    policy: PolicyBase,
    pipeline: Pipeline,
    seen: Conditions,
    changed: Conditions,
    met: dict[str, int],
    flips: dict[str, Flip],
    notes: Notes,
) -> tuple[Blocker, ...]:
    """One blocker for each step that the joint set had to move, said with the conditions as they are when only that step is left."""
    found = []
    for step in dict.fromkeys(met.values()):
        own = [name for name in met if met[name] == step and name in flips]
        if not own:
            continue
        left = changed
        for name in own:
            left = left.with_value(name, getattr(seen, name))
        alone = evaluate(policy, pipeline, left, notes)
        if step == PROPOSAL:
            code, detail = policy.reason(left, _sign(alone.desired - alone.current))
        else:
            code, detail = next((limit.code, limit.detail) for limit in alone.limits if limit.detail == alone.steps[step].detail)
        found.append(Blocker(code, detail, " and ".join(flips[name].sentence for name in own), tuple(own)))
    return tuple(found)


def _flip(name: str, value: float, needed: float) -> Flip:
    on_threshold = abs(needed - value) <= LEAST * max(1.0, abs(value))
    continuous = name in CONTINUOUS and math.isfinite(value) and not on_threshold
    if on_threshold:
        words = f"{_words(name)} at all {'above' if needed > value else 'below'} {value:g} {UNIT_OF[name]}"
        return Flip(name, value, needed, UNIT_OF[name], continuous, words)
    return Flip(name, value, needed, UNIT_OF[name], continuous, _sentence(name, value, needed))


def _sentence(name: str, value: float, needed: float) -> str:
    """The change, as a person would say it."""
    change = needed - value
    match name:
        case "ready":
            return "the engine shows its workers"
        case "launcher":
            return "a launcher is given"
        case "data_age_seconds":
            return f"a worker is heard of; the newest data is {seconds(value)} old"
        case "up_cooldown_left_seconds" | "down_cooldown_left_seconds" | "backoff_left_seconds" | "hold_up_seconds" | "hold_down_seconds":
            return f"{seconds(-change)} pass"
        case "longest_idle_seconds":
            return f"{seconds(change)} more without work" if change > 0 else f"{seconds(-change)} less without work"
        case "max_workers":
            return f"a maximum of {needed:g}"
        case "min_workers":
            return f"a minimum of {needed:g}"
        case "ordered_workers":
            return f"an order of {plural(needed, 'worker')}"
        case "budget":
            return f"a budget of {needed:.6g} an hour"
        case "day_left_seconds" | "month_left_seconds":
            return f"the {name.partition('_')[0]} ends, in {span(value)}"
        case "cost_rate" | "worker_price" | "day_spent" | "month_spent":
            return "the price of the workers is set"
        case "utilization":
            return f"{needed * 100:.4g} % utilization" + ("" if math.isnan(value) else f" instead of {value * 100:.4g} %")
        case "silent_workers":
            return f"{plural(-change, 'silent worker')} heard of again ({SILENT_SHARE:.0%} may be silent)"
        case "needed_workers":
            return f"waiting tasks for {abs(change):g} {'more' if change > 0 else 'fewer'} {'worker' if abs(change) == 1 else 'workers'}"
    noun = {"workers": f"{_words(name)} worker", "tasks": f"{_words(name)} task", "seconds": "second"}.get(UNIT_OF[name], UNIT_OF[name])
    return f"{plural(round(abs(change), 3), noun)} {'more' if change > 0 else 'less' if UNIT_OF[name] == 'seconds' else 'fewer'}"


def _words(name: str) -> str:
    return name.removesuffix("_workers").removesuffix("_tasks").removesuffix("_seconds").replace("_", " ")


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def _equal(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
