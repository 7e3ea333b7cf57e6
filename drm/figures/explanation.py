"""One decision in words and bars: the sentence, the steps as a waterfall, the inputs against their thresholds, the blockers, the outcome.

Bars are percentages of their track, so that whoever draws them needs no arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from drm.decision import Input, ScalingDecision
from drm.figures.decision_marks import GLYPHS, WORDS
from drm.figures.units import amount, count, duration, money, number, plain

SENTENCE_LIMIT = 600
HEADROOM = 1.25
"""A bullet's track ends so far beyond the larger of value and threshold."""

COST_RATE = "Cost per hour"
"""The fact that is an amount of money."""


@dataclass(frozen=True, slots=True)
class StepText:
    """One step of the pipeline; `left`, `width`: its bar, 0 wide where it changed nothing."""

    name: str
    size: str
    detail: str
    direction: str
    """`up`, `down`, or empty."""
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class InputText:
    """One input; `bar` and `mark` (value and threshold) are None where there is nothing to compare."""

    name: str
    value: str
    threshold: str
    margin: str
    age: str
    first: str
    closest: str
    """first, closest: of a folded run whose last value is `value`; empty otherwise."""
    bar: float | None
    mark: float | None
    is_beyond: bool


def title(decision: ScalingDecision) -> str:
    """What it is, in a few words."""
    which = f"Decision {decision.id}" if decision.id else "The present tick"
    return f"{which}: {GLYPHS[decision.kind]} {WORDS[decision.kind].lower()}, {sizes(decision)}"


def sizes(decision: ScalingDecision) -> str:
    """From how many workers to how many."""
    if decision.target == decision.current:
        return count(decision.current, "worker")
    return f"{decision.current} → {decision.target} workers"


def sentence(decision: ScalingDecision) -> str:
    """Why, in one sentence, and how often that was so in a row."""
    text = plain(decision.reason, SENTENCE_LIMIT)
    text = f"{text[:1].upper()}{text[1:]}."
    if decision.fold:
        lasted = duration(decision.fold.last_at - decision.timestamp)
        if decision.evaluations is None:
            return f"{text} So it had been for {lasted}. The numbers are those of the first evaluation: later ones are not kept one by one."
        text += f" So it was at {count(decision.evaluations, 'evaluation')} in a row, for {lasted}."
    return text


def facts(decision: ScalingDecision) -> list[tuple[str, str]]:
    """(label, text) of what else there is to know."""
    found = [("Policy", f"{decision.policy}, version {decision.policy_version}; asked by {decision.actor}; reason {decision.code}")]
    found.append(
        ("Sizes", f"current {decision.current}, desired {decision.desired}, bounded {decision.bounded}, granted {decision.granted}")
    )
    if decision.worker_type:
        found.append(("Worker type", plain(decision.worker_type + (f", provider {decision.provider}" if decision.provider else ""))))
    if decision.resource_requirements:
        asked = [amount(name, value) for name, value in decision.resource_requirements.as_dict().items() if value]
        found.append(("Waiting tasks ask for", ", ".join(asked)))
    if decision.cost_rate_before is not None:
        after = "" if decision.cost_rate_after is None or not decision.count else f" before, {number(decision.cost_rate_after)} after"
        found.append((COST_RATE, f"{number(decision.cost_rate_before)}{after}"))
    if decision.selection:
        found.append(("Why these workers", plain(decision.selection, SENTENCE_LIMIT)))
    return found


def outcome(decision: ScalingDecision) -> list[tuple[str, str]]:
    """(label, text): what became of it, with its times; empty where nothing was to be done."""
    if not decision.count or decision.requested_at is None:
        return []
    words = {"pending": "under way", "done": "done", "partial": f"{decision.granted} of {decision.count} came", "failed": "failed"}
    found = [("Outcome", words[decision.outcome] + (f": {plain(decision.error, SENTENCE_LIMIT)}" if decision.error else ""))]
    ended = "Ready" if decision.action == "scale_up" else "Gone"
    for label, at in ((ended, decision.ready_at), ("First task", decision.first_task_at)):
        if at is not None:
            found.append((label, f"{duration(at - decision.requested_at)} after the request"))
    if decision.worker_ids:
        shown = ", ".join(plain(worker, 40) for worker in decision.worker_ids[:12])
        more = len(decision.worker_ids) - 12
        found.append(("Workers", shown + (f" and {more} more" if more > 0 else "")))
    return found


