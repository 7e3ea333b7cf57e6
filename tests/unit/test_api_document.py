"""The OpenAPI document is the API: valid, whole, and what routes answer and take is what it says, on pools of every kind."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.history.store import HistoryStore
from drm.http import OPENAPI_PATH, all_routes, create_blueprint
from drm.manager import DynamicResourceManager
from drm.state import DRMState
from tests.unit.page_pool import state_with_history

START, STEP = 1_800_000_000.0, 5.0
QUESTIONS = (
    "snapshot",
    "decisions",
    "explain",
    "budget",
    "costs",
    "costs?by=provider,region,type,market&range=1h",
    "costs?worker={worker}",
    "recommendations",
    "recommendations?types=m5.large&region=us-east-1&range=1h",
    "history",
)


@pytest.fixture(scope="module", params=["external", "simulated", "unticked"])
def pool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DRMState]:
    """One that reports itself, a simulated one with a history, and one before its first tick."""
    if request.param != "simulated":
        yield state_with_history() if request.param == "external" else DRMState(DynamicResourceManager(now=0.0))
        return
    store = HistoryStore(tmp_path_factory.mktemp("history"))
    manager = DynamicResourceManager(
        SimulatedEngine(40, 3), "queue,target_seconds=30", Bounds(2, 40), interval_seconds=STEP, now=START, store=store, budget=100.0
    )
    state = DRMState(manager)
    for tick in range(120):
        state.advance(START + tick * STEP)
    assert store.flush(30)
    yield state
    manager.close()
    store.close()


def client_of(state: DRMState, prefix: str = "") -> FlaskClient:
    """Of a Flask application with the API of a state in it."""
    app = Flask("host")
    app.register_blueprint(create_blueprint(state, prefix))
    return app.test_client()


def closed(told: Any) -> Any:
    """The same schemas, which allow no member that they do not name."""
    if isinstance(told, dict):
        strict = {name: closed(one) for name, one in told.items()}
        if isinstance(told.get("properties"), dict) and "type" in told:
            strict.setdefault("additionalProperties", False)
        return strict
    return [closed(one) for one in told] if isinstance(told, list) else told


class Judge:
    """Holds answers against schemas of a document, each of which is put together once."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = closed(document)
        self._validators: dict[str, Any] = {}

    def complaints(self, path: str, answer: Any, told: Any) -> list[str]:
        """What the document says against an answer to GET on a path of it."""
        content = self._document["paths"][path]["get"]["responses"][str(answer.status_code)]["content"]
        schema = content[answer.mimetype]["schema"]
        key = json.dumps(schema)
        if key not in self._validators:
            whole = {**schema, "components": self._document["components"]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        return [f"{error.instance_path}: {error.message[:300]}" for error in self._validators[key].iter_errors(told)]


@pytest.mark.parametrize("prefix", ["", "/drm-dashboard"])
def test_the_document_is_valid_and_names_every_route(prefix: str) -> None:
    """OpenAPI 3.1, below the prefix and below what stands before it; each rule of the blueprint is in it, and no other path."""
    app = Flask("host")
    app.register_blueprint(create_blueprint(DRMState(DynamicResourceManager(now=0.0)), prefix))
    document = app.test_client().get(prefix + OPENAPI_PATH, environ_overrides={"SCRIPT_NAME": "/behind/a proxy"}).json
    assert document is not None and document["openapi"].startswith("3.1")
    validate(document)
    assert document["servers"] == [{"url": f"/behind/a%20proxy{prefix}"}]
    rules = {
        rule.rule.removeprefix(prefix).replace("<path:", "{").replace("<", "{").replace(">", "}")
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.endswith("nothing_there") and rule.endpoint != "static"
    }
    assert rules == set(document["paths"])
    assert app.test_client().get(prefix + OPENAPI_PATH).json["servers"] == [{"url": prefix or "/"}]


def test_what_is_answered_is_what_the_document_says(pool: DRMState) -> None:
    """Each JSON answer of the present and of a moment that has passed has the members of its schema, and no others."""
    client = client_of(pool)
    judge = Judge(client.get(OPENAPI_PATH).json)
    ids = pool.snapshot.worker_ids
    moments = [""] if math.isnan(pool.snapshot.time) else ["", f"at={pool.end() - 60}", f"at={pool.end() - 10}", "at=0"]
    decided = [one["id"] for one in client.get("/api/v1/decisions?limit=1000").json["decisions"]]
    questions = [*QUESTIONS, *(f"decisions/{one}" for one in decided[:: max(1, len(decided) // 20)])]
    answered: dict[int, int] = {}
    for question in questions:
        for moment in moments:
            if moment and question == "history":
                continue
            path = question.replace("{worker}", ids[0] if ids else "nobody")
            url = f"/api/v1/{path}{('&' if '?' in path else '?') + moment if moment else ''}"
            answer = client.get(url)
            name = f"/api/v1/{path.partition('?')[0]}" if "decisions/" not in path else "/api/v1/decisions/{decision_id}"
            assert not judge.complaints(name, answer, json.loads(answer.text, parse_constant=_refuse)), url
            answered[answer.status_code] = answered.get(answer.status_code, 0) + 1
    assert set(answered) <= {200, 404} and answered[200] >= (5 if math.isnan(pool.snapshot.time) else 20)


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def test_the_schemas_notice_what_is_wrong() -> None:
    """A member that is missing, of another type, or that nobody named; so the test before this one can fail."""
    client = client_of(state_with_history())
    judge, answer = Judge(client.get(OPENAPI_PATH).json), client.get("/api/v1/snapshot")
    true = answer.json
    assert not judge.complaints("/api/v1/snapshot", answer, true)
    for harmed in (
        {name: one for name, one in true.items() if name != "time"},
        {**true, "version": "1"},
        {**true, "colour": "red"},
        {**true, "last_decision": {**true["last_decision"], "action": "grow"}},
        {**true, "workers": [{**true["workers"][0], "state": "asleep"}]},
    ):
        assert judge.complaints("/api/v1/snapshot", answer, harmed)


def operations(client: FlaskClient) -> list[tuple[str, dict[str, Any]]]:
    """(path with its parameters filled in, operation) of all that is read."""
    paths = client.get(OPENAPI_PATH).json["paths"]
    return [(path.replace("{decision_id}", "1"), item["get"]) for path, item in paths.items() if "get" in item]


def test_a_parameter_that_is_left_out_is_the_default_of_the_document(pool: DRMState) -> None:
    """Whoever writes out all defaults has the same answer, to the byte."""
    client, told = client_of(pool), 0
    for path, operation in operations(client):
        defaults = {one["name"]: one["schema"]["default"] for one in operation["parameters"] if "default" in one["schema"]}
        needed = {"tab": "cloud"} if path.endswith("export") else {}
        if defaults:
            told += len(defaults)
            plain = client.get(path, query_string=needed, buffered=True)
            written = client.get(path, query_string={**needed, **defaults}, buffered=True)
            assert written.data == plain.data and plain.status_code < 500, path
    assert told >= 6


def test_what_no_parameter_is_is_refused_with_those_that_there_are(pool: DRMState) -> None:
    """An unknown name, and a known one twice; only who watches the program may add what they like."""
    client = client_of(pool)
    for path, operation in operations(client):
        names = [one["name"] for one in operation["parameters"] if one["in"] == "query"]
        unknown = client.get(f"{path}?colour=red")
        if path in ("/healthz", "/readyz", "/metrics"):
            assert unknown.status_code == client.get(path).status_code and unknown.mimetype == client.get(path).mimetype
            continue
        assert (unknown.status_code, unknown.mimetype) == (400, "application/problem+json"), path
        assert unknown.json["type"] == "urn:drm:problem:unknown-parameter"
        assert "there is no parameter 'colour'" in unknown.json["detail"] and all(name in unknown.json["detail"] for name in names)
        for name in names:
            twice = client.get(f"{path}?{name}=1&{name}=1")
            assert (twice.status_code, twice.json["type"]) == (400, "urn:drm:problem:repeated-parameter"), (path, name)


def test_a_value_that_breaks_its_rule_is_named_with_it(pool: DRMState) -> None:
    """Of every parameter that has a rule, over all routes: its name and the value stand in the sentence."""
    client, told = client_of(pool), 0
    for path, operation in operations(client):
        for one in operation["parameters"]:
            has_rule = one["schema"].get("type") != "string" or "enum" in one["schema"] or "pattern" in one["schema"]
            if one["in"] == "query" and has_rule:
                answer = client.get(path, query_string={**({"tab": "cloud"} if path.endswith("export") else {}), one["name"]: "b<a>d"})
                told += 1
                assert (answer.status_code, answer.json["type"]) == (400, "urn:drm:problem:invalid-parameter"), (path, one["name"])
                assert answer.json["detail"].startswith(f"{one['name']} must be") and "'b<a>d'" in answer.json["detail"]
                assert answer.json["instance"] == path
    assert told >= 20


def test_the_declaration_of_a_route_is_all_there_is() -> None:
    """No route of the API is made without one: what Flask answers to and what is declared are the same."""
    state = DRMState(DynamicResourceManager(now=0.0))
    assert len({(route.method, route.path) for route in all_routes(state)}) == len(all_routes(state))
    document = client_of(state).get(OPENAPI_PATH).json
    names = [item[method]["operationId"] for item in document["paths"].values() for method in item]
    assert len(names) == len(set(names)) == len(all_routes(state))
