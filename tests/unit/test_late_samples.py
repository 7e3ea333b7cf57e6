"""Samples that a worker tells of later: they fill what is blank, and touch nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drm.engines.external import ExternalEngine
from drm.engines.reported import PastSample, WorkerReport
from drm.history.store import HistoryStore
from drm.manager import DynamicResourceManager
from drm.model import Resources

BEGIN = 1_000_000.0
FOUR = Resources(cpu=4, memory=8e9)


def report(cpu: float, *past: tuple[float, float], instance: str = "one") -> WorkerReport:
    return WorkerReport(
        instance, FOUR, {"cpu": cpu, "memory": 1e9}, None, None, tuple(PastSample(age, {"cpu": used}) for age, used in past)
    )


def used(manager: DynamicResourceManager, worker_id: str, end: float, seconds: float = 300.0) -> dict[float, float]:
    """The known means by start of their bucket."""
    window = manager.history.worker(worker_id, seconds, end)
    return {
        at: round(value, 3) for at, value in zip(window.times.tolist(), window.mean["used_cpu"].tolist(), strict=True) if value == value
    }


def silent_for_a_while() -> DynamicResourceManager:
    """A worker was heard of for 20 s, at half its cores, and then not for 180 s, in which it was lost."""
    manager = DynamicResourceManager(ExternalEngine(), now=BEGIN)
    for second in range(0, 200, 5):
        if second < 20:
            manager.accept_report("a", report(2.0))
        manager.advance(BEGIN + second)
    assert manager.worker("a").state == "lost"
    return manager


def test_what_was_blank_is_filled() -> None:
    """In the buckets of the time in which it was measured; a sample holds until the next one."""
    manager = silent_for_a_while()
    before = used(manager, "a", BEGIN + 195)
    assert max(before) <= BEGIN + 80
    manager.accept_report("a", report(1.0, (95.0, 3.0), (75.0, 4.0)))
    manager.advance(BEGIN + 200)
    after = used(manager, "a", BEGIN + 200)
    assert {at: value for at, value in after.items() if at in before} == before, "what was recorded stays"
    told = {at - BEGIN: value for at, value in after.items() if at not in before and at < BEGIN + 200}
    assert told == {100.0: 0.75, 105.0: 0.75, 110.0: 0.75, 115.0: 0.75, 120.0: 1.0}
    assert after[BEGIN + 200] == 0.25, "the present is what is used now"


def test_the_present_is_not_touched() -> None:
    """Neither what a worker uses now, nor demand, decisions or sums."""
    manager = silent_for_a_while()
    manager.accept_report("a", report(1.0, (0.0, 4.0), (1.0, 4.0), (90.0, 4.0)))
    snapshot = manager.advance(BEGIN + 200)
    assert snapshot.used[0, 0] == 1.0
    assert used(manager, "a", BEGIN + 200)[BEGIN + 200] == 0.25


def test_what_was_recorded_in_its_time_stays() -> None:
    """A program that tells other numbers of a time that is known is not believed."""
    manager = DynamicResourceManager(ExternalEngine(), now=BEGIN)
    for second in range(60):
        manager.accept_report("a", report(2.0))
        manager.advance(BEGIN + second)
    before = used(manager, "a", BEGIN + 59)
    manager.accept_report("a", report(2.0, *((float(age), 4.0) for age in range(1, 60))))
    manager.advance(BEGIN + 59.5)
    assert used(manager, "a", BEGIN + 59.5) == before


def test_too_old_samples_are_counted_and_dropped() -> None:
    """Those of half a day ago would stand in buckets that are ten minutes long."""
    manager = DynamicResourceManager(ExternalEngine(), now=BEGIN)
    reception = manager.accept_report("a", report(1.0, (13 * 3600.0, 4.0), (600.0, 4.0)))
    assert (reception.kept, reception.dropped) == (1, 1)


def test_a_coarse_bucket_is_filled_only_where_it_was_blank() -> None:
    """A minute that was recorded in part keeps its mean; one of which nothing is known gets that of the samples."""
    manager = silent_for_a_while()
    for second in range(200, 330, 5):
        manager.accept_report("a", report(2.0, *(((85.0, 4.0), (80.0, 4.0)) if second == 200 else ())))
        manager.advance(BEGIN + second)
    window = manager.history.worker("a", 7200.0, BEGIN + 325)
    assert window.step_seconds == 60
    minutes = dict(zip((window.times - BEGIN).tolist(), window.mean["used_cpu"].tolist(), strict=True))
    first = math.floor(BEGIN / 60) * 60 - BEGIN
    assert minutes[first + 60] == 0.5 and minutes[first + 120] == 1.0 and math.isnan(minutes[first + 180]) and minutes[first + 240] == 0.5


def test_an_etag_changes_with_what_is_filled() -> None:
    """So that a page that looks at the past draws it anew."""
    manager = silent_for_a_while()
    manager.accept_report("a", report(1.0))
    manager.advance(BEGIN + 210)
    before = manager.history.heatmap("cpu", "used", 60, BEGIN + 150).etag
    manager.accept_report("a", report(1.0, (100.0, 3.0)))
    manager.advance(BEGIN + 211)
    assert manager.history.heatmap("cpu", "used", 60, BEGIN + 150).etag != before


def test_it_survives(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A later run finds it in its place."""
    folder = tmp_path_factory.mktemp("history")
    store = HistoryStore(folder)
    manager = DynamicResourceManager(ExternalEngine(), store=store, now=BEGIN)
    for second in range(0, 120, 5):
        if second < 20:
            manager.accept_report("a", report(2.0))
        manager.advance(BEGIN + second)
    manager.accept_report("a", report(2.0, (15.0, 3.0)))
    manager.advance(BEGIN + 120)
    known = used(manager, "a", BEGIN + 120)
    assert known[BEGIN + 100] == 0.75
    manager.close()
    store.close()
    store = HistoryStore(folder)
    again = DynamicResourceManager(ExternalEngine(), store=store, now=BEGIN + 130)
    again.accept_report("a", report(2.0))
    again.advance(BEGIN + 130)
    assert used(again, "a", BEGIN + 130)[BEGIN + 100] == 0.75
    rows = store.file.read("SELECT count(*), count(DISTINCT (epoch, worker)) FROM samples_5s")[0]
    assert rows[0] == rows[1] and rows[0] > 0, "no bucket stands twice"
    again.close()
    store.close()


def test_many_are_spread_over_ticks() -> None:
    """No tick takes more than its share, and all find their place."""
    manager = silent_for_a_while()
    for index in range(30):
        past = tuple((95.0 - step * 5, 3.0) for step in range(10)) * 20
        manager.accept_report(f"w{index}", report(1.0))
        manager.accept_report(f"w{index}", report(1.0, *past))
    for second in range(200, 208):
        manager.advance(BEGIN + second)
    known = [used(manager, f"w{index}", BEGIN + 207)[BEGIN + 100] for index in range(30)]
    assert known == pytest.approx(np.full(30, 0.75))
