"""Tables on their way to files: what is written of odd names and values, and which tables there are."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.engines.external import ExternalEngine
from drm.export_api import ExportParameters
from drm.files import ExportError
from drm.history.grouping import natural_key
from drm.history.levels import STEPS_SECONDS
from drm.history.schema import LEVEL_NAMES
from drm.history.selections import parts
from drm.history.window import MISSING
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState
from drm.tables import utilization, writing
from drm.tables.saved import SAVED, Wanted
from drm.tables.table import Kind, Table, csv_bytes
from drm.tables.writing import FORMATS, Format, TooManyRowsError, write
from drm.tabs import TABS
from tests.unit.page_pool import START, TICKS, state_with_history

HOSTILE = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", 'a,"b"', "line\nbreak", "\x00nul", "", "naïve 🙂", "plain"]


def wanted(state: DRMState, **more: Any) -> Wanted:
    return Wanted(state, state.at(state.snapshot.time), "EXTERNAL test", 900.0, **more)


def table_of(values: dict[str, tuple[Kind, list[Any]]], source: str = "LIVE it's") -> Table:
    return Table("some", source, {name: kind for name, (kind, _) in values.items()}, [{name: given for name, (_, given) in values.items()}])


def read(path: Path) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(f"SELECT * FROM read_parquet('{path}')")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_each_tab_has_its_tables() -> None:
    """No tab is forgotten, and within one no two tables have one name."""
    assert list(SAVED) == [tab.key for tab in TABS]
    assert all(len({one.name for one in saved}) == len(saved) > 0 for saved in SAVED.values())


def test_the_documentation_tells_of_each_table_and_parameter() -> None:
    """docs/saved.md, in the order of the menu."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "saved.md").read_text()
    told: dict[str, list[str]] = {}
    tabs: list[str] = []
    for line in page.partition("| tab | table |")[2].partition("\n\n")[0].splitlines()[2:]:
        keys, tables = (re.findall(r"`(\w+)`", cell) for cell in line.split("|")[1:3])
        tabs = keys or tabs
        for tab in tabs:
            told.setdefault(tab, []).extend(tables)
    assert told == {tab: [one.name for one in saved] for tab, saved in SAVED.items()}
    rows = page.partition("| parameter |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", rows, re.MULTILINE) == list(ExportParameters.model_fields)


