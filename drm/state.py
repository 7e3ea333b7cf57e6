"""DRMState: the one shared object between the tick and its readers: the last Snapshot, the controller's health, and window queries."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from drm.errors import DRMError, InvalidValueError
from drm.history.window import HeatmapWindow, SeriesWindow
from drm.manager import DynamicResourceManager
from drm.model import RESOURCES
from drm.snapshot import Snapshot

logger = logging.getLogger(__name__)

LOG_EVERY_SECONDS = 60.0
MOST_ROWS, MOST_COLUMNS = 1_000, 1_000
MEASURES = ("used", "allocated")


@dataclass(frozen=True, slots=True)
class Health:
    """How the controller does. Times are epoch seconds; NaN before the first tick that went well."""

    ok: bool = True
    """Whether the last tick went well."""
    error: str = ""
    """Why it did not."""
    errors: int = 0
    """Ticks that failed, since the start."""
    last_tick_at: float = math.nan
    ticked_monotonic: float = math.nan
    """When that was by `time.monotonic()`, for its age: a wall clock may have been set since."""
    """The time of the last tick that went well."""
    tick_seconds: float = math.nan
    """How long the last tick took."""
    interval_seconds: float = 1.0


class DRMState:
    """Readers take `snapshot` and `health`, immutable values that are replaced whole, so no reader waits for a tick or sees half of one.

    A manager has one state: making a second one gives the first. A state belongs to the process that made it; used after a fork it raises
    DRMError, because threads, and with them the tick, do not survive one.
    """

    manager: DynamicResourceManager

    def __new__(cls, manager: DynamicResourceManager) -> DRMState:
        """The state of this manager."""
        if not isinstance(manager, DynamicResourceManager):
            raise InvalidValueError(f"a DRMState needs a DynamicResourceManager, got {manager!r}")
        if manager.state is None:
            state = super().__new__(cls)
            state._begin(manager)
            manager.state = state
        return cast(DRMState, manager.state)

    def _begin(self, manager: DynamicResourceManager) -> None:
        self.manager = manager
        self._health = Health(interval_seconds=manager.interval_seconds)
        self._process = os.getpid()
        self._logged_at = -math.inf
        self.runner: object | None = None
        """The Runner that ticks this state, if one is attached."""

    @property
    def snapshot(self) -> Snapshot:
        """The pool as of the last tick; version 0 and not ready before the first."""
        self._refuse_after_fork()
        return self.manager.snapshot

    @property
    def health(self) -> Health:
        """How the controller does."""
        self._refuse_after_fork()
        return self._health

    def set_interval(self, interval_seconds: float, speed: float = 1.0) -> None:
        """Tells readers and the history how often ticks come, and how fast the manager's time runs; the Runner calls it."""
        self._health = replace(self._health, interval_seconds=interval_seconds)
        self.manager.history.sampling_seconds = interval_seconds * speed

    def advance(self, now: float) -> Snapshot:
        """One tick. An exception in it is logged once a minute at most, counted and kept as `health`; the last snapshot then stands."""
        self._refuse_after_fork()
        began = time.perf_counter()
        try:
            snapshot = self.manager.advance(now)
        except Exception as error:
            self._note_failure(error, time.perf_counter() - began)
            return self.manager.snapshot
        self._health = replace(
            self._health,
            ok=True,
            error="",
            last_tick_at=snapshot.time,
            ticked_monotonic=time.monotonic(),
            tick_seconds=time.perf_counter() - began,
        )
        return snapshot

    def heatmap(
        self,
        range_seconds: float,
        resource: str = "cpu",
        measure: str = "used",
        rows: int = 150,
        columns: int = 360,
        worker_ids: Sequence[str] | None = None,
    ) -> HeatmapWindow:
        """Workers x time of one resource as fractions of capacity, up to the last tick; all workers, or only those named.

        More workers than `rows` share rows. `range_seconds` is positive; `rows` and `columns` are at most 1000.
        """
        if not isinstance(resource, str) or resource not in RESOURCES:
            raise InvalidValueError(f"resource must be one of {', '.join(RESOURCES)}, got {resource!r}")
        if not isinstance(measure, str) or measure not in MEASURES:
            raise InvalidValueError(f"measure must be one of {', '.join(MEASURES)}, got {measure!r}")
        if not 1 <= rows <= MOST_ROWS:
            raise InvalidValueError(f"rows must be between 1 and {MOST_ROWS}, got {rows!r}")
        end = self._window(range_seconds, columns)
        return self.manager.history.heatmap(resource, measure, range_seconds, end, rows, columns, worker_ids)

    def fleet(self, range_seconds: float, columns: int = 360) -> SeriesWindow:
        """The pool's recorded series over the range, up to the last tick."""
        end = self._window(range_seconds, columns)
        return self.manager.history.fleet(range_seconds, end, columns)

    def worker(self, worker_id: str, range_seconds: float, columns: int = 360) -> SeriesWindow:
        """One worker's series over the range, as fractions of its capacity; UnknownIdError where none is kept."""
        end = self._window(range_seconds, columns)
        return self.manager.history.worker(worker_id, range_seconds, end, columns)

    def _window(self, range_seconds: float, columns: int) -> float:
        """The end of a window, once its size is known to be sound."""
        if not (math.isfinite(range_seconds) and range_seconds > 0):
            raise InvalidValueError(f"range_seconds must be positive and finite, got {range_seconds!r}")
        if not 1 <= columns <= MOST_COLUMNS:
            raise InvalidValueError(f"columns must be between 1 and {MOST_COLUMNS}, got {columns!r}")
        last = self.snapshot.time
        return last if math.isfinite(last) else 0.0

    def _note_failure(self, error: Exception, tick_seconds: float) -> None:
        health = self._health
        self._health = replace(health, ok=False, error=_sentence(error), errors=health.errors + 1, tick_seconds=tick_seconds)
        if time.monotonic() - self._logged_at >= LOG_EVERY_SECONDS:
            self._logged_at = time.monotonic()
            logger.exception("a tick failed, %d so far; the next one runs", self._health.errors)

    def _refuse_after_fork(self) -> None:
        if os.getpid() != self._process:
            raise DRMError(
                f"this DRMState belongs to process {self._process}, this is {os.getpid()}: make it after the fork, and serve it from "
                "one process (gunicorn -w 1 --threads 8)"
            )


def _sentence(error: Exception) -> str:
    """The error in one line."""
    text = " ".join(str(error).split())
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__)[:500]
