"""The dashboard inside a host's Flask application, alone, in composites and behind proxies, and several of them in one process."""

from __future__ import annotations

import json
import logging
import multiprocessing
import re
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dash
import pytest
from a2wsgi import WSGIMiddleware
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Rule
from werkzeug.test import Client

from drm import InvalidValueError, MountError, create_app, mount
from tests.integration.hosts import Links, asked_by_wsgi, basic_auth, client_of, header_call, make_host, proxy_that_strips, state_of

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "/drm-dashboard/"


@pytest.fixture
def host(tmp_path: Path) -> Flask:
    """A monitoring server with everything of its own."""
    return make_host(tmp_path / "assets")


def path_of(rule: Rule) -> str:
    """An address that the rule matches."""
    parts = {"package_name": "dash", "fingerprinted_path": "deps/react.js", "decision_id": "1", "filename": "drm/drm.css"}
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: parts.get(match[1], "any/thing"), rule.rule)


# The host's own


def test_everything_of_ours_lies_under_the_prefix(host: Flask) -> None:
    """Page, assets, layout and API answer under it; nothing outside of it is new."""
    before = {rule.rule for rule in host.url_map.iter_rules()}
    mount(host, state_of("w1"))
    added = {rule.rule for rule in host.url_map.iter_rules()} - before
    assert added
    assert all(rule.startswith(PREFIX) for rule in added)
    client = client_of(host)
    for path in ("", "_dash-layout", "_dash-dependencies", "assets/drm/drm.css", "healthz", "api/v1/snapshot"):
        with client.get(f"{PREFIX}{path}") as answer:
            assert answer.status_code == 200, path
    assert client.get("/drm-dashboard/api/v1/snapshot").json["workers"][0]["id"] == "w1"  # type: ignore[index]


def test_the_hosts_door_covers_every_route_of_ours(host: Flask) -> None:
    """Each rule with each method, and each file that the page loads, is 401 without credentials; the health check too."""
    mount(host, state_of("w1"), live=lambda _: "http://127.0.0.1/")
    stranger, friend = client_of(host, let_in=False), client_of(host)
    asked = [(path_of(rule), method) for rule in host.url_map.iter_rules() if rule.rule.startswith(PREFIX) for method in rule.methods or ()]
    asked += [(path, "GET") for path in Links(friend.get(PREFIX).text).found if not path.startswith("data:")]
    asked += [("/drm-dashboard", "GET"), (f"{PREFIX}..%2f", "GET"), (f"{PREFIX}_dash-update-component", "POST")]
    assert len(asked) > 40
    for path, method in asked:
        answer = stranger.open(path, method=method, json={} if method == "POST" else None)
        assert answer.status_code == 401, (method, path)
        assert answer.text == ("" if method == "HEAD" else "the host's 401")
    assert friend.get("/drm-dashboard").headers["Location"].endswith(PREFIX)


def test_the_host_answers_byte_for_byte_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page, session cookie, folder `assets/`, both error pages and unknown methods: the same status, headers and body as without us."""
    # The cookie holds the second in which it was signed, and the one after may be another.
    monkeypatch.setattr("itsdangerous.timed.TimestampSigner.get_timestamp", lambda signer: 1_800_000_000)
    alone, mounted = make_host(tmp_path / "assets"), make_host(tmp_path / "assets")
    mount(mounted, state_of("w1"))
    wants = (
        "/",
        "/assets/host.css",
        "/assets/drm/drm.css",
        "/assets/none.css",
        "/nowhere",
        "/broken",
        "/drm",
        "/healthz",
        "/api/v1/snapshot",
    )
    for path in wants:
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            for let_in in (True, False):
                with (
                    client_of(alone, let_in=let_in).open(path, method=method) as expected,
                    client_of(mounted, let_in=let_in).open(path, method=method) as answer,
                ):
                    assert (answer.status, answer.data) == (expected.status, expected.data), (method, path)
                    moment = {"Date"} if "assets" in path else set()
                    assert [one for one in answer.headers if one[0] not in moment] == [
                        one for one in expected.headers if one[0] not in moment
                    ]


def loggers() -> dict[str, tuple[Any, ...]]:
    """Every logger that is there, with what may be set on it; our own and Dash's left out."""
    named = {
        "": logging.getLogger(),
        **{name: one for name, one in logging.Logger.manager.loggerDict.items() if isinstance(one, logging.Logger)},
    }
    return {
        name: (one.level, tuple(one.handlers), tuple(one.filters), one.propagate, one.disabled)
        for name, one in named.items()
        if name.partition(".")[0] not in ("drm", "dash")
    }


