"""What ended tasks used, read from the file in slices, is what a reading of every row says."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drm.history import kept_usage, known_shapes
from drm.history.attempts import NOTHING_LEARNT, request_of
from drm.history.file import HistoryFile
from drm.history.kept_usage import usage
from drm.history.known_shapes import KnownShapes
from drm.history.schema import TICKS_A_SECOND
from drm.model import RESOURCES
from drm.task_usage import OUTCOMES, SAMPLES_KEPT, TaskShape, UsageView

BEGUN, LASTED = 1_700_000_000.0, 40_000.0
HOUR_TICKS = 3600 * TICKS_A_SECOND
REQUESTS = ("1.0 0.0 0.0 0.0", "1.0 1048576.0 0.0 0.0", "2.0 1048576.0 1.0 0.0")
COLUMNS = "name, request, finished, took, waited, delayed, hint_seconds, used_cpu, used_memory, used_gpu, used_gpu_memory, state, reason"
ENDS = ((-math.inf, math.inf), (BEGUN + 9_000.0, BEGUN + 30_000.0), (-math.inf, BEGUN + 700.0), (BEGUN + 38_000.0, math.inf))


def rows(seed: int, count: int = 5_000) -> dict[str, Any]:
    """Attempts as a pool may leave them: shapes that come often, seldom, once, or only in the first hour, and several at one moment."""
    rng = np.random.default_rng(seed)
    finished = BEGUN + np.sort(rng.uniform(0.0, LASTED, count)).round(1)
    name = np.array([f"job {one}" for one in rng.choice(6, count, p=(0.55, 0.3, 0.1, 0.03, 0.015, 0.005))], object)
    name[rng.integers(0, count, 5)] = [f"once {one}" for one in range(5)]
    name[(finished < BEGUN + 3600.0) & (rng.random(count) < 0.9)] = "early"
    state = rng.choice([*OUTCOMES, "cancelled"], count, p=(0.8, 0.1, 0.05, 0.05)).astype(object)
    lost = state == "lost"
    took, waited = rng.integers(0, 900, count), rng.integers(0, 90, count)

    def some(values: Any, known: float) -> Any:
        return np.ma.masked_array(values, mask=rng.random(count) > known)

    return {
        "number": np.arange(count),
        "name": name,
        "request": np.array(REQUESTS, object)[rng.choice(3, count, p=(0.7, 0.29, 0.01))],
        "state": state,
        "reason": np.where(lost & (rng.random(count) < 0.5), rng.choice(NOTHING_LEARNT, count), "so").astype(object),
        "finished": (finished * TICKS_A_SECOND).astype(np.int64),
        "took": took * TICKS_A_SECOND,
        "waited": some(waited * TICKS_A_SECOND, 0.95),
        "delayed": some(rng.integers(0, 9, count) * TICKS_A_SECOND, 0.5),
        "hint_seconds": some(rng.uniform(1.0, 99.0, count), 0.5),
        **{f"used_{one}": some(rng.uniform(0.0, 9.0, count), 0.7) for one in RESOURCES},
        "out_of_memory": some(rng.random(count) < 0.1, 0.9),
    }


def read_whole(file: HistoryFile, since: float, until: float) -> dict[TaskShape, list[tuple[Any, ...]]]:
    """By shape, from every row one after the other."""
    found: dict[TaskShape, list[tuple[Any, ...]]] = defaultdict(list)
    for name, request, finished, took, waited, delayed, hint, *used, state, reason, ended in file.read(
        f"SELECT {COLUMNS}, out_of_memory FROM attempts ORDER BY finished, rowid"
    ):
        at = finished / TICKS_A_SECOND
        nothing_learnt = state == "lost" and reason in NOTHING_LEARNT
        if since < at <= until and waited is not None and state in OUTCOMES and not nothing_learnt:
            run = max(0, took - waited - (delayed or 0)) / TICKS_A_SECOND
            sample = (at, run, number(hint), [number(one) for one in used], OUTCOMES.index(state), bool(ended))
            found[TaskShape(name, request_of(request))].append(sample)
    return {shape: samples[-SAMPLES_KEPT:] for shape, samples in found.items()}


def number(value: float | None) -> float:
    return math.nan if value is None else value


def told(view: UsageView) -> dict[TaskShape, str]:
    """As texts, in which NaN equals itself."""
    listed = {shape: [(*one[:3], one[3].tolist(), *one[4:]) for one in samples.tolist()] for shape, samples in view.samples.items()}
    return {shape: repr(samples) for shape, samples in listed.items()}


@pytest.fixture
def file(tmp_path: Path) -> Iterator[HistoryFile]:
    file = HistoryFile(tmp_path / "history.duckdb")
    file.open()
    yield file
    file.close()


@pytest.mark.parametrize(("seed", "fewest", "most"), [(0, 20_000, 100_000), (1, 100, 10_000), (2, 100, 0), (3, 1_000, 2_000)])
def test_slices_say_what_every_row_says(file: HistoryFile, seed: int, fewest: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the slices: one for all, many, with and without looking for the newest first."""
    monkeypatch.setattr(kept_usage, "FEWEST_ROWS", fewest)
    monkeypatch.setattr(kept_usage, "MOST_ROWS", most)
    file.write([("attempts", rows(seed))])
    known = KnownShapes()
    for since, until in ENDS * 2:
        view, whole = usage(file, known, since, until), read_whole(file, since, until)
        assert told(view) == {shape: repr(samples) for shape, samples in whole.items()}
        assert view.version == sum(map(len, whole.values())) and view.forgotten == 0 and len(view.samples) > 2
        ends = [samples["finished_at"][-1] for samples in view.samples.values()]
        assert ends == sorted(ends) and not any(samples.flags.writeable for samples in view.samples.values())


