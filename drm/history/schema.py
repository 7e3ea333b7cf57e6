"""What the history file holds: its tables, and the views over them that answer SQL. `docs/schema.md` tells them in words.

Tables are only ever appended to, but for rows that retention takes away, `open_tasks`, which holds what has not ended, and `tail`, which
holds the latest state of what is still growing. There is no primary key: on a full disk its index could not be kept (FACTS of DuckDB).
"""

from __future__ import annotations

from drm.cloud.split import ENDED, PARTS
from drm.history.buckets import SETS, metric_names
from drm.history.levels import STEPS_SECONDS

VERSION = 4

TICKS_A_SECOND = 2**22
"""A tick is the finest step of a float64 of epoch seconds between the years 2004 and 2038; later ones have coarser steps, which are whole
ticks as well."""

LEVEL_NAMES = ("5s", "1m", "10m", "1h")
"""Of the levels of `STEPS_SECONDS`, as in `samples_5s` and `fleet_5s`."""

SPEND_LEVEL_NAMES = ("1m", "10m", "1h")
"""Of the blocks of what each worker was paid for, as in `worker_costs_1h`."""

METRICS = tuple(f"{measure}_{resource}" for resources in SETS for measure, resource in metric_names(resources))
"""Columns of the sample tables: the mean of the bucket in steps of half a percent of capacity; `METRIC_max` is its max."""

_CELLS = ", ".join(f"{name} UTINYINT, {name}_max UTINYINT" for name in METRICS)

PURPOSES = (*PARTS, *ENDED)
"""Columns of `costs`: of the seconds what they were paid for, and how the attempts ended that used some of them."""

_PURPOSES = ", ".join(f"{name} DOUBLE" for name in PURPOSES)
_WORKER_PURPOSES = ", ".join(f"{name} FLOAT" for name in PURPOSES)

TABLES: dict[str, str] = {
    "meta": "name VARCHAR, value VARCHAR",
    "events": "epoch DOUBLE, run INTEGER, kind VARCHAR, detail VARCHAR",
    "workers": "worker INTEGER, worker_id VARCHAR",
    **{f"samples_{name}": f"epoch DOUBLE, worker INTEGER, {_CELLS}" for name in LEVEL_NAMES},
    **{f"fleet_{name}": "epoch DOUBLE, series VARCHAR, mean DOUBLE, max DOUBLE" for name in LEVEL_NAMES},
    "worker_states": (
        "epoch DOUBLE, lifetime BIGINT, worker_id VARCHAR, state VARCHAR, reason VARCHAR, cpu DOUBLE, memory DOUBLE, gpu DOUBLE, "
        "gpu_memory DOUBLE, provider VARCHAR, region VARCHAR, type VARCHAR, market VARCHAR, price DOUBLE, currency VARCHAR, "
        "price_source VARCHAR, price_date VARCHAR"
    ),
    "attempts": (
        "prefix VARCHAR, number BIGINT, attempt INTEGER, name VARCHAR, state VARCHAR, reason VARCHAR, request VARCHAR, worker_id VARCHAR, "
        "finished BIGINT, took BIGINT, waited BIGINT, delayed BIGINT, requeued BIGINT, hint_seconds DOUBLE, used_cpu DOUBLE, "
        "used_memory DOUBLE, used_gpu DOUBLE, used_gpu_memory DOUBLE, out_of_memory BOOLEAN"
    ),
    "open_tasks": (
        "task_id VARCHAR, attempt INTEGER, name VARCHAR, state VARCHAR, reason VARCHAR, cpu DOUBLE, memory DOUBLE, gpu DOUBLE, "
        "gpu_memory DOUBLE, worker_id VARCHAR, submitted_at DOUBLE, queued_at DOUBLE, placed_at DOUBLE, hint_seconds DOUBLE"
    ),
    "decision_rows": (
        "id BIGINT, epoch DOUBLE, until DOUBLE, evaluations BIGINT, action VARCHAR, kind VARCHAR, outcome VARCHAR, code VARCHAR, "
        "actor VARCHAR, reason VARCHAR, policy VARCHAR, current INTEGER, desired INTEGER, bounded INTEGER, target INTEGER, "
        "granted INTEGER, worker_type VARCHAR, provider VARCHAR, blockers VARCHAR[], worker_ids VARCHAR[], requested_at DOUBLE, "
        "ready_at DOUBLE, first_task_at DOUBLE, settled_at DOUBLE, "
        "cost_rate_before DOUBLE, cost_rate_after DOUBLE, error VARCHAR, document VARCHAR USING COMPRESSION zstd"
    ),
    "costs": (
        "epoch DOUBLE, provider VARCHAR, region VARCHAR, type VARCHAR, market VARCHAR, price DOUBLE, currency VARCHAR, "
        f"price_source VARCHAR, price_date VARCHAR, instances INTEGER, seconds DOUBLE, spent DOUBLE, {_PURPOSES}"
    ),
    **{
        f"worker_costs_{name}": f"epoch DOUBLE, until DOUBLE, worker INTEGER, price DOUBLE, currency VARCHAR, {_WORKER_PURPOSES}"
        for name in SPEND_LEVEL_NAMES
    },
    "tail": "name VARCHAR, epoch DOUBLE, value BLOB",
}
"""Columns by table. Times are epoch seconds (UTC); `epoch` is the time of the row. Memory is bytes."""

