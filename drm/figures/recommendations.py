"""Recommendations in words: a line of texts for each, its evidence, formula, replay and risk as facts, and what could not be judged."""

from __future__ import annotations

import math
from dataclasses import dataclass

from drm.analysis.recommendation import HIGH_SAMPLES, HIGH_SECONDS, MEDIUM_SAMPLES, MEDIUM_SECONDS, Kind, Recommendation
from drm.analysis.recommendations import Advice
from drm.analysis.right_sizing import ENOUGH_SAMPLES, Study
from drm.figures.units import LABELS, UNKNOWN, amount, count, duration, money, number, percent, plain
from drm.model import RESOURCES

SHOWN = 50
SHOWN_SHORTAGES = 5
WORDS: dict[Kind, str] = {
    "request": "Request of tasks",
    "idle_worker": "Forgotten worker",
    "min_bound": "Minimum bound",
    "instance_type": "Instance type",
    "market": "On demand or spot",
}
NOTHING_YET = "Nothing can be said before the first tick."
RULES = (
    "Savings are for a month of 730 hours, each of its change alone, all else as it was: they do not add up. Confidence is high from "
    f"{HIGH_SAMPLES} samples over {duration(HIGH_SECONDS)} on, medium from {MEDIUM_SAMPLES} over {duration(MEDIUM_SECONDS)}. A replay "
    "follows the recorded demand at once; it knows of no cooldown and no other tasks."
)


@dataclass(frozen=True, slots=True)
class Line:
    """A recommendation as the page shows it."""

    key: str
    """The same for as long as it is about the same."""
    guards: bool
    what: str
    subject: str
    change: str
    saving: str
    confidence: str
    risk: str
    facts: tuple[tuple[str, str], ...]
    """(name, text) of its detail."""


def lines(advice: Advice) -> list[Line]:
    """Those that are shown, in their order."""
    return [_line(one) for one in advice.recommendations[:SHOWN]]


def words(advice: Advice, *, simulated: bool) -> str:
    """How many there are and what the largest saves, and what is missing to judge the rest."""
    if advice.study is None:
        return NOTHING_YET
    found = advice.recommendations
    if found:
        told = [count(len(found), "recommendation") + (f"; the first {SHOWN} are shown" if len(found) > SHOWN else "")]
        most = max(found, key=lambda one: (not math.isnan(one.saving), one.size))
        if most.size > 0:
            told[0] += f"; the largest saves {saving_text(most)} a month: {plain(most.change[:1].lower() + most.change[1:], 160)}"
    elif advice.study.judged:
        told = [f"Nothing to change: {count(advice.study.judged, 'request')} of tasks fit what they use, and no worker is forgotten"]
    else:
        told = ["Nothing to change that is known of"]
    text = ". ".join([*told, *_shortages(advice.study)]) + "."
    return f"SIMULATED, prices included: {text}" if simulated else text


def saving_text(one: Recommendation) -> str:
    """Money, or worker-hours where prices are not known."""
    if math.isnan(one.saving):
        return UNKNOWN if math.isnan(one.saving_hours) else f"{number(one.saving_hours)} worker-hours"
    return money(one.saving, one.currency) if one.saving >= 0 else f"costs {money(-one.saving, one.currency)}"


def _shortages(study: Study) -> list[str]:
    if not study.shortages:
        return (
            []
            if study.judged
            else [f"A request is judged from {ENOUGH_SAMPLES} measured runs of its tasks on, and none has ended in this range"]
        )
    listed = [f"{plain(one.subject, 32)}: {LABELS[one.resource]}, {one.missing} more" for one in study.shortages[:SHOWN_SHORTAGES]]
    rest = len(study.shortages) - len(listed)
    listed += [f"and {count(rest, 'other request')}"] if rest else []
    return [f"A request is judged from {ENOUGH_SAMPLES} measured runs on. Still missing: {'; '.join(listed)}"]


def _line(one: Recommendation) -> Line:
    return Line(
        key=f"{one.kind} {one.subject} {dict(one.now) if one.kind == 'request' else ''}",
        guards=one.guards,
        what=WORDS[one.kind],
        subject=plain(one.subject, 64),
        change=plain(one.change, 300),
        saving=saving_text(one),
        confidence=one.confidence,
        risk=_short_risk(one),
        facts=tuple((name, text) for name, text in _facts(one) if text),
    )


def _short_risk(one: Recommendation) -> str:
    share = one.risk_share
    if one.guards:
        return "tasks that fail or wait now"
    if one.kind == "idle_worker":
        return "no task would wait"
    if one.kind == "min_bound":
        return f"work waits for a boot {number(one.basis.numbers['rises_a_day'])} times a day"
    if math.isnan(share):
        return UNKNOWN
    told = {
        "request": f"{_small(share)} of runs used more",
        "instance_type": "speed there is not known",
        "market": f"{number(share)} interruptions an hour",
    }
    return told[one.kind]


def _small(share: float) -> str:
    return "none" if share == 0 else f"{share * 100:.1f} %"


def _facts(one: Recommendation) -> list[tuple[str, str]]:
    basis = one.basis
    samples = f"{count(basis.samples, 'measured run' if one.kind == 'request' else 'recorded bucket')} in {duration(basis.span_seconds)}"
    numbers = "; ".join(f"{name.replace('_', ' ')} {_value(name, value)}" for name, value in basis.numbers.items())
    freed = "" if one.kind != "request" else f"{_money(one.freed, one)} a month, whether or not the pool gets smaller"
    return [
        ("Evidence", f"{samples}: {numbers}" if numbers else samples),
        ("How it is reckoned", one.formula),
        ("Freed capacity is worth", freed),
        ("Replay", _replay(one)),
        ("Risk", one.risk),
    ]


def _value(name: str, value: float) -> str:
    resource = next((one for one in sorted(RESOURCES, key=len, reverse=True) if name.endswith(f"_{one}")), None)
    if resource and math.isfinite(value):
        return f"{'-' if value < 0 else ''}{amount(resource, abs(value))}"
    return percent(value) if name in ("part_that_goes", "at_minimum", "counted") else number(value)


def _money(value: float, one: Recommendation) -> str:
    return f"-{money(-value, one.currency)}" if value < 0 else money(value, one.currency)


def _replay(one: Recommendation) -> str:
    run = one.replay
    if run is None:
        return "not replayed: no type of the pool holds all recorded tasks, no demand was recorded, or these are among its smallest"
    told = f"{number(run.hours_before)} worker-hours in {duration(run.until - run.since)} become {number(run.hours_after)}"
    if not math.isnan(run.cost_after):
        told += f", {money(run.cost_before, one.currency)} become {money(run.cost_after, one.currency)}"
    if not math.isnan(run.waits_after):
        before = "" if math.isnan(run.waits_before) else f" ({percent(run.waits_before)} before)"
        told += f"; work then waits for a worker {percent(run.waits_after)} of the time{before}"
    return f"{told} ({count(run.moments, 'moment')})"
