"""Both ways to serve: what is asked here goes over real sockets, to the polled server and to the pushed one."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import Client

from drm.asgi import PushedApplication
from drm.manager import DynamicResourceManager
from drm.push_server import PushServer
from drm.server import Server
from drm.state import DRMState
from tests.integration.recorded import recorded

__all__ = ["recorded"]

WAYS = {"polled": Server, "pushed": PushServer}
TICKS = "/drm-dashboard/_drm-ticks"


def answer(server: Server, app: Flask, state: DRMState | None = None) -> None:
    """Starts a server of either kind for a Flask application."""
    if server.pushes:
        server.start(PushedApplication(app, state or DRMState(DynamicResourceManager(now=0.0)), TICKS))  # type: ignore[arg-type]
    else:
        server.start(app)


class Wire:
    """A Flask application on a real server; its test client speaks over a socket."""

    def __init__(self, app: Flask, server: Server) -> None:
        self.app, self.server = app, server

    def test_client(self) -> Client:
        """A client with cookies of its own."""
        return Client(self._forward)

    def _forward(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Sends the request as it is; where it comes from, `REMOTE_ADDR`, must be an address of loopback."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.port, timeout=20, source_address=(environ.get("REMOTE_ADDR", "127.0.0.1"), 0)
        )
        target = quote(environ["PATH_INFO"].encode("latin1"), safe="/") + ("?" if environ["QUERY_STRING"] else "") + environ["QUERY_STRING"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        connection.putrequest(environ["REQUEST_METHOD"], target, skip_host=True, skip_accept_encoding=True)
        for key, value in environ.items():
            if key in ("CONTENT_TYPE", "CONTENT_LENGTH") or key.startswith("HTTP_"):
                connection.putheader(key.removeprefix("HTTP_").replace("_", "-").title(), value)
        connection.endheaders(body or None)
        given = connection.getresponse()
        content = given.read()
        connection.close()
        start_response(f"{given.status} {given.reason}", given.getheaders())
        return [content]


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """How the page is updated: polled or pushed."""
    return str(request.param)


@pytest.fixture(scope="module")
def wire(way: str) -> Iterator[Callable[[Flask], Wire]]:
    """Puts Flask applications on servers of this way, which end with the module's tests."""
    with ExitStack() as stack:

        def put(app: Flask) -> Wire:
            server = stack.enter_context(WAYS[way]("127.0.0.1", 0))
            answer(server, app)
            return Wire(app, server)

        yield put
