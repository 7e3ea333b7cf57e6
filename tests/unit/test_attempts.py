"""Attempts that have ended, as rows of the file and back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drm.history.attempts import just_after, ticks_of
from drm.history.file import HistoryFile
from drm.history.rows import task_columns
from drm.model import Resources, Task
from drm.tasks import TaskChange

START = 1_800_000_000.3
AMOUNTS = st.floats(0, 1e15, allow_nan=False)
MOMENTS = st.floats(1.2e9, 4e9)
"""Between 2008 and 2096."""
IDS = st.one_of(st.from_regex(r"t-[0-9a-f]{10}-[0-9]{1,7}", fullmatch=True), st.from_regex(r"[a-z٣0-]{0,4}[0-9]{0,25}", fullmatch=True))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HistoryFile]:
    """An empty history file."""
    one = HistoryFile(Path(tmp_path_factory.mktemp("attempts")) / "history.duckdb")
    one.open()
    yield one
    one.close()


def kept(file: HistoryFile, change: TaskChange, queued_at: float) -> dict[str, Any]:
    """What a reader of the view finds of one attempt."""
    file.write([("attempts", task_columns([(change, queued_at)]))], [("DELETE FROM attempts", [])])
    (row,) = file.read("SELECT * FROM tasks")
    return dict(zip([name for name, *_ in file.read("DESCRIBE tasks")], row, strict=True))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    IDS,
    st.tuples(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS),
    st.lists(MOMENTS, min_size=5, max_size=5),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_row_gives_back_every_bit(
    file: HistoryFile,
    task_id: str,
    amounts: tuple[float, float, float, float],
    moments: list[float],
    is_placed: bool,
    is_started: bool,
    is_requeued: bool,
) -> None:
    """Any id, any request and any times of this century come out of the view as they went in, in whatever order clocks told them."""
    submitted, queued, placed, started, finished = moments
    task = Task(
        id=task_id,
        name="extract",
        resources=Resources(*amounts),
        state="done",
        submitted_at=submitted,
        attempt=1,
        worker_id="w1",
        placed_at=placed if is_placed else math.nan,
        started_at=started if is_started else math.nan,
        finished_at=finished,
    )
    row = kept(file, TaskChange(task, finished), queued if is_requeued else math.nan)
    assert row["task_id"] == task_id
    assert tuple(row[name] for name in ("cpu", "memory", "gpu", "gpu_memory")) == amounts
    assert (row["submitted_at"], row["queued_at"], row["finished_at"]) == (submitted, queued if is_requeued else submitted, finished)
    assert (row["placed_at"], row["started_at"]) == (placed if is_placed else None, started if is_started else None)


def test_the_moment_after_one_is_the_next_float_of_our_time() -> None:
    """What was there at the last tick of a run was there at its very time, and the next one that a clock can tell is that of its end."""
    assert just_after(START) == math.nextafter(START, math.inf)
    assert ticks_of(just_after(1000.1)) > ticks_of(1000.1) and just_after(1000.1) - 1000.1 < 1e-6
