"""Every decision, kept and queried.

A run of identical `maintain`s is one row that counts them. Rows stand as columns for queries; what a decision rested on stands beside them,
the newest whole, older ones packed in blocks, so that 30 days of evaluations take tens of megabytes. Ids count up from 1, some are left
out, and none is used twice. Thread-safe: a short lock of its own, so that no reader makes a tick wait.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from drm.decision import Fold, ScalingDecision
from drm.errors import UnknownIdError
from drm.ledger_blocks import DecisionBlocks
from drm.ledger_columns import COLUMNS, as_of, matching, row_of
from drm.ledger_query import Columns, Query

ROWS_KEPT = 250_000
"""The oldest rows go beyond so many, or beyond `SECONDS_KEPT`."""
SECONDS_KEPT = 30 * 86400.0


class Ledger:
    """Decisions by id, oldest first."""

    def __init__(self, rows_kept: int = ROWS_KEPT, seconds_kept: float = SECONDS_KEPT) -> None:
        self._rows_kept = rows_kept
        self._seconds_kept = seconds_kept
        self._columns = np.zeros(1024, dtype=COLUMNS)
        self._next_id = 1
        self._rows = 0
        self._words: dict[str, int] = {}
        self._decisions = DecisionBlocks()
        self._by_worker: dict[str, list[int]] = {}
        self._lock = threading.RLock()
        self._changes = 0
        self._changed: set[int] | None = None
        """Rows that `take_changed` has not told of; None: nobody asks."""

    def __len__(self) -> int:
        return self._rows

    @property
    def next_id(self) -> int:
        """The id of the next row."""
        return self._next_id

    @property
    def first_id(self) -> int:
        """The id of the oldest row that is kept; that of the next one where there is none."""
        return int(self._columns["id"][0]) if self._rows else self._next_id

    def append(self, decision: ScalingDecision) -> ScalingDecision:
        """Keeps a decision, whose id becomes the next one; or folds it into the last row where both leave the pool as it is, for the same
        reason. Returns the row as it is kept."""
        with self._lock:
            last = self.find(int(self._columns["id"][self._rows - 1])) if self._rows else None
            if last is not None and _same_maintain(last, decision):
                kept = replace(last, fold=_folded(last, decision))
                self._write(kept)
                return kept
            kept = replace(decision, id=self.next_id)
            if self._rows == len(self._columns):
                self._columns = np.resize(self._columns, 2 * self._rows)
            self._columns["id"][self._rows] = kept.id
            self._next_id += 1
            self._rows += 1
            self._changes += 1
            self._write(kept)
            self._decisions.pack(kept.id)
            self._forget(kept.timestamp)
            return kept

    def find(self, decision_id: int) -> ScalingDecision | None:
        """The decision with that id, if it is still kept; None as well where it cannot be read now."""
        with self._lock:
            return None if self._row(decision_id) is None else self._decisions.find(decision_id)

    def get(self, decision_id: int) -> ScalingDecision:
        """The decision with that id; UnknownIdError where none is kept."""
        with self._lock:
            decision = self.find(decision_id)
            if decision is None:
                kept = f"{self.first_id} to {self.next_id - 1} are kept" if self._rows else "none is kept yet"
                raise UnknownIdError(f"no kept decision has the id {decision_id!r}: {kept}")
            return decision

    def amend(self, decision_id: int, **changes: Any) -> None:
        """Writes an outcome that arrived later into its decision, if that is still kept."""
        with self._lock:
            decision = self.find(decision_id)
            if decision is not None:
                self._changes += 1
                self._write(replace(decision, **changes))

    def query(self, query: Query) -> list[ScalingDecision]:
        """The decisions that a query means, newest first unless it sorts otherwise; without those that cannot be read now."""
        with self._lock:
            found = (self.find(decision_id) for decision_id in self.ids(query))
            return [one for one in found if one is not None]

    def ids(self, query: Query) -> list[int]:
        """Their ids, in the same order."""
        with self._lock:
            rows = self._matching(query)
            return [int(one) for one in self._columns["id"][rows[query.offset : query.offset + query.limit]]]

    def count(self, query: Query) -> int:
        """How many there are, whatever the query's limit."""
        with self._lock:
            return len(self._matching(query))

    def columns(self, query: Query) -> Columns:
        """The same rows as columns, whatever the query's limit."""
        with self._lock:
            rows = self._matching(query)
            found = as_of(self._columns[rows], query.as_of)
            names = ("id", "start", "end", "kind", "code", "evaluations", "current", "target")
            return Columns(words=tuple(self._words), **{name: found[name] for name in names})

    def keep_changed(self) -> None:
        """From now on rows that are new or have changed wait for `take_changed`."""
        with self._lock:
            self._changed = set()

    def take_changed(self) -> tuple[ScalingDecision, ...]:
        """The rows that are new or have changed since the last call, as they stand now, oldest first."""
        with self._lock:
            if not self._changed:
                return ()
            changed, self._changed = sorted(self._changed), set()
            found = (self.find(decision_id) for decision_id in changed)
            return tuple(one for one in found if one is not None)

    def load(self, kept: KeptDecisions, fetch: Callable[[int, int], list[ScalingDecision]]) -> None:
        """Takes over the rows of an earlier run, before the first of this one. `fetch(first, last)`: the decisions with these ids; asked
        for when somebody reads an old one, and raising DRMError where they cannot be read."""
        with self._lock:
            columns = kept.columns[max(0, len(kept.columns) - self._rows_kept) :]
            self._rows = len(columns)
            self._columns = np.zeros(max(1024, 2 * self._rows), dtype=COLUMNS)
            self._columns[: self._rows] = columns
            self._next_id = int(columns["id"][-1]) + 1
            self._words = {word: number for number, word in enumerate(kept.words)}
            self._by_worker = {worker: list(ids) for worker, ids in kept.by_worker.items()}
            self._decisions.load(columns["id"], kept.newest, fetch)
            self._changes += 1

    def begin_at(self, first_id: int) -> None:
        """The id of the next row, where some before it may have been given to rows that nobody knows any more."""
        with self._lock:
            self._next_id = max(self._next_id, first_id)

    def keep_seconds(self, seconds: float) -> None:
        """How long rows are kept from now on."""
        self._seconds_kept = seconds

    @property
    def changes(self) -> int:
        """Counts new rows and outcomes; not the evaluations that are folded into the last row."""
        return self._changes

    @property
    def words(self) -> tuple[str, ...]:
        """The codes and actors that stand in it, or have."""
        with self._lock:
            return tuple(self._words)

    def _matching(self, query: Query) -> npt.NDArray[np.intp]:
        return matching(self._columns[: self._rows], query, tuple(self._words), self._by_worker)

    def _write(self, decision: ScalingDecision) -> None:
        if self._changed is not None:
            self._changed.add(decision.id)
        self._decisions.write(decision)
        self._columns[self._place(decision.id)] = row_of(decision, self._words)
        for worker_id in decision.worker_ids:
            ids = self._by_worker.setdefault(worker_id, [])
            if decision.id not in ids:
                ids.append(decision.id)

    def _row(self, decision_id: int) -> int | None:
        """Where a decision stands; None where it is not kept."""
        row = self._place(decision_id)
        return row if row < self._rows and self._columns["id"][row] == decision_id else None

    def _place(self, decision_id: int) -> int:
        """Where a decision stands or would stand. `bisect` looks at a few rows; `searchsorted` copies a field of all of them."""
        return bisect_left(self._columns["id"], decision_id, hi=self._rows)

    def _forget(self, now: float) -> None:
        """Whole packed blocks go, and their rows with them, once there are too many or the last of them is too old."""
        while (beyond := self._decisions.oldest_packed) is not None:
            gone = self._place(beyond)
            if self._rows - gone < self._rows_kept and self._columns[gone - 1]["end"] >= now - self._seconds_kept:
                return
            self._decisions.forget_oldest()
            self._rows -= gone
            self._columns[: self._rows] = self._columns[gone : gone + self._rows]
            first = self.first_id
            still = {worker: [one for one in ids if one >= first] for worker, ids in self._by_worker.items()}
            self._by_worker = {worker: ids for worker, ids in still.items() if ids}


