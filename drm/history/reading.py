"""What the history file knows, in the forms that the program works with. All of it may be called from any thread."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, pairwise
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from drm.cloud.accrual import STATES, Spend
from drm.decision import ScalingDecision
from drm.history.attempts import request_of, ticks_of
from drm.history.batch import ENDED
from drm.history.buckets import SETS, ClosedCells, ClosedSeries, Kept, KeptCells, KeptSeries, OpenBucket, metric_names
from drm.history.file import HistoryFile
from drm.history.levels import STEPS_SECONDS
from drm.history.lifetimes import MOST_ENDED, Lifetime
from drm.history.schema import LEVEL_NAMES, TICKS_A_SECOND, VIEWS
from drm.ledger import COLUMNS, ROWS_KEPT, KeptDecisions, first_of_newest
from drm.ledger_query import ACTIONS, KINDS, OUTCOMES
from drm.model import RESOURCES, WORKER_STATES, InstanceKind, Price, Resources, Task
from drm.task_usage import OUTCOMES as ATTEMPT_OUTCOMES
from drm.task_usage import SAMPLE, SAMPLES_KEPT, SHAPES_KEPT, TaskShape, UsageView
from drm.tasks import CLOSED

DECISION: TypeAdapter[ScalingDecision] = TypeAdapter(ScalingDecision)
FINISHED_KEPT = 1000
POOL_GONE = "the program ended, and its pool with it"
NOT_FOLLOWED = "the program ended, and nobody learnt what became of it"
NOTHING_LEARNT = (CLOSED, POOL_GONE, NOT_FOLLOWED)
"""Why tasks are lost of which the end says nothing."""
KIND_COLUMNS = "provider, region, type, market, price, currency, price_source, price_date"


def last_epoch(file: HistoryFile) -> float:
    """The last time of which the file knows; -inf where it is empty."""
    rows = file.read("SELECT max(epoch) FROM (SELECT epoch FROM tail UNION ALL SELECT max(epoch) FROM events)")
    return -math.inf if rows[0][0] is None else float(rows[0][0])


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which nothing is known."""

    since: float
    until: float
    reason: str


def gaps(file: HistoryFile) -> tuple[Gap, ...]:
    """The times of which nothing was kept, oldest first."""
    found, since = [], None
    for epoch, kind, detail in file.read("SELECT epoch, kind, detail FROM events WHERE kind IN ('gap_began', 'gap_ended') ORDER BY rowid"):
        if kind == "gap_began":
            since = epoch
        elif since is not None:
            found.append(Gap(since, epoch, detail))
            since = None
    return tuple(found)


def kept_rings(file: HistoryFile, until: float) -> Kept:
    """What the rings keep, up to a time."""
    ids = dict(file.read("SELECT worker, worker_id FROM workers"))
    cells, series = [], []
    for name, step in zip(LEVEL_NAMES, STEPS_SECONDS, strict=True):
        cells.append(kept_cells(file, name, step, ids, until=until))
        series.append(_kept_series(file, name, step, until))
    return Kept(until, tuple(cells), tuple(series), _open_bucket(file, ids))


def kept_cells(
    file: HistoryFile, level: str, step: float, ids: dict[int, str], *, since: float = -math.inf, until: float = math.inf
) -> tuple[KeptCells, ...]:
    """The cells of one level over a time, by set of cells. `ids`: worker ids by number."""
    found = file.columns(f"SELECT * FROM samples_{level} WHERE epoch >= ? AND epoch <= ?", [since, until])
    workers, index = np.unique(np.asarray(found["worker"]), return_inverse=True)
    names = tuple(ids[int(number)] for number in workers)
    bucket = np.floor(np.asarray(found["epoch"]) / step + 0.5).astype(np.int64)
    kept = []
    for resources in SETS:
        metrics = [f"{measure}_{resource}" for measure, resource in metric_names(resources)]
        mean, maximum = (np.array([_stored(found[f"{metric}{end}"]) for metric in metrics]) for end in ("", "_max"))
        has = maximum.any(axis=0)
        if has.all():
            kept.append(KeptCells(names, index, bucket, mean, maximum))
        else:
            present, place = np.unique(index[has], return_inverse=True)
            kept.append(KeptCells(tuple(names[one] for one in present), place, bucket[has], mean[:, has], maximum[:, has]))
    return tuple(kept)


def _stored(column: Any) -> npt.NDArray[np.uint8]:
    """A column of cells as stored bytes."""
    return np.ma.filled(column.astype(np.uint8) + np.uint8(1), 0) if np.ma.isMaskedArray(column) else column + np.uint8(1)


