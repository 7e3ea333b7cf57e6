"""Each kind of recommendation on records that are given, so that every number can be reckoned by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drm.analysis import instance_mix, market_split, minimum_bound, request_size
from drm.analysis.candidates import candidates, named
from drm.analysis.efficiency import of_shapes
from drm.analysis.ladder import NOTHING, PIECES, Amount, Ladder
from drm.analysis.moments import MOMENTS, MOST_SHAPES, read_moments, representative
from drm.analysis.recommendation import MONTH_HOURS, Replay, confidence
from drm.analysis.recommendations import advise
from drm.analysis.recorded import InUse, Recorded
from drm.analysis.replay import of_bounds, pack
from drm.analysis.right_sizing import study as judge
from drm.cloud.price_list import PriceList
from drm.decision import Bounds
from drm.errors import InvalidValueError
from drm.history.lifetimes import Lifetime
from drm.manager import DynamicResourceManager
from drm.model import InstanceKind, Price, Resources, Task, WorkerType
from drm.observation import TaskReport
from drm.optimizer import ResourceOptimizer
from drm.state import DRMState
from drm.task_usage import TaskUsage
from tests.unit.usage_samples import GIB, START, plant

HOUR, DAY = 3600.0, 86_400.0


def priced(name: str, hourly: float, market: str = "on_demand", cpu: float = 8, memory: float = 32) -> WorkerType:
    """A type; NaN: without a price."""
    price = None if math.isnan(hourly) else Price(hourly, "USD", "test", "2026-01-01")
    return WorkerType(name, Resources(cpu=cpu, memory=memory * GIB), price, market, "alpha", "alpha-1")  # type: ignore[arg-type]


STANDARD, LEAN, SPOT = priced("standard", 0.4), priced("lean", 0.3, memory=16), priced("spot", 0.1, "spot")


def paid(hours: float, hourly: float, span_hours: float, **pieces: float) -> Ladder:
    """A bill of so many worker-hours; `pieces` of them by name, the rest useful."""
    seconds = {name: pieces.get(name, 0.0) * HOUR for name in PIECES}
    seconds["useful"] = (hours - sum(pieces.values())) * HOUR
    amounts = {name: Amount(value, value / HOUR * hourly, value / HOUR * hourly) for name, value in seconds.items()}
    return Ladder(START, START + span_hours * HOUR, "USD", amounts, 0.0 if not math.isnan(hourly) else hours * HOUR)


def record(wanted: Any, minimum: int = 0, *, hourly: float = 0.4, types: tuple[WorkerType, ...] = (STANDARD,), **changes: Any) -> Recorded:
    """Buckets of an hour in which the policy wanted so many workers, each full of cores; the pool had them at once."""
    wanted = np.asarray(wanted, float)
    workers = np.maximum(wanted, minimum)
    snapshot = DynamicResourceManager(now=START).advance(START + len(wanted) * HOUR)
    held = float(np.maximum(minimum - wanted, 0.0).sum())
    usual = Recorded(
        since=START,
        until=START + len(wanted) * HOUR,
        step_seconds=HOUR,
        times=START + np.arange(len(wanted)) * HOUR,
        demand=wanted[:, None] * np.array([8.0, 0, 0, 0]),
        workers=workers,
        wanted=wanted,
        minimum=np.full(len(wanted), float(minimum)),
        maximum=np.full(len(wanted), math.inf),
        ladder=paid(float(workers.sum()), hourly, len(wanted), min_bound=held),
        usage=TaskUsage().view(),
        lifetimes=(),
        snapshot=snapshot,
        in_use=tuple(InUse(one, float(workers.sum()) / len(types)) for one in types),
    )
    return replace(usual, **changes)


def test_confidence_is_a_rule_of_samples_and_span() -> None:
    """Both are needed."""
    assert [confidence(*one) for one in ((100, 7 * DAY), (99, 7 * DAY), (100, 7 * DAY - 1), (20, DAY), (19, 30 * DAY), (500, DAY - 1))] == [
        "high",
        "medium",
        "medium",
        "medium",
        "low",
        "low",
    ]


def test_a_minimum_saves_what_only_it_keeps() -> None:
    """Ten days of 4 workers by night and 12 by day under a minimum of 10: six workers for half of the time."""
    found = minimum_bound.study(record(([4] * 12 + [12] * 12) * 10, 10))
    (one,) = found
    assert (one.now, one.suggested) == ({"min_workers": 10.0}, {"min_workers": 4.0})
    assert one.saving_hours == pytest.approx(6 * MONTH_HOURS / 2) and one.saving == pytest.approx(0.4 * one.saving_hours)
    assert one.replay is not None and one.replay.saved == pytest.approx(one.saving)
    assert one.confidence == "high" and one.basis.numbers["rises_a_day"] == 1.0


@pytest.mark.parametrize(("quiet", "enough"), [(13, 4.0), (11, 7.0)])
def test_enough_is_what_is_wanted_but_for_a_twentieth_of_the_time(quiet: int, enough: float) -> None:
    """Of 240 hours 13 are more than a twentieth, 11 are less."""
    (one,) = minimum_bound.study(record([4] * quiet + [7] * (240 - quiet), 10))
    assert one.suggested == {"min_workers": enough}


def test_what_waits_for_its_grace_is_no_saving_of_a_minimum() -> None:
    """Each of the six that would go in nine evenings stays for the hour that the two that went have stayed."""
    wanted = np.array(([4.0] * 12 + [12.0] * 12) * 10)
    bill = paid(2640.0, 0.4, 240.0, min_bound=720.0, idle_grace=1.5, draining=0.5)
    gone = (lifetime(1, ended=START + DAY), lifetime(2, ended=START + 2 * DAY), lifetime(3))
    (one,) = minimum_bound.study(record(wanted, 10, ladder=bill, lifetimes=gone))
    assert one.saving_hours == pytest.approx((720 - 9 * 6 * 1.0) / 240 * MONTH_HOURS)
    assert one.replay is not None and one.replay.saved_hours == pytest.approx(one.saving_hours)


@pytest.mark.parametrize(("wanted", "minimum"), [([4] * 240, 4), ([12] * 240, 10), ([4, 12] * 120, 0), ([], 3)])
def test_a_minimum_that_holds_nothing_is_none(wanted: list[int], minimum: int) -> None:
    """As high as is wanted, below that, none, and nothing recorded."""
    assert minimum_bound.study(record(wanted, minimum)) == []


def test_where_prices_are_not_known_hours_are() -> None:
    """Money is NaN, never 0."""
    (one,) = minimum_bound.study(record([4] * 240, 10, hourly=math.nan))
    assert math.isnan(one.saving) and one.saving_hours == pytest.approx(6 * MONTH_HOURS) and one.size == one.saving_hours


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=200), st.integers(0, 20), st.integers(0, 20))
def test_a_lower_minimum_never_costs_more(wanted: list[int], high: int, low: int) -> None:
    """And the suggestion is never above what is there; a replay of the same minimum changes nothing."""
    seen = record(wanted, max(high, low))
    replay = of_bounds(seen, np.full(len(wanted), float(min(high, low))))
    assert replay.hours_after <= replay.hours_before + 1e-9
    same = of_bounds(seen, seen.minimum)
    assert same.hours_after == same.hours_before
    for one in minimum_bound.study(seen):
        assert 0 <= one.suggested["min_workers"] < one.now["min_workers"] and one.saving_hours > 0


def test_waits_are_the_boots_that_the_minimum_had_spared() -> None:
    """Each rise above the size of the hour before waits a boot: six minutes of an hour, once a day."""
    boots = tuple(lifetime(number, boot_seconds=360.0) for number in range(3))
    seen = record(([4] * 12 + [12] * 12) * 10, 12, lifetimes=boots)
    replay = of_bounds(seen, np.full(240, 4.0))
    assert replay.waits_before == 0.0 and replay.waits_after == pytest.approx(10 * 360 / (240 * HOUR))
    assert math.isnan(of_bounds(replace(seen, lifetimes=()), np.full(240, 4.0)).waits_after)


def lifetime(
    number: int, boot_seconds: float = 0.0, ended: float = math.nan, reason: str = "", kind: InstanceKind | None = None
) -> Lifetime:
    """From a second after the start."""
    states: list[tuple[float, Any]] = [(START + 1, "booting"), (START + 1 + boot_seconds, "running")]
    states += [] if math.isnan(ended) else [(ended, "terminated")]
    return Lifetime(number, f"w{number}", tuple(states), reason, Resources(cpu=8), kind or InstanceKind())


def idle_pool(hours: float, **options: Any) -> DRMState:
    """Two workers without a task, with a price, for so long."""
    manager = DynamicResourceManager(worker_types=(STANDARD,), now=START, **options)
    for name in ("a", "b"):
        manager.register_worker(name, capacity=STANDARD.shape, labels={"worker_type": "standard"})
    state = DRMState(manager)
    for tick in range(round(hours * 2) + 1):
        for name in ("a", "b"):
            manager.report(name, used={"cpu": 0.0})
        state.advance(START + tick * HOUR / 2)
    return state


def test_workers_that_hold_nothing_for_days_are_forgotten() -> None:
    """Nobody launches or retires here: both, at their price; after half an hour neither."""
    found = advise(idle_pool(80), 30 * DAY).recommendations
    assert [(one.kind, one.subject) for one in found] == [("idle_worker", "a"), ("idle_worker", "b")]
    assert all(one.saving == pytest.approx(0.4 * MONTH_HOURS) and one.saving_hours == MONTH_HOURS for one in found)
    assert found[0].confidence == "medium" and found[0].replay is not None
    assert found[0].replay.hours_before - found[0].replay.hours_after == pytest.approx(80, abs=1)
    assert advise(idle_pool(0.5), 30 * DAY).recommendations == ()


def test_idle_workers_of_the_minimum_are_not_forgotten() -> None:
    """They are the minimum's: lower it, and they go."""
    found = advise(idle_pool(80, bounds=Bounds(2, 4)), 30 * DAY).recommendations
    assert [(one.kind, one.suggested) for one in found] == [("min_bound", {"min_workers": 0.0})]


