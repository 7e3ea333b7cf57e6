"""`/metrics`: the pool, its cost, the controller and the recorder for Prometheus, worked out when they are scraped (docs/metrics.md).

Names follow Prometheus: base units, `_total` for what only grows until the program starts again. What is not known has no sample: NaN would
be taken for a number by rules that sum up. No label names a task or a worker, so 10 000 workers make as many series as 10.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from drm.cloud.accrual import HOUR_SECONDS, Spend
from drm.cloud.split import PARTS
from drm.health import Health
from drm.history.recording import Recording
from drm.metric_families import counter, filled, gauge
from drm.model import RESOURCES, WORKER_STATES
from drm.own_metrics import own_metrics
from drm.snapshot import Snapshot
from drm.state import DRMState
from drm.version import __version__

METRICS_PATH = "/metrics"
MOST_KINDS = 50
"""Kinds of instances with series of their own, those that were seen first; labels come from outside. Further ones share `others`."""
OTHERS = "others"
KIND_LABELS = ("provider", "region", "type", "market")
UNIT_WORDS = {"cpu": "cores", "memory": "bytes", "gpu": "devices", "gpu_memory": "bytes"}
WORDS = {"cpu": "CPU", "memory": "memory", "gpu": "GPUs", "gpu_memory": "GPU memory"}
MEASURES = {
    "capacity": "What the workers that can run tasks have of {}.",
    "allocated": "What is reserved on them of {}.",
    "used": "What was measured in use of {}, of those workers that were measured.",
    "demand": "What running and queued work asks for of {}.",
}
ENDED = ("done", "failed", "lost", "cancelled")


class Metrics:
    """Of one state, for one address."""

    def __init__(self, state: DRMState) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_OfState(state))
        ProcessCollector(registry=self._registry)

    def answer(self, accept: str) -> tuple[bytes, str]:
        """(body, content type) in the format that a scraper accepts."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self._registry), content_type


class _OfState(Collector):
    def __init__(self, state: DRMState) -> None:
        self._state = state

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that no scrape is made before the first."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One snapshot, whole."""
        state = self._state
        snapshot = state.snapshot
        yield _info(snapshot)
        yield from _controller(state.health, snapshot, state.manager.decided)
        yield from _recorder(state.recording)
        yield from _reports(state.manager.received)
        yield from own_metrics(state)
        if not math.isnan(snapshot.time):
            yield from _workers(snapshot)
            yield from _resources(snapshot)
            yield from _tasks(snapshot)
            yield from _money(snapshot, state.manager.spend)


def _info(snapshot: Snapshot) -> Metric:
    labels = {"version": __version__, "source": snapshot.source.kind}
    return InfoMetricFamily("drm", "The program, and whether its pool is live, external or simulated.", value=labels)


def _controller(health: Health, snapshot: Snapshot, decided: Mapping[str, int]) -> Iterator[Metric]:
    yield gauge("drm_ready", "1 once the pool was observed.", float(snapshot.ready))
    yield gauge("drm_tick_healthy", "1 where the last tick went well.", float(health.ok))
    yield gauge("drm_tick_interval_seconds", "How often a tick is to come.", health.interval_seconds)
    yield gauge("drm_last_tick_timestamp_seconds", "The pool's time at the last tick that went well.", health.last_tick_at)
    yield gauge("drm_last_tick_duration_seconds", "How long the last tick took.", health.tick_seconds)
    yield counter("drm_ticks", "Ticks that went well.", [((), snapshot.version)])
    yield counter("drm_tick_errors", "Ticks that failed.", [((), health.errors)])
    yield counter("drm_ticking_seconds", "Time that ticks took, in all.", [((), health.ticking_seconds)])
    decisions = [((action,), float(decided.get(action, 0))) for action in ("scale_up", "scale_down", "maintain")]
    yield counter("drm_decisions", "Evaluations of the scaling policy, by what they came to.", decisions, ("action",))


def _reports(received: Mapping[str, int]) -> Iterator[Metric]:
    """None come where no worker reports itself."""
    reports = [((outcome,), float(received.get(f"reports_{outcome}", 0))) for outcome in ("taken", "refused")]
    late = [((outcome,), float(received.get(f"late_{outcome}", 0))) for outcome in ("kept", "dropped")]
    yield counter("drm_reports", "Reports of workers; refused: another program reports under that id.", reports, ("outcome",))
    yield counter("drm_late_samples", "Samples of a time that had passed, by whether history took them.", late, ("outcome",))


