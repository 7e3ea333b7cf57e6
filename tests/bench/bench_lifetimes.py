"""Worker lifetimes of 50 000 workers that have ended and 10 000 that live: what the queries and the card take."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable

import numpy as np

from drm.analysis.lifetimes import MOST_ENDED, MOST_SEGMENTS, rows_of
from drm.figures import lifetimes
from drm.figures.ended_rows import ended_rows
from drm.history.lifetimes import Lifetime, Lifetimes
from drm.history.rings import Rings
from drm.model import InstanceKind, Resources, WorkerState
from tests.bench.calibration import record

START, DAY = 1_800_000_000.0, 86_400.0
END = START + 30 * DAY
ENDED, LIVING = 50_000, 10_000
RUNS = 7


@functools.cache
def many() -> Lifetimes:
    """30 days of workers that boot, run for some hours, drain and end; and those of now."""
    random, found = np.random.default_rng(1), []
    kind = InstanceKind("aws", "eu-west-1", "m5.large", "spot")
    for number, begun in enumerate(np.sort(random.uniform(START, END - DAY, ENDED + LIVING)).tolist(), start=1):
        drains = begun + 60 + float(random.exponential(20_000.0))
        states: list[tuple[float, WorkerState]] = [(begun, "booting"), (begun + 30, "running")]
        if number <= ENDED:
            states += [(drains, "draining"), (drains + 30, "terminated")]
        found.append(Lifetime(number, f"worker-{number}", tuple(states), "retired" if number <= ENDED else "", Resources(cpu=2), kind))
    kept = Lifetimes()
    kept.load(found, START)
    return kept


def best(call: Callable[[], object]) -> float:
    """Milliseconds, of several runs the fastest."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


def test_what_the_queries_take() -> None:
    """All lifetimes of 30 days: 50 ms or less; what the card asks for is less than that, now and as of the middle."""
    kept = many()
    assert len(kept.between(START, END)) == ENDED + LIVING
    record("lifetimes: all of 30 d, 60 000", best(lambda: kept.between(START, END)), "ms", 50)
    record("lifetimes: the newest of 30 d, 60 000", best(lambda: kept.newest(START, np.inf, MOST_SEGMENTS)), "ms", 50)
    record("lifetimes: the newest before the middle", best(lambda: kept.newest(START, START + 15 * DAY, MOST_SEGMENTS)), "ms", 150)
    record("lifetimes: of one id", best(lambda: kept.of("worker-77")), "ms", 1)


def test_what_the_card_takes() -> None:
    """Its rows and bars, and what of them is sent: less than 100 kB."""
    newest = many().newest(START, np.inf, MOST_SEGMENTS)
    figure = lifetimes.build(rows_of(newest.lifetimes, START, END, "begin"), START, END, "light", "bench")
    build = best(lambda: lifetimes.build(rows_of(newest.lifetimes, START, END, "begin"), START, END, "light", "bench"))
    record("lifetimes: rows and bars of 60 000", build, "ms", 20)
    record("lifetimes: bars on the wire", len(json.dumps(figure, separators=(",", ":"))) / 1000, "kB", 100)


def test_what_the_list_takes() -> None:
    """200 workers that ended in the last hours, each with its last hour: rows and bytes."""
    rings, names = Rings(60.0), [f"worker-{number}" for number in range(MOST_ENDED)]
    random = np.random.default_rng(2)
    for minute in range(240):
        here = tuple(names[: MOST_ENDED - minute // 2])
        used = random.uniform(0, 1, (len(here), 4))
        rings.append(START + 60 * minute, here, used, used, np.zeros(len(here), bool), {})
    ended = [
        Lifetime(
            number,
            name,
            ((START, "running"), (START + 60 * (240 - number // 2), "terminated")),
            "retired",
            Resources(cpu=1),
            InstanceKind(),
        )
        for number, name in enumerate(names)
    ]
    begun, until = np.full(MOST_ENDED, START), np.array([one.ended_at for one in ended])
    hours = rings.last_hours(names, begun, until)
    record("lifetimes: last hours of 200, one look", best(lambda: rings.last_hours(names, begun, until)), "ms", 20)
    record("lifetimes: rows of 200", best(lambda: ended_rows(ended, hours, {})), "ms", 50)
    record("lifetimes: list on the wire", len(json.dumps(ended_rows(ended, hours, {}), separators=(",", ":"))) / 1000, "kB", 100)
