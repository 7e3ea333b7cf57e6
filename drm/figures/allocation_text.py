"""Allocation in words: what is stranded and by what, how uneven the pool is and whose doing that is, which rows are not shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from drm.analysis.imbalance import Imbalance
from drm.analysis.packing import Packed
from drm.analysis.stranded import Stranded, Unplaced
from drm.figures.units import NOUNS, UNKNOWN, amount, count, duration, part, percent, plain
from drm.model import RESOURCES, UNITS, WORKER_STATES, FloatArray, Resources
from drm.snapshot import Snapshot

SHOWN_LINES = 6
EVEN, UNEVEN = 0.25, 0.75
"""Coefficients of variation up to which a spread is called even, and uneven."""
SORT_WORDS = {"name": "by name", "allocated": "the most allocated {} first", "slack": "the most slack of {} first"}


def absent_text(snapshot: Snapshot) -> str:
    """Why there is no worker to show, and what to do."""
    gone = [f"{number} {state}" for state in WORKER_STATES if (number := snapshot.count(state))]
    if not gone and snapshot.is_past:
        return "No worker is known of this moment."
    if not gone:
        return "No worker has joined yet: what they hold shows here once one runs."
    return f"No worker can hold a task now ({', '.join(gone)}): what they hold shows here once one runs."


def rows_text(shown: int, hidden: int, resource: str, sort: str) -> str:
    """Which workers have no row of their own; empty where all have."""
    if not hidden:
        return ""
    total = f"{shown + hidden:,}".replace(",", " ")
    return f"{shown} of {total} workers have a row of their own, {SORT_WORDS[sort].format(NOUNS[resource])}; the last row sums the others."


def instead_text(asked: str, resource: str) -> str:
    """Says that another resource is shown than was asked for; empty where it is the one."""
    return "" if asked == resource else f"No worker has {NOUNS[asked]}: this looks at {NOUNS[resource]}."


def packing_text(packed: Sequence[Packed], hidden: int) -> str:
    """What a segment is, and which are more than one task."""
    alone = [segment for row in packed if row.label for segment in row.segments]
    merged = sum(segment.tasks for segment in alone if segment.kind == "tasks")
    parts = ["Each segment is a running task, as wide as its request" if any(one.tasks for one in alone) else "No task runs here now"]
    if merged:
        parts.append(f"{count(merged, 'small task')} stand together where a worker holds many")
    if hidden:
        parts.append(f"the last row is the mean of {count(hidden, 'more worker')}")
    return "; ".join(parts) + "."


def stranded_text(found: Stranded | None) -> dict[str, str]:
    """The verdict, and what blocks where."""
    if found is None:
        return {"verdict": "What waited at this moment is not kept, so what was stranded is not known.", "why": ""}
    free, stranded = found.free, found.amounts
    if not (free > 0).any():
        return {"verdict": "Nothing is free, so nothing is stranded.", "why": ""}
    closed = f"{_amounts(found.closed)} more is free on workers that take no task now." if (found.closed > 0).any() else ""
    if not found.lines:
        waits = f"Nothing but {count(found.infeasible, 'task')} that no worker could ever hold" if found.infeasible else "Nothing"
        return {"verdict": f"{waits} waits, so none of what is free ({_amounts(free)}) is stranded.", "why": ""}
    if not found.by_blocker:
        return {"verdict": "What waits fits: none of what is free is stranded.", "why": closed}
    parts = "; ".join(
        f"{NOUNS[resource]} on {count(workers, 'worker')} ({_amounts(amounts)} beside it)"
        for resource, workers, amounts in found.by_blocker
    )
    of = " and ".join(part(name, float(stranded[index]), float(free[index])) for index, name in enumerate(RESOURCES) if stranded[index] > 0)
    return {
        "verdict": f"Stranded are {of}, free on {count(found.workers, 'worker')} where no request in the queue fits.",
        "why": " ".join(sentence for sentence in (f"What lacks: {parts}.", closed) if sentence),
    }


def waiting_rows(found: Stranded | None, now: float) -> list[list[str]]:
    """Rows of texts: request, tasks, waits since, lacks, closest; the last says how many more there are."""
    if found is None:
        return []
    rows = [_waiting_row(one, now) for one in found.lines[:SHOWN_LINES]]
    more = found.lines[SHOWN_LINES:]
    if more:
        rows.append([f"{count(len(more), 'more request')}", str(sum(one.line.count for one in more)), "", "", ""])
    return rows


def imbalance_text(spread: Imbalance | None, resource: str) -> dict[str, str]:
    """The verdict, its numbers, and the workers that cause it."""
    name = NOUNS[resource]
    if spread is None:
        return {"verdict": f"Fewer than two running workers have {name}: there is nothing to compare.", "numbers": "", "causes": ""}
    if math.isnan(spread.variation):
        verdict = f"Nothing of {name} is allocated on {count(spread.workers, 'running worker')}: they are equal."
        return {"verdict": verdict, "numbers": "", "causes": ""}
    word = "even" if spread.variation <= EVEN else "uneven" if spread.variation <= UNEVEN else "very uneven"
    *first, last = [f"{plain(worker, 40)} ({percent(its)})" for worker, its in spread.causes] or [""]
    named = f"{', '.join(first)} and {last}" if first else last
    share = percent(spread.explained) if spread.explained >= 0.01 else "less than 1 %"
    few = spread.explained >= 0.5 - 1e-6
    causes = (
        f"{named} {'makes' if len(spread.causes) == 1 else 'make'} {share} of the spread."
        if few
        else f"No few workers cause it: the furthest, {named}, make {share} of the spread."
    )
    same = percent(spread.minimum) == percent(spread.maximum)
    span = (
        f"{percent(spread.mean)} on each"
        if same
        else f"{percent(spread.minimum)} to {percent(spread.maximum)}, median {percent(spread.median)}"
    )
    over = f"{count(spread.workers, 'running worker')}, mean {percent(spread.mean)}"
    return {
        "verdict": f"{name[0].upper()}{name[1:]} is allocated {word}ly: {span}.",
        "numbers": f"Coefficient of variation {spread.variation:.2f} over {over}.",
        "causes": causes if spread.causes else "",
    }


def _waiting_row(one: Unplaced, now: float) -> list[str]:
    blocked: Mapping[str, int] = {NOUNS[name]: workers for name, workers in zip(RESOURCES, one.blocked, strict=True) if workers}
    lacks = ", ".join(f"{name} on {workers}" for name, workers in blocked.items())
    if one.fits:
        closest = f"fits on {count(one.fits, 'worker')}"
    elif one.closest is None:
        closest = f"none has {NOUNS[one.resource]}" if blocked else "none takes tasks"
    else:
        closest = f"{plain(one.closest, 40)} lacks {amount(one.resource, one.lack)} of {NOUNS[one.resource]}"
    waits = now - one.line.oldest_submitted_at
    return [requested(one.line.resources), str(one.line.count), duration(waits) if waits >= 0 else UNKNOWN, lacks or "–", closest]


def requested(resources: Resources) -> str:
    """A request in words."""
    return _amounts(resources.vector()) or "nothing"


def _amounts(amounts: FloatArray) -> str:
    """As in `2 cores, 3 GiB of memory`."""
    return ", ".join(
        amount(name, float(amounts[index])) + (f" of {NOUNS[name]}" if UNITS[name] == "bytes" else "")
        for index, name in enumerate(RESOURCES)
        if np.isfinite(amounts[index]) and amounts[index] > 0
    )
