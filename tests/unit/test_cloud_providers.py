"""Providers behind one protocol, and the manager that merges them: none of them hides another, and none makes a page wait."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import pytest

from drm.cloud import (
    CloudProviderManager,
    EngineProvider,
    Instance,
    LocalProvider,
    PlainProvider,
    Provider,
    SimulatedProvider,
    WorkerProvider,
)
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.errors import InvalidValueError, ProviderError
from drm.manager import DynamicResourceManager
from drm.model import Price, Resources, WorkerType
from drm.state import DRMState

PRICE = Price(2.0, "USD", "test", "2026-01-01")


class Rented:
    """A cloud of one's own: what it has is a list, and it fails when it is told to."""

    def __init__(self, name: str = "aws", region: str | None = "eu-west-1") -> None:
        self.name, self.region = name, region
        self.instances: list[Instance] = []
        self.failure: Exception | None = None
        self.asked = 0

    def launch(self, count: int, instance_type: str, spot: bool = False, token: str | None = None) -> list[Instance]:
        """Grants all."""
        market = "spot" if spot else "on_demand"
        new = [
            Instance(f"i-{len(self.instances) + number}", self.name, self.region, instance_type, market, "booting", 0.0, None, PRICE)
            for number in range(count)
        ]
        self.instances += new
        return new

    def list_instances(self) -> list[Instance]:
        """All, or the failure."""
        self.asked += 1
        if self.failure:
            raise self.failure
        return list(self.instances)

    def terminate(self, ids: Sequence[str]) -> None:
        """They are gone."""
        self.instances = [one for one in self.instances if one.id not in ids]

    def price(self, instance_type: str, spot: bool = False) -> Price:
        """One for all."""
        return PRICE


def simulated() -> DynamicResourceManager:
    """A fleet after some ticks."""
    manager = DynamicResourceManager(SimulatedEngine(40, 0), bounds=Bounds(4, 40), now=0.0)
    for tick in range(10):
        manager.advance(tick * 10.0)
    return manager


def test_each_provider_meets_the_protocol() -> None:
    """Those that come with a pool say what they can do; one of one's own need not; none of them launches workers for an engine."""
    ours = (LocalProvider(), SimulatedProvider("alpha"), EngineProvider("cluster"))
    assert all(isinstance(one, Provider) for one in ours) and all(isinstance(one, PlainProvider) for one in (*ours, Rented()))
    assert not isinstance(Rented(), Provider) and not any(isinstance(one, WorkerProvider) for one in (*ours, Rented()))
    assert (ours[0].capabilities.spot, ours[1].capabilities.spot) == (False, True)


def test_a_simulated_fleet_brings_its_three_providers() -> None:
    """Their inventories are the workers, and their prices those of the worker types."""
    manager = simulated()
    providers = {one.name: one for one in manager.cloud.providers}
    assert list(providers) == ["alpha", "beta", "gamma"] and manager.cloud.has_cloud
    assert [one.region for one in manager.cloud.providers] == ["alpha-1", "beta-1", "gamma-1"]
    listed = manager.cloud.list_instances(now=100.0)
    assert sorted(one.id for one in listed) == sorted(manager.snapshot.worker_ids)
    spot = next(one for one in listed if one.provider == "beta")
    assert (spot.market, spot.region, spot.type, spot.worker_id) == ("spot", "beta-1", "standard-spot", spot.id)
    assert spot.price == providers["beta"].price("standard-spot", spot=True) and spot.price is not None and spot.price.hourly == 0.14
    with pytest.raises(ProviderError, match="no on_demand type 'standard-spot'"):
        providers["beta"].price("standard-spot")


@pytest.mark.parametrize("provider", [LocalProvider(), SimulatedProvider("alpha")])
def test_the_engine_launches_and_ends_its_workers_and_nobody_else(provider: EngineProvider) -> None:
    """The error says who does it, and what to call instead."""
    with pytest.raises(ProviderError, match=r"engine.*set_bounds"):
        provider.launch(2, "standard")
    with pytest.raises(ProviderError, match=r"engine.*drain"):
        provider.terminate(["w1"])


def test_a_provider_without_a_pool_says_how_to_get_one() -> None:
    """As an error of its own calls, and in words in the totals."""
    manager = CloudProviderManager([LocalProvider()])
    with pytest.raises(ProviderError, match="cloud=CloudProviderManager"):
        manager.providers[0].list_instances()
    totals = manager.totals(now=5.0)
    assert totals.lines == () and "has none" in totals.problems[0].error
    assert manager.list_instances(now=5.0) == []