def test_the_hosts_settings_stay_as_they_are(host: Flask) -> None:
    """Configuration, key, error handlers, folders, extensions and all logging, after the first requests too."""
    handlers = dict(host.error_handler_spec[None][404]), dict(host.error_handler_spec[None][500])
    config, logging_before = dict(host.config), loggers()
    kept = host.secret_key, host.static_folder, host.static_url_path, host.template_folder, host.session_interface, dict(host.extensions)
    mount(host, state_of("w1"))
    client = client_of(host)
    client.get(PREFIX)
    call = header_call(client.get(f"{PREFIX}_dash-dependencies").json)  # type: ignore[arg-type]
    assert client.post(f"{PREFIX}_dash-update-component", json=call).status_code == 200
    client.get("/")
    assert dict(host.config) == config
    after = host.secret_key, host.static_folder, host.static_url_path, host.template_folder, host.session_interface, dict(host.extensions)
    assert after == kept
    assert (dict(host.error_handler_spec[None][404]), dict(host.error_handler_spec[None][500])) == handlers
    logging_after = loggers()
    assert {name: logging_after[name] for name in logging_before} == logging_before


def test_only_answers_of_ours_bear_our_headers(host: Flask) -> None:
    """The policy of contents is on the dashboard, not on the host's pages."""
    mount(host, state_of("w1"))
    client = client_of(host)
    assert "Content-Security-Policy" not in client.get("/").headers
    assert "Content-Security-Policy" in client.get(PREFIX).headers


def test_a_host_that_has_dash_pages_keeps_their_callbacks(host: Flask) -> None:
    """Those of the module, which Dash gives to the first application that answers: made before the mount, the host's own is first."""
    own = dash.Dash("own", server=host, url_base_pathname="/own/", enable_mcp=False)
    own.layout = dash.html.Div([dash.dcc.Input(id="in"), dash.html.Div(id="out")])

    @dash.callback(dash.Output("out", "children"), dash.Input("in", "value"))
    def copy(value: Any) -> Any:
        return value

    ours = mount(host, state_of("w1"))
    client_of(host).get("/")
    assert "out.children" in own.callback_map
    assert "out.children" not in ours.callback_map


# Below another path


