"""The account of a month against plain loops over all that was seen in it."""

from __future__ import annotations

import pytest

from drm.analysis.ladder import by_key, ladder
from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.manager import DynamicResourceManager
from tests.unit.tally import Tally


def test_a_month_is_that_of_a_plain_loop() -> None:
    """30 days of a simulated pool, a tick each 15 minutes: every rung, in time and money, by kind, to a relative 1e-6."""
    manager, tally = DynamicResourceManager(SimulatedEngine(8, 5), bounds=Bounds(1, 8), interval_seconds=900.0, now=0.0), Tally()
    for tick in range(30 * 96 + 1):
        tally.look(manager.advance(tick * 900.0))
    spend = manager.spend
    accounts = by_key(None, spend, lambda kind: kind)
    assert accounts is not None and len(accounts) > 3
    for kind, found in accounts.items():
        part = {name: tally.parts[kind, name] for name in ("used", "unused", "unmeasured", "others", "free", "boot", "draining")}
        rungs = {"used": part["used"]}
        rungs["requested"] = rungs["used"] + part["unused"] + part["unmeasured"]
        rungs["paid"] = rungs["requested"] + part["others"] + part["free"]
        rungs["allocatable"] = rungs["paid"] - part["boot"] - part["draining"]
        for name, seconds in rungs.items():
            amount = found.rung(name)
            assert amount.seconds == pytest.approx(seconds, rel=1e-6)
            assert amount.money == pytest.approx(seconds / 3600 * kind.hourly, rel=1e-6)
    whole = ladder(None, spend)
    assert whole is not None and whole.until - whole.since == 30 * 86_400.0
    assert whole.rung("useful").seconds == pytest.approx(tally.useful["done"], rel=1e-6)
    assert whole.paid.seconds > 30 * 86_400.0 and whole.rung("useful").seconds > 0.1 * whole.paid.seconds
    spent = sum(line.spent for line in manager.cloud.last_totals().lines)
    assert spent == pytest.approx(whole.paid.money, rel=1e-6)
