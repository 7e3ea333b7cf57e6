"""What a new start knows: everything that an earlier run did, with a gap in between; and ids that never come again."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from drm.analysis.ladder import ladder
from drm.cloud.accrual import Spend
from drm.decision import ScalingDecision
from drm.history.attempts import NOT_FOLLOWED, POOL_GONE
from drm.history.earlier import UNWRITTEN_AT_MOST
from drm.history.file import HistoryFile, HistoryFileError
from drm.history.lifetimes import Lifetime
from drm.history.reading import decisions
from drm.history.runs import NOT_RUNNING
from drm.history.store import GRACE_SECONDS
from drm.ledger_blocks import BLOCK, WHOLE_BLOCKS
from drm.ledger_query import Query
from drm.model import Resources, Task
from drm.snapshot import Snapshot
from drm.state import DRMState
from drm.task_usage import UsageView
from drm.tasks import CLOSED
from tests.unit.kept_pools import RANGES, START, Kept, Outside, as_told, documents, far_apart, plain, simulated, windows


@dataclass
class Known:
    """What a run knew at its end."""

    snapshots: list[Snapshot]
    windows: dict[str, dict[str, Any]]
    fleet: dict[float, dict[str, Any]]
    documents: dict[int, Any]
    next_id: int
    lifetimes: tuple[Lifetime, ...]
    spend: Spend
    usage: UsageView
    finished: tuple[Task, ...]
    end: float
    state: DRMState


def known(kept: Kept, snapshots: list[Snapshot]) -> Known:
    manager, end = kept.manager, snapshots[-1].time
    return Known(
        snapshots,
        {name: dict(rows) for name, rows in windows(manager.history, end)},
        {seconds: dict(manager.history.fleet(seconds, end).mean) for seconds in RANGES},
        documents(manager.ledger),
        manager.ledger.next_id,
        manager.lifetimes.between(0, math.inf),
        manager.spend,
        manager.task_usage(),
        tuple(manager._pool.tasks.finished),
        end,
        DRMState(manager),
    )


@dataclass
class Both:
    """A run, and the next one over the same folder, which has not ticked yet."""

    before: Known
    after: Kept


def invented(folder: Path) -> tuple[Kept, Known]:
    kept = simulated(folder)
    return kept, known(kept, kept.run(400))


def outside(folder: Path) -> tuple[Kept, Known]:
    pool = Outside()
    kept = pool.run_of(folder)
    snapshots = [pool.tick(kept) for _ in range(120)]
    pool.join(kept, "w9")
    pool.leave(kept, "w1")
    snapshots += [pool.tick(kept) for _ in range(120)]
    return kept, known(kept, snapshots)


@pytest.fixture(scope="module", params=[invented, outside], ids=["invented, 60 s", "outside, 1 s"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("history")
    kept, before = request.param(folder)
    kept.flush()
    kept.end()
    after = simulated(folder, kept.now) if request.param is invented else Outside().run_of(folder, kept.now)
    after.begin()
    yield Both(before, after)
    after.end()


def test_every_window_is_as_it_was(both: Both) -> None:
    """Heatmaps and fleet series of every range and resource; what was still open to within half a percent."""
    rings = both.after.manager.history
    found = dict(windows(rings, both.before.end))
    assert {name: far_apart(rows, found[name]) for name, rows in both.before.windows.items() if far_apart(rows, found[name])} == {}
    assert any(len(rows) > 5 for rows in found.values())
    for seconds, series in both.before.fleet.items():
        again = rings.fleet(seconds, both.before.end).mean
        assert again.keys() >= series.keys()
        for name, values in series.items():
            np.testing.assert_allclose(again[name][:-1], values[:-1], rtol=1e-9, err_msg=f"{name} {seconds}")
            # A bucket that was open comes back from those within it that had closed, whether each held one measurement or many.
            np.testing.assert_allclose(again[name][-1], values[-1], rtol=0.1, err_msg=f"{name} {seconds}")


def test_every_decision_is_as_it_was(both: Both) -> None:
    """All of them whole, under their ids, and none is written again."""
    ledger = both.after.manager.ledger
    assert documents(ledger) == both.before.documents
    assert ledger.next_id == both.before.next_id
    assert ledger.take_changed() == ()


def test_lifetimes_are_as_they_were(both: Both) -> None:
    """Those that had ended are equal; those of a pool that ended with its program ended when they were last known, and say so; those of
    others live on."""
    again = {one.number: one for one in both.after.manager.lifetimes.between(0, math.inf)}
    assert len(again) == len(both.before.lifetimes)
    for one in both.before.lifetimes:
        if not math.isnan(one.ended_at) or both.after.store._pool_outlives:
            assert again[one.number] == one
        else:
            assert again[one.number].states[:-1] == one.states
            assert (again[one.number].ended_at, again[one.number].reason) == (math.nextafter(both.before.end, math.inf), POOL_GONE)


def test_sums_of_cost_go_on(both: Both) -> None:
    """Seconds by kind, and since when they are counted."""
    again = both.after.manager.spend
    assert again.kinds == both.before.spend.kinds and again.since == both.before.spend.since
    np.testing.assert_array_equal(again.seconds, both.before.spend.seconds)
    for found, expected in ((again.parts, both.before.spend.parts), (again.ended, both.before.spend.ended)):
        assert found is not None and expected is not None
        np.testing.assert_array_equal(found, expected)
    for ago in (900, 6 * 3600):
        starts = [marks.at(both.before.end - ago) for marks in (both.before.state.manager.spend_marks, both.after.manager.spend_marks)]
        before, after = (ladder(start, both.before.spend) for start in starts)
        assert before is not None and after is not None and before.since == after.since and before.paid.seconds > 0
        assert {name: one.seconds for name, one in before.pieces.items()} == {name: one.seconds for name, one in after.pieces.items()}
    assert both.before.spend.seconds.sum() > 0


def test_what_tasks_used_is_as_it_was(both: Both) -> None:
    """The newest samples of each name and request, and the tasks that ended last."""
    again = both.after.manager.task_usage()
    assert again.samples.keys() == both.before.usage.samples.keys() and len(again.samples) > 1
    for shape, samples in both.before.usage.samples.items():
        assert repr(again.samples[shape].tolist()) == repr(samples.tolist())
    finished = [task for task in both.after.manager._pool.tasks.finished if task.reason != CLOSED]
    assert finished and [plain(task) for task in finished] == [plain(task) for task in both.before.finished][-len(finished) :]


def many_decisions(kept: Kept, rows: int) -> dict[int, Any]:
    """A tick, then so many decisions of a person, which are rows of their own, then another tick."""
    kept.tick()
    for number in range(rows):
        kept.manager.set_bounds(2, 10 + number % 7)
    kept.tick()
    kept.flush()
    return documents(kept.manager.ledger)


def test_old_decisions_are_read_when_somebody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start reads the newest blocks, and each older one once; a file that cannot be read hides decisions and breaks nothing."""
    kept = simulated(tmp_path)
    before = many_decisions(kept, 600)
    kept.end()
    asked: list[tuple[int, int]] = []

    broken = threading.Event()

    def fetch(file: HistoryFile, first: int, last: int) -> list[ScalingDecision]:
        asked.append((first, last))
        if broken.is_set():
            raise HistoryFileError("unusable", "it cannot be read")
        return decisions(file, first, last)

    monkeypatch.setattr("drm.history.reading.decisions", fetch)
    after = simulated(tmp_path, kept.now)
    after.begin()
    ledger = after.manager.ledger
    assert len(asked) == 1 and asked[0][1] == max(before) and asked[0][0] >= max(before) - (WHOLE_BLOCKS + 1) * BLOCK
    for number in (3, 5, BLOCK + 1, 4):
        ledger.get(number)
    assert asked[1:] == [(0, BLOCK - 1), (BLOCK, 2 * BLOCK - 1)]
    assert documents(ledger) == before
    broken.set()
    ledger._decisions._thawed.clear()
    assert 0 < len(ledger.query(Query(limit=1000))) < len(before)
    broken.clear()
    assert documents(ledger) == before
    after.end()


