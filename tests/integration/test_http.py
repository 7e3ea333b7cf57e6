"""The API over a real manager, over the wire, both ways: what it answers, as strict JSON, and how it says what is wrong."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from drm.http import create_blueprint, why_not_ready
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.pool_api import decision_json, snapshot_json
from drm.state import DRMState
from tests.integration.conftest import Wire
from tests.unit.past_pool import START as POOL_START
from tests.unit.past_pool import stepped_pool

GIB = 2.0**30
ClientOf = Callable[..., Any]


@pytest.fixture
def state() -> DRMState:
    """An external pool of a measured worker without a GPU, and an unmeasured one with two."""
    manager = DynamicResourceManager()
    manager.register_worker("plain", capacity=Resources(cpu=4, memory=8 * GIB))
    manager.register_worker("<b>gpu</b>", capacity=Resources(cpu=8, memory=16 * GIB, gpu=2, gpu_memory=32 * GIB))
    manager.report("plain", used={"cpu": 1.5})
    manager.reserve_resources(Resources(gpu=1))
    return DRMState(manager)


@pytest.fixture
def client_of(wire: Callable[[Flask], Wire]) -> Callable[..., Any]:
    """A client of the API over a state, on a server of its own."""

    def client(state: DRMState, prefix: str = "") -> Any:
        app = Flask(__name__)
        app.register_blueprint(create_blueprint(state, prefix))
        return wire(app).test_client()

    return client


def strict(text: str) -> Any:
    """The value of a JSON text without NaN and Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_snapshot_says_what_the_pool_holds(state: DRMState, client_of: ClientOf) -> None:
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


def test_a_resource_that_a_worker_lacks_is_absent_and_an_unknown_use_is_null(state: DRMState, client_of: ClientOf) -> None:
    """No GPU is no key, not a zero; what was not measured is null, not a zero."""
    state.advance(1_700_000_000.0)
    plain, gpu = strict(client_of(state).get("/api/v1/snapshot").text)["workers"]
    assert plain["used"] == {"cpu": 1.5, "memory": None}
    assert gpu["used"] == {"cpu": None, "memory": None, "gpu": None, "gpu_memory": None}


def test_before_the_first_tick_the_snapshot_is_empty_and_valid(state: DRMState, client_of: ClientOf) -> None:
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


def test_healthz_needs_nothing_but_the_process(state: DRMState, client_of: ClientOf) -> None:
    """Up is up, before any tick."""
    answer = client_of(state).get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "up"})


def test_readyz_says_why_not(state: DRMState, client_of: ClientOf) -> None:
    """503 with the reason before the first tick; 200 after one; 503 again once it is older than three intervals."""
    client = client_of(state)
    before = client.get("/readyz")
    assert before.status_code == 503 and (before.json["ready"], before.json["reason"]) == (False, "no tick has run yet")
    assert (before.mimetype, before.json["type"]) == ("application/problem+json", "urn:drm:problem:not-ready")
    state.advance(time.time())
    after = client.get("/readyz")
    assert (after.status_code, after.json) == (200, {"ready": True, "reason": ""})
    last = state.health.ticked_monotonic
    assert why_not_ready(state, last + 3 * state.health.interval_seconds) == ""
    assert why_not_ready(state, last + 7.2) == "the last tick is 7.2 s old, more than 3 s"


def test_readyz_names_the_error_of_the_ticks(state: DRMState, monkeypatch: pytest.MonkeyPatch, client_of: ClientOf) -> None:
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
def test_everything_lies_under_the_prefix(state: DRMState, prefix: str, client_of: ClientOf) -> None:
    """A host keeps its own paths."""
    client = client_of(state, prefix)
    assert client.get(f"{prefix}/healthz").status_code == 200
    assert client.get(f"{prefix}/api/v1/snapshot").status_code == 200
    if prefix:
        assert client.get("/healthz").status_code == client.get("/api/v1/snapshot").status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/snapshot", "/api/v1/decisions/1", "/healthz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_here_can_be_written(state: DRMState, path: str, method: str, client_of: ClientOf) -> None:
    """405 as a problem, with what is allowed."""
    answer = client_of(state).open(path, method=method)
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]
    assert method in strict(answer.text)["detail"]


