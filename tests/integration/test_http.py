"""The API over a real manager, through Flask: what it answers, as strict JSON, and how it says what is wrong."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from flask import Flask

from drm.http import create_blueprint, decision_json, snapshot_json, why_not_ready
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState

GIB = 2.0**30


@pytest.fixture
def state() -> DRMState:
    """An external pool of a measured worker without a GPU, and an unmeasured one with two."""
    manager = DynamicResourceManager()
    manager.register_worker("plain", capacity=Resources(cpu=4, memory=8 * GIB))
    manager.register_worker("<b>gpu</b>", capacity=Resources(cpu=8, memory=16 * GIB, gpu=2, gpu_memory=32 * GIB))
    manager.report("plain", used={"cpu": 1.5})
    manager.reserve_resources(Resources(gpu=1))
    return DRMState(manager)


def client_of(state: DRMState, prefix: str = "") -> Any:
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(state, prefix))
    return app.test_client()


def strict(text: str) -> Any:
    """The value of a JSON text without NaN and Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_snapshot_says_what_the_pool_holds(state: DRMState) -> None:
    """Version, time, source, sizes, and the three numbers of each worker under its name."""
    state.advance(1_700_000_000.0)
    answer = client_of(state).get("/api/v1/snapshot")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    body = strict(answer.text)
    assert body["source"]["kind"] == "external"
    assert (body["version"], body["time"], body["current"], body["ready"]) == (1, 1_700_000_000.0, 2, True)
    plain, gpu = body["workers"]
    assert (plain["id"], plain["state"]) == ("plain", "running")
    assert plain["capacity"] == {"cpu": 4.0, "memory": 8 * GIB}
    assert gpu["allocated"]["gpu"] == 1.0
    assert body["tasks"]["queued"] == 0
    assert body["last_decision"]["action"] == "maintain"
    assert body["bounds"]["min"] <= body["desired"] <= body["bounds"]["max"]


def test_a_resource_that_a_worker_lacks_is_absent_and_an_unknown_use_is_null(state: DRMState) -> None:
    """No GPU is no key, not a zero; what was not measured is null, not a zero."""
    state.advance(1_700_000_000.0)
    plain, gpu = strict(client_of(state).get("/api/v1/snapshot").text)["workers"]
    assert plain["used"] == {"cpu": 1.5, "memory": None}
    assert gpu["used"] == {"cpu": None, "memory": None, "gpu": None, "gpu_memory": None}


def test_before_the_first_tick_the_snapshot_is_empty_and_valid(state: DRMState) -> None:
    """No worker, no decision, and a time of null."""
    body = strict(client_of(state).get("/api/v1/snapshot").text)
    assert (body["version"], body["time"], body["ready"], body["workers"], body["last_decision"]) == (0, None, False, [], None)


def test_a_decision_carries_all_that_it_rested_on(state: DRMState) -> None:
    """Inputs, steps and blockers with their parts; unknown numbers are null."""
    decision = state.advance(1_700_000_000.0).last_decision
    body = strict(json.dumps(decision_json(decision), allow_nan=False))
    assert {"id", "action", "reason", "inputs", "steps", "blockers", "utilization", "timestamp"} <= set(body)
    assert {"name", "value", "unit", "threshold", "margin", "age_seconds"} == set(body["inputs"][0])
    assert body["utilization"]["memory"] is None


def test_ten_thousand_workers_are_answered_in_full() -> None:
    """All of them, in their order, within what a page can wait for."""
    manager = DynamicResourceManager()
    for number in range(10_000):
        manager.register_worker(f"w{number}", capacity=Resources(cpu=4, memory=GIB))
    snapshot = manager.advance(1_700_000_000.0)
    began = time.perf_counter()
    text = json.dumps(snapshot_json(snapshot), allow_nan=False)
    took = time.perf_counter() - began
    assert [worker["id"] for worker in json.loads(text)["workers"]] == [f"w{number}" for number in range(10_000)]
    assert took < 2.0


def test_healthz_needs_nothing_but_the_process(state: DRMState) -> None:
    """Up is up, before any tick."""
    answer = client_of(state).get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "up"})


def test_readyz_says_why_not(state: DRMState) -> None:
    """503 with the reason before the first tick; 200 after one; 503 again once it is older than three intervals."""
    client = client_of(state)
    before = client.get("/readyz")
    assert (before.status_code, before.json) == (503, {"ready": False, "reason": "no tick has run yet"})
    state.advance(time.time())
    after = client.get("/readyz")
    assert (after.status_code, after.json) == (200, {"ready": True, "reason": ""})
    last = state.health.ticked_monotonic
    assert why_not_ready(state, last + 3 * state.health.interval_seconds) == ""
    assert why_not_ready(state, last + 7.2) == "the last tick is 7.2 s old, more than 3 s"


def test_readyz_names_the_error_of_the_ticks(state: DRMState, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that cannot be observed is not ready, and the error is the reason."""

    def unreachable(now: float) -> None:
        raise OSError("the scheduler is gone")

    monkeypatch.setattr(state.manager.engine, "observe", unreachable)
    state.advance(1_700_000_000.0)
    assert math.isnan(state.health.last_tick_at)
    answer = client_of(state).get("/readyz")
    assert answer.status_code == 503
    assert "the scheduler is gone" in answer.json["reason"]


@pytest.mark.parametrize("prefix", ["", "/drm-dashboard"])
def test_everything_lies_under_the_prefix(state: DRMState, prefix: str) -> None:
    """A host keeps its own paths."""
    client = client_of(state, prefix)
    assert client.get(f"{prefix}/healthz").status_code == 200
    assert client.get(f"{prefix}/api/v1/snapshot").status_code == 200
    if prefix:
        assert client.get("/healthz").status_code == client.get("/api/v1/snapshot").status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/snapshot", "/healthz", "/readyz", "/api/v1/nothing"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_here_can_be_written(state: DRMState, path: str, method: str) -> None:
    """405 as JSON, with what is allowed."""
    answer = client_of(state).open(path, method=method)
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]
    assert method in strict(answer.text)["error"]


def test_an_unknown_path_of_the_api_is_said_in_json(state: DRMState) -> None:
    """404 with what there is."""
    answer = client_of(state).get("/api/v1/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "application/json")
    assert "/api/v1/snapshot" in answer.json["error"]
