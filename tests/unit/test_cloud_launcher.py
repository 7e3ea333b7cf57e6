"""The launcher over a provider of the test's: which type is tried next, what hangs, and what is ended at the close; no cloud, no Dask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from drm.cloud import Capabilities, Instance, InstanceType, WorkerOrder
from drm.engines.cloud_launcher import SHORT_SECONDS, CloudLauncher
from drm.engines.cloud_offers import Offers, find_offers
from drm.engines.worker_script import worker_script
from drm.errors import CredentialsError, InvalidValueError, NoAnswerError, NoInstancesError, ProviderError, ThrottledError
from drm.model import Price, Resources, WorkerType

GIB = 2**30
SHAPES = {"small": Resources(cpu=2, memory=8 * GIB), "large": Resources(cpu=8, memory=32 * GIB), "wide": Resources(cpu=8, memory=4 * GIB)}
HOURLY = {"small": 0.1, "large": 0.4, "wide": 0.2}


@dataclass
class Scripted:
    """Answers each launch by `answer`, which may raise."""

    answer: Callable[[WorkerOrder], None] = lambda order: None
    name: str = "scripted"
    region: str | None = None
    pool: str = "test"
    capabilities: Any = None
    orders: list[WorkerOrder] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    listed: list[Instance] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.capabilities = Capabilities(spot=True, user_data=True)

    def shape(self, instance_type: str) -> Resources:
        return SHAPES[instance_type]

    def price(self, instance_type: str, spot: bool = False) -> Price:
        if instance_type not in HOURLY:
            raise ProviderError("not known")
        return Price(HOURLY[instance_type] / (2 if spot else 1), "USD", "t", "2026-01-01")

    def launch(self, count: int, instance_type: str, spot: bool = False, token: str | None = None) -> list[Instance]:
        return []

    def launch_worker(self, order: WorkerOrder) -> Instance:
        self.orders.append(order)
        self.answer(order)
        market: Any = "spot" if order.spot else "on_demand"
        one = Instance(f"i-{order.worker_id}", self.name, None, order.instance_type, market, "running", 0.0, order.worker_id, None, "test")
        self.listed.append(one)
        return one

    def list_instances(self) -> list[Instance]:
        return self.listed

    def workers(self) -> list[Instance]:
        return self.listed

    def terminate(self, ids: Sequence[str]) -> None:
        self.ended += ids


def launcher(
    provider: Scripted, types: Sequence[str] = ("small", "large", "small:spot"), clock: Callable[[], float] = lambda: 0.0
) -> CloudLauncher:
    offers = find_offers(provider, types)
    return CloudLauncher(provider, offers, lambda name, one: f"{name} {one.name}", join_seconds=300, poll_seconds=0.01, clock=clock)


def offer(found: CloudLauncher, name: str) -> WorkerType:
    return next(one for one in found._offers.types if one.name == name)


def fail(*errors: Exception | None) -> Callable[[WorkerOrder], None]:
    """The first launches fail so; None: this one does not."""
    left = list(errors)

    def answer(order: WorkerOrder) -> None:
        if left and (error := left.pop(0)):
            raise error

    return answer


def test_types_are_sorted_by_price_and_stand_in_for_smaller_ones_only() -> None:
    """An unknown price comes last; part of the memory is the system's; a shape that is said is taken as it is."""
    SHAPES["unpriced"] = Resources(cpu=2, memory=8 * GIB)
    said = InstanceType("unknown", shape=Resources(cpu=1, memory=GIB), price=Price(9.0, "USD", "t", "2026-01-01"))
    found = find_offers(Scripted(), ["large", "unpriced", "wide", "small", "small:spot", said])
    del SHAPES["unpriced"]
    assert [one.name for one in found.types] == ["small:spot", "small", "wide", "large", "unknown", "unpriced"]
    small = found.types[1]
    assert small.shape == Resources(cpu=2, memory=int(8 * GIB * 0.94)) and found.types[4].shape.memory == GIB
    assert [one.name for one in found.for_type(small)] == ["small", "small:spot", "large", "unpriced"]
    assert (found.types[0].market, found.types[0].provider) == ("spot", "scripted")


