"""The dashboard below a path of a real nginx, whose configuration and application are those of docs/embed.md."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from drm.push_server import PushServer
from drm.server import Server
from tests.integration.hosts import Links, header_call
from tests.integration.nginx import PASSWORD, USER, guide_application, nginx_before

BELOW = "/monitor/drm-dashboard/"
LET_IN = {"Authorization": "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()}


@pytest.fixture(scope="module")
def polled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """nginx before the guide's Flask application."""
    with Server("127.0.0.1", 0) as server, nginx_before(server.port, tmp_path_factory.mktemp("nginx")) as url:
        server.start(guide_application("X-Forwarded-Prefix")["app"])
        yield url


@pytest.fixture(scope="module")
def guide() -> dict[str, Any]:
    """The guide's application that is pushed."""
    return guide_application("PushedApplication")


@pytest.fixture(scope="module")
def pushed(guide: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """nginx before it."""
    with PushServer("127.0.0.1", 0) as server, nginx_before(server.port, tmp_path_factory.mktemp("nginx")) as url:
        server.start(guide["pushed"])
        yield url


def ask(url: str, *, body: object = None, let_in: bool = True) -> tuple[int, str, str]:
    """Status, text and final address of an answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = (LET_IN if let_in else {}) | ({"Content-Type": "application/json"} if data else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=10) as answer:
            return answer.status, answer.read().decode(errors="replace"), answer.url
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), url


@pytest.mark.parametrize("way", ["polled", "pushed"])
def test_page_files_and_callbacks_work_below_the_path(way: str, request: pytest.FixtureRequest) -> None:
    """Each address in page and layout lies below the path and answers through nginx; so does a callback, and the redirect to the page."""
    url = request.getfixturevalue(way)
    status, html, _ = ask(url + BELOW)
    page = Links(html)
    assert status == 200 and len(page.found) > 10
    assert page.config["requests_pathname_prefix"] == BELOW
    for path in page.found:
        assert path.startswith(BELOW), path
        status, text, _ = ask(url + path)
        assert status == 200 and text, path
    feed = ask(f"{url}{BELOW}_dash-layout")[1].replace("\\u002f", "/")
    assert f'"{BELOW}healthz"' in feed
    assert (f'"{BELOW}_drm-ticks"' in feed) == (way == "pushed")
    assert json.loads(ask(f"{url}{BELOW}healthz")[1]) == {"status": "up"}
    call = header_call(json.loads(ask(f"{url}{BELOW}_dash-dependencies")[1]))
    status, text, _ = ask(f"{url}{BELOW}_dash-update-component", body=call)
    assert status == 200 and json.loads(text)["response"]["drm-health"]["data"]["ok"] is True
    assert ask(f"{url}/monitor/drm-dashboard")[2] == url + BELOW
    assert ask(f"{url}/drm-dashboard/")[0] == 404


@pytest.mark.parametrize("way", ["polled", "pushed"])
def test_nginx_lets_in_only_whom_it_knows(way: str, request: pytest.FixtureRequest) -> None:
    """Page, file, callback, health check and websocket are 401 without the credentials."""
    url = request.getfixturevalue(way)
    for path in ("", "assets/drm/drm.css", "healthz", "_drm-ticks"):
        assert ask(f"{url}{BELOW}{path}", let_in=False)[0] == 401, path
    assert ask(f"{url}{BELOW}_dash-update-component", body={}, let_in=False)[0] == 401
    with pytest.raises(InvalidStatus, match="401"):
        connect(url.replace("http", "ws") + BELOW + "_drm-ticks")


def test_ticks_come_through_nginx(pushed: str, guide: dict[str, Any]) -> None:
    """A frame for each tick, to a page of this origin and to no other."""
    ticks = pushed.replace("http", "ws") + BELOW + "_drm-ticks"
    state = guide["state"]
    state.advance(1_000.0)
    with connect(ticks, additional_headers=LET_IN, origin=pushed) as page:  # type: ignore[arg-type]  # an origin is a text
        for version in (1, 2, 3):
            page.send("next")
            assert json.loads(page.recv(5)) == {"version": version}
            state.advance(1_000.0 + version)
    with pytest.raises(InvalidStatus, match="403"):
        connect(ticks, additional_headers=LET_IN, origin="http://evil.example")  # type: ignore[arg-type]
