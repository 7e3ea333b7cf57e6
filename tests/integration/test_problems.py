"""Whatever refuses a request of ours says so as a problem (RFC 9457), polled and pushed; a host's own answers stay its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from drm.asgi import READ_LIMIT
from drm.dashboard import mount
from drm.problems import KINDS, PROBLEM_TYPE
from drm.server import create_standalone
from drm.trust import WRONG_TOKENS_PER_MINUTE
from tests.integration.conftest import Wire
from tests.integration.test_trust import BEARER, BROWSER, CALLBACK, PREFIX, TOKEN, some_state

Put = Callable[[Flask], Wire]


@pytest.fixture(scope="module")
def open_app(wire: Put) -> Wire:
    """A server of ours without a token."""
    return wire(_standalone())


@pytest.fixture(scope="module")
def locked_app(wire: Put) -> Wire:
    """One with a token."""
    return wire(_standalone(TOKEN))


@pytest.fixture(scope="module")
def host_app(wire: Put) -> Wire:
    """A server of somebody else, in which ours is mounted."""
    app = Flask("host")
    app.add_url_rule("/theirs", "theirs", lambda: "theirs")
    app.register_error_handler(404, lambda _: ("their own 404", 404))
    app.register_error_handler(500, lambda _: ("their own 500", 500))
    app.add_url_rule("/broken", "broken", lambda: 1 / 0)
    mount(app, some_state(), PREFIX)
    return wire(app)


def _standalone(token: str | None = None) -> Flask:
    app = create_standalone("127.0.0.1", PREFIX, token=token)
    mount(app, some_state(), PREFIX, api_prefix="")
    return app


def check(answer: Any, kind: str, words: str = "") -> None:
    """That it is a problem of the kind, whole, whose detail has these words."""
    assert answer.mimetype == PROBLEM_TYPE, (answer.status_code, answer.mimetype, answer.text[:200])
    told = answer.json
    assert set(told) >= {"type", "title", "status", "detail", "instance"} and words in told["detail"], told
    assert (told["type"], told["title"]) == (f"urn:drm:problem:{kind}", KINDS[kind].title)
    assert told["status"] == answer.status_code == KINDS[kind].status


REFUSED = [
    ("GET", "/api/v1/nothing", {}, "unknown-path", "/api/v1/snapshot"),
    ("GET", "/api/", {}, "unknown-path", "/api/v1/snapshot"),
    ("GET", "/api", {}, "unknown-path", ""),
    ("GET", "/unknown", {}, "unknown-path", ""),
    ("GET", "/api/v1/decisions/99999", {}, "unknown-id", "99999"),
    ("GET", "/api/v1/decisions/x", {}, "invalid-parameter", "'x'"),
    ("GET", "/api/v1/history", {}, "nothing-kept", "--no-history"),
    ("POST", "/api/v1/snapshot", {}, "method-not-allowed", "there is GET"),
    ("TRACE", "/api/v1/snapshot", {}, "method-not-allowed", ""),
    ("PURGE", "/api/v1/snapshot", {}, "method-not-allowed", ""),
    ("DELETE", "/metrics", {}, "method-not-allowed", "there is GET"),
    ("GET", "/api/v1/snapshot", {"Host": "evil.example"}, "wrong-host", "--trusted-hosts"),
    ("POST", "/api/v1/snapshot", {"Origin": "http://evil.example"}, "other-origin", "another origin"),
    ("GET", "/api/v1/backup", {"Sec-Fetch-Site": "cross-site"}, "other-origin", "another site"),
    ("POST", CALLBACK, {"Content-Type": "text/plain"}, "unsupported-media-type", "application/json"),
    ("POST", CALLBACK, {"Content-Type": "application/json"}, "invalid-body", ""),
]


@pytest.mark.parametrize(("method", "path", "headers", "kind", "words"), REFUSED, ids=[f"{one[0]} {one[1]} {one[3]}" for one in REFUSED])
def test_a_server_of_ours_refuses_with_a_problem(
    open_app: Wire, method: str, path: str, headers: dict[str, str], kind: str, words: str
) -> None:
    """Routes, guards, and what neither of them saw."""
    answer = open_app.test_client().open(path, method=method, headers=headers)
    check(answer, kind, words)
    assert answer.json["instance"] == path and (kind != "method-not-allowed" or "GET" in answer.headers["Allow"])


def test_a_body_that_is_too_large_is_a_problem(open_app: Wire) -> None:
    """Of a call of a callback."""
    check(open_app.test_client().post(CALLBACK, data=b"x" * 1_100_000, content_type="application/json"), "body-too-large", "1100000")


def test_a_stranger_is_told_with_a_problem(locked_app: Wire) -> None:
    """Without a token, with a wrong one, and after many wrong ones; and the token opens."""
    client = locked_app.test_client()
    for path in ("/api/v1/snapshot", "/readyz", "/metrics", "/unknown", f"{PREFIX}_dash-layout"):
        check(client.get(path), "unauthenticated", "Bearer TOKEN")
    assert client.get("/api/v1/snapshot", headers=BEARER).status_code == 200
    for _ in range(WRONG_TOKENS_PER_MINUTE):
        check(client.get("/readyz", headers={"Authorization": "Bearer guess"}), "unauthenticated", "not the token")
    refused = client.get("/readyz", headers={"Authorization": "Bearer guess"})
    check(refused, "too-many-requests", "wait")
    assert int(refused.headers["Retry-After"]) > 0


def test_a_browser_that_opens_a_page_reads_no_json(open_app: Wire, locked_app: Wire) -> None:
    """A line of text, a page of Flask's, or the form to log in; the API speaks to programs, whatever they accept."""
    client = open_app.test_client()
    wrong_host = client.get(PREFIX, headers={**BROWSER, "Host": "evil.example"})
    assert (wrong_host.status_code, wrong_host.mimetype) == (400, "text/plain") and "trusted-hosts" in wrong_host.text
    assert client.get("/unknown", headers=BROWSER).mimetype == "text/html"
    assert locked_app.test_client().get(PREFIX, headers=BROWSER).mimetype == "text/html"
    check(client.get("/api/v1/nothing", headers=BROWSER), "unknown-path")


