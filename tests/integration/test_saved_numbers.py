"""One window of one history with a restart in it: screen, CSV, Parquet, JSON, `drm export` and SQL say the same numbers."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from drm import ids
from drm.cli import main
from drm.figures.units import money, scale_of
from drm.history.attempts import NOTHING_LEARNT
from drm.history.window import CELLS_PER_UNIT, MISSING
from drm.model import RESOURCES
from tests.integration.recorded import Recorded
from tests.unit.test_callbacks import ASKED, Page

RANGE, STEP, COLUMNS = 6 * 3600.0, 60.0, 360
Row = dict[str, Any]


class Window:
    """What the page and the API show of six hours that end at a moment of the past, and what SQL says of the same."""

    def __init__(self, recorded: Recorded, copy: Path) -> None:
        self.at = recorded.end - 120.0
        self.last = self.at // STEP * STEP
        self.first = self.last - (COLUMNS - 1) * STEP
        assert self.first < recorded.first_end < self.last - RANGE / 4, "the restart lies within the window"
        self._page = Page(recorded.state)
        self.copy = copy
        self.history = duckdb.connect(str(copy), read_only=True)
        # DuckDB gives one process one way into a file.
        self.another = copy.with_name("another.duckdb")
        shutil.copy(copy, self.another)

    def screen(self, output: str, **values: Any) -> Row:
        """The answer of a callback, by component."""
        key = next(name for name in values)
        tick = {"n": 1, "range": "6h", "at": str(self.at), "scheme": "light", "sent": 1}
        return self._page.call(output, **{key: tick}, **{name: value for name, value in values.items() if name != key})

    def fetch(self, form: str, tab: str, table: str) -> bytes:
        """A file of the API."""
        query = {"tab": tab, "table": table, "format": form, "range": "6h", "at": str(self.at)}
        with self._page.client.get("/drm-dashboard/api/v1/export", query_string=query) as answer:
            assert answer.status_code == 200, answer.text
            return answer.data

    def saved(self, tab: str, table: str) -> list[Row]:
        """The rows of a table, once CSV, Parquet and JSON have been found to be the same."""
        parquet = self.copy.parent / f"{tab}-{table}.parquet"
        parquet.write_bytes(self.fetch("parquet", tab, table))
        rows = rows_of(parquet)
        assert rows == [{name: typed(value) for name, value in one.items()} for one in json.loads(self.fetch("json", tab, table))]
        texts = list(csv.DictReader(io.StringIO(self.fetch("csv", tab, table).decode(), newline="")))
        assert [{name: "" if value is None else text_of(value) for name, value in row.items()} for row in rows] == [
            {name: canonical(text, rows[index][name]) for name, text in row.items()} for index, row in enumerate(texts)
        ]
        assert {row["source"].partition(" ")[0] for row in rows} == {"SIMULATED"}
        return rows

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the file answers."""
        return self.history.execute(query, values).fetchall()


