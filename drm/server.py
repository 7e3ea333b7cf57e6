"""A stoppable server around a WSGI application: waitress on a socket of ours, in a thread of its own."""

from __future__ import annotations

import errno
import logging
import math
import socket
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from flask import Flask, redirect

from drm.calls import BODY_LIMIT
from drm.descriptors import connection_limit
from drm.errors import DRMError, InvalidValueError
from drm.guards import protect
from drm.sessions import Sessions
from drm.trust import Trust, names_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger(__name__)

STOP_SECONDS = 2.0
BACKLOG = 1024
CONNECTIONS = 4000
REST_SECONDS = 0.5
TOLD_AGAIN_SECONDS = 60.0
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class PortError(DRMError):
    """The address cannot be listened on."""


class Server:
    """Holds its port from the moment it is made, answers from `start` to `stop`, and then has freed the port.

    PortError where the address is taken, not allowed, or none of this machine's.
    """

    pushes = False
    """Whether it keeps websockets, and takes an ASGI application."""

    def __init__(self, host: str = "127.0.0.1", port: int = 8080) -> None:
        self._socket = _listen(host, port)
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self.host = host
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the server."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 (a name for what is bound, nothing is bound here)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self, application: WSGIApplication) -> None:
        """Answers for the application from now on, in the thread `drm-server`. Once started it cannot be started again."""
        if self._thread is not None:
            raise DRMError("this Server was started already: make a new one")
        from waitress import create_server

        from drm.channel import Channel
        from drm.waiting import Connections

        connections = Connections()
        # Measured: with waitress' defaults 100 open tabs starve each other.
        self._server = create_server(
            application,
            map=connections,
            sockets=[self._socket],
            threads=16,
            connection_limit=connection_limit(CONNECTIONS),
            channel_timeout=30,
            # A larger body ends the connection. What is only too large for our routes is read, so that its sender gets the answer.
            max_request_body_size=16 * BODY_LIMIT,
            clear_untrusted_proxy_headers=True,
            ident="drm",
        )
        self._server.channel_class = Channel
        _rest_without_descriptors(self._server)
        self._thread = threading.Thread(target=connections.answer_all, name="drm-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends all connections and frees the port, within 2 s; may be called twice."""
        server, self._server = self._server, None
        if server is not None:
            # First those who answer: one that has just done so wakes the loop, which must still be there.
            server.task_dispatcher.shutdown(timeout=STOP_SECONDS / 2)
            # The loop ends when its map of sockets is empty; only its own thread may close them. It may be awake already, and must not
            # close the trigger before it was pulled: its descriptor would be nobody's, or another's.
            pulled = threading.Event()
            server.trigger.pull_trigger(lambda: _close_all(server, pulled))
            pulled.set()
            if self._thread is not None:
                self._thread.join(STOP_SECONDS / 2)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def create_standalone(
    host: str,
    url_prefix: str | None,
    *,
    token: str | None = None,
    further_hosts: tuple[str, ...] = (),
    sessions: Sessions | None = None,
) -> Flask:
    """The Flask application of a server that is ours alone: its guards, and the way from `/` to where the dashboard will be mounted.

    None for `url_prefix`: whoever asked for it puts a page of their own at `/`. `sessions`: those of another server of the same token.
    """
    flask_app = Flask("drm.server", static_folder=None)
    protect(flask_app, Trust({*names_of(host), *further_hosts}, token, sessions=sessions))

    if url_prefix is not None:
        flask_app.add_url_rule("/", "to_dashboard", lambda: redirect(url_prefix, 302))

    return flask_app


def _close_all(server: Any, pulled: threading.Event) -> None:
    from waitress import wasyncore

    pulled.wait(STOP_SECONDS / 2)
    # What an answer waits in may be a temporary file, which closing the socket alone leaves open.
    for channel in list(server.active_channels.values()):
        channel.handle_close()
    wasyncore.close_all(server._map)


def _rest_without_descriptors(server: Any) -> None:
    """Where the system gives no descriptor for the next connection, it is asked again a little later; waitress asks without a pause."""
    accept, readable = server.accept, server.readable
    rests_until = -math.inf

    def accept_or_rest() -> Any:
        nonlocal rests_until
        try:
            return accept()
        except OSError as error:
            if error.errno in OUT_OF_DESCRIPTORS:
                if time.monotonic() > rests_until + TOLD_AGAIN_SECONDS:
                    logger.warning("no more connections can be taken, until others end: %s", error.strerror)
                rests_until = time.monotonic() + REST_SECONDS
            raise

    server.accept = accept_or_rest
    server.readable = lambda: time.monotonic() >= rests_until and readable()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise InvalidValueError(f"port must be between 0 and 65535, got {port!r}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise PortError(f"host {host!r} is no address of this machine: {error.strerror or error}; try 127.0.0.1") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise PortError(f"port {port} on {host} cannot be listened on: {reason}; choose another --port, or 0 for a free one") from None
    listener.setblocking(False)
    return listener
