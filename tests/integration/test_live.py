"""From a page that polls to a live one: the button's POST starts a pushed server, once, and only for our own pages."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from websockets.sync.client import connect

from drm import DRMState, DynamicResourceManager, InvalidValueError, mount
from drm.hosting import HostError
from drm.serving import LiveDashboard, serve

POST = "/drm-dashboard/live"


@pytest.fixture
def live() -> Iterator[LiveDashboard]:
    """What starts the pushed server; at the end no thread of it is left."""
    threads = threading.active_count()
    state = DRMState(DynamicResourceManager(now=0.0))
    state.advance(1.0)
    with LiveDashboard(state) as live:
        yield live
    assert threading.active_count() <= threads


@pytest.fixture
def host(live: LiveDashboard) -> Flask:
    """A host with a dashboard that polls."""
    app = Flask("host")
    mount(app, live._state, live=live.open)
    return app


def test_the_button_starts_a_pushed_server_and_leads_there(host: Flask, live: LiveDashboard) -> None:
    """The page has the button; its POST answers with the address, where a page is sent a tick over a websocket; twice is the same."""
    client = host.test_client()
    assert '"action": "/drm-dashboard/live"' in json.dumps(client.get("/drm-dashboard/_dash-layout").json)
    answer = client.post(POST, headers={"Origin": "http://localhost"})
    found = re.search(r"url=(http://127\.0\.0\.1:\d+/drm-dashboard/)", answer.text)
    assert answer.status_code == 200 and found
    url = found[1]
    assert urllib.request.urlopen(url, timeout=5).status == 200
    with connect(url.replace("http", "ws") + "_drm-ticks") as page:
        page.send("next")
        assert json.loads(page.recv(5)) == {"version": 1}
        assert url in client.post(POST).text
        live._state.advance(2.0)
        page.send("next")
        assert json.loads(page.recv(5)) == {"version": 2}


def test_nobody_else_starts_it(host: Flask, live: LiveDashboard) -> None:
    """A page of another origin is refused, and reading changes nothing."""
    client = host.test_client()
    assert client.post(POST, headers={"Origin": "http://evil.example"}).status_code == 403
    assert "The live dashboard is at" not in client.get(POST).text
    assert live._server is None


def test_what_hinders_it_is_said(host: Flask, live: LiveDashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra: 503, its name, and how to get it."""
    monkeypatch.setattr("drm.push_server.find_spec", lambda name: None)
    assert not live.possible
    answer = host.test_client().post(POST)
    assert answer.status_code == 503 and "drm-dashboard[push]" in answer.text


def test_who_comes_from_elsewhere_is_not_led_to_loopback(host: Flask, live: LiveDashboard) -> None:
    """Behind a proxy the address would be one of the reader's own machine: 503, why, and what helps; nothing is started."""
    answer = host.test_client().post(POST, headers={"Host": "monitor.example"})
    assert answer.status_code == 503
    assert "only this machine reaches, and you came by 'monitor.example': start the program itself with --push" in answer.text
    assert live._server is None


def test_a_page_without_it_has_no_button() -> None:
    """Nothing stands at the path, and nothing leads there."""
    app = Flask("host")
    mount(app, DRMState(DynamicResourceManager(now=0.0)))
    client = app.test_client()
    assert client.post(POST).status_code in (404, 405)
    assert "Open the live dashboard" not in client.get("/drm-dashboard/_dash-layout").text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "monitor.example", ""])
def test_strangers_are_not_let_in_by_omission(host: str) -> None:
    """A host that other machines reach, and no token: refused before anything listens, with the value, the rule and both remedies."""
    state = DRMState(DynamicResourceManager(now=0.0))
    rule = re.escape(f"host {host!r} is reached from other machines, and who has no token must not see the pool: ")
    for make in (serve, LiveDashboard):
        with pytest.raises(HostError, match=rule + "pass a token, or insecure=True to let everybody in"):
            make(state, host, 0)
        with pytest.raises(InvalidValueError, match="token must be ASCII characters without spaces, and not empty"):
            make(state, host, 0, token="")


@pytest.mark.parametrize(("rules", "status"), [({"insecure": True}, 200), ({"token": "correct-horse-battery"}, 401)])
def test_strangers_are_let_in_on_purpose_or_asked_for_the_token(rules: dict[str, Any], status: int) -> None:
    """Both remedies serve on all addresses, the polled and the live dashboard alike."""
    state = DRMState(DynamicResourceManager(now=0.0))
    state.advance(1.0)
    with serve(state, "0.0.0.0", 0, **rules) as server, LiveDashboard(state, "0.0.0.0", **rules) as live:
        for page in (f"{server.url}/drm-dashboard/", live.open()):
            assert status_of(page) == status


def status_of(url: str) -> int:
    """What the address answers with."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