def test_the_price_of_this_machine_is_what_the_user_says() -> None:
    """0 is a price; nothing said is unknown; there is no spot market."""
    types = [WorkerType("local", Resources(cpu=1), provider="local")]
    for hourly, rate in ((0.0, 0.0), (0.25, 0.5), (None, math.nan)):
        cloud = CloudProviderManager([LocalProvider(hourly, "EUR")])
        manager = DynamicResourceManager(ExternalEngine(), worker_types=types, cloud=cloud, now=0.0)
        for worker_id in ("a", "b"):
            manager.register_worker(worker_id, capacity=Resources(cpu=1))
        manager.advance(0.0)
        whole = cloud.last_totals().sum
        assert whole.rate == pytest.approx(rate, nan_ok=True) and whole.instances == 2
        local = cloud.providers[0]
        if hourly is None:
            with pytest.raises(ProviderError, match="--worker-price"):
                local.price("local")
        else:
            assert local.price("local").currency == "EUR" and whole.currencies == ("EUR",)
        with pytest.raises(ProviderError, match="no spot market"):
            local.price("local", spot=True)


def test_a_program_asks_its_providers_and_gets_totals_by_provider_region_type_and_market() -> None:
    """No pool is needed; instances by state, rate now, and spend from the first question on."""
    aws, gce = Rented("aws"), Rented("gce", None)
    cloud = CloudProviderManager([aws, gce])
    aws.launch(2, "m5.large")
    aws.launch(1, "m5.large", spot=True)
    gce.launch(1, "n2")
    cloud.totals(now=0.0)
    aws.terminate(["i-0"])
    totals = cloud.totals(now=1800.0)
    assert [(line.kind.provider, line.kind.region, line.kind.type, line.kind.market, dict(line.states)) for line in totals.lines] == [
        ("aws", "eu-west-1", "m5.large", "on_demand", {"booting": 1}),
        ("aws", "eu-west-1", "m5.large", "spot", {"booting": 1}),
        ("gce", None, "n2", "on_demand", {"booting": 1}),
    ]
    assert [line.rate for line in totals.lines] == [2.0, 2.0, 2.0]
    assert [line.spent for line in totals.lines] == [2.0, 1.0, 1.0]
    assert totals.by("provider")[("aws",)].spent == 3.0 and totals.by("region", "market")[("eu-west-1", "spot")].rate == 2.0
    assert totals.sum.spent == 4.0 and totals.sum.currencies == ("USD",)


def test_a_provider_that_raises_hides_no_other() -> None:
    """Its error is kept with the time of the question; its last inventory stands and is charged; it may come back."""
    good, bad = Rented("good"), Rented("bad")
    cloud = CloudProviderManager([bad, good])
    good.launch(1, "a")
    bad.launch(2, "b")
    cloud.totals(now=0.0)
    bad.failure = RuntimeError("quota\nexceeded")
    totals = cloud.totals(now=3600.0)
    assert [(problem.provider, problem.at, problem.error) for problem in totals.problems] == [("bad", 3600.0, "quota exceeded")]
    assert [(line.kind.provider, sum(line.states.values())) for line in totals.lines] == [("bad", 2), ("good", 1)]
    assert [one.provider for one in cloud.list_instances(now=3600.0)] == ["bad", "bad", "good"]
    bad.failure = None
    totals = cloud.totals(now=7200.0)
    assert totals.problems == () and totals.by("provider")[("bad",)].spent == 8.0


@pytest.mark.parametrize("fails_at", range(1, 4))
def test_whichever_call_fails_the_spend_never_falls(fails_at: int) -> None:
    """The Nth question fails, for each N."""
    rented = Rented()
    rented.launch(1, "a")
    cloud, before = CloudProviderManager([rented]), 0.0
    for number in range(1, 5):
        rented.failure = OSError() if number == fails_at else None
        totals = cloud.totals(now=number * 100.0)
        assert totals.sum.spent >= before
        before = totals.sum.spent
        assert [problem.error for problem in totals.problems] == (["OSError"] if number == fails_at else [])


def test_an_inventory_that_makes_no_sense_is_a_problem_in_words() -> None:
    """A state that does not exist, or what is no instance at all."""
    rented = Rented()
    rented.instances = ["i-1"]  # type: ignore[list-item]
    assert "region" in CloudProviderManager([rented]).totals(now=0.0).problems[0].error


