"""Views of the past: what was seen at a tick is what a view of that moment shows later, and what cannot be known is said."""

from __future__ import annotations

import contextlib
import math
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drm.cloud.accrual import Spend
from drm.decision import Bounds, ScalingDecision
from drm.engines.external import ExternalEngine
from drm.errors import FutureError, InvalidValueError, UnknownIdError
from drm.history.archive import Archive
from drm.history.store import HistoryStore
from drm.history.worker_spends import Block, WorkerSpend
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import IS_ACTIVE, Resources, Task
from drm.snapshot import Snapshot
from drm.state import DRMState
from drm.task_usage import UsageView
from tests.unit.page_pool import START as PAGE_START
from tests.unit.page_pool import state_with_history
from tests.unit.past_pool import START, STEP, Seen, stepped_manager, stepped_pool

TICKS = 400
HALF_STEP = 0.0025
"""Cells count half percents of a capacity, rounded."""


@pytest.fixture(scope="module")
def stepped() -> tuple[DRMState, list[Seen]]:
    """A simulated pool after half an hour in which it grew, shrank and had failures."""
    state, seen = stepped_pool(TICKS)
    kinds = {one.kind for one in seen[-1].decisions}
    assert {"up", "down", "maintained", "blocked"} <= kinds
    return state, seen


def rows(snapshot: Snapshot) -> dict[str, tuple[Any, ...]]:
    """What is exact of each worker."""
    return {
        worker_id: (
            int(snapshot.states[row]),
            snapshot.capacity[row].tolist(),
            snapshot.kinds[int(snapshot.kind[row])],
            float(snapshot.price[row]),
            repr(float(snapshot.started_at[row])),
        )
        for row, worker_id in enumerate(snapshot.worker_ids)
    }


def known(decision: ScalingDecision | None) -> dict[str, Any]:
    """All fields but those of a run that went on."""
    return {} if decision is None else {one.name: getattr(decision, one.name) for one in fields(decision) if one.name != "fold"}


def test_a_view_of_each_tick_is_what_was_seen_then(stepped: tuple[DRMState, list[Seen]]) -> None:
    """Workers, states, sizes, tasks, cost and demand exactly; used and allocated to the half percent that a cell keeps."""
    state, seen = stepped
    for one in seen:
        live, past = one.snapshot, state.at(one.snapshot.time).snapshot
        assert past.is_past and not live.is_past
        assert rows(past) == rows(live)
        for name in ("current", "desired", "bounds", "oversubscribed", "ready", "currency"):
            assert getattr(past, name) == getattr(live, name), name
        assert (past.tasks.queued, past.tasks.running) == (live.tasks.queued, live.tasks.running)
        assert past.cost_rate == pytest.approx(live.cost_rate, rel=1e-12)
        np.testing.assert_allclose(past.demand, live.demand, rtol=1e-12)
        active = IS_ACTIVE[live.states]
        order = [past.worker_ids.index(worker_id) for worker_id in live.worker_ids]
        for columns, again in ((live.used, past.used[order]), (live.allocated, past.allocated[order])):
            has = active[:, None] & (live.capacity > 0)
            np.testing.assert_array_equal(np.isnan(columns)[has], np.isnan(again)[has])
            share = np.divide(np.abs(columns - again), live.capacity, out=np.zeros_like(columns), where=has)
            assert np.nanmax(share, initial=0.0) <= HALF_STEP + 1e-9
        idle = (live.states == 2) & ~np.isnan(live.idle_since)
        assert np.abs(past.idle_since[order][idle] - live.idle_since[idle]).max(initial=0.0) <= STEP


