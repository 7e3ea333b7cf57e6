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
from drm.history import reading
from drm.history.attempts import LOSE_OPEN, just_after, ticks_of
from drm.history.batch import ENDED, Batch, Event
from drm.history.copying import Copies
from drm.history.file import HistoryFile, HistoryFileError
from drm.history.folder import HistoryFolder
from drm.history.lifetimes import Lifetime, Lifetimes
from drm.history.reading import NOT_FOLLOWED, POOL_GONE
from drm.history.recorder import Recorder
from drm.history.recording import Recording
from drm.history.remembered import Remembered
from drm.history.rows import decision_columns
from drm.history.writing import event_columns
from drm.snapshot import Snapshot, Source
from drm.tasks import TaskChange

logger = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0
MOST_DAYS = 3_650.0
GRACE_SECONDS = 60.0
"""So long after the start a worker of an earlier run may be found again; then it has ended."""
OPEN_BUCKET_SECONDS = 1.0
"""The open bucket of the rings is handed over no more often."""
NOT_RUNNING = "the program was not running"
UNWRITTEN_AT_MOST = 1000
"""After a run that was killed so many ids are left out, which may have been told and not written."""


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
        self._gaps: tuple[reading.Gap, ...] = ()
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
        self._epoch = math.nan
        self.archive = reading.ArchiveReader(self._file, lambda: self.recording.complete_until)
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
    def gaps(self) -> tuple[reading.Gap, ...]:
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
        file = self._file
        last = reading.last_epoch(file)
        self._check_source()
        if not math.isfinite(last):
            return _fill_nothing
        until = min(last, now)
        growing = reading.growing_decision(file)
        if growing is not None:
            file.write([("decision_rows", decision_columns([growing]))])
        rings, lifetimes = reading.kept_rings(file, until), reading.lifetimes(file, now)
        decisions, spend = reading.kept_decisions(file), reading.spend(file)
        finished, usage = reading.finished_tasks(file), reading.usage(file, -math.inf, until)
        skipped = 1 if reading.ended_in_order(file) else UNWRITTEN_AT_MOST
        first_number, gaps = reading.last_lifetime(file) + skipped, reading.gaps(file)

        def fill() -> None:
            self._gaps = (*gaps, *self._gaps)
            begun_at = min((one.began_at for one in lifetimes), default=until)
            remembered.lifetimes.load(lifetimes, begun_at)
            remembered.lifetimes.begin_at(first_number)
            self._restored_until, self._looks_until = until, math.nan
            if not self._pool_outlives:
                self._ended_early = remembered.lifetimes.end_unseen((), just_after(until), POOL_GONE)
                self._restored_until = math.nan
            # Of who does not come back, the buckets that were open close with the first tick.
            remembered.rings.load(rings, [one.worker_id for one in lifetimes if math.isnan(one.ended_at)])
            if decisions is not None:
                remembered.ledger.load(decisions.until(now), lambda first, end: reading.decisions(file, first, end))
                remembered.ledger.begin_at(remembered.ledger.next_id - 1 + skipped)
            if spend is not None:
                remembered.accrual.load(spend)
                remembered.kinds.load(spend.kinds)
            remembered.tasks.finished.extend(finished)
            remembered.usage.load(usage)

        return fill

    def _begin_without(self) -> None:
        """The ids of earlier runs are not known: later than all of them."""
        assert self._remembered is not None
        self._first_number = round(time.time() * 1000)
        self._remembered.ledger.begin_at(self._first_number)
        self._remembered.lifetimes.begin_at(self._first_number)

    def _check_source(self) -> None:
        """Invented and real history do not mix."""
        rows = self._file.read("SELECT value FROM meta WHERE name = 'source'")
        if rows and rows[0][0] != self._source.kind:
            raise HistoryFileError(
                "unusable",
                f"{self._file.path} holds the history of a pool that is {rows[0][0]}, this one is {self._source.kind}: "
                "name another folder with --data-dir",
            )
        if not rows:
            self._file.write([("meta", {"name": ["source"], "value": [self._source.kind]})])

    def _begin_run(self, now: float, *, restored: bool) -> int:
        """Finishes what an earlier run left open, and says in the file that this one began; returns its number."""
        file = self._file
        run = int(file.read("SELECT coalesce(max(run), 0) FROM events")[0][0])
        if run and run == self._run:
            return run
        run += 1
        self._check_source()
        last = reading.last_epoch(file)
        events = [Event(now, "began", f"drm began, {self._source.kind}: {self._source.label}"[:300])]
        before: list[tuple[str, list[Any] | dict[str, Any]]] = []
        gap = None
        if math.isfinite(last):
            at = min(last, now)
            reason = NOT_FOLLOWED if self._pool_outlives else POOL_GONE
            # What was there at the last tick was there at its very time.
            before.append((LOSE_OPEN, {"reason": reason, "finished": ticks_of(at) + 1}))
            before.append(("DELETE FROM open_tasks", []))
            if not restored:
                before.append((END_EARLIER, [just_after(at), POOL_GONE, self._first_number]))
            gap = reading.Gap(at, now, NOT_RUNNING if last <= now else f"the clock was set back by {last - now:.0f} s, and {NOT_RUNNING}")
            events = [Event(at, "gap_began", gap.reason), Event(now, "gap_ended", gap.reason), *events]
        if file.set_aside:
            told = f"the history file could not be read on: it is kept as {', '.join(file.set_aside)}, and a new one began"
            events.append(Event(now, "put_aside", told))
            self._recorder.found(told)
        file.write([("events", event_columns(events, run))], before)
        if self._run is not None:
            # The file that knew what this run has told so far is gone.
            self._tell_all.set()
        self._gaps = (*self._gaps, *((gap,) if gap else ()))
        self._run = run
        return run

    def _look_for_earlier(self, snapshot: Snapshot, lifetimes: Lifetimes) -> tuple[Lifetime, ...]:
        """Workers of an earlier run that have not been found again after a while have ended, when they were last known."""
        if math.isnan(self._looks_until) and snapshot.ready:
            self._looks_until = snapshot.time + GRACE_SECONDS
        if not snapshot.time >= self._looks_until:
            return ()
        until, self._restored_until = self._restored_until, math.nan
        return lifetimes.end_unseen(snapshot.worker_ids, just_after(until), f"{NOT_RUNNING}, and it was not there any more afterwards")


_COPIED = (
    "cpu", "memory", "gpu", "gpu_memory", "provider", "region", "type", "market", "price", "currency", "price_source", "price_date"
)  # fmt: skip
END_EARLIER = (
    "INSERT INTO worker_states SELECT ?, lifetime, any_value(worker_id), 'terminated', ?, "
    + ", ".join(f"arg_max({name}, rowid)" for name in _COPIED)
    + " FROM worker_states WHERE lifetime < ? GROUP BY lifetime HAVING NOT max(state = 'terminated')"
)
