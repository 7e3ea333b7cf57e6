"""Lifetimes in words: what a worker stood on, how long it was in which states, and why it ended."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drm.analysis.lifetimes import Row, end_of
from drm.figures.units import amount, count, duration, plain
from drm.history.lifetimes import Lifetime, Newest
from drm.model import InstanceKind

SHOWN_STATES = 60
REASON_LIMIT = 200

LifeRow = tuple[str, float, float | None, str, str]
"""State, from when, until when (None: it goes on, or that was the end), how long, why; times in epoch seconds."""


def hidden_text(rows: Sequence[Row], newest: Newest) -> str:
    """How many lifetimes have no row."""
    shown = sum(len(row.lifetimes) for row in rows)
    hidden = newest.count - shown
    if hidden <= 0:
        return ""
    changed = max(0, newest.changed - shown)
    of_these = f"{changed:,}".replace(",", " ") if changed else "none"
    told = f"The {count(shown, 'lifetime')} that changed last {_are(shown)} shown"
    return f"{told}; {count(hidden, 'other')} {_are(hidden)} not, of which {of_these} changed in this range."


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def kind_text(kind: InstanceKind) -> str:
    """Type, market, provider and region, as far as they were said."""
    market = "spot" if kind.market == "spot" else ""
    return ", ".join(plain(part, 40) for part in (kind.type, market, kind.provider, kind.region) if part)


def ended_facts(one: Lifetime) -> str:
    """One sentence on a worker that has ended."""
    had = ", ".join(amount(name, value) for name, value in one.capacity.as_dict().items() if value)
    kind = kind_text(one.kind)
    on = f"; {kind}" if kind else ""
    return f"ended after {duration(one.ended_at - one.began_at)}: {plain(one.reason, REASON_LIMIT)}; it had {had}{on}"


def life_rows(lifetimes: Sequence[Lifetime], now: float) -> list[LifeRow]:
    """The states of all lifetimes under one id, newest first, no more than a screen holds."""
    rows: list[LifeRow] = []
    for one in reversed(lifetimes):
        for place in range(len(one.states) - 1, -1, -1):
            at, state = one.states[place]
            if state == "terminated":
                rows.append(("ended", at, None, "", plain(one.reason, REASON_LIMIT)))
                continue
            stop = one.states[place + 1][0] if place + 1 < len(one.states) else math.nan
            why = plain(one.reason, REASON_LIMIT) if state == "lost" else ""
            rows.append((state, at, None if math.isnan(stop) else stop, duration((now if math.isnan(stop) else stop) - at), why))
    return rows[:SHOWN_STATES]


def lives_text(lifetimes: Sequence[Lifetime], now: float) -> str:
    """Whether the id was borne before, and what of its past is not listed."""
    states = sum(len(one.states) for one in lifetimes)
    told = []
    if len(lifetimes) > 1:
        lived = duration(sum(end_of(one, now) - one.began_at for one in lifetimes))
        told.append(f"This id has had {count(len(lifetimes), 'lifetime')}, {lived} in all; newest first.")
    if states > SHOWN_STATES:
        told.append(f"{count(states - SHOWN_STATES, 'earlier state')} not listed.")
    return " ".join(told)
