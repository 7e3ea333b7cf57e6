"""What of a history file goes into a file of its own: which columns, and which rows of a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from drm.history.file import HistoryFile
from drm.history.levels import STEPS_SECONDS
from drm.history.schema import LEVEL_NAMES, METRICS, PURPOSES
from drm.model import RESOURCES, UNITS

Kind = Literal["text", "number", "integer", "boolean", "time"]
"""As in `drm.tables`."""

_BILL: dict[str, Kind] = {"provider": "text", "region": "text", "type": "text", "market": "text", "price": "number", "currency": "text"}
_BILL_NAMES = ", ".join(_BILL)

COLUMNS: Mapping[str, Mapping[str, Kind]] = {
    "decisions": {
        "time_utc": "time",
        "last_time_utc": "time",
        "evaluations": "integer",
        "id": "integer",
        "kind": "text",
        "actor": "text",
        "policy": "text",
        "action": "text",
        "code": "text",
        "reason": "text",
        **dict.fromkeys(("current", "desired", "bounded", "count", "target", "granted"), "integer"),
        "outcome": "text",
        "error": "text",
        "blockers": "text",
        "worker_ids": "text",
        "worker_type": "text",
        "provider": "text",
        "cost_rate_before": "number",
        "cost_rate_after": "number",
        **dict.fromkeys(("requested_at_utc", "ready_at_utc", "first_task_at_utc", "settled_at_utc"), "time"),
    },
    "tasks": {
        "task_id": "text",
        "attempt": "integer",
        "name": "text",
        "state": "text",
        "reason": "text",
        "worker_id": "text",
        **dict.fromkeys(("submitted_at_utc", "queued_at_utc", "placed_at_utc", "started_at_utc", "finished_at_utc"), "time"),
        "hint_seconds": "number",
        **{f"request_{name}_{UNITS[name]}": "number" for name in RESOURCES},
        **{f"used_{name}_{UNITS[name]}": "number" for name in RESOURCES},
        "out_of_memory": "boolean",
    },
    "samples": {
        "time_utc": "time",
        "seconds": "number",
        "worker_id": "text",
        **{f"{name}{end}": "number" for name in METRICS for end in ("", "_max")},
    },
    "fleet": {"time_utc": "time", "seconds": "number", "series": "text", "mean": "number", "max": "number"},
    "lifetimes": {
        "worker_id": "text",
        **dict.fromkeys(("began_at_utc", "started_at_utc", "draining_at_utc", "ended_at_utc"), "time"),
        "state": "text",
        "reason": "text",
        **{f"capacity_{name}_{UNITS[name]}": "number" for name in RESOURCES},
        **_BILL,
    },
    "costs": {
        "time_utc": "time",
        **_BILL,
        "price_source": "text",
        "price_date": "text",
        "instances": "integer",
        "instance_seconds": "number",
        "spent": "number",
        **dict.fromkeys((f"{name}_seconds" for name in PURPOSES), "number"),
    },
}
"""By table, without `source`, which is the first column of each."""

_REQUESTED, _ENDED_WITH = ", ".join(RESOURCES), ", ".join(f"used_{name}" for name in RESOURCES)

_DECISIONS = """
SELECT epoch, until, evaluations, id, kind, actor, policy, action, code, reason, current, desired, bounded, abs(target - current), target,
    granted, outcome, error, array_to_string(blockers, '; '), array_to_string(worker_ids, ' '), worker_type, provider, cost_rate_before,
    cost_rate_after, requested_at, ready_at, first_task_at, settled_at
FROM decisions WHERE until >= {since} AND epoch <= {until} ORDER BY id
"""
_TASKS = f"""
SELECT task_id, attempt, name, state, reason, worker_id, submitted_at, queued_at, placed_at, started_at, finished_at, hint_seconds,
    {_REQUESTED}, {_ENDED_WITH}, out_of_memory
FROM (FROM tasks UNION ALL BY NAME FROM open_tasks)
WHERE coalesce(finished_at, 'infinity') >= {{since}} AND queued_at <= {{until}} ORDER BY submitted_at, task_id, attempt
"""
_LIFETIMES = f"""
SELECT worker_id, began_at, started_at, draining_at, ended_at, state, reason, {_REQUESTED}, {_BILL_NAMES}
FROM lifetimes WHERE coalesce(ended_at, 'infinity') >= {{since}} AND began_at <= {{until}} ORDER BY began_at, lifetime
"""
_COSTS = f"""
SELECT epoch, {_BILL_NAMES}, price_source, price_date, instances, seconds, spent, {", ".join(PURPOSES)}
FROM costs WHERE epoch BETWEEN {{since}} AND {{until}} ORDER BY epoch, provider, region, type, market
"""


def selection(file: HistoryFile, table: str, since: float, until: float, step: str | None = None) -> str:
    """The query for the columns of `COLUMNS[table]`, of what touches a time. `step`: of samples and fleet only this level; None: of each
    time the finest that is kept, and none twice."""
    if table in ("samples", "fleet"):
        return _levels(file, table, since, until, step)
    query = {"decisions": _DECISIONS, "tasks": _TASKS, "lifetimes": _LIFETIMES, "costs": _COSTS}[table]
    return query.format(since=_number(since), until=_number(until))


def _levels(file: HistoryFile, table: str, since: float, until: float, step: str | None) -> str:
    ends = {step: (-math.inf, math.inf)} if step else parts(file, table)
    cells = ", ".join(f"{name}{end} / 200.0 AS {name}{end}" for name in METRICS for end in ("", "_max"))
    chosen = {"samples": f"worker_id, {cells}", "fleet": "series, mean, max"}[table]
    queries = []
    for name, (low, high) in reversed(ends.items()):
        seconds = STEPS_SECONDS[LEVEL_NAMES.index(name)]
        first, end = max(low, since - seconds), min(high, math.nextafter(until, math.inf))
        source = f"{table}_{name}" + (" JOIN workers USING (worker)" if table == "samples" else "")
        # A bucket that ends where the time begins is not of it.
        queries.append(
            f"SELECT epoch, {seconds} AS seconds, {chosen} FROM {source} "
            f"WHERE epoch >= {_number(first)} AND epoch < {_number(end)} AND epoch > {_number(since - seconds)}"
        )
    return " UNION ALL ".join(queries)


def parts(file: HistoryFile, table: str) -> dict[str, tuple[float, float]]:
    """From when to when each level is the finest that is kept, the finest first. Edges are those of the coarser level's buckets."""
    first = {name: file.read(f"SELECT min(epoch) FROM {table}_{name}")[0][0] for name in LEVEL_NAMES}
    kept = [(name, step, first[name]) for name, step in zip(LEVEL_NAMES, STEPS_SECONDS, strict=True) if first[name] is not None]
    found: dict[str, tuple[float, float]] = {}
    high = math.inf
    for index, (name, _, begins) in enumerate(kept):
        coarser = next(((step, start) for _, step, start in kept[index + 1 :] if start < math.floor(begins / step) * step), None)
        low = -math.inf if coarser is None else math.ceil(begins / coarser[0]) * coarser[0]
        found[name] = (low, high)
        if coarser is None:
            break
        high = low
    return found


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else f"'{'-' if value < 0 else ''}infinity'::DOUBLE"
