"""Twenty tabs at once, over real sockets, of both servers; tests/soak_tabs.py opens two hundred of them."""

from __future__ import annotations

import pytest

from tests.integration.crowd import crowd
from tests.integration.crowded import Watch, running

TABS, SECONDS = 20, 8.0


@pytest.mark.parametrize("way", [(), ("--push",)], ids=["polled", "pushed"])
def test_twenty_tabs_are_answered_and_hold_up_no_tick(way: tuple[str, ...]) -> None:
    """No error; each tab is drawn again and again; ticks come while they look."""
    with running("--simulate", "300", *way) as program, Watch(program) as watch:
        seen = crowd(program.url, SECONDS, tabs=TABS, pushed=bool(way))
    assert (seen["errors"], watch.errors) == (0, []), seen["first_errors"]
    assert seen["ticks"] >= 2 * TABS and watch.ticks >= 2
    assert watch.overdue < 5 * watch.interval
