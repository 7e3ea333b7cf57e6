"""`make soak`: ten minutes of two hundred tabs over 1000 simulated workers (DRM_SOAK_SECONDS for another length), then a crowd of idle and
slow clients. Both in a process of their own (tests/integration/crowd.py).
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.integration.crowd import crowd
from tests.integration.crowded import Program, Watch, running

SECONDS = float(os.environ.get("DRM_SOAK_SECONDS", "600"))
TABS, READERS, IDLE, SLOW = 200, 6, 1500, 64
QUIET_SECONDS, CROWD_SECONDS = 20.0, 45.0
"""Without the crowd, and with it: longer than a server waits for a request, so that it ends some of them."""
WAYS = pytest.mark.parametrize("way", [(), ("--push",)], ids=["polled", "pushed"])


@pytest.mark.timeout(SECONDS + 600)
@WAYS
def test_two_hundred_tabs_delay_no_tick(way: tuple[str, ...]) -> None:
    """No error, no tick an interval late; memory a minute after their opening is that of the end."""
    with running("--simulate", "1000", *way) as program:
        _settle(program, 5)
        before = program.memory
        opening = crowd(program.url, 30, tabs=TABS, pushed=bool(way))
        opened = program.memory
        with Watch(program) as watch:
            seen = crowd(program.url, SECONDS, tabs=TABS, pushed=bool(way))
        after = program.memory
    print(_told(way, seen, watch), f"memory {before:.0f} -> {opened:.0f} -> {after:.0f} MB, load {os.getloadavg()[0]:.0f}", sep="; ")
    assert (opening["errors"], seen["errors"], watch.errors) == (0, 0, []), opening["first_errors"] + seen["first_errors"]
    assert seen["ticks"] > TABS * SECONDS / 20
    assert watch.missed == 0
    assert after - opened < 40


@pytest.mark.timeout(600)
@WAYS
def test_idle_and_slow_clients_are_not_noticed(way: tuple[str, ...]) -> None:
    """A reader is answered as fast as before, at most three times slower, and without an error; no tick is an interval late."""
    with running("--simulate", "1000", *way) as program:
        _settle(program, 5)
        with Watch(program) as alone:
            quiet = crowd(program.url, QUIET_SECONDS, tabs=READERS, pushed=bool(way))
        with Watch(program) as watch:
            seen = crowd(program.url, CROWD_SECONDS, idle=IDLE, slow=SLOW, tabs=READERS, pushed=bool(way))
        memory = program.memory
    before, during = (np.percentile(one.seconds, [50, 95]) * 1e3 for one in (alone, watch))
    print(
        f"a reader waits {before[0]:.1f} (95 of 100 {before[1]:.1f}) ms without, {during[0]:.1f} ({during[1]:.1f}) ms with {seen['idle']} "
        f"idle and {seen['slow']} slow clients, {seen['ended']} of whom were ended; a tab's callback {1e3 * quiet['p50']:.1f} ms without; "
        f"{_told(way, seen, watch)}; {memory:.0f} MB; load {os.getloadavg()[0]:.0f}"
    )
    assert (quiet["errors"], seen["errors"], watch.errors) == (0, 0, []), seen["first_errors"]
    assert seen["idle"] > 0.95 * IDLE
    assert during[0] < 3 * before[0]
    assert seen["p50"] < 3 * quiet["p50"]
    assert watch.missed == 0


def _settle(program: Program, seconds: float) -> Watch:
    with Watch(program) as watch:
        watch.wait(seconds)
    return watch


def _told(way: tuple[str, ...], seen: dict[str, float], watch: Watch) -> str:
    rate, megabytes = seen["answers"] / seen["seconds"], seen["megabytes"] / seen["seconds"]
    p50, p95, longest = (1e3 * seen[name] for name in ("p50", "p95", "longest"))
    return (
        f"{' '.join(way) or 'polled'}: {seen['tabs']} tabs, {seen['seconds']:.0f} s, {rate:.0f} answers/s ({megabytes:.1f} MB/s), "
        f"{seen['errors']} errors, callbacks p50 {p50:.0f} p95 {p95:.0f} longest {longest:.0f} ms; {watch.ticks} ticks in "
        f"{watch.elapsed:.0f} s, {watch.missed} missed, overdue {watch.overdue:.2f} s, longest tick {1e3 * watch.longest_tick:.0f} ms; "
        f"CPU {100 * watch.cpu:.0f} % of a core"
    )
