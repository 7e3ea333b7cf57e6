"""Whom the program trusts: each test is an attack, or what an honest user does and must be allowed to; over the wire, both ways."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from drm.dashboard import create_app, mount
from drm.guards import protect
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.server import create_standalone
from drm.state import DRMState
from drm.trust import WRONG_TOKENS_PER_MINUTE, Trust, names_of
from tests.integration.conftest import Wire

PREFIX = "/drm-dashboard/"
CALLBACK = f"{PREFIX}_dash-update-component"
Put = Callable[[Flask], Wire]
TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def some_state() -> DRMState:
    manager = DynamicResourceManager()
    manager.register_worker("w1", capacity=Resources(cpu=4, memory=8e9))
    manager.report("w1", used={"cpu": 1.0})
    state = DRMState(manager)
    state.advance(1_700_000_000.0)
    return state


def standalone(token: str | None = None, host: str = "127.0.0.1", further: tuple[str, ...] = ()) -> Flask:
    app = create_standalone(host, PREFIX, token=token, further_hosts=further)
    mount(app, some_state(), PREFIX, api_prefix="")
    return app


@pytest.fixture(scope="module")
def open_app(wire: Put) -> Wire:
    """A server on loopback without a token."""
    return wire(standalone())


@pytest.fixture(scope="module")
def locked_app(wire: Put) -> Wire:
    """A server with a token."""
    return wire(standalone(TOKEN))


@pytest.fixture
def bare_app(wire: Put) -> Wire:
    """A bare application behind the token; a fresh one, since it counts wrong tokens."""
    return wire(bare())


@pytest.fixture(scope="module")
def dash_app() -> Any:
    """The dashboard, for what it says of its callbacks."""
    return create_app(some_state())


@pytest.fixture(scope="module")
def dash_wire(wire: Put, dash_app: Any) -> Wire:
    """The dashboard on a server."""
    return wire(dash_app.server)


def calls(app: Any) -> list[dict[str, Any]]:
    """What a page would post to call each server callback, with no values."""
    bodies = []
    for output, callback in app.callback_map.items():
        if "callback" in callback:
            parts = output.strip(".").split("...") if output.startswith("..") else [output]
            outputs = [dict(zip(("id", "property"), part.rsplit(".", 1), strict=True)) for part in parts]
            bodies.append(
                {
                    "output": output,
                    "outputs": outputs if output.startswith("..") else outputs[0],
                    "inputs": [{**one, "value": None} for one in callback["inputs"]],
                    "state": [{**one, "value": None} for one in callback["state"]],
                    "changedPropIds": [f"{one['id']}.{one['property']}" for one in callback["inputs"]][:1],
                }
            )
    return bodies


# The callback route


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{}", 400),
        ("[]", 400),
        ("null", 400),
        ("1", 400),
        ('"text"', 400),
        ("", 400),
        ("{", 400),
        ("\xff\xfe", 400),
        ('{"output": null}', 400),
        ('{"output": ["a"]}', 400),
        ('{"output": "no-such.children", "inputs": []}', 400),
        ("[" * 100_000, 400),
        ("[" * 100_000 + "]" * 100_000, 400),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, 400),
        ("[" * 500 + "]" * 500, 400),
        ('"' + "a" * 10_000_000 + '"', 413),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_call_of_a_callback_is_refused_without_a_traceback(
    open_app: Wire, body: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """400 or 413, as JSON, and nothing in the log."""
    answer = open_app.test_client().post(CALLBACK, data=body.encode("latin-1"), content_type="application/json")
    assert answer.status_code == status and answer.json["detail"]
    # waitress says where a request had to wait for a thread, as on a machine that others use.
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING and record.name != "waitress.queue"]


def test_another_content_type_is_refused(open_app: Wire) -> None:
    """A form of another page can send text and forms without asking: neither calls a callback."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert open_app.test_client().post(CALLBACK, data="{}", content_type=content_type).status_code == 415


def test_a_body_of_unknown_length_is_refused() -> None:
    """Without a Content-Length there is no limit to hold."""
    chunked = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    answer = standalone().test_client().post(CALLBACK, headers=chunked, environ_overrides={"wsgi.input_terminated": True})
    assert answer.status_code == 400 and "length" in answer.json["detail"]


