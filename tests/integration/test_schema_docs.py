"""docs/schema.md: the columns are those of the file, and each query answers what the pool that was recorded did."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from drm.cloud.accrual import HOUR_SECONDS, Spend
from drm.history.schema import LEVEL_NAMES, SPEND_LEVEL_NAMES, TABLES, VIEWS
from tests.integration.recorded import Recorded

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "schema.md").read_text()
QUERIES = dict(re.findall(r"^### (.*?\?)\n\n```sql\n(.*?)```", PAGE.partition("## Questions")[2], re.DOTALL | re.MULTILINE))
PARTS = {f"{kind}_{level}" for kind in ("samples", "fleet") for level in LEVEL_NAMES} | {
    f"worker_costs_{level}" for level in SPEND_LEVEL_NAMES
}
DAY = 86_400.0

Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def history(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of the recorded history, made while the pool goes on."""
    path = tmp_path_factory.mktemp("copy") / "history.duckdb"
    with recorded.store.copies.made() as made:
        path.write_bytes(made.read_bytes())
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def told_columns(heading: str) -> list[str]:
    """The columns of the table in the page that follows a heading or sentence."""
    table = PAGE.partition(heading)[2].partition("\n\n|")[2].partition("\n\n")[0] if heading.startswith("`") else PAGE.partition(heading)[2]
    rows = [line for line in table.partition("\n\n")[0].splitlines() if line.startswith(("| `", " `"))]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]


@pytest.mark.parametrize("name", sorted({*TABLES, *VIEWS} - PARTS - {"meta", "tail", "workers", "decision_rows", "attempts"}))
def test_the_columns_are_those_of_the_file(history: duckdb.DuckDBPyConnection, name: str) -> None:
    """Each table and view that a reader asks is described column by column, in their order."""
    columns = [row[0] for row in history.execute(f"DESCRIBE {name}").fetchall()]
    told = told_columns(f"`{name}`: ") if name in VIEWS else told_columns(f"| column of `{name}` | meaning |\n")
    assert told == columns


def test_the_other_tables_are_named() -> None:
    """Those that views are made of, with their columns."""
    section = PAGE.partition("What the views are made of")[2].partition("## Questions")[0]
    for name in (*PARTS, "meta", "tail", "workers", "decision_rows", "attempts"):
        assert f"`{name}`" in section, name
    for name in ("meta", "tail", "workers"):
        assert all(f"`{column.split()[0]}`" in section for column in TABLES[name].split(", ")), name


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def day_of(at: float) -> datetime:
    return moment(at // DAY * DAY)


def spent_by_provider(spend: Spend) -> dict[str | None, float]:
    found: dict[str | None, float] = defaultdict(float)
    for kind, seconds in zip(spend.kinds, spend.seconds.tolist(), strict=True):
        if seconds:
            found[kind.provider] += seconds / HOUR_SECONDS * kind.hourly
    return found


def cost_by_day(recorded: Recorded) -> Rows:
    """What the sum rose by from tick to tick, on the day of the later one."""
    costs: dict[tuple[datetime, str | None], float] = defaultdict(float)
    ticks = [one for one in recorded.ticks if one[0].time <= recorded.end]
    for (_, before), (snapshot, after) in pairwise(ticks):
        earlier = spent_by_provider(before)
        for provider, spent in spent_by_provider(after).items():
            costs[day_of(snapshot.time), provider] += spent - earlier.get(provider, 0.0)
    assert len({day for day, _ in costs}) == 2
    return [(day, provider, "USD", cost) for (day, provider), cost in sorted(costs.items(), key=str)]


def blockers(recorded: Recorded) -> Rows:
    evaluations: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for one in recorded.decisions:
        if one.kind == "blocked":
            for blocker in one.blockers:
                evaluations[blocker.code] += one.evaluations or 0
                times[blocker.code] += 1
    assert len(times) > 1
    return sorted(((code, evaluations[code], times[code]) for code in times), key=lambda row: (-row[1], row[0]))


def ended(recorded: Recorded) -> list[Any]:
    """Attempts that have ended, each as it was handed over."""
    return [one for one in recorded.tasks if one.task.state not in ("queued", "running") and one.epoch <= recorded.end]


def waits(recorded: Recorded) -> Rows:
    """A simulated task waits once; one that is placed again waits from when its worker was lost on."""
    again = {(one.task.id, one.task.attempt): one.epoch for one in recorded.tasks if one.task.state == "queued" and one.task.attempt}
    found: dict[str, list[float]] = defaultdict(list)
    for one in ended(recorded):
        if math.isfinite(one.task.placed_at):
            since = again.get((one.task.id, one.task.attempt - 1), one.task.submitted_at)
            found[one.task.name].append(one.task.placed_at - since)
    ranked = {name: sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1] for name, seconds in found.items()}
    assert len(ranked) == 4
    return sorted(((name, len(found[name]), wait) for name, wait in ranked.items()), key=lambda row: (-row[2], row[0]))