def _kept_series(file: HistoryFile, level: str, step: float, until: float) -> KeptSeries:
    found = file.columns(f"SELECT * FROM fleet_{level} WHERE epoch <= ?", [until])
    names, index = np.unique(np.asarray(found["series"], dtype=object).astype(str), return_inverse=True)
    bucket = np.floor(np.asarray(found["epoch"]) / step + 0.5).astype(np.int64)
    return KeptSeries(tuple(names.tolist()), index, bucket, np.asarray(found["mean"]), np.asarray(found["max"]))


def _open_bucket(file: HistoryFile, ids: dict[int, str]) -> OpenBucket | None:
    rows = file.read("SELECT value FROM tail WHERE name = 'open_bucket'")
    if not rows:
        return None
    line, _, data = bytes(rows[0][0]).partition(b"\n")
    head = json.loads(line)
    at = 0

    def take(dtype: str, *shape: int) -> Any:
        nonlocal at
        array = np.frombuffer(data, dtype, math.prod(shape), at).reshape(shape)
        at += array.nbytes
        return array

    cells = []
    for one in head["cells"]:
        resources = next(each for each in SETS if each.start == one["set"])
        workers = one["workers"]
        numbers = take("<i4", workers)
        shape = (len(metric_names(resources)), workers)
        cells.append(
            ClosedCells(
                head["level"],
                head["start"],
                resources,
                tuple(ids[int(number)] for number in numbers),
                take("u1", *shape),
                take("u1", *shape),
            )
        )
    names = tuple(head["series"])
    series = ClosedSeries(head["level"], head["start"], names, take("<f8", len(names)), take("<f8", len(names))) if names else None
    return OpenBucket(head["level"], head["start"], head["samples"], tuple(cells), series)


def ended_in_order(file: HistoryFile) -> bool:
    """Whether the last run said that it ended."""
    rows = file.read("SELECT kind FROM events WHERE run = (SELECT max(run) FROM events) ORDER BY rowid DESC LIMIT 1")
    return bool(rows) and rows[0][0] == ENDED


def last_lifetime(file: HistoryFile) -> int:
    """The highest number of a lifetime; 0 where there is none."""
    return int(file.read("SELECT coalesce(max(lifetime), 0) FROM worker_states")[0][0])


def lifetimes(file: HistoryFile, now: float) -> list[Lifetime]:
    """The newest lifetimes that the program keeps, in the order in which they began; where a clock was set back, no time is later than
    `now`, nor than what was written after it."""
    rows = file.read(
        f"SELECT lifetime, epoch, worker_id, state, reason, cpu, memory, gpu, gpu_memory, {KIND_COLUMNS} FROM worker_states "
        "WHERE lifetime NOT IN (SELECT lifetime FROM worker_states WHERE state = 'terminated' ORDER BY rowid DESC OFFSET ?) "
        "ORDER BY lifetime, rowid",
        [MOST_ENDED],
    )
    found: list[Lifetime] = []
    kinds: dict[tuple[Any, ...], InstanceKind] = {}
    for number, group in groupby(rows, key=itemgetter(0)):
        of_one = list(group)
        states: list[tuple[float, Any]] = []
        latest = now
        for _, epoch, _, state, *_ in reversed(of_one):
            latest = min(latest, epoch)
            if states and states[-1][1] == state:
                states.pop()
            states.append((latest, state))
        _, _, worker_id, _, reason, cpu, memory, gpu, gpu_memory, *columns = of_one[-1]
        kind = kinds.setdefault(tuple(columns), _kind(columns))
        found.append(Lifetime(number, worker_id, tuple(reversed(states)), reason, Resources(cpu, memory, gpu, gpu_memory), kind))
    return found


def kept_decisions(file: HistoryFile) -> KeptDecisions | None:
    """The ledger's rows; None where there is none."""
    found = file.columns(
        "SELECT id, epoch, until, evaluations, action, kind, outcome, code, actor, current, target, settled_at FROM decisions "
        f"ORDER BY id DESC LIMIT {ROWS_KEPT}"
    )
    if not len(found["id"]):
        return None
    found = {name: column[::-1] for name, column in found.items()}
    words: dict[str, int] = {}
    columns = np.zeros(len(found["id"]), COLUMNS)
    columns["id"], columns["start"], columns["end"] = found["id"], found["epoch"], found["until"]
    columns["settled"] = np.ma.filled(found["settled_at"], math.inf)
    columns["evaluations"] = np.ma.filled(found["evaluations"], 0)
    columns["current"], columns["target"] = found["current"], found["target"]
    for name, known in (("action", ACTIONS), ("outcome", OUTCOMES), ("kind", KINDS)):
        columns[name] = [known.index(word) for word in found[name]]
    for name in ("code", "actor"):
        columns[name] = [words.setdefault(word, len(words)) for word in found[name]]
    by_worker: dict[str, list[int]] = defaultdict(list)
    for worker_id, decision_id in file.read(
        "SELECT unnest(worker_ids), id FROM decisions WHERE len(worker_ids) > 0 AND id >= ? ORDER BY id", [int(columns["id"][0])]
    ):
        by_worker[worker_id].append(decision_id)
    newest = decisions(file, first_of_newest(columns), int(columns["id"][-1]))
    return KeptDecisions(columns, tuple(words), by_worker, newest)


