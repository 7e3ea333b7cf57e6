"""What is read from history that was kept beyond RAM, of a moment or a time that has passed. Every call answers within a fraction of a
second, and from any thread."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from drm.cloud.accrual import Spend
from drm.history.worker_spends import Block, WorkerSpend
from drm.model import Task
from drm.task_usage import UsageView


@runtime_checkable
class Archive(Protocol):
    """Times are epoch seconds."""

    @property
    def complete_until(self) -> float:
        """Moments up to here are wholly written; what is later may still be on its way."""
        ...

    def tasks_at(self, moment: float) -> tuple[Task, ...]:
        """All tasks that were submitted and had not ended at a moment, `queued` or `running` as they were then."""
        ...

    def task_usage(self, since: float, until: float) -> UsageView:
        """What tasks used that ended in this time, by name and request."""
        ...

    def spend_at(self, moment: float) -> Spend | None:
        """What there was and what it had cost by then; None where that is not kept."""
        ...

    def worker_spend(self, worker_id: str, since: float, until: float) -> WorkerSpend | None:
        """What one worker was paid for in the hours that end after `since` and not after `until`; None where none is kept."""
        ...

    def worker_spends(self, since: float, until: float) -> Block | None:
        """The same of all workers."""
        ...
