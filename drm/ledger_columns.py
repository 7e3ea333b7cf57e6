"""The ledger's rows as columns: what of each decision a query looks at, and which rows it means."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drm.decision import ScalingDecision
from drm.ledger_query import ACTIONS, KINDS, OUTCOMES, Query, words_of

COLUMNS = np.dtype(
    [
        ("id", "i8"),
        ("start", "f8"),
        ("end", "f8"),
        ("settled", "f8"),
        ("action", "u1"),
        ("outcome", "u1"),
        ("kind", "u1"),
        ("code", "u2"),
        ("actor", "u2"),
        ("evaluations", "u4"),
        ("current", "i4"),
        ("target", "i4"),
    ]
)


def row_of(decision: ScalingDecision, words: dict[str, int]) -> tuple[Any, ...]:
    """A decision as a row of `COLUMNS`; new words are numbered."""
    return (
        decision.id,
        decision.timestamp,
        decision.last_at,
        settled_at(decision),
        ACTIONS.index(decision.action),
        OUTCOMES.index(decision.outcome),
        KINDS.index(decision.kind),
        words.setdefault(decision.code, len(words)),
        words.setdefault(decision.actor, len(words)),
        decision.evaluations or 0,
        decision.current,
        decision.target,
    )


def settled_at(decision: ScalingDecision) -> float:
    """When nothing was left to learn of its outcome; infinite as long as it is under way."""
    if decision.settled_at is not None:
        return decision.settled_at
    return math.inf if decision.outcome == "pending" else decision.ready_at or decision.timestamp


def as_of(found: npt.NDArray[Any], moment: float) -> npt.NDArray[Any]:
    """Rows, which are the caller's own, as they stood at a moment: what was not known then is under way, and runs end there."""
    late = found["settled"] > moment
    found["outcome"][late] = OUTCOMES.index("pending")
    grew = found["action"] == ACTIONS.index("scale_up")
    found["kind"][late] = np.where(grew[late], KINDS.index("up"), KINDS.index("down"))
    runs_on = found["end"] > moment
    found["end"][runs_on] = moment
    found["evaluations"][runs_on] = np.where(found["start"][runs_on] < moment, 0, 1)
    return found


def matching(columns: npt.NDArray[Any], query: Query, words: Sequence[str], by_worker: Mapping[str, Sequence[int]]) -> npt.NDArray[np.intp]:
    """Row numbers of `columns`, (n,) of `COLUMNS`, in the order of the query. Rows are in the order of time, and only the last one's end
    grows. `words`: the codes and actors that the columns number; `by_worker`: the ids of the decisions that name a worker."""
    # `searchsorted` would copy a field of all rows.
    first = bisect_left(columns["end"], query.since)
    after = bisect_right(columns["start"], min(query.until, query.as_of))
    if query.before is not None:
        after = min(after, bisect_left(columns["id"], query.before))
    if query.worker is not None:
        rows = np.searchsorted(columns["id"], by_worker.get(query.worker, []))
        rows = rows[(rows >= first) & (rows < after)]
    else:
        rows = np.arange(first, max(first, after), dtype=np.intp)
    then = as_of(columns[rows], query.as_of) if math.isfinite(query.as_of) else None
    for name, asked, known in (
        ("action", query.action, ACTIONS),
        ("outcome", query.outcome, OUTCOMES),
        ("kind", query.kind, KINDS),
        ("code", query.code, words),
        ("actor", query.actor, words),
    ):
        meant_words = words_of(asked)
        if meant_words is not None:
            column = columns[name][rows] if then is None else then[name]
            meant = np.isin(column, [known.index(word) for word in meant_words if word in known])
            rows, then = rows[meant], None if then is None else then[meant]
    rows = rows[::-1]
    if query.sort == "time":
        return rows if query.descending else rows[::-1]
    found = columns[rows] if then is None else then[::-1]
    amounts = {
        "lasted": found["end"] - found["start"],
        "evaluations": found["evaluations"].astype(np.int64),
        "change": found["target"] - found["current"],
    }[query.sort]
    return rows[np.argsort(-amounts if query.descending else amounts, kind="stable")]
