"""Placement against a plain Python best-fit loop: tasks a second, and workers used."""

from __future__ import annotations

import time

import numpy as np

from drm.placement import place
from tests.bench.calibration import record

Array = np.ndarray


def instance(workers: int, tasks: int, seed: int) -> tuple[Array, Array, Array]:
    """Workers of three sizes, and tasks of 20 shapes: capacity (n, 4), requests (20, 4), counts (20,)."""
    chance = np.random.default_rng(seed)
    sizes = np.array([[8, 32, 0, 0], [16, 64, 1, 24], [32, 256, 4, 96]], float)
    capacity = sizes[chance.integers(0, 3, workers)]
    requests = np.column_stack([chance.integers(1, 9, 20) / 2, chance.integers(1, 33, 20), np.zeros(20), np.zeros(20)])
    requests[:4, 2], requests[:4, 3] = 0.5, 8
    return capacity, requests, chance.multinomial(tasks, np.full(20, 1 / 20))


def loop(capacity: Array, requests: Array, counts: Array, limit: int) -> tuple[int, float, set[int]]:
    """Best fit, one task after the other, one worker after the other: (tasks placed, seconds, workers used)."""
    free, whole, used, placed = capacity.tolist(), capacity.tolist(), set(), 0
    began = time.perf_counter()
    for request, count in zip(requests.tolist(), counts.tolist(), strict=True):
        for _ in range(count):
            best, best_score = -1, float("inf")
            for row, room in enumerate(free):
                if room[0] < request[0] or room[1] < request[1] or room[2] < request[2] or room[3] < request[3]:
                    continue
                score = max((room[i] - request[i]) / whole[row][i] for i in range(4) if whole[row][i])
                if score < best_score:
                    best, best_score = row, score
            if best >= 0:
                free[best] = [room - asked for room, asked in zip(free[best], request, strict=True)]
                used.add(best)
                placed += 1
            if placed >= limit:
                return placed, time.perf_counter() - began, used
    return placed, time.perf_counter() - began, used


def test_placement_is_a_hundred_times_a_plain_loop() -> None:
    """10 000 tasks of 20 shapes on 10 000 workers; the loop does as many as it gets done in some seconds."""
    capacity, requests, counts = instance(10_000, 10_000, seed=1)
    slots = np.full(10_000, 10**6)
    times = []
    for _ in range(7):
        began = time.perf_counter()
        rows = place(capacity, slots, capacity, requests, counts)
        times.append(time.perf_counter() - began)
    assert sum(map(len, rows)) == 10_000
    ours = 10_000 / sorted(times)[3]
    placed, seconds, _ = loop(capacity, requests, counts, limit=400)
    theirs = placed / seconds
    record("placement: tasks a second", ours, "1/s", 100_000, at_least=True)
    record("placement: times as many as a plain loop", ours / theirs, "x", 100, at_least=True)
    assert ours / theirs > 20


def test_placement_packs_as_a_plain_loop_does() -> None:
    """The same tasks on the same workers fill at most 5 % more of them."""
    worst = 0.0
    for seed in range(5):
        capacity, requests, counts = instance(600, 1500, seed)
        ours = len(np.unique(np.concatenate(place(capacity, np.full(600, 10**6), capacity, requests, counts))))
        _, _, theirs = loop(capacity, requests, counts, limit=10**9)
        worst = max(worst, ours / len(theirs) - 1)
    record("placement: more workers used than by the loop, worst of 5", 100 * worst, "%", 5)
    assert worst <= 0.05
