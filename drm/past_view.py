"""The pool as it was at a moment that has passed, put together from what is kept of it.

Who was there comes from the lifetimes, what was decided from the ledger, what was measured from the rings, which tasks there were from the
archive, if there is one. What none of them keeps is NaN or None, and `unknown` says so. Nothing that came after the moment is told, but by
the means of the bucket that holds it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from drm.budget import Budget, Period
from drm.cloud.accrual import Spend
from drm.cloud.totals import Totals, in_order, lines_of
from drm.decision import ScalingDecision
from drm.errors import HistoryError
from drm.history.archive import Archive
from drm.history.lifetimes import Lifetime, Newest, Present
from drm.history.window import Sample
from drm.ledger_query import Columns, Query, Words
from drm.manager import DynamicResourceManager
from drm.meter import TaskCosts
from drm.model import IS_ACTIVE, STATE_CODE, Task
from drm.past_ledger import PastLedger
from drm.past_snapshot import Kept, past_snapshot
from drm.past_spend import spend_until
from drm.period_spend import PeriodSpend, nothing_spent, period_spend
from drm.snapshot import Snapshot
from drm.task_usage import UsageView, until
from drm.windows import Windows

if TYPE_CHECKING:
    from drm.history.gaps import Gap

logger = logging.getLogger(__name__)

Number = TypeVar("Number", bound=np.generic)
Answer = TypeVar("Answer")

EVALUATORS = ("policy", "repair")
GONE_CODES = (STATE_CODE["lost"], STATE_CODE["terminated"])
WATCHED, ABOVE, BELOW = "watched_", "_above", "_below"
STEP_WORDS = {5.0: "5 s", 60.0: "1 min", 600.0: "10 min", 3600.0: "1 h"}
YEAR_3000 = 32_503_680_000.0
TURN_HISTORY_ON = "start with history on, and from then on it is"


class PastView(Windows):
    """Meets `View`. Made anew where the bucket that holds the moment may have changed (`etag`)."""

    def __init__(self, manager: DynamicResourceManager, moment: float, etag: str) -> None:
        self.manager = manager
        self.moment = moment
        self.etag = f"{moment}.{etag}"
        self.ledger = PastLedger(manager.ledger, manager.lifetimes, moment)

    def end(self) -> float:
        """The moment itself."""
        return self.moment

    @cached_property
    def snapshot(self) -> Snapshot:
        """The pool at the moment; `ready` where a tick was recorded in its bucket."""
        kept = Kept(self._present, self._sample, self._tasks, self._stood, self._is_recorded, self._is_shared)
        last_action = self.ledger.last(action=("scale_up", "scale_down"))
        return past_snapshot(self.manager.snapshot, self.manager.engine, self.moment, kept, last_action)

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """What is not known of the moment, in sentences for a reader."""
        begun = self.manager.lifetimes.begun_at
        if not begun <= self.moment:
            since = "nothing is kept yet" if math.isnan(begun) else f"what is kept begins at {moment_text(begun)}"
            return (f"Nothing is known of this moment: {since}.",)
        found = []
        snapshot, step = self.snapshot, self._sample.step_seconds
        active = IS_ACTIVE[snapshot.states]
        blank = int((active & np.isnan(snapshot.allocated).all(axis=1)).sum())
        if not self._is_recorded:
            found.append(f"{self._gap_text()}: what was used, allocated and asked for is blank.")
        elif step > max(self.manager.history.sampling_seconds, min(STEP_WORDS)):
            found.append(f"What was used, allocated and asked for is the mean of the {STEP_WORDS[step]} that hold this moment.")
        if blank and self._is_recorded:
            found.append(f"No sample is kept of {blank} of {int(active.sum())} active workers.")
        archive = self.manager.archive
        if archive is None:
            found.append(f"Which tasks ran and waited, and what had been spent, is not kept: {TURN_HISTORY_ON}.")
        elif self._tasks is None:
            until = archive.complete_until
            told = f"is written up to {moment_text(until)} only" if -math.inf < until < self.moment else "cannot be read now"
            found.append(f"Which tasks ran and waited, and what had been spent, {told}.")
        if self._is_shared:
            found.append("What other users held on these workers is not kept.")
        return tuple(found)

    def scaling_events(self, range_seconds: float) -> tuple[int, int]:
        """How many scale-ups and scale-downs were decided in the range."""
        since = self.start(range_seconds)
        grown, shrunk = (self.ledger.count(Query(since=since, action=action)) for action in ("scale_up", "scale_down"))
        return grown, shrunk

    def decision_columns(self, range_seconds: float, kind: Words = None) -> Columns:
        """The decisions of the range as columns, newest first."""
        return self.ledger.columns(Query(since=self.start(range_seconds), kind=kind))

    def explain_now(self) -> ScalingDecision | None:
        """The evaluation that stood; None where none is kept."""
        return self._stood

    def task_usage(self, range_seconds: float | None = None) -> UsageView:
        """What tasks used that had ended, by name and request: of the range, where an archive keeps them; else of the newest samples."""
        since = -math.inf if range_seconds is None else self.start(range_seconds)
        kept = self._read(lambda archive: archive.task_usage(since, self.moment))
        return until(self.manager.task_usage(), self.moment) if kept is None else kept

    def cloud_totals(self) -> Totals:
        """What the pool had and cost; what providers have beside it is known of the present only."""
        begun = nothing_spent(self.manager.lifetimes.begun_at)
        kept = self._read(lambda archive: archive.spend_at(self.moment) or begun)
        spend = spend_until(self.moment, kept, self._present, self.manager.lifetimes, self._gaps)
        return Totals(in_order(lines_of(spend)), (), spend.time, spend.since, spend.uncounted_seconds)

    def task_costs(self) -> TaskCosts:
        """Empty: they are not kept of a moment of the past."""
        return {}

    @property
    def budget(self) -> Budget:
        """The most that the pool was allowed to cost, as the evaluation knew it that stood; no limit where none is kept."""
        limits = {} if self._stood is None else {one.name: one.value for one in self._stood.inputs}
        return Budget(limits.get("budget"), limits.get("day_budget"), limits.get("month_budget"))

    def period_spend(self, period: Period) -> PeriodSpend:
        """As `DRMState.period_spend`, up to the last mark before the moment."""
        marks = self.manager.spend_marks
        return period_spend(period, self.moment, marks.at(self.moment), marks)

    def spend_marks(self, since: float) -> tuple[Spend, ...]:
        """As `DRMState.spend_marks`, up to the last mark before the moment."""
        return self.manager.spend_marks.between(since, self.moment)

    def spends(self, range_seconds: float) -> tuple[Spend | None, Spend | None]:
        """As `DRMState.spends`, by the last mark before the moment."""
        marks = self.manager.spend_marks
        return marks.at(self.start(range_seconds)) or marks.first(), marks.at(self.moment)

    def lifetimes_in(self, range_seconds: float) -> tuple[Lifetime, ...]:
        """The lifetimes that touch the range, as far as they had gone."""
        return tuple(one.so_far(self.moment) for one in self.manager.lifetimes.between(self.start(range_seconds), self.moment))

    def lifetimes_of(self, worker_id: str) -> tuple[Lifetime, ...]:
        """All lifetimes under one id that had begun, oldest first, as far as they had gone."""
        return tuple(one.so_far(self.moment) for one in self.manager.lifetimes.of(worker_id) if one.began_at <= self.moment)

    def newest_lifetimes(self, range_seconds: float, most: int) -> Newest:
        """Of the lifetimes that touch the range those that had changed last, as far as they had gone."""
        return self.manager.lifetimes.newest(self.start(range_seconds), self.moment, most)

    def ended_lifetimes(self, range_seconds: float, most: int) -> Newest:
        """Of the lifetimes that had ended within the range the last ones."""
        return self.manager.lifetimes.newest_ended(self.start(range_seconds), self.moment, most)

    @cached_property
    def _present(self) -> Present:
        return self.manager.lifetimes.at(self.moment)

    @cached_property
    def _sample(self) -> Sample:
        return self.manager.history.sample(self.moment, self._present.worker_ids)

    @property
    def _is_recorded(self) -> bool:
        return math.isfinite(self._sample.fleet.get("workers_current", math.nan))

    @cached_property
    def _stood(self) -> ScalingDecision | None:
        return None if self._gap else self.ledger.last(actor=EVALUATORS)

    def _read(self, ask: Callable[[Archive], Answer]) -> Answer | None:
        """What the archive answers; None where there is none, it does not reach so far, or its file cannot be read now."""
        archive = self.manager.archive
        if archive is None or not self.manager.lifetimes.begun_at <= self.moment <= archive.complete_until:
            return None
        try:
            return ask(archive)
        except HistoryError as error:
            logger.warning("the history cannot be read: %s", error)
            return None

    @cached_property
    def _tasks(self) -> tuple[Task, ...] | None:
        return self._read(lambda archive: archive.tasks_at(self.moment))

    @property
    def _is_shared(self) -> bool:
        """Whether others may have used the workers as well: those of somebody's scheduler."""
        return self.manager.snapshot.source.kind == "live" and self.manager.engine.machine is None

    @property
    def _gaps(self) -> Sequence[Gap]:
        return () if self.manager.store is None else self.manager.store.gaps

    @property
    def _gap(self) -> Gap | None:
        """The time without ticks that the moment lies in."""
        return next((one for one in self._gaps if one.since < self.moment < one.until), None)

    def _gap_text(self) -> str:
        gap = self._gap
        if gap is None:
            return "No tick was recorded at this moment"
        return f"Nothing was recorded from {moment_text(gap.since)} to {moment_text(gap.until)}, because {gap.reason}"


def moment_text(moment: float) -> str:
    """A moment for a text whose reader's clock is not known."""
    if not 0 <= moment < YEAR_3000:
        return f"{moment:.15g}"
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
