"""Every decision, kept and queried. In memory the latest `LEDGER_KEPT` stand, oldest first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

from drm.decision import ScalingDecision
from drm.errors import UnknownIdError

LEDGER_KEPT = 10_000


class Ledger:
    """Decisions by id. Ids count up from 1 and are never used twice. Not thread-safe: the manager's lock guards it."""

    def __init__(self, kept: int = LEDGER_KEPT) -> None:
        self._kept = kept
        self._decisions: OrderedDict[int, ScalingDecision] = OrderedDict()
        self._last_id = 0

    def next_id(self) -> int:
        """A new id."""
        self._last_id += 1
        return self._last_id

    def append(self, decision: ScalingDecision) -> None:
        """Keeps a decision; the oldest goes where there are too many."""
        self._decisions[decision.id] = decision
        while len(self._decisions) > self._kept:
            self._decisions.popitem(last=False)

    def find(self, decision_id: int) -> ScalingDecision | None:
        """The decision with that id, if it is still kept."""
        return self._decisions.get(decision_id)

    def amend(self, decision_id: int, **changes: Any) -> None:
        """Writes an outcome that arrived later into its decision, if that is still kept."""
        decision = self._decisions.get(decision_id)
        if decision is not None:
            self._decisions[decision_id] = replace(decision, **changes)

    def get(self, decision_id: int) -> ScalingDecision:
        """The decision with that id; UnknownIdError where none is kept."""
        decision = self.find(decision_id)
        if decision is None:
            raise UnknownIdError(f"no kept decision has the id {decision_id!r}; the last {self._kept} are kept")
        return decision

    def decisions(self) -> list[ScalingDecision]:
        """All kept decisions, oldest first."""
        return list(self._decisions.values())

    def __len__(self) -> int:
        return len(self._decisions)
