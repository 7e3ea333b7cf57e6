"""DRMState and Runner: who ticks, what a failed tick shows, and the clock."""

from __future__ import annotations

import logging
import math
import os
import threading
from itertools import pairwise
from typing import Any

import pytest

from drm.errors import DRMError, InvalidValueError, UnknownIdError
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.runner import Runner, SteadyClock, seconds_to_next
from drm.snapshot import Snapshot
from drm.state import DRMState
from tests.unit.external_pool import Elastic

ONE_CORE = Resources(cpu=1, memory=1e9)


@pytest.fixture
def state() -> DRMState:
    """A state over an external pool of one worker, before its first tick."""
    manager = DynamicResourceManager(now=0.0)
    manager.register_worker("w1", capacity=ONE_CORE)
    return DRMState(manager)


def fail(*_: Any) -> Snapshot:
    raise RuntimeError("the scheduler\nis gone")


def test_a_manager_has_one_state(state: DRMState) -> None:
    """A second DRMState over the same manager is the first one."""
    assert DRMState(state.manager) is state
    with pytest.raises(InvalidValueError, match="DynamicResourceManager"):
        DRMState("no manager")  # type: ignore[arg-type]


def test_a_listener_hears_every_tick_until_it_lets_go(state: DRMState, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick that failed as well; afterwards no more, and letting go twice is harmless."""
    heard: list[tuple[int, bool]] = []
    end = state.listen(lambda: heard.append((state.snapshot.version, state.health.ok)))
    state.advance(1.0)
    with monkeypatch.context() as broken:
        broken.setattr(state.manager, "advance", fail)
        state.advance(2.0)
    end()
    end()
    state.advance(3.0)
    assert heard == [(1, True), (1, False)]


def test_a_listener_that_fails_is_not_called_again(state: DRMState, caplog: pytest.LogCaptureFixture) -> None:
    """The tick and the other listeners go on; the log says so once."""
    heard: list[int] = []
    state.listen(lambda: 1 / 0)
    state.listen(lambda: heard.append(state.snapshot.version))
    state.advance(1.0)
    state.advance(2.0)
    assert heard == [1, 2] and state.health.ok
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_failed_tick_is_shown_and_counted_and_the_next_one_runs(state: DRMState, monkeypatch: pytest.MonkeyPatch) -> None:
    """advance does not raise: health says why in one line, the last snapshot stands, and a good tick makes it well again."""
    first = state.advance(1.0)
    with monkeypatch.context() as patch:
        patch.setattr(state.manager.engine, "observe", fail)
        assert state.advance(2.0) is first
        state.advance(3.0)
    assert (state.health.ok, state.health.errors, state.health.last_tick_at) == (False, 2, 1.0)
    assert state.health.error == "RuntimeError: the scheduler is gone"
    state.advance(4.0)
    assert (state.health.ok, state.health.error, state.health.errors, state.health.last_tick_at) == (True, "", 2, 4.0)


@pytest.mark.parametrize("phase", ["observe", "account", "place", "decide", "record", "publish"])
def test_an_exception_in_any_phase_ends_in_health(state: DRMState, monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    """Whichever phase fails, the tick after it goes on, and the sums are right."""
    manager = state.manager
    place = {
        "observe": (manager.engine, "observe"),
        "account": (manager._pool, "account"),
        "place": (manager._pool, "place"),
        "decide": (manager._scaler, "decide"),
        "record": (manager.history, "append"),
        "publish": (manager, "_freeze"),
    }[phase]
    state.advance(1.0)
    handle = manager.submit(resources=ONE_CORE)
    with monkeypatch.context() as patch:
        patch.setattr(*place, fail)
        state.advance(2.0)
    assert not state.health.ok
    state.advance(3.0)
    assert state.health.ok and handle.state == "running" and state.snapshot.allocated[0, 0] == 1.0


def test_failures_are_logged_once_a_minute_at_most(
    state: DRMState, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A hundred failed ticks in a moment leave one entry, with its traceback."""
    monkeypatch.setattr(state.manager.engine, "observe", fail)
    with caplog.at_level(logging.ERROR):
        for now in range(100):
            state.advance(float(now))
    assert len(caplog.records) == 1 and caplog.records[0].exc_info is not None


def test_windows_end_at_the_last_tick(state: DRMState) -> None:
    """Queries have the tick's time, not the clock's; before the first tick they are empty."""
    assert state.heatmap(900).rows == () and not state.fleet(900).mean
    state.advance(10_000.0)
    assert state.heatmap(900, "cpu", "allocated").end == 10_000.0 == state.fleet(900).end
    assert state.fleet(900).mean["capacity_cpu"][-1] == 1.0
    assert state.worker("w1", 900).mean["allocated_cpu"][-1] == 0.0
    with pytest.raises(UnknownIdError, match="ghost"):
        state.worker("ghost", 900)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"resource": "disk"}, "'disk'"),
        ({"measure": "wasted"}, "'wasted'"),
        ({"rows": 0}, "rows"),
        ({"columns": 10_000}, "columns"),
        ({"range_seconds": math.nan}, "range_seconds"),
        ({"range_seconds": -5}, "range_seconds"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(state: DRMState, arguments: dict[str, Any], named: str) -> None:
    """The error names the argument and its rule."""
    with pytest.raises(InvalidValueError, match=named):
        state.heatmap(**{"range_seconds": 900, **arguments})


def test_a_state_used_after_a_fork_raises(state: DRMState) -> None:
    """The tick does not survive a fork: the child is told so, instead of showing frozen numbers."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            state.snapshot  # noqa: B018
            os.write(writer, b"no error")
        except DRMError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert "after the fork" in answer.read()


def test_a_runner_ticks_and_ends_with_its_block(state: DRMState) -> None:
    """`with Runner(state)` ticks in the thread `drm-runner`, and leaves none behind."""
    ticked = threading.Event()
    advance = state.manager.advance

    def noting(now: float) -> Snapshot:
        snapshot = advance(now)
        if snapshot.version >= 3:
            ticked.set()
        return snapshot

    state.manager.advance = noting  # type: ignore[method-assign]
    with Runner(state, 0.01) as runner:
        assert ticked.wait(10)
        assert runner.running and "drm-runner" in [thread.name for thread in threading.enumerate()]
        assert state.health.interval_seconds == 0.01
    assert not runner.running and "drm-runner" not in [thread.name for thread in threading.enumerate()]
    version = state.snapshot.version
    runner.stop()
    assert state.snapshot.version == version


def test_a_slow_runner_draws_no_stripes(state: DRMState) -> None:
    """Ticks each 30 s are shown in buckets of a minute, also where the manager was made for faster ones."""
    Runner(state, 30.0).stop()
    for tick in range(20):
        state.manager.report("w1", used={})
        state.advance(30_000.0 + 30 * tick)
    window = state.heatmap(900, "cpu", "allocated")
    assert window.step_seconds == 60.0
    assert (window.mean[0, -9:] == 0).all()


def test_a_state_has_one_runner(state: DRMState) -> None:
    """A second Runner is refused until the first has stopped."""
    first = Runner(state)
    with pytest.raises(DRMError, match="Runner already"):
        Runner(state)
    first.stop()
    with Runner(state) as second, pytest.raises(DRMError, match="started already"):
        second.start()


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, "1"])
def test_an_interval_must_be_positive(state: DRMState, seconds: Any) -> None:
    """The Runner's interval is checked by value."""
    with pytest.raises(InvalidValueError, match="interval_seconds"):
        Runner(state, seconds)


def test_ticks_do_not_drift() -> None:
    """The next tick is due at a whole multiple of the interval; those that were missed are skipped."""
    assert seconds_to_next(0.3, 1.0) == pytest.approx(0.7)
    assert seconds_to_next(5.0, 1.0) == pytest.approx(1.0)
    assert seconds_to_next(7.25, 2.0) == pytest.approx(0.75)


def test_the_clock_goes_on_when_the_wall_clock_is_set_back() -> None:
    """Time never runs backward, never stands still, and meets the wall clock again."""
    wall, monotonic = [1000.0], [0.0]
    clock = SteadyClock(lambda: wall[0], lambda: monotonic[0])
    assert clock() == 1000.0
    wall[0] -= 10
    times = []
    for _ in range(40):
        wall[0] += 1
        monotonic[0] += 1
        times.append(clock())
    assert all(0.4 <= later - earlier <= 1.1 for earlier, later in pairwise(times))
    assert times[-1] == wall[0]


def test_the_clock_follows_when_the_wall_clock_is_set_forward() -> None:
    """A machine that slept shows the gap at once."""
    wall, monotonic = [1000.0], [0.0]
    clock = SteadyClock(lambda: wall[0], lambda: monotonic[0])
    wall[0] += 86_400
    monotonic[0] += 1
    assert clock() == 87_400.0


def test_scaling_events_of_a_range_are_counted_from_the_ledger() -> None:
    """Scale-ups and scale-downs in the range, not maintains."""
    elastic = Elastic(grace=5.0)
    state = DRMState(elastic.manager)
    assert state.scaling_events(900) == (0, 0)
    elastic.manager.submit(resources=Resources(cpu=1))
    elastic.tick()
    elastic.join("w")
    assert state.scaling_events(900) == (1, 0)
    elastic.tick()
    elastic.finish_all()
    for _ in range(200):
        elastic.tick()
    assert elastic.retired == ["w"]
    assert state.scaling_events(900) == (1, 1)
    assert state.scaling_events(60) == (0, 0)
