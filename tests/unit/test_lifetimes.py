"""Lifetimes: who was there when, as the ticks saw it."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.history.lifetimes import Lifetime, Lifetimes
from drm.manager import DynamicResourceManager
from drm.model import WORKER_STATES, InstanceKind, Resources, WorkerState

START = 1_800_000_000.0
SHAPE = Resources(cpu=2, memory=2.0**30)


def _manager() -> DynamicResourceManager:
    return DynamicResourceManager(ExternalEngine(lost_after_seconds=30), now=START)


def test_a_worker_is_followed_from_its_first_tick_to_its_last() -> None:
    """States, capacity and the reason of the end stand in one lifetime."""
    manager = _manager()
    manager.register_worker("w1", capacity=SHAPE)
    manager.report("w1", used={"cpu": 1.0})
    manager.advance(START)
    manager.cordon("w1")
    manager.advance(START + 10)
    manager.deregister_worker("w1")
    manager.advance(START + 20)
    (one,) = manager.lifetimes.of("w1")
    assert one.states == ((START, "running"), (START + 10, "cordoned"), (START + 20, "terminated"))
    assert (one.began_at, one.started_at, one.ended_at) == (START, START, START + 20)
    assert one.reason == "deregistered" and one.capacity == SHAPE
    assert [one.state_at(START + at) for at in (-1, 0, 15, 25)] == [None, "running", "cordoned", "terminated"]


def test_an_id_that_comes_back_is_a_second_lifetime() -> None:
    """Two lives of one id are two lifetimes with different numbers."""
    manager = _manager()
    for at in (0, 20):
        manager.register_worker("w1", capacity=SHAPE)
        manager.advance(START + at)
        manager.deregister_worker("w1")
        manager.advance(START + at + 10)
    first, second = manager.lifetimes.of("w1")
    assert first.number < second.number and first.ended_at <= second.began_at
    assert manager.lifetimes.at(START + 5).worker_ids == ("w1",)
    assert manager.lifetimes.at(START + 15).worker_ids == ()
    assert [one.number for one in manager.lifetimes.between(START + 12, START + 19)] == []
    assert [one.number for one in manager.lifetimes.between(START, START + 30)] == [first.number, second.number]


def test_a_silent_worker_is_lost_with_a_reason() -> None:
    """A worker that reports no more is lost, and its lifetime says why."""
    manager = _manager()
    manager.register_worker("w1", capacity=SHAPE)
    manager.report("w1", used={"cpu": 1.0}, now=START)
    for at in range(0, 60, 10):
        manager.advance(START + at)
    (one,) = manager.lifetimes.of("w1")
    assert one.states[-1][1] == "lost" and one.reason
    assert math.isnan(one.ended_at)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(10, 60))
def test_what_was_there_is_what_the_ticks_showed(seed: int, ticks: int) -> None:
    """At the time of each tick of an invented fleet, ids, states and capacities are those of its snapshot."""
    manager = DynamicResourceManager(SimulatedEngine(20, seed % 1000), now=START)
    snapshots = [manager.advance(START + 60 * tick) for tick in range(ticks)]
    for snapshot in snapshots:
        present = manager.lifetimes.at(snapshot.time)
        assert set(present.worker_ids) == set(snapshot.worker_ids)
        place = {worker_id: row for row, worker_id in enumerate(snapshot.worker_ids)}
        rows = [place[worker_id] for worker_id in present.worker_ids]
        assert present.states.tolist() == snapshot.states[rows].tolist()
        np.testing.assert_array_equal(present.capacity, snapshot.capacity[rows])
        np.testing.assert_array_equal(present.price, snapshot.price[rows])


def test_a_tick_that_changes_nothing_is_no_change() -> None:
    """A reader that draws by `changes` draws nothing anew."""
    manager = _manager()
    manager.register_worker("w1", capacity=SHAPE)
    manager.advance(START)
    before = manager.lifetimes.changes
    manager.report("w1", used={"cpu": 1.0})
    manager.advance(START + 1)
    assert manager.lifetimes.changes == before


def test_who_lived_in_an_earlier_run_ends_where_it_is_not_found_again() -> None:
    """Of two workers of an earlier run one is there again and goes on; the other ended when it was last known."""
    earlier = _manager()
    for worker_id in ("w1", "w2"):
        earlier.register_worker(worker_id, capacity=SHAPE)
    earlier.advance(START)
    manager = _manager()
    manager.lifetimes.load(earlier.lifetimes.between(START, START), START)
    manager.register_worker("w1", capacity=SHAPE)
    snapshot = manager.advance(START + 100)
    manager.lifetimes.end_unseen(snapshot.worker_ids, START + 5, "the program was not running")
    (again,), (gone,) = manager.lifetimes.of("w1"), manager.lifetimes.of("w2")
    assert again.began_at == START and math.isnan(again.ended_at)
    assert gone.ended_at == START + 5 and gone.reason == "the program was not running"
    manager.register_worker("w3", capacity=SHAPE)
    manager.advance(START + 110)
    assert manager.lifetimes.of("w3")[0].number == 3


def test_lifetimes_are_bounded() -> None:
    """What ended before the kept time is forgotten; who lives is not."""
    manager = _manager()
    manager.lifetimes = Lifetimes(seconds_kept=100)
    manager.register_worker("stays", capacity=SHAPE)
    manager.register_worker("goes", capacity=SHAPE)
    manager.advance(START)
    manager.deregister_worker("goes")
    manager.advance(START + 10)
    assert manager.lifetimes.of("goes")
    manager.register_worker("later", capacity=SHAPE)
    manager.advance(START + 200)
    assert not manager.lifetimes.of("goes") and manager.lifetimes.of("stays")


def test_states_are_words_of_the_model() -> None:
    """Every state of every lifetime of an invented fleet is one of the model's."""
    manager = DynamicResourceManager(SimulatedEngine(30, 1), now=START)
    for tick in range(100):
        manager.advance(START + 60 * tick)
    found = manager.lifetimes.between(0, math.inf)
    assert {state for one in found for _, state in one.states} <= set(WORKER_STATES)
    assert all(one.reason for one in found if not math.isnan(one.ended_at))


