"""Sampler: sees to it that a state is ticked while somebody looks at it. A Runner that is attached already is left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from drm.runner import Runner
from drm.state import DRMState

FIRST_TICK_SECONDS = 5.0


class Sampler:
    """Runs a Runner of its own from `start` to `stop` where the state has none; may be started again after a stop."""

    def __init__(self, state: DRMState, interval_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._runner: Runner | None = None
        self._looked = False

    def start(self) -> None:
        """Starts a Runner, unless there is one."""
        if self._state.runner is None:
            self._runner = Runner(self._state, self._interval_seconds)
            self._runner.start()

    def first_look(self) -> None:
        """Before the first figure: one tick, so that it shows what is there; where another Runner ticks, its first one is waited for."""
        if self._looked:
            return
        self._looked = True
        if self._runner is not None:
            self._state.advance(self._clock())
            return
        other, waiting = self._state.runner, threading.Event()
        deadline = time.monotonic() + FIRST_TICK_SECONDS
        while isinstance(other, Runner) and other.running and self._state.snapshot.version == 0 and time.monotonic() < deadline:
            waiting.wait(0.02)

    def stop(self) -> None:
        """Ends the Runner that it started; may be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.stop()
