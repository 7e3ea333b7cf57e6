"""Ticks that fail, a policy that takes its time, clocks that are set, half a fleet that is silent: what readers are told, over HTTP."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from flask import Flask

from drm.dashboard import mount
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.policies.queue import QueuePolicy
from drm.runner import Runner, SteadyClock
from drm.server import create_standalone
from drm.state import DRMState
from tests.integration.conftest import Wire
from tests.integration.waits import until
from tests.unit.external_pool import SHAPE, Elastic

DEADLINE_SECONDS = 60.0
MARCH = datetime(2026, 3, 29, 0, 0, tzinfo=UTC).timestamp()
"""One hour before clocks in Europe go from two to three."""
OCTOBER = datetime(2026, 10, 25, 0, 0, tzinfo=UTC).timestamp()


class Page:
    """A dashboard on a real server."""

    def __init__(self, wire: Callable[[Flask], Wire], manager: DynamicResourceManager) -> None:
        self.state = DRMState(manager)
        app = create_standalone("127.0.0.1", "/drm-dashboard/")
        mount(app, self.state, api_prefix="")
        self.client = wire(app).test_client()
        (self._header,) = [one for one in self._json("/drm-dashboard/_dash-dependencies") if "drm-source" in one["output"]]

    def ready(self) -> tuple[int, str]:
        answer = self.client.get("/readyz")
        return answer.status_code, json.loads(answer.data)["reason"]

    def metric(self, name: str) -> float:
        lines = self.client.get("/metrics").text.splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))

    def header(self) -> dict[str, Any]:
        """What the header is told of the controller."""
        output, tick = self._header["output"], self._header["inputs"][0]
        answer = self.client.post(
            "/drm-dashboard/_dash-update-component",
            json={
                "output": output,
                "outputs": [dict(zip(("id", "property"), one.rsplit(".", 1), strict=True)) for one in output.strip(".").split("...")],
                "inputs": [{**tick, "value": {"range": "1h", "scheme": "light"}}],
                "changedPropIds": [f"{tick['id']}.{tick['property']}"],
                "state": [],
            },
        )
        assert answer.status_code == 200, answer.data
        found = json.loads(answer.data)["response"]
        return next(dict(props["data"]) for name, props in found.items() if "errors" in (props.get("data") or {}))

    def _json(self, path: str) -> Any:
        return json.loads(self.client.get(path).data)


def test_a_hundred_ticks_that_raise_are_told_and_got_over(wire: Callable[[Flask], Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    """Header, /readyz and /metrics say what is wrong and how often; the last numbers stay; with the hundred and first all is well."""
    manager = DynamicResourceManager()
    manager.register_worker("w1", capacity=SHAPE)
    page = Page(wire, manager)
    observe, failed = manager.engine.observe, 0

    def fail(now: float) -> Any:
        nonlocal failed
        failed += 1
        if failed > 100:
            return observe(now)
        raise RuntimeError("the scheduler\nis gone")

    resumed = threading.Event()
    with Runner(page.state, 0.01):
        until(lambda: page.ready()[0] == 200, "a first tick")
        last = page.state.snapshot
        failing = fail

        def stands(now: float) -> Any:
            if failed == 60:
                resumed.wait(DEADLINE_SECONDS)
            return failing(now)

        monkeypatch.setattr(manager.engine, "observe", stands)
        until(lambda: page.state.health.errors == 60, "sixty failures")
        _, reason = until(lambda: (found := page.ready())[0] == 503 and found, "that it is not ready")
        assert "the last tick is" in reason and reason.endswith(": RuntimeError: the scheduler is gone")
        told = page.header()
        assert (told["ok"], told["errors"], told["error"]) == (False, 60, "RuntimeError: the scheduler is gone")
        assert told["age"] > 0 and (page.metric("drm_tick_healthy"), page.metric("drm_tick_errors_total")) == (0, 60)
        assert page.state.snapshot.worker_ids == ("w1",) and page.state.snapshot.version >= last.version
        resumed.set()
        until(lambda: page.state.health.ok and page.ready()[0] == 200, "a good tick")
    assert page.metric("drm_tick_errors_total") == 100 and page.metric("drm_tick_healthy") == 1
    assert page.header()["ok"] and page.header()["errors"] == 100


def test_what_was_placed_in_a_tick_that_failed_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that has a place when a tick fails is sent there by the next one, once: it must not stand as running for ever."""
    pool = Elastic()
    pool.join("w1")
    state = DRMState(pool.manager)
    state.advance(1.0)
    task = pool.manager.submit(resources=Resources(cpu=1))
    with monkeypatch.context() as broken:
        broken.setattr(pool.manager._scaler, "ask", lambda *_, **__: 1 / 0)
        state.advance(2.0)
    assert not state.health.ok and task.state == "running" and pool.started == {}
    state.advance(3.0)
    state.advance(4.0)
    assert pool.started == {task.id: "w1"}
    pool.finish_all()
    state.advance(5.0)
    assert task.result(0) == "fine"