def test_the_calls_of_the_page_itself_pass(dash_app: Any, dash_wire: Wire) -> None:
    """The guard lets through what the page sends: the shell's call is answered with its data."""
    client = dash_wire.test_client()
    (shell,) = [body for body in calls(dash_app) if "drm-health.data" in body["output"]]
    shell["inputs"][0]["value"] = {"range": "15m", "scheme": "light"}
    answer = client.post(CALLBACK, json=shell)
    assert answer.status_code == 200 and "drm-health" in answer.json["response"]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_structure_brings_a_callback_down(dash_app: Any, dash_wire: Wire, data: st.DataObject) -> None:
    """Any part of a true call replaced by junk, or left out, is refused with 400, or is a call still."""
    body = copy.deepcopy(data.draw(st.sampled_from([one for one in calls(dash_app) if "drm-health.data" in one["output"]])))
    key = data.draw(st.sampled_from(list(body)))
    if data.draw(st.booleans()):
        body[key] = data.draw(JUNK)
    elif isinstance(body[key], list) and body[key] and data.draw(st.booleans()):
        body[key][0] = data.draw(JUNK)
    else:
        del body[key]
    status = dash_wire.test_client().post(CALLBACK, json=body).status_code
    assert status in (200, 204, 400)


# Whose name the server answers to


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::2]:80", ""]
)
@pytest.mark.parametrize("path", ["/", PREFIX, "/api/v1/snapshot", "/healthz", CALLBACK])
def test_a_page_whose_name_was_bound_to_this_address_gets_nothing(open_app: Wire, host: str, path: str) -> None:
    """DNS rebinding: the browser sends the attacker's name, and no route answers to it."""
    answer = open_app.test_client().get(path, headers={"Host": host})
    assert answer.status_code == 400 and "w1" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1:8080", "[::1]:8080"])
def test_loopback_names_are_always_ours(open_app: Wire, host: str) -> None:
    """However they are written."""
    assert open_app.test_client().get("/healthz", headers={"Host": host}).status_code == 200


def test_further_names_are_answered_to_when_they_are_trusted(wire: Put) -> None:
    """--trusted-hosts adds names, and no others."""
    client = wire(standalone(TOKEN, "0.0.0.0", ("drm.example",))).test_client()
    assert client.get("/healthz", headers={"Host": "drm.example:443"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "other.example"}).status_code == 400


def test_a_server_on_all_addresses_answers_to_those_of_the_machine() -> None:
    """Its host name and its interfaces' addresses, IPv4 and IPv6, without hardware addresses."""
    import socket

    names = names_of("0.0.0.0")
    assert {"127.0.0.1", socket.gethostname()} <= names
    assert not [name for name in names if name.count(":") == 5 and "::" not in name]
    assert names_of("10.1.2.3") == {"10.1.2.3"}


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "https://localhost.evil.example"])
def test_a_post_from_a_page_of_another_origin_is_refused(open_app: Wire, origin: str) -> None:
    """Cross-site requests stop at the Origin that the browser sends with them."""
    answer = open_app.test_client().post(CALLBACK, json={}, headers={"Host": "localhost:8080", "Origin": origin})
    assert answer.status_code == 403


def test_a_post_from_our_own_page_is_not(open_app: Wire) -> None:
    """The same body reaches the guard of the callbacks behind it."""
    answer = open_app.test_client().post(CALLBACK, json={}, headers={"Host": "localhost:8080", "Origin": "http://localhost:8080"})
    assert answer.status_code == 400


# Who knows the token


def routes(app: Flask) -> list[str]:
    """A path for every rule, with its variables filled in."""
    return [rule.rule.split("<")[0] + ("x" if "<" in rule.rule else "") for rule in app.url_map.iter_rules()]


def test_no_route_but_healthz_is_open(locked_app: Wire) -> None:
    """Every rule that the application has, pages, assets, API and unknown paths, answers 401 to a stranger."""
    client = locked_app.test_client()
    assert client.get("/healthz").status_code == 200
    tried = [path for path in [*routes(locked_app.app), "/unknown", "/healthz/", "/healthz/x"] if path != "/healthz"]
    assert len(tried) > 10
    for path in tried:
        for method in ("GET", "POST", "HEAD", "OPTIONS"):
            assert client.open(path, method=method).status_code == 401, (method, path)


