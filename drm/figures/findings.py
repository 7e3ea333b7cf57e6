"""Findings in words: one row of texts for each, and what could not be judged yet."""

from __future__ import annotations

import math

from drm.analysis.right_sizing import ENOUGH_SAMPLES, Cause, Finding, Study
from drm.figures.units import LABELS, amount, count, duration, number, plain
from drm.model import UNITS

SHOWN = 50
SHOWN_SHORTAGES = 5

WORDS: dict[Cause, str] = {
    "out_of_memory": "Ended by memory",
    "memory_near_request": "Memory is near its request",
    "cpu_held_down": "Held down by its CPU",
    "above_request": "Uses more than it asks for",
    "below_request": "Asks for more than it uses",
    "nothing_allocated": "Idle worker",
}


def rows(study: Study) -> list[tuple[str, list[str]]]:
    """(kind, texts): finding, task or worker, resource, asked for, used (p50, p95, max), evidence, suggested, would free."""
    return [(finding.kind, _idle(finding) if finding.kind == "idle" else _row(finding)) for finding in study.findings[:SHOWN]]


def words(study: Study) -> str:
    """How many findings there are, and what is missing to judge the rest."""
    found, judged = len(study.findings) + study.further_idle, count(study.judged, "request")
    if found:
        order = ", gravest first" if found > 1 else ""
        told = [f"{count(found, 'finding')}{order}" + (f"; the first {SHOWN} are shown" if found > SHOWN else "")]
    elif study.judged:
        told = [f"Nothing to change: {judged} of tasks fit what they use, and no worker stands idle"]
    else:
        told = ["Nothing can be judged yet"]
    if study.shortages:
        listed = [f"{plain(one.subject, 32)}: {LABELS[one.resource]}, {one.missing} more" for one in study.shortages[:SHOWN_SHORTAGES]]
        rest = len(study.shortages) - len(listed)
        listed += [f"and {count(rest, 'other request')}"] if rest else []
        told.append(f"A request is judged from {ENOUGH_SAMPLES} measured runs on. Still missing: {'; '.join(listed)}")
    elif not study.judged:
        told.append(f"A request is judged from {ENOUGH_SAMPLES} measured runs of its tasks on, and none has ended in this range")
    return ". ".join(told) + "."


def _row(finding: Finding) -> list[str]:
    resource, evidence = finding.resource, finding.evidence
    times = f" ({count(evidence.out_of_memory, 'time')})" if evidence.out_of_memory else ""
    used = [amount(resource, value) for value in (evidence.p50, evidence.p95, evidence.max)]
    return [
        WORDS[finding.cause] + times,
        plain(finding.subject, 64),
        LABELS[resource],
        amount(resource, finding.request) if finding.request else "nothing",
        " / ".join(used) if evidence.samples else "not measured",
        f"{count(evidence.samples, 'run')} in {duration(evidence.until - evidence.since)}",
        amount(resource, finding.suggested),
        _frees(finding),
    ]


def _frees(finding: Finding) -> str:
    if math.isnan(finding.frees):
        return "unknown"
    text = amount(finding.resource, abs(finding.frees))
    return text if finding.frees >= 0 else f"takes {text} more"


def _idle(finding: Finding) -> list[str]:
    has = finding.capacity.as_dict() if finding.capacity else {}
    whole = ", ".join(amount(name, has[name]) for name in UNITS if has.get(name))
    rate = "" if math.isnan(finding.cost_rate) else f", {number(finding.cost_rate)} an hour"
    since = duration(finding.evidence.until - finding.evidence.since)
    return [WORDS[finding.cause], plain(finding.subject, 64), "all", "", "", f"nothing allocated for {since}", "", whole + rate]
