"""The recorder: one thread that writes what ticks hand over, through bad days, and says how it does.

A tick is never delayed: handing over is appending to a bounded queue. Where the file cannot be written, samples go first, then records;
what went is counted, stands in the history as an event, and is a gap in it.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from drm.health import sentence
from drm.history.batch import Batch, Event
from drm.history.facts import memory_bytes
from drm.history.file import HistoryFile, HistoryFileError
from drm.history.gaps import Gap
from drm.history.recording import Recording
from drm.history.waiting import Dropped, WaitingBatches
from drm.history.writing import Writing, expired

logger = logging.getLogger(__name__)

FEW_BATCHES = 5
CHECKPOINT_SECONDS, RETENTION_SECONDS, FORGET_SECONDS, RENEWAL_SECONDS = 300.0, 60.0, 3600.0, 600.0
LOG_BYTES, LOG_SECONDS = 32 * 2**20, 20.0
"""A longer log is merged into the file before its time, but no more often than that: what merging takes grows with the log."""
JUMP_SECONDS = 86_400.0
"""After a longer time between two ticks, which may be a clock that was set wrongly, nothing is taken away for `FORGET_SECONDS`."""
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long it waits after the first failure, the second, ..., and after all later ones."""
REOPEN_AFTER, ANEW_AFTER = 2, 4
"""After so many failures in a row the file is opened again; after so many that made it invalid it counts as damaged."""
STOP_SECONDS = 3.0
LAST_LOG_BYTES = 4 * 2**20
"""A longer log is not merged at the end of the program: the next start reads it as it is."""
WITHIN_SECONDS, INTERRUPT_SECONDS = 20.0, 0.25
"""So long an end waits for a call of DuckDB that nothing can interrupt, as a checkpoint is; and how often it tries to."""