def test_neither_a_tick_nor_a_page_asks_a_provider() -> None:
    """What they read is what was last told; a provider that was never asked says so."""
    rented = Rented()
    manager = DynamicResourceManager(ExternalEngine(), cloud=CloudProviderManager([rented]), now=0.0)
    state = DRMState(manager)
    for at in range(3):
        state.advance(float(at))
    assert "totals()" in state.cloud.last_totals().problems[0].error and rented.asked == 0


def test_a_provider_that_hangs_makes_no_reader_wait() -> None:
    """While one is asked and does not answer, a tick goes on and a page reads the last totals."""
    asked, answer = threading.Event(), threading.Event()

    class Hanging(Rented):
        def list_instances(self) -> list[Instance]:
            asked.set()
            assert answer.wait(30)
            return []

    manager = DynamicResourceManager(ExternalEngine(), cloud=CloudProviderManager([Hanging()]), now=0.0)
    caller = threading.Thread(target=manager.cloud.totals, args=(0.0,))
    caller.start()
    try:
        assert asked.wait(30)
        assert manager.advance(1.0).version == 1
        assert manager.cloud.last_totals().time == 1.0
    finally:
        answer.set()
        caller.join()


def test_a_provider_that_is_asked_tells_of_its_own_workers_itself() -> None:
    """Workers of the pool that name it are not counted twice; those of others stay in the totals."""
    rented = Rented("aws")
    rented.launch(2, "m5.large")
    manager = DynamicResourceManager(ExternalEngine(), cloud=CloudProviderManager([rented]), now=0.0)
    manager.register_worker("w1", capacity=Resources(cpu=1), labels={"provider": "aws"})
    manager.register_worker("w2", capacity=Resources(cpu=1), labels={"provider": "own rack"})
    manager.advance(0.0)
    totals = manager.cloud.totals(now=1.0)
    assert {line.kind.provider: dict(line.states) for line in totals.lines} == {"aws": {"booting": 2}, "own rack": {"running": 1}}


def test_until_a_provider_is_asked_the_workers_of_the_pool_stand_for_it() -> None:
    """A pool that rents its workers shows them at once; that is no problem to be told."""
    manager = DynamicResourceManager(ExternalEngine(), cloud=CloudProviderManager([Rented("aws"), Rented("gce")]), now=0.0)
    manager.register_worker("w1", capacity=Resources(cpu=1), labels={"provider": "aws"})
    manager.advance(0.0)
    totals = manager.cloud.last_totals()
    assert [(line.kind.provider, dict(line.states)) for line in totals.lines] == [("aws", {"running": 1})]
    assert [problem.provider for problem in totals.problems] == ["gce"]


def test_several_currencies_are_not_added_up() -> None:
    """Each line has its own; the sum is unknown and says in which they are."""
    euro = Rented("euro")
    euro.instances = [Instance("e", "euro", None, "x", "on_demand", "running", 0.0, None, Price(1.0, "EUR", "t", "2026-01-01"))]
    dollar = Rented("dollar")
    dollar.launch(1, "y")
    whole = CloudProviderManager([euro, dollar]).totals(now=0.0).sum
    assert math.isnan(whole.rate) and math.isnan(whole.known_rate) and whole.currencies == ("EUR", "USD")


def test_wrong_providers_are_refused_by_value() -> None:
    """No provider, two of one name, a provider without a name, one of another pool."""
    with pytest.raises(InvalidValueError, match="'aws'"):
        CloudProviderManager(["aws"])  # type: ignore[list-item]
    with pytest.raises(InvalidValueError, match="two providers are called 'aws'"):
        CloudProviderManager([Rented(), Rented()])
    with pytest.raises(InvalidValueError, match="needs a name"):
        EngineProvider("")
    cloud = CloudProviderManager([LocalProvider()])
    DynamicResourceManager(cloud=cloud, now=0.0)
    with pytest.raises(InvalidValueError, match="another pool"):
        DynamicResourceManager(cloud=cloud, now=0.0)
    with pytest.raises(InvalidValueError, match="CloudProviderManager"):
        DynamicResourceManager(now=0.0).cloud = "aws"  # type: ignore[assignment]


def test_another_manager_of_clouds_finds_the_same_sums() -> None:
    """What was spent belongs to the pool."""
    manager = simulated()
    before = manager.cloud.last_totals().sum.spent
    manager.cloud = CloudProviderManager([SimulatedProvider("alpha"), Rented()])
    assert manager.cloud.last_totals().sum.spent == before > 0
