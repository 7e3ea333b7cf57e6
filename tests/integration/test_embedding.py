"""The dashboard inside a host's Flask application, and several of them in one process."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask, Response, request

from drm import DRMState, DynamicResourceManager, Resources, create_app, mount

TICK = 1_000.0


def state_of(*workers: str) -> DRMState:
    """A state over an external pool of these workers, ticked once."""
    manager = DynamicResourceManager(now=TICK)
    for worker_id in workers:
        manager.register_worker(worker_id, capacity=Resources(cpu=2, memory=4e9))
    state = DRMState(manager)
    state.advance(TICK)
    return state


@pytest.fixture
def host() -> Flask:
    """A monitoring server with a page, an error page, a key and a door of its own."""
    app = Flask("host")
    app.secret_key = "the host's own"

    @app.get("/")
    def index() -> str:
        return "the host's page"

    @app.errorhandler(404)
    def missing(_: Any) -> tuple[str, int]:
        return "the host's 404", 404

    @app.before_request
    def door() -> Response | None:
        return Response("the host's 401", 401) if request.headers.get("X-User") is None else None

    return app


def test_everything_of_ours_lies_under_the_prefix(host: Flask) -> None:
    """Page, assets, layout and API answer under it; nothing outside of it is new."""
    before = {rule.rule for rule in host.url_map.iter_rules()}
    mount(host, state_of("w1"))
    added = {rule.rule for rule in host.url_map.iter_rules()} - before
    assert added
    assert all(rule.startswith("/drm-dashboard/") for rule in added)
    client = host.test_client()
    client.environ_base["HTTP_X_USER"] = "ann"
    for path in ("", "_dash-layout", "_dash-dependencies", "assets/drm/drm.css", "healthz", "api/v1/snapshot"):
        with client.get(f"/drm-dashboard/{path}") as answer:
            assert answer.status_code == 200, path
    assert client.get("/drm-dashboard/api/v1/snapshot").json["workers"][0]["id"] == "w1"


def test_the_host_stays_as_it_is(host: Flask) -> None:
    """Its page, error page, key, limits and headers are its own; its door covers ours."""
    limits = host.config["MAX_CONTENT_LENGTH"], host.config["TRUSTED_HOSTS"]
    mount(host, state_of("w1"))
    client = host.test_client()
    assert client.get("/drm-dashboard/").status_code == 401
    assert client.get("/drm-dashboard/api/v1/snapshot").text == "the host's 401"
    client.environ_base["HTTP_X_USER"] = "ann"
    page = client.get("/")
    assert page.text == "the host's page"
    assert "Content-Security-Policy" not in page.headers
    assert "Content-Security-Policy" in client.get("/drm-dashboard/").headers
    assert client.get("/nowhere").text == "the host's 404"
    assert host.secret_key == "the host's own"
    assert (host.config["MAX_CONTENT_LENGTH"], host.config["TRUSTED_HOSTS"]) == limits


def test_two_dashboards_in_one_host_show_their_own_pools(host: Flask) -> None:
    """Two states, two prefixes, one process; nothing is shared."""
    mount(host, state_of("left"), url_prefix="/left/")
    mount(host, state_of("right", "right-2"), url_prefix="/right/")
    client = host.test_client()
    client.environ_base["HTTP_X_USER"] = "ann"
    ids = {side: [worker["id"] for worker in client.get(f"/{side}/api/v1/snapshot").json["workers"]] for side in ("left", "right")}
    assert ids == {"left": ["left"], "right": ["right", "right-2"]}
    for side in ("left", "right"):
        assert len(client.get(f"/{side}/_dash-dependencies").json) > 5
        assert f'"/{side}/' in client.get(f"/{side}/").text


def test_making_an_app_starts_nothing() -> None:
    """create_app and mount leave threads to whoever makes a Runner."""
    before = threading.active_count()
    app = create_app(state_of("w1"))
    assert app.server.test_client().get("/drm-dashboard/").status_code == 200
    assert threading.active_count() == before
