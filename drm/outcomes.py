"""What became of a decision: launches and retirements that were asked for, until the last worker of them has come or gone.

The outcome is written into the decision in the ledger as it arrives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drm.fleet import Fleet
from drm.hidden import without_secrets
from drm.ledger import Ledger
from drm.model import STATE_CODE
from drm.observation import LAUNCH_TIMEOUT_SECONDS, LaunchReport

GONE = (STATE_CODE["lost"], STATE_CODE["terminated"])
STAYING = (STATE_CODE["running"], STATE_CODE["cordoned"])

ERROR_LIMIT = 500
"""Characters that are kept of what a provider says."""


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
    settled_at: float | None = None
    ready_at: float | None = None
    """When the last of those that came was up."""

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
                # A provider may name a worker twice, in two launches even, or more than were asked for; each counts once.
                named = {one for other in self._launches.values() for one in other.worker_ids}
                launch.worker_ids += [one for one in dict.fromkeys(report.worker_ids) if one not in named]
                launch.failed = max(0, min(launch.count - len(launch.worker_ids), launch.failed + report.failed))
                launch.error = _one_line(report.error) or launch.error

    def advance(self, fleet: Fleet, now: float) -> list[tuple[float, bool, str]]:
        """Writes what has happened since into the decisions. Returns (when it was requested, failed, error) of each launch that settled;
        failed: none came."""
        settled = []
        for launch_id, launch in list(self._launches.items()):
            if launch.unanswered > 0 and now - launch.requested_at > LAUNCH_TIMEOUT_SECONDS:
                launch.error = f"{launch.unanswered} workers did not come within {LAUNCH_TIMEOUT_SECONDS:g} s"
                launch.failed += launch.unanswered
            was_settled = launch.settled
            if self._amend_launch(launch, fleet, now):
                del self._launches[launch_id]
            if launch.settled and not was_settled:
                settled.append((launch.requested_at, not launch.ran, launch.error))
        for decision_id, worker_ids in list(self._retirements.items()):
            here = [worker_id for worker_id in worker_ids if _is_here(fleet, worker_id)]
            kept = [worker_id for worker_id in here if fleet.states[fleet.row(worker_id)] in STAYING]
            if len(kept) == len(here):
                self._ledger.amend(decision_id, **_retired(worker_ids, kept, now))
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
        up = {worker_id for worker_id, runs in zip(here, running, strict=True) if runs}
        if up - launch.ran:
            launch.ready_at = now
            launch.ran |= up
        failed = launch.failed + len(set(launch.worker_ids) - launch.ran - set(here))
        settled = launch.settled = len(launch.ran) + failed >= launch.count
        changes: dict[str, Any] = {"worker_ids": tuple(launch.worker_ids), "granted": len(launch.ran), "error": launch.error}
        if settled:
            launch.settled_at = now if launch.settled_at is None else launch.settled_at
            changes["settled_at"] = launch.settled_at
            changes["outcome"] = "failed" if not launch.ran else "partial" if failed else "done"
            changes["ready_at"] = launch.ready_at
        if decision.first_task_at is None and (fleet.reserved[rows] > 0).any():
            changes["first_task_at"] = now
        if any(getattr(decision, name) != value for name, value in changes.items()):
            self._ledger.amend(decision.id, **changes)
        # The first task may come much later than the worker; the timeout bounds how long we look out for it.
        has_worked = decision.first_task_at is not None or "first_task_at" in changes
        return settled and (not launch.ran or has_worked or now - launch.requested_at > LAUNCH_TIMEOUT_SECONDS)


def _retired(worker_ids: tuple[str, ...], kept: list[str], now: float) -> dict[str, Any]:
    """The outcome of a retirement; a worker that died meanwhile is gone as well, one that was taken back is not."""
    if not kept:
        return {"outcome": "done", "ready_at": now, "settled_at": now}
    error = f"uncordoned before the end: {', '.join(kept)}"[:ERROR_LIMIT]
    granted = len(worker_ids) - len(kept)
    outcome = "partial" if granted else "failed"
    return {"outcome": outcome, "granted": granted, "ready_at": now if granted else None, "settled_at": now, "error": error}


def _one_line(error: str) -> str:
    """What a provider said, without secrets and control characters, cut."""
    said = without_secrets(error[: 4 * ERROR_LIMIT])
    return " ".join("".join(one if one.isprintable() else " " for one in said).split())[:ERROR_LIMIT]


def _is_here(fleet: Fleet, worker_id: str) -> bool:
    return worker_id in fleet and fleet.states[fleet.row(worker_id)] not in GONE