def test_the_ledger_of_a_moment_is_the_one_that_was_read_then(stepped: tuple[DRMState, list[Seen]]) -> None:
    """Row for row and field for field: what was under way is under way, whom a launch had brought by then, when a run had last been."""
    state, seen = stepped
    cut = 0
    for one in seen:
        view = state.at(one.snapshot.time)
        told = view.ledger.query(Query(limit=1000))
        assert [known(decision) for decision in told] == [known(decision) for decision in one.decisions]
        assert [(now.kind, now.last_at) for now in told] == [(then.kind, then.last_at) for then in one.decisions]
        assert view.ledger.count(Query()) == len(one.decisions)
        assert view.scaling_events(600) == one.events
        for now, then in zip(told, one.decisions, strict=True):
            if now.fold is not None and now.evaluations is None:
                cut += 1
                assert now.fold.last_inputs == () and then.fold is not None and now.last_at == then.fold.last_at
            else:
                assert now.fold == then.fold
        last, action = view.snapshot.last_decision, view.snapshot.last_action
        live = one.snapshot
        assert last is not None and live.last_decision is not None
        assert (last.id, last.code, last.target) == (live.last_decision.id, live.last_decision.code, live.last_decision.target)
        assert known(action) == known(live.last_action)
    assert cut


def test_filters_of_a_moment_see_what_was_known_then(stepped: tuple[DRMState, list[Seen]]) -> None:
    """A launch that failed later is neither failed nor settled before; the columns say the same as the rows."""
    state, seen = stepped
    for one in seen[:: TICKS // 40]:
        ledger = state.at(one.snapshot.time).ledger
        for name in ("up", "down", "failed", "maintained", "blocked"):
            assert ledger.ids(Query(kind=name, limit=1000)) == [each.id for each in one.decisions if each.kind == name], name
        for name in ("pending", "done", "partial", "failed"):
            assert ledger.ids(Query(outcome=name, limit=1000)) == [each.id for each in one.decisions if each.outcome == name], name
        columns = ledger.columns(Query())
        assert columns.end.tolist() == [each.last_at for each in one.decisions]
        assert columns.id.tolist() == [each.id for each in one.decisions]


def test_a_decision_of_the_future_is_refused_by_name(stepped: tuple[DRMState, list[Seen]]) -> None:
    """As is one that was never made."""
    state, seen = stepped
    last = seen[-1].decisions[0]
    early = state.at(START + 30)
    with pytest.raises(UnknownIdError, match="made after this moment"):
        early.ledger.get(last.id)
    with pytest.raises(UnknownIdError, match="no kept decision"):
        early.ledger.get(10**6)
    assert early.ledger.find(last.id) is None
    newest = next(one for one in reversed(seen[-1].snapshot.worker_ids) if state.lifetimes.of(one)[0].began_at > START + 30)
    assert early.ledger.ids(Query(worker=newest)) == [] and early.ledger.count(Query(worker=newest)) == 0


def test_a_step_leads_to_the_decisions_that_changed_the_pool(stepped: tuple[DRMState, list[Seen]]) -> None:
    """Forward and back, one by one, and nowhere beyond the first and the last."""
    state, seen = stepped
    changing = [one.timestamp for one in reversed(seen[-1].decisions) if one.kind in ("up", "down", "failed", "user")]
    at, walked = START - 1.0, []
    while (found := state.decision_beside(at, forward=True)) is not None:
        at = found.timestamp
        walked.append(at)
    assert walked == sorted(set(changing))
    back = []
    while (found := state.decision_beside(at, forward=False)) is not None:
        at = found.timestamp
        back.append(at)
    assert back == walked[-2::-1]


def test_windows_end_at_the_moment(stepped: tuple[DRMState, list[Seen]]) -> None:
    """Each series' last column is the tick's own, and a heatmap shows no worker that came later."""
    state, seen = stepped
    for one in seen[20 :: TICKS // 20]:
        view, live = state.at(one.snapshot.time), one.snapshot
        window = view.fleet(300)
        assert window.times[-1] + window.step_seconds > live.time >= window.times[-1]
        assert window.mean["workers_current"][-1] == live.current
        assert window.mean["demand_cpu"][-1] == pytest.approx(float(live.demand[0]), rel=1e-12)
        shown = {worker_id for row in view.heatmap(60).rows for worker_id in row.worker_ids}
        present = {worker_id for worker_id, code in zip(live.worker_ids, live.states, strict=True) if IS_ACTIVE[code]}
        assert present <= shown
        assert not any(state.lifetimes.of(worker_id)[0].began_at > live.time for worker_id in shown)


def test_lifetimes_of_a_moment_end_there(stepped: tuple[DRMState, list[Seen]]) -> None:
    """Who went later is there, without the end and its reason."""
    state, seen = stepped
    gone = next(one for one in state.lifetimes_in(TICKS * STEP) if not math.isnan(one.ended_at))
    view = state.at(gone.ended_at - STEP)
    (then,) = [one for one in view.lifetimes_of(gone.worker_id) if one.number == gone.number]
    assert math.isnan(then.ended_at) and then.reason == "" and gone.reason
    assert then in view.lifetimes_in(600)
    assert state.at(gone.ended_at).lifetimes_of(gone.worker_id)[-1] == gone
    assert state.at(START).lifetimes_of(seen[-1].snapshot.worker_ids[-1]) == () or seen[-1].snapshot.worker_ids[-1] in rows(
        seen[0].snapshot
    )


def test_the_same_moment_is_put_together_once(stepped: tuple[DRMState, list[Seen]]) -> None:
    """Views are shared by those who ask for the same moment, and the present is the state itself."""
    state, _ = stepped
    assert state.at(START + 100) is state.at(START + 100)
    assert state.at(None) is state
    assert state.at(START + 100).etag != state.at(START + 105).etag


@pytest.mark.parametrize("moment", [math.nan, math.inf, -math.inf, -1.0, -1e300])
def test_a_moment_is_a_number(stepped: tuple[DRMState, list[Seen]], moment: float) -> None:
    """Named with its rule."""
    with pytest.raises(InvalidValueError, match="epoch seconds"):
        stepped[0].at(moment)


def test_the_future_is_refused_with_the_last_tick(stepped: tuple[DRMState, list[Seen]]) -> None:
    """Before the first tick every moment is."""
    state, seen = stepped
    with pytest.raises(FutureError, match=r"the last tick is of 2027-01-15 .* UTC: leave it out for the present"):
        state.at(seen[-1].snapshot.time + 1)
    with pytest.raises(FutureError, match="no tick has run yet"):
        DRMState(DynamicResourceManager(now=0.0)).at(5.0)


@pytest.mark.parametrize("moment", [START - 1.0, START - 40 * 86_400.0, 5.5, 0.0])
def test_before_all_data_there_are_blanks_and_words(stepped: tuple[DRMState, list[Seen]], moment: float) -> None:
    """No exception, no number that nobody measured, whatever the range."""
    view = stepped[0].at(moment)
    snapshot = view.snapshot
    assert snapshot.worker_ids == () and not snapshot.ready and snapshot.last_decision is None
    assert (snapshot.current, snapshot.desired, snapshot.bounds, snapshot.tasks.queued) == (None, None, None, None)
    assert np.isnan(snapshot.demand).all() and math.isnan(snapshot.cost_rate)
    assert view.unknown == (f"Nothing is known of this moment: what is kept begins at {'2027-01-15 08:00:00'} UTC.",)
    for seconds in (900.0, 2_592_000.0, 10 * 365 * 86_400.0):
        window = view.fleet(seconds)
        assert len(window.times) <= 360 and np.isnan(window.mean["workers_current"]).all()
        assert view.heatmap(seconds).rows == () and view.lifetimes_in(seconds) == () and view.scaling_events(seconds) == (0, 0)
    assert view.explain_now() is None and view.cloud_totals().lines == () and not view.task_usage(900).samples


def test_a_gap_is_blank_and_said_to_be_one() -> None:
    """Between two ticks that lie far apart nothing is measured, while who was there is still known."""
    state, _ = stepped_pool(30)
    state.advance(START + 3_000)
    view = state.at(START + 1_500)
    snapshot = view.snapshot
    assert snapshot.worker_ids and not snapshot.ready
    assert np.isnan(snapshot.used).all() and snapshot.tasks.running is None and np.isnan(snapshot.demand).all()
    assert math.isnan(float(snapshot.totals(snapshot.allocated)[0]))
    assert any("No tick was recorded at this moment" in sentence for sentence in view.unknown)


def test_older_moments_say_of_what_they_are_the_mean() -> None:
    """An hour back the buckets are of a minute, half a day back of ten."""
    state, _ = stepped_pool(200, step=60.0)
    assert "5 s" not in " ".join(state.at(START + 199 * 60 - 30).unknown)
    state.advance(START + 20 * 3_600)
    (mean, *_) = state.at(START + 100 * 60).unknown
    assert mean == "What was used, allocated and asked for is the mean of the 10 min that hold this moment."
    assert state.at(START + 100 * 60).snapshot.ready


def test_a_worker_that_measured_nothing_is_not_idle() -> None:
    """NaN stays NaN: `<b>fast` reports no memory, and neither does its past."""
    state = state_with_history()
    snapshot = state.at(PAGE_START + 90).snapshot
    assert np.isnan(snapshot.used[1, 1]) and snapshot.used[1, 0] == 6.0
    assert np.isnan(snapshot.used[0, 2:]).all() and snapshot.allocated[0].tolist()[0] == 1.0


def test_without_an_archive_tasks_and_spend_are_unknown(stepped: tuple[DRMState, list[Seen]]) -> None:
    """None and NaN rather than nothing, in words once, with the remedy."""
    state, seen = stepped
    view = state.at(seen[200].snapshot.time)
    snapshot = view.snapshot
    assert snapshot.running_tasks is None and snapshot.waiting is None and snapshot.tasks.done is None
    assert view.unknown == (
        "Which tasks ran and waited, and what had been spent, is not kept: start with history on, and from then on it is.",
    )
    totals = view.cloud_totals()
    assert sum(line.charged for line in totals.lines) and all(math.isnan(line.spent) for line in totals.lines)
    assert totals.sum.rate == pytest.approx(seen[200].snapshot.cost_rate)
    assert all(task.finished_at <= snapshot.time for task in snapshot.finished_tasks)
    assert all((samples["finished_at"] <= snapshot.time).all() for samples in view.task_usage(900).samples.values())


def written(store: HistoryStore, moment: float) -> None:
    """Returns once the history up to there is on the disk."""
    for _ in range(500):
        if store.recording.complete_until >= moment:
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"history was written up to {store.recording.complete_until} only: {store.recording}")


def test_with_history_on_tasks_and_spend_are_those_of_the_moment(tmp_path: Path) -> None:
    """Of a real file: who ran and who waited, by id and line, and what had been charged, to the second."""
    with contextlib.closing(HistoryStore(tmp_path)) as store, contextlib.closing(stepped_manager(store=store)) as manager:
        state = DRMState(manager)
        seen = []
        for tick in range(120):
            state.advance(START + tick * STEP)
            seen.append((state.snapshot, state.cloud_totals()))
        written(store, START + 119 * STEP)
        for live, totals in seen[20::9]:
            view = state.at(live.time)
            past, then = view.snapshot, view.cloud_totals()
            assert past.running_tasks is not None and live.running_tasks is not None and past.waiting is not None
            assert {task.id for task in past.running_tasks} == {task.id for task in live.running_tasks}
            assert {(task.id, task.worker_id) for task in past.running_tasks} == {(task.id, task.worker_id) for task in live.running_tasks}
            assert [(line.resources, line.count) for line in past.waiting] == [(line.resources, line.count) for line in live.waiting or ()]
            assert (past.tasks.running, past.tasks.queued) == (live.tasks.running, live.tasks.queued)
            assert then.sum.spent == pytest.approx(totals.sum.spent, rel=1e-9) and then.sum.rate == pytest.approx(totals.sum.rate)
            assert [(line.kind, line.states) for line in then.lines if line.states] == [
                (line.kind, line.states) for line in totals.lines if line.states
            ]
            assert view.unknown == ()
            ended = sum(len(samples) for samples in view.task_usage(300).samples.values())
            assert ended == sum(live.time - 300 < task.finished_at <= live.time for task in state.snapshot.finished_tasks)


def test_a_time_in_which_the_program_was_not_running_is_unknown(tmp_path: Path) -> None:
    """After a restart a moment between the runs has no evaluation, no size and no sample, and words that say why."""
    for began, ticks in ((START, 40), (START + 3_600, 10)):
        with contextlib.closing(HistoryStore(tmp_path)) as store, contextlib.closing(stepped_manager(store=store)) as manager:
            state = DRMState(manager)
            for tick in range(ticks):
                state.advance(began + tick * STEP)
            written(store, began + (ticks - 1) * STEP)
            if began > START:
                view = state.at(START + 1_800)
                snapshot = view.snapshot
                assert snapshot.current is None and view.explain_now() is None and not snapshot.ready and np.isnan(snapshot.used).all()
                assert view.unknown[0].startswith("Nothing was recorded from 2027-01-15 08:03:15 UTC to 2027-01-15 09:00:00 UTC, because ")
                before = state.at(START + 39 * STEP)
                assert before.snapshot.ready and before.explain_now() is not None and before.snapshot.worker_ids


class Kept:
    """An archive of two tasks, whole up to a moment."""

    def __init__(self, complete_until: float) -> None:
        self.complete_until = complete_until
        self.asked: list[tuple[float, float]] = []

    def tasks_at(self, moment: float) -> tuple[Task, ...]:
        """One that runs, one that waits, and one that nothing could hold."""
        running = Task("t-1", "train", Resources(cpu=1), "running", moment - 50, worker_id="plain", placed_at=moment - 40)
        waiting = Task("t-2", "wait", Resources(cpu=2), "queued", moment - 30, reason="it waits for 2 cores")
        return running, waiting, Task("t-3", "huge", Resources(cpu=4096), "queued", moment - 20)

    def task_usage(self, since: float, until: float) -> UsageView:
        """Remembers for when it was asked."""
        self.asked.append((since, until))
        return UsageView(7, {})

    def spend_at(self, moment: float) -> Spend | None:
        """Nothing was charged."""
        return Spend(moment, moment - 60, (), np.empty((0, 7), np.int64), np.empty(0), 0.0)

    def worker_spend(self, worker_id: str, since: float, until: float) -> WorkerSpend | None:
        """Nothing."""
        return None

    def worker_spends(self, since: float, until: float) -> Block | None:
        """Nothing."""
        return None


def test_an_archive_tells_tasks_and_spend() -> None:
    """Running and waiting tasks one by one, the queue by request with what could never start, usage of the range, and the sum."""
    state = state_with_history()
    archive = Kept(PAGE_START + 100)
    assert isinstance(archive, Archive)
    state.manager.archive = archive
    view = state.at(PAGE_START + 90)
    snapshot = view.snapshot
    assert snapshot.running_tasks is not None and [task.id for task in snapshot.running_tasks] == ["t-1"]
    assert snapshot.waiting is not None
    assert [(line.count, line.feasible, line.reason) for line in snapshot.waiting] == [(1, True, "it waits for 2 cores"), (1, False, "")]
    assert (snapshot.tasks.running, snapshot.tasks.queued, snapshot.tasks.infeasible) == (1, 2, 1)
    assert view.unknown == ()
    assert view.task_usage(600).version == 7 and archive.asked == [(PAGE_START - 510, PAGE_START + 90)]
    assert view.cloud_totals().since == PAGE_START + 30
    late = state.at(PAGE_START + 110)
    assert late.snapshot.running_tasks is None
    assert late.unknown == ("Which tasks ran and waited, and what had been spent, is written up to 2027-01-15 08:01:40 UTC only.",)
    archive.complete_until = PAGE_START + 115
    assert state.at(PAGE_START + 110).snapshot.running_tasks is not None


def test_what_a_person_did_does_not_stand_for_an_evaluation() -> None:
    """Bounds that were changed show from the next evaluation on, as they did then; the change itself is a row."""
    manager = DynamicResourceManager(ExternalEngine(), bounds=Bounds(0, 4), now=START)
    state = DRMState(manager)
    manager.register_worker("w", capacity=Resources(cpu=4))
    for second in range(10):
        state.advance(START + second)
    manager.set_bounds(1, 9)
    state.advance(START + 10)
    state.advance(START + 11)
    assert state.at(START + 9.5).snapshot.bounds == Bounds(0, 4)
    assert state.at(START + 10).snapshot.bounds == Bounds(1, 9)
    assert state.at(START + 9.5).ledger.query(Query())[0].kind == "user"
    last = state.at(START + 9.5).explain_now()
    assert last is not None and last.actor == "policy"