def test_the_file_is_opened_anew_while_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After checkpoints, so that DuckDB gives back what it holds: nothing is lost, and who reads just then is not disturbed."""
    for name in ("CHECKPOINT_SECONDS", "RENEWAL_SECONDS"):
        monkeypatch.setattr(f"drm.history.recorder.{name}", 0.0)
    renewed: list[bool] = []
    renew = HistoryFile.renew
    monkeypatch.setattr(HistoryFile, "renew", lambda file: renewed.append(renew(file)) or renewed[-1])
    kept = simulated(tmp_path)
    for _ in range(12):
        kept.tick()
        kept.flush()
        assert kept.store.file.read("SELECT count(*) FROM decision_rows")[0][0]
    assert renewed.count(True) >= 5 and kept.store.recording.state == "on"
    del renewed[:]
    with kept.store.file.cursor() as reader:
        kept.tick()
        kept.flush()
        kept.tick()
        kept.flush()
        assert renewed and not any(renewed)
        assert reader.execute("SELECT count(*) FROM decision_rows").fetchall()[0][0]
    told = documents(kept.manager.ledger)
    kept.end()
    after = simulated(tmp_path, kept.now)
    after.begin()
    assert documents(after.manager.ledger) == told
    after.end()


def test_decisions_of_two_runs_are_packed_and_forgotten_alike(tmp_path: Path) -> None:
    """Blocks that a new run fills are packed as in one run; what is older than retention goes from RAM, and only then from the file."""
    kept = simulated(tmp_path)
    first = many_decisions(kept, 300)
    kept.end()
    middle = simulated(tmp_path, kept.now + 86_400)
    whole = many_decisions(middle, 600)
    ledger = middle.manager.ledger
    assert whole.keys() > first.keys() and {number: whole[number] for number in first} == first
    assert [one for one in ledger._decisions._packed if ledger._decisions._packed[one]]
    assert len(ledger._decisions._whole) <= (WHOLE_BLOCKS + 2) * BLOCK
    middle.end()
    last = simulated(tmp_path, middle.now, retention_days=0.5)
    last.run(3)
    still = documents(last.manager.ledger)
    assert max(first) - BLOCK < min(still) <= max(first) + 1
    last.store._recorder._next_retention = 0.0
    last.tick()
    last.flush()
    last.manager.ledger._decisions._thawed.clear()
    assert documents(last.manager.ledger).keys() == still.keys()
    (oldest,) = last.store.file.read("SELECT min(id) FROM decisions")
    assert oldest[0] == min(still)
    last.end()


def test_ids_never_come_again(tmp_path: Path) -> None:
    """Decisions, lifetimes and tasks of a second run have ids of their own, after one that ended in order and after one that was killed,
    of which more may have been told than was written."""
    folder, now, seen = tmp_path / "0", START, [set(), set(), set()]
    for run in range(4):
        kept = simulated(folder, now, seed=run)
        tasks = {task.id for snapshot in kept.run(40) for task in (*(snapshot.running_tasks or ()), *snapshot.finished_tasks)}
        own = {task for task in tasks if kept.manager._run_id in task}
        decisions, lifetimes = documents(kept.manager.ledger).keys(), {one.number for one in kept.manager.lifetimes.between(0, math.inf)}
        new = [decisions - seen[0], lifetimes - seen[1], own]
        assert seen[0] <= decisions and seen[1] <= lifetimes and not own & seen[2] and all(new)
        if run == 3:
            assert min(new[0]) == max(seen[0]) + UNWRITTEN_AT_MOST and min(new[1]) == max(seen[1]) + UNWRITTEN_AT_MOST
        if run == 1:
            assert min(new[0]) == max(seen[0]) + 1 and min(new[1]) == max(seen[1]) + 1
        for known_ids, new_ids in zip(seen, new, strict=True):
            known_ids |= new_ids
        now = kept.now
        if run < 2:
            kept.flush()
            kept.end()
        else:
            folder = kept.kill(tmp_path / f"{run}")


def test_ids_that_were_told_and_never_written_do_not_come_again(tmp_path: Path) -> None:
    """Runs that are killed before they wrote a tick, one after the other, and one that wrote decisions and no new lifetime."""
    first = simulated(tmp_path / "0")
    first.run(40)
    first.end()
    told: list[tuple[int, int]] = []
    for run in range(4):
        shutil.copytree(tmp_path / str(run), tmp_path / str(run + 1))
        kept = simulated(tmp_path / str(run + 1), first.now + 3600 * (run + 1))
        kept.begin()
        # It said that it began, and is killed: the copy of the next round is of this moment.
        shutil.copytree(tmp_path / str(run + 1), tmp_path / f"killed-{run + 1}")
        kept.tick()
        told.append((kept.manager.ledger.next_id - 1, max(one.number for one in kept.manager.lifetimes.between(0, math.inf))))
        kept.end()
        shutil.rmtree(tmp_path / str(run + 1))
        (tmp_path / f"killed-{run + 1}").rename(tmp_path / str(run + 1))
    for numbers in zip(*told, strict=True):
        assert list(numbers) == sorted(set(numbers)), told


def test_tasks_that_had_not_ended_are_lost_with_a_reason(tmp_path: Path) -> None:
    """After an orderly end because the manager was closed; after a kill because the pool went, or because nobody learnt of them."""
    for name, start in (("invented", simulated), ("outside", Outside().run_of)):
        kept = start(tmp_path / name)
        if name == "outside":
            for _ in range(5):
                kept.manager.submit(resources=Resources(cpu=3, memory=1e9), name="long")
        snapshot = kept.run(30)[-1]
        there = {task.id for task in kept.store.archive.tasks_at(snapshot.time)} if kept.store.flush(10) else set()
        assert len(there) >= 5
        for folder, reason in (
            (kept.kill(tmp_path / f"{name} killed"), POOL_GONE if name == "invented" else NOT_FOLLOWED),
            (tmp_path / name, CLOSED),
        ):
            after = start(folder, kept.now)
            after.tick()
            after.flush()
            lost = after.store.file.read("SELECT task_id, finished_at FROM tasks WHERE state = 'lost' AND reason = ?", [reason])
            assert {task_id for task_id, _ in lost} == there
            assert {at for _, at in lost} == {math.nextafter(snapshot.time, math.inf)}
            assert not {task.id for task in after.store.archive.tasks_at(after.now - after.step)} & there
            after.end()


def test_workers_of_an_outside_pool_go_on(tmp_path: Path) -> None:
    """Under the same id and lifetime; one that is not found again ends, when it was last known, after the time of grace."""
    pool = Outside(4)
    kept = pool.run_of(tmp_path)
    last = [pool.tick(kept) for _ in range(10)][-1]
    numbers = {one.worker_id: one.number for one in kept.manager.lifetimes.between(0, math.inf)}
    kept.flush()
    kept.end()
    del pool.workers["w3"]
    after = pool.run_of(tmp_path, kept.now + 100)
    pool.tick(after)
    assert {one.worker_id: one.number for one in after.manager.lifetimes.living()} == numbers
    for _ in range(int(GRACE_SECONDS) + 1):
        pool.tick(after)
    (gone,) = after.manager.lifetimes.of("w3")
    assert gone.ended_at == math.nextafter(last.time, math.inf) and NOT_RUNNING in gone.reason and gone.number == numbers["w3"]
    del numbers["w3"]
    assert {one.worker_id: one.number for one in after.manager.lifetimes.living()} == numbers
    after.flush()
    after.end()
    again = pool.run_of(tmp_path, after.now)
    again.begin()
    assert [one.ended_at for one in again.manager.lifetimes.of("w3")] == [gone.ended_at]
    assert sorted(one.worker_id for one in again.manager.lifetimes.living()) == ["w0", "w1", "w2"]
    again.end()


def test_the_time_in_between_is_a_gap(tmp_path: Path) -> None:
    """It is told, it is blank in every window, and nothing is interpolated over it."""
    kept = simulated(tmp_path)
    kept.run(30)
    kept.flush()
    kept.end()
    last = kept.now - kept.step
    after = simulated(tmp_path, kept.now + 20 * kept.step)
    snapshots = after.run(10)
    assert [(gap.since, gap.until, gap.reason) for gap in after.store.gaps] == [(last, snapshots[0].time, NOT_RUNNING)]
    window = after.manager.history.fleet(3600, snapshots[-1].time)
    blank = np.isnan(window.mean["workers_current"])
    np.testing.assert_array_equal(window.times[blank], last + 60 * np.arange(1, 21))
    heat = after.manager.history.heatmap("cpu", "used", 3600, snapshots[-1].time)
    assert (heat.mean[:, blank] == 255).all() and (heat.mean[:, ~blank] != 255).any()
    after.flush()
    after.end()
    third = simulated(tmp_path, after.now)
    third.begin()
    assert [(gap.since, gap.until) for gap in third.store.gaps] == [(last, snapshots[0].time), (snapshots[-1].time, third.now)]
    third.end()


def test_the_archive_tells_the_tasks_of_each_tick(tmp_path: Path) -> None:
    """Queued and running ones as the snapshot of that tick had them, with the attempt and the worker, through requeues and lost workers;
    those that ended by then with what they used; and what the pool had cost."""
    kept = simulated(tmp_path, workers=40)
    table, seen = kept.manager._pool.tasks, []
    for tick in range(100):
        if tick in (30, 60):
            kept.engine.silence(0.4, 900)
        snapshot = kept.tick()
        there = {as_told(task) for task in (*table._queued.values(), *table.running.values())}
        seen.append((snapshot.time, there, kept.manager.task_usage(), kept.manager.spend))
    kept.flush()
    archive = kept.store.archive
    lost = kept.store.file.read("SELECT count(*), max(attempt) FROM tasks WHERE state = 'lost'")[0]
    assert lost[0] > 10 and archive.complete_until == seen[-1][0]
    again = kept.store.file.read("SELECT count(*) FROM tasks WHERE attempt > 1 AND state = 'done'")[0][0]
    assert again > 10 and max(len(there) for _, there, *_ in seen) > 60
    for at, there, _, spend in seen:
        assert {as_told(task) for task in archive.tasks_at(at)} == there
        told = archive.spend_at(at)
        assert told is not None and told.time == at and told.since == START
        assert dict(zip(told.kinds, told.seconds.tolist(), strict=True)) == {
            kind: seconds
            for kind, seconds, charged in zip(spend.kinds, spend.seconds.tolist(), spend.charged, strict=True)
            if seconds or charged
        }
        assert told.charged.sum() == spend.charged.sum()
    for at, _, usage, _ in seen[::20]:
        told_usage = archive.task_usage(START - 1, at)
        assert {shape: sorted(map(str, samples.tolist())) for shape, samples in told_usage.samples.items()} == {
            shape: sorted(map(str, samples.tolist())) for shape, samples in usage.samples.items()
        }
    assert archive.spend_at(START - 1) is None and archive.tasks_at(START - 1) == ()
    kept.end()


def test_a_moment_that_the_archive_knows_is_a_whole_snapshot(tmp_path: Path) -> None:
    """After a restart a moment of the run before shows the workers, tasks and cost that its tick had."""
    kept = simulated(tmp_path)
    snapshots = kept.run(60)
    kept.flush()
    kept.end()
    after = simulated(tmp_path, kept.now)
    after.tick()
    after.flush()
    state = DRMState(after.manager)
    for snapshot in snapshots[5::9]:
        view = state.at(snapshot.time)
        past = view.snapshot
        assert sorted(past.worker_ids) == sorted(snapshot.worker_ids)
        assert (past.tasks.queued, past.tasks.running) == (snapshot.tasks.queued, snapshot.tasks.running)
        assert {task.id for task in past.running_tasks or ()} == {task.id for task in snapshot.running_tasks or ()}
        assert past.last_decision is not None and past.last_decision.id == snapshot.last_decision.id
        assert view.cloud_totals().time == snapshot.time
        place = [past.worker_ids.index(worker_id) for worker_id in snapshot.worker_ids]
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(past.used[place] / snapshot.capacity, snapshot.used / snapshot.capacity, atol=0.003)
    after.end()


def test_half_a_character_is_no_reason_to_stop(tmp_path: Path) -> None:
    """Names come from outside: those that no file takes are kept without what is wrong with them."""
    pool = Outside(2)
    kept = pool.run_of(tmp_path)
    pool.join(kept, "w\ud800")
    kept.manager.submit(resources=Resources(cpu=1), name="t\udfff \x00 ü")
    for _ in range(20):
        pool.tick(kept)
    kept.manager.cordon("w\ud800")
    pool.tick(kept)
    kept.flush()
    assert (kept.store.recording.state, kept.store.recording.dropped_records) == ("on", 0)
    assert kept.store.file.read("SELECT worker_id FROM workers WHERE starts_with(worker_id, 'w?')") == [("w?",)]
    kept.end()
    after = Outside(2).run_of(tmp_path, kept.now)
    after.begin()
    assert "w?" in {one.worker_id for one in after.manager.lifetimes.between(0, math.inf)}
    assert "w?" in str(documents(after.manager.ledger))
    after.end()


def test_tasks_of_before_the_first_tick_are_kept(tmp_path: Path) -> None:
    """A task that is submitted before anything ticks is queued from then on."""
    pool = Outside(1)
    kept = pool.run_of(tmp_path)
    early = kept.manager.submit(resources=Resources(cpu=100), name="early")
    kept.tick()
    kept.flush()
    assert [task.id for task in kept.store.archive.tasks_at(START)] == [early.id]
    kept.end()


def test_a_copy_holds_the_last_decision_as_it_stands(tmp_path: Path) -> None:
    """A run that grows with each tick is written at times only; whoever fetches a copy gets all of its evaluations."""
    kept = simulated(tmp_path, workers=8)
    kept.step = 1.0
    for _ in range(20):
        kept.tick()
        kept.flush()
    last = kept.manager.decisions(Query(limit=1))[0]
    assert last.evaluations is not None and last.evaluations > 1
    with kept.store.copies.made() as made, duckdb.connect(str(made), read_only=True) as copied:
        found = copied.execute("SELECT evaluations, until FROM decisions ORDER BY id DESC LIMIT 1").fetchone()
        assert not made.with_name(made.name + ".wal").exists()
    assert found == (last.evaluations, last.last_at)
    kept.end()
