"""What batches come to in the history file: which rows, which deletions, and what is kept of them until the next ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from drm.cloud.accrual import Spend
from drm.decision import ScalingDecision
from drm.history.attempts import ticks_of
from drm.history.batch import Batch, Event
from drm.history.buckets import ClosedCells, ClosedSeries
from drm.history.file import HistoryFile, HistoryFileError
from drm.history.levels import BUCKETS, STEPS_SECONDS
from drm.history.lifetimes import Lifetime
from drm.history.reading import growing_decision
from drm.history.rows import (
    Columns,
    cost_columns,
    decision_columns,
    document_of,
    open_bucket_bytes,
    open_task_columns,
    sample_columns,
    series_columns,
    spend_bytes,
    state_columns,
    task_columns,
    worker_columns,
    worker_cost_columns,
)
from drm.history.schema import LEVEL_NAMES, SPEND_LEVEL_NAMES
from drm.history.worker_numbers import WorkerNumbers
from drm.history.worker_spends import KEPT_SECONDS, STEPS
from drm.tasks import TaskChange

DAY_SECONDS = 86_400.0
COST_SECONDS = 60.0
"""So often the sums of cost are kept; the latest stands in `tail`."""
SPEND_KEPT_SECONDS = (KEPT_SECONDS[0] + STEPS[1], KEPT_SECONDS[1] + STEPS[2], math.inf)
"""So long what workers were paid for is kept by the minute, by ten minutes and by the hour; as `WorkerSpends` does, but for the hours."""
RUN_SECONDS = 300.0
"""So often the ledger's last row is written although it still grows; the latest of it stands in `tail`."""


