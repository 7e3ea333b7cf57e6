"""What a restart takes over from the history file, but for the rings (`kept_rings`) and what tasks used (`kept_usage`)."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from drm.decision import ScalingDecision
from drm.history.batch import ENDED
from drm.history.file import HistoryFile
from drm.history.from_rows import KIND_COLUMNS, TASK_COLUMNS, kind_of, resources_of, task_of
from drm.history.lifetimes import MOST_ENDED, Lifetime
from drm.history.schema import VIEWS
from drm.ledger import ROWS_KEPT, KeptDecisions
from drm.ledger_blocks import first_of_newest
from drm.ledger_columns import COLUMNS
from drm.ledger_query import ACTIONS, KINDS, OUTCOMES
from drm.model import InstanceKind, Task

DECISION: TypeAdapter[ScalingDecision] = TypeAdapter(ScalingDecision)
FINISHED_KEPT = 1000
FIRST_IDS = ("first_decision", "first_lifetime")
"""Names in `meta`."""


def last_epoch(file: HistoryFile) -> float:
    """The last time of which the file knows; -inf where it is empty."""
    rows = file.read("SELECT max(epoch) FROM (SELECT epoch FROM tail UNION ALL SELECT max(epoch) FROM events)")
    return -math.inf if rows[0][0] is None else float(rows[0][0])


def ended_in_order(file: HistoryFile) -> bool:
    """Whether the last run said that it ended."""
    rows = file.read("SELECT kind FROM events WHERE run = (SELECT max(run) FROM events) ORDER BY rowid DESC LIMIT 1")
    return bool(rows) and rows[0][0] == ENDED


def last_lifetime(file: HistoryFile) -> int:
    """The highest number of a lifetime; 0 where there is none."""
    return int(file.read("SELECT coalesce(max(lifetime), 0) FROM worker_states")[0][0])


def last_decision(file: HistoryFile) -> int:
    """The highest id of a decision; 0 where there is none."""
    return int(file.read("SELECT coalesce(max(id), 0) FROM decision_rows")[0][0])


def first_ids(file: HistoryFile) -> tuple[int, int]:
    """The first ids of decisions and of lifetimes that the last run may have told, be they written or not; 1 where it did not say."""
    noted = dict(file.read("SELECT name, value FROM meta WHERE name IN (SELECT unnest(?))", [list(FIRST_IDS)]))
    decision, lifetime = (int(noted.get(name, 1)) for name in FIRST_IDS)
    return decision, lifetime


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
        told = tuple(columns)
        if told not in kinds:
            kinds[told] = kind_of(told)
        capacity = resources_of(cpu, memory, gpu, gpu_memory)
        found.append(Lifetime(number, worker_id, tuple(reversed(states)), reason, capacity, kinds[told]))
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
    newest = decisions(file, first_of_newest(columns["id"]), int(columns["id"][-1]))
    return KeptDecisions(columns, tuple(words), by_worker, newest)


def decisions(file: HistoryFile, first: int, last: int) -> list[ScalingDecision]:
    """The decisions with these ids, oldest first."""
    rows = file.read("SELECT document FROM decisions WHERE id BETWEEN ? AND ? ORDER BY id", [first, last])
    return [DECISION.validate_json(row[0]) for row in rows]


def growing_decision(file: HistoryFile) -> ScalingDecision | None:
    """The ledger's last row as the last batch knew it."""
    rows = file.read("SELECT value FROM tail WHERE name = 'decision'")
    return DECISION.validate_json(bytes(rows[0][0])) if rows else None


def finished_tasks(file: HistoryFile) -> list[Task]:
    """The newest that have ended, oldest first."""
    rows = file.read(
        f"SELECT {TASK_COLUMNS}, used_cpu IS NOT NULL, used_cpu, used_memory, used_gpu, used_gpu_memory "
        f"FROM ({VIEWS['tasks']} ORDER BY finished DESC, attempt DESC LIMIT {2 * FINISHED_KEPT}) ORDER BY finished_at DESC, attempt DESC"
    )
    # Earlier attempts at a task stand behind its last one. To look for them in the whole table would take seconds for millions of tasks.
    last_attempts = {row[0]: row for row in reversed(rows)}
    newest = sorted(last_attempts.values(), key=lambda row: (row[13], row[1]))[-FINISHED_KEPT:]
    return [task_of(row[:15], row[15:]) for row in newest]
