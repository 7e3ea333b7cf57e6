"""What instances have cost, against a second way to add it up: a plain loop over looks and workers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.cloud.accrual import CHARGED, MOST_PROVIDERS, MOST_SECONDS, STATES, Accrual, Spend, provider_series
from drm.cloud.kinds import MOST_KINDS, UNKNOWN, Kinds
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.manager import DynamicResourceManager
from drm.model import WORKER_STATES, InstanceKind, Price, Resources, WorkerType
from drm.snapshot import Snapshot

CHEAP = InstanceKind("alpha", "a-1", "small", "spot", Price(0.1, "USD", "test", "2026-01-01"))
DEAR = InstanceKind("beta", "b-1", "large", "on_demand", Price(3.0, "USD", "test", "2026-01-01"))
UNPRICED = InstanceKind("gamma", "c-1", "odd", "on_demand")
KINDS = (CHEAP, DEAR, UNPRICED)

looks = st.lists(
    st.tuples(
        st.integers(0, 16_000).map(lambda eighths: eighths / 8),
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, STATES - 1)), max_size=12),
    ),
    min_size=1,
    max_size=12,
)


def counted(workers: list[tuple[int, int]]) -> np.ndarray:
    """(3, 7) from (kind, state) of each worker."""
    counts = np.zeros((len(KINDS), STATES), np.int64)
    for kind, state in workers:
        counts[kind, state] += 1
    return counts


def seconds_by_hand(told: list[tuple[float, list[tuple[int, int]]]]) -> list[float]:
    """Worker by worker and look by look, in plain Python."""
    total = [0.0] * len(KINDS)
    for (_, workers), (passed, _) in pairwise(told):
        for kind, state in workers:
            if WORKER_STATES[state] not in ("lost", "terminated"):
                total[kind] += min(passed, 900.0)
    return total


@given(looks)
def test_the_sum_is_that_of_a_plain_loop_and_never_falls(told: list[tuple[float, list[tuple[int, int]]]]) -> None:
    """Over any looks: seconds equal a plain loop's, and neither seconds nor spend ever fall."""
    accrual, at, before = Accrual(), 1_000.0, np.zeros(3)
    for passed, workers in told:
        at += passed
        spend = accrual.add(at, KINDS, counted(workers))
        assert (spend.seconds >= before).all()
        before = spend.seconds
    expected = seconds_by_hand(told)
    assert spend.seconds.tolist() == pytest.approx(expected, rel=1e-9)
    priced = [expected[0] * 0.1 / 3600, expected[1] * 3.0 / 3600]
    assert spend.spent[:2].tolist() == pytest.approx(priced, rel=1e-9)
    assert math.isnan(spend.spent[2]) if expected[2] else spend.spent[2] == 0
    passed_at_all = sum(passed for passed, _ in told[1:])
    assert spend.uncounted_seconds == pytest.approx(passed_at_all - sum(min(passed, 900.0) for passed, _ in told[1:]), abs=1e-6)


def test_the_time_between_two_looks_is_that_of_the_earlier_one() -> None:
    """Who came in between is charged from the later look on, who went until it."""
    accrual = Accrual()
    accrual.add(0.0, KINDS, counted([(0, 2)]))
    spend = accrual.add(100.0, KINDS, counted([(0, 2), (1, 1)]))
    assert spend.seconds.tolist() == [100.0, 0.0, 0.0]
    spend = accrual.add(150.0, KINDS, counted([(1, 2)]))
    assert spend.seconds.tolist() == [150.0, 50.0, 0.0]
    assert accrual.add(160.0, KINDS, counted([])).seconds.tolist() == [150.0, 60.0, 0.0]


def test_an_unknown_price_is_nan_and_never_0() -> None:
    """Rate and spend of an instance without a price are unknown; those of no instance are nothing."""
    accrual = Accrual()
    first = accrual.add(0.0, KINDS, counted([(2, 2)]))
    assert math.isnan(first.rate[2]) and first.rate[0] == 0 and first.spent[2] == 0
    assert math.isnan(accrual.add(1.0, KINDS, counted([])).spent[2])


def test_a_clock_that_jumps_is_charged_for_a_bounded_time() -> None:
    """Ahead by a day counts as 15 minutes or ten intervals, whichever is more, and the rest is told; back counts as none."""
    accrual = Accrual()
    accrual.add(0.0, KINDS, counted([(0, 2)]))
    ahead = accrual.add(86_400.0, KINDS, counted([(0, 2)]))
    assert (ahead.seconds[0], ahead.uncounted_seconds) == (MOST_SECONDS, 86_400.0 - MOST_SECONDS)
    assert accrual.add(100.0, KINDS, counted([(0, 2)])).seconds[0] == MOST_SECONDS
    slow = accrual.add(86_400.0 + 3000.0, KINDS, counted([(0, 2)]), sampling_seconds=300.0)
    assert slow.seconds[0] == MOST_SECONDS + 3000.0


def test_lost_workers_are_counted_and_not_charged() -> None:
    """As the cost rate of the pool has it."""
    assert [state for state, charged in zip(WORKER_STATES, CHARGED, strict=True) if not charged] == ["lost", "terminated"]
    spend = Accrual().add(0.0, KINDS, counted([(1, WORKER_STATES.index("lost"))]))
    assert spend.charged[1] == 0 and spend.rate[1] == 0 and spend.counts[1].sum() == 1


def test_a_new_kind_begins_at_nothing() -> None:
    """It joins behind those that are there."""
    accrual = Accrual()
    accrual.add(0.0, KINDS[:1], counted([(0, 2)])[:1].copy())
    spend = accrual.add(10.0, KINDS, counted([(0, 2), (1, 2)]))
    assert spend.seconds.tolist() == [10.0, 0.0, 0.0]