def behind_a_proxy(host: Flask, _: ExitStack) -> Any:
    """nginx with a sub-path, and what Flask's guide tells to put before the application."""
    host.wsgi_app = ProxyFix(host.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
    return proxy_that_strips("/monitor", host)


def in_a_dispatcher(host: Flask, _: ExitStack) -> Any:
    """One of several WSGI applications."""
    return DispatcherMiddleware(make_host(Path(str(host.static_folder))), {"/monitor": host})


def in_starlette(host: Flask, stack: ExitStack) -> Any:
    """A part of an ASGI application, as FastAPI is one; here with a WSGI shell, so that one client asks all."""
    inside = WSGIMiddleware(host)  # type: ignore[arg-type]
    stack.callback(inside.executor.shutdown)
    index = Route("/", lambda _: PlainTextResponse("the application's page"))
    return asked_by_wsgi(Starlette(routes=[index, Mount("/monitor", inside)]))


def at_the_root(host: Flask, _: ExitStack) -> Any:
    """With nothing before it."""
    return host


@pytest.mark.parametrize(
    ("place", "root"), [(behind_a_proxy, "/monitor"), (in_a_dispatcher, "/monitor"), (in_starlette, "/monitor"), (at_the_root, "")]
)
def test_the_page_works_below_any_path(host: Flask, place: Callable[[Flask, ExitStack], Any], root: str) -> None:
    """Every address in page, configuration and layout begins with the path that the browser knows, and answers; so do callbacks."""
    mount(host, state_of("w1"), push=True, live=lambda _: "http://127.0.0.1/")
    with ExitStack() as stack:
        client = client_of(place(host, stack))
        below = f"{root}{PREFIX}"
        page = Links(client.get(below).text)
        assert page.config["requests_pathname_prefix"] == below
        assert len(page.found) > 5
        for path in page.found:
            assert path.startswith(below), path
            with client.get(path) as answer:
                assert answer.status_code == 200 and answer.data, path
        layout = client.get(f"{below}_dash-layout").json
        text = json.dumps(layout)
        assert set(re.findall(r'"((?:/monitor)?/drm-dashboard/[^"]*)"', text)) == {
            f"{below}{path}" for path in ("healthz", "live", "_drm-ticks", "api/v1/export")
        }
        call = header_call(client.get(f"{below}_dash-dependencies").json)  # type: ignore[arg-type]
        answer = client.post(f"{below}_dash-update-component", json=call)
        assert answer.status_code == 200
        assert client.get(f"{below}api/v1/snapshot").json["workers"][0]["id"] == "w1"  # type: ignore[index]
        assert client.get(f"{root}/drm-dashboard").headers["Location"].endswith(below)


def test_a_path_from_outside_cannot_leave_its_place_in_the_page(host: Flask) -> None:
    """A prefix with quotes, tags or another host's name is a path like any other, in the page and in its configuration."""
    mount(host, state_of("w1"))
    for hostile in ('/"><script>alert(1)</script>', "//evil.example", "/a'b\\c"):
        page = client_of(host).get(PREFIX, environ_overrides={"SCRIPT_NAME": hostile}).text
        assert "alert(1)<" not in page and '"//evil' not in page
        links = Links(page)
        assert all(re.fullmatch(r"/[\w%./-]+/drm-dashboard/[^<>]*", path) for path in links.found)
        assert links.config["requests_pathname_prefix"].startswith("/") and not links.config["requests_pathname_prefix"].startswith("//")


def test_in_a_dispatcher_the_door_has_to_stand_before_the_composite(tmp_path: Path) -> None:
    """The host's own reaches none of ours there; one that wraps all of them covers every route."""
    host, ours = make_host(tmp_path / "assets"), Flask("ours", static_folder=None)
    mount(ours, state_of("w1"), "/")
    composite = DispatcherMiddleware(host, {"/drm-dashboard": ours})
    assert client_of(composite, let_in=False).get(PREFIX).status_code == 200
    wrapped = basic_auth(composite)
    stranger, friend = client_of(wrapped, let_in=False), client_of(wrapped)
    assert friend.get(PREFIX).status_code == 200
    assert friend.get("/").text == "the host's page"
    for rule in ours.url_map.iter_rules():
        for method in rule.methods or ():
            answer = stranger.open(f"/drm-dashboard{path_of(rule)}", method=method, json={} if method == "POST" else None)
            assert (answer.status_code, answer.text) == (401, "the composite's 401"), (method, rule.rule)


def test_the_guides_middleware_covers_an_asgi_application() -> None:
    """The block of docs/embed.md as it stands: nothing of ours without the secret, every page with it."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "embed.md").read_text(), re.DOTALL)
    guide: dict[str, Any] = {}
    exec(next(block for block in blocks if "AuthenticationMiddleware" in block), guide)
    shell = asked_by_wsgi(guide["app"])
    stranger, friend = Client(shell), Client(shell)
    for rule in guide["ours"].url_map.iter_rules():
        assert stranger.get(f"/drm-dashboard{path_of(rule)}").status_code == 400, rule.rule
    assert stranger.get("/drm-dashboard").status_code == 400
    secret = {"Authorization": "Bearer a-long-secret"}
    assert friend.get("/drm-dashboard/", headers=secret).status_code == 200
    assert friend.get("/drm-dashboard/_dash-layout", headers=secret).status_code == 200
    guide["app"].routes[0].app.executor.shutdown()


# Where it cannot be


@pytest.mark.parametrize("prefix", ["drm-dashboard", "/drm-dashboard", "drm-dashboard/", "", None, 7])
def test_a_prefix_without_its_slashes_is_refused(host: Flask, prefix: Any) -> None:
    """With the value, the rule and an example; the host is as it was."""
    before = list(host.url_map.iter_rules())
    with pytest.raises(InvalidValueError, match=r"url_prefix must begin and end with a slash, as in /drm-dashboard/, got "):
        mount(host, state_of("w1"), prefix)
    assert list(host.url_map.iter_rules()) == before


def test_a_mount_after_the_first_request_is_refused(host: Flask) -> None:
    """Flask takes no routes any more: the error says where to mount, and the host goes on."""
    assert client_of(host).get("/").status_code == 200
    with pytest.raises(
        MountError, match=r"'host' has answered a request already.* mount at '/drm-dashboard/' where the application is made"
    ):
        mount(host, state_of("w1"))
    assert client_of(host).get("/").text == "the host's page"
    assert client_of(host).get(PREFIX).text == "the host's 404"


def test_a_prefix_that_is_taken_is_refused(host: Flask) -> None:
    """By a dashboard or by a route of the host's: the error names it, and what was there goes on."""
    host.add_url_rule("/drm", "own", lambda: "the host's own route")
    mount(host, state_of("w1"))
    for prefix, there in ((PREFIX, PREFIX), ("/drm/", "/drm"), ("/", "/")):
        with pytest.raises(MountError, match=f"url_prefix '{prefix}' is taken: 'host' has the route {there}.*choose another prefix"):
            mount(host, state_of("w2"), prefix)
    with pytest.raises(MountError, match="has a dashboard whose API is there"):
        mount(host, state_of("w2"), "/second/", api_prefix="/drm-dashboard")
    client = client_of(host)
    assert client.get("/drm").text == "the host's own route"
    assert client.get(f"{PREFIX}api/v1/snapshot").json["workers"][0]["id"] == "w1"  # type: ignore[index]


def test_something_else_than_a_flask_application_is_refused(host: Flask) -> None:
    """And so is something else than a state, with what would make one."""
    with pytest.raises(InvalidValueError, match="mount needs a Flask application, got 'host'"):
        mount("host", state_of("w1"))  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"DRMState\(manager\) makes one"):
        mount(host, "state")  # type: ignore[arg-type]


