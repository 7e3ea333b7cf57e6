"""Which lifetimes are shown, a row for each worker, and in which order; and which decisions ended workers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from drm.history.lifetimes import Lifetime
from drm.ledger_query import Query
from drm.past_ledger import Decisions

SHOWS = ("timeline", "ended")
SORTS = ("begin", "end", "length")
MOST_ROWS, MOST_SEGMENTS, MOST_STATES = 60, 500, 40
"""Of a screen in all, and of one lifetime: the newest are shown."""
MOST_ENDED = 200
DRAIN_ASKED = "drain_asked"


@dataclass(frozen=True, slots=True)
class Row:
    """The lifetimes of one worker, oldest first, none of which begins before the last one has ended."""

    worker_id: str
    lifetimes: tuple[Lifetime, ...]


def rows_of(newest: Iterable[Lifetime], since: float, until: float, sort: str) -> list[Row]:
    """Rows of those that come first, as many as a screen holds; sorted by when they began, ended, or how long they lived, longest first.

    Lifetimes of one id that overlap, as no pool should have them, have a row each.
    """
    rows: list[Row] = []
    segments = 0
    for one in newest:
        segments += len(one.states) - shown_from(one, since)
        if segments > MOST_SEGMENTS:
            break
        place = next((place for place, row in enumerate(rows) if row.worker_id == one.worker_id and _has_room(row, one)), len(rows))
        if place < len(rows):
            rows[place] = Row(one.worker_id, tuple(sorted((*rows[place].lifetimes, one), key=lambda other: other.began_at)))
        elif len(rows) < MOST_ROWS:
            rows.append(Row(one.worker_id, (one,)))
    orders: dict[str, Callable[[Row], float]] = {
        "begin": lambda row: row.lifetimes[0].began_at,
        "end": lambda row: end_of(row.lifetimes[-1], math.inf),
        "length": lambda row: -sum(end_of(one, until) - one.began_at for one in row.lifetimes),
    }
    # Rows that are alike must not change places from one drawing to the next.
    return sorted(rows, key=lambda row: (orders[sort](row), row.lifetimes[0].number))


def shown_from(one: Lifetime, since: float) -> int:
    """Which of its states is the first to be shown: the one in which it was then, or the oldest of the newest `MOST_STATES`."""
    then = max((place for place, (at, _) in enumerate(one.states) if at <= since), default=0)
    return max(then, len(one.states) - MOST_STATES)


def end_of(one: Lifetime, living: float) -> float:
    """When it ended; `living` where it has not."""
    return living if math.isnan(one.ended_at) else one.ended_at


def seconds_in(one: Lifetime, *states: str) -> float:
    """How long it was in any of these states, of one that has ended; NaN where it never was."""
    lasted = [after - at for (at, state), (after, _) in zip(one.states, one.states[1:], strict=False) if state in states]
    return sum(lasted) if lasted else math.nan


def ended_by(ledger: Decisions, ended: Sequence[Lifetime]) -> dict[int, int]:
    """By the number of the lifetime the id of the decision that let it drain, of those of which the ledger names one."""
    found: dict[int, int] = {}
    for one in ended:
        before_end = [state for _, state in one.states if state not in ("terminated", "lost")]
        if before_end[-1:] != ["draining"]:
            continue
        asked = Query(worker=one.worker_id, since=one.began_at, until=one.ended_at, limit=1)
        ids = [*ledger.ids(replace(asked, action="scale_down")), *ledger.ids(replace(asked, code=DRAIN_ASKED))]
        if ids:
            found[one.number] = max(ids)
    return found


def _has_room(row: Row, one: Lifetime) -> bool:
    return all(end_of(other, math.inf) <= one.began_at or end_of(one, math.inf) <= other.began_at for other in row.lifetimes)
