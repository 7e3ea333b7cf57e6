"""What the program observes of itself, for Prometheus: ticks and their phases, callbacks, viewers, the file of the history.

Labels are the seven phases and the callbacks of our own pages: their number is that of the code, not of tasks, workers or readers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client.core import Metric

from drm.metric_families import counter, gauge, histogram
from drm.own_facts import history_bytes
from drm.state import DRMState


def own_metrics(state: DRMState) -> Iterator[Metric]:
    """All families."""
    times, traffic = state.manager.times, state.traffic
    yield histogram("drm_tick_duration_seconds", "How long ticks took that went well.", times.ticks)
    phases = [((phase,), durations.seconds) for phase, durations in times.phases.items()]
    yield counter("drm_tick_phase_seconds", "Time that each phase of those ticks took, in all.", phases, ("phase",))
    yield gauge("drm_tick_lag_seconds", "How long after it was due the last tick began.", times.lags.last)
    yield counter("drm_ticks_missed", "Ticks that were left out, as the one before took longer than the interval.", [((), times.missed)])
    yield gauge("drm_viewers", "Pages that have asked for the present in the last 90 seconds.", float(traffic.viewers(time.monotonic())))
    yield histogram("drm_callback_duration_seconds", "How long the answers to the pages' callbacks took to make.", traffic.durations)
    calls = sorted(traffic.calls().items())
    label = ("callback",)
    yield counter("drm_callback_calls", "Calls of each callback.", [((name,), one.calls) for name, one in calls], label)
    yield counter("drm_callback_seconds", "Time that they took, in all.", [((name,), one.seconds) for name, one in calls], label)
    yield counter("drm_callback_response_bytes", "Bytes of their answers, in all.", [((name,), one.bytes) for name, one in calls], label)
    yield counter("drm_callback_errors", "Calls that failed by the program's fault.", [((name,), one.errors) for name, one in calls], label)
    yield gauge("drm_history_file_bytes", "What the history takes of the disk, with its log.", history_bytes(state))