# Processes


def ask_as_another_process(host: Flask, told: Any) -> None:
    """What a worker of a prefork server answers."""
    client = client_of(host)
    paths = ("", "_dash-layout", "assets/drm/drm.css", "readyz", "api/v1/snapshot")
    answers = [client.get(f"{PREFIX}{path}") for path in paths]
    answers.append(client.post(f"{PREFIX}_dash-update-component", json={}))
    told.put([(answer.status_code, answer.text) for answer in answers])
    told.put((client.get("/").text, client_of(host, let_in=False).get(PREFIX).status_code))


def test_a_second_process_over_the_same_state_says_why_not(host: Flask) -> None:
    """In a prefork server each child answers 503 and the remedy, behind the host's door; the host goes on."""
    state = state_of("w1")
    mount(host, state)
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()
    child = context.Process(target=ask_as_another_process, args=(host, told))
    child.start()
    answers, (page, stranger) = told.get(), told.get()
    child.join(20)
    assert child.exitcode == 0
    assert {status for status, _ in answers} == {503}
    assert all("belongs to process" in text and "gunicorn -w 1 --threads 8" in text for _, text in answers)
    assert (page, stranger) == ("the host's page", 401)
    assert client_of(host).get(f"{PREFIX}api/v1/snapshot").status_code == 200


def test_two_dashboards_in_one_host_show_their_own_pools(host: Flask) -> None:
    """Two states, two prefixes, one process; nothing is shared."""
    mount(host, state_of("left"), url_prefix="/left/")
    mount(host, state_of("right", "right-2"), url_prefix="/right/")
    client = client_of(host)
    shown = {side: client.get(f"/{side}/api/v1/snapshot").json for side in ("left", "right")}
    ids = {side: [worker["id"] for worker in snapshot["workers"]] for side, snapshot in shown.items() if snapshot}
    assert ids == {"left": ["left"], "right": ["right", "right-2"]}
    for side in ("left", "right"):
        assert len(client.get(f"/{side}/_dash-dependencies").json or ()) > 5
        assert f'"/{side}/' in client.get(f"/{side}/").text


def test_making_an_app_starts_nothing() -> None:
    """create_app and mount leave threads to whoever makes a Runner."""
    before = threading.active_count()
    app = create_app(state_of("w1"))
    assert app.server.test_client().get(PREFIX).status_code == 200
    assert threading.active_count() == before
