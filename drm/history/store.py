"""HistoryStore: what survives. It holds a folder, gives back what an earlier run knew, and records what ticks hand over.

`begin` and `keep` are for the thread of the tick, `archive` is for any. What can be mended while the program runs never stops it: then
`recording` says what is wrong, and since when.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from drm.cloud.accrual import Spend
from drm.errors import HistoryError, InvalidValueError
from drm.history import reading, runs
from drm.history.archive_reader import ArchiveReader
from drm.history.attempts import NOT_FOLLOWED, POOL_GONE, just_after
from drm.history.batch import ENDED, Batch, Event
from drm.history.copying import Copies
from drm.history.earlier import Earlier, read_earlier
from drm.history.file import HistoryFile, HistoryFileError
from drm.history.folder import HistoryFolder
from drm.history.gaps import Gap
from drm.history.known_shapes import KnownShapes
from drm.history.lifetimes import Lifetime, Lifetimes
from drm.history.recorder import Recorder
from drm.history.recording import Recording
from drm.history.remembered import Remembered
from drm.history.runs import NOT_RUNNING
from drm.snapshot import Snapshot, Source
from drm.tasks import TaskChange

logger = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0
MOST_DAYS = 3_650.0
GRACE_SECONDS = 60.0
"""So long after the start a worker of an earlier run may be found again; then it has ended."""
OPEN_BUCKET_SECONDS = 1.0
"""The open bucket of the rings is handed over no more often."""


_UNLOCKED: AbstractContextManager[None] = nullcontext()


def _fill_nothing() -> None:
    """There is nothing that was kept."""


class HistoryStore:
    """History in a folder, for one manager of one program at a time.

    `retention_days`: how long decisions, tasks, lifetimes, costs and hourly samples are kept. HistoryError where the folder is a file,
    belongs to somebody else, or is held by another program.
    """

    def __init__(self, folder: str | Path, *, retention_days: float = 30.0) -> None:
        if not (isinstance(retention_days, (int, float)) and math.isfinite(retention_days) and 0 < retention_days <= MOST_DAYS):
            raise InvalidValueError(f"retention_days must be more than 0 and at most {MOST_DAYS:g}, got {retention_days!r}")
        self.folder = HistoryFolder(folder)
        self._file = HistoryFile(self.folder.file)
        self.retention_seconds = retention_days * DAY_SECONDS
        self._recorder = Recorder(self._file, self._open_again, self.retention_seconds)
        self._source = Source("live", "")
        self._gaps: tuple[Gap, ...] = ()
        self._restored_until = math.nan
        self._looks_until = math.nan
        self._pool_outlives = False
        self._tell_all = threading.Event()
        """Set where a new file has to be told of everything that is there."""
        self._opened_at = -math.inf
        self._remembered: Remembered | None = None
        self._run: int | None = None
        self._ended_early: tuple[Lifetime, ...] = ()
        self._first_number = 1
        self._first_ids = 1, 1
        """Of this run's decisions and lifetimes."""
        self._epoch = math.nan
        self._known = KnownShapes()
        self.archive = ArchiveReader(self._file, self._known, lambda: self.recording.complete_until)
        self.copies = Copies(self._file)
        try:
            self.folder.hold()
        except OSError as error:
            logger.warning("history is not kept: %s", error)

    @property
    def recording(self) -> Recording:
        """How the keeping of history does."""
        return self._recorder.recording

    @property
    def file(self) -> HistoryFile:
        """For those who read it with SQL."""
        return self._file

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The times of which nothing is known, oldest first."""
        return (*self._gaps, *self._recorder.gaps)

    def last_epoch(self) -> float:
        """The last time of which the folder knows; -inf where it knows none, or cannot be read now."""
        try:
            self._hold_and_open()
            return reading.last_epoch(self._file)
        except HistoryFileError as error:
            logger.warning("history: %s", error)
            return -math.inf

    def begin(
        self, now: float, source: Source, remembered: Remembered, *, pool_outlives: bool, lock: AbstractContextManager[Any] = _UNLOCKED
    ) -> None:
        """Fills what is remembered, under the lock that guards it, with what an earlier run knew, and begins to record. `pool_outlives`:
        whether the workers of an earlier run may still be there, as on a scheduler of somebody else."""
        self._source, self._epoch, self._remembered, self._pool_outlives = source, now, remembered, pool_outlives
        run, fill = None, _fill_nothing
        try:
            self._hold_and_open()
            fill = self._read_again_if_damaged(now, remembered)
            run = self._begin_run(now, restored=True)
        except Exception as error:
            # Whatever is wrong with what was kept, the pool is run.
            self._file.close()
            self._recorder.stopped(" ".join(str(error).split())[:300], now)
            logger.warning("history is not kept: %s", error, exc_info=not isinstance(error, HistoryFileError))
            fill = self._begin_without
        with lock:
            fill()
            remembered.rings.keep_closed()
            remembered.worker_spends.keep_closed()
            remembered.ledger.keep_seconds(self.retention_seconds)
            remembered.lifetimes.keep_seconds(self.retention_seconds)
            remembered.ledger.keep_changed()
        self._recorder.start(run, now)
        if self._ended_early:
            self._recorder.keep(Batch(now, lifetimes=self._ended_early))

    def keep(
        self, snapshot: Snapshot, remembered: Remembered, lifetimes: tuple[Lifetime, ...], tasks: tuple[TaskChange, ...], spend: Spend
    ) -> None:
        """Hands over one tick; returns at once."""
        self._epoch = snapshot.time
        if not math.isnan(self._restored_until):
            lifetimes += self._look_for_earlier(snapshot, remembered.lifetimes)
        if self._tell_all.is_set():
            self._tell_all.clear()
            lifetimes, tasks = remembered.lifetimes.living(), (*remembered.tasks.open_changes(), *tasks)
        opened = None
        if time.monotonic() - self._opened_at >= OPEN_BUCKET_SECONDS and not self._recorder.is_behind:
            self._opened_at, opened = time.monotonic(), remembered.rings.open_bucket()
        self._recorder.keep(
            Batch(
                epoch=snapshot.time,
                closed=remembered.rings.take_closed(),
                open=opened,
                lifetimes=lifetimes,
                tasks=tasks,
                decisions=remembered.ledger.take_changed(),
                oldest_decision=remembered.ledger.first_id,
                spend=spend,
                worker_spends=remembered.worker_spends.take_closed(),
            )
        )

    def keep_last(self, tasks: tuple[TaskChange, ...]) -> None:
        """Hands over what became of tasks after the last tick."""
        if tasks and self._recorder.is_running:
            ended = tuple(replace(one, task=replace(one.task, finished_at=just_after(one.task.finished_at))) for one in tasks)
            self._recorder.keep(Batch(self._epoch, tasks=ended))

    def flush(self, timeout_seconds: float) -> bool:
        """Waits until all that was handed over so far is written; False where that took too long."""
        return self._recorder.flush(timeout_seconds)

    def close(self) -> None:
        """Writes what waits, and lets go of file and folder; may be called twice."""
        if self._recorder.is_running:
            opened = self._remembered.rings.open_bucket() if self._remembered else None
            self._recorder.keep(Batch(self._epoch, open=opened, events=(Event(self._epoch, ENDED, "the program ended in order"),)))
        self._recorder.stop()
        self.folder.release()

    def tell(self, facts: Mapping[str, Any]) -> None:
        """Tells those who find the folder held where this program is, as in `url`."""
        self.folder.tell(dict(facts))

    def _hold_and_open(self) -> None:
        try:
            self.folder.hold()
        except (OSError, HistoryError) as error:
            raise HistoryFileError("unusable", f"{self.folder.path}: {error}") from error
        if not self._file.is_open:
            self._file.open()

    def _open_again(self, first: float) -> int:
        """Opens a file that could not be opened, or was lost, while the program ran; the number of this run in it. `first`: the time of
        the first tick that is written then."""
        self._hold_and_open()
        return self._begin_run(self._epoch if math.isnan(first) else first, restored=False)

    def _read_again_if_damaged(self, now: float, remembered: Remembered) -> Callable[[], None]:
        for _ in range(2):
            try:
                return self._read(now, remembered)
            except HistoryFileError as error:
                if error.trouble not in ("damaged", "invalid"):
                    raise
                logger.warning("%s", error)
            except Exception:
                logger.exception("what is kept in %s cannot be understood", self._file.path)
            # What was found may have been a trouble of this opening.
            self._file.close()
            self._file.open()
        # Damage that only reading finds; what is put aside may still be looked at by hand.
        self._file.start_anew()
        return self._read(now, remembered)

    def _read(self, now: float, remembered: Remembered) -> Callable[[], None]:
        """Reads all that is to be taken over, and returns what takes it over."""
        runs.check_source(self._file, self._source)
        earlier = read_earlier(self._file, self._known, now)
        if earlier is None:
            return _fill_nothing
        self._first_ids = earlier.first_ids
        return lambda: self._fill(earlier, remembered)

    def _fill(self, earlier: Earlier, remembered: Remembered) -> None:
        self._gaps = (*earlier.gaps, *self._gaps)
        earlier.take_over_lifetimes(remembered)
        self._restored_until, self._looks_until = earlier.until, math.nan
        if not self._pool_outlives:
            self._ended_early = remembered.lifetimes.end_unseen((), just_after(earlier.until), POOL_GONE)
            self._restored_until = math.nan
        earlier.take_over_rest(remembered, lambda first, last: reading.decisions(self._file, first, last))

    def _begin_without(self) -> None:
        """The ids of earlier runs are not known: later than all of them."""
        assert self._remembered is not None
        self._first_number = round(time.time() * 1000)
        self._first_ids = self._first_number, self._first_number
        self._remembered.ledger.begin_at(self._first_number)
        self._remembered.lifetimes.begin_at(self._first_number)

    def _begin_run(self, now: float, *, restored: bool) -> int:
        """Finishes what an earlier run left open, and says in the file that this one began; returns its number."""
        if self._run is not None and self._run == runs.last_run(self._file):
            return self._run
        runs.check_source(self._file, self._source)
        lost_because = NOT_FOLLOWED if self._pool_outlives else POOL_GONE
        begun = runs.begin_run(self._file, self._source, now, lost_because, None if restored else self._first_number, self._first_ids)
        if begun.put_aside:
            self._recorder.found(begun.put_aside)
        if self._run is not None:
            # The file that knew what this run has told so far is gone.
            self._tell_all.set()
        self._gaps = (*self._gaps, *((begun.gap,) if begun.gap else ()))
        self._run = begun.run
        return begun.run

    def _look_for_earlier(self, snapshot: Snapshot, lifetimes: Lifetimes) -> tuple[Lifetime, ...]:
        """Workers of an earlier run that have not been found again after a while have ended, when they were last known."""
        if math.isnan(self._looks_until) and snapshot.ready:
            self._looks_until = snapshot.time + GRACE_SECONDS
        if not snapshot.time >= self._looks_until:
            return ()
        until, self._restored_until = self._restored_until, math.nan
        return lifetimes.end_unseen(snapshot.worker_ids, just_after(until), f"{NOT_RUNNING}, and it was not there any more afterwards")