def short_lives(recorded: Recorded) -> Rows:
    short = [one for one in recorded.lifetimes if one.ended_at - one.began_at < 600]
    assert short
    return [(one.worker_id, moment(one.began_at), one.ended_at - one.began_at, one.reason) for one in short]


def busy_by_hour(recorded: Recorded) -> Rows:
    """Over whole buckets of ten minutes, each of which is the mean of its ticks."""
    used: dict[float, list[float]] = defaultdict(list)
    capacity: dict[float, list[float]] = defaultdict(list)
    for snapshot, _ in recorded.ticks:
        bucket = snapshot.time // 600 * 600
        used[bucket].append(float(snapshot.totals(snapshot.used)[0]))
        capacity[bucket].append(float(snapshot.totals(snapshot.capacity)[0]))
    last = recorded.ticks[-1][0].time // 600 * 600
    hours: dict[int, list[float]] = defaultdict(list)
    for bucket in used:
        if bucket < last:
            hours[moment(bucket).hour].append(bucket)
    return [
        (hour, sum(np.mean(used[one]) for one in buckets) / sum(np.mean(capacity[one]) for one in buckets))
        for hour, buckets in sorted(hours.items())
    ]


def failures(recorded: Recorded) -> Rows:
    failed = [one for one in recorded.decisions if one.outcome in ("partial", "failed") or one.kind == "failed"]
    assert failed
    return [(moment(one.timestamp), one.action, one.current, one.target, one.granted, one.provider, one.error) for one in failed]


def where_and_when(recorded: Recorded) -> dict[str, Any]:
    """The middle of the longest run in the first run of the program, and its worker."""
    one = max((one for one in ended(recorded) if one.task.state == "done"), key=lambda one: one.task.finished_at - one.task.placed_at)
    return {"worker": one.task.worker_id, "moment": (one.task.placed_at + one.task.finished_at) / 2}


def ran_there(recorded: Recorded) -> Rows:
    asked = where_and_when(recorded)
    there = [
        one.task
        for one in ended(recorded)
        if one.task.worker_id == asked["worker"] and one.task.placed_at <= asked["moment"] < one.task.finished_at
    ]
    assert there
    return [(task.id, task.name, moment(task.placed_at)) for task in sorted(there, key=lambda task: (task.placed_at, task.id))]


def lost_tasks(recorded: Recorded) -> Rows:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in ended(recorded):
        if one.task.state == "lost":
            found[one.task.reason, one.task.name].append(one.task.finished_at - one.task.placed_at)
    assert len({reason for reason, _ in found}) > 1
    rows = [
        (
            reason,
            name,
            len(seconds),
            math.fsum(one for one in seconds if not math.isnan(one)) if not all(map(math.isnan, seconds)) else None,
        )
        for (reason, name), seconds in found.items()
    ]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))


def gaps(recorded: Recorded) -> Rows:
    since, until = recorded.first_end, next(snapshot.time for snapshot, _ in recorded.ticks if snapshot.time > recorded.first_end)
    return [(moment(since), moment(until), until - since, "the program was not running")]


