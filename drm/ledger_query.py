"""Which decisions of the ledger are meant, and their columns; a wrong word is refused by name."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from drm.decision import Action, Kind, Outcome
from drm.errors import InvalidValueError
from drm.model import NAME_LIMIT, FloatArray

LIMIT = 1000
"""The most decisions that one query returns."""

ID_DIGITS = 15
"""Of the longest id."""

ACTIONS: tuple[Action, ...] = get_args(Action)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
KINDS: tuple[Kind, ...] = get_args(Kind)
SORTS = ("time", "lasted", "evaluations", "change")
"""By what a query's answer may be sorted: its beginning, how long the row's run lasted, how many evaluations stand in it, workers."""

Words = str | Collection[str] | None
"""One word or any of several; None leaves a field open."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which decisions are meant; None leaves a field open, and where a word is asked for, several mean any of them.

    `since`, `until`: epoch seconds; a folded row counts where its run touches them. `before`: only ids below it. `worker`: an id among the
    decision's `worker_ids`. `kind`: of `ScalingDecision.kind`. `as_of`: only rows that had begun by then, by the kind, the outcome and the
    length that they had then. `sort`: of `SORTS`, `descending` or not; equal ones stand newest first.
    `offset`, `limit`: the part of the answer. InvalidValueError where an action, an outcome, a kind or a sort does not exist, or the limit
    is not in 1 to `LIMIT`.
    """

    since: float = -math.inf
    until: float = math.inf
    action: Words = None
    code: Words = None
    actor: Words = None
    outcome: Words = None
    kind: Words = None
    worker: str | None = None
    before: int | None = None
    as_of: float = math.inf
    sort: str = "time"
    descending: bool = True
    offset: int = 0
    limit: int = 100

    def __post_init__(self) -> None:
        for name, value, known in (
            ("action", self.action, ACTIONS),
            ("outcome", self.outcome, OUTCOMES),
            ("kind", self.kind, KINDS),
            ("sort", self.sort, SORTS),
        ):
            for word in words_of(value) or ():
                if word not in known:
                    raise InvalidValueError(f"{name} must be one of {', '.join(known)}, got {str(word)[:NAME_LIMIT]!r}")
        if math.isnan(self.as_of) or math.isnan(self.since) or math.isnan(self.until) or self.since > self.until:
            raise InvalidValueError(f"a query's time runs from since to until, got {self.since} to {self.until}")
        if not 1 <= self.limit <= LIMIT:
            raise InvalidValueError(f"limit must be between 1 and {LIMIT}, got {self.limit}")
        if self.offset < 0:
            raise InvalidValueError(f"offset must be 0 or more, got {self.offset}")


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Rows of the ledger as columns (n,), newest first."""

    id: npt.NDArray[np.int64]
    start: FloatArray
    end: FloatArray
    """start, end: epoch seconds."""
    kind: npt.NDArray[np.uint8]
    """Indices of `KINDS`."""
    code: npt.NDArray[np.uint16]
    """Indices of `words`."""
    evaluations: npt.NDArray[np.uint32]
    """0 where it is not known how many there were by then."""
    current: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    words: tuple[str, ...]


def read_id(text: str) -> int | None:
    """The id that a text is; None where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= ID_DIGITS else None


def words_of(words: Words) -> Collection[str] | None:
    """The words as a collection; None for any."""
    return (words,) if isinstance(words, str) else words
