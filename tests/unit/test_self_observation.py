"""What the program observes of itself: ticks and phases, lag, callbacks, viewers; and that observing delays no tick."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from drm import tick_times
from drm.dashboard import create_app
from drm.durations import BUCKETS, KEPT, Durations
from drm.engines.external import ExternalEngine
from drm.errors import EngineError
from drm.figures import about_text
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.observation import Observation
from drm.own_facts import own_facts
from drm.runner import Runner
from drm.state import DRMState
from drm.tick_times import PHASES, TickTimes
from drm.traffic import MOST_CALLBACKS, MOST_VIEWERS, VIEWER_SECONDS, Traffic

START = 1_700_000_000.0


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What phases are timed by."""
    clock = Clock()
    monkeypatch.setattr(tick_times, "perf_counter", clock)
    return clock


def slow_by(clock: Clock, seconds: float, call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, which takes so long."""

    def called(*arguments: Any, **named: Any) -> Any:
        clock.now += seconds
        return call(*arguments, **named)

    return called


def test_quantiles_are_of_the_last_ones_and_sums_of_all() -> None:
    """By hand: of 1 to 100 ms the median is 50, 95 % are within 95, the most is 100; what is older than the last 600 is in sums only."""
    durations = Durations()
    assert all(math.isnan(one) for one in (durations.last, *durations.quantiles((0.5, 1.0)))) and durations.count == 0
    for number in range(1, 101):
        durations.note(number / 1000)
    assert durations.quantiles((0.0, 0.5, 0.95, 1.0)) == [0.001, 0.05, 0.095, 0.1]
    assert (durations.count, durations.last, durations.seconds) == (100, 0.1, pytest.approx(5.05))
    for _ in range(KEPT):
        durations.note(20.0)
    assert durations.quantiles((0.0, 1.0)) == [20.0, 20.0]
    named = dict(durations.buckets())
    assert [named[str(end)] for end in BUCKETS] == [1, 2, 5, 10, 25, 50, *([100] * 7)] and named["+Inf"] == 100 + KEPT


def test_each_phase_is_timed_by_what_it_does(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A phase that takes longer is the one that is told to, and all of them add up to the tick."""
    state = DRMState(DynamicResourceManager(now=START))
    manager = state.manager
    seconds = dict(zip(PHASES, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), strict=True))
    slowed = (
        (manager.engine, "observe", "observe"),
        (manager._pool, "account", "account"),
        (manager._pool, "place", "place"),
        (manager._scaler, "decide", "decide"),
        (manager._actuator, "retire_drained", "actuate"),
        (manager._meter, "look", "record"),
        (manager._pool.tasks, "take_changes", "publish"),
    )
    for owner, name, phase in slowed:
        monkeypatch.setattr(owner, name, slow_by(clock, seconds[phase], getattr(owner, name)))
    state.advance(START + 1)
    assert {phase: one.last for phase, one in manager.times.phases.items()} == pytest.approx(seconds)
    assert manager.times.ticks.last == pytest.approx(sum(seconds.values()))


class Failing(ExternalEngine):
    """Fails when it is told to."""

    fails = False

    def observe(self, now: float) -> Observation:
        """Or not."""
        if self.fails:
            raise EngineError("no\ncontact")
        return super().observe(now)


def test_a_tick_that_fails_is_an_error_and_no_duration() -> None:
    """Its last error stays known once it has recovered."""
    engine = Failing()
    state = DRMState(DynamicResourceManager(engine, now=START))
    state.advance(START + 1)
    engine.fails = True
    state.advance(START + 2)
    engine.fails = False
    state.advance(START + 3)
    facts = own_facts(state, time.monotonic() + 60)
    assert (state.manager.times.ticks.count, facts.health.ok, facts.health.errors) == (2, True, 1)
    told = dict(dict(about_text.groups(facts))["Tick"])["Failed"]
    assert told.startswith("1, last: EngineError: no contact, 1 min")


def test_the_runner_says_how_late_a_tick_began_and_how_many_it_left_out() -> None:
    """One that takes three and a half intervals leaves out three; the next begins when it is due."""
    state = DRMState(DynamicResourceManager())
    runner = Runner(state, 0.1)
    ticked: list[int] = []

    def slow() -> None:
        ticked.append(1)
        if len(ticked) == 2:
            time.sleep(0.35)
        if len(ticked) == 4:
            runner._stopping.set()

    state.listen(slow)
    runner.start()
    assert runner._thread is not None
    runner._thread.join(20)
    runner.stop()
    assert len(ticked) == 4 and state.manager.times.missed >= 3
    assert 0 <= min(state.manager.times.lags.quantiles((0.0,))) < 0.1 and state.manager.times.lags.count == 4


