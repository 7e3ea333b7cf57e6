"""What the program observes of itself, at one moment, for people."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from drm.durations import Durations
from drm.health import Health
from drm.history.recording import Recording
from drm.own_process import ProcessFacts
from drm.state import DRMState
from drm.version import __version__


@dataclass(frozen=True, slots=True)
class Spread:
    """Of the last 600, in seconds; NaN before the first."""

    median: float
    p95: float
    most: float

    @classmethod
    def of(cls, durations: Durations) -> Spread:
        """Of these."""
        return cls(*durations.quantiles((0.5, 0.95, 1.0)))


@dataclass(frozen=True, slots=True)
class OwnFacts:
    """Seconds and bytes; what is not known is NaN."""

    version: str
    process: ProcessFacts
    ticks: Spread
    phases: dict[str, Spread]
    """In the order of the tick's phases."""
    lags: Spread
    missed: int
    callbacks: Spread
    calls: int
    bytes_per_call: float
    viewers: int
    recording: Recording
    history_bytes: float
    health: Health
    last_tick_error_age: float
    """How long ago the last tick failed."""
    callback_errors: int
    last_callback_error: str


def own_facts(state: DRMState, monotonic: float | None = None) -> OwnFacts:
    """Now; `monotonic`: the time of `time.monotonic()`, if not the present one."""
    now = time.monotonic() if monotonic is None else monotonic
    times, traffic, health = state.manager.times, state.traffic, state.health
    calls = traffic.calls().values()
    count = sum(one.calls for one in calls)
    return OwnFacts(
        version=__version__,
        process=state.process.facts(),
        ticks=Spread.of(times.ticks),
        phases={phase: Spread.of(durations) for phase, durations in times.phases.items()},
        lags=Spread.of(times.lags),
        missed=times.missed,
        callbacks=Spread.of(traffic.durations),
        calls=count,
        bytes_per_call=sum(one.bytes for one in calls) / count if count else math.nan,
        viewers=traffic.viewers(now),
        recording=state.recording,
        history_bytes=history_bytes(state),
        health=health,
        last_tick_error_age=now - health.last_error_monotonic,
        callback_errors=sum(one.errors for one in calls),
        last_callback_error=traffic.last_error,
    )


def history_bytes(state: DRMState) -> float:
    """What the history takes of the disk; NaN where there is none."""
    store = state.manager.store
    if store is None:
        return math.nan
    # DuckDB is not imported where no history is kept.
    from drm.history.facts import size_bytes

    return float(size_bytes(store.file))
