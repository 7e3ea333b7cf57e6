"""What one tick hands over to be written."""

from __future__ import annotations

from dataclasses import dataclass

from drm.cloud.accrual import Spend
from drm.decision import ScalingDecision
from drm.history.buckets import ClosedCells, ClosedSeries, OpenBucket
from drm.history.lifetimes import Lifetime
from drm.history.worker_spends import Block
from drm.tasks import TaskChange

ENDED = "ended"
"""The kind of the event with which a run ends in order."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a reader of the history should know: the program began or ended, recording stopped, data was dropped."""

    epoch: float
    kind: str
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """All of it is immutable, so it may cross threads."""

    epoch: float
    """The time of the tick."""
    closed: tuple[ClosedCells | ClosedSeries, ...] = ()
    """Buckets of the rings that have closed."""
    open: OpenBucket | None = None
    """What is still growing there."""
    lifetimes: tuple[Lifetime, ...] = ()
    """Those that are new or have changed, as they are now."""
    tasks: tuple[TaskChange, ...] = ()
    decisions: tuple[ScalingDecision, ...] = ()
    """Those that are new or have changed, oldest first. The last row of the ledger is among them whenever a tick was folded into it."""
    oldest_decision: int = 0
    """The id of the oldest row that the ledger keeps; what it reads of the file must not go before."""
    spend: Spend | None = None
    worker_spends: tuple[Block, ...] = ()
    """Blocks that have closed."""
    events: tuple[Event, ...] = ()

    @property
    def samples(self) -> int:
        """Cells, series and workers' sums, which go first where there is no room to keep them."""
        cells = sum(len(one.worker_ids) if isinstance(one, ClosedCells) else len(one.names) for one in self.closed)
        return cells + sum(block.rows for block in self.worker_spends)

    @property
    def records(self) -> int:
        """What is exact, and goes last."""
        return len(self.lifetimes) + len(self.tasks) + len(self.decisions) + len(self.events)