def test_an_unknown_path_of_the_api_is_said_in_json(state: DRMState, client_of: ClientOf) -> None:
    """404 with what there is."""
    answer = client_of(state).get("/api/v1/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert "/api/v1/snapshot" in answer.json["detail"]


@pytest.fixture
def full_queue() -> DRMState:
    """A pool without a launcher, ten tasks too many, and decisions of five seconds."""
    manager = DynamicResourceManager(now=0.0)
    manager.register_worker("one", capacity=Resources(cpu=4, memory=GIB))
    state = DRMState(manager)
    state.advance(1_700_000_000.0)
    for second in range(1, 6):
        manager.submit(resources=Resources(cpu=4), name=f"task {second}")
        manager.submit(resources=Resources(cpu=4), name=f"task {second}")
        state.advance(1_700_000_000.0 + second)
    return state


def test_decisions_are_paged_newest_first(full_queue: DRMState, client_of: ClientOf) -> None:
    """`next` leads from page to page, each decision stands once, and the last page has no next."""
    client, ids, before = client_of(full_queue), [], ""
    while True:
        body = strict(client.get(f"/api/v1/decisions?limit=2{before}").text)
        ids += [one["id"] for one in body["decisions"]]
        if body["next"] is None:
            break
        before = f"&before={body['next']}"
    assert ids == sorted(ids, reverse=True) and ids == full_queue.ledger.ids(Query()) and len(ids) > 3


def test_decisions_are_filtered_by_each_field(full_queue: DRMState, client_of: ClientOf) -> None:
    """By words, one or several, by time and by worker."""
    client = client_of(full_queue)

    def codes(query: str) -> set[str]:
        return {one["code"] for one in strict(client.get(f"/api/v1/decisions?{query}").text)["decisions"]}

    assert codes("") == {"idle_grace", "no_launcher"} == codes("kind=blocked") == codes("kind=blocked,up") == codes("actor=policy")
    assert codes("action=scale_up") == codes("kind=maintained") == codes("worker=nobody") == codes("outcome=failed") == set()
    assert codes("action=maintain&code=no_launcher") == {"no_launcher"} and codes("until=1700000000.5") == {"idle_grace"}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit.*0"),
        ("limit=lots", "limit.*'lots'"),
        ("limit=99999999999999999999", "limit"),
        ("before=-1", "before.*'-1'"),
        ("since=nan", "since.*'nan'"),
        ("since=5&until=4", "since to until"),
        ("action=grow", "action.*'grow'"),
        ("colour=red", "'colour'.*limit"),
    ],
)
def test_a_wrong_query_is_400_with_its_name(full_queue: DRMState, query: str, named: str, client_of: ClientOf) -> None:
    """The value, the rule, and what would be right."""
    answer = client_of(full_queue).get(f"/api/v1/decisions?{query}")
    assert answer.status_code == 400 and re.search(named, strict(answer.text)["detail"])


def test_one_decision_by_its_id(full_queue: DRMState, client_of: ClientOf) -> None:
    """Whole; 404 for an unknown id, 400 for what is none."""
    client = client_of(full_queue)
    newest = full_queue.ledger.ids(Query())[0]
    body = strict(client.get(f"/api/v1/decisions/{newest}").text)
    assert body["id"] == newest and body["steps"] and body["inputs"] and body["evaluations"] >= 1
    assert client.get("/api/v1/decisions/999").status_code == 404 and "are kept" in client.get("/api/v1/decisions/999").json["detail"]
    assert client.get("/api/v1/decisions/x").status_code == 400


def test_explain_answers_for_the_present(full_queue: DRMState, client_of: ClientOf) -> None:
    """Not kept, with the blocker and what would flip it; worked out once per tick."""
    body = strict(client_of(full_queue).get("/api/v1/explain").text)
    assert (body["id"], body["action"], body["kind"]) == (0, "maintain", "blocked")
    assert [one["code"] for one in body["blockers"]] == ["no_launcher"] and body["blockers"][0]["flip_if"] == "a launcher is given"
    assert full_queue.explain_now() is full_queue.explain_now()
    before = full_queue.explain_now()
    full_queue.advance(1_700_000_010.0)
    assert full_queue.explain_now() is not before


def test_a_moment_of_the_past_is_asked_for_by_at(client_of: ClientOf) -> None:
    """Snapshot, decisions and explanation as they were, with what is not known in words; a number that is unknown is null."""
    state, seen = stepped_pool(60)
    client = client_of(state)
    then = seen[30].snapshot
    told = strict(client.get(f"/api/v1/snapshot?at={then.time}").text)
    assert (told["time"], told["current"], told["tasks"]["running"]) == (then.time, then.current, then.tasks.running)
    assert told["tasks"]["done"] is None and told["unknown"] == list(state.at(then.time).unknown) and told["unknown"]
    assert strict(client.get("/api/v1/snapshot").text)["unknown"] == []
    decisions = strict(client.get(f"/api/v1/decisions?at={then.time}&limit=1000").text)["decisions"]
    assert [one["id"] for one in decisions] == [one.id for one in seen[30].decisions]
    assert strict(client.get(f"/api/v1/explain?at={then.time}").text) == told["last_decision"]
    later = seen[-1].decisions[0]
    assert later.timestamp > then.time
    refused = client.get(f"/api/v1/decisions/{later.id}?at={then.time}")
    assert refused.status_code == 404 and "made after this moment" in refused.json["detail"]
    nothing = client.get(f"/api/v1/explain?at={POOL_START - 1}")
    assert nothing.status_code == 404 and "what is kept begins at" in nothing.json["detail"]
    assert client.get(f"/api/v1/snapshot?at={POOL_START - 1}").json["workers"] == []


@pytest.mark.parametrize("path", ["snapshot", "decisions", "decisions/1", "explain"])
@pytest.mark.parametrize(
    ("at", "rule"),
    [
        ("yesterday", "epoch seconds"),
        ("nan", "epoch seconds"),
        ("", "epoch seconds"),
        ("-1", "0 or more"),
        ("1e12", "future"),
        ("1e300", "future"),
    ],
)
def test_a_moment_that_cannot_be_is_refused_with_its_rule(state: DRMState, client_of: ClientOf, path: str, at: str, rule: str) -> None:
    """400 with the value and the rule, whatever is asked for."""
    state.advance(1_700_000_000.0)
    refused = client_of(state).get(f"/api/v1/{path}?at={at}")
    assert refused.status_code == 400 and rule in refused.json["detail"]
