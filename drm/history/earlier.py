"""What an earlier run knew, read whole from the history file before any of it is taken over."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from drm.cloud.accrual import Spend
from drm.decision import ScalingDecision
from drm.history import reading
from drm.history.buckets import Kept
from drm.history.file import HistoryFile
from drm.history.gaps import Gap, gaps
from drm.history.kept_rings import kept_rings
from drm.history.kept_spend import kept_spend, kept_spend_marks
from drm.history.kept_usage import usage
from drm.history.kept_worker_spends import kept_blocks
from drm.history.known_shapes import KnownShapes
from drm.history.lifetimes import Lifetime
from drm.history.remembered import Remembered
from drm.history.rows import decision_columns
from drm.history.worker_spends import Block
from drm.ledger import KeptDecisions
from drm.model import Task
from drm.task_usage import UsageView

UNWRITTEN_AT_MOST = 1000
"""After a run that was killed so many ids are left out, which may have been told and not written."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """Times are epoch seconds."""

    now: float
    until: float
    """Its last time, or `now` where the clock was set back."""
    first_ids: tuple[int, int]
    """Of the decisions and lifetimes of the next run; later than all that may have been told."""
    gaps: tuple[Gap, ...]
    rings: Kept
    lifetimes: list[Lifetime]
    decisions: KeptDecisions | None
    spend: Spend | None
    spend_marks: list[Spend]
    worker_spends: list[Block]
    finished: list[Task]
    usage: UsageView

    def take_over_lifetimes(self, remembered: Remembered) -> None:
        """First, since of the rest it depends who of them is still there."""
        begun_at = min((one.began_at for one in self.lifetimes), default=self.until)
        remembered.lifetimes.load(self.lifetimes, begun_at)
        remembered.lifetimes.begin_at(self.first_ids[1])

    def take_over_rest(self, remembered: Remembered, read_decisions: Callable[[int, int], list[ScalingDecision]]) -> None:
        """`read_decisions`: those with ids from one number to another, which are not kept in RAM."""
        # Of who does not come back, the buckets that were open close with the first tick.
        remembered.rings.load(self.rings, [one.worker_id for one in self.lifetimes if math.isnan(one.ended_at)])
        if self.decisions is not None:
            remembered.ledger.load(self.decisions.until(self.now), read_decisions)
        remembered.ledger.begin_at(self.first_ids[0])
        if self.spend is not None:
            remembered.accrual.load(self.spend)
            remembered.spend_marks.load(self.spend_marks)
            remembered.worker_spends.load(self.worker_spends)
            remembered.kinds.load(self.spend.kinds)
        remembered.tasks.finished.extend(self.finished)
        remembered.usage.load(self.usage)


def read_earlier(file: HistoryFile, known: KnownShapes, now: float) -> Earlier | None:
    """None where there was no earlier run. The ledger's row that still grew is written as one of its own."""
    last = reading.last_epoch(file)
    if not math.isfinite(last):
        return None
    until = min(last, now)
    growing = reading.growing_decision(file)
    if growing is not None:
        file.write([("decision_rows", decision_columns([growing]))])
    spend = kept_spend(file)
    return Earlier(
        now=now,
        until=until,
        first_ids=_next_ids(file),
        gaps=gaps(file),
        rings=kept_rings(file, until),
        lifetimes=reading.lifetimes(file, now),
        decisions=reading.kept_decisions(file),
        spend=spend,
        spend_marks=[] if spend is None else kept_spend_marks(file, until, spend),
        worker_spends=kept_blocks(file, until),
        finished=reading.finished_tasks(file),
        usage=usage(file, known, -math.inf, until),
    )


def _next_ids(file: HistoryFile) -> tuple[int, int]:
    """After what is written, and after what a run that was killed may have told and not written: that may be all of it."""
    skipped = 1 if reading.ended_in_order(file) else UNWRITTEN_AT_MOST
    noted = reading.first_ids(file)
    return max(reading.last_decision(file), noted[0] - 1) + skipped, max(reading.last_lifetime(file), noted[1] - 1) + skipped