def _one(number: int, *states: tuple[float, WorkerState]) -> Lifetime:
    return Lifetime(number, f"w{number}", tuple((START + at, state) for at, state in states), "gone", SHAPE, InstanceKind())


def _kept(*lifetimes: Lifetime) -> Lifetimes:
    kept = Lifetimes()
    kept.load(lifetimes, START)
    return kept


def test_those_that_changed_last_come_first_and_the_others_are_counted() -> None:
    """Of five lifetimes that touch the range the two newest changes, the one that ended among them; three changed within it."""
    kept = _kept(
        _one(1, (0, "running")),
        _one(2, (1, "running"), (90, "terminated")),
        _one(3, (2, "running"), (60, "draining")),
        _one(4, (3, "running"), (20, "cordoned")),
        _one(5, (4, "running"), (30, "terminated")),
        _one(6, (80, "booting")),
    )
    found = kept.newest(START + 50, math.inf, 2)
    assert [one.number for one in found.lifetimes] == [2, 6]
    assert (found.count, found.changed) == (5, 3)
    assert [one.number for one in kept.newest(START + 50, math.inf, 9).lifetimes] == [2, 6, 3, 4, 1]
    ended = kept.newest_ended(START, math.inf, 1)
    assert [one.number for one in ended.lifetimes] == [2] and ended.count == 2


def test_a_lifetime_of_the_past_knows_nothing_of_what_came_later() -> None:
    """Half way through, a worker that was to drain and end is running, without a reason; who had not begun is not there."""
    kept = _kept(_one(1, (0, "booting"), (5, "running"), (60, "draining"), (90, "terminated")), _one(2, (80, "running")))
    (one,) = kept.newest(START, START + 50, 9).lifetimes
    assert one.states == ((START, "booting"), (START + 5, "running")) and one.reason == ""
    assert kept.newest_ended(START, START + 50, 9).count == 0
    (whole,) = kept.newest(START, START + 95, 1).lifetimes + kept.newest(START, START + 95, 0).lifetimes
    assert whole.number == 1 and whole.reason == "gone"


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30), st.integers(0, 60)), max_size=25),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(1, 30),
)
def test_the_newest_are_those_of_the_range_sorted_by_change(spans: list[tuple[int, int, int]], first: int, length: int, most: int) -> None:
    """Whatever lived when: the same lifetimes as `between`, by their last change within the range; all of them by number."""
    lifetimes = []
    for number, (begin, runs, drains) in enumerate(sorted(spans), start=1):
        states: list[tuple[float, WorkerState]] = [(begin, "running"), (begin + runs, "draining")]
        lifetimes.append(_one(number, *states, *([(begin + runs + drains, "terminated")] if drains % 3 else [])))
    kept = _kept(*lifetimes)
    since, until = START + first, START + first + length
    touching = [one.so_far(until) for one in kept.between(since, until)]
    assert [one.number for one in touching] == sorted(
        one.number for one in lifetimes if one.began_at <= until and not one.ended_at <= since
    )
    newest = kept.newest(since, until, most)
    expected = sorted(touching, key=lambda one: (one.states[-1][0], one.number), reverse=True)
    assert list(newest.lifetimes) == expected[:most]
    assert newest.count == len(touching) and newest.changed == sum(one.states[-1][0] >= since for one in touching)


def test_what_was_forgotten_is_found_by_no_name() -> None:
    """An id whose first lifetime is forgotten and whose second is kept has one."""
    manager = _manager()
    manager.lifetimes = Lifetimes(seconds_kept=100)
    for at in (0, 150):
        manager.register_worker("w1", capacity=SHAPE)
        manager.advance(START + at)
        manager.deregister_worker("w1")
        manager.advance(START + at + 10)
    assert [one.began_at for one in manager.lifetimes.of("w1")] == [START + 150]
