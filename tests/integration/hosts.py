"""Servers of somebody else for the tests of embedding: a Flask application with everything of its own, and doors before it."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from flask import Flask, Response, request, session
from werkzeug.test import Client

from drm import DRMState, DynamicResourceManager, Resources

TICK = 1_000.0
USER, PASSWORD = "ann", "secret"
LET_IN = {"HTTP_AUTHORIZATION": "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()}

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def state_of(*workers: str) -> DRMState:
    """A state over an external pool of these workers, ticked once."""
    manager = DynamicResourceManager(now=TICK)
    for worker_id in workers:
        manager.register_worker(worker_id, capacity=Resources(cpu=2, memory=4e9))
    state = DRMState(manager)
    state.advance(TICK)
    return state


def make_host(assets: Path, *, with_door: bool = True) -> Flask:
    """A monitoring server with basic auth, pages, error pages, a key, a folder `assets/` and logging of its own."""
    (assets / "drm").mkdir(parents=True, exist_ok=True)
    (assets / "host.css").write_text("body { color: teal }")
    (assets / "drm" / "drm.css").write_text("the host's, under one of our names")
    app = Flask("host", static_folder=str(assets), static_url_path="/assets")
    app.config.update(SECRET_KEY="the host's own", SESSION_COOKIE_NAME="host_session", MAX_CONTENT_LENGTH=2_000_000)
    app.logger.setLevel(logging.WARNING)

    if with_door:

        @app.before_request
        def door() -> Response | None:
            shown = request.authorization
            if shown is not None and (shown.username, shown.password) == (USER, PASSWORD):
                return None
            return Response("the host's 401", 401, {"WWW-Authenticate": 'Basic realm="host"'})

    @app.get("/")
    def index() -> str:
        session["seen"] = True
        return "the host's page"

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("the host's own bug")

    @app.errorhandler(404)
    def missing(_: Any) -> tuple[str, int]:
        return "the host's 404", 404

    @app.errorhandler(500)
    def failed(_: Any) -> tuple[str, int]:
        return "the host's 500", 500

    return app


def basic_auth(application: Wsgi) -> Wsgi:
    """A door before a whole composite of applications."""

    def door(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_AUTHORIZATION") == LET_IN["HTTP_AUTHORIZATION"]:
            return application(environ, start_response)
        start_response("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="all"'), ("Content-Type", "text/plain")])
        return [b"the composite's 401"]

    return door


def proxy_that_strips(path: str, application: Wsgi) -> Wsgi:
    """What nginx does with `location PATH/ { proxy_pass http://server/; }` and the header X-Forwarded-Prefix."""

    def forward(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        assert environ["PATH_INFO"].startswith(f"{path}/"), environ["PATH_INFO"]
        changed = {"PATH_INFO": environ["PATH_INFO"].removeprefix(path), "HTTP_X_FORWARDED_PREFIX": path}
        return application({**environ, **changed}, start_response)

    return forward


def asked_by_wsgi(application: Any) -> Wsgi:
    """An ASGI application as a WSGI one: each request in an event loop of its own."""

    def forward(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {name.removeprefix("HTTP_"): value for name, value in environ.items() if name.startswith(("HTTP_", "CONTENT_")) and value}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": environ["REQUEST_METHOD"],
            "scheme": "http",
            "path": environ["PATH_INFO"],
            "root_path": "",
            "query_string": environ["QUERY_STRING"].encode(),
            "headers": [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()],
            "server": ("localhost", 80),
        }
        told: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            told.append(message)

        asyncio.run(application(scope, receive, send))
        start_response(f"{told[0]['status']} ", [(name.decode(), value.decode()) for name, value in told[0]["headers"]])
        return [message["body"] for message in told[1:]]

    return forward


def header_call(dependencies: list[dict[str, Any]]) -> dict[str, Any]:
    """The header's callback, as a page that was told these dependencies calls it."""
    (header,) = (one for one in dependencies if "drm-source.children" in one["output"] and not one["clientside_function"])
    return {
        "output": header["output"],
        "outputs": [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in header["output"].strip(".").split("...")],
        "inputs": [{**one, "value": {"range": "15 m", "scheme": "light"}} for one in header["inputs"]],
        "state": [{**one, "value": None} for one in header["state"]],
        "changedPropIds": [f"{header['inputs'][0]['id']}.{header['inputs'][0]['property']}"],
    }


class Links(HTMLParser):
    """The addresses that a page loads, and its configuration."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.config: dict[str, Any] = {}
        self._in_config = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes src and href."""
        self.found += [value for name, value in attrs if name in ("src", "href") and value]
        self._in_config = ("id", "_dash-config") in attrs

    def handle_data(self, data: str) -> None:
        """Takes the configuration."""
        if self._in_config:
            self.config = json.loads(data)
            self._in_config = False


def client_of(application: Any, *, let_in: bool = True) -> Client:
    """A client, with or without the host's credentials."""
    return CredentialedClient(application) if let_in else Client(application)


class CredentialedClient(Client):
    """Shows the credentials with every request."""

    def open(self, *arguments: Any, **named: Any) -> Any:
        """Asks."""
        environment = {**LET_IN, **named.pop("environ_overrides", {})}
        return super().open(*arguments, environ_overrides=environment, **named)