def test_what_a_policy_wants_and_nothing_uses_for_days_is_named_with_it() -> None:
    """Two workers were ordered by hand: after two days nothing, after more than three both, and the policy's name."""
    assert advise(idle_pool(48, policy="manual,workers=2"), 30 * DAY).recommendations == ()
    found = advise(idle_pool(80, policy="manual,workers=2"), 30 * DAY).recommendations
    assert [one.subject for one in found] == ["a", "b"] and all("have the policy manual want one less" in one.change for one in found)


def test_spot_takes_what_is_not_always_needed() -> None:
    """Four workers always, twelve by day: eight for half of the time, at the difference of the prices; how often it is taken back."""
    wanted = ([4] * 12 + [12] * 12) * 10
    spot_kind = InstanceKind("alpha", "alpha-1", "spot", "spot", SPOT.hourly_price)
    lives = (
        lifetime(1, ended=START + 1 + 10 * HOUR, reason="interrupted by its spot market", kind=spot_kind),
        lifetime(2, ended=START + 1 + 30 * HOUR, reason="retired", kind=spot_kind),
    )
    (one,) = market_split.study(record(wanted, lifetimes=lives), (SPOT, priced("small", 0.01, "spot", cpu=4)))
    assert one.suggested == {"standard": 4.0, "spot": 8.0} and one.saving == pytest.approx(8 * 0.3 * MONTH_HOURS / 2)
    assert one.risk_share == pytest.approx(1 / 40) and one.replay is not None and one.replay.saved == pytest.approx(one.saving)
    (unknown,) = market_split.study(record(wanted), (SPOT,))
    assert math.isnan(unknown.risk_share) and "not known" in unknown.risk
    assert market_split.study(record(wanted), (priced("dear", 0.5, "spot"), priced("unpriced", math.nan, "spot"))) == []
    assert market_split.study(record([4] * 240), (SPOT,)) == []


