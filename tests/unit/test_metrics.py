"""`/metrics` against the pool that it tells of, and against docs/metrics.md."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from drm import metrics
from drm.analysis.ladder import ladder
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.http import create_blueprint
from drm.manager import DynamicResourceManager
from drm.metrics import MOST_KINDS, OTHERS
from drm.model import Resources
from drm.state import DRMState

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text()


def scraped(state: DRMState, accept: str = "") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Each sample by name and labels."""
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(state))
    answer = app.test_client().get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200 and answer.content_type.startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def plain(found: dict[tuple[str, tuple[tuple[str, str], ...]], float], name: str) -> float:
    """A sample without labels."""
    return found[name, ()]


@pytest.fixture(scope="module")
def state() -> DRMState:
    """An hour of a simulated pool with GPUs."""
    manager = DynamicResourceManager(SimulatedEngine(40, 3), bounds=Bounds(4, 40), now=0.0)
    state = DRMState(manager)
    for tick in range(120):
        state.advance(1_767_600_000.0 + tick * 30.0)
    state.traffic.note("header.show_health", 0.004, 1_500)
    return state


def test_numbers_are_those_of_the_pool(state: DRMState) -> None:
    """Workers, resources, tasks, decisions and costs."""
    found, snapshot = scraped(state), state.snapshot
    for worker_state in ("running", "booting", "draining"):
        assert found["drm_workers", (("state", worker_state),)] == snapshot.count(worker_state)
    for index, name in enumerate(("cpu_{}_cores", "memory_{}_bytes", "gpu_{}_devices", "gpu_memory_{}_bytes")):
        for measure in ("capacity", "allocated", "used"):
            amount = snapshot.totals(getattr(snapshot, measure))[index]
            assert plain(found, f"drm_{name.format(measure)}") == pytest.approx(amount)
        assert plain(found, f"drm_{name.format('demand')}") == pytest.approx(snapshot.demand[index])
    assert found["drm_tasks", (("state", "running"),)] == snapshot.tasks.running
    assert found["drm_tasks_ended_total", (("state", "done"),)] == snapshot.tasks.done > 100
    assert plain(found, "drm_ticks_total") == 120 == sum(value for (name, _), value in found.items() if name == "drm_decisions_total")
    cost = {labels: value for (name, labels), value in found.items() if name == "drm_cost_total"}
    assert sum(cost.values()) == pytest.approx(state.cloud_totals().sum.spent) and len(cost) > 2
    assert found["drm_cost_per_hour", (("currency", "USD"),)] == pytest.approx(snapshot.cost_rate)
    whole = ladder(None, state.manager.spend)
    assert whole is not None
    purposes = {dict(labels)["purpose"]: value for (name, labels), value in found.items() if name == "drm_worker_purpose_seconds_total"}
    assert sum(purposes.values()) == pytest.approx(whole.paid.seconds) and purposes["boot"] == pytest.approx(whole.pieces["boot"].seconds)
    assert plain(found, "process_resident_memory_bytes") > 1e7 and plain(found, "drm_history_recording") == 0


def test_before_the_first_tick_nothing_is_told_of_the_pool() -> None:
    """No worker is counted as 0, no time is invented."""
    found = scraped(DRMState(DynamicResourceManager(now=0.0)))
    names = {name for name, _ in found}
    assert plain(found, "drm_ready") == 0 and "drm_workers" not in names and "drm_last_tick_timestamp_seconds" not in names
    assert not any(math.isnan(value) for value in found.values())


def test_labels_from_outside_make_no_more_series_than_stated() -> None:
    """200 types of workers: those that came first have series of their own, the sum is whole, and hostile text stays within its label."""
    manager = DynamicResourceManager(ExternalEngine(lost_after_seconds=1e9), now=0.0)
    for number in range(200):
        labels = {"provider": 'p"\n', "worker_type": f"type-{number}\\"}
        manager.register_worker(f"w{number}", capacity=Resources(cpu=1), labels=labels)
    state = DRMState(manager)
    state.advance(0.0)
    state.advance(10.0)
    found = scraped(state)
    seconds = {labels: value for (name, labels), value in found.items() if name == "drm_worker_seconds_total"}
    assert len(seconds) == MOST_KINDS and sum(seconds.values()) == 2000.0
    assert seconds[tuple(sorted(dict.fromkeys(("provider", "region", "type", "market"), OTHERS).items()))] == 10 * (200 - (MOST_KINDS - 1))
    assert plain(found, "drm_unpriced_worker_seconds_total") == 2000.0
    assert 'p"\n' in {dict(labels)["provider"] for labels in seconds}


def test_a_failing_tick_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the last good snapshot stands."""
    state = DRMState(DynamicResourceManager(now=0.0))
    state.advance(1.0)
    monkeypatch.setattr(state.manager.engine, "observe", lambda now: 1 / 0)
    state.advance(2.0)
    found = scraped(state)
    assert (plain(found, "drm_tick_errors_total"), plain(found, "drm_tick_healthy"), plain(found, "drm_ticks_total")) == (1, 0, 1)


def test_every_metric_is_described(state: DRMState) -> None:
    """Name, type and labels in docs/metrics.md, and nothing there that is not told."""
    told = {name: (kind, labels) for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", PAGE, re.MULTILINE)}
    families = {}
    for family in metrics._OfState(state).collect():
        labels = sorted({label for sample in family.samples for label in sample.labels})
        name = f"{family.name}_total" if family.type == "counter" else f"{family.name}_info" if family.type == "info" else family.name
        families[name] = (family.type, ", ".join(f"`{label}`" for label in labels) or "–")
    assert told == families


def test_openmetrics_is_spoken_too(state: DRMState) -> None:
    """By what the scraper accepts."""
    body, content_type = metrics.Metrics(state).answer("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text") and body.endswith(b"# EOF\n")