def test_no_cell_of_csv_is_a_formula(tmp_path: Path) -> None:
    """A text that begins like one gets an apostrophe, control characters are blanks; numbers that are negative stay numbers."""
    texts: list[Any] = [*HOSTILE, None]
    write(table_of({"name": ("text", texts), "value": ("number", [-1.5] * len(texts))}), tmp_path / "a.csv", "csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_bytes().decode(), newline="")))
    assert [row["name"] for row in rows] == [
        "'=1+1", "'+1", "'-1", "'@x", "' x", "' x", 'a,"b"', "line break", " nul", "", "naïve 🙂", "plain", ""
    ]  # fmt: skip
    assert {row["value"] for row in rows} == {"-1.5"} and {row["source"] for row in rows} == {"LIVE it's"}


def test_other_formats_keep_texts_and_types(tmp_path: Path) -> None:
    """Parquet and JSON know a text from a formula; what is unknown is null there; a time is a moment, whatever clock this machine has."""
    values: dict[str, tuple[Kind, list[Any]]] = {
        "name": ("text", ["=1+1", None]),
        "number": ("number", [0.1 + 0.2, math.nan]),
        "whole": ("integer", [2**40, None]),
        "yes": ("boolean", [True, None]),
        "time_utc": ("time", [1_767_600_000.25, math.inf]),
    }
    write(table_of(values), tmp_path / "a.parquet", "parquet")
    first, second = read(tmp_path / "a.parquet")
    assert (first["name"], first["number"], first["whole"], first["yes"]) == ("=1+1", 0.1 + 0.2, 2**40, True)
    assert first["time_utc"].isoformat() == "2026-01-05T08:00:00.250000+00:00"
    assert [second[name] for name in values] == [None] * 5
    write(table_of(values), tmp_path / "a.json", "json")
    one, other = json.loads((tmp_path / "a.json").read_text())
    assert list(one.values()) == ["LIVE it's", "=1+1", 0.1 + 0.2, 2**40, True, "2026-01-05T08:00:00.250+00:00"]
    assert set(other.values()) == {"LIVE it's", None}


@pytest.mark.parametrize("form", FORMATS)
def test_names_of_columns_may_be_anything(tmp_path: Path, form: Format) -> None:
    """Those of providers come from outside: quotes, line breaks, and names that differ in case only."""
    values: dict[str, tuple[Kind, list[Any]]] = {
        name: ("number", [1.0]) for name in ("instances@A", "instances@a", 'x" y', "source'", "a\r\nb")
    }
    path = tmp_path / f"a.{form}"
    assert write(table_of(values), path, form) == 1
    with duckdb.connect() as connection:
        columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
    assert columns == ["source", "instances@A", "instances@a (2)", 'x" y', "source'", "a  b"]


def test_an_empty_table_is_a_header(tmp_path: Path) -> None:
    """A file that can be opened, with no row."""
    table = Table("some", "LIVE", {"a": "text", "b": "time"}, [])
    assert write(table, tmp_path / "a.csv", "csv") == 0 and (tmp_path / "a.csv").read_text() == "source,a,b\n"
    assert csv_bytes(table) == b"source,a,b\r\n"


def test_too_many_rows_and_no_room_are_errors_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with what helps, and nothing is left beside the file."""
    with pytest.raises(ExportError, match="cannot be written"):
        write(table_of({"a": ("number", [1.0])}), tmp_path / "none" / "a.csv", "csv")
    monkeypatch.setattr(writing, "MOST_ROWS", 3)
    blocks = ({"a": [1.0, 2.0]} for _ in range(10))
    with pytest.raises(TooManyRowsError, match="more than 3 rows here: ask for a shorter range"):
        write(Table("some", "LIVE", {"a": "number"}, blocks), tmp_path / "a.csv", "csv")
    assert not list(tmp_path.iterdir())


def test_both_writers_of_csv_say_the_same(tmp_path: Path) -> None:
    """A report's small tables, and the files of the API, cell by cell."""
    state = state_with_history()
    for name in ("overview", "allocation", "cloud", "efficiency"):
        for one in SAVED[name]:
            write(one.build(wanted(state)), tmp_path / "a.csv", "csv")
            texts = [(tmp_path / "a.csv").read_text(), csv_bytes(one.build(wanted(state))).decode()]
            first, second = (list(csv.reader(io.StringIO(text, newline=""))) for text in texts)
            assert first[0] == second[0] and len(first) == len(second)
            for row, other in zip(first, second, strict=True):
                assert all(cell == that or float(cell) == float(that) for cell, that in zip(row, other, strict=True))


def rows_of(state: DRMState, tab: str, number: int = 0, **more: Any) -> list[dict[str, Any]]:
    table = SAVED[tab][number].build(wanted(state, **more))
    return [
        dict(zip(table.columns, row, strict=True))
        for block in table.blocks
        for row in zip(*(np.asarray(block[name], object) for name in table.columns), strict=True)
    ]


def test_workers_over_time_have_a_row_where_something_was_sampled() -> None:
    """As fractions and as amounts; a worker that joined later has none before, and one without a GPU nothing of it."""
    rows = rows_of(state_with_history(), "utilization")
    plain, fast = ([row for row in rows if row["worker_id"] == worker_id] for worker_id in ("plain", "<b>fast"))
    assert (len(plain), len(fast)) == (TICKS // 5, TICKS // 10)
    assert {row["used_cpu"] for row in plain} == {0.5} and {row["used_cpu_cores"] for row in plain} == {2.0}
    assert all(math.isnan(row["used_gpu"]) for row in plain) and {row["used_gpu_devices"] for row in fast[1:]} == {0.25}
    assert {row["time_utc"] for row in plain} == {START + 5 * index for index in range(TICKS // 5)}
    only = rows_of(state_with_history(), "utilization", resources=("memory",), columns=2)
    assert "used_cpu" not in only[0] and len(only) < 6


def test_more_workers_than_a_screen_has_rows_are_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """In several parts, in their natural order, each with the cells of its own heatmap; those that went long ago share one row."""
    monkeypatch.setattr(utilization, "WORKERS_AT_ONCE", 7)
    manager = DynamicResourceManager(ExternalEngine(), now=START)
    state = DRMState(manager)
    for tick in range(60):
        for number in range(tick * 4, tick * 4 + 20):
            if number >= tick * 4 + 16 or tick == 0:
                manager.register_worker(f"w{number}", capacity=Resources(cpu=4, memory=8e9))
            manager.report(f"w{number}", used={"cpu": number % 5}, now=START + tick * 5)
        state.advance(START + tick * 5)
        for number in range(tick * 4, tick * 4 + 4):
            manager.deregister_worker(f"w{number}")
    rows = rows_of(state, "utilization")
    ids = list(dict.fromkeys(row["worker_id"] for row in rows))
    window = state.at(state.snapshot.time).heatmap(900.0, rows=1000)
    assert ids[:-1] == sorted(ids[:-1], key=natural_key) and ids[-1] == "earlier workers, together"
    assert ids == [row.label for row in window.rows] and len(ids) > 150
    cells = {row.label: window.mean[index] for index, row in enumerate(window.rows)}
    for worker_id in ids:
        found = [row["used_cpu"] * 200 for row in rows if row["worker_id"] == worker_id and not math.isnan(row["used_cpu"])]
        assert found == pytest.approx([cell for cell in cells[worker_id].tolist() if cell != MISSING])


def test_amounts_of_workers_that_went_are_by_what_they_had_last() -> None:
    """From their lifetimes; nothing is made up where that is not known."""
    manager = DynamicResourceManager(ExternalEngine(), now=START)
    state = DRMState(manager)
    manager.register_worker("gone", capacity=Resources(cpu=8, memory=8e9))
    for tick in range(3):
        manager.report("gone", used={"cpu": 4.0}, now=START + tick * 5)
        state.advance(START + tick * 5)
    manager.deregister_worker("gone")
    state.advance(START + 20)
    assert {row["used_cpu_cores"] for row in rows_of(state, "utilization")} == {4.0}


class Firsts:
    """A history file of which only the first times of its levels are known."""

    def __init__(self, firsts: dict[str, float | None]) -> None:
        self._firsts = firsts

    def read(self, query: str) -> list[tuple[float | None]]:
        return [(self._firsts[query.rpartition("_")[2]],)]


@given(st.lists(st.one_of(st.none(), st.integers(0, 3000)), min_size=4, max_size=4))
def test_each_time_is_of_one_level_the_finest_that_is_kept(starts: list[int | None]) -> None:
    """The parts join without a gap or an overlap, at edges of the coarser level's buckets, and none begins before its level does."""
    firsts = {
        name: None if start is None else math.floor(start * 10 / step) * step
        for name, step, start in zip(LEVEL_NAMES, STEPS_SECONDS, starts, strict=True)
    }
    found = parts(Firsts(firsts), "samples")  # type: ignore[arg-type]  # it is asked for its first times only
    kept = [name for name in LEVEL_NAMES if firsts[name] is not None]
    assert list(found) == [name for name in kept if name in found] and list(found)[:1] == kept[:1]
    if not kept:
        assert found == {}
        return
    edges = list(found.values())
    assert edges[0][1] == math.inf and edges[-1][0] == -math.inf
    assert all(finer[0] == coarser[1] for finer, coarser in pairwise(edges))
    for (name, (low, _)), (coarser, _) in pairwise(found.items()):
        assert low >= (firsts[name] or 0) and low % STEPS_SECONDS[LEVEL_NAMES.index(coarser)] == 0
    # No level that is left out would have told of an earlier time.
    last, step = list(found)[-1], max(STEPS_SECONDS[LEVEL_NAMES.index(name)] for name in kept)
    assert all(math.floor((firsts[last] or 0) / step) <= math.floor((firsts[name] or 0) / step) for name in kept)
