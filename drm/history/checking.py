"""Reads every row of a history file, and says what is damaged or does not fit together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drm.history.file import HistoryFile, HistoryFileError
from drm.history.schema import LEVEL_NAMES, METRICS, TABLES


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one table, or of one rule."""

    what: str
    rows: int
    problem: str = ""
    """Empty where all is well."""


def check(file: HistoryFile) -> Iterator[Finding]:
    """Of each table, then of each rule. A table that cannot be read does not keep the others from being read."""
    readable = True
    for name in TABLES:
        # Every column of every row is looked at; the hashes themselves are of no use.
        found = _asked(file, name, f"SELECT count(*), {', '.join(f'bit_xor(hash({column}))' for column in _columns(name))} FROM {name}")
        readable = readable and not found.problem
        yield found
    for words, query in RULES.items() if readable else ():
        found = _asked(file, words, query)
        yield Finding(words, found.rows, found.problem or (f"{found.rows} rows are otherwise" if found.rows else ""))


def _columns(table: str) -> list[str]:
    return [column.split()[0] for column in TABLES[table].split(", ")]


def _asked(file: HistoryFile, what: str, query: str) -> Finding:
    try:
        if not file.is_open:
            file.open()
        return Finding(what, int(file.read(query)[0][0]))
    except HistoryFileError as error:
        # DuckDB may have given the whole file up.
        file.close()
        return Finding(what, 0, str(error))


def _of_each_level(query: str) -> str:
    """The sum of what a query finds in the tables of each level; `{level}` stands for its name."""
    return f"SELECT sum(found) FROM ({' UNION ALL '.join(query.format(level=level) for level in LEVEL_NAMES)})"


_TOO_HIGH = " OR ".join(f"{name} > {name}_max" for name in METRICS)
RULES = {
    "no mean of a bucket is above its maximum": _of_each_level(f"SELECT count(*) AS found FROM samples_{{level}} WHERE {_TOO_HIGH}"),
    "each worker has one sample in a bucket": _of_each_level(
        "SELECT count(*) - count(DISTINCT (epoch, worker)) AS found FROM samples_{level}"
    ),
    "each series has one value in a bucket": _of_each_level(
        "SELECT count(*) - count(DISTINCT (epoch, series)) AS found FROM fleet_{level}"
    ),
    "each sample is of a worker with an id": _of_each_level(
        "SELECT count(*) AS found FROM samples_{level} ANTI JOIN workers USING (worker)"
    ),
    "each decision's document can be read": "SELECT count(*) FROM decision_rows WHERE NOT json_valid(document)",
    "each gap that began has ended": "SELECT abs(count(*) FILTER (kind = 'gap_began') - count(*) FILTER (kind = 'gap_ended')) FROM events",
    "no open task has ended": "SELECT count(*) FROM open_tasks o SEMI JOIN tasks t ON o.task_id = t.task_id AND o.attempt = t.attempt",
}
"""How many rows break each."""