def usage_of(hours: int, running: int, request: Resources, used: Resources) -> TaskUsage:
    """So many tasks of an hour at all times; the last ones have just ended."""
    usage = TaskUsage()
    for _ in range(running):
        plant(usage, "sort", request, [used] * hours, run_seconds=HOUR, every_seconds=HOUR)
    return usage


def test_the_cheapest_type_that_holds_the_mix_is_found() -> None:
    """Eight tasks of 2 cores and 4 GiB fill two workers of either type: the leaner costs three quarters. A type in another currency, on
    another market or without a price is not compared."""
    usage = usage_of(48, 8, Resources(cpu=2, memory=4 * GIB), Resources(cpu=1.9, memory=3.2 * GIB))
    seen = record([2] * 48, usage=usage.view())
    moments = read_moments(seen)
    assert moments is not None and len(moments.buckets) == MOMENTS and (moments.counts == 8).all() and moments.covered == 1.0
    packed = pack(seen, moments, 0)
    assert packed is not None and packed.overhead == 1.0
    euros = replace(priced("euros", 0.1), hourly_price=Price(0.1, "EUR", "test", "2026-01-01"))
    (one,) = instance_mix.study(seen, packed, (LEAN, SPOT, euros, priced("unpriced", math.nan), priced("tiny", 0.01, cpu=1)))
    assert (one.now, one.suggested) == ({"standard": 2.0}, {"lean": 2.0})
    assert one.saving == pytest.approx(0.2 * MONTH_HOURS) and one.basis.numbers["p95_cost_at_least"] <= 0.6 + 1e-9
    assert instance_mix.study(seen, packed, (priced("dear", 0.5),)) == []
    assert instance_mix.study(record([2] * 48, hourly=math.nan, usage=usage.view()), packed, (LEAN,)) == []


