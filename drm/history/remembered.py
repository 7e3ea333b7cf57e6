"""What of a manager is kept beyond its process."""

from __future__ import annotations

from dataclasses import dataclass

from drm.cloud.accrual import Accrual
from drm.cloud.kinds import Kinds
from drm.history.lifetimes import Lifetimes
from drm.history.rings import Rings
from drm.history.spend_marks import SpendMarks
from drm.history.worker_spends import WorkerSpends
from drm.ledger import Ledger
from drm.task_usage import TaskUsage
from drm.tasks import TaskTable


@dataclass(frozen=True, slots=True)
class Remembered:
    """Filled with what an earlier run knew at the start, and looked at after each tick."""

    rings: Rings
    lifetimes: Lifetimes
    ledger: Ledger
    accrual: Accrual
    spend_marks: SpendMarks
    worker_spends: WorkerSpends
    kinds: Kinds
    tasks: TaskTable
    usage: TaskUsage