def test_the_next_cheapest_type_is_tried_and_a_short_one_is_left_alone_for_a_while() -> None:
    """With a token of its own, since the same one would mean the same request."""
    now = [0.0]
    provider = Scripted(fail(NoInstancesError("none left"), NoInstancesError("none left")))
    found = launcher(provider, clock=lambda: now[0])
    asyncio.run(found.start(["w-1"], offer(found, "small")))
    assert [(one.instance_type, one.spot, one.token) for one in provider.orders] == [
        ("small", False, "w-1-0"),
        ("small", True, "w-1-1"),
        ("large", False, "w-1-2"),
    ]
    assert provider.orders[2].user_data == "w-1 large" and found.phase("w-1") == "booting"
    news = found.news()
    assert [one.code for one in news.notices] == ["no_capacity", "no_capacity", "retyped"] and news.retyped["w-1"].name == "large"
    asyncio.run(found.start(["w-2"], offer(found, "small")))
    assert provider.orders[3].instance_type == "large"
    now[0] = SHORT_SECONDS
    asyncio.run(found.start(["w-3"], offer(found, "small")))
    assert provider.orders[4].instance_type == "small" and found.labels("w-3")["worker_type"] == "small"


def test_where_no_type_is_to_be_had_the_worker_s_fate_says_so() -> None:
    """Those that were granted stay: a launch may come in part."""
    provider = Scripted(lambda order: fail(NoInstancesError("none left"))(order) if order.worker_id == "w-2" else None)
    found = launcher(provider, ["small"])
    asyncio.run(found.start(["w-1", "w-2"], offer(found, "small")))
    assert found.fate("w-1") is None and found.fate("w-2") == "none left" and not found.owns("w-2")


@pytest.mark.parametrize(
    ("error", "codes"),
    [
        (CredentialsError("expired"), ["credentials_refused", "credentials_accepted"]),
        (ProviderError("no such image"), []),
        (KeyError("x"), []),
    ],
)
def test_a_launch_that_is_refused_fails_that_worker_only(error: Exception, codes: list[str]) -> None:
    """No other type is tried: it would be refused as well. Credentials are told of, and the next answer ends that trouble; what else was
    wrong stands in the decision, by the worker's fate."""
    provider = Scripted(fail(error))
    found = launcher(provider)
    asyncio.run(found.start(["w-1"], offer(found, "small")))
    assert len(provider.orders) == 1 and found.fate("w-1") == str(error)
    asyncio.run(found.start(["w-2"], offer(found, "small")))
    assert [one.code for one in found.news().notices] == codes


def test_a_provider_that_cannot_be_asked_is_told_once_and_when_it_answers_again() -> None:
    """Everything stands as it was meanwhile."""
    provider = Scripted()
    found = launcher(provider)
    listing, failing = provider.workers, fail(ProviderError("down"), KeyError("down"))

    def workers() -> list[Instance]:
        failing(provider.orders[0])
        return listing()

    provider.workers = workers  # type: ignore[method-assign]

    async def main() -> None:
        await found.start(["w-1"], offer(found, "small"))
        for _ in range(3):
            await found._look()

    asyncio.run(main())
    assert [one.code for one in found.news().notices] == ["provider_silent", "provider_answers"] and found.fate("w-1") is None


def test_what_is_tried_again_is_told_by_its_kind() -> None:
    """Throttling and answers that were lost are two things."""

    def answer(order: WorkerOrder) -> None:
        order.told(ThrottledError("too often"))
        order.told(NoAnswerError("silence"))

    found = launcher(Scripted(answer))
    asyncio.run(found.start(["w-1", "w-2"], offer(found, "small")))
    assert {one.code: set(one.worker_ids) for one in found.news().notices} == {
        "throttled": {"w-1", "w-2"},
        "launch_repeated": {"w-1", "w-2"},
    }