def test_a_program_is_told_how_to_show_the_token(locked_app: Wire) -> None:
    """401 as a problem with WWW-Authenticate, and no data."""
    answer = locked_app.test_client().get("/api/v1/snapshot")
    assert (answer.status_code, answer.mimetype, answer.headers["WWW-Authenticate"]) == (401, "application/problem+json", "Bearer")
    assert "w1" not in answer.text


def test_the_token_opens_everything(locked_app: Wire) -> None:
    """As Bearer, in whatever case the scheme is written."""
    client = locked_app.test_client()
    for path in (PREFIX, "/api/v1/snapshot", f"{PREFIX}_dash-layout"):
        assert client.get(path, headers=BEARER).status_code == 200
    assert client.get("/api/v1/snapshot", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \xe9"]
)
def test_a_wrong_bearer_does_not(header: str, bare_app: Wire) -> None:
    """Nor does the token under another scheme, with more or with less."""
    assert bare_app.test_client().get("/api/v1/snapshot", headers={"Authorization": header}).status_code == 401


def bare(**kwargs: Any) -> Flask:
    """A bare application behind the token, which counts wrong tokens."""
    app = Flask(__name__)
    protect(app, Trust((), TOKEN, **kwargs))
    app.add_url_rule("/", "root", lambda: "in")
    app.add_url_rule("/api/v1/snapshot", "snapshot", lambda: "in")
    return app


def test_a_browser_logs_in_once(locked_app: Wire) -> None:
    """A page shows the form; the token in it sets a cookie and leads back to the page; the cookie opens the rest."""
    client = locked_app.test_client()
    form = client.get(f"{PREFIX}?tab=utilization", headers=BROWSER)
    assert form.status_code == 401 and "<form" in form.text and "/login?next=%2Fdrm-dashboard%2F%3Ftab%3Dutilization" in form.text
    answer = client.post("/login?next=%2Fdrm-dashboard%2F%3Ftab%3Dutilization", data={"token": TOKEN})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{PREFIX}?tab=utilization")
    assert client.get(PREFIX, headers=BROWSER).status_code == 200
    assert client.get("/api/v1/snapshot").status_code == 200
    assert client.get("/login", headers=BROWSER).headers["Location"] == "/"
    assert client.post("/login", data={"token": TOKEN}).status_code == 303


def test_the_cookie_is_no_token_and_no_script_or_other_site_has_it(bare_app: Wire) -> None:
    """HttpOnly, SameSite=Strict, and a value from which the token cannot be read or used."""
    client = bare_app.test_client()
    cookie = client.post("/login", data={"token": TOKEN}).headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie and "Secure" not in cookie
    value = cookie.split("=", 1)[1].split(";")[0]
    assert bare_app.test_client().get("/", headers={"Authorization": f"Bearer {value}"}).status_code == 401
    secure = bare().test_client().post("/login", data={"token": TOKEN}, base_url="https://localhost").headers["Set-Cookie"]
    assert "Secure" in secure
    behind_a_proxy = {"X-Forwarded-Proto": "https"}
    assert "Secure" in bare().test_client().post("/login", data={"token": TOKEN}, headers=behind_a_proxy).headers["Set-Cookie"]


@pytest.mark.parametrize("value", ["", "x", TOKEN, "0" * 64])
def test_a_cookie_that_was_made_up_opens_nothing(value: str, bare_app: Wire) -> None:
    """Under the true name, with an empty value, the token itself, or a guess."""
    client = bare_app.test_client()
    name = client.post("/login", data={"token": TOKEN}).headers["Set-Cookie"].split("=")[0]
    stranger = bare_app.test_client()
    stranger.set_cookie(name, value)
    assert stranger.get("/api/v1/snapshot").status_code == 401


def test_a_wrong_token_in_the_form_is_told_and_sets_nothing(bare_app: Wire) -> None:
    """401, the form again, no cookie, and the token that was typed is not repeated."""
    answer = bare_app.test_client().post("/login", data={"token": "<script>guess"})
    assert answer.status_code == 401 and "not the token" in answer.text
    assert "Set-Cookie" not in answer.headers and "guess" not in answer.text


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "evil",
        "",
    ],
)
def test_the_way_back_never_leads_to_another_server(target: str, bare_app: Wire) -> None:
    """Open redirects end at the root."""
    answer = bare_app.test_client().post("/login", query_string={"next": target}, data={"token": TOKEN})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_the_form_holds_no_text_of_the_attackers(bare_app: Wire) -> None:
    """A path with markup comes back escaped."""
    answer = bare_app.test_client().get('/"><script>alert(1)</script>', headers=BROWSER)
    assert answer.status_code == 401 and "<script" not in answer.text


