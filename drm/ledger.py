"""Every decision, kept and queried.

A run of identical `maintain`s is one row that counts them. Rows stand as columns for queries; what a decision rested on stands beside them,
the newest whole, older ones packed in blocks, so that 30 days of evaluations take tens of megabytes. Ids count up from 1 and are never used
twice. Not thread-safe: the manager's lock guards it.
"""

from __future__ import annotations

import math
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from drm.decision import Action, Fold, Outcome, ScalingDecision
from drm.errors import InvalidValueError, UnknownIdError

ROWS_KEPT = 250_000
"""The oldest rows go beyond so many, or beyond `SECONDS_KEPT`."""
SECONDS_KEPT = 30 * 86400.0
BLOCK = 64
"""So many decisions are packed together; they share most of their words, which is what makes them small."""
WHOLE_BLOCKS = 4
"""So many of the newest full blocks stay unpacked: outcomes still arrive there."""
THAWED_BLOCKS = 8
LIMIT = 1000
"""The most decisions that one query returns."""

ACTIONS: tuple[Action, ...] = get_args(Action)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

COLUMNS = np.dtype(
    [("start", "f8"), ("end", "f8"), ("action", "u1"), ("outcome", "u1"), ("code", "u2"), ("actor", "u2"), ("evaluations", "u4")]
)


@dataclass(frozen=True, slots=True)
class Query:
    """Which decisions are meant; None leaves a field open.

    `since`, `until`: epoch seconds; a folded row counts where its run touches them. `before`: only ids below it. `worker`: an id among the
    decision's `worker_ids`. InvalidValueError where an action or an outcome does not exist, or the limit is not in 1 to `LIMIT`.
    """

    since: float = -math.inf
    until: float = math.inf
    action: str | None = None
    code: str | None = None
    actor: str | None = None
    outcome: str | None = None
    worker: str | None = None
    before: int | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        for name, value, known in (("action", self.action, ACTIONS), ("outcome", self.outcome, OUTCOMES)):
            if value is not None and value not in known:
                raise InvalidValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        if math.isnan(self.since) or math.isnan(self.until) or self.since > self.until:
            raise InvalidValueError(f"a query's time runs from since to until, got {self.since} to {self.until}")
        if not 1 <= self.limit <= LIMIT:
            raise InvalidValueError(f"limit must be between 1 and {LIMIT}, got {self.limit}")


