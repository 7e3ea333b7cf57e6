"""What workers were paid for, against a second way to add it up: plain loops over the workers and tasks of each snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.cloud.split import BOOT, ENDED, PARTS, shares, weights
from drm.decision import Blocker, Bounds
from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.manager import DynamicResourceManager
from drm.model import WORKER_STATES, Resources
from drm.snapshot import Snapshot
from tests.unit.tally import Tally

GIB = 2.0**30


def test_the_parts_are_those_of_a_plain_loop_and_add_up_to_what_was_charged() -> None:
    """A simulated pool over 90 minutes, with boots, interruptions, retirements and lost tasks: equal to a relative 1e-9."""
    manager, tally = DynamicResourceManager(SimulatedEngine(40, 3), bounds=Bounds(4, 40), now=0.0), Tally()
    for tick in range(360):
        tally.look(manager.advance(tick * 15.0))
    spend = manager.spend
    assert spend.parts is not None and spend.ended is not None
    assert spend.parts.sum(axis=1).tolist() == pytest.approx(spend.seconds.tolist(), rel=1e-9)
    assert (spend.parts >= 0).all()
    for number, kind in enumerate(spend.kinds):
        for part in ("used", "unused", "unmeasured", "others"):
            assert spend.parts[number, PARTS.index(part)] == pytest.approx(tally.parts[kind, part], rel=1e-9, abs=1e-6)
        assert spend.parts[number, 4:].sum() == pytest.approx(tally.parts[kind, "free"], rel=1e-9, abs=1e-6)
        assert spend.parts[number, BOOT] == pytest.approx(tally.parts[kind, "boot"], rel=1e-9, abs=1e-6)
    done = tally.useful["done"]
    assert done > 1000 and spend.ended[:, ENDED.index("done")].sum() == pytest.approx(done, rel=1e-9)
    assert spend.ended.sum() <= spend.parts[:, PARTS.index("used")].sum()
    costs = manager.task_costs.values()
    assert sum(one.useful for one in costs) == pytest.approx(done, rel=1e-9)
    assert sum(one.used for one in costs) == pytest.approx(spend.ended.sum(), rel=1e-9)
    assert all(one.useful <= one.used * (1 + 1e-12) <= one.requested * (1 + 1e-9) for one in costs)
    named = dict(zip(PARTS, spend.parts.sum(axis=0).tolist(), strict=True))
    assert named["spare"] > 0 and named["boot"] > 0 and named["idle_grace"] + named["cooldown"] + named["min_bound"] > 0


def pool(*shapes: tuple[str, Resources], bounds: Bounds | None = None, policy: str = "manual,workers=0") -> DynamicResourceManager:
    """An external pool of these workers, half of whose cpu is used."""
    manager = DynamicResourceManager(ExternalEngine(lost_after_seconds=1e9), policy=policy, bounds=bounds, now=0.0)
    for worker_id, shape in shapes:
        manager.register_worker(worker_id, capacity=shape)
        manager.report(worker_id, used={"cpu": shape.cpu / 2, "memory": 0.0})
    return manager


def parts_of(manager: DynamicResourceManager) -> dict[str, float]:
    """Seconds by part, those that are not 0."""
    parts = manager.spend.parts
    assert parts is not None
    return {name: round(amount, 6) for name, amount in zip(PARTS, parts.sum(axis=0).tolist(), strict=True) if amount > 1e-9}


def test_a_worker_of_one_resource_is_divided_by_that() -> None:
    """4 cores, 2 requested, 2 used of which none is more than requested: half used; the rest is spare until something waits for more."""
    manager = pool(("w", Resources(cpu=4)))
    manager.submit(resources=Resources(cpu=2))
    manager.advance(1.0)
    manager.advance(11.0)
    assert parts_of(manager) == {"used": 5.0, "spare": 5.0}
    manager.submit(resources=Resources(cpu=3))
    manager.advance(21.0)
    manager.advance(31.0)
    assert parts_of(manager) == {"used": 15.0, "spare": 10.0, "stranded": 5.0}


def test_resources_weigh_by_their_unit_prices() -> None:
    """A core and a GiB of memory: of the price 0.031611 : 0.004237."""
    manager = pool(("w", Resources(cpu=1, memory=GIB)))
    manager.submit(resources=Resources(memory=GIB))
    manager.advance(0.0)
    manager.advance(100.0)
    assert parts_of(manager) == {"unused": pytest.approx(100 * 0.004237 / 0.035848, rel=1e-6), "spare": pytest.approx(88.180652, rel=1e-6)}


def test_what_nobody_measured_is_neither_used_nor_unused() -> None:
    """A worker that reports its cpu only."""
    manager = DynamicResourceManager(ExternalEngine(lost_after_seconds=1e9), now=0.0)
    manager.register_worker("w", capacity=Resources(cpu=1, memory=GIB))
    manager.report("w", used={"cpu": 0.25})
    manager.submit(resources=Resources(cpu=0.5, memory=GIB))
    manager.advance(0.0)
    manager.advance(100.0)
    found = parts_of(manager)
    assert found["unmeasured"] == pytest.approx(100 * 0.004237 / 0.035848, rel=1e-6)
    assert found["used"] == found["unused"] == pytest.approx(25 * 0.031611 / 0.035848, rel=1e-6)


def decided(manager: DynamicResourceManager, **fields: Any) -> Snapshot:
    """The pool with another last decision."""
    snapshot = manager.advance(0.0)
    assert snapshot.last_decision is not None
    return replace(snapshot, last_decision=replace(snapshot.last_decision, **fields), idle_since=np.array([3.0, 1.0, 2.0, np.nan]))


@pytest.mark.parametrize(
    ("fields", "causes"),
    [
        ({"current": 4, "desired": 4, "bounded": 4}, ["kept", "kept", "kept"]),
        ({"current": 4, "desired": 1, "bounded": 3}, ["min_bound", "held", "min_bound"]),
        ({"current": 4, "desired": 2, "bounded": 3}, ["kept", "held", "min_bound"]),
        ({"current": 4, "desired": 0, "bounded": 0}, ["held", "held", "held"]),
        ({"current": 4, "desired": 0, "bounded": 4}, ["min_bound", "min_bound", "min_bound"]),
    ],
)
def test_an_idle_worker_has_the_cause_that_keeps_it(fields: dict[str, Any], causes: list[str]) -> None:
    """Those that are too many are the ones that have been idle the longest; then come those of the minimum."""
    manager = pool(*((f"w{index}", Resources(cpu=1)) for index in range(4)))
    snapshot = decided(manager, action="maintain", count=0, blockers=(), **fields)
    found = shares(snapshot, weights(snapshot.capacity))
    assert [PARTS[cause] for cause in found.cause[:3]] == causes


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("idle_grace", "idle_grace"),
        ("cooldown", "cooldown"),
        ("stabilization", "cooldown"),
        ("silent_workers", "held"),
        ("no_launcher", "held"),
    ],
)
def test_a_limit_of_the_pipeline_is_the_cause_of_those_that_are_too_many(code: str, cause: str) -> None:
    """As the blocker of the last decision says."""
    manager = pool(*((f"w{index}", Resources(cpu=1)) for index in range(4)))
    snapshot = decided(manager, current=4, desired=1, bounded=1, action="maintain", count=0, blockers=(Blocker(code, "", ""),))
    assert [PARTS[one] for one in shares(snapshot, weights(snapshot.capacity)).cause[:3]] == [cause] * 3


def test_only_a_done_task_was_useful() -> None:
    """One fails, one is done, one is lost with its worker and tried again: what each used is kept by how it ended."""
    manager = pool(("a", Resources(cpu=1)), ("b", Resources(cpu=1)))
    good, bad = (manager.submit(name=name, resources=Resources(cpu=1)) for name in ("good", "bad"))
    manager.advance(0.0)
    manager.advance(10.0)
    manager.finish(bad.id, error=ValueError("no"))
    manager.advance(20.0)
    lost_on = good.worker_id
    assert lost_on is not None
    manager.deregister_worker(lost_on)
    manager.advance(30.0)
    manager.advance(40.0)
    manager.finish(good.id)
    manager.advance(50.0)
    spend = manager.spend
    assert spend.ended is not None
    # Half of the cpu is used: 20 s until the failure was seen, 30 s until the loss, 20 s of the second try.
    assert dict(zip(ENDED, spend.ended.sum(axis=0).tolist(), strict=True)) == {"done": 10.0, "failed": 10.0, "lost": 15.0, "cancelled": 0.0}
    costs = {name: cost for (name, _), cost in manager.task_costs.items()}
    assert (costs["good"].attempts, costs["good"].requested, costs["good"].used, costs["good"].useful) == (2, 50.0, 25.0, 10.0)


amounts = st.floats(0, 8, allow_subnormal=False)


@given(st.lists(st.tuples(amounts, amounts, amounts, st.booleans(), st.sampled_from(WORKER_STATES)), min_size=1, max_size=20))
def test_shares_add_up_to_one_whatever_is_measured(rows: list[tuple[float, float, float, bool, str]]) -> None:
    """More used than requested, more requested than there is, nothing measured, nothing there: no part is negative, the sum is 1 or 0."""
    manager = pool(*((f"w{index}", Resources(cpu=1)) for index in range(len(rows))))
    seen = manager.advance(0.0)
    size = len(rows)
    zero = np.zeros((size, 4))
    allocated, used, occupied = zero.copy(), zero.copy(), zero.copy()
    for index, (asked, measured, foreign, known, _) in enumerate(rows):
        allocated[index, 0], occupied[index, 0], used[index, 0] = asked, foreign, measured if known else np.nan
    states = np.array([WORKER_STATES.index(state) for *_, state in rows], np.uint8)  # type: ignore[arg-type]
    seen = replace(seen, allocated=allocated, used=used, occupied=occupied, states=states)
    found = shares(seen, weights(seen.capacity))
    whole = found.used + found.unused + found.unmeasured + found.others + found.free
    charged = [state not in ("lost", "terminated") for *_, state in rows]
    assert whole.tolist() == pytest.approx([float(one) for one in charged], abs=1e-9)
    assert min(one.min() for one in (found.used, found.unused, found.unmeasured, found.others, found.free)) >= 0