@dataclass(frozen=True)
class Slow(QueuePolicy):
    """Waits for the test before it answers."""

    name: ClassVar[str] = "slow"
    asked: ClassVar[threading.Event] = threading.Event()
    go_on: ClassVar[threading.Event] = threading.Event()

    def desired(self, seen: Any) -> float:
        self.asked.set()
        assert self.go_on.wait(DEADLINE_SECONDS)
        return super().desired(seen)


def test_a_policy_that_takes_its_time_delays_nobody_else(wire: Callable[[Flask], Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    """While it thinks, programs submit, cordon and reserve, the page, the API and the reason of the last decision are there, and the lag is
    told; then its decision counts."""
    Slow.asked.clear()
    Slow.go_on.set()
    pool = Elastic(policy=Slow())
    pool.join("w1", "w2")
    page = Page(wire, pool.manager)
    page.state.set_interval(0.05)
    page.state.advance(1.0)
    before = page.state.snapshot
    pool.manager._scaler.is_slow = True  # as after a first evaluation that took its time
    Slow.asked.clear()
    Slow.go_on.clear()
    for _ in range(3):
        pool.manager.submit(resources=Resources(cpu=4))
    with ExitStack() as stack:
        ticking = threading.Thread(target=page.state.advance, args=(2.0,))
        ticking.start()
        stack.callback(ticking.join)
        stack.callback(Slow.go_on.set)
        assert Slow.asked.wait(DEADLINE_SECONDS)
        began = time.monotonic()
        handle = pool.manager.submit(resources=Resources(cpu=1))
        pool.manager.cordon("w2")
        assert pool.manager.worker("w2").state == "cordoned" and handle.state == "queued"
        assert {task.id for task in pool.manager.snapshot.running_tasks} == set() and page.state.snapshot is before
        assert pool.manager.explain_now().timestamp == 1.0
        for path in ("/drm-dashboard/", "/api/v1/snapshot", "/api/v1/explain", "/api/v1/decisions", "/metrics"):
            assert page.client.get(path).status_code == 200
        assert page.header()["ok"]
        _, reason = until(lambda: (found := page.ready())[0] == 503 and found, "the lag")
        assert "the last tick is" in reason
        assert time.monotonic() - began < DEADLINE_SECONDS and ticking.is_alive()
    assert page.state.snapshot.version == 2 and page.metric("drm_last_tick_duration_seconds") > 0
    assert pool.asked == [1] and len(page.state.snapshot.running_tasks) == 2


def test_what_would_change_a_slow_policy_is_not_searched_for_ever() -> None:
    """It is asked a few times, not dozens; the decision says so, and readers are given it instead of asking again."""
    clock, asked = [0.0], [0]

    @dataclass(frozen=True)
    class Thinking(QueuePolicy):
        name: ClassVar[str] = "thinking"

        def desired(self, seen: Any) -> float:
            clock[0] += 5.0
            asked[0] += 1
            return super().desired(seen)

    from drm.judgement import judge

    pool = Elastic(policy=Thinking())
    pool.join("w1")
    pool.tick()
    question = pool.manager._scaler.ask(2.0, ready=True)
    asked[0] = 0
    judgement = judge(question, lambda: clock[0])
    assert asked[0] <= 2 and judgement.seconds >= 5
    assert [one.code for one in judgement.decision.blockers][-1] == "slow_policy" and judgement.decision.flips == ()
    quick = judge(question, lambda: 0.0)
    assert quick.decision.flips and "slow_policy" not in [one.code for one in quick.decision.blockers]


def test_half_a_fleet_that_falls_silent(wire: Callable[[Flask], Wire]) -> None:
    """After a minute its workers are lost and their tasks run elsewhere or wait; nothing is shrunk meanwhile; what is shown as used is of
    those who are heard of. With their next report they are back, and no worker is there twice."""
    engine = ExternalEngine(lost_after_seconds=60.0)
    manager = DynamicResourceManager(engine, now=0.0)
    page = Page(wire, manager)
    workers = [f"w{number:03}" for number in range(100)]
    for one in workers:
        manager.register_worker(one, capacity=SHAPE)
    handles = [manager.submit(resources=Resources(cpu=2), name="half") for _ in range(120)]

    def tick(now: float, heard: list[str], cpu: float) -> None:
        for one in heard:
            manager.report(one, used={"cpu": cpu})
        page.state.advance(now)

    tick(1.0, workers, 1.0)
    assert page.state.snapshot.tasks.running == 120
    left = workers[:50]
    for now in range(2, 90):
        tick(float(now), left, 3.0)
        decision = page.state.snapshot.last_decision
        assert decision is not None and decision.action != "scale_down"
    assert page.ready() == (200, "")
    found = page.client.get("/metrics").text
    assert 'drm_workers{state="lost"} 50.0' in found and 'drm_workers{state="running"} 50.0' in found
    snapshot = page.state.snapshot
    assert snapshot.utilization()[0] == 0.75 and (snapshot.tasks.running, snapshot.tasks.queued) == (100, 20)
    assert {handle.worker_id for handle in handles if handle.state == "running"} <= set(left)
    header = page.header()
    assert header["ok"]
    tick(90.0, workers, 1.0)
    tick(91.0, workers, 1.0)
    assert sorted(page.state.snapshot.worker_ids) == workers and page.state.snapshot.count("running") == 100
    assert page.state.snapshot.tasks.running == 120 and np.nansum(page.state.snapshot.used[:, 0]) == 100


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in a zone that has summer time."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("start", [MARCH, OCTOBER], ids=["to summer time", "to winter time"])
def test_the_hour_that_is_missing_or_comes_twice_is_an_hour(start: float) -> None:
    """Time inside is epoch seconds: three hours around the change are 180 minutes of samples, in order, none missing and none twice."""
    pool = Elastic(bounds=Bounds(1, 10))
    pool.join("w1")
    pool.now = start
    for _ in range(180):
        pool.tick(60.0)
    window = DRMState(pool.manager).fleet(3 * 3600.0)
    times = window.times
    assert np.all(np.diff(times) > 0)
    assert pool.manager.snapshot.time == start + 180 * 60
    known = ~np.isnan(window.mean["workers_running"])
    first, last = np.flatnonzero(known)[[0, -1]]
    assert known[first : last + 1].all() and times[last] - times[first] > 2.8 * 3600
    assert pool.manager.worker("w1").state == "running"


@pytest.mark.parametrize("jump", [-3600.0, 86_400.0], ids=["an hour back", "a day forward"])
def test_a_clock_that_is_set_while_it_runs(wire: Callable[[Flask], Wire], jump: float) -> None:
    """Ticks go on in order, no worker is lost, the page is ready, and ages are told by a clock that nobody sets."""
    wall = [1_700_000_000.0]
    monotonic = [50.0]
    clock = SteadyClock(lambda: wall[0], lambda: monotonic[0])
    manager = DynamicResourceManager(ExternalEngine(), now=wall[0])
    manager.register_worker("w1", capacity=SHAPE)
    page = Page(wire, manager)
    times = []
    for second in range(60):
        wall[0] += 1 + (jump if second == 30 else 0)
        monotonic[0] += 1
        manager.report("w1", used={"cpu": 1.0})
        times.append(page.state.advance(clock()).time)
    assert all(later > earlier for earlier, later in pairwise(times))
    assert page.state.snapshot.count("running") == 1 and page.state.health.errors == 0
    assert page.ready() == (200, "") and 0 <= page.header()["age"] < DEADLINE_SECONDS
    assert math.isclose(times[-1], wall[0]) == (jump > 0)
