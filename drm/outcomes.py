"""What became of a decision: launches and retirements that were asked for, until the last worker of them has come or gone.

The outcome is written into the decision in the ledger as it arrives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drm.fleet import Fleet
from drm.ledger import Ledger
from drm.model import STATE_CODE
from drm.observation import LaunchReport

LAUNCH_TIMEOUT_SECONDS = 600.0
"""After this long a launched worker that nobody has heard of counts as failed."""

GONE = (STATE_CODE["lost"], STATE_CODE["terminated"])


@dataclass
class _Launch:
    decision_id: int
    worker_type: str
    count: int
    requested_at: float
    worker_ids: list[str] = field(default_factory=list)
    ran: set[str] = field(default_factory=set)
    failed: int = 0
    error: str = ""
    settled: bool = False

    @property
    def unanswered(self) -> int:
        return self.count - len(self.worker_ids) - self.failed


class Outcomes:
    """Open launches and retirements. Not thread-safe: the manager's lock guards it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._launches: dict[str, _Launch] = {}
        self._retirements: dict[int, tuple[str, ...]] = {}

    @property
    def unanswered(self) -> Mapping[str, int]:
        """Workers that were asked for and that no engine has named yet, by worker type."""
        counts: Counter[str] = Counter()
        for launch in self._launches.values():
            if launch.unanswered > 0:
                counts[launch.worker_type] += launch.unanswered
        return counts

    def launched(self, launch_id: str, decision_id: int, worker_type: str, count: int, now: float) -> None:
        """A launch was asked for."""
        self._launches[launch_id] = _Launch(decision_id, worker_type, count, now)

    def retired(self, decision_id: int, worker_ids: tuple[str, ...]) -> None:
        """Workers were told to go."""
        self._retirements[decision_id] = worker_ids

    def report(self, reports: Sequence[LaunchReport]) -> None:
        """News of launches."""
        for report in reports:
            launch = self._launches.get(report.launch_id)
            if launch is not None:
                # A provider may name a worker twice, or more of them than were asked for; each counts once.
                launch.worker_ids += [one for one in dict.fromkeys(report.worker_ids) if one not in launch.worker_ids]
                launch.failed = max(0, min(launch.count - len(launch.worker_ids), launch.failed + report.failed))
                launch.error = report.error or launch.error

    def advance(self, fleet: Fleet, now: float) -> list[tuple[bool, str]]:
        """Writes what has happened since into the decisions. Returns (failed, error) of each launch that settled; failed: none came."""
        settled = []
        for launch_id, launch in list(self._launches.items()):
            if launch.unanswered > 0 and now - launch.requested_at > LAUNCH_TIMEOUT_SECONDS:
                launch.error = f"{launch.unanswered} workers did not come within {LAUNCH_TIMEOUT_SECONDS:g} s"
                launch.failed += launch.unanswered
            was_settled = launch.settled
            if self._amend_launch(launch, fleet, now):
                del self._launches[launch_id]
            if launch.settled and not was_settled:
                settled.append((not launch.ran, launch.error))
        for decision_id, worker_ids in list(self._retirements.items()):
            if not any(_is_here(fleet, worker_id) for worker_id in worker_ids):
                self._ledger.amend(decision_id, outcome="done", ready_at=now)
                del self._retirements[decision_id]
        return settled

    def _amend_launch(self, launch: _Launch, fleet: Fleet, now: float) -> bool:
        """Whether nothing more can be learnt of this launch."""
        decision = self._ledger.find(launch.decision_id)
        if decision is None:
            return True
        here = [worker_id for worker_id in launch.worker_ids if _is_here(fleet, worker_id)]
        rows = fleet.rows(here)
        running = fleet.states[rows] >= STATE_CODE["running"]
        launch.ran.update(worker_id for worker_id, runs in zip(here, running, strict=True) if runs)
        failed = launch.failed + len(set(launch.worker_ids) - launch.ran - set(here))
        settled = launch.settled = len(launch.ran) + failed >= launch.count
        changes: dict[str, Any] = {"worker_ids": tuple(launch.worker_ids), "granted": len(launch.ran), "error": launch.error}
        if settled:
            changes["outcome"] = "failed" if not launch.ran else "partial" if failed else "done"
            if launch.ran and decision.ready_at is None:
                changes["ready_at"] = now
        if decision.first_task_at is None and (fleet.reserved[rows] > 0).any():
            changes["first_task_at"] = now
        if any(getattr(decision, name) != value for name, value in changes.items()):
            self._ledger.amend(decision.id, **changes)
        # The first task may come much later than the worker; the timeout bounds how long we look out for it.
        has_worked = decision.first_task_at is not None or "first_task_at" in changes
        return settled and (not launch.ran or has_worked or now - launch.requested_at > LAUNCH_TIMEOUT_SECONDS)


def _is_here(fleet: Fleet, worker_id: str) -> bool:
    return worker_id in fleet and fleet.states[fleet.row(worker_id)] not in GONE