def test_viewers_are_pages_and_leave_with_time() -> None:
    """A page that asks often is one; one that was not heard of for so long is none; what names itself oddly, or too many, take no room."""
    seen = Traffic()
    for second in range(10):
        seen.saw("a", float(second))
    seen.saw("b", 5.0)
    for odd in (None, "", 7, "x" * 41, {"a": 1}, ["a"]):
        seen.saw(odd, 9.0)
    assert (seen.viewers(9.0), seen.viewers(5.0 + VIEWER_SECONDS), seen.viewers(9.0 + VIEWER_SECONDS)) == (2, 1, 0)
    for number in range(MOST_VIEWERS + 5):
        seen.saw(str(number), 200.0)
    assert seen.viewers(200.0) == MOST_VIEWERS
    seen.saw("late", 200.0 + VIEWER_SECONDS)
    assert seen.viewers(200.0 + VIEWER_SECONDS) == 1


def test_names_of_callbacks_are_bounded() -> None:
    """Whatever calls itself one."""
    seen = Traffic()
    for number in range(MOST_CALLBACKS + 50):
        seen.note(str(number), 0.1, 1)
    assert len(seen.calls()) == MOST_CALLBACKS


@pytest.fixture
def served() -> tuple[DRMState, Any, Any]:
    """A state, its page, and a client of it."""
    state = DRMState(DynamicResourceManager(now=START))
    state.manager.register_worker("w", capacity=Resources(cpu=1))
    state.advance(START + 1)
    app = create_app(state)
    return state, app, app.server.test_client()


def call(app: Any, client: Any, output: str, tick: object) -> Any:
    """Calls the callback of the page whose outputs name this one."""
    from tests.integration.test_trust import calls

    (body,) = [one for one in calls(app) if output in one["output"]]
    body["inputs"][0]["value"] = tick
    return client.post("/drm-dashboard/_dash-update-component", json=body)


def test_a_callback_is_noted_by_its_name(served: tuple[DRMState, Any, Any]) -> None:
    """Its call, its time, the bytes of its answer, and the page that asked; refused calls are none."""
    state, app, client = served
    answer = call(app, client, "drm-health.data", {"range": "15m", "scheme": "light", "page": "p1"})
    one = state.traffic.calls()["header.show_health"]
    assert (one.calls, one.bytes, one.errors) == (1, len(answer.data), 0) and 0 < one.seconds < 5
    assert state.traffic.viewers(time.monotonic()) == 1
    client.post("/drm-dashboard/_dash-update-component", json={"output": "no-such.children"})
    call(app, client, "drm-health.data", "no tick")
    assert sum(one.calls for one in state.traffic.calls().values()) == 1


def test_a_callback_that_fails_is_counted_and_told(served: tuple[DRMState, Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """With its error in one line; the answer is 500 as before."""
    state, app, client = served

    def broken(*_: object) -> None:
        raise RuntimeError("no\nroom")

    monkeypatch.setattr(type(state), "scaling_events", broken)
    app.server.config["PROPAGATE_EXCEPTIONS"] = False
    assert call(app, client, "drm-health.data", {"range": "15m", "scheme": "light"}).status_code == 500
    assert state.traffic.calls()["header.show_health"].errors == 1 and state.traffic.last_error == "RuntimeError: no room"
    assert dict(dict(about_text.groups(own_facts(state)))["Pages"])["Failed"] == "1, last: RuntimeError: no room"


def test_about_says_what_was_observed(served: tuple[DRMState, Any, Any]) -> None:
    """Every row has words, what is not there yet too, and each phase its times."""
    state, app, client = served
    rows = {f"{heading}.{name}": words for heading, group in about_text.groups(own_facts(state)) for name, words in group}
    assert rows["Pages.Time of an answer"] == "none yet" and rows["History.File"] == "none" and rows["Tick.Left out"] == "none"
    assert "MiB" in rows["Program.Memory"] and rows["Pages.Viewers"] == "0 in the last 90 s" and all(rows.values())
    assert [row[0] for row in about_text.phases(own_facts(state))] == list(PHASES)
    assert all(cell.endswith(" ms") for row in about_text.phases(own_facts(state)) for cell in row[1:])
    answer = call(app, client, "drm-about-facts.content", {"range": "15m", "scheme": "light"})
    assert answer.status_code == 200 and "observe" in answer.text


def test_observing_a_tick_takes_microseconds() -> None:
    """Seven phases and a whole tick are noted in a tenth of a millisecond at most; a tick of a small pool takes several."""
    times = TickTimes()

    def once() -> float:
        began = time.perf_counter()
        times.begin()
        for phase in PHASES:
            times.end_of(phase)
        times.done()
        times.started(0.0, 0)
        return time.perf_counter() - began

    assert statistics.median(once() for _ in range(500)) < 100e-6