@pytest.fixture(scope="module")
def window(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    """Over a copy of the recorded history."""
    assert recorded.store.flush(30)
    path = tmp_path_factory.mktemp("numbers") / "copy.duckdb"
    with recorded.store.copies.made() as made:
        path.write_bytes(made.read_bytes())
    found = Window(recorded, path)
    yield found
    found.history.close()


def rows_of(parquet: Path) -> list[Row]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(f"SELECT * FROM '{parquet}'")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def typed(value: Any) -> Any:
    """A value of JSON as Parquet has it: times are times."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) and value.endswith("+00:00") else value
    except ValueError:
        return value


def text_of(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(float(value)) if isinstance(value, (int, float)) else str(value)


def canonical(text: str, value: Any) -> str:
    """A cell of CSV in the same writing."""
    if isinstance(value, datetime):
        return datetime.fromisoformat(text).isoformat()
    return repr(float(text)) if isinstance(value, (int, float)) and text else text


def epochs(rows: list[Row]) -> list[float]:
    return [row["time_utc"].timestamp() for row in rows]


def shown(value: float | None, divisor: float = 1.0) -> float | None:
    """As a figure has it."""
    return None if value is None else round(value / divisor, 4)


def test_the_series_of_the_pool(window: Window) -> None:
    """Each value of each series is the one of the history, in the files of both tabs; the lines of the figure are those values."""
    rows = window.saved("overview", "series")
    assert rows == window.saved("scaling", "series")
    assert epochs(rows) == [window.first + index * STEP for index in range(COLUMNS)]
    asked = "SELECT epoch, series, mean FROM fleet WHERE step_seconds = 60 AND epoch BETWEEN ? AND ?"
    stored = {(epoch, series): mean for epoch, series, mean in window.sql(asked, window.first, window.last)}
    saved = {
        (epoch, name): value
        for epoch, row in zip(epochs(rows), rows, strict=True)
        for name, value in row.items()
        if name not in ("source", "time_utc", "seconds") and value is not None
    }
    assert saved == stored and len(stored) > 300 * 20
    assert sum(row["workers_current"] is None for row in rows) == 29, "the gap is blank"
    figure = window.screen(ids.wire("overview"), drm_overview_tick=None)[ids.wire("overview")]["data"]
    lines = {(trace["name"], trace["yaxis"]): trace for trace in figure["data"]}
    assert figure["times"] == epochs(rows)
    assert lines["workers", "y"]["y"] == [shown(row["workers_current"]) for row in rows]
    assert lines["desired", "y"]["y"] == [shown(row["desired"]) for row in rows]
    for number, name in enumerate(RESOURCES, start=2):
        largest = max(row[f"{measure}_{name}"] or 0 for row in rows for measure in ("capacity", "demand"))
        divisor, _ = scale_of(name, largest)
        for measure in ("capacity", "demand", "allocated", "used"):
            expected = [shown(row[f"{measure}_{name}"], divisor) for row in rows]
            assert lines[measure, f"y{number}"]["y"] == expected, (measure, name)


def test_workers_over_time(window: Window) -> None:
    """The cells of the heatmap, the long table and the view `samples` are the same fractions, worker by worker and minute by minute."""
    rows = window.saved("utilization", "utilization")
    stored = window.sql(
        "SELECT epoch, worker_id, used_cpu, used_cpu_max, allocated_cpu, allocated_memory_max, used_gpu FROM samples "
        "WHERE step_seconds = 60 AND epoch BETWEEN ? AND ?",
        window.first,
        window.last,
    )
    names = ("used_cpu", "used_cpu_max", "allocated_cpu", "allocated_memory_max", "used_gpu")
    saved = {(row["time_utc"].timestamp(), row["worker_id"], *(row[name] for name in names)) for row in rows}
    assert saved == set(stored) and len(stored) > 1000
    figure = window.screen(
        ids.wire("utilization"),
        drm_utilization_tick=None,
        drm_resource="cpu",
        drm_measure="used",
        drm_selected={"worker": None, "group": None},
    )[ids.wire("utilization")]["data"]
    cells = np.frombuffer(base64.b64decode(figure["cells"]["mean"]), np.uint8).reshape(figure["cells"]["rows"], -1)
    times = [at - STEP / 2 for at in figure["data"][0]["x"]]
    drawn = {
        (times[column], member[0], cells[row, column] / CELLS_PER_UNIT)
        for row, member in enumerate(figure["members"])
        for column in range(COLUMNS)
        if cells[row, column] != MISSING
    }
    assert drawn == {(row["time_utc"].timestamp(), row["worker_id"], row["used_cpu"]) for row in rows if row["used_cpu"] is not None}
    capacity = dict(window.sql("SELECT worker_id, arg_max(cpu, lifetime) FROM lifetimes GROUP BY worker_id"))
    known = [row for row in rows if row["used_cpu_cores"] is not None]
    assert len(known) == sum(row["used_cpu"] is not None for row in rows)
    assert all(row["used_cpu_cores"] == row["used_cpu"] * capacity[row["worker_id"]] for row in known)


def test_decisions(window: Window) -> None:
    """The same rows with the same words and numbers; what began later is in none of them, and in the ledger there are as many."""
    rows = window.saved("scaling", "decisions")
    names = ("id", "action", "code", "reason", "current", "desired", "bounded", "granted", "outcome", "cost_rate_before", "cost_rate_after")
    stored = window.sql(
        f"SELECT {', '.join(names)}, array_to_string(blockers, '; '), array_to_string(worker_ids, ' '), until, evaluations FROM decisions "
        "WHERE until >= ? AND epoch <= ? ORDER BY id DESC",
        window.at - RANGE,
        window.at,
    )
    assert [row["id"] for row in rows] == [one[0] for one in stored]
    settled = 0
    for row, one in zip(rows, stored, strict=True):
        if one[-2] <= window.at and row["outcome"] == one[8]:
            assert tuple(row[name] for name in (*names, "blockers", "worker_ids")) == one[:-2]
            assert (row["last_time_utc"].timestamp(), row["evaluations"]) == (pytest.approx(one[-2]), one[-1])
            settled += 1
    assert settled >= len(rows) - 3
    grid = window._page.call(ids.LEDGER, drm_ledger=ASKED, drm_range="6h", drm_at=str(window.at))
    assert grid[ids.LEDGER]["getRowsResponse"]["rowCount"] == len(rows)


def test_what_workers_hold_at_the_moment(window: Window) -> None:
    """The bar of all workers, the rows of the file, and the samples of the moment's minute times the capacities."""
    rows = window.saved("allocation", "workers")
    stored = window.sql(
        "SELECT s.worker_id, cpu, allocated_cpu * cpu, used_cpu * cpu FROM samples s JOIN lifetimes l ON s.worker_id = l.worker_id "
        "AND began_at <= ? AND coalesce(ended_at, 'infinity') > ? WHERE step_seconds = 60 AND s.epoch = ?",
        window.at,
        window.at,
        window.last,
    )
    active = [row for row in rows if row["used_cpu_cores"] is not None]
    told = {row["id"]: (row["capacity_cpu_cores"], row["allocated_cpu_cores"], row["used_cpu_cores"]) for row in active}
    assert told == {one[0]: pytest.approx(one[1:]) for one in stored} and len(told) > 3
    chosen = {"drm_allocation_resource": "cpu", "drm_allocation_sort": "name"}
    bars = window.screen(ids.wire("allocation"), drm_allocation_tick=None, **chosen)[ids.wire("allocation")]["data"]["data"]
    held = [row for row in rows if row["state"] in ("running", "cordoned", "draining")]
    share = 100 * sum(row["allocated_cpu_cores"] for row in held) / sum(row["capacity_cpu_cores"] for row in held)
    assert bars[1]["name"] == "allocated" and bars[1]["x"][:2] == [0, pytest.approx(share, abs=1e-3)]


def test_efficiency(window: Window) -> None:
    """Of each worker over the window, and of each kind of task that ended in it."""
    rows = [row for row in window.saved("efficiency", "workers") if row["resource"] == "cpu"]
    stored = window.sql(
        "SELECT worker_id, avg(allocated_cpu), avg(used_cpu) FROM samples WHERE step_seconds = 60 AND epoch BETWEEN ? AND ? "
        "AND used_cpu IS NOT NULL AND allocated_cpu > 0 GROUP BY worker_id",
        window.first,
        window.last,
    )
    told = {row["worker_id"]: (row["allocated_fraction"], row["used_fraction"]) for row in rows if row["efficiency"] is not None}
    assert told == {worker_id: pytest.approx(both) for worker_id, *both in stored} and len(told) > 10
    choice = {"drm_efficiency_resource": "cpu", "drm_efficiency_by": "shape"}
    answer = window.screen(ids.wire("efficiency"), drm_efficiency_tick=None, **choice)
    bars = {trace["name"]: trace for trace in answer[ids.wire(ids.EFFICIENCY_WORKERS_KEY)]["data"]["data"]}
    drawn = set(zip(bars["allocated"]["x"], bars["used"]["x"], strict=True))
    assert len(drawn) == 16 and drawn <= {(round(100 * held, 4), round(100 * used, 4)) for held, used in told.values()}
    tasks = {row["name"]: row for row in window.saved("efficiency", "tasks")}
    ended = window.sql(
        "SELECT name, count(*), quantile_disc(used_cpu, 0.95) FILTER (state = 'done'), max(used_cpu) FILTER (state = 'done') FROM tasks "
        "WHERE finished_at > ? AND finished_at <= ? AND placed_at IS NOT NULL AND state IN ('done', 'failed', 'lost') "
        # Whose program ended says nothing of what they need.
        "AND NOT (state = 'lost' AND list_contains(?, reason)) GROUP BY name",
        window.at - RANGE,
        window.at,
        list(NOTHING_LEARNT),
    )
    few = [one for one in ended if one[1] < 500]
    assert few and {one[0] for one in ended} == set(tasks)
    for name, attempts, p95, largest in few:
        row = tasks[name]
        assert (row["attempts"], row["p95_cpu_cores"], row["max_cpu_cores"]) == (attempts, pytest.approx(p95), pytest.approx(largest))
    traces = {trace["name"]: trace for trace in answer[ids.wire(ids.EFFICIENCY_TASKS_KEY)]["data"]["data"]}
    labels = {label.partition(",")[0]: value for label, value in zip(traces["used, p95"]["y"], traces["used, p95"]["x"], strict=True)}
    assert labels == {name: pytest.approx(row["p95_cpu_cores"], abs=1e-4) for name, row in tasks.items()}


def test_what_it_cost(window: Window) -> None:
    """The sums of the last minute before the moment, in the file, in the table of the page, and as they were charged."""
    rows = window.saved("cloud", "lines")
    stored = window.sql(
        "SELECT provider, region, type, market, price, instances, spent FROM costs "
        "WHERE epoch = (SELECT max(epoch) FROM costs WHERE epoch <= ?)",
        window.at,
    )
    assert {(row["provider"], row["region"], row["type"], row["market"], row["price"], row["charged"], row["spent"]) for row in rows} == {
        *stored
    }
    text = json.dumps(
        window.screen(
            ids.CLOUD_TABLE, drm_cloud_tick=None, drm_instance_type="m5.large", drm_cloud_region="us-east-1", drm_cloud_by="provider"
        )
    )
    for row in rows:
        assert f'"{money(row["spent"], "USD")}"' in text


@pytest.mark.parametrize("table", ["fleet", "samples", "decisions", "tasks", "lifetimes", "costs"])
def test_drm_export_writes_what_sql_answers(window: Window, tmp_path: Path, table: str) -> None:
    """As many rows as the query for the same time, and the same numbers in CSV and Parquet."""
    since, until = f"{window.at - RANGE:.3f}", f"{window.at:.3f}"
    asked = ["export", "--file", str(window.another), "--since", since, "--until", until, "--table", table]
    assert main([*asked, "--to", str(tmp_path / "a.parquet")]) == 0
    assert main([*asked, "--to", str(tmp_path / "a.csv")]) == 0
    rows = rows_of(tmp_path / "a.parquet")
    texts = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_bytes().decode(), newline="")))
    assert len(texts) == len(rows) == window.sql(COUNTED[table], window.at - RANGE, window.at)[0][0] > 5
    for row, text in zip(rows, texts, strict=True):
        for name, value in row.items():
            if isinstance(value, float):
                assert float(text[name]) == value or math.isclose(float(text[name]), value, rel_tol=1e-15), (name, text[name], value)
    if table == "fleet":
        saved = {(row["time_utc"].timestamp(), row["series"]): row["mean"] for row in rows if row["seconds"] == STEP}
        stored = window.sql(
            "SELECT epoch, series, mean FROM fleet WHERE step_seconds = 60 AND epoch > ? AND epoch <= ?",
            window.at - RANGE - STEP,
            window.at,
        )
        assert saved == {(epoch, series): mean for epoch, series, mean in stored}


COUNTED = {
    "fleet": "SELECT count(*) FROM fleet WHERE step_seconds = 60 AND epoch + 60 > ? AND epoch <= ?",
    "samples": "SELECT count(*) FROM samples WHERE step_seconds = 60 AND epoch + 60 > ? AND epoch <= ?",
    "decisions": "SELECT count(*) FROM decisions WHERE until >= ? AND epoch <= ?",
    "tasks": (
        "SELECT (SELECT count(*) FROM tasks WHERE finished_at >= $1 AND queued_at <= $2) + "
        "(SELECT count(*) FROM open_tasks WHERE queued_at <= $2)"
    ),
    "lifetimes": "SELECT count(*) FROM lifetimes WHERE coalesce(ended_at, 'infinity') >= ? AND began_at <= ?",
    "costs": "SELECT count(*) FROM costs WHERE epoch BETWEEN ? AND ?",
}


def test_the_time_of_an_answer_is_utc(window: Window) -> None:
    """Whatever clock this machine has."""
    rows = window.saved("allocation", "workers")
    assert {row["time_utc"] for row in rows} == {datetime.fromtimestamp(window.at, UTC)}
