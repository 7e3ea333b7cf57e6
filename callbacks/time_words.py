"""The time that is shown, in words: ranges to choose from, and what is wrong with one that was asked for."""

from __future__ import annotations

import math

from drm.figures.units import duration, plain
from drm.tabs import DEFAULT_RANGE, LONGEST_SECONDS, RANGES, SHORTEST_SECONDS, range_seconds

End = tuple[str, float]
"""A moment as it was typed, and in epoch seconds."""


def range_options(value: str = "", seconds: float = math.nan) -> list[dict[str, str]]:
    """The ranges to choose from, and one of the reader's own, if there is one."""
    own = [] if math.isnan(seconds) else [{"label": duration(seconds), "value": value}]
    return [*({"label": name, "value": name} for name in RANGES), *own]


def span_problem(since: End | None, until: End | None, now: float) -> str:
    """Why a range cannot be shown, with the remedy; empty where it can. `now`: the time of the last tick."""
    if since is None or until is None:
        return f"Fill in both fields: the {'beginning' if since is None else 'end'} of the range is missing."
    length, named = until[1] - since[1], f"{_shown(since)} to {_shown(until)}"
    if math.isnan(now):
        return "There is no history yet: it begins with the first tick."
    if length <= 0:
        return f"{named} ends before it begins: the end must come after the beginning, so exchange the two."
    if until[1] > now:
        return f"{_shown(until)} lies in the future: the last tick is {duration(until[1] - now)} before it, so choose an end up to then."
    if length > LONGEST_SECONDS:
        return f"{named} is {duration(length)} long: {duration(LONGEST_SECONDS)} is what can be kept, so choose a later beginning."
    if length < SHORTEST_SECONDS:
        return f"{named} is {duration(length)} long: the shortest range is {duration(SHORTEST_SECONDS)}, so choose an earlier beginning."
    return ""


def tick_problem(text: str, at: float | None, now: float) -> str:
    """What is wrong with the range and the moment of the address, and what is shown instead; empty where nothing is."""
    found = []
    if range_seconds(text) is None:
        limits = f"{duration(SHORTEST_SECONDS)} to {duration(LONGEST_SECONDS)}"
        found.append(f"A range of {plain(text, 40)} is not kept: it must be {limits} long. This shows the last {DEFAULT_RANGE}.")
    if at is not None and math.isnan(now):
        found.append("There is no history yet: it begins with the first tick. This shows the present.")
    elif at is not None and at > now:
        found.append(f"The moment that is asked for lies {duration(at - now)} in the future of the last tick: this shows the present.")
    return " ".join(found)


def nothing_recorded(at: float | None, begins: str = "the first tick of the controller begins the history") -> str:
    """Where there is no figure of a range; `begins`: how one comes about."""
    return f"Nothing is recorded yet: {begins}." if at is None else "Nothing is recorded of this range."


def no_decision(*, forward: bool) -> str:
    """Where a step leads nowhere."""
    return f"No decision that changed the pool is kept {'after' if forward else 'before'} this moment."


def ago(seconds: float) -> str:
    """How long before the last tick."""
    return f"{duration(seconds)} ago"


def _shown(end: End) -> str:
    return plain(end[0].replace("T", " "), 24)