def steps(decision: ScalingDecision) -> list[StepText]:
    """The chain of steps from the top down, on one scale of sizes."""
    reached = [size for step in decision.steps for size in (step.before, step.after)] or [decision.current]
    low, high = min(reached), max(reached)
    span = max(1, high - low)

    def place(size: int) -> float:
        return 4 + 92 * (size - low) / span if high > low else 50.0

    return [
        StepText(
            name=step.name.capitalize(),
            size=str(step.after) if step.after == step.before else f"{step.before} → {step.after}",
            detail=plain(step.detail, SENTENCE_LIMIT),
            direction="" if step.after == step.before else "up" if step.after > step.before else "down",
            left=place(min(step.before, step.after)),
            width=place(max(step.before, step.after)) - place(min(step.before, step.after)),
        )
        for step in decision.steps
    ]


def inputs(decision: ScalingDecision) -> list[InputText]:
    """The inputs, those with a threshold first and of these the nearest to it; of a folded run the last ones, with first and closest."""
    fold = decision.fold
    last = fold.last_inputs if fold and fold.last_inputs else decision.inputs
    first, closest = (_by_name(decision.inputs), _by_name(fold.closest_inputs)) if fold else ({}, {})
    return [_input(one, first.get(one.name), closest.get(one.name)) for one in sorted(last, key=_nearness)]


def joint(decision: ScalingDecision) -> str:
    """What the blockers' conditions come to together."""
    if len(decision.flips) < 2:
        return ""
    return "Each holds on condition of the others; all of them together, verified by the same evaluation, would change the action."


def value_text(value: float, unit: str) -> str:
    """A condition's value as people read it."""
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "no limit"
    if unit == "seconds":
        return duration(value)
    if unit == "fraction":
        return f"{value * 100:.3g} %"
    if unit == "yes or no":
        return "yes" if value else "no"
    if unit == "money":
        return money(value, "")
    return number(value) if unit == "per hour" else f"{number(value)} {unit.removesuffix('s') if value == 1 else unit}"


def _input(one: Input, first: Input | None, closest: Input | None) -> InputText:
    comparable = one.threshold is not None and math.isfinite(one.value) and math.isfinite(one.threshold)
    track = HEADROOM * max(abs(one.value), abs(one.threshold or 0.0)) if comparable else 0.0
    margin = one.margin if one.margin is not None and math.isfinite(one.margin) else None
    return InputText(
        name=_name(one.name),
        value=value_text(one.value, one.unit),
        threshold="" if one.threshold is None else value_text(one.threshold, one.unit),
        margin="" if margin is None else ("+" if margin > 0 else "−" if margin < 0 else "") + value_text(abs(margin), one.unit),
        age=f"{duration(one.age_seconds)} old" if one.age_seconds >= 1 else "",
        first="" if first is None else value_text(first.value, first.unit),
        closest="" if closest is None else value_text(closest.value, closest.unit),
        bar=100 * abs(one.value) / track if track else None,
        mark=100 * abs(one.threshold or 0.0) / track if track else None,
        is_beyond=bool(margin is not None and margin > 0),
    )


def _name(condition: str) -> str:
    """The value beside it bears the unit."""
    return "task duration" if condition == "task_seconds" else condition.removesuffix("_seconds").replace("_", " ")


def _nearness(one: Input) -> tuple[bool, float]:
    if one.threshold is None or one.margin is None or not math.isfinite(one.margin):
        return True, 0.0
    return False, abs(one.margin) / (abs(one.threshold) or 1.0)


def _by_name(found: Sequence[Input]) -> dict[str, Input]:
    return {one.name: one for one in found}