def test_a_launch_that_was_never_answered_is_looked_for() -> None:
    """The next look finds the instance by its worker."""
    provider = Scripted(fail(NoAnswerError("no answer")))
    found = launcher(provider)

    async def main() -> None:
        await found.start(["w-1"], offer(found, "small"))
        assert found.phase("w-1") == "pending" and found.fate("w-1") is None
        provider.listed.append(Instance("i-7", "scripted", None, "small", "on_demand", "running", 0.0, "w-1"))
        await found._look()

    asyncio.run(main())
    assert found.phase("w-1") == "booting" and found.labels("w-1")["instance"] == "i-7"
    assert len(provider.orders) == 1 and [one.code for one in found.news().notices] == ["launch_repeated"]


def test_a_call_that_hangs_holds_up_neither_the_loop_nor_the_close_and_what_it_brings_is_ended() -> None:
    """The launch is still on its way when the launcher is closed; its instance is ended when it comes."""
    asked, answer = threading.Event(), threading.Event()

    def hang(order: WorkerOrder) -> None:
        if order.worker_id == "w-2":
            asked.set()
            assert answer.wait(30)

    provider = Scripted(hang)
    found = launcher(provider)

    async def main() -> None:
        launches = asyncio.ensure_future(found.start(["w-1", "w-2"], offer(found, "small")))
        while not (asked.is_set() and found.phase("w-1") == "booting"):
            await asyncio.sleep(0)
        await found.stop(["w-1"])
        launches.cancel()

    asyncio.run(main())
    assert provider.ended == ["i-w-1"]
    found.kill()
    answer.set()
    for thread in threading.enumerate():
        if thread.name == "drm-provider-call":
            thread.join(30)
    assert provider.ended[-1] == "i-w-2"
    found.kill()


def test_the_close_ends_what_is_left_and_survives_a_provider_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """It says where to look then."""
    provider = Scripted()
    found = launcher(provider)
    asyncio.run(found.start(["w-1", "w-2"], offer(found, "small")))
    found.kill()
    assert sorted(provider.ended) == ["i-w-1", "i-w-2"]
    broken = launcher(provider)
    asyncio.run(broken.start(["w-3"], offer(broken, "small")))
    provider.terminate = fail(ProviderError("it is down"))  # type: ignore[assignment, method-assign]
    broken.kill()
    assert "it is down. CloudProviderManager.orphans() shows" in caplog.text


def test_the_script_joins_the_scheduler_under_the_name_and_quotes_what_it_is_given() -> None:
    """Setup comes first, the worker's options last."""
    text = worker_script(
        "tcp://10.0.0.5:8786",
        "w-1 x",
        Resources(cpu=2, memory=1000.5),
        command=". /opt/env/bin/activate && dask worker",
        setup="export A=1\n",
    )
    assert text.splitlines()[2] == "export A=1"
    assert text.splitlines()[3] == (
        ". /opt/env/bin/activate && dask worker tcp://10.0.0.5:8786 --name 'w-1 x' --nthreads 16 --memory-limit 1000 --death-timeout 120 "
        "--no-nanny --no-dashboard"
    )


def test_types_that_make_no_sense_are_refused() -> None:
    """By value."""
    provider = Scripted()
    for types, rule in (
        ([], "at least one"),
        (["small", "small"], "named twice"),
        ([":spot"], "no instance type"),
        (["a b:c"], "no instance"),
    ):
        with pytest.raises(InvalidValueError, match=rule):
            find_offers(provider, types)
    provider.capabilities = Capabilities(user_data=True)
    with pytest.raises(InvalidValueError, match="no spot market: leave out small:spot"):
        find_offers(provider, ["small:spot"])
    assert isinstance(find_offers(provider, ["small"]), Offers)
