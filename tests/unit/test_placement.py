"""Placement: what fits goes where it leaves least, and nothing is placed beyond what is free."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drm.placement import blocking_resource, fits, place, rows_filled

FOUR_CORES = np.array([4.0, 8e9, 0, 0])


def workers(count: int, capacity: np.ndarray = FOUR_CORES) -> np.ndarray:
    return np.tile(capacity, (count, 1))


def slow_best_fit(free: np.ndarray, slots: np.ndarray, capacity: np.ndarray, request: np.ndarray) -> int | None:
    """The plain loop that placement must agree with: the worker whose largest remaining fraction is smallest."""
    best, best_score = None, np.inf
    for row in range(len(free)):
        if slots[row] < 1 or (free[row] < request * (1 - 1e-9)).any():
            continue
        left = [(free[row, i] - request[i]) / capacity[row, i] for i in range(4) if capacity[row, i] > 0]
        if max(left, default=0.0) < best_score - 1e-12:
            best, best_score = row, max(left, default=0.0)
    return best


def test_a_task_goes_to_the_worker_that_it_fills_most() -> None:
    """Best fit: the smallest largest remaining fraction."""
    free = np.array([[4.0, 8e9, 0, 0], [2.0, 4e9, 0, 0], [3.0, 6e9, 0, 0]])
    (rows,) = place(free, np.full(3, 9), workers(3), np.array([[1.0, 2e9, 0, 0]]), np.array([1]))
    assert rows.tolist() == [1]


def test_a_scarce_resource_decides() -> None:
    """A worker that is full in one of the asked resources takes nothing, however roomy it is in another."""
    free = np.array([[4.0, 1e9, 0, 0], [1.0, 8e9, 0, 0]])
    (rows,) = place(free, np.full(2, 9), workers(2), np.array([[1.0, 2e9, 0, 0]]), np.array([3]))
    assert rows.tolist() == [1]


def test_tenths_of_a_core_fill_a_core() -> None:
    """Ten times 0.1 is one core, whatever floats say."""
    capacity = np.array([[1.0, 0, 0, 0]])
    (rows,) = place(capacity, np.array([99]), capacity, np.array([[0.1, 0, 0, 0]]), np.array([11]))
    assert len(rows) == 10


def test_slots_bound_what_a_worker_takes() -> None:
    """A worker runs no more tasks than it has slots, even if they ask for nothing."""
    (rows,) = place(workers(2), np.array([2, 1]), workers(2), np.zeros((1, 4)), np.array([9]))
    assert sorted(rows.tolist()) == [0, 0, 1]


def test_earlier_requests_are_served_first() -> None:
    """Requests are served in the order in which they are given."""
    first, second = place(workers(1), np.array([9]), workers(1), np.array([[3.0, 0, 0, 0], [2.0, 0, 0, 0]]), np.array([1, 1]))
    assert (len(first), len(second)) == (1, 0)


def test_the_arguments_are_left_as_they_were() -> None:
    """place decides, and books nothing."""
    free, slots = workers(2), np.full(2, 9)
    place(free, slots, workers(2), np.array([[1.0, 0, 0, 0]]), np.array([5]))
    assert (free == workers(2)).all() and (slots == 9).all()


def test_the_blocking_resource_is_the_one_most_short() -> None:
    """Of several that are short, the one of which the largest share is missing."""
    assert blocking_resource(workers(2), np.array([5.0, 32e9, 0, 0])) == 1
    assert blocking_resource(workers(2), np.array([1.0, 1e9, 1.0, 0])) == 2


def test_rows_filled_counts_the_workers_that_a_queue_needs() -> None:
    """Nine tasks of one core need three workers of four."""
    assert rows_filled(FOUR_CORES, 99, np.array([[1.0, 1e9, 0, 0]]), np.array([9]), 100) == 3
    assert rows_filled(FOUR_CORES, 2, np.array([[1.0, 1e9, 0, 0]]), np.array([9]), 100) == 5


def test_rows_filled_beyond_the_limit_is_an_estimate_from_the_scarcest_resource() -> None:
    """1000 tasks of 4 GB on workers of 8 GB need 500, however few rows are tried."""
    assert rows_filled(FOUR_CORES, 99, np.array([[1.0, 4e9, 0, 0]]), np.array([1000]), 4) == 500


amounts = st.integers(0, 8).map(lambda eighths: eighths / 8)
rows_of_fractions = st.lists(st.tuples(amounts, amounts, amounts, amounts), min_size=1, max_size=8).map(lambda rows: np.array(rows) * 4)


@given(rows_of_fractions, st.lists(st.tuples(st.tuples(amounts, amounts, amounts, amounts), st.integers(1, 6)), min_size=1, max_size=4))
def test_nothing_is_placed_beyond_room_and_slots(free: np.ndarray, asked: list[tuple[tuple[float, ...], int]]) -> None:
    """After any placement no worker is over its room or its slots, and no more tasks are placed than were asked for."""
    slots = np.full(len(free), 3)
    requests, counts = np.array([request for request, _ in asked]), np.array([count for _, count in asked])
    taken, held = np.zeros_like(free), np.zeros(len(free), int)
    for request, count, rows in zip(requests, counts, place(free, slots, np.full_like(free, 4.0), requests, counts), strict=True):
        assert len(rows) <= count
        np.add.at(taken, rows, request)
        np.add.at(held, rows, 1)
    assert (taken <= free + 1e-6).all() and (held <= slots).all()


@given(rows_of_fractions, st.tuples(amounts, amounts, amounts, amounts), st.integers(1, 12))
def test_equal_tasks_land_where_a_loop_over_them_would_put_them(free: np.ndarray, request: tuple[float, ...], count: int) -> None:
    """Filling the workers in the order of their scores gives what best fit, one task after the other, gives."""
    capacity, slots = np.full_like(free, 4.0), np.full(len(free), 4)
    (rows,) = place(free, slots, capacity, np.array([request]), np.array([count]))
    loop_free, loop_slots, loop_rows = free.copy(), slots.copy(), []
    for _ in range(count):
        row = slow_best_fit(loop_free, loop_slots, capacity, np.array(request))
        if row is None:
            break
        loop_free[row] -= request
        loop_slots[row] -= 1
        loop_rows.append(row)
    assert sorted(rows.tolist()) == sorted(loop_rows)


def test_fits_forgives_rounding_and_nothing_more() -> None:
    """A request that is larger by a billionth fits; one that is larger by a thousandth does not."""
    assert fits(np.array([[1.0, 0, 0, 0]]), np.array([1.0 + 1e-10, 0, 0, 0])).all()
    assert not fits(np.array([[1.0, 0, 0, 0]]), np.array([1.001, 0, 0, 0])).any()