@dataclass(frozen=True, slots=True, eq=False)
class KeptDecisions:
    """The rows that earlier runs kept, at least one, without what they rested on."""

    columns: npt.NDArray[Any]
    """(n,) of `COLUMNS`, in the order of their ids."""
    words: tuple[str, ...]
    """The codes and actors that the columns number."""
    by_worker: Mapping[str, Sequence[int]]
    """The ids of the decisions that name a worker."""
    newest: Sequence[ScalingDecision]
    """Those from `first_of_newest` on, oldest first: the tick needs them, and must not wait for a disk."""

    def until(self, now: float) -> KeptDecisions:
        """The same where no time lies beyond `now`, so that rows stand in the order of time although a clock was set back."""
        columns = self.columns.copy()
        for name in ("start", "end"):
            columns[name] = np.minimum(columns[name], now)
        return replace(self, columns=columns)


_SAME = ("code", "actor", "policy", "policy_version", "parameters", "current", "desired", "bounded")


def _same_maintain(last: ScalingDecision, new: ScalingDecision) -> bool:
    """Whether both leave the pool as it is, and nothing but numbers in them differs. What a person or a provider did is never the same."""
    return (
        last.action == new.action == "maintain"
        and new.actor not in ("user", "provider", "worker")
        and all(getattr(last, name) == getattr(new, name) for name in _SAME)
    )


def _folded(last: ScalingDecision, new: ScalingDecision) -> Fold:
    fold = last.fold or Fold(1, last.timestamp, last.inputs, last.timestamp, last.inputs, last.distance)
    fold = replace(fold, evaluations=(fold.evaluations or 0) + 1, last_at=new.timestamp, last_inputs=new.inputs)
    if new.distance < fold.closest_distance:
        fold = replace(fold, closest_at=new.timestamp, closest_inputs=new.inputs, closest_distance=new.distance)
    return fold
