"""First-fit decreasing over groups of workers, against a plain loop over workers, and within its bounds."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drm.analysis.first_fit import on_types, shares, workers_needed
from drm.model import Price, Resources, WorkerType

SHAPE = np.array([8.0, 32.0, 2.0, 0.0])
amounts = st.tuples(st.integers(1, 8), st.integers(0, 32), st.integers(0, 2)).map(lambda one: (*map(float, one), 0.0))
tasks = st.lists(st.tuples(amounts, st.integers(0, 30)), min_size=1, max_size=8)


def plain(requests: np.ndarray, counts: np.ndarray) -> int:
    """Task by task into the first worker that has room."""
    workers: list[np.ndarray] = []
    for index in np.argsort(-shares(SHAPE, requests), kind="stable"):
        for _ in range(int(counts[index])):
            room = next((one for one in workers if (one >= requests[index] - 1e-9).all()), None)
            if room is None:
                room = SHAPE.copy()
                workers.append(room)
            room -= requests[index]
    return len(workers)


def priced(name: str, hourly: float, **shape: float) -> WorkerType:
    """A type."""
    return WorkerType(name, Resources(**shape), None if math.isnan(hourly) else Price(hourly, "USD", "test", "2026-01-01"))


@settings(max_examples=200, deadline=None)
@given(tasks)
def test_groups_of_workers_are_filled_as_workers_one_by_one(lines: list[tuple[tuple[float, ...], int]]) -> None:
    """The same number as the plain loop; no less than the resource needs that is asked for most, no more than a worker for each task."""
    requests, counts = np.array([request for request, _ in lines]), np.array([count for _, count in lines])
    found = workers_needed(SHAPE, requests, counts)
    assert found == plain(requests, counts)
    asked = counts @ requests
    assert math.ceil((asked[:3] / SHAPE[:3]).max() - 1e-9) <= found <= counts.sum()


def test_a_request_goes_where_its_share_costs_least() -> None:
    """Cores to the cheap type, memory to the one that has it; what fits nowhere is told by None; two names of one request are one."""
    cores, memory = priced("cores", 0.4, cpu=8, memory=16), priced("memory", 1.0, cpu=8, memory=128)
    requests = np.array([[2.0, 2.0, 0, 0], [1.0, 64.0, 0, 0], [2.0, 2.0, 0, 0]])
    found = on_types((cores, memory), requests, [np.array([3, 3, 2]), np.array([0, 0, 0])])
    assert found is not None and found.tolist() == [[2, 2], [0, 0]]
    assert on_types((cores,), requests, [np.array([1, 1, 1])]) is None
    nothing = on_types((cores,), np.empty((0, 4)), [np.empty(0, np.int64)])
    assert nothing is not None and nothing.tolist() == [[0]]


def test_types_without_a_price_are_weighed_by_what_they_have() -> None:
    """The smaller one is taken where both hold the tasks."""
    small, large = priced("small", math.nan, cpu=2, memory=4 * 2**30), priced("large", math.nan, cpu=2, memory=64 * 2**30)
    found = on_types((large, small), np.array([[1.0, 2**30, 0, 0]]), [np.array([4])])
    assert found is not None and found.tolist() == [[0, 2]]