def test_a_host_answers_in_its_own_way(host_app: Wire) -> None:
    """Its 404, its 405 and its 500; ours are problems below the prefix, and name it."""
    client = host_app.test_client()
    assert (client.get("/unknown").text, client.get("/api/v1/snapshot").text) == ("their own 404", "their own 404")
    assert client.post("/theirs").mimetype == "text/html" and client.get("/broken").text == "their own 500"
    under = PREFIX.rstrip("/")
    for method, path, headers, kind, words in REFUSED:
        if path.startswith("/api") and not headers and method in ("GET", "POST"):
            answer = client.open(under + path, method=method)
            check(answer, kind, words)
            assert answer.json["instance"] == under + path


def test_after_a_fork_a_program_is_told_with_a_problem() -> None:
    """503, and what to do."""
    app = _standalone()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        answer = app.test_client().get("/api/v1/snapshot")
        os.write(write, f"{answer.status_code} {answer.mimetype} {answer.json['type']}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    assert os.read(read, 1000).decode() == f"503 {PROBLEM_TYPE} urn:drm:problem:wrong-process"
    os.close(read)


def test_a_body_beyond_all_measure_is_refused_before_it_is_read(open_app: Wire, way: str) -> None:
    """Where it is pushed with a problem, else by the server itself; the connection ends."""
    with socket.create_connection(("127.0.0.1", open_app.server.port), timeout=20) as connection:
        length = READ_LIMIT + 1
        connection.sendall(
            f"POST {CALLBACK} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.split(b" ", 2)[1] == b"413"
    assert way == "polled" or (b"urn:drm:problem:body-too-large" in answer and PROBLEM_TYPE.encode() in answer)