def longest_queues(recorded: Recorded) -> Rows:
    longest: dict[datetime, float] = defaultdict(float)
    for snapshot, _ in recorded.ticks[:-1]:
        longest[day_of(snapshot.time)] = max(longest[day_of(snapshot.time)], snapshot.tasks.queued or 0)
    assert max(longest.values()) > 0
    return sorted(longest.items())


def boot_times(recorded: Recorded) -> Rows:
    found: dict[str, list[float]] = defaultdict(list)
    for one in recorded.decisions:
        if one.action == "scale_up" and one.ready_at is not None and one.requested_at is not None:
            found[str(one.worker_type)].append(one.ready_at - one.requested_at)
    assert found
    return [
        (name, len(seconds), sorted(seconds)[math.ceil(0.5 * len(seconds)) - 1], max(seconds)) for name, seconds in sorted(found.items())
    ]


ANSWERS: dict[str, Callable[[Recorded], Rows]] = {
    "What did the pool cost, by day and provider?": cost_by_day,
    "Which blockers stopped scaling most often?": blockers,
    "How long do tasks wait, by name?": waits,
    "Which workers lived less than ten minutes, and why?": short_lives,
    "How busy is the pool, by hour of the day?": busy_by_hour,
    "Which decisions failed, and what was the error?": failures,
    "What ran on a worker at a moment?": ran_there,
    "Which tasks were lost, and why?": lost_tasks,
    "When was nothing recorded?": gaps,
    "How long was the longest queue of each day?": longest_queues,
    "How long does it take from asking for workers until they are up?": boot_times,
}
IN_STEPS = "Which workers hold much and use little?"
"""Its answer is in steps of half a percent, so it is compared by itself."""


def test_every_question_has_an_answer_here() -> None:
    """At least ten of them, and none that is not run."""
    assert {*ANSWERS, IN_STEPS} == set(QUERIES) and len(QUERIES) >= 10


@pytest.mark.parametrize("question", ANSWERS)
def test_a_question_is_answered_with_what_happened(recorded: Recorded, history: duckdb.DuckDBPyConnection, question: str) -> None:
    """Row by row what the ticks handed over says, worked out without SQL."""
    asked = where_and_when(recorded) if "$worker" in QUERIES[question] else None
    found = history.execute(QUERIES[question], asked).fetchall()
    expected = ANSWERS[question](recorded)
    assert len(found) == len(expected) > 0
    for row, wanted in zip(found, expected, strict=True):
        assert len(row) == len(wanted)
        for value, right in zip(row, wanted, strict=True):
            assert value == (pytest.approx(right, rel=1e-9, abs=1e-6) if isinstance(right, float) else right), (row, wanted)


def test_the_efficiency_of_workers_is_right_to_a_step(recorded: Recorded, history: duckdb.DuckDBPyConnection) -> None:
    """Mean of the buckets' means, of which each is kept in steps of half a percent of the capacity."""
    found = dict(history.execute(QUERIES[IN_STEPS]).fetchall())
    ticks: dict[tuple[str, float], list[tuple[float, float]]] = defaultdict(list)
    last = recorded.ticks[-1][0]
    for snapshot, _ in recorded.ticks:
        for index, worker_id in enumerate(snapshot.worker_ids):
            pair = snapshot.used[index, 0] / snapshot.capacity[index, 0], snapshot.allocated[index, 0] / snapshot.capacity[index, 0]
            is_open = worker_id in last.worker_ids and snapshot.time // 600 == last.time // 600
            if not math.isnan(pair[0]) and not is_open:
                ticks[worker_id, snapshot.time // 600].append(pair)
    buckets: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (worker_id, _), pairs in ticks.items():
        used, held = np.mean(pairs, axis=0)
        if held > 0.0025:
            buckets[worker_id].append((used, held))
    expected = {worker_id: np.divide(*np.mean(pairs, axis=0)) for worker_id, pairs in buckets.items()}
    assert len(found) == 10 and list(found.values()) == sorted(found.values())
    for worker_id, efficiency in found.items():
        step = 0.005 / np.mean([held for _, held in buckets[worker_id]])
        assert efficiency == pytest.approx(expected[worker_id], abs=step), worker_id