def _workers(snapshot: Snapshot) -> Iterator[Metric]:
    counts = np.bincount(snapshot.states, minlength=len(WORKER_STATES)).tolist()
    states = [((state,), float(number)) for state, number in zip(WORKER_STATES, counts, strict=True)]
    yield filled(GaugeMetricFamily("drm_workers", "Workers by state.", labels=["state"]), states)
    bounds, decision = snapshot.bounds, snapshot.last_decision
    yield gauge("drm_workers_desired", "How many the policy wants, before limits.", decision.desired if decision else math.nan)
    yield gauge("drm_workers_min", "The least that the pool may have.", bounds.min if bounds else math.nan)
    yield gauge("drm_workers_max", "The most that the pool may have.", bounds.max if bounds else math.nan)


def _resources(snapshot: Snapshot) -> Iterator[Metric]:
    amounts = {name: snapshot.totals(getattr(snapshot, name)) for name in ("capacity", "allocated", "used")} | {"demand": snapshot.demand}
    for index, resource in enumerate(RESOURCES):
        if not (amounts["capacity"][index] > 0 or amounts["demand"][index] > 0):
            continue
        for measure, words in MEASURES.items():
            name = f"drm_{resource}_{measure}_{UNIT_WORDS[resource]}"
            yield gauge(name, words.format(WORDS[resource]), float(amounts[measure][index]))


def _tasks(snapshot: Snapshot) -> Iterator[Metric]:
    tasks = snapshot.tasks
    now = [((state,), float(getattr(tasks, state) or 0)) for state in ("queued", "running")]
    yield filled(GaugeMetricFamily("drm_tasks", "Tasks that have not ended, by state.", labels=["state"]), now)
    yield gauge("drm_tasks_infeasible", "Queued tasks that no worker of the pool could ever hold.", float(tasks.infeasible or 0))
    oldest = min((line.oldest_submitted_at for line in snapshot.waiting or ()), default=snapshot.time)
    yield gauge("drm_oldest_queued_task_age_seconds", "How long the oldest queued task waits; 0 where none does.", snapshot.time - oldest)
    ended = [((state,), float(getattr(tasks, state) or 0)) for state in ENDED]
    yield counter("drm_tasks_ended", "Attempts at tasks that ended, by how.", ended, ("state",))


def _money(snapshot: Snapshot, spend: Spend) -> Iterator[Metric]:
    charged, seconds, spent = (defaultdict[tuple[str, ...], float](float) for _ in range(3))
    rates: dict[str, float] = defaultdict(float)
    unpriced = 0.0
    for row, (kind, number, worker_seconds) in enumerate(zip(spend.kinds, spend.charged.tolist(), spend.seconds.tolist(), strict=True)):
        if not (worker_seconds or number):
            continue
        names = (OTHERS,) * 4 if row >= MOST_KINDS else tuple(getattr(kind, name) or "" for name in KIND_LABELS)
        charged[names] += number
        seconds[names] += worker_seconds
        if kind.price is None:
            unpriced += worker_seconds
        else:
            spent[(*names, kind.price.currency)] += worker_seconds / HOUR_SECONDS * kind.hourly
            rates[kind.price.currency] += number * kind.hourly
    yield filled(GaugeMetricFamily("drm_instances", "Instances that are charged, by kind.", labels=KIND_LABELS), charged.items())
    yield counter("drm_worker_seconds", "Time of workers that was charged, by kind of instance.", seconds.items(), KIND_LABELS)
    yield counter("drm_unpriced_worker_seconds", "Of it, that of workers whose price is not known.", [((), unpriced)])
    yield counter("drm_cost", "What workers have cost, in units of the currency.", spent.items(), (*KIND_LABELS, "currency"))
    hourly = GaugeMetricFamily("drm_cost_per_hour", "What the workers with a known price cost an hour now.", labels=["currency"])
    yield filled(hourly, [((currency,), rate) for currency, rate in rates.items()])
    if spend.parts is not None:
        parts = zip(PARTS, spend.parts.sum(axis=0).tolist(), strict=True)
        purposes = [((part,), amount) for part, amount in parts]
        yield counter("drm_worker_purpose_seconds", "Time of workers that was charged, by what it was paid for.", purposes, ("purpose",))


def _recorder(recording: Recording) -> Iterator[Metric]:
    yield gauge(
        "drm_history_recording", "1 while history is kept; 0 where nobody asked for it or it cannot be.", float(recording.state == "on")
    )
    yield gauge("drm_history_waiting_batches", "Ticks that wait to be written.", float(recording.waiting))
    yield counter("drm_history_written_batches", "Ticks that were written.", [((), recording.written_batches)])
    yield counter("drm_history_dropped_samples", "Samples that could not be kept.", [((), recording.dropped_samples)])
    yield counter(
        "drm_history_dropped_records", "Decisions, tasks and lifetimes that could not be kept.", [((), recording.dropped_records)]
    )
    memory = "What DuckDB holds of the history in memory: of the file, and of what is not in it yet."
    yield gauge("drm_history_memory_bytes", memory, recording.memory_bytes)
    yield counter("drm_history_busy_seconds", "How long the recorder has worked, in all.", [((), recording.busy_seconds)])
