"""What a declared route does: it keeps answers of one version, sends rows to who wants them, reads bodies strictly, and tells problems."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from drm import pool_api
from drm.calls import BODY_LIMIT
from drm.errors import CapacityError, DRMError, DuplicateIdError, HistoryError, InvalidValueError, QueueFull, UnknownIdError
from drm.http import create_blueprint
from drm.kept_answers import QUESTIONS_KEPT, KeptAnswers
from drm.openapi import document
from drm.parameters import NAME, Parameters, whole_number
from drm.problems import KINDS, OF_STATUS, ProblemError
from drm.routes import NDJSON, Call, Route, add_routes
from drm.state import DRMState
from tests.unit.page_pool import START, state_with_history
from tests.unit.past_pool import stepped_pool

PRESENT = ("snapshot", "decisions", "decisions/1", "explain", "budget", "costs", "recommendations")


@pytest.fixture(scope="module")
def state() -> DRMState:
    """Two minutes of two workers."""
    return state_with_history()


def client_of(state: DRMState) -> FlaskClient:
    """Of the API over a state."""
    app = Flask("host")
    app.register_blueprint(create_blueprint(state))
    return app.test_client()


# Answers of one version


@pytest.mark.parametrize("path", PRESENT)
def test_an_answer_of_the_present_is_sent_once(state: DRMState, path: str) -> None:
    """Its ETag brings 304 and no body, until the next tick; a tag of another run, and of another route's version, does not."""
    client = client_of(state)
    first = client.get(f"/api/v1/{path}")
    tag = first.headers["ETag"]
    assert first.status_code == 200 and first.headers["Cache-Control"] == "private, no-cache" and tag.startswith('W/"')
    for given in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = client.get(f"/api/v1/{path}", headers={"If-None-Match": given})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag), given
    for other in ('"other"', client_of(state).get(f"/api/v1/{path}").headers["ETag"], "", "W/"):
        assert client.get(f"/api/v1/{path}", headers={"If-None-Match": other}).status_code == 200, other
    state.advance(state.end() + 1)
    after = client.get(f"/api/v1/{path}", headers={"If-None-Match": tag})
    assert after.status_code == 200 and after.headers["ETag"] != tag


