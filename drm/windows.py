"""The window queries of a view: checked, then asked of the rings up to the view's end."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np

from drm.cloud.accrual import Spend
from drm.cloud.billing import Billing
from drm.errors import HistoryError, InvalidValueError
from drm.history.grouping import Arrange, as_they_are
from drm.history.lifetimes import Lifetime
from drm.history.window import HeatmapWindow, LastHours, SeriesWindow, WorkerMeans
from drm.history.worker_spends import Block
from drm.manager import DynamicResourceManager
from drm.model import RESOURCES

logger = logging.getLogger(__name__)

MOST_ROWS, MOST_COLUMNS = 1_000, 1_000
MEASURES = ("used", "allocated")


class Windows:
    """`range_seconds` is positive; `rows` and `columns` are at most 1000. InvalidValueError names the value and the rule."""

    manager: DynamicResourceManager

    def end(self) -> float:
        """Where all windows end, in epoch seconds."""
        raise NotImplementedError

    def heatmap(
        self,
        range_seconds: float,
        resource: str = "cpu",
        measure: str = "used",
        rows: int = 150,
        columns: int = 360,
        worker_ids: Sequence[str] | None = None,
        arrange: Arrange = as_they_are,
        *,
        high: bool = False,
    ) -> HeatmapWindow:
        """Workers x time of one resource as fractions of capacity; all workers, or those named. More workers than `rows` share rows.

        `arrange`: which of them are shown, and in which order, as `drm.analysis.worker_order` makes one. `high`: whether the 95th of 100
        members of each group is asked for as well.
        """
        _check_resource(resource)
        if not isinstance(measure, str) or measure not in MEASURES:
            raise InvalidValueError(f"measure must be one of {', '.join(MEASURES)}, got {measure!r}")
        if not 1 <= rows <= MOST_ROWS:
            raise InvalidValueError(f"rows must be between 1 and {MOST_ROWS}, got {rows!r}")
        _check(range_seconds, columns)
        return self.manager.history.heatmap(resource, measure, range_seconds, self.end(), rows, columns, worker_ids, arrange, high=high)

    def fleet(self, range_seconds: float, columns: int = 360, until: float | None = None) -> SeriesWindow:
        """The pool's recorded series over the range; `until`: where it ends, if that is before the view does."""
        _check(range_seconds, columns)
        return self.manager.history.fleet(range_seconds, self.end() if until is None else min(until, self.end()), columns)

    def worker(self, worker_id: str, range_seconds: float, columns: int = 360) -> SeriesWindow:
        """One worker's series over the range, as fractions of its capacity; UnknownIdError where none is kept."""
        _check(range_seconds, columns)
        return self.manager.history.worker(worker_id, range_seconds, self.end(), columns)

    def worker_means(self, range_seconds: float, resource: str = "cpu") -> WorkerMeans:
        """What each worker used and had allocated of one resource over the range while anything was, as fractions of its capacity."""
        _check_resource(resource)
        _check(range_seconds, 1)
        return self.manager.history.worker_means(resource, range_seconds, self.end())

    def worker_spend(self, worker_id: str, range_seconds: float, until: float | None = None) -> Spend | None:
        """What one worker was paid for over the range: the spend of a pool of it alone that began then. Both ends are as near as what is
        kept of that time: a minute, ten minutes or an hour; None where none is kept. `until`: where the range ends, if that is before the
        view does; ranges that follow each other leave nothing out and tell nothing twice."""
        _check(range_seconds, 1)
        until = self.end() if until is None else min(until, self.end())
        since = until - range_seconds
        found = self.manager.worker_spends.of_worker(worker_id, since, until)
        kept_since = until if found is None else found.since
        archive = self.manager.archive
        if archive is not None and kept_since > since:
            try:
                earlier = archive.worker_spend(worker_id, since, kept_since)
            except HistoryError as error:
                logger.warning("what %s was paid for before is not told: %s", worker_id, error)
            else:
                found = found if earlier is None else earlier if found is None else earlier + found
        return None if found is None else found.spend()

    def worker_spends(self, since: float, until: float) -> tuple[Block, ...]:
        """The same of all workers: blocks that follow each other, those from the history file first."""
        found = self.manager.worker_spends.of_all(since, until)
        kept_since = until if found is None else found.start
        earlier = None
        archive = self.manager.archive
        if archive is not None and kept_since > since:
            try:
                earlier = archive.worker_spends(since, kept_since)
            except HistoryError as error:
                logger.warning("what workers were paid for before is not told: %s", error)
        return tuple(one for one in (earlier, found) if one is not None)

    @property
    def billing(self) -> dict[str, Billing]:
        """How each provider bills, by name, of those that say it."""
        return self.manager.cloud.billing()

    def last_hours(self, lifetimes: Sequence[Lifetime]) -> LastHours:
        """What workers used in the last hour before they ended, in one look; `lifetimes` have ended."""
        begun, ended = (np.array([getattr(one, name) for one in lifetimes], np.float64) for name in ("began_at", "ended_at"))
        return self.manager.history.last_hours([one.worker_id for one in lifetimes], begun, ended)

    def start(self, range_seconds: float) -> float:
        """Where a window of that length begins."""
        _check(range_seconds, 1)
        return self.end() - range_seconds


def _check_resource(resource: str) -> None:
    if not isinstance(resource, str) or resource not in RESOURCES:
        raise InvalidValueError(f"resource must be one of {', '.join(RESOURCES)}, got {resource!r}")


def _check(range_seconds: float, columns: int) -> None:
    if not (math.isfinite(range_seconds) and range_seconds > 0):
        raise InvalidValueError(f"range_seconds must be positive and finite, got {range_seconds!r}")
    if not 1 <= columns <= MOST_COLUMNS:
        raise InvalidValueError(f"columns must be between 1 and {MOST_COLUMNS}, got {columns!r}")