class Recorder:
    """`open_file` opens the file and finishes what an earlier run left open, for a first tick at a time, and returns the number of this
    run; it is called in the thread of the recorder, again and again until it succeeds, unless `start` is told that number."""

    def __init__(
        self, file: HistoryFile, open_file: Callable[[float], int], retention_seconds: float, clock: Callable[[], float] = time.monotonic
    ):
        self._file, self._open_file, self._retention_seconds, self._clock = file, open_file, retention_seconds, clock
        self._waiting = WaitingBatches()
        self._in_hand: list[Batch] = []
        """What is being written, or waits to be tried again."""
        self._changed = threading.Condition()
        self._stopping = self._hurried = False
        self._process = os.getpid()
        self._thread: threading.Thread | None = None
        self._writing: Writing | None = None
        self._failures = self._oldest_decision = 0
        self._retry_at = -math.inf
        self._next_checkpoint = self._next_retention = self._next_forgetting = self._next_renewal = -math.inf
        self._dropped = Dropped()
        """What the history does not tell of yet."""
        self.gaps: tuple[Gap, ...] = ()
        """Times of this run of which something was dropped."""
        self.recording = Recording("starting", path=str(file.path))

    def start(self, run: int | None, now: float) -> None:
        """Begins to write; `run`: the number of this run where the file is open already."""
        if run is not None:
            self._note(state="on", since=now)
            try:
                self._writing = Writing(self._file, run)
            except HistoryFileError as error:
                self._fail(error)
        self._next_checkpoint = self._clock() + CHECKPOINT_SECONDS
        self._next_renewal = self._clock() + RENEWAL_SECONDS
        self._thread = threading.Thread(target=self._run, name="drm-recorder", daemon=True)
        self._thread.start()
        # A thread that is within DuckDB when the interpreter goes ends the process by force.
        atexit.register(self.stop)

    def stopped(self, reason: str, epoch: float) -> None:
        """Says that history cannot be kept for now."""
        self._note(state="stopped", reason=reason, since=epoch)

    @property
    def is_running(self) -> bool:
        """Whether it takes batches."""
        return self._thread is not None and not self._stopping

    @property
    def is_behind(self) -> bool:
        """Whether what is handed over now is not written soon."""
        return len(self._waiting) >= FEW_BATCHES

    def found(self, reason: str) -> None:
        """What was found when the file was opened, for a reader of the page."""
        self._note(reason=reason)

    def keep(self, batch: Batch) -> None:
        """Hands over what a tick was; returns at once."""
        with self._changed:
            if dropped := self._waiting.add(batch):
                self._drop(dropped)
            self._note(waiting=len(self._waiting))
            self._changed.notify_all()

    def flush(self, timeout_seconds: float) -> bool:
        """Waits until all that was handed over so far is written; False where that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._in_hand, timeout_seconds)

    def stop(self) -> None:
        """Writes what waits, as far as that goes within `STOP_SECONDS`, and closes the file, in the process that made it only. A long log
        is left to the next start."""
        atexit.unregister(self.stop)
        if os.getpid() != self._process:
            return
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
            self._hurry(self._thread)
        if self._thread is None or not self._thread.is_alive():
            self._file.close()
        if self._waiting or self._in_hand:
            logger.warning("history: the last %d ticks could not be written before the end", len(self._waiting) + len(self._in_hand))

    def _hurry(self, thread: threading.Thread) -> None:
        """Ends the thread after what it does in the database now: one that is still within it when the program ends aborts that."""
        self._hurried = True
        give_up_at = time.monotonic() + WITHIN_SECONDS
        while thread.is_alive() and time.monotonic() < give_up_at:
            # An interrupt between two statements is lost.
            self._file.interrupt()
            thread.join(INTERRUPT_SECONDS)

    def _run(self) -> None:
        is_over = False
        while not is_over:
            try:
                is_over = self._turn()
            except Exception:
                # Without memory even noting a failure may fail: the thread that keeps history must not end with it.
                with self._changed:
                    self._changed.wait(min(RETRY_SECONDS))
                self._retry_at = self._clock() + RETRY_SECONDS[0]
                is_over = self._stopping

    def _turn(self) -> bool:
        """Waits for something to do, and does it; whether it was the last time."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._is_due(), timeout=self._patience())
            stopping = self._stopping
            self._take()
        began = time.thread_time()
        writes = bool(self._in_hand)
        went_well = self._step()
        held = memory_bytes(self._file) if writes and went_well and not self._hurried else self.recording.memory_bytes
        with self._changed:
            busy_seconds = self.recording.busy_seconds + time.thread_time() - began
            self._note(busy_seconds=busy_seconds, memory_bytes=held)
            self._changed.notify_all()
        if stopping and (not went_well or not self._waiting):
            self._finish()
            return True
        return False

    def _take(self) -> None:
        # What waits while something is tried again must be able to make room.
        if not self._in_hand:
            self._in_hand = self._waiting.take()

    def _is_due(self) -> bool:
        return bool(self._waiting or self._in_hand) and self._clock() >= self._retry_at

    def _patience(self) -> float:
        due = max(self._retry_at, min(self._next_checkpoint, self._next_retention))
        return min(1.0, max(0.05, due - self._clock()))

    def _step(self) -> bool:
        """Writes what is in hand, or tries to open the file; whether all is well."""
        if self._hurried or (self._clock() < self._retry_at and not self._stopping):
            return False
        try:
            if self._writing is None:
                epoch = self._in_hand[0].epoch if self._in_hand else math.nan
                self._writing = Writing(self._file, self._open_file(epoch))
            if self._in_hand:
                self._write(self._in_hand)
                self._in_hand = []
            self._tidy()
        except HistoryFileError as error:
            if not self._hurried:
                self._fail(error)
            return False
        except Exception as error:
            # Whatever it is, the thread that keeps history must not end with it.
            logger.exception("the recorder failed")
            starved = isinstance(error, (MemoryError, OSError))
            self._fail(HistoryFileError("starved" if starved else "invalid", sentence(error)))
            return False
        return True

    def _write(self, batches: list[Batch]) -> None:
        assert self._writing is not None
        try:
            self._write_whole(self._writing, batches)
        except HistoryFileError as error:
            if error.trouble != "refused":
                raise
            self._write_singly(self._writing, batches)

    def _write_singly(self, writing: Writing, batches: list[Batch]) -> None:
        """Leaves out those that the file does not take, whatever the reason: they must not keep it from all others."""
        while batches:
            try:
                self._write_whole(writing, batches[:1])
            except HistoryFileError as error:
                if error.trouble != "refused":
                    raise
                one = batches[0]
                logger.warning("a tick is left out of the history: %s", error)
                self._drop(Dropped.of(one))
            del batches[:1]

    def _write_whole(self, writing: Writing, batches: list[Batch]) -> None:
        last = batches[-1]
        with self._changed:
            dropped, self._dropped = self._dropped, Dropped()
        events = self._resumption(last.epoch, dropped)
        try:
            writing.write([*batches[:-1], replace(last, events=(*events, *last.events))])
        except BaseException:
            with self._changed:
                self._dropped += dropped
            raise
        self._failures = 0
        self._oldest_decision = max(self._oldest_decision, last.oldest_decision)
        jumped = last.epoch - self.recording.complete_until > JUMP_SECONDS
        if jumped and math.isfinite(self.recording.complete_until):
            self._next_retention = self._clock() + FORGET_SECONDS
        if dropped:
            self.gaps = (*self.gaps, dropped.gap())
        if self.recording.state != "on":
            self._note(state="on", since=last.epoch, reason=events[0].detail if events else self.recording.reason)
        written = self.recording.written_batches + len(batches)
        self._note(complete_until=last.epoch, written_batches=written, waiting=len(self._waiting))

    def _resumption(self, epoch: float, dropped: Dropped) -> list[Event]:
        """What is to be said in the history of a time in which it was not kept."""
        lost = f"{dropped.samples} samples and {dropped.records} records were dropped" if dropped else "nothing was lost"
        events = []
        if self.recording.state == "stopped":
            told = f"history was not kept for {epoch - self.recording.since:.0f} s ({self.recording.reason}); {lost}"
            events.append(Event(epoch, "resumed", told))
        if dropped:
            gap = dropped.gap()
            events += [Event(epoch, "dropped", lost), Event(gap.since, "gap_began", gap.reason), Event(gap.until, "gap_ended", gap.reason)]
        return events

    def _tidy(self) -> None:
        """Retention and checkpoints, one small step after the other; none that an end would have to wait for."""
        assert self._writing is not None
        if self._stopping:
            return
        now, written = self._clock(), math.isfinite(self.recording.complete_until)
        if now >= self._next_retention and written:
            self._next_retention = now + RETENTION_SECONDS
            for statement, values in expired(self.recording.complete_until, self._retention_seconds, self._oldest_decision):
                self._file.write([], [(statement, values)])
        if now >= self._next_forgetting and written:
            self._next_forgetting = now + FORGET_SECONDS
            self._writing.forget_workers()
        is_long = now >= self._next_checkpoint - CHECKPOINT_SECONDS + LOG_SECONDS and self._file.log_bytes > LOG_BYTES
        if now >= self._next_checkpoint or is_long:
            self._next_checkpoint = now + CHECKPOINT_SECONDS
            self._file.checkpoint()
            if now >= self._next_renewal and self._file.renew():
                self._next_renewal = now + RENEWAL_SECONDS

    def _finish(self) -> None:
        if self._writing is None:
            return
        try:
            if not self._hurried:
                self._writing.finish()
            if not self._hurried and self._file.log_bytes <= LAST_LOG_BYTES:
                self._file.checkpoint()
        except HistoryFileError as error:
            # An end that could not wait any longer has interrupted it: what it did stands in the log.
            if not self._hurried:
                logger.warning("history: %s", error)
        self._file.close()

    def _fail(self, error: HistoryFileError) -> None:
        if self.recording.state != "stopped":
            logger.warning("history is not kept: %s", error)
            self._note(state="stopped", since=self._in_hand[0].epoch if self._in_hand else self.recording.complete_until)
        self._note(reason=str(error))
        self._failures += 1
        if error.trouble == "damaged" or (error.trouble == "invalid" and self._failures >= ANEW_AFTER):
            self._file.note_damage()
        if error.trouble != "unusable" or self._failures >= REOPEN_AFTER:
            self._writing = None
            self._file.close()
        self._retry_at = self._clock() + RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS)) - 1]

    def _drop(self, dropped: Dropped) -> None:
        with self._changed:
            self._dropped += dropped
            self._note(
                dropped_samples=self.recording.dropped_samples + dropped.samples,
                dropped_records=self.recording.dropped_records + dropped.records,
            )

    def _note(self, **changes: object) -> None:
        with self._changed:
            self.recording = replace(self.recording, **changes)  # type: ignore[arg-type]  # fields of Recording