def test_what_a_user_changes_between_two_ticks_is_a_new_version() -> None:
    """Bounds that a person sets are a decision at once, and whoever holds the list of before hears of it."""
    state = state_with_history()
    client = client_of(state)
    before = client.get("/api/v1/decisions")
    state.manager.set_bounds(1, 3)
    after = client.get("/api/v1/decisions", headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200 and after.json["decisions"][0]["actor"] == "user"


def test_a_moment_of_the_past_has_no_tag(state: DRMState) -> None:
    """What is known of it may still grow, and is nobody's present."""
    answer = client_of(state).get(f"/api/v1/snapshot?at={START + 5}", headers={"If-None-Match": "*"})
    assert answer.status_code == 200 and "ETag" not in answer.headers and answer.headers["Cache-Control"] == "no-store"


def test_readers_who_come_at_once_share_one_encoding(state: DRMState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight at the same time, and then one more: the snapshot is put together once; after the next tick once again."""
    made: list[int] = []
    real = pool_api.snapshot_json
    monkeypatch.setattr(pool_api, "snapshot_json", lambda *given: made.append(1) or real(*given))
    app = Flask("host")
    app.register_blueprint(create_blueprint(state))
    gate, bodies = threading.Barrier(8), []

    def read() -> None:
        gate.wait(20)
        bodies.append(app.test_client().get("/api/v1/snapshot").data)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(bodies) == 8 and len(set(bodies)) == 1 and made == [1]
    assert app.test_client().get("/api/v1/snapshot").data == bodies[0] and made == [1]
    state.advance(state.end() + 1)
    assert app.test_client().get("/api/v1/snapshot").data != bodies[0] and made == [1, 1]


def test_answers_are_kept_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest questions, and the newest bytes; one that fails leaves nothing behind."""
    kept = KeptAnswers()

    def never() -> bytes:
        raise AssertionError("it is kept")

    for question in range(100):
        kept.body("1", question, lambda: b"x")
    assert kept.body("1", 99, never) == kept.body("1", 100 - QUESTIONS_KEPT, never) == b"x"
    with pytest.raises(AssertionError):
        kept.body("1", 0, never)
    assert kept.body("1", 0, lambda: b"y") == b"y"
    monkeypatch.setattr("drm.kept_answers.BYTES_KEPT", 10)
    kept.body("2", "large", lambda: b"z" * 11)
    assert kept.body("2", "large", never) == b"z" * 11 and kept.body("2", 99, lambda: b"made anew") == b"made anew"


# Rows


def test_decisions_come_as_rows_to_who_wants_them() -> None:
    """The same ones as in pages of JSON, one a line, newest first, at most as many as were asked for; of a moment as well."""
    state, seen = stepped_pool(120)
    client = client_of(state)
    pages = client.get("/api/v1/decisions?limit=1000").json["decisions"]
    assert len(pages) > 20
    answer = client.get("/api/v1/decisions?limit=100000", headers={"Accept": NDJSON})
    assert (answer.status_code, answer.mimetype, answer.headers["Vary"]) == (200, NDJSON, "Accept")
    assert [json.loads(line) for line in answer.text.splitlines()] == pages and answer.text.endswith("}\n")
    few = client.get("/api/v1/decisions?limit=7&action=maintain", headers={"Accept": f"{NDJSON}, application/json;q=0.5"})
    assert [json.loads(line) for line in few.text.splitlines()] == [one for one in pages if one["action"] == "maintain"][:7]
    then = client.get(f"/api/v1/decisions?at={seen[60].snapshot.time}", headers={"Accept": NDJSON})
    assert len(then.text.splitlines()) == len(seen[60].decisions) < len(pages)
    assert client.get("/api/v1/decisions?worker=nobody", headers={"Accept": NDJSON}).text == ""
    for accept in ("application/json", "*/*", "", f"application/json, {NDJSON};q=0.9"):
        assert client.get("/api/v1/decisions", headers={"Accept": accept}).mimetype == "application/json"
    refused = client.get("/api/v1/decisions?limit=1001")
    assert refused.status_code == 400 and "up to 100000" in refused.json["detail"] and NDJSON in refused.json["detail"]
    assert client.get("/api/v1/decisions?limit=100001", headers={"Accept": NDJSON}).status_code == 400


def test_rows_are_made_as_they_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first part goes out when a few of a thousand have been told; whoever leaves then costs no more."""
    state = stepped_pool(3)[0]
    told: list[int] = []
    decision = state.ledger.get(1)
    monkeypatch.setattr(pool_api, "decision_rows", lambda *_: (told.append(1) or pool_api.decision_json(decision) for _ in range(1000)))
    answer = client_of(state).get("/api/v1/decisions", headers={"Accept": NDJSON})
    part = next(iter(answer.iter_encoded()))
    assert 0 < len(told) < 500 and part.count(b"\n") == len(told)
    answer.close()
    assert len(told) < 500


def test_the_rows_of_an_export_come_a_line_each(state: DRMState) -> None:
    """To who accepts them, or asks for the format; the same rows as in JSON."""
    client = client_of(state)
    asked = "/api/v1/export?tab=scaling&table=series&columns=50"
    rows = client.get(f"{asked}&format=json", buffered=True).json
    for answer in (client.get(asked, headers={"Accept": NDJSON}, buffered=True), client.get(f"{asked}&format=ndjson", buffered=True)):
        assert answer.mimetype == NDJSON and [json.loads(line) for line in answer.text.splitlines()] == rows and len(rows) > 10
    assert client.get(f"{asked}&format=csv", headers={"Accept": NDJSON}, buffered=True).mimetype == "text/csv"


# A route with a body


class Reported(BaseModel):
    """What a test sends."""

    model_config = ConfigDict(extra="forbid")
    used: dict[str, float]
    note: str = Field("", max_length=5)


class ReportParameters(Parameters):
    """Of whom."""

    worker_id: str = Field(description="Its id.")
    mode: str = "quiet"


class Taken(TypedDict):
    """What a test is answered."""

    worker: str
    used: dict[str, float]


def posting(respond: Callable[[Call[Any, Any]], Any]) -> tuple[FlaskClient, Route[Any, Any]]:
    """A client of one route that takes a body."""
    route: Route[Any, Any] = Route(
        "/api/v1/workers/{+worker_id}/report",
        "A worker's heartbeat",
        respond,
        method="POST",
        query=ReportParameters,
        body=Reported,
        answer=Taken,
        status=202,
        problems=("unknown-id",),
    )
    app, blueprint = Flask("host"), Blueprint("api", __name__)
    add_routes(blueprint, [route])
    app.register_blueprint(blueprint)
    return app.test_client(), route


def test_a_route_that_takes_a_body_is_a_few_lines() -> None:
    """Parameters of the path, slashes and all, and the body come as models; the document says both."""
    client, route = posting(lambda call: {"worker": call.query.worker_id, "used": call.body.used})
    answer = client.post("/api/v1/workers/tcp://10.0.0.1:80/report", json={"used": {"cpu": 1.5}})
    assert (answer.status_code, answer.json) == (202, {"worker": "tcp://10.0.0.1:80", "used": {"cpu": 1.5}})
    told = document([route], "/")
    validate(told)
    operation = told["paths"]["/api/v1/workers/{worker_id}/report"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Reported"}
    assert [(one["name"], one["in"], one["required"]) for one in operation["parameters"]] == [
        ("worker_id", "path", True),
        ("mode", "query", False),
    ]
    assert {"202", "400", "401", "403", "404", "413", "415"} <= set(operation["responses"])


@pytest.mark.parametrize(
    ("sent", "kind", "words"),
    [
        ({"data": "used=1", "content_type": "application/x-www-form-urlencoded"}, "unsupported-media-type", "application/json"),
        ({"data": "{}", "content_type": ""}, "unsupported-media-type", "no content type"),
        ({"data": "{", "content_type": "application/json"}, "invalid-body", "no JSON"),
        ({"data": b"\xff", "content_type": "application/json"}, "invalid-body", "no JSON"),
        ({"data": '{"used": {"cpu": NaN}}', "content_type": "application/json"}, "invalid-body", "NaN is no number"),
        ({"data": '{"used": {"cpu": 1e999}}', "content_type": "application/json"}, "invalid-body", "1e999 is no number"),
        ({"data": '{"used": {"cpu": ' + "1" * 5000 + "}}", "content_type": "application/json"}, "invalid-body", "is no number"),
        ({"data": "[" * 5000, "content_type": "application/json"}, "invalid-body", "no JSON"),
        ({"data": "[" * 60 + "]" * 60, "content_type": "application/json"}, "invalid-body", "levels deep"),
        ({"json": []}, "invalid-body", "the body"),
        ({"json": {}}, "invalid-body", "used is missing; there is used, note"),
        ({"json": {"used": {}, "colour": 1}}, "invalid-body", "there is no 'colour' here; there is used, note"),
        ({"json": {"used": {"cpu": "lots"}}}, "invalid-body", "used.cpu"),
        ({"json": {"used": {}, "note": "too long"}}, "invalid-body", "'too long'"),
        ({"json": {"used": {}}, "headers": {"Origin": "https://evil.example"}}, "other-origin", "another origin"),
        ({"json": {"used": {}}, "query_string": "mood=1"}, "unknown-parameter", "there is mode"),
        ({"json": {"used": {}}, "query_string": "worker_id=1"}, "unknown-parameter", "'worker_id'"),
        ({"data": b"x" * (BODY_LIMIT + 1), "content_type": "application/json"}, "body-too-large", str(BODY_LIMIT)),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_that_is_none_of_the_routes_is_refused_in_words(sent: dict[str, Any], kind: str, words: str) -> None:
    """Before anything is done, as a problem of its kind."""
    client, _ = posting(lambda _: pytest.fail("it was done"))
    answer = client.post("/api/v1/workers/w1/report", **sent)
    assert (answer.mimetype, answer.json["type"]) == ("application/problem+json", f"urn:drm:problem:{kind}")
    assert answer.json["status"] == answer.status_code == KINDS[kind].status and words in answer.json["detail"]


def test_a_body_of_no_stated_length_is_refused() -> None:
    """There would be no limit to hold."""
    client, _ = posting(lambda _: pytest.fail("it was done"))
    chunked = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    answer = client.post("/api/v1/workers/w1/report", headers=chunked, environ_overrides={"wsgi.input_terminated": True})
    assert answer.status_code == 400 and "Content-Length" in answer.json["detail"]


# Problems


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidValueError("cpu must not be negative, got -1"), "invalid-body"),
        (UnknownIdError("no worker 'x'"), "unknown-id"),
        (DuplicateIdError("'x' is taken"), "conflict"),
        (CapacityError("nothing fits now"), "conflict"),
        (QueueFull("10 tasks wait"), "busy"),
        (HistoryError("it is gone"), "history-unavailable"),
        (ProblemError("forbidden", "not you"), "forbidden"),
        (DRMError("who knows"), "unavailable"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_a_problem_of_its_kind(error: DRMError, kind: str) -> None:
    """With its sentence, the path, and, where waiting helps, for how long."""

    def fail(_: Any) -> None:
        raise error

    answer = posting(fail)[0].post("/api/v1/workers/w 1/report", json={"used": {}}, environ_overrides={"SCRIPT_NAME": "/behind"})
    assert answer.mimetype == "application/problem+json" and answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {
        "type": f"urn:drm:problem:{kind}",
        "title": KINDS[kind].title,
        "status": KINDS[kind].status,
        "detail": str(error),
        "instance": "/behind/api/v1/workers/w%201/report",
    }
    assert answer.headers.get("Retry-After") == (str(KINDS[kind].retry_after_seconds) if KINDS[kind].retry_after_seconds else None)


def test_a_defect_is_told_to_the_log_and_not_to_who_asks(caplog: pytest.LogCaptureFixture) -> None:
    """500 without the program's insides."""

    def fail(_: Any) -> None:
        raise RuntimeError("the secret is 1234")

    with caplog.at_level(logging.ERROR):
        answer = posting(fail)[0].post("/api/v1/workers/w1/report", json={"used": {}})
    assert (answer.status_code, answer.json["type"]) == (500, "urn:drm:problem:internal-error") and "1234" not in answer.text
    assert [record.exc_info for record in caplog.records] and "1234" in caplog.text


def test_what_is_answered_must_be_strict_json(caplog: pytest.LogCaptureFixture) -> None:
    """A NaN that a route forgot is a defect, not an answer that half of all readers cannot read."""
    answer = posting(lambda _: {"worker": "w1", "used": {"cpu": float("nan")}})[0].post("/api/v1/workers/w1/report", json={"used": {}})
    assert answer.status_code == 500 and "NaN" not in answer.text


def test_every_status_that_is_told_by_itself_has_a_kind() -> None:
    """And the kinds have statuses of errors, names that can stand in an address, and titles of their own."""
    assert all(KINDS[name].status == status for status, name in OF_STATUS.items())
    assert all(400 <= kind.status < 600 and name.replace("-", "").isalpha() and name == name.lower() for name, kind in KINDS.items())
    assert len({kind.title for kind in KINDS.values()}) == len(KINDS)


def test_a_text_of_any_kind_can_be_a_name(state: DRMState) -> None:
    """What is not known is not found; nothing else happens."""
    for text in ("", "a/b", "%00", "☃", "'; DROP TABLE decisions; --", "x" * 5000):
        answer = client_of(state).get("/api/v1/costs", query_string={"worker": text})
        assert (answer.status_code, answer.json["type"]) == (404, "urn:drm:problem:unknown-id") and len(answer.text) < 4000


def test_a_parameter_that_is_needed_is_asked_for_by_its_rule() -> None:
    """Not by a word of the library that reads it."""

    class Asked(Parameters):
        size: Annotated[int, whole_number(1, 9)]
        name: Annotated[str, NAME] = "x"

    assert Asked.of([("size", "3")]).size == 3
    with pytest.raises(InvalidValueError, match="size must be a whole number from 1 to 9, got ''"):
        Asked.of([("name", "y")])
