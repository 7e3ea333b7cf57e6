"""How long ticks take, and their phases; how late they begin, and how many were left out. Noting costs a tick a few microseconds."""

from __future__ import annotations

from time import perf_counter

from drm.durations import Durations

PHASES = ("observe", "account", "place", "decide", "actuate", "record", "publish")
"""In the order in which the design names them; what a phase waits for a lock is part of it."""


class TickTimes:
    """Written by whoever ticks, one at a time. A tick that fails notes nothing: how many did is the state's concern."""

    def __init__(self) -> None:
        self.ticks = Durations()
        self.phases = {phase: Durations() for phase in PHASES}
        self.lags = Durations()
        """From when a tick of a Runner was due to when it began."""
        self.missed = 0
        """Ticks of a Runner that were left out, as the one before took longer than the interval."""
        self._spent: dict[str, float] = {}
        self._began = self._marked = 0.0

    def begin(self) -> None:
        """A tick begins."""
        self._spent = dict.fromkeys(PHASES, 0.0)
        self._began = self._marked = perf_counter()

    def end_of(self, phase: str) -> None:
        """What has passed since the last mark belongs to the phase."""
        now = perf_counter()
        self._spent[phase] += now - self._marked
        self._marked = now

    def done(self) -> None:
        """The tick went well."""
        self.ticks.note(self._marked - self._began)
        for phase, seconds in self._spent.items():
            self.phases[phase].note(seconds)

    def started(self, lag_seconds: float, missed: int) -> None:
        """A tick of a Runner began so long after it was due, and so many before it were left out."""
        self.lags.note(max(0.0, lag_seconds))
        self.missed += missed
