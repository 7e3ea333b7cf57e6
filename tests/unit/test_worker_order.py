"""The rows of a heatmap over any number of workers: who shares one, what it shows, who is left out, and in which order rows stand."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.analysis.worker_order import SORTS, Filters, worker_order
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.history.grouping import Arrangement, as_they_are, natural_key
from drm.history.rings import FOLDED_LABEL, Rings
from drm.history.window import MISSING, HeatmapWindow
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState
from tests.unit.test_rings import START, feed

TEN_THOUSAND = [f"worker-{number}" for number in range(10_000)]
HOT = "worker-7342"


@pytest.fixture(scope="module")
def ten_thousand() -> Rings:
    """10 000 workers at 20 to 40 % for a minute, one of which is at 100 % for five seconds of it, and one of which nothing is known."""
    rings = Rings(5.0)
    chance = np.random.default_rng(1)
    for second in range(0, 60, 5):
        loads = dict(zip(TEN_THOUSAND, chance.uniform(0.2, 0.4, 10_000).tolist(), strict=True))
        loads[HOT] = 1.0 if second == 30 else 0.3
        loads["worker-0"] = float("nan")
        feed(rings, START + second, loads)
    return rings


def test_one_hot_worker_among_ten_thousand_has_a_hot_cell_and_opens(ten_thousand: Rings) -> None:
    """Its group shows its 100 % where it was, though the group's mean and its 95th of 100 do not; the group names it, and opens into it."""
    window = ten_thousand.heatmap("cpu", "used", 900, START + 55, high=True)
    assert len(window.rows) == 150 and window.high is not None
    hot = np.argwhere((window.max != MISSING) & (window.max == 200))
    ((row, column),) = hot.tolist()
    assert window.times[column] == START + 30 and window.rows[row].hottest == HOT and HOT in window.rows[row].worker_ids
    assert window.mean[row, column] < 80 and window.high[row, column] <= 80
    opened = ten_thousand.heatmap("cpu", "used", 900, START + 55, worker_ids=window.rows[row].worker_ids)
    assert (HOT,) in [one.worker_ids for one in opened.rows]


def test_who_was_not_measured_is_blank_and_no_row_of_zeros(ten_thousand: Rings) -> None:
    """A worker without a sample has no row, and no part in any; times without a sample are missing, not 0."""
    window = ten_thousand.heatmap("cpu", "used", 900, START + 55)
    assert window.workers == 9_999 and all("worker-0" not in row.worker_ids for row in window.rows)
    before = window.times < START
    assert before.any() and (window.mean[:, before] == MISSING).all() and (window.max[:, before] == MISSING).all()


def test_the_95th_of_a_group_is_the_nearest_rank_of_its_known_members() -> None:
    """Of 1 to 100 %, 95 %; of fewer that are known, theirs; of none, nothing."""
    rings = Rings(5.0)
    feed(rings, START, {f"w{number}": number / 100 for number in range(1, 101)})
    feed(rings, START + 5, {f"w{number}": number / 100 if number <= 20 else float("nan") for number in range(1, 101)})
    window = rings.heatmap("cpu", "used", 900, START + 5, rows=1, high=True)
    assert window.high is not None
    assert window.high[0, -2:].tolist() == [190, 38] and window.high[0, 0] == MISSING
    alone = rings.heatmap("cpu", "used", 900, START + 5, high=True)
    assert np.array_equal(alone.high, alone.mean)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pool() -> DRMState:
    """Twelve workers of two pools, two types and two providers; one drains, one has gone."""
    manager = DynamicResourceManager(ExternalEngine(), bounds=Bounds(0, 20), now=START)
    state = DRMState(manager)
    for number in range(12):
        labels = {"pool": "east" if number < 6 else "west", "worker_type": "gpu" if number % 3 == 0 else "cpu"}
        labels |= {"provider": "aws" if number % 2 else "own", "team": f"Team {number % 4}"}
        manager.register_worker(f"W{number}", capacity=Resources(cpu=4), labels=labels)
    for second in range(10):
        for number in range(12):
            if second < 5 or number != 11:
                manager.report(f"W{number}", used={"cpu": number * 0.3})
        state.advance(START + second)
        if second == 4:
            manager.deregister_worker("W11")
    manager.drain("W3")
    state.advance(START + 10)
    return state


def shown(state: DRMState, filters: Filters | None = None, sort: str = "type", rows: int = 150) -> HeatmapWindow:
    """The heatmap of the pool."""
    arrange = worker_order(filters or Filters(), sort, state.snapshot, state.lifetimes_of)
    return state.heatmap(900, rows=rows, arrange=arrange)