def test_three_types_share_a_mix_that_none_holds_alone() -> None:
    """Cores on the lean type, memory on the rich one: cheaper than all on the rich one."""
    rich = priced("rich", 1.0, memory=128)
    usage = usage_of(48, 8, Resources(cpu=2, memory=2 * GIB), Resources(cpu=1.9, memory=1.6 * GIB))
    for _ in range(2):
        plant(
            usage,
            "join",
            Resources(cpu=1, memory=64 * GIB),
            [Resources(cpu=0.9, memory=52 * GIB)] * 48,
            run_seconds=HOUR,
            every_seconds=HOUR,
        )
    seen = record([3] * 48, hourly=1.0, types=(rich,), usage=usage.view())
    moments = read_moments(seen)
    assert moments is not None
    packed = pack(seen, moments, 0)
    (pair,) = instance_mix.study(seen, packed, (LEAN,))
    (one,) = instance_mix.study(seen, packed, (LEAN, STANDARD))
    assert pair.suggested == one.suggested
    assert one.suggested == {"rich": 1.0, "lean": 2.0} and one.saving == pytest.approx(1.4 * MONTH_HOURS)


def test_a_request_saves_what_the_pool_shrinks_by_and_not_what_is_freed() -> None:
    """Eight tasks ask for 4 cores and use one: four workers become two. Under a minimum of four they free as much and save nothing."""
    usage = usage_of(48, 8, Resources(cpu=4, memory=4 * GIB), Resources(cpu=1.0, memory=3.2 * GIB))
    for minimum, saving in ((0, 2 * 0.4 * MONTH_HOURS), (4, 0.0)):
        seen = record([4] * 48, minimum, usage=usage.view())
        moments = read_moments(seen)
        assert moments is not None
        findings = judge(of_shapes(seen.usage, 0.0, seen.until), seen.snapshot).findings
        (one,) = request_size.study(seen, findings, pack(seen, moments, 0))
        assert one.suggested == {"cpu": 1.15} and one.saving == pytest.approx(saving)
        price = 0.4 * 0.031611 / (8 * 0.031611 + 32 * 0.004237)
        assert one.freed == pytest.approx(8 * (4 - 1.15) * price * MONTH_HOURS)
    unknown = request_size.study(record([4] * 48, hourly=math.nan, usage=usage.view(), types=(priced("x", math.nan),)), findings, None)[0]
    assert math.isnan(unknown.saving) and math.isnan(unknown.freed) and unknown.replay is None


def test_what_memory_ended_comes_first_and_says_what_it_guards() -> None:
    """A request that is too small is no saving; it stands before what saves."""
    usage = usage_of(48, 8, Resources(cpu=4, memory=4 * GIB), Resources(cpu=1.0, memory=3.2 * GIB))
    plant(usage, "killed", Resources(memory=GIB), [None] * 2, outcome="lost", out_of_memory=True)
    seen = record([4] * 48, usage=usage.view())
    moments = read_moments(seen)
    assert moments is not None
    findings = judge(of_shapes(seen.usage, 0.0, seen.until), seen.snapshot).findings
    found = {one.subject: one for one in request_size.study(seen, findings, pack(seen, moments, 0))}
    assert (
        found["killed"].guards
        and found["killed"].change.startswith("Raise memory from 1 GiB to")
        and "memory ended 2" in found["killed"].risk
    )
    assert not found["sort"].guards


def test_moments_stand_for_equal_parts_of_the_time() -> None:
    """The middle ones of the ordered buckets; fewer where fewer are recorded."""
    sizes = np.arange(240.0)[::-1]
    assert sizes[representative(sizes, 24)].tolist() == [10.0 * part + 5 for part in range(24)]
    assert len(representative(np.arange(5.0))) == 5 and len(representative(np.empty(0))) == 0