_FRACTIONS = ", ".join(f"{name}{end} / 200.0 AS {name}{end}" for name in METRICS for end in ("", "_max"))

_REQUEST = ", ".join(
    f"CAST(string_split(request, ' ')[{place}] AS DOUBLE) AS {name}" for place, name in enumerate(("cpu", "memory", "gpu", "gpu_memory"), 1)
)
_TIMES = ", ".join(
    f"({ticks}) / {TICKS_A_SECOND}.0 AS {name}"
    for name, ticks in {
        "submitted_at": "finished - took - requeued",
        "queued_at": "finished - took",
        "placed_at": "finished - took + waited",
        "started_at": "finished - took + coalesce(waited, 0) + delayed",
        "finished_at": "finished",
    }.items()
)

VIEWS: dict[str, str] = {
    "tasks": (
        f"SELECT concat(prefix, number) AS task_id, attempt, name, state, reason, {_REQUEST}, worker_id, {_TIMES}, hint_seconds, used_cpu, "
        "used_memory, used_gpu, used_gpu_memory, out_of_memory FROM attempts"
    ),
    "samples": " UNION ALL ".join(
        f"SELECT to_timestamp(epoch) AS time, epoch, {step:g} AS step_seconds, worker_id, {_FRACTIONS} "
        f"FROM samples_{name} JOIN workers USING (worker)"
        for name, step in zip(LEVEL_NAMES, STEPS_SECONDS, strict=True)
    ),
    "fleet": " UNION ALL ".join(
        f"SELECT to_timestamp(epoch) AS time, epoch, {step:g} AS step_seconds, series, mean, max FROM fleet_{name}"
        for name, step in zip(LEVEL_NAMES, STEPS_SECONDS, strict=True)
    ),
    "worker_costs": (
        f"SELECT to_timestamp(epoch) AS time, epoch, until, worker_id, price, currency, {', '.join(PURPOSES)} "
        "FROM worker_costs_1h JOIN workers USING (worker)"
    ),
    "decisions": (
        "SELECT to_timestamp(epoch) AS time, * EXCLUDE (written) FROM (SELECT *, rowid AS written FROM decision_rows) "
        "QUALIFY row_number() OVER (PARTITION BY id ORDER BY written DESC) = 1"
    ),
    "lifetimes": (
        "SELECT lifetime, any_value(worker_id) AS worker_id, min(epoch) AS began_at, min(epoch) FILTER (state = 'running') AS started_at, "
        "min(epoch) FILTER (state = 'draining') AS draining_at, max(epoch) FILTER (state = 'terminated') AS ended_at, "
        "arg_max(state, rowid) AS state, arg_max(reason, rowid) AS reason, arg_max(cpu, rowid) AS cpu, arg_max(memory, rowid) AS memory, "
        "arg_max(gpu, rowid) AS gpu, arg_max(gpu_memory, rowid) AS gpu_memory, any_value(provider) AS provider, "
        "any_value(region) AS region, "
        "any_value(type) AS type, any_value(market) AS market, any_value(price) AS price, any_value(currency) AS currency "
        "FROM worker_states GROUP BY lifetime"
    ),
}
"""What a reader asks, by name. `samples` and `fleet` hold each moment at every level that still keeps it: ask for one `step_seconds`."""


def statements() -> list[str]:
    """What makes an empty file one of this schema."""
    tables = [f"CREATE TABLE {name} ({columns})" for name, columns in TABLES.items()]
    return [*tables, *(f"CREATE VIEW {name} AS {query}" for name, query in VIEWS.items())]
