"""The ledger as it stood at a moment: without the rows that began later, and without what was learnt later of those that had begun."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from drm.decision import Fold, ScalingDecision
from drm.errors import UnknownIdError
from drm.history.lifetimes import Lifetime, Lifetimes
from drm.ledger import Ledger
from drm.ledger_query import Columns, Query


class Decisions(Protocol):
    """What readers ask of a ledger; the methods are those of `Ledger`."""

    @property
    def changes(self) -> int: ...
    @property
    def words(self) -> tuple[str, ...]: ...
    def find(self, decision_id: int) -> ScalingDecision | None: ...
    def get(self, decision_id: int) -> ScalingDecision: ...
    def query(self, query: Query) -> list[ScalingDecision]: ...
    def ids(self, query: Query) -> list[int]: ...
    def count(self, query: Query) -> int: ...
    def columns(self, query: Query) -> Columns: ...


class PastLedger:
    """Meets `Decisions`."""

    def __init__(self, ledger: Ledger, lifetimes: Lifetimes, moment: float) -> None:
        self._ledger = ledger
        self._lifetimes = lifetimes
        self._moment = moment

    @property
    def changes(self) -> int:
        """0: nothing of it changes any more."""
        return 0

    @property
    def words(self) -> tuple[str, ...]:
        """The codes and actors that may stand in it."""
        return self._ledger.words

    def find(self, decision_id: int) -> ScalingDecision | None:
        """The decision with that id, if it had been made and is still kept."""
        decision = self._ledger.find(decision_id)
        return None if decision is None or decision.timestamp > self._moment else as_of(decision, self._moment, self._seen_since)

    def get(self, decision_id: int) -> ScalingDecision:
        """The decision with that id; UnknownIdError where none is kept or it was made later."""
        decision = self.find(decision_id)
        if decision is None:
            self._ledger.get(decision_id)
            raise UnknownIdError(f"decision {decision_id} was made after this moment: go forward to it, or back to live")
        return decision

    def query(self, query: Query) -> list[ScalingDecision]:
        """The decisions that a query means, newest first unless it sorts otherwise; without those that cannot be read now."""
        found = (self.find(decision_id) for decision_id in self.ids(query))
        return [one for one in found if one is not None]

    def ids(self, query: Query) -> list[int]:
        """Their ids, in the same order."""
        return self._ledger.ids(self._bounded(query)) if self._knows(query) else []

    def count(self, query: Query) -> int:
        """How many there are, whatever the query's limit."""
        return self._ledger.count(self._bounded(query)) if self._knows(query) else 0

    def columns(self, query: Query) -> Columns:
        """The same rows as columns, whatever the query's limit."""
        return self._ledger.columns(self._bounded(query))

    def last(self, **asked: Any) -> ScalingDecision | None:
        """The newest one that fits."""
        return next(iter(self.query(Query(limit=1, **asked))), None)

    def _bounded(self, query: Query) -> Query:
        return replace(query, as_of=min(query.as_of, self._moment))

    def _knows(self, query: Query) -> bool:
        """Whether the worker that is asked for had come: a launch under way does not know yet whom it brings."""
        return query.worker is None or any(one.began_at <= self._moment for one in self._lifetimes.of(query.worker))

    def _seen_since(self, since: float) -> Sequence[Lifetime]:
        return self._lifetimes.between(since, self._moment)


class _SeenSince(Protocol):
    def __call__(self, since: float, /) -> Sequence[Lifetime]: ...


def as_of(decision: ScalingDecision, moment: float, seen_since: _SeenSince) -> ScalingDecision:
    """A decision that had been made, as it stood at a moment. `seen_since`: the lifetimes that touch the time between two moments, of
    which the later one is this."""
    changes: dict[str, Any] = {}
    if decision.fold is not None and decision.fold.last_at > moment:
        changes["fold"] = _cut(decision.fold, moment) if decision.timestamp < moment else None
    if decision.first_task_at is not None and decision.first_task_at > moment:
        changes["first_task_at"] = None
    if (decision.settled_at is not None and decision.settled_at > moment) or decision.outcome == "pending":
        changes |= {"outcome": "pending", "ready_at": None, "settled_at": None, "error": ""}
        if decision.action == "scale_up":
            seen = {one.worker_id: one for one in seen_since(decision.timestamp)}
            changes["worker_ids"] = tuple(worker_id for worker_id in decision.worker_ids if worker_id in seen)
            changes["granted"] = sum(seen[worker_id].started_at <= moment for worker_id in changes["worker_ids"])
        else:
            changes["granted"] = len(decision.worker_ids)
    return replace(decision, **changes) if changes else decision


def _cut(fold: Fold, moment: float) -> Fold:
    cut = replace(fold, evaluations=None, last_at=moment, last_inputs=())
    return cut if fold.closest_at <= moment else replace(cut, closest_at=math.nan, closest_inputs=(), closest_distance=math.nan)