class Ledger:
    """Decisions by id, oldest first."""

    def __init__(self, rows_kept: int = ROWS_KEPT, seconds_kept: float = SECONDS_KEPT) -> None:
        self._rows_kept = rows_kept
        self._seconds_kept = seconds_kept
        self._columns = np.zeros(1024, dtype=COLUMNS)
        self._first_id = 1
        self._rows = 0
        self._words: dict[str, int] = {}
        self._whole: dict[int, ScalingDecision] = {}
        self._packed: dict[int, bytes] = {}
        self._amended: dict[int, ScalingDecision] = {}
        """Decisions of packed blocks whose outcome came later."""
        self._thawed: OrderedDict[int, list[ScalingDecision]] = OrderedDict()
        self._by_worker: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return self._rows

    @property
    def next_id(self) -> int:
        """The id of the next row."""
        return self._first_id + self._rows

    def append(self, decision: ScalingDecision) -> ScalingDecision:
        """Keeps a decision, whose id becomes the next one; or folds it into the last row where both leave the pool as it is, for the same
        reason. Returns the row as it is kept."""
        last = self.find(self.next_id - 1)
        if last is not None and _same_maintain(last, decision):
            kept = replace(last, fold=_folded(last, decision))
            self._write(kept)
            return kept
        kept = replace(decision, id=self.next_id)
        if self._rows == len(self._columns):
            self._columns = np.resize(self._columns, 2 * self._rows)
        self._rows += 1
        self._write(kept)
        self._pack(kept.id)
        self._forget(kept.timestamp)
        return kept

    def find(self, decision_id: int) -> ScalingDecision | None:
        """The decision with that id, if it is still kept."""
        if not self._first_id <= decision_id < self.next_id:
            return None
        whole = self._whole.get(decision_id) or self._amended.get(decision_id)
        if whole is not None:
            return whole
        block = decision_id // BLOCK
        decisions = self._thawed.get(block)
        if decisions is None:
            # Packed by this very object: nothing from outside is unpickled.
            decisions = self._thawed[block] = pickle.loads(zlib.decompress(self._packed[block]))
            if len(self._thawed) > THAWED_BLOCKS:
                self._thawed.popitem(last=False)
        return decisions[decision_id - decisions[0].id]

    def get(self, decision_id: int) -> ScalingDecision:
        """The decision with that id; UnknownIdError where none is kept."""
        decision = self.find(decision_id)
        if decision is None:
            kept = f"{self._first_id} to {self.next_id - 1} are kept" if self._rows else "none is kept yet"
            raise UnknownIdError(f"no kept decision has the id {decision_id!r}: {kept}")
        return decision

    def amend(self, decision_id: int, **changes: Any) -> None:
        """Writes an outcome that arrived later into its decision, if that is still kept."""
        decision = self.find(decision_id)
        if decision is not None:
            self._write(replace(decision, **changes))

    def query(self, query: Query) -> list[ScalingDecision]:
        """The decisions that a query means, newest first."""
        return [self.get(decision_id) for decision_id in self.ids(query)]

    def ids(self, query: Query) -> list[int]:
        """Their ids, newest first."""
        return [self._first_id + int(row) for row in self._matching(query)]

    def columns(self, query: Query) -> dict[str, npt.NDArray[Any]]:
        """id, start, end (epoch seconds), action, outcome (indices of `ACTIONS`, `OUTCOMES`), evaluations of the same rows, as arrays."""
        rows = self._matching(query)
        found = self._columns[rows]
        return {"id": rows + self._first_id, **{name: found[name] for name in ("start", "end", "action", "outcome", "evaluations")}}

    def _matching(self, query: Query) -> npt.NDArray[np.intp]:
        """Row numbers, newest first. Rows are in the order of time, and only the last one's end grows."""
        columns = self._columns[: self._rows]
        first = int(np.searchsorted(columns["end"], query.since, side="left"))
        after = int(np.searchsorted(columns["start"], query.until, side="right"))
        if query.before is not None:
            after = min(after, max(0, query.before - self._first_id))
        if query.worker is not None:
            ids = np.array(self._by_worker.get(query.worker, []), dtype=np.intp) - self._first_id
            rows = ids[(ids >= first) & (ids < after)]
        else:
            rows = np.arange(first, max(first, after), dtype=np.intp)
        wanted: Mapping[str, int | None] = {
            "action": None if query.action is None else ACTIONS.index(query.action),
            "outcome": None if query.outcome is None else OUTCOMES.index(query.outcome),
            "code": None if query.code is None else self._words.get(query.code, -1),
            "actor": None if query.actor is None else self._words.get(query.actor, -1),
        }
        for name, value in wanted.items():
            if value is not None:
                rows = rows[columns[name][rows] == value] if value >= 0 else rows[:0]
        return rows[::-1][: query.limit]

    def _write(self, decision: ScalingDecision) -> None:
        if decision.id // BLOCK in self._packed:
            self._amended[decision.id] = decision
        else:
            self._whole[decision.id] = decision
        self._columns[decision.id - self._first_id] = (
            decision.timestamp,
            decision.fold.last_at if decision.fold else decision.timestamp,
            ACTIONS.index(decision.action),
            OUTCOMES.index(decision.outcome),
            self._words.setdefault(decision.code, len(self._words)),
            self._words.setdefault(decision.actor, len(self._words)),
            decision.evaluations,
        )
        for worker_id in decision.worker_ids:
            ids = self._by_worker.setdefault(worker_id, [])
            if decision.id not in ids:
                ids.append(decision.id)

    def _pack(self, newest_id: int) -> None:
        """Packs the block that has just become old, so that no tick packs more than one."""
        block = newest_id // BLOCK - WHOLE_BLOCKS - 1
        if block < 0 or block in self._packed or newest_id % BLOCK:
            return
        decisions = [self._whole.pop(one) for one in range(block * BLOCK, (block + 1) * BLOCK) if one in self._whole]
        if decisions:
            self._packed[block] = zlib.compress(pickle.dumps(decisions, pickle.HIGHEST_PROTOCOL), 1)

    def _forget(self, now: float) -> None:
        """Whole packed blocks go, and their rows with them, once there are too many or the last of them is too old."""
        while self._packed:
            oldest = min(self._packed)
            gone = (oldest + 1) * BLOCK - self._first_id
            if self._rows - gone < self._rows_kept and self._columns[gone - 1]["end"] >= now - self._seconds_kept:
                return
            del self._packed[oldest]
            self._thawed.pop(oldest, None)
            self._first_id += gone
            self._rows -= gone
            self._columns[: self._rows] = self._columns[gone : gone + self._rows]
            self._amended = {one: decision for one, decision in self._amended.items() if one >= self._first_id}
            still = {worker: [one for one in ids if one >= self._first_id] for worker, ids in self._by_worker.items()}
            self._by_worker = {worker: ids for worker, ids in still.items() if ids}


_SAME = ("code", "actor", "policy", "policy_version", "parameters", "current", "desired", "bounded")


def _same_maintain(last: ScalingDecision, new: ScalingDecision) -> bool:
    """Whether both leave the pool as it is, and nothing but numbers within them differs."""
    return last.action == new.action == "maintain" and all(getattr(last, name) == getattr(new, name) for name in _SAME)


def _folded(last: ScalingDecision, new: ScalingDecision) -> Fold:
    fold = last.fold or Fold(1, last.timestamp, last.inputs, last.timestamp, last.inputs, last.distance)
    fold = replace(fold, evaluations=fold.evaluations + 1, last_at=new.timestamp, last_inputs=new.inputs)
    if new.distance < fold.closest_distance:
        fold = replace(fold, closest_at=new.timestamp, closest_inputs=new.inputs, closest_distance=new.distance)
    return fold