def test_what_readers_hold_does_not_change() -> None:
    """A sum that was handed out stays as it was, and cannot be written."""
    accrual = Accrual()
    first = accrual.add(0.0, KINDS, counted([(0, 2)]))
    accrual.add(10.0, KINDS, counted([(0, 2)]))
    assert first.seconds.tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        first.seconds[0] = 1.0


@dataclass
class Bill:
    """A second way to add up what a pool costs: a loop over the workers of each snapshot, by their labels."""

    hourly: dict[str, float]
    total: float = 0.0
    before: Snapshot | None = None

    def look(self, snapshot: Snapshot) -> None:
        """Charges the time since the last look for whom that one saw."""
        if self.before is not None:
            passed = snapshot.time - self.before.time
            for worker_id, state in zip(self.before.worker_ids, self.before.states.tolist(), strict=True):
                if WORKER_STATES[state] not in ("lost", "terminated"):
                    self.total += passed / 3600 * self.hourly[worker_id.rsplit("-", 1)[0]]
        self.before = snapshot


def test_a_simulated_pool_costs_what_its_workers_cost_one_by_one() -> None:
    """An hour and a half of launches, boots, interruptions and retirements: the sum equals a loop over workers to 1e-9."""
    manager = DynamicResourceManager(SimulatedEngine(40, 3), bounds=Bounds(4, 40), now=0.0)
    bill = Bill({one.name: one.hourly for one in manager.engine.worker_types})
    for tick in range(180):
        bill.look(manager.advance(tick * 30.0))
    totals = manager.cloud.last_totals()
    assert totals.sum.spent == pytest.approx(bill.total, rel=1e-9) and bill.total > 1
    assert totals.sum.rate == pytest.approx(manager.snapshot.cost_rate, rel=1e-9)
    again = DynamicResourceManager(SimulatedEngine(40, 3), bounds=Bounds(4, 40), now=0.0)
    for tick in range(180):
        again.advance(tick * 30.0)
    assert again.cloud.last_totals().sum.spent == totals.sum.spent, "the same seed costs the same, to the last bit"


def test_the_recorded_rates_of_providers_add_up_to_the_cost_rate() -> None:
    """Each tick, and the instances to those that are there."""
    manager = DynamicResourceManager(SimulatedEngine(20, 1), now=0.0)
    for tick in range(20):
        manager.advance(tick * 5.0)
    window = manager.history.fleet(100, 95.0, 20)
    rates = [window.mean[name] for name in window.mean if name.startswith("spend_rate@")]
    assert len(rates) == 3
    assert np.nansum(rates, axis=0)[-1] == pytest.approx(window.mean["cost_rate"][-1])


def test_series_of_providers_are_bounded() -> None:
    """Names come from outside: beyond eight they share one series."""
    kinds = tuple(InstanceKind(f"cloud-{number}", price=CHEAP.price) for number in range(20))
    counts = np.zeros((20, STATES), np.int64)
    counts[:, WORKER_STATES.index("running")] = 1
    series = provider_series(Spend(0.0, 0.0, kinds, counts, np.zeros(20), 0.0))
    assert len(series) == 2 * (MOST_PROVIDERS + 1) and series["instances@others"] == 20 - MOST_PROVIDERS
    assert series["spend_rate@others"] == pytest.approx(1.2)


def test_a_kind_is_what_the_type_says_and_then_what_the_labels_say() -> None:
    """A type that is not known leaves the price unknown; a hostile market is none."""
    kinds = Kinds()
    small = WorkerType("small", Resources(cpu=1), Price(1.0, "USD", "test", "2026-01-01"), "spot", "alpha", "a-1")
    assert kinds.number(None, {}) == 0 and kinds.all[0] == UNKNOWN
    known = kinds.number(small, {"provider": "other"})
    assert kinds.all[known] == InstanceKind("alpha", "a-1", "small", "spot", small.hourly_price)
    labelled = kinds.number(None, {"provider": "x", "region": "r", "worker_type": "t", "market": "<b>"})
    assert kinds.all[labelled] == InstanceKind("x", "r", "t", None, None)
    assert kinds.number(small, {}) == kinds.number(small, {})


def test_labels_from_outside_make_a_bounded_number_of_kinds() -> None:
    """Beyond it a worker is of the unknown kind, and the numbers of the others stand."""
    kinds = Kinds()
    numbers = [kinds.number(None, {"provider": f"p{number}"}) for number in range(MOST_KINDS + 50)]
    assert len(kinds.all) == MOST_KINDS + 1 and numbers[-1] == 0
    assert kinds.number(None, {"provider": "p7"}) == numbers[7] == 8


def test_labels_of_an_external_pool_are_its_bill() -> None:
    """Workers that report themselves name their provider; without a price their cost is unknown, and their number is not."""
    manager = DynamicResourceManager(ExternalEngine(), now=0.0)
    manager.register_worker("w1", capacity=Resources(cpu=1), labels={"provider": "aws", "region": "eu-west-1", "market": "spot"})
    manager.register_worker("w2", capacity=Resources(cpu=1))
    for at in (0.0, 10.0):
        for worker_id in ("w1", "w2"):
            manager.report(worker_id, used={"cpu": 0.5})
        manager.advance(at)
    totals = manager.cloud.last_totals()
    assert [(line.kind.provider, line.states) for line in totals.lines] == [("aws", {"running": 1}), (None, {"running": 1})]
    assert math.isnan(totals.sum.spent) and totals.sum.unpriced == 2