def test_tasks_of_before_the_kept_samples_are_estimated_by_the_hour_of_the_day() -> None:
    """500 samples of one task at a time by day only: on days before them it is taken to have run by day as well."""
    usage = TaskUsage()
    ends = START + 40 * DAY
    for day in range(40):
        noon = START + day * DAY
        plant_at(usage, noon, 20)
    seen = record([1] * 960, usage=usage.view(), until=ends)
    seen = replace(seen, demand=np.where((np.arange(960) % 24 < 12)[:, None], [8.0, 0, 0, 0], [0.0, 0, 0, 0]))
    moments = read_moments(seen)
    assert moments is not None and 0.3 < moments.covered < 0.9
    by_day = seen.demand[moments.buckets][:, 0] > 0
    assert (moments.counts[by_day, 0] > 0).all() and (moments.counts[~by_day, 0] == 0).all()


def test_of_very_many_shapes_the_smallest_are_taken_together() -> None:
    """As many as are packed one by one, the largest of them; what is asked for in all stays the same."""
    usage = TaskUsage()
    for number in range(100):
        plant(
            usage, f"kind-{number}", Resources(cpu=1 + number / 100), [Resources(cpu=1)] * 4, run_seconds=12 * HOUR, every_seconds=12 * HOUR
        )
    whole = sum(1 + number / 100 for number in range(100))
    seen = record([whole / 8] * 48, usage=usage.view())
    moments = read_moments(seen)
    assert moments is not None and len(moments.shapes) == MOST_SHAPES
    assert moments.shapes[-1].name == "" and {shape.name for shape in moments.shapes[:-1]} == {
        f"kind-{number}" for number in range(37, 100)
    }
    assert moments.counts @ moments.requests[:, 0] == pytest.approx(whole, rel=0.01)


def plant_at(usage: TaskUsage, noon: float, number: int) -> None:
    """One after the other through twelve hours."""
    seconds = 12 * HOUR / number
    for place in range(number):
        begun = noon + place * seconds
        task = Task("t", "day", Resources(cpu=8), "running", begun, placed_at=begun)
        usage.ended(task, TaskReport("t", "done", started_at=begun, finished_at=begun + seconds, used=Resources(cpu=7)), begun + seconds)


PRICES = PriceList("test", "2026-01-01", {"m5.large": Resources(cpu=2, memory=8 * GIB)}, {"m5.large": {"us-east-1": 0.096}})


def test_types_are_named_from_the_price_list_or_refused_in_words() -> None:
    """An unknown region, an unknown type, too many, and no list at all: the value, the rule and what there is."""
    assert [one.hourly for one in named(["m5.large"], "us-east-1", PRICES)] == [0.096]
    with pytest.raises(InvalidValueError, match=r"region must be one of the price list's, as in us-east-1, got 'mars-1'"):
        named(["m5.large"], "mars-1", PRICES)
    with pytest.raises(InvalidValueError, match=r"types must be of the price list in us-east-1, as in m5.large; got 'm9.huge'"):
        named(["m9.huge"], "us-east-1", PRICES)
    with pytest.raises(InvalidValueError, match="at most 50 names, got 51"):
        named(["m5.large"] * 51, "us-east-1", PRICES)
    with pytest.raises(InvalidValueError, match="pip install"):
        named(["m5.large"], "us-east-1", PriceList("", "", {}, {}, "The price list comes with: pip install x"))
    aws = lifetime(1, kind=InstanceKind("aws", "us-east-1", "c5.large", "on_demand"))
    assert [one.name for one in candidates((STANDARD,), (aws,), lambda: PRICES)] == ["standard", "m5.large"]
    assert candidates((STANDARD,), (lifetime(1),), lambda: pytest.fail("the list is not read")) == (STANDARD,)


def test_the_optimizer_refuses_what_is_no_type() -> None:
    """By value; before the first tick there is nothing to recommend, and a table without rows has its columns."""
    manager = DynamicResourceManager(now=START)
    with pytest.raises(InvalidValueError, match="types must be WorkerType"):
        ResourceOptimizer(manager, types=("m5.large",))  # type: ignore[arg-type]
    assert ResourceOptimizer(manager).recommendations() == ()
    assert list(ResourceOptimizer(manager).recommendations_frame().columns)[:4] == ["kind", "subject", "change", "saving"]


def test_a_replay_of_no_time_has_no_rate() -> None:
    """NaN, not a division by nothing."""
    none = Replay(START, START, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert math.isnan(none.saved) and math.isnan(none.saved_hours)
    assert NOTHING.seconds == 0