def decisions(file: HistoryFile, first: int, last: int) -> list[ScalingDecision]:
    """The decisions with these ids, oldest first."""
    rows = file.read("SELECT document FROM decisions WHERE id BETWEEN ? AND ? ORDER BY id", [first, last])
    return [DECISION.validate_json(row[0]) for row in rows]


def growing_decision(file: HistoryFile) -> ScalingDecision | None:
    """The ledger's last row as the last batch knew it."""
    rows = file.read("SELECT value FROM tail WHERE name = 'decision'")
    return DECISION.validate_json(bytes(rows[0][0])) if rows else None


def spend(file: HistoryFile) -> Spend | None:
    """What was spent so far, with nothing of what is there now."""
    rows = file.read("SELECT value FROM tail WHERE name = 'spend'")
    if not rows:
        return None
    told = json.loads(bytes(rows[0][0]))
    kinds = tuple(_kind(list(one["kind"].values())) for one in told["kinds"])
    seconds = np.array([float(one["seconds"]) for one in told["kinds"]])
    seconds.flags.writeable = False
    counts = np.zeros((len(kinds), STATES), np.int64)
    counts.flags.writeable = False
    return Spend(math.nan, float(told["since"]), kinds, counts, seconds, float(told["uncounted_seconds"]))


def finished_tasks(file: HistoryFile) -> list[Task]:
    """The newest that have ended, oldest first."""
    rows = file.read(
        f"SELECT {TASK_COLUMNS}, used_cpu IS NOT NULL, used_cpu, used_memory, used_gpu, used_gpu_memory "
        f"FROM ({VIEWS['tasks']} ORDER BY finished DESC, attempt DESC LIMIT {2 * FINISHED_KEPT}) ORDER BY finished_at DESC, attempt DESC"
    )
    # Earlier attempts at a task stand behind its last one. To look for them in the whole table would take seconds for millions of tasks.
    last_attempts = {row[0]: row for row in reversed(rows)}
    newest = sorted(last_attempts.values(), key=lambda row: (row[13], row[1]))[-FINISHED_KEPT:]
    return [_task(row[:15], row[15:]) for row in newest]


TASK_COLUMNS = (
    "task_id, attempt, name, state, reason, cpu, memory, gpu, gpu_memory, worker_id, submitted_at, placed_at, started_at, finished_at, "
    "hint_seconds"
)


def _task(row: Sequence[Any], used: Sequence[Any] = (False,)) -> Task:
    task_id, attempt, name, state, reason, cpu, memory, gpu, gpu_memory, worker_id, submitted, placed, started, finished, hint = row
    return Task(
        id=task_id,
        name=name,
        resources=Resources(cpu, memory, gpu, gpu_memory),
        state=state,
        submitted_at=submitted,
        attempt=attempt,
        worker_id=worker_id,
        placed_at=_known(placed),
        started_at=_known(started),
        finished_at=_known(finished),
        duration_hint_seconds=hint,
        reason=reason,
        used=Resources(*(amount or 0.0 for amount in used[1:])) if used[0] else None,
    )


class ArchiveReader:
    """The `Archive` over a file; what cannot be read now is not known."""

    def __init__(self, file: HistoryFile, complete_until: Callable[[], float]) -> None:
        self._file, self._complete_until = file, complete_until

    @property
    def complete_until(self) -> float:
        """Moments up to here are wholly written; -inf while the file cannot be read."""
        return float(self._complete_until()) if self._file.is_open else -math.inf

    def tasks_at(self, moment: float) -> tuple[Task, ...]:
        """All tasks that were submitted and had not ended at a moment, `queued` or `running` as they were then."""
        ended = self._file.read(
            f"SELECT {TASK_COLUMNS} FROM ({VIEWS['tasks']} WHERE finished > $at AND finished - took <= $at) ORDER BY submitted_at, task_id",
            {"at": ticks_of(moment)},
        )
        columns = TASK_COLUMNS.replace("started_at, finished_at", "NULL, NULL")
        still_open = self._file.read(f"SELECT {columns} FROM open_tasks WHERE queued_at <= ? ORDER BY submitted_at, task_id", [moment])
        return tuple(_as_at(_task(row), moment) for row in (*ended, *still_open))

    def task_usage(self, since: float, until: float) -> UsageView:
        """What tasks used that ended in this time, by name and request: the newest of each."""
        return usage(self._file, since, until)

    def spend_at(self, moment: float) -> Spend | None:
        """What there was and what it had cost by then; None where that is not kept."""
        return spend_at(self._file, moment)