@dataclass(frozen=True, slots=True)
class _Growing:
    """The newest row of the ledger, into which further evaluations are folded."""

    decision: ScalingDecision | None = None
    written: ScalingDecision | None = None
    """As it was last written as a row."""
    written_at: float = -math.inf


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the rows that stand in the file."""

    open_tasks: Set[str]
    queued_at: Mapping[str, float]
    """Of those that were queued again."""
    growing: _Growing
    costs_at: float = -math.inf


@dataclass(slots=True)
class _Change:
    """One transaction."""

    before: list[tuple[str, list[Any]]]
    rows: list[tuple[str, Columns]]
    known: _Known
    """What is known once it is written."""


class Writing:
    """For the one thread that writes, from an opening of the file to its closing. `run`: the number of this run of the program in it."""

    def __init__(self, file: HistoryFile, run: int) -> None:
        self._file, self._run = file, run
        self._numbers = WorkerNumbers(file)
        tasks = file.read("SELECT task_id, queued_at, queued_at > submitted_at FROM open_tasks")
        queued_again = {task_id: queued_at for task_id, queued_at, again in tasks if again}
        self._known = _Known({task_id for task_id, *_ in tasks}, queued_again, _Growing(growing_decision(file)))

    def write(self, batches: Sequence[Batch]) -> None:
        """All of them in one transaction. HistoryFileError where it fails; then the same batches may be given again."""
        batches = [_sampled(batch) for batch in batches]
        with self._numbers.given_for(batches) as new:
            try:
                change = self._change(batches, new)
            except Exception as error:
                raise HistoryFileError("refused", f"a tick could not be put into rows: {type(error).__name__}: {error}") from error
            self._file.write(change.rows, change.before)
        self._known = change.known

    def finish(self) -> None:
        """Writes what stands in `tail` as rows of their own, at the end of a run."""
        growing = self._known.growing
        if growing.decision is not None and growing.decision is not growing.written:
            self._file.write([("decision_rows", decision_columns([growing.decision]))])
            self._known = replace(self._known, growing=replace(growing, written=growing.decision))

    def forget_workers(self) -> None:
        """Takes away the numbers of those of whom no sample is kept any more."""
        self._numbers.forget()

    def _change(self, batches: Sequence[Batch], new: Sequence[tuple[str, int]]) -> _Change:
        events = [event for batch in batches for event in batch.events]
        change = _Change([], [("workers", worker_columns(new)), *self._closed(batches)], self._known)
        change.rows.append(("worker_states", state_columns(_states(batches))))
        change.rows.append(("events", event_columns(events, self._run)))
        self._tasks(batches, change)
        self._decisions(batches, change)
        spend = self._costs(batches, change)
        tail = self._tail(batches, change.known.growing.decision, spend)
        change.before.append(("DELETE FROM tail WHERE name IN (SELECT unnest(?))", [tail["name"]]))
        change.rows.append(("tail", tail))
        return change

    def _closed(self, batches: Sequence[Batch]) -> list[tuple[str, Columns]]:
        rows: list[tuple[str, Columns]] = []
        closed = [one for batch in batches for one in batch.closed]
        for level, name in enumerate(LEVEL_NAMES):
            cells = [one for one in closed if one.level == level and isinstance(one, ClosedCells)]
            series = [one for one in closed if one.level == level and isinstance(one, ClosedSeries)]
            if cells:
                rows.append((f"samples_{name}", sample_columns(cells, self._numbers.all)))
            if series:
                rows.append((f"fleet_{name}", series_columns(series)))
        blocks = [block for batch in batches for block in batch.worker_spends]
        for level, name in enumerate(SPEND_LEVEL_NAMES):
            rows.append((f"worker_costs_{name}", worker_cost_columns([one for one in blocks if one.level == level], self._numbers.all)))
        return rows

    def _tasks(self, batches: Sequence[Batch], change: _Change) -> None:
        queued_at, still_open = dict(self._known.queued_at), self._known.open_tasks
        ended: list[tuple[TaskChange, float]] = []
        latest: dict[str, TaskChange] = {}
        for one in (one for batch in batches for one in batch.tasks):
            task = one.task
            if task.state in ("queued", "running"):
                latest[task.id] = one
                if task.state == "queued" and task.attempt:
                    queued_at[task.id] = one.epoch
            else:
                ended.append((one, queued_at.pop(task.id, task.submitted_at)))
                latest.pop(task.id, None)
        gone = {one.task.id for one, _ in ended}
        touched = (gone | latest.keys()) & still_open
        if touched:
            change.before.append(("DELETE FROM open_tasks WHERE task_id IN (SELECT unnest(?))", [sorted(touched)]))
        change.rows.append(("attempts", task_columns(ended)))
        change.rows.append(("open_tasks", open_task_columns([(one, queued_at.get(name, math.nan)) for name, one in latest.items()])))
        change.known = replace(change.known, open_tasks=(still_open - gone) | latest.keys(), queued_at=queued_at)

    def _decisions(self, batches: Sequence[Batch], change: _Change) -> None:
        latest = {decision.id: decision for batch in batches for decision in batch.decisions}
        before, now = self._known.growing, batches[-1].epoch
        if before.decision is not None:
            latest.setdefault(before.decision.id, before.decision)
        if not latest:
            return
        newest = latest[max(latest)]
        chosen = [latest[number] for number in sorted(latest) if number != newest.id and latest[number] is not before.written]
        goes_on = before.decision is not None and before.decision.id == newest.id and newest.fold is not None
        if goes_on and now - before.written_at < RUN_SECONDS:
            growing = replace(before, decision=newest)
        else:
            chosen, growing = [*chosen, newest], _Growing(newest, newest, now)
        change.rows.append(("decision_rows", decision_columns(chosen)))
        change.known = replace(change.known, growing=growing)

    def _costs(self, batches: Sequence[Batch], change: _Change) -> Spend | None:
        """The last of the sums."""
        spend = None
        for batch in batches:
            spend = batch.spend or spend
            if batch.spend is not None and batch.epoch >= change.known.costs_at + COST_SECONDS:
                change.rows.append(("costs", cost_columns(batch.epoch, batch.spend)))
                change.known = replace(change.known, costs_at=batch.epoch)
        return spend

    def _tail(self, batches: Sequence[Batch], growing: ScalingDecision | None, spend: Spend | None) -> Columns:
        values = {"batch": b""}
        opened = next((batch.open for batch in reversed(batches) if batch.open is not None), None)
        if opened is not None:
            values["open_bucket"] = open_bucket_bytes(opened, self._numbers.all)
        if growing is not None:
            values["decision"] = document_of(growing)
        if spend is not None:
            values["spend"] = spend_bytes(spend)
        return {"name": list(values), "epoch": [batches[-1].epoch] * len(values), "value": list(values.values())}


def expired(now: float, retention_seconds: float, oldest_decision: int) -> list[tuple[str, list[Any]]]:
    """What retention takes away: each level keeps as much as the rings, the coarsest and the exact records as long as is asked for, and
    decisions until the ledger has let go of them."""
    kept = [min(step * BUCKETS, retention_seconds) for step in STEPS_SECONDS[:-1]] + [retention_seconds]
    deletions = [
        (f"DELETE FROM {table}_{name} WHERE epoch < ?", [now - seconds])
        for table in ("samples", "fleet")
        for name, seconds in zip(LEVEL_NAMES, kept, strict=True)
    ]
    oldest = now - retention_seconds
    deletions += [
        (f"DELETE FROM worker_costs_{name} WHERE epoch < ?", [now - min(SPEND_KEPT_SECONDS[level], retention_seconds)])
        for level, name in enumerate(SPEND_LEVEL_NAMES)
    ]
    deletions += [(f"DELETE FROM {table} WHERE epoch < ?", [oldest]) for table in ("costs", "events")]
    deletions.append(("DELETE FROM attempts WHERE finished < ?", [ticks_of(oldest)]))
    deletions.append(("DELETE FROM decision_rows WHERE until < ? AND id < ?", [oldest, oldest_decision]))
    ended = "SELECT lifetime FROM worker_states WHERE state = 'terminated' AND epoch < ?"
    deletions.append((f"DELETE FROM worker_states WHERE lifetime IN ({ended})", [oldest]))
    return deletions


def _states(batches: Sequence[Batch]) -> list[tuple[float, Lifetime]]:
    """Each changed lifetime as it was after each batch; one that ended before its batch did so at that earlier time."""
    return [
        (one.ended_at if not math.isnan(one.ended_at) else max(batch.epoch, one.states[-1][0]), one)
        for batch in batches
        for one in batch.lifetimes
    ]


def event_columns(events: Sequence[Event], run: int) -> Columns:
    """One row for each event."""
    return {
        "epoch": [one.epoch for one in events],
        "run": [run] * len(events),
        "kind": [one.kind for one in events],
        "detail": [one.detail for one in events],
    }


def _sampled(batch: Batch) -> Batch:
    """The batch without the cells of those of whom there is no sample; the tick has no time to look for them."""
    closed = [one.sampled if isinstance(one, ClosedCells) else one for one in batch.closed]
    opened = batch.open and replace(batch.open, cells=tuple(one for one in (cells.sampled for cells in batch.open.cells) if one.worker_ids))
    kept = tuple(one for one in closed if not isinstance(one, ClosedCells) or one.worker_ids)
    return replace(batch, closed=kept, open=opened)


def without_samples(batch: Batch) -> Batch:
    """The batch without what goes first where there is no room."""
    return replace(batch, closed=(), open=None, worker_spends=())