def test_a_login_from_another_site_is_refused(bare_app: Wire) -> None:
    """Nobody is logged in by somebody else's page."""
    answer = bare_app.test_client().post("/login", data={"token": TOKEN}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403 and "Set-Cookie" not in answer.headers


def test_a_large_login_is_refused(bare_app: Wire) -> None:
    """A form has two dozen bytes, not a megabyte."""
    assert bare_app.test_client().post("/login", data={"token": "x" * 1_000_000}).status_code == 413


def test_who_tries_many_tokens_has_to_wait(wire: Put) -> None:
    """After so many wrong ones an address is refused, with the right one too, until its minute is over; others and cookies are not."""
    now = [0.0]
    locked = wire(bare(clock=lambda: now[0]))
    client, logged_in = locked.test_client(), locked.test_client()
    logged_in.post("/login", data={"token": TOKEN})
    for _ in range(WRONG_TOKENS_PER_MINUTE):
        assert client.get("/", headers={"Authorization": "Bearer guess"}).status_code == 401
    refused = client.get("/", headers=BEARER)
    assert refused.status_code == 429 and 0 < int(refused.headers["Retry-After"]) <= 60
    assert client.post("/login", data={"token": TOKEN}).status_code == 429
    assert logged_in.get("/").status_code == 200
    assert client.get("/", headers=BEARER, environ_overrides={"REMOTE_ADDR": "127.0.0.9"}).status_code == 200
    now[0] = 61.0
    assert client.get("/", headers=BEARER).status_code == 200


# The headers, and the host that we are mounted in


@pytest.mark.parametrize("path", ["/", PREFIX, "/healthz", "/api/v1/snapshot", "/unknown", f"{PREFIX}_dash-layout"])
@pytest.mark.parametrize("token", [None, TOKEN])
def test_every_answer_of_our_own_server_bears_the_security_headers(open_app: Wire, locked_app: Wire, path: str, token: str | None) -> None:
    """Refusals and errors too; nothing may be framed, sniffed, or loaded from elsewhere."""
    headers = (locked_app if token else open_app).test_client().get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy and "default-src 'self'" in policy and "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "same-origin")


@pytest.fixture(scope="module")
def host() -> Flask:
    """Somebody's application, with a page, an API and a login of its own, and the dashboard mounted in it."""
    app = Flask("host")
    app.add_url_rule("/", "index", lambda: "the host's page")
    app.add_url_rule("/api/v1/snapshot", "theirs", lambda: "theirs")
    app.add_url_rule("/post", "post", lambda: "posted", methods=["POST"])
    mount(app, some_state(), PREFIX)
    return app


@pytest.fixture(scope="module")
def host_wire(wire: Put, host: Flask) -> Wire:
    """It on a server."""
    return wire(host)


def test_a_host_stays_as_it_was(host: Flask, host_wire: Wire) -> None:
    """Its paths bear none of our headers, and know none of our rules: any Host, any Origin, any body."""
    client = host_wire.test_client()
    index = client.get("/", headers={"Host": "anything.example"})
    assert index.text == "the host's page" and "Content-Security-Policy" not in index.headers
    assert client.get("/api/v1/snapshot").text == "theirs"
    assert client.post("/post", data="x" * 2_000_000, headers={"Origin": "http://else.example"}).text == "posted"
    assert host.secret_key is None and host.config["MAX_CONTENT_LENGTH"] is None


def test_what_is_mounted_in_a_host_is_guarded_there(host_wire: Wire) -> None:
    """Our headers and the guard of the callbacks hold under the prefix."""
    client = host_wire.test_client()
    assert "frame-ancestors" in client.get(PREFIX).headers["Content-Security-Policy"]
    assert client.post(CALLBACK, json={}).status_code == 400
    assert client.get(f"{PREFIX}api/v1/snapshot").json["workers"][0]["id"] == "w1"
