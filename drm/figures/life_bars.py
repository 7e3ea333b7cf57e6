"""The bars of one lifetime: as long as its states lasted, but never too narrow to be seen."""

from __future__ import annotations

from dataclasses import dataclass

from drm.analysis.lifetimes import end_of, shown_from
from drm.history.lifetimes import Lifetime

LEAST_WIDTH = 0.006
"""Of the range: no lifetime is drawn narrower, nor is the present state of one that goes on."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One state; times in epoch seconds."""

    state: str
    left: float
    right: float
    """left, right: where it is drawn."""
    begun: float
    over: float
    """begun, over: when it was, whatever of it lies within the range."""
    goes_on: bool


def bars_of(one: Lifetime, since: float, until: float) -> list[Bar]:
    """The states that touch the range, oldest first; at least one."""
    lives_on = end_of(one, until + 1) > until
    states = [state for state in one.states[shown_from(one, since) :] if state[1] != "terminated"]
    stops = [*(at for at, _ in states[1:]), until if lives_on else one.ended_at]
    low, high = max(states[0][0], since), min(stops[-1], until)
    least = LEAST_WIDTH * (until - since)
    stretch = max(1.0, least / (high - low)) if high > low else 0.0
    left = low if stretch == 1.0 else min(low, until - least)
    edges = [left + (min(max(at, low), high) - low) * stretch for at, _ in states] + [max(left + least, left + (high - low) * stretch)]
    if lives_on:
        edges[:-1] = [min(edge, edges[-1] - least) for edge in edges[:-1]]
    return [
        Bar(state, edges[place], edges[place + 1], at, stop, lives_on and place == len(states) - 1)
        for place, ((at, state), stop) in enumerate(zip(states, stops, strict=True))
        if edges[place + 1] > edges[place]
    ]