def _as_at(task: Task, moment: float) -> Task:
    ran = task.placed_at <= moment
    return replace(
        task,
        state="running" if ran else "queued",
        attempt=task.attempt if ran else max(0, task.attempt - 1),
        worker_id=task.worker_id if ran else None,
        placed_at=task.placed_at if ran else math.nan,
        started_at=task.started_at if task.started_at <= moment else math.nan,
        finished_at=math.nan,
        reason="",
    )


def usage(file: HistoryFile, since: float, until: float) -> UsageView:
    """The newest samples of each shape of the tasks that ended in a time."""
    ended = (
        "finished > $since AND finished <= $until AND state IN ('done', 'failed', 'lost') AND waited IS NOT NULL "
        "AND (state <> 'lost' OR reason NOT IN (SELECT unnest($nothing_learnt)))"
    )
    # From when on the newest of a shape are: a heap for each shape, where a window over millions of tasks would sort them all.
    found = file.columns(
        f"WITH newest AS (SELECT name, request, list_min(max(finished, {SAMPLES_KEPT})) AS newest_since "
        f"FROM attempts WHERE {ended} GROUP BY ALL) "
        f"SELECT name, request, finished / {TICKS_A_SECOND}.0 AS finished_at, "
        f"greatest(0, took - waited - coalesce(delayed, 0)) / {TICKS_A_SECOND}.0 AS run_seconds, hint_seconds, "
        "used_cpu, used_memory, used_gpu, used_gpu_memory, state, out_of_memory FROM attempts "
        f"JOIN newest USING (name, request) WHERE finished >= newest_since AND {ended} ORDER BY name, request, finished",
        {"since": ticks_of(since), "until": ticks_of(until), "nothing_learnt": list(NOTHING_LEARNT)},
    )
    count = len(found["name"])
    samples = np.zeros(count, SAMPLE)
    for name in ("finished_at", "run_seconds", "hint_seconds"):
        samples[name] = np.ma.filled(found[name], np.nan)
    for index, resource in enumerate(RESOURCES):
        samples["used"][:, index] = np.ma.filled(found[f"used_{resource}"], np.nan)
    samples["outcome"] = [ATTEMPT_OUTCOMES.index(state) for state in found["state"]]
    samples["out_of_memory"] = np.ma.filled(found["out_of_memory"], False)
    shapes: dict[TaskShape, npt.NDArray[Any]] = {}
    names, requests = np.asarray(found["name"], object), np.asarray(found["request"], object)
    new = np.ones(count, bool)
    new[1:] = (names[1:] != names[:-1]) | (requests[1:] != requests[:-1])
    starts = np.flatnonzero(new)
    for start, end in pairwise((*starts, count)):
        part = samples[start:end][-SAMPLES_KEPT:]
        part.flags.writeable = False
        shapes[TaskShape(str(names[start]), request_of(requests[start]))] = part
    newest = sorted(shapes, key=lambda shape: float(shapes[shape]["finished_at"][-1]))[-SHAPES_KEPT:]
    return UsageView(count, MappingProxyType({shape: shapes[shape] for shape in newest}), max(0, len(shapes) - SHAPES_KEPT))


def spend_at(file: HistoryFile, moment: float) -> Spend | None:
    """What was charged by the last minute up to a moment."""
    rows = file.read(
        f"SELECT epoch, {KIND_COLUMNS}, instances, seconds FROM costs WHERE epoch = (SELECT max(epoch) FROM costs WHERE epoch <= ?)",
        [moment],
    )
    first = file.read("SELECT min(epoch) FROM costs")[0][0]
    if not rows:
        return None
    kinds = tuple(_kind(row[1:9]) for row in rows)
    counts = np.zeros((len(kinds), STATES), np.int64)
    counts[:, WORKER_STATES.index("running")] = [row[9] for row in rows]
    seconds = np.array([float(row[10]) for row in rows])
    counts.flags.writeable = seconds.flags.writeable = False
    return Spend(float(rows[0][0]), float(first), kinds, counts, seconds, 0.0)


@lru_cache(maxsize=4096)
def _price(hourly: float, currency: str, source: str, date: str) -> Price:
    return Price(hourly, currency, source, date)


def _kind(columns: Sequence[Any]) -> InstanceKind:
    provider, region, kind, market, price, currency, source, date = columns
    return InstanceKind(provider, region, kind, market, None if price is None else _price(price, currency, source, date))


def _known(value: float | None) -> float:
    return math.nan if value is None else value