def test_the_shapes_that_ended_last_are_kept(file: HistoryFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more shapes than are kept the others are counted."""
    monkeypatch.setattr(kept_usage, "SHAPES_KEPT", 4)
    file.write([("attempts", rows(0))])
    whole = read_whole(file, -math.inf, math.inf)
    newest = sorted(whole, key=lambda shape: whole[shape][-1][0])[-4:]
    view = usage(file, KnownShapes(), -math.inf, math.inf)
    assert set(view.samples) == set(newest) and view.forgotten == len(whole) - 4 > 5


def test_days_are_looked_through_again_where_they_have_changed(file: HistoryFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that comes late, rows that retention takes, and a file that began anew: what was remembered of a day does not hide them."""
    monkeypatch.setattr(known_shapes, "DAY_TICKS", HOUR_TICKS)
    monkeypatch.setattr(kept_usage, "FEWEST_ROWS", 500)
    attempts, known = rows(0), KnownShapes()
    file.write([("attempts", attempts)])

    def is_whole() -> bool:
        view, whole = usage(file, known, -math.inf, math.inf), read_whole(file, -math.inf, math.inf)
        return told(view) == {shape: repr(samples) for shape, samples in whole.items()}

    assert is_whole() and is_whole()
    late = {name: column[2_500:2_501].copy() for name, column in attempts.items()}
    late["name"][:], late["state"][:], late["waited"] = "late", "done", np.zeros(1, np.int64)
    file.write([("attempts", late)])
    assert is_whole() and any(shape.name == "late" for shape in usage(file, known, -math.inf, math.inf).samples)
    file.write([], [("DELETE FROM attempts WHERE finished < ?", [int(attempts["finished"][1_000])])])
    assert is_whole()
    file.start_anew()
    file.write([("attempts", {name: column[3_000:] for name, column in rows(1).items()})])
    assert is_whole()


def test_of_days_that_are_known_only_the_edges_are_read(file: HistoryFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how many rows they have."""
    monkeypatch.setattr(known_shapes, "DAY_TICKS", HOUR_TICKS)
    known, asked = KnownShapes(), list[Any]()
    file.write([("attempts", rows(0))])
    start, stop = (int((BEGUN + seconds) * TICKS_A_SECOND) for seconds in (5_000.0, 35_000.0))
    found = known.between(file, start, stop)
    read = file.read
    monkeypatch.setattr(file, "read", lambda query, values: asked.append((query, values)) or read(query, values))
    assert known.between(file, start, stop) == found > {("job 0", REQUESTS[0])}
    looked_through = sum(end - first for query, (first, end) in asked if "name" in query)
    assert len(asked) == 3 and 0 < looked_through < 2 * HOUR_TICKS


def test_an_empty_file_has_no_samples(file: HistoryFile) -> None:
    """Nothing ended, so there is nothing."""
    view = usage(file, KnownShapes(), -math.inf, math.inf)
    assert (view.version, dict(view.samples), view.forgotten) == (0, {}, 0)