def names(window: HeatmapWindow) -> list[str]:
    """Of rows that are workers."""
    return [row.label for row in window.rows]


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        (Filters(name="w1"), {1, 10, 11}),
        (Filters(name="W1*, w2"), {1, 10, 11, 2}),
        (Filters(name="*0"), {0, 10}),
        (Filters(name=" , "), set(range(12))),
        (Filters(state="terminated"), {11}),
        (Filters(type="gpu"), {0, 3, 6, 9}),
        (Filters(provider="aws"), {1, 3, 5, 7, 9, 11}),
        (Filters(label="team=team 2"), {2, 6, 10}),
        (Filters(label="POOL=e*"), {0, 1, 2, 3, 4, 5}),
        (Filters(label="rack"), set()),
        (Filters(type="gpu", provider="own"), {0, 6}),
        (Filters(name="nobody"), set()),
    ],
)
def test_filters_leave_out_who_does_not_fit(pool: DRMState, filters: Filters, numbers: set[int]) -> None:
    """By name, state, type, provider and label, all at once; who has gone has the type that it had, and no label. The count is told."""
    window = shown(pool, filters)
    assert set(names(window)) == {f"W{number}" for number in numbers}
    assert window.workers == len(numbers) and window.left_out == 12 - len(numbers)


def test_rows_stand_by_type_load_name_or_state(pool: DRMState) -> None:
    """By type within each pool; the busiest first; w2 before w10; or who is in one state together."""
    assert names(shown(pool, sort="type")) == ["W11", *(f"W{n}" for n in (1, 2, 4, 5, 0, 3, 7, 8, 10, 6, 9))]
    assert names(shown(pool, sort="load"))[:3] == ["W11", "W10", "W9"] and names(shown(pool, sort="load"))[-1] == "W0"
    assert names(shown(pool, sort="name")) == [f"W{number}" for number in range(12)]
    assert names(shown(pool, sort="state"))[0] == "W3" and names(shown(pool, sort="state"))[-1] == "W11"


@pytest.mark.parametrize("sort", SORTS)
def test_a_row_never_holds_two_types_or_pools(pool: DRMState, sort: str) -> None:
    """In whatever order; every worker has one row; with fewer rows than parts each part still has one."""
    labels, states = pool.snapshot.labels, dict(zip(pool.snapshot.worker_ids, pool.snapshot.states.tolist(), strict=True))
    for rows in (1, 7):
        window = shown(pool, sort=sort, rows=rows)
        for row in window.rows:
            here = [worker_id for worker_id in row.worker_ids if worker_id in labels]
            assert len({(labels[one]["pool"], labels[one]["worker_type"]) for one in here}) <= 1
            assert sort != "state" or len({states[one] for one in here}) <= 1
        assert sorted(one for row in window.rows for one in row.worker_ids) == sorted(f"W{number}" for number in range(12))


def test_a_group_says_what_it_has_in_common_how_many_it_is_and_how_busy(pool: DRMState) -> None:
    """By load a range of it; by name the first and the last."""
    by_load = [row.label for row in shown(pool, rows=5).rows]
    assert "east cpu: 4 at 10–40 %" in by_load
    assert "west gpu: W6 to W9" not in by_load
    assert "east cpu: 4, W1 to W5" in [row.label for row in shown(pool, sort="name", rows=5).rows]


def test_workers_that_are_kept_together_only_are_left_out_by_any_filter() -> None:
    """Nothing is known of them, so they fit nothing."""
    rings = Rings(1.0)
    for generation in range(200):
        feed(rings, START + generation, {f"w{generation}-{i}": 0.5 for i in range(4)})
    whole = rings.heatmap("cpu", "used", 900, START + 199, rows=1000)
    assert whole.rows[-1].label == FOLDED_LABEL

    def all_of_a_filter(ids: object) -> Arrangement:
        there = as_they_are(ids)  # type: ignore[arg-type]
        return Arrangement(there.shown, there.part, there.order, is_filtered=True)

    filtered = rings.heatmap("cpu", "used", 900, START + 199, rows=1000, arrange=all_of_a_filter)
    assert len(filtered.rows) == len(whole.rows) - 1


def test_a_pattern_of_many_stars_takes_no_longer() -> None:
    """What a page asks for cannot stop the server: time grows with the text, whatever the pattern."""
    ids = tuple("a" * 250 + str(number) for number in range(100))
    window = Filters(name="*a" * 90 + "*b")
    state = DRMState(DynamicResourceManager(now=START))
    began = time.thread_time()
    arrangement = worker_order(window, "type", state.snapshot, state.lifetimes_of)(ids)
    assert not arrangement.shown.any() and time.thread_time() - began < 1.0


@given(
    st.lists(st.tuples(*[st.sampled_from(["", "a", "b-", "0", "007", "12", "9", "100000000000"])] * 3).map("".join), min_size=2, max_size=6)
)
def test_natural_order_is_that_of_the_numbers_in_names(ids: list[str]) -> None:
    """Against plain Python: numbers by their value, before letters."""

    def plain(one: str) -> list[tuple[bool, int, str]]:
        parts = re.findall(r"\d+|\D+", one)
        return [(not part.isdigit(), int(part) if part.isdigit() else 0, "" if part.isdigit() else part) for part in parts]

    assert [plain(one) for one in sorted(ids, key=natural_key)] == sorted(map(plain, ids))
    assert natural_key("²") == "²"
