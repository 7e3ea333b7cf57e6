"""What each worker was paid for, against plain sums, against the sums of the fleet, and over a restart."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.analysis.by_worker import workers_of
from drm.analysis.ladder import STEPS, ladder
from drm.analysis.time_slices import slices
from drm.cloud.billing import Billing
from drm.cloud.manager import CloudProviderManager
from drm.cloud.split import BILLING_MINIMUM, PARTS, USED
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.history.worker_spends import PURPOSES, WorkerSpends
from drm.manager import DynamicResourceManager
from drm.model import InstanceKind, Price, Resources
from drm.state import DRMState
from tests.unit.kept_pools import START, simulated

KINDS = (InstanceKind(), InstanceKind("alpha", "a", "small", "spot", Price(0.36, "USD", "test", "2026-01-01")))
NAMES = ("a", "b", "c", "d")


@given(
    st.lists(
        st.tuples(st.sampled_from((7.0, 60.0, 400.0, 3_700.0)), st.sets(st.sampled_from(NAMES)), st.integers(0, 1), st.floats(0, 1)),
        min_size=1,
        max_size=60,
    ),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_worker_has_what_was_added_between_the_two_moments_that_are_told(
    looks: list[tuple[float, set[str], int, float]], first: float, second: float
) -> None:
    """Whoever comes, goes, comes back or changes its kind; blocks begin and end at looks, and cover what was asked for as far as kept."""
    spends, added, now = WorkerSpends(), defaultdict(list), 1_000_000.0
    began, ids, kind, used = now, (), np.empty(0, np.int64), np.empty(0)
    for passed, members, number, amount in looks:
        spends.add(passed, [(USED, used)], 1.0 - used, np.full(len(ids), len(PARTS) - 1, np.intp))
        now += passed
        for row, name in enumerate(ids):
            added[name].append((now, KINDS[kind[row]], passed * used[row]))
        spends.tick(now)
        before, ids = ids, tuple(sorted(members))
        kind, used = np.full(len(ids), number, np.int64), np.full(len(ids), amount)
        spends.members(ids, np.array([before.index(one) if one in before else -1 for one in ids], np.intp), KINDS, kind)
    since, until = sorted(began + part * (now - began) for part in (first, second))
    for name in NAMES:
        found = spends.of_worker(name, since, until)
        if found is None:
            continue
        assert found.since < found.until <= until
        wanted = defaultdict(float)
        for at, its, seconds in added[name]:
            if found.since < at <= found.until:
                wanted[its] += seconds
        for its in KINDS:
            told = found.by_kind.get(its, np.zeros(PURPOSES))
            assert told[USED] == pytest.approx(wanted[its], rel=1e-6, abs=1e-6)
    last = spends.of_worker("a", -math.inf, math.inf)
    assert last is None or now - last.until < max(60.0, *(look[0] for look in looks)) + 60.0


def test_workers_add_up_to_the_fleet() -> None:
    """Over 5 h in which workers come, go and are interrupted: the blocks of all of them are what the sums of the fleet grew by."""
    manager = DynamicResourceManager(SimulatedEngine(40, 3), bounds=Bounds(4, 40), now=0.0)
    manager.history.sampling_seconds = 15.0
    seen: set[str] = set()
    for tick in range(1200):
        seen |= set(manager.advance(tick * 15.0).worker_ids)
    for since, until in ((17_000.0, 17_960.0), (9_000.0, 17_500.0), (0.0, 17_500.0)):
        told = [manager.worker_spends.of_worker(worker_id, since, until) for worker_id in sorted(seen)]
        edges = {(one.since, one.until) for one in told if one is not None}
        assert len(edges) == 1
        begin, end = (manager.spend_marks.at(moment) for moment in edges.pop())
        assert begin is not None and end is not None and begin.time <= max(since, 0.0)
        sums = sum(sum(one.by_kind.values(), np.zeros(PURPOSES)) for one in told if one is not None)
        assert begin.parts is not None and end.parts is not None and begin.ended is not None and end.ended is not None
        fleet = np.concatenate([end.parts.sum(axis=0) - begin.parts.sum(axis=0), end.ended.sum(axis=0) - begin.ended.sum(axis=0)])
        assert sums == pytest.approx(fleet, rel=1e-6, abs=0.01)
        assert sums[: len(PARTS)].sum() > 1000


def test_a_restart_and_the_archive_know_them(tmp_path: Path) -> None:
    """The same worker over the same time, before a restart and after it; and a range of before what RAM holds is told by hours."""
    kept = simulated(tmp_path, step=120.0)
    end = kept.run(30 * 27 + 15)[-1].time
    state = DRMState(kept.manager)
    oldest = kept.manager.lifetimes.between(0, math.inf)[0]
    ids = [one.worker_id for one in kept.manager.lifetimes.between(end - 7200, end)][:10]
    before = {(name, seconds): state.worker_spend(name, seconds) for name in ids for seconds in (3600.0, 86_400.0)}
    kept.flush()
    kept.end()
    after = simulated(tmp_path, kept.now, step=120.0)
    after.begin()
    after.run(2)
    again = DRMState(after.manager)
    paid = 0.0
    for (name, seconds), one in before.items():
        found = again.at(end).worker_spend(name, seconds)
        assert one is not None and one.parts is not None
        assert found is not None and found.parts is not None
        # The last minute of the run before was not over.
        assert (found.since, found.time) == (one.since, one.time)
        assert found.parts.sum(axis=0) == pytest.approx(one.parts.sum(axis=0), rel=1e-6, abs=1e-3)
        paid += found.seconds.sum()
    assert paid > 0
    whole = again.worker_spend(oldest.worker_id, 5 * 86_400.0)
    assert whole is not None and whole.since == START and whole.parts is not None
    told = sum(
        (later[0] if later else oldest.ended_at) - at
        for (at, state), later in zip(oldest.states, [*oldest.states[1:], None], strict=True)
        if state not in ("lost", "terminated")
    )
    assert whole.seconds.sum() == pytest.approx(told, abs=2 * kept.step)
    after.end()


def test_a_provider_bills_its_least_time() -> None:
    """60 s for a worker that was there for 20, the begun hour of one that is billed by hours, and nothing for one that was there before."""
    assert Billing(1.0, 60.0).beyond(20.0) == 40.0 and Billing(1.0, 60.0).beyond(60.5) == 0.0
    assert Billing(3600.0, 0.0).beyond(3700.0) == 3500.0 and Billing(3600.0, 0.0).beyond(7200.0) == 0.0
    manager = DynamicResourceManager(ExternalEngine(lost_after_seconds=1e9), now=0.0, cloud=CloudProviderManager())
    manager._meter.billing = {"aws": Billing(1.0, 60.0)}
    manager.register_worker("old", capacity=Resources(cpu=1), labels={"provider": "aws"})
    manager.advance(0.0)
    manager.register_worker("new", capacity=Resources(cpu=1), labels={"provider": "aws"})
    manager.register_worker("here", capacity=Resources(cpu=1))
    manager.advance(10.0)
    manager.advance(30.0)
    for name in ("old", "new", "here"):
        manager.deregister_worker(name)
    spend = manager.advance(31.0) and manager.spend
    assert spend.parts is not None
    assert spend.parts[:, BILLING_MINIMUM].sum() == pytest.approx(60 - 21)
    assert spend.seconds.sum() == pytest.approx(31 + 60 + 21) and spend.parts.sum() == pytest.approx(spend.seconds.sum())
    manager.advance(95.0)
    assert manager.spend.seconds.sum() == pytest.approx(31 + 60 + 21)
    of_new = manager.worker_spends.of_worker("new", 0.0, 95.0)
    assert of_new is not None and sum(of_new.by_kind.values())[BILLING_MINIMUM] == pytest.approx(39)


def test_a_worker_that_nobody_knows_was_paid_nothing() -> None:
    """Its spend has no kind of instance; before anything is kept there is none."""
    manager = DynamicResourceManager(SimulatedEngine(4, 3), bounds=Bounds(1, 4), now=0.0)
    state = DRMState(manager)
    state.advance(1.0)
    assert state.worker_spend("nobody", 900.0) is None
    state.advance(61.0)
    found = state.worker_spend("nobody", 900.0)
    assert found is not None and found.kinds == () and found.seconds.sum() == 0


def test_a_fleet_is_made_of_its_workers() -> None:
    """The accounts of those on which most was paid, and of the others, rung by rung the account of the fleet over the same time."""
    state = DRMState(DynamicResourceManager(SimulatedEngine(60, 5), bounds=Bounds(30, 60), now=0.0))
    state.set_interval(30.0)
    for tick in range(800):
        state.advance(tick * 30.0)
    for since, until in ((23_000.0, 23_900.0), (0.0, 23_900.0)):
        found = workers_of(state, since, until)
        assert found is not None and found.others > 0 and found.rest is not None
        start, end = (state.manager.spend_marks.at(moment) for moment in (found.whole.since, found.whole.until))
        assert end is not None
        fleet = ladder(start, end)
        assert fleet is not None and fleet.paid.money > 1
        accounts = [one for _, one in found.workers]
        assert [one.paid.money for one in accounts] == sorted((one.paid.money for one in accounts), reverse=True)
        for rung in STEPS:
            told = sum((one.rung(rung).money for one in accounts), found.rest.rung(rung).money)
            assert told == pytest.approx(fleet.rung(rung).money, rel=1e-6) == pytest.approx(found.whole.rung(rung).money, rel=1e-6)
    kinds = {one.kind for one in state.manager.lifetimes.between(0.0, 23_900.0)}
    shares = [workers_of(state, 0.0, 23_900.0, {kind}) for kind in kinds]
    assert sum(one.whole.paid.money for one in shares if one is not None) == pytest.approx(fleet.paid.money, rel=1e-6)


def test_the_history_file_knows_what_all_workers_were_paid_for(tmp_path: Path) -> None:
    """Hours that RAM no longer holds come from the file, by worker, and of one kind by what is kept of lifetimes."""
    kept = simulated(tmp_path, step=120.0)
    kept.run(30 * 27 + 15)
    kept.flush()
    state = DRMState(kept.manager)
    found = workers_of(state, 0.0, kept.now, None)
    assert found is not None and found.whole.since == START
    fleet = ladder(None, kept.manager.spend_marks.at(found.whole.until) or kept.manager.spend)
    assert fleet is not None and found.whole.paid.money == pytest.approx(fleet.paid.money, rel=1e-6)
    kinds = {one.kind for one in kept.manager.lifetimes.between(0.0, kept.now)}
    shares = [workers_of(state, 0.0, kept.now, {kind}) for kind in kinds]
    assert sum(one.whole.paid.money for one in shares if one is not None) == pytest.approx(fleet.paid.money, rel=1e-6)
    kept.end()


@given(st.floats(0, 2e9), st.floats(1.0, 4e6))
def test_slices_cover_a_time_and_are_few(since: float, lasted: float) -> None:
    """In order, without a gap, and cut at full minutes, hours or days."""
    edges = slices(since, since + lasted)
    assert edges[0] == since and edges[-1] == since + lasted and 2 <= len(edges) <= 9
    assert all(before < after for before, after in pairwise(edges))
    assert all(edge % 60 == 0 for edge in edges[1:-1])


def test_a_worker_in_times_that_follow_each_other() -> None:
    """The slices of a worker's account add up to it."""
    state = DRMState(DynamicResourceManager(SimulatedEngine(20, 5), bounds=Bounds(6, 20), now=0.0))
    state.set_interval(30.0)
    for tick in range(800):
        state.advance(tick * 30.0)
    worker_id = max(state.manager.lifetimes.between(0.0, 24_000.0), key=lambda one: one.so_far(24_000.0).states[-1][0]).worker_id
    for seconds in (900.0, 7_200.0, 23_000.0):
        whole = state.worker_spend(worker_id, seconds)
        assert whole is not None
        parts = [state.worker_spend(worker_id, until - since, until) for since, until in pairwise(slices(whole.since, whole.time))]
        assert sum(one.seconds.sum() for one in parts if one is not None) == pytest.approx(whole.seconds.sum(), rel=1e-6)
