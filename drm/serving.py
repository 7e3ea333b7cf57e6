"""The dashboard over a state on a server of its own, pushed or polled: what the command line and `start_dashboard_server` share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from drm.address import DEFAULT_PREFIX, TICKS_PATH
from drm.errors import DRMError, InvalidValueError
from drm.hosting import fits_a_header, is_loopback, refuse_strangers
from drm.server import Server, create_standalone
from drm.sessions import Sessions
from drm.state import DRMState

REMEDIES = "pass a token, or insecure=True to let everybody in"


def open_server(host: str = "127.0.0.1", port: int = 8080, *, push: bool = False) -> Server:
    """A server that holds its port already, and answers once `start_dashboard` has been called with it.

    PortError where the address cannot be listened on; PushUnavailableError where the extra `push` is not installed.
    """
    if not push:
        return Server(host, port)
    from drm.push_server import PushServer

    return PushServer(host, port)


def start_dashboard(
    server: Server,
    state: DRMState,
    *,
    token: str | None = None,
    further_hosts: tuple[str, ...] = (),
    sessions: Sessions | None = None,
    url_prefix: str = DEFAULT_PREFIX,
    live: Callable[[str], str] | None = None,
    actions: bool = False,
) -> None:
    """Answers for the dashboard from now on: the page at the prefix, to which `/` leads, and `/healthz`, `/readyz` and `/api/v1`.

    `live`: opens a live dashboard from a page that polls, as in `mount`; `actions`: whether the pool may be changed from the page and the
    API. `sessions`: those of another server of the same token.
    """
    # What is slow to import comes after the port is known to be good.
    from drm.dashboard import mount

    flask_app = create_standalone(server.host, url_prefix, token=token, further_hosts=further_hosts, sessions=sessions)
    mount(flask_app, state, url_prefix, api_prefix="", push=server.pushes, live=live, actions=actions)
    application: Any = flask_app
    if server.pushes:
        from drm.asgi import PushedApplication

        application = PushedApplication(flask_app, state, url_prefix + TICKS_PATH)
    server.start(application)


def serve(
    state: DRMState,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    push: bool = False,
    token: str | None = None,
    further_hosts: tuple[str, ...] = (),
    sessions: Sessions | None = None,
    url_prefix: str = DEFAULT_PREFIX,
    insecure: bool = False,
    actions: bool = False,
) -> Server:
    """A running server of the dashboard: its page is at `.url` + prefix, `.stop()` ends it. The state is advanced by somebody else.

    HostError, before anything listens, where other machines reach the host and there is no token; `insecure=True` lets everybody in.
    """
    _check_door(host, token, insecure)
    server = open_server(host, port, push=push)
    try:
        rules: dict[str, Any] = {"token": token, "further_hosts": further_hosts, "sessions": sessions, "actions": actions}
        start_dashboard(server, state, url_prefix=url_prefix, **rules)
    except BaseException:
        server.stop()
        raise
    return server


class LiveDashboard:
    """A pushed server of a state that starts when somebody first asks for it: `mount(app, state, live=live.open)`. `stop` ends it.

    `sessions`: those of the server that the asking page is of. HostError where other machines reach the host and there is no token;
    `insecure=True` lets everybody in.
    """

    def __init__(
        self,
        state: DRMState,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        token: str | None = None,
        further_hosts: tuple[str, ...] = (),
        sessions: Sessions | None = None,
        insecure: bool = False,
        actions: bool = False,
    ) -> None:
        _check_door(host, token, insecure)
        self._state, self._host, self._port = state, host, port
        self._rules: dict[str, Any] = {"token": token, "further_hosts": further_hosts, "sessions": sessions, "insecure": insecure}
        self._rules["actions"] = actions
        self._lock = threading.Lock()
        self._server: Server | None = None

    @property
    def possible(self) -> bool:
        """Whether the extra `push` is installed, without which there is nothing to open."""
        from drm.push_server import missing_for_push

        return not missing_for_push()

    def open(self, called_as: str = "127.0.0.1") -> str:
        """The address of the page, which answers by now. `called_as`: the name of this machine that the asking browser knows.

        PortError where the address cannot be listened on; PushUnavailableError where the extra `push` is not installed; DRMError where it
        would be on loopback, and the browser is elsewhere.
        """
        if is_loopback(self._host) and not is_loopback(called_as):
            raise DRMError(
                f"it would listen on {self._host}, which only this machine reaches, and you came by {called_as!r}: "
                "start the program itself with --push, behind the same proxy"
            )
        with self._lock:
            if self._server is None:
                self._server = serve(self._state, self._host, self._port, push=True, **self._rules)
            on_all = self._host in ("0.0.0.0", "::")  # noqa: S104 (it is compared, not bound)
            name = f"[{called_as}]" if ":" in called_as else called_as
            return (f"http://{name}:{self._server.port}" if on_all else self._server.url) + DEFAULT_PREFIX

    def stop(self) -> None:
        """Ends the server, if one runs; who asks afterwards has a new one."""
        with self._lock:
            if self._server is not None:
                self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _check_door(host: str, token: str | None, insecure: bool) -> None:
    if token is not None and not fits_a_header(token):
        raise InvalidValueError("token must be ASCII characters without spaces, and not empty; None serves without one")
    refuse_strangers(host, token, insecure=insecure, named="host", remedies=REMEDIES)
