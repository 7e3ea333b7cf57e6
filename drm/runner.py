"""Runner: the one background thread, which advances a state at a steady pace."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from drm.errors import DRMError, InvalidValueError
from drm.health import sentence
from drm.prefork import Turn
from drm.state import DRMState

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0


class SteadyClock:
    """Epoch seconds that never run backward and never stand still for long.

    It runs with the monotonic clock. Where the wall clock is ahead (the machine slept, the clock was set forward) it follows at once; where
    the wall clock is behind (it was set back) it runs at half speed until the wall clock has caught up.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._time, self._read_at = wall(), monotonic()

    def __call__(self) -> float:
        """The time now."""
        monotonic, wall = self._monotonic(), self._wall()
        elapsed, self._read_at = monotonic - self._read_at, monotonic
        straight = self._time + elapsed
        self._time = wall if wall >= straight else max(wall, self._time + elapsed / 2)
        return self._time


class SteppedClock:
    """Simulated time: the same number of seconds later at each call."""

    def __init__(self, start: float, step_seconds: float) -> None:
        self._next, self._step_seconds = start, step_seconds

    def __call__(self) -> float:
        """The time now."""
        now, self._next = self._next, self._next + self._step_seconds
        return now


class Runner:
    """Advances a state every `interval_seconds`, without drift, in a thread named `drm-runner`.

    Ticks are due at whole multiples of the interval after the start; one that takes longer than the interval skips those that it missed.
    A state has at most one Runner; a second one raises DRMError. In a server of several processes (gunicorn -w 4) one of them ticks; the
    states of the others raise DRMError where they are read, and tick once it has ended. `clock` tells the time of each tick; `speed` says
    how many of its seconds pass in one.
    """

    def __init__(
        self, state: DRMState, interval_seconds: float = 1.0, clock: Callable[[], float] | None = None, *, speed: float = 1.0
    ) -> None:
        if not (isinstance(interval_seconds, (int, float)) and math.isfinite(interval_seconds) and interval_seconds > 0):
            raise InvalidValueError(f"interval_seconds must be positive and finite, got {interval_seconds!r}")
        if state.runner is not None:
            raise DRMError("this state has a Runner already: stop that one first, or use it")
        self.interval_seconds = float(interval_seconds)
        self._state = state
        self._clock = clock or SteadyClock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._turn = Turn()
        state.runner = self
        state.set_interval(self.interval_seconds, speed)

    @property
    def running(self) -> bool:
        """Whether the thread ticks."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Starts the thread; the first tick comes at once. Once started it cannot be started again."""
        if self._thread is not None:
            raise DRMError("this Runner was started already: make a new one")
        self._take_turn()
        self._thread = threading.Thread(target=self._run, name="drm-runner", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the tick under way, and lets go of the state; may be called twice."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_SECONDS)
        self._turn.give_back()
        if self._state.runner is self:
            self._state.runner = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _run(self) -> None:
        began = time.monotonic()
        wait = due = 0.0
        missed = 0
        while not self._stopping.wait(wait):
            try:
                if self._take_turn():
                    self._state.manager.times.started(time.monotonic() - began - due, missed)
                    self._state.advance(self._clock())
            except Exception as error:
                # The state keeps what fails in a tick. This is what failed in keeping it, as without memory; the next tick must come.
                with contextlib.suppress(Exception):
                    logger.error("a tick failed, and so did the note of it: %s", sentence(error))
            elapsed = time.monotonic() - began
            wait = seconds_to_next(elapsed, self.interval_seconds)
            missed = round((elapsed + wait - due) / self.interval_seconds) - 1
            due = elapsed + wait

    def _take_turn(self) -> bool:
        is_ours, before = self._turn.take(), self._state.hindrance
        self._state.hindrance = self._turn.hindrance
        if self._turn.hindrance and not before:
            logger.error("%s", self._turn.hindrance)
        elif before and is_ours:
            logger.warning("this process, %d, manages the pool from now on", os.getpid())
        return is_ours


def seconds_to_next(elapsed_seconds: float, interval_seconds: float) -> float:
    """How long it is to the next whole multiple of the interval; more than 0, at most the interval."""
    return interval_seconds - math.fmod(elapsed_seconds, interval_seconds)
